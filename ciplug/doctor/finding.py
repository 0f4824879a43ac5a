"""What the report says of one thing that was looked at, and how much of it a reader is spared."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, Literal

from ciplug.frozen import frozen
from ciplug.vault.reason import quotable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ciplug.errors import CiplugError

State = Literal["ok", "failed", "note"]

_SHOWN: Final = 20
"""Findings of one kind that are good, bad or worth a word, each."""

_BRIEF: Final = 60
"""Characters of a version, a policy's name and the like."""


@frozen
class Finding:
    """How `check` stands. `remedy` is a line that can stand alone, and below it there may be something to paste."""

    check: str
    state: State
    text: str
    remedy: str = ""


def ok(check: str, text: str) -> Finding:
    """A check that is passed; there is nothing to do."""
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


def brief(value: object) -> str:
    """What a server says, in the length of a word or two."""
    return quotable(str(value), _BRIEF)


def readable(check: str, findings: Iterable[Finding]) -> Iterator[Finding]:
    """The first of `findings` in each state, and in one more how many others there are."""
    counts: Counter[State] = Counter()
    for finding in findings:
        counts[finding.state] += 1
        if counts[finding.state] <= _SHOWN:
            yield finding
    for state, count in counts.items():
        if count > _SHOWN:
            yield Finding(check=check, state=state, text=f"and {count - _SHOWN} more")
