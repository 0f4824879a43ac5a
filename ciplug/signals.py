"""What signals mean while ciplug itself works: end, but clean up first.

A signal raises ``Interrupted`` in the main thread, once: whatever cleans up behind it is not interrupted again. Inside
a shield (from a login to its revocation) a signal is only remembered, except in the parts marked ``interruptible``. The
child's own signals are `ciplug.inject`'s business.
"""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

from ciplug.errors import Interrupted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def _known(*names: str) -> tuple[signal.Signals, ...]:
    """Those of `names` that this system has."""
    return tuple(signal.Signals[name] for name in names if name in signal.Signals.__members__)


ENDING = _known("SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT")
"""The signals that ask a process to end."""

FATAL = tuple(
    signal.Signals(number)
    for number in sorted(
        signal.valid_signals()
        - set(_known("SIGKILL", "SIGSTOP"))  # not to be handled
        - set(_known("SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGSEGV", "SIGSYS"))  # faults of its own
        - set(_known("SIGCHLD", "SIGCONT", "SIGURG", "SIGWINCH", "SIGINFO"))  # ignored by default
        - set(_known("SIGTSTP", "SIGTTIN", "SIGTTOU"))  # job control
        - set(_known("SIGPIPE", "SIGXFSZ"))  # ignored by Python, which raises OSError instead
    )
    if number in signal.Signals.__members__.values()
)
"""The named signals that end a process which does not handle them, and are no sign of a fault of its own."""


class Signals:
    """The process's handlers for every signal that would end it, from ``__enter__`` to ``__exit__``."""

    def __init__(self) -> None:
        self.pending: int | None = None
        self._before: dict[int, Any] = {}
        self._shielded = False
        self._raised = False
        self._hurry: Callable[[], None] | None = None

    def __enter__(self) -> Self:
        for number in FATAL:
            # NOTE: an ignored SIGHUP stays ignored (nohup). An ignored SIGINT does not: a shell sets that for every
            # background command, and a cancelled job must still be able to revoke.
            if signal.getsignal(number) is signal.SIG_IGN and number != signal.SIGINT:
                continue
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def _handle(self, signum: int, _frame: object) -> None:
        self.pending = self.pending or signum
        if not self._shielded:
            self.check()
        elif self._hurry:
            self._hurry()

    @contextmanager
    def shielded(self, hurry: Callable[[], None] | None = None) -> Iterator[None]:
        """Remember signals until the block ends; `hurry` is called when one arrives, to shorten what is under way."""
        before = self._shielded, self._hurry
        self._shielded, self._hurry = True, hurry or self._hurry
        try:
            yield
        finally:
            self._shielded, self._hurry = before

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """A part of a shielded block that a signal may end at any point."""
        before, self._shielded = self._shielded, False
        try:
            self.check()
            yield
        finally:
            self._shielded = before

    def check(self) -> None:
        """Raise for a signal that was remembered and has not been raised yet."""
        if self.pending is not None and not self._raised:
            self._raised = True
            raise Interrupted(self.pending)

    def sleep(self, seconds: float) -> None:
        """Sleep, but not through a signal: between two attempts nothing can be lost, so even a shield gives way."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self.check()
            time.sleep(min(left, 0.05))
        self.check()
