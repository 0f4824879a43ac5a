"""The one moment by which a phase of a command must be over, shared by every request of that phase."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Deadline:
    """Runs from its construction for `seconds`. Any thread may ask it, and any thread or signal handler may end it."""

    def __init__(self, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self.clock = clock
        self._end = clock() + seconds
        self._cancelled = threading.Event()

    def remaining(self) -> float:
        """Seconds left, never negative; 0 once cancelled."""
        return 0.0 if self.cancelled else max(0.0, self._end - self.clock())

    @property
    def expired(self) -> bool:
        """Whether nothing is left."""
        return self.remaining() <= 0

    @property
    def cancelled(self) -> bool:
        """Whether it was ended before its time."""
        return self._cancelled.is_set()

    def cancel(self) -> None:
        """End it now and wake whoever sleeps on it."""
        self._cancelled.set()

    def sleep(self, seconds: float) -> None:
        """Sleep, but not past the end and not through a cancellation."""
        self._cancelled.wait(min(seconds, self.remaining()))
