"""The time one target's sync has: a deadline for all its requests, and pauses that end with it or with a signal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from ciplug.errors import PlatformError
from ciplug.net.deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable

_SLICE_SECONDS: Final = 10.0
"""How long a pause goes on before `beat` is called again."""

_NOTHING_LEFT_SECONDS: Final = 0.05
"""Less than what a request is repeated for."""


class Pace:
    """`seconds` from now on; `more` says how there can be more. `beat` is called during long pauses, so that nobody
    thinks this sync dead.
    """

    def __init__(
        self,
        seconds: float,
        *,
        more: str = "run it again",
        beat: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.deadline = Deadline(seconds, clock=clock)
        self._more = more
        self._beat = beat or (lambda: None)
        self._clock = clock

    def sleep(self, seconds: float) -> None:
        """Sleep, but not past the deadline, and not once ``end`` is called."""
        until = self._clock() + seconds
        while (left := until - self._clock()) > 0 and not self.deadline.expired:
            self.deadline.sleep(min(left, _SLICE_SECONDS))
            self._beat()

    def wait(self, seconds: float) -> None:
        """The same for whoever asks again and again: ``PlatformError`` once there is no time left to do so."""
        self.sleep(seconds)
        if self.deadline.cancelled:
            raise PlatformError("it was interrupted", hint="run it again: it goes on where this has ended")
        if self.deadline.expired:
            raise PlatformError(f"it did not end within {self.deadline.seconds:.0f} s", hint=self._more)

    def explain(self, error: PlatformError) -> None:
        """Say in `error` how there can be more time, where it came because none was left."""
        if not self.deadline.cancelled and self.deadline.remaining() < _NOTHING_LEFT_SECONDS:
            error.reword(hint=self._more)

    def end(self) -> None:
        """No request is begun any more, and no pause goes on. May be called by any thread."""
        self.deadline.cancel()
