"""GitHub's runner as far as a step speaks to it: the files it reads, and what it hides in the log.

Written from the runner's sources (``FileCommandManager``, ``ActionCommand``, ``AddMaskCommandExtension``,
``ValueEncoders``, ``SecretMasker``), because the emulator in the end-to-end tests hides less and forgives more.
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SHORTEST_FRAGMENT: Final = 6  # of what PowerShell prints of a value with an ampersand
_SHORTEST_QUOTED: Final = 9


class InvalidFileError(Exception):
    """The runner fails the step because of such a file."""


def parse_env_file(data: bytes, *, windows: bool = False) -> dict[str, str]:
    """What later steps get from the text of ``GITHUB_ENV`` or ``GITHUB_OUTPUT``; a name given twice has its last value.

    ``InvalidFileError`` where the runner fails the step.
    """
    lines = _lines(data.decode(), windows=windows)
    found: dict[str, str] = {}
    for line, _ in lines:
        if not line:
            continue
        name, mark, rest = _entry(line)
        found[name] = rest if mark == "=" else _until(rest, lines)
    return found


def _entry(line: str) -> tuple[str, str, str]:
    """Whichever of the two marks comes first decides."""
    if not (mark := re.search("=|<<", line)):
        raise InvalidFileError("a line with neither = nor <<")
    name, rest = line[: mark.start()], line[mark.end() :]
    if mark[0] == "<<" and not (name and rest):
        raise InvalidFileError("an empty name or delimiter")
    return name, mark[0], rest


def _until(delimiter: str, lines: Iterator[tuple[str, str]]) -> str:
    """The text up to the line `delimiter`, without the line end before it."""
    value = ending = ""
    for line, end in lines:
        if line == delimiter:
            return value
        if not end:
            break
        value, ending = f"{value}{ending}{line}", end
    raise InvalidFileError("no line with the delimiter")


def _lines(text: str, *, windows: bool) -> Iterator[tuple[str, str]]:
    """Each line and how it ends; a CR belongs to the end of a line on Windows only."""
    for line in re.findall(r"[^\n]*\n|[^\n]+", text):
        end = next(end for end in ("\r\n" if windows else "\n", "\n", "") if line.endswith(end))
        yield line.removesuffix(end), end


class Runner:
    """The runner during one job: it reads the lines its steps print, and shows what a log shows."""

    def __init__(self) -> None:
        self.masks: set[str] = set()
        self.annotations: list[tuple[str, dict[str, str], str]] = []

    def read(self, output: bytes) -> str:
        """The log of `output`, which steps have printed; masks count from their own line on."""
        shown = (self._line(line) for line in output.decode("utf-8", "replace").split("\n"))
        return "\n".join(line for line in shown if line is not None)

    def mask(self, line: str) -> str:
        """`line` with every mask in it replaced; what touches or overlaps becomes one."""
        hidden = sorted(
            (found.start(), found.start() + len(mask))
            for mask in self.masks
            for found in re.finditer(f"(?={re.escape(mask)})", line)
        )
        merged: list[tuple[int, int]] = []
        for start, end in hidden:
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        for start, end in reversed(merged):
            line = f"{line[:start]}***{line[end:]}"
        return line

    def _line(self, line: str) -> str | None:
        name, properties, data = _command(line)
        if name == "add-mask":
            self._add_mask(data)
            return None
        if name in {"error", "warning", "notice"}:
            self.annotations.append((name, properties, self.mask(data)))
        return self.mask(line)

    def _add_mask(self, value: str) -> None:
        """The value and each of its lines, in every encoding. However short: a line ``}`` hides every brace."""
        if not value.strip():
            return
        for each in (value, *(line.strip() for line in re.split(r"[\r\n]", value))):
            self.masks |= {text for encode in (str, *_ENCODERS) if each and (text := encode(each))}


def _command(line: str) -> tuple[str, dict[str, str], str]:
    """Name, properties and data of a command; an empty name where the line is none. The old form may stand anywhere."""
    if found := re.match(r"\s*::([^\s:]+)(?: (.*?))?::(.*)", line, re.DOTALL):
        undo = {"%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ",", "%25": "%"}
    elif found := re.search(r"##\[([^\s\]]+)(?: ([^\]]*))?\](.*)", line, re.DOTALL):
        undo = {"%0D": "\r", "%0A": "\n", "%3B": ";", "%5D": "]", "%25": "%"}
    else:
        return "", {}, ""
    pairs = (pair.partition("=") for pair in re.split("[,;]", found[2] or "") if "=" in pair)
    data = {code: text for code, text in undo.items() if code in {"%0D", "%0A", "%25"} or found[0].startswith("##")}
    return found[1], {key.strip(): _unescape(value, undo) for key, _, value in pairs}, _unescape(found[3], data)


def _unescape(text: str, codes: dict[str, str]) -> str:
    """In this order: a percent sign is the last to come back."""
    for code, char in codes.items():
        text = text.replace(code, char)
    return text


def _base64(skipped: int) -> Callable[[str], str]:
    return lambda value: base64.b64encode(value.encode()[skipped:]).decode()


def _trimmed_quotes(value: str) -> str:
    return value[1:-1] if len(value) >= _SHORTEST_QUOTED and value[0] == value[-1] == '"' else ""


def _before_ampersand(value: str) -> str:
    end = value.find("&+") + 2 if "&+" in value else value.rfind("&") + 1
    return value[:end] if end >= _SHORTEST_FRAGMENT else ""


def _after_ampersand(value: str) -> str:
    if "&" not in value:
        return ""
    rest = value[value.find("&+") + 3 :] if "&+" in value else value[value.rfind("&") + 1 :]
    return rest if len(rest) >= _SHORTEST_FRAGMENT else ""


_ENCODERS: Final[tuple[Callable[[str], str], ...]] = (
    *map(_base64, range(3)),
    lambda value: value.replace('"', '\\"'),
    lambda value: value.replace("'", "''"),
    lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
    lambda value: quote(value, safe="-._~"),
    lambda value: escape(value, {'"': "&quot;", "'": "&apos;"}),
    _trimmed_quotes,
    _before_ampersand,
    _after_ampersand,
)
"""What the runner makes of each value. Not among them: base64url, hex, base64 of the value and a line end."""
