"""A person's terminal, or a CI that ciplug has no name for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ciplug.hosts.facts import Host

if TYPE_CHECKING:
    from collections.abc import Mapping


def detect(env: Mapping[str, str]) -> Host:
    """The host of last resort. Any CI sets ``CI`` to something other than a "no"."""
    if env.get("CI", "").strip().lower() not in {"", "0", "false", "no"}:
        return Host(kind="ci", label="this CI", commit=env.get("CI_COMMIT_SHA", ""))
    return Host(kind="terminal", label="this terminal", ci=False, actor=env.get("USER", ""))
