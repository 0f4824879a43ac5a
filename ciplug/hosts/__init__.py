"""CI hosts: which one this is, what it says of the run, and whether it can be told to mask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ciplug.hosts import github, gitlab, jenkins, local
from ciplug.hosts.facts import EXPOSED, Host

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EXPOSED", "Host", "detect"]


def detect(env: Mapping[str, str]) -> Host:
    """The host this process runs on; `local` (a person, or a CI without a name here) when no other claims it."""
    return github.detect(env) or gitlab.detect(env) or jenkins.detect(env) or local.detect(env)
