"""Starting the command: a process in a group of its own, and a filtered stream for each of its outputs."""

from __future__ import annotations

import errno
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from ciplug.errors import CommandError, HandOverError
from ciplug.inject.stream import Stream

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ciplug.redact import StreamFilter

Process = subprocess.Popen[bytes]

NOT_FOUND, NOT_RUNNABLE = 127, 126
"""What shells end with for a command that is not there, and for one that is there and cannot be run."""


def start(
    command: Sequence[str], environment: Mapping[bytes, bytes], stream_filter: Callable[[], StreamFilter]
) -> tuple[Process, list[Stream]]:
    """The process, and a stream per output. ``CommandError`` when it cannot be started.

    One pipe serves both outputs where they are the same file, so that their order is kept exactly.
    """
    sinks = [1] if _same_file(1, 2) else [1, 2]
    pipes = [os.pipe() for _ in sinks]
    try:
        process = _spawn(command, environment, stdout=pipes[0][1], stderr=pipes[-1][1])
    except BaseException:
        for source, _ in pipes:
            os.close(source)
        raise
    finally:
        for _, end in pipes:
            os.close(end)
    return process, [Stream(source, sink, stream_filter()) for (source, _), sink in zip(pipes, sinks, strict=True)]


def _spawn(command: Sequence[str], environment: Mapping[bytes, bytes], *, stdout: int, stderr: int) -> Process:
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


def _same_file(one: int, other: int) -> bool:
    first, second = os.fstat(one), os.fstat(other)
    return (first.st_dev, first.st_ino) == (second.st_dev, second.st_ino)
