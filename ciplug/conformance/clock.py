"""The one time that a test has: for the stand-in, the HTTP client, the adapter and people."""

from __future__ import annotations

from typing import Final

_START: Final = 1_800_000_000.0
_MOMENT: Final = 0.002


class Clock:
    """Epoch seconds that pass only by waiting, and a moment with each ``tick``.

    `now` may be set as well; `waits` are the pauses so far, in seconds.
    """

    def __init__(self, start: float = _START) -> None:
        self.now = start
        self.waits: list[float] = []

    def __call__(self) -> float:
        """The time in epoch seconds."""
        return self.now

    def wait(self, seconds: float) -> None:
        """Add `seconds` to the time, and return at once."""
        self.waits.append(seconds)
        self.now += seconds

    def tick(self) -> None:
        """Let a moment pass, so that no two changes have the same time."""
        self.now += _MOMENT
