"""What is wrong with a manifest: found one by one, reported all at once, each with its line and key path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ciplug.errors import ManifestError
from ciplug.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ciplug.manifest.lines import KeyPath

LONGEST_ECHO = 80
"""Characters. Anything longer is not repeated in a message: it may be a secret pasted by mistake."""

_ESCAPES = {'"': '\\"', "\\": "\\\\"}


@frozen
class Problem:
    """One thing to mend. `line` counts from 1; `key` is a dotted key path, empty if the document is no TOML."""

    line: int
    key: str
    message: str
    suggestion: str | None = None

    def __str__(self) -> str:
        key = f"{self.key}: " if self.key else ""
        suggestion = f" (did you mean {quoted(self.suggestion)}?)" if self.suggestion is not None else ""
        return f"{self.line}: {key}{self.message}{suggestion}"


class ManifestProblems(ManifestError):  # noqa: N818  # it is the list of them, and ManifestError is the error
    """Every problem of one manifest: as text, one ``source:LINE: key.path: message`` a line, and as `problems`."""

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        super().__init__(
            "\n".join(f"{source}:{problem}" for problem in self.problems),
            hint="mend the manifest, then run `ciplug check`: it needs no vault",
        )


class Findings:
    """Collects problems by key path while a document is read; lines are looked up only if there are any."""

    def __init__(self) -> None:
        self._found: list[tuple[KeyPath, str, str | None]] = []

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, path: KeyPath, message: str, *, like: str | None = None, among: Iterable[str] = ()) -> None:
        """Note a problem at `path`; the name among `among` that is nearest to `like` becomes its suggestion."""
        suggestion = suggest(like, among) if like is not None else None
        self._found.append((path, message, suggestion))

    def below(self, key: str) -> bool:
        """Whether anything was found in the table `key` of the document's root."""
        return any(path[:1] == (key,) for path, _, _ in self._found)

    def problems(self, text: str) -> tuple[Problem, ...]:
        """Everything found, with its line in the TOML source `text`, in the order of the lines."""
        from ciplug.manifest.lines import Lines

        lines = Lines(text)
        found = [
            Problem(line=lines.line(path), key=dotted(path), message=message, suggestion=suggestion)
            for path, message, suggestion in self._found
        ]
        return tuple(sorted(found, key=lambda problem: problem.line))


def suggest(word: str, known: Iterable[str]) -> str | None:
    """The name in `known` that `word` was probably meant to be, or ``None``."""
    if len(word) > LONGEST_ECHO:
        return None
    from difflib import get_close_matches

    names = list(known)
    same = [name for name in names if name.casefold() == word.casefold()]
    return next(iter(same or get_close_matches(word, names, n=1)), None)


def quoted(text: str) -> str:
    """`text` in double quotes on one line; only its length where it is longer than `LONGEST_ECHO`."""
    if len(text) > LONGEST_ECHO:
        return f"<{len(text)} characters>"
    shown = (_ESCAPES.get(char) or (char if char.isprintable() else f"\\u{ord(char):04x}") for char in text)
    return f'"{"".join(shown)}"'


def dotted(path: KeyPath) -> str:
    """`path` as TOML would spell it: ``jobs."test (3.12)".secrets[1]``."""
    shown = ""
    for part in path:
        if isinstance(part, int):
            shown += f"[{part}]"
        else:
            shown += ("." if shown else "") + (part if _is_bare(part) else quoted(part))
    return shown


def _is_bare(key: str) -> bool:
    return 0 < len(key) <= LONGEST_ECHO and key.isascii() and key.replace("-", "_").replace("_", "a").isalnum()
