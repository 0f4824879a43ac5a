"""What people read: one last line on stderr per failure, with the next step in it, and where the host shows it."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ciplug.contracts import Annotation
    from ciplug.errors import CiplugError, Interrupted
    from ciplug.redact import Form


class Report:
    """Lines on stderr; what goes wrong is shown by the host as well, where it has an `annotation` for it."""

    def __init__(self, annotation: Annotation | None = None) -> None:
        self._annotation = annotation
        self.clean: Callable[[str], str] = str

    def hide(self, forms: Sequence[Form]) -> None:
        """Mask `forms` in all that is said on stderr from now on, and by ``clean``.

        An adapter of somebody else's may put anything in an error.
        """
        from ciplug.redact import LiteralKernel, redact

        kernel = LiteralKernel(forms)
        self.clean = lambda text: redact(text.encode("utf-8", "replace"), kernel).decode("utf-8", "replace")

    def show(self, line: str) -> None:
        """One line of data on stdout, as it is: what is a secret in it depends on where it comes from."""
        click.echo(line)

    def show_document(self, document: object) -> None:
        """A document for programs on stdout, as it is. No CI host takes a part of it for a command."""
        self.show(json.dumps(document, indent=2).replace("##[", r"#\u0023["))

    def cleaned(self, document: object) -> object:
        """A copy of a document for programs with each of its texts cleaned, and its keys as they are."""
        if isinstance(document, dict):
            return {key: self.cleaned(value) for key, value in document.items()}
        if isinstance(document, list):
            return [self.cleaned(value) for value in document]
        return self.clean(document) if isinstance(document, str) else document

    def say(self, message: str) -> None:
        """One line on stderr."""
        self._write(f"ciplug: {one_line(message)}")

    def warn(self, message: str) -> None:
        """A warning."""
        self._annotate("warning", "ciplug", message)
        self.say(f"warning: {message}")

    def warn_unmasked(self, names: Sequence[str]) -> None:
        """Name the secrets that are too short to be hidden, if there are any."""
        if names:
            self.warn(f"too short to be hidden in the output: {', '.join(names)}")

    def warn_of(self, error: CiplugError) -> None:
        """A failure that is not the end."""
        self._notes(error)
        self.warn(str(error))

    def failure(self, error: CiplugError) -> None:
        """Its notes, its lines where it has several, and last its cause with what to do next."""
        self._notes(error)
        lines = str(error).split("\n")
        summary = lines[0]
        if len(lines) > 1:
            for line in lines:
                self.say(line)
            summary = f"{len(lines)} problems, listed above"
        self._end(error.cause, summary, error.hint, shown="; ".join(lines))

    def _notes(self, error: CiplugError) -> None:
        for note in getattr(error, "__notes__", ()):
            self.warn(note)

    def usage(self, error: click.ClickException) -> None:
        """A wrong command line, in the same form."""
        context = getattr(error, "ctx", None)
        self._end("usage", error.format_message(), f"see `{context.command_path} --help`" if context else "")

    def interrupted(self, error: Interrupted) -> int:
        """The status of a process that ended by a signal."""
        self._end("interrupted", signal.Signals(error.signum).name, "start it again when you are ready")
        return 128 + error.signum

    def unforeseen(self, error: BaseException) -> None:
        """A bug: its type and place. Not its message, which may hold a value, and no line of data."""
        import traceback

        frames = traceback.extract_tb(error.__traceback__)
        for frame in frames[-5:]:
            self.say(f"  {Path(frame.filename).name}:{frame.lineno} in {frame.name}")
        self._end("unforeseen", type(error).__name__, "report this with the lines above; they hold no value")

    def _end(self, cause: str, summary: str, hint: str, *, shown: str = "") -> None:
        """The last line; the host's annotation has `shown` in place of a summary that points to lines above it."""
        following = f". Next: {hint}" if hint else ""
        self._annotate("error", f"ciplug: {cause}", f"{(shown or summary).removesuffix('.')}{following}")
        self.say(f"error: {cause}: {summary.removesuffix('.')}{following}")

    def _annotate(self, level: str, title: str, message: str) -> None:
        if self._annotation is not None:
            self._write(self._annotation(level, title, one_line(message)))

    def _write(self, line: str) -> None:
        """`line` on stderr. Where stderr is gone, nobody is there to be told, and that is no failure of its own."""
        try:
            click.echo(self.clean(line), err=True)
        except OSError:
            sys.stderr = None  # what Python itself sets where there is no stderr


def one_line(text: str) -> str:
    """`text` as one printable line: a claim or a path may hold anything, and a CI host reads commands from lines."""
    flat = "".join(char if char.isprintable() else " " for char in text)
    return flat.replace("##[", "## [")
