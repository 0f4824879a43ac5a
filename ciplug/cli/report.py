"""What people read: one last line on stderr per failure, with the next step in it."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ciplug.errors import CiplugError, Interrupted


def say(message: str) -> None:
    """One line on stderr. Where stderr is gone, nobody is there to be told, and that is no failure of its own."""
    try:
        click.echo(f"ciplug: {one_line(message)}", err=True)
    except OSError:
        sys.stderr = None  # what Python itself sets where there is no stderr


def warn(message: str) -> None:
    """A warning on stderr."""
    say(f"warning: {message}")


def warn_unmasked(names: Sequence[str]) -> None:
    """Name the secrets that are too short to be hidden, if there are any."""
    if names:
        warn(f"too short to be hidden in the output: {', '.join(names)}")


def failure(error: CiplugError) -> None:
    """Its notes, its lines where it has several, and last its cause with what to do next."""
    for note in getattr(error, "__notes__", ()):
        warn(note)
    summary, *more = str(error).split("\n")
    if more:
        for line in (summary, *more):
            say(line)
        summary = f"{1 + len(more)} problems, listed above"
    hint = f". Next: {error.hint}" if error.hint else ""
    say(f"error: {error.cause}: {summary.removesuffix('.')}{hint}")


def usage(error: click.ClickException) -> None:
    """A wrong command line, in the same form."""
    context = getattr(error, "ctx", None)
    where = f". Next: see `{context.command_path} --help`" if context else ""
    say(f"error: usage: {error.format_message().removesuffix('.')}{where}")


def interrupted(error: Interrupted) -> int:
    """The status of a process that ended by a signal."""
    say(f"error: interrupted: {signal.Signals(error.signum).name}. Next: start it again when you are ready")
    return 128 + error.signum


def unforeseen(error: BaseException) -> None:
    """A bug: its type and place. Not its message, which may hold a value, and no line of data."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    for frame in frames[-5:]:
        say(f"  {Path(frame.filename).name}:{frame.lineno} in {frame.name}")
    say(f"error: unforeseen: {type(error).__name__}. Next: report this with the lines above; they hold no value")


def one_line(text: str) -> str:
    """`text` as one printable line: a claim or a path may hold anything, and a CI host reads commands from lines."""
    flat = "".join(char if char.isprintable() else " " for char in text)
    return flat.replace("##[", "## [")
