"""One call of the command line: what a command is handed by the group."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ciplug.cli.report import Report
    from ciplug.signals import Signals


@dataclass(slots=True, kw_only=True)
class Invocation:
    """The process environment, never shown; the signal handlers; how people are told; which streams were closed.

    `command` is the command's name once it is known, `manifest` the option of that name.
    """

    env: dict[str, str] = field(repr=False)
    signals: Signals
    report: Report
    missing: frozenset[int] = frozenset()
    command: str = ""
    manifest: str = ""
