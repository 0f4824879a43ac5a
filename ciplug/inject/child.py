"""The child process: its own group, its output filtered, its signals and exit status passed on faithfully."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from typing import TYPE_CHECKING, Any

from ciplug.errors import HandOverError
from ciplug.inject.group import ProcessGroup
from ciplug.inject.start import start
from ciplug.inject.stream import StuckSink
from ciplug.inject.terminal import Foreground
from ciplug.signals import ENDING, FATAL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ciplug.inject.start import Process
    from ciplug.inject.stream import Stream
    from ciplug.redact import StreamFilter

GRACE = 5.0
"""Seconds between a forwarded ending signal and SIGKILL for the whole group.

GitHub sends SIGINT, 7.5 s later SIGTERM, and kills 2.5 s after that: this leaves time to revoke.
"""

LINGER = 0.5
"""Seconds that output may still arrive after the child has ended, from processes it left behind."""

_FORWARDED = tuple(number for number in FATAL if number != signal.SIGALRM)
"""SIGALRM is the grace timer's own."""


class Child:
    """One run of one command. ``run()`` returns its exit status, 128+n for a signal."""

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[bytes, bytes],
        *,
        stream_filter: Callable[[], StreamFilter],
        warn: Callable[[str], None],
        grace: float = GRACE,
        pending: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._command = command
        self._environment = environment
        self._stream_filter = stream_filter
        self._warn = warn
        self._grace = grace
        self._pending = pending
        self._group: ProcessGroup | None = None
        self._streams: Sequence[Stream] = ()
        self._early: list[int] = []
        self._ending = False
        self._killed_at: float | None = None
        self._status: int | None = None
        self._ended_at = 0.0

    def run(self) -> int:
        """Start the command, copy its output until it ends, and return its status.

        ``CommandError`` when it cannot be started; ``HandOverError`` when its output could not be written.
        """
        with self._signals() as wake:
            process, self._streams = start(self._command, self._environment, self._stream_filter)
            self._group = ProcessGroup(process.pid)
            foreground = Foreground()
            foreground.lend(process.pid)
            try:
                self._forward_early()
                self._supervise(process.pid, wake, foreground)
            finally:
                self._finish(process)
                foreground.take_back()
        for stream in self._streams:
            if stream.failure is not None:
                raise HandOverError(
                    f"the command's output could not be written: {stream.failure.strerror}",
                    hint="the command was cut off; make room where its output goes",
                ) from stream.failure
        return process.returncode if process.returncode >= 0 else 128 - process.returncode

    def _supervise(self, pid: int, wake: int, foreground: Foreground) -> None:
        poller = select.poll()
        poller.register(wake, select.POLLIN)
        by_source = {stream.source: stream for stream in self._streams}
        for source in by_source:
            poller.register(source, select.POLLIN)
        while True:
            for descriptor, _ in poller.poll(self._timeout()):
                if descriptor == wake:
                    os.read(wake, 4096)
                    continue
                by_source[descriptor].pump()
            for source, stream in list(by_source.items()):
                stream.flush_if_silent()
                if not stream.open:
                    poller.unregister(source)
                    del by_source[source]
            self._reap(pid, foreground)
            if self._done(bool(by_source)):
                return

    def _timeout(self) -> float:
        """Milliseconds until something is due; a signal or the child's end comes through the wake descriptor."""
        waits = [wait for stream in self._streams if (wait := stream.wait()) is not None]
        if self._status is not None:
            waits.append(0.02)
        # NOTE: the second is a safety net only, for a wake-up byte that was lost because the pipe was full.
        return min(waits, default=1.0) * 1000

    def _reap(self, pid: int, foreground: Foreground) -> None:
        if self._status is not None:
            return
        found, status = os.waitpid(pid, os.WNOHANG | os.WUNTRACED)
        if found == 0:
            return
        if os.WIFSTOPPED(status):
            foreground.child_stopped(os.WSTOPSIG(status))
            return
        self._status = os.waitstatus_to_exitcode(status)
        self._ended_at = time.monotonic()

    def _done(self, streaming: bool) -> bool:  # noqa: FBT001  # a state, not a mode
        if self._status is None:
            return False
        if self._ending:
            since_kill = 0.0 if self._killed_at is None else time.monotonic() - self._killed_at
            return since_kill > LINGER or not (streaming or self._alive())
        return not streaming or time.monotonic() - self._ended_at > LINGER

    def _finish(self, process: Process) -> None:
        """Nothing of the child stays: on the way out of a failure the group is killed; pipes are drained and closed."""
        if self._status is None:
            self._kill(signal.SIGKILL)
            self._status = os.waitstatus_to_exitcode(os.waitpid(process.pid, 0)[1])
        process.returncode = self._status
        left_behind = False
        for stream in self._streams:
            if stream.open:
                left_behind = True
                stream.drain()
                stream.finish()
        if left_behind and not self._ending:
            self._warn("a background process outlived the command; its further output is not shown")

    @contextlib.contextmanager
    def _signals(self) -> Iterator[int]:
        """Forward what is sent to ciplug to the child's group; gives the descriptor that wakes the loop."""
        wake, wake_end = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(wake_end, False)
        handlers: dict[int, Any] = {number: self._on_signal for number in _FORWARDED if not _ignored_hangup(number)}
        handlers |= {signal.SIGCHLD: _awaken, signal.SIGALRM: self._on_alarm}
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        wakeup = signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)
        try:
            yield wake
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(wake)
            os.close(wake_end)

    def _on_signal(self, signum: int, _frame: object) -> None:
        if self._group is not None:
            self._forward(signum)
        else:
            self._early.append(signum)

    def _forward_early(self) -> None:
        """Pass on what arrived before there was a child, also while its caller still handled signals."""
        if (pending := self._pending()) is not None:
            self._early.append(pending)
        while self._early:
            self._forward(self._early.pop(0))

    def _forward(self, signum: int) -> None:
        self._kill(signum)
        if signum in ENDING and not self._ending:
            self._ending = True
            self._kill(signal.SIGCONT)  # a stopped process cannot end
            # A timer of zero would be none at all.
            signal.setitimer(signal.ITIMER_REAL, max(self._grace, 0.001), LINGER)

    def _on_alarm(self, _signum: int, _frame: object) -> None:
        if not self._ending:  # someone else's alarm
            return
        self._kill(signal.SIGKILL)
        self._killed_at = self._killed_at or time.monotonic()
        if any(stream.writing for stream in self._streams):
            raise StuckSink

    def _kill(self, signum: int) -> None:
        if self._group is not None:
            self._group.send(signum)

    def _alive(self) -> bool:
        return self._group is not None and self._group.alive()


def _ignored_hangup(number: int) -> bool:
    """Whether `number` is a SIGHUP that ``nohup`` told us to ignore."""
    return number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN


def _awaken(_signum: int, _frame: object) -> None:
    """The child's end is noticed through the wake descriptor; a handler must exist for it to be written."""
