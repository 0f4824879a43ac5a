"""One line of the report, and the ways to make one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ciplug.frozen import frozen

if TYPE_CHECKING:
    from ciplug.errors import CiplugError

State = Literal["ok", "failed", "note"]


@frozen
class Finding:
    """What was looked at, how it stands, what was found, and what to do about it: text of one line or several."""

    check: str
    state: State
    text: str
    remedy: str = ""


def ok(check: str, text: str) -> Finding:
    """All is well."""
    return Finding(check=check, state="ok", text=text)


def note(check: str, text: str, remedy: str = "") -> Finding:
    """Worth a word, and not why a job fails."""
    return Finding(check=check, state="note", text=text, remedy=remedy)


def failed(check: str, text: str, remedy: str) -> Finding:
    """Why a job fails."""
    return Finding(check=check, state="failed", text=text, remedy=remedy)


def from_error(check: str, error: CiplugError) -> Finding:
    """The error that a step ended with."""
    return failed(check, str(error), error.hint)
