"""The filtering process of a job's shell: it copies what the shell and its children print from FIFOs to the job's log.

It lives beside the shell, not above it: `prepare` before the shell is redirected, `Tap.detach` into a process of its
own, `Tap.serve` there until the shell is over, or until whoever ends the job calls `lock.stop`. When it is gone, a
process that still holds one of the FIFOs gets SIGPIPE at its next write: nothing is ever written unfiltered.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from typing import TYPE_CHECKING, Any

from ciplug.errors import HandOverError
from ciplug.inject import lock
from ciplug.inject.stream import Stream, StuckSink
from ciplug.signals import FATAL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ciplug.redact import StreamFilter

UNUSED = 20.0
"""Seconds after which FIFOs that nobody has opened are given up: the shell ended before it was redirected."""

DRAIN = 30.0
"""Seconds that the sinks may take for what is left, once the filter is asked to end. Until then they take their time,
as they would without a filter.
"""

_AGAIN = 0.5
_OUT, _ERR, _SHELL = "out", "err", "shell"


def prepare(directory: Path, *, stdout: int, stderr: int) -> Tap:
    """Make FIFOs ``out`` and ``err`` in a private `directory`, for the descriptors of the job's log, and open them.

    They are one FIFO where `stdout` and `stderr` are the same file, so that the order of what is printed is kept.
    ``HandOverError`` when they cannot be made.
    """
    opened: list[int] = []
    try:
        together = os.path.sameopenfile(stdout, stderr)  # first: a number that is free would soon be one of ours
        opened.append(lock.take(directory))
        opened.append(_fifo(directory / _OUT))
        if together:
            (directory / _ERR).hardlink_to(directory / _OUT)
        else:
            opened.append(_fifo(directory / _ERR))
    except OSError as err:
        for descriptor in opened:
            os.close(descriptor)
        raise HandOverError(
            f"the shell's output cannot be redirected: {err.strerror}",
            hint="evaluate the code as the documentation shows, with 3>&1, and use a local file system",
        ) from err
    held, *sources = opened
    return Tap(directory, held, sources, [stdout, stderr][: len(sources)])


class Tap:
    """The reading ends of a shell's output, and the lock that tells others that somebody reads them."""

    def __init__(self, directory: Path, held: int, sources: Sequence[int], sinks: Sequence[int]) -> None:
        self._directory = directory
        self._lock = held
        self._sources = sources
        self._sinks = sinks
        self._streams: Sequence[Stream] = ()
        self._stopping = False

    def detach(self) -> int:
        """Fork: 0 in the filtering process, which must `serve`, clean up and exit; its pid in the calling one.

        No signal reaches the filtering process before it serves.
        """
        before = signal.pthread_sigmask(signal.SIG_BLOCK, FATAL)
        try:
            pid = os.fork()
        except OSError as err:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            raise HandOverError(
                f"the filtering process could not be started: {err.strerror}", hint="raise the limit of processes"
            ) from err
        if pid:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            lock.write_pid(self._lock, pid)
            for descriptor in (self._lock, *self._sources):
                os.close(descriptor)
        return pid

    def serve(self, stream_filter: Callable[[], StreamFilter], *, unused: float = UNUSED) -> OSError | None:
        """Copy until the shell is over and nobody writes any more, or until `lock.stop`; the error of a sink, if any.

        After that request, what the FIFOs hold comes out and no more, whoever still has them open. It ends as well when
        nobody has opened them within `unused` seconds. The process gets a session of its own, no stdin and no stdout,
        and ignores every signal but SIGTERM for the rest of its life: it outlives a cancelled job for as long as that
        job's last words take.
        """
        self._settle()
        self._streams = [
            Stream(source, sink, stream_filter()) for source, sink in zip(self._sources, self._sinks, strict=True)
        ]
        wake, wake_end = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(wake_end, False)
        signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)
        self._copy(wake, time.monotonic() + unused)
        for stream in self._streams:
            if stream.open:
                stream.drain()
                stream.finish()
        self._await_shell(wake)
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.set_wakeup_fd(-1)
        os.close(wake)
        os.close(wake_end)
        return next((stream.failure for stream in self._streams if stream.failure is not None), None)

    def _settle(self) -> None:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1):  # whoever reads our stdout would wait for its end as long as we live
            os.dup2(nothing, descriptor)
        os.close(nothing)
        handlers: dict[int, Any] = dict.fromkeys(FATAL, signal.SIG_IGN)
        handlers |= {signal.SIGTERM: self._on_stop, signal.SIGALRM: self._on_alarm}
        for number, handler in handlers.items():  # once each: to ignore a signal forgets that it has come
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, FATAL)

    def _copy(self, wake: int, unused_at: float | None) -> None:
        by_source = {stream.source: stream for stream in self._streams}
        poller = select.poll()
        for descriptor in (wake, *by_source):
            poller.register(descriptor, select.POLLIN)
        while by_source and not self._stopping:
            for descriptor, _ in poller.poll(self._timeout(unused_at)):
                if descriptor == wake:
                    os.read(wake, 4096)
                else:
                    by_source[descriptor].pump()
            if unused_at is not None and time.monotonic() >= unused_at:
                self._close_unused()
                unused_at = None
            for source, stream in list(by_source.items()):
                stream.flush_if_silent()
                if not stream.open:
                    poller.unregister(source)
                    del by_source[source]

    def _timeout(self, unused_at: float | None) -> float | None:
        """Milliseconds until something is due."""
        waits = [wait for stream in self._streams if (wait := stream.wait()) is not None]
        if unused_at is not None:
            waits.append(max(0.0, unused_at - time.monotonic()))
        return min(waits) * 1000 if waits else None

    def _close_unused(self) -> None:
        """End the streams that nobody has open: only there is reading at the end of the file at once."""
        for stream in self._streams:
            if stream.open:
                with contextlib.suppress(BlockingIOError):
                    stream.pump()

    def _await_shell(self, wake: int) -> None:
        """A shell that has sent its output elsewhere, to a file for example, still uses its secrets until it ends."""
        shell = None if self._stopping else _process(self._directory / _SHELL)
        if shell is None:
            return
        poller = select.poll()
        poller.register(shell, select.POLLIN)
        poller.register(wake, select.POLLIN)
        while not self._stopping and all(descriptor != shell for descriptor, _ in poller.poll()):
            with contextlib.suppress(BlockingIOError):
                os.read(wake, 4096)
        os.close(shell)

    def _on_stop(self, _signum: int, _frame: object) -> None:
        if not self._stopping:
            self._stopping = True
            signal.setitimer(signal.ITIMER_REAL, DRAIN, _AGAIN)

    def _on_alarm(self, _signum: int, _frame: object) -> None:
        if any(stream.writing for stream in self._streams):
            raise StuckSink


def _fifo(path: Path) -> int:
    """Open before there is a writer, so that the shell's own open never waits."""
    os.mkfifo(path, 0o600)
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)


def _process(path: Path) -> int | None:
    """A descriptor of the process whose pid is in the file, readable once it ends; ``None`` without such a process."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(int(path.read_bytes()))
    except (OSError, ValueError, OverflowError):
        return None
