"""The child process: its own group, its output filtered, its signals and exit status passed on faithfully."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ciplug.errors import HandOverError
from ciplug.inject.stream import Stream, StuckSink
from ciplug.inject.terminal import Foreground

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ciplug.redact import StreamFilter

GRACE = 5.0
"""Seconds between a forwarded ending signal and SIGKILL for the whole group.

GitHub sends SIGINT, 7.5 s later SIGTERM, and kills 2.5 s after that: this leaves time to revoke.
"""

LINGER = 0.5
"""Seconds that output may still arrive after the child has ended, from processes it left behind."""

NOT_FOUND, NOT_RUNNABLE = 127, 126

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_FORWARDED = (*_ENDING, signal.SIGUSR1, signal.SIGUSR2)


class CommandError(HandOverError):
    """The command cannot be started; `status` is the shell's: 127 not found, 126 not runnable."""

    cause = "command"

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message, hint="check the command after `--`, its path and its mode")
        self.status = status


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
        self._group = 0
        self._streams: list[Stream] = []
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
            process, self._streams = self._start()
            self._group = process.pid
            foreground = Foreground()
            foreground.lend(self._group)
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

    def _start(self) -> tuple[subprocess.Popen[bytes], list[Stream]]:
        """The process, and a stream per sink.

        One pipe serves both where stdout and stderr are the same file, so that their order is kept exactly.
        """
        sinks = [1] if _same_file(1, 2) else [1, 2]
        pipes = [os.pipe() for _ in sinks]
        try:
            process = _spawn(self._command, self._environment, stdout=pipes[0][1], stderr=pipes[-1][1])
        except BaseException:
            for source, _ in pipes:
                os.close(source)
            raise
        finally:
            for _, end in pipes:
                os.close(end)
        return process, [
            Stream(source, sink, self._stream_filter()) for (source, _), sink in zip(pipes, sinks, strict=True)
        ]

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
            return since_kill > LINGER or not (streaming or self._group_alive())
        return not streaming or time.monotonic() - self._ended_at > LINGER

    def _finish(self, process: subprocess.Popen[bytes]) -> None:
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
        wake, wake_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
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
        if self._group:
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
        if signum in _ENDING and not self._ending:
            self._ending = True
            self._kill(signal.SIGCONT)  # a stopped process cannot end
            signal.setitimer(signal.ITIMER_REAL, self._grace, LINGER)

    def _on_alarm(self, _signum: int, _frame: object) -> None:
        self._kill(signal.SIGKILL)
        self._killed_at = self._killed_at or time.monotonic()
        if any(stream.writing for stream in self._streams):
            raise StuckSink

    def _kill(self, signum: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._group, signum)

    def _group_alive(self) -> bool:
        try:
            os.killpg(self._group, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # a set-user-id child
            return True
        return not _only_zombies(self._group)


def _spawn(
    command: Sequence[str], environment: Mapping[bytes, bytes], *, stdout: int, stderr: int
) -> subprocess.Popen[bytes]:
    if not command[0]:
        raise CommandError("the command is empty", status=NOT_FOUND)
    try:
        return subprocess.Popen(command, env=environment, stdout=stdout, stderr=stderr, process_group=0)
    except FileNotFoundError as err:
        raise CommandError(f"{command[0]}: {_what_is_absent(command[0])} not found", status=NOT_FOUND) from err
    except OSError as err:
        if err.errno == errno.E2BIG:
            raise HandOverError(
                "arguments and environment are too long for this system",
                hint='hand the larger secrets over as files: as = "file" in the manifest',
            ) from None  # the cause's traceback would lead through the environment
        raise CommandError(f"{command[0]}: {err.strerror}", status=NOT_RUNNABLE) from err
    except ValueError as err:
        raise CommandError("the command holds a NUL byte", status=NOT_RUNNABLE) from err


def _what_is_absent(program: str) -> str:
    """A script that is there is "not found" as well where the interpreter in its first line is not."""
    return "its interpreter was" if "/" in program and Path(program).exists() else "command"


def _only_zombies(group: int) -> bool:
    """Whether all of `group` have ended and wait for a parent that may never ask, as the first process of a container.

    Where there is no ``/proc`` nobody can tell, and the answer is no.
    """
    states = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            state, _, its_group = stat.read_bytes().rpartition(b")")[2].split()[:3]
            if int(its_group) == group:
                states.append(state)
    return bool(states) and all(state in {b"Z", b"X"} for state in states)


def _same_file(one: int, other: int) -> bool:
    first, second = os.fstat(one), os.fstat(other)
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)


def _ignored_hangup(number: int) -> bool:
    """Whether `number` is a SIGHUP that ``nohup`` told us to ignore."""
    return number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN


def _awaken(_signum: int, _frame: object) -> None:
    """The child's end is noticed through the wake descriptor; a handler must exist for it to be written."""
