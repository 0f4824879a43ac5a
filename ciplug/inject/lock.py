"""The lock that a filtering process holds while it lives, and how another process ends it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from typing import TYPE_CHECKING

from ciplug.errors import HandOverError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_NAME = "lock"

PATIENCE = 40.0
"""Seconds in which a filter can drain, and have its session revoked by a slow vault."""


def take(directory: Path) -> int:
    """The descriptor of the new lock of `directory`, held; also by processes forked later, until all have closed it."""
    descriptor = os.open(directory / _NAME, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    write_pid(descriptor, 0)  # the space is ours now, so that the pid cannot fail to be written
    return descriptor


def write_pid(descriptor: int, pid: int) -> None:
    """Note who is to be asked to end."""
    os.pwrite(descriptor, b"%20d\n" % pid, 0)


def stop(directory: Path, seconds: float, sleep: Callable[[float], None]) -> bool:
    """Ask the filtering process of `directory` to end, and wait until it has; safe twice.

    True once nobody filters there, false when somebody still does after `seconds`. Its pid is believed only while the
    lock is held: afterwards it may be another process's.
    """
    try:
        lock = os.open(directory / _NAME, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return True
    except OSError as err:
        raise HandOverError(
            f"the filter in {directory} cannot be ended: {err.strerror}", hint="run this as the job's own user"
        ) from err
    try:
        until = time.monotonic() + seconds
        if _held(lock):
            _ask(lock)
        while _held(lock):
            if time.monotonic() >= until:
                return False
            sleep(0.01)
        return True
    finally:
        os.close(lock)


def _ask(lock: int) -> None:
    pid = int(os.pread(lock, 32, 0) or b"0")
    if pid > 1:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def _held(lock: int) -> bool:
    try:
        # Shared: two that ask at the same time do not take each other for the filter.
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    fcntl.flock(lock, fcntl.LOCK_UN)
    return False
