"""Where each key of a TOML document stands: ``tomllib`` gives values without their lines.

The scanner reads only documents that ``tomllib`` has accepted, and only when there is a problem to report. It looks for
keys and skips everything else; whatever it misses falls back to the nearest key above.
"""

from __future__ import annotations

import tomllib
from bisect import bisect_left

KeyPath = tuple[str | int, ...]
"""Keys from the root of the document down to a value; an integer is an index into an array, from 0."""

_DEEPEST = 8
"""Keys below this depth get the line of their ancestor; a manifest has four levels and its options."""


class Lines:
    """The lines of one document's keys and array items."""

    def __init__(self, text: str) -> None:
        """Scan `text`, TOML with LF or CRLF line ends."""
        self._known = _Scanner(text.replace("\r\n", "\n")).scan()

    def line(self, path: KeyPath) -> int:
        """The line, from 1, where `path` is set; that of the nearest known parent otherwise, at last 1."""
        for length in range(len(path), 0, -1):
            found = self._known.get(path[:length])
            if found is not None:
                return found
        return 1


class _Scanner:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self._ends = [at for at, char in enumerate(text) if char == "\n"]
        self._lines: dict[KeyPath, int] = {}

    def scan(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        try:
            while self._skip_space():
                table = self._statement(table)
        except RecursionError:
            return self._lines  # values nested this deep are not a manifest's: what is known so far will do
        return self._lines

    def _statement(self, table: KeyPath) -> KeyPath:
        """Read one header or key/value pair; gives back the table that the next line belongs to."""
        if self._peek() != "[":
            self._pair(table)
            return table
        start = self._at
        self._at += 2 if self._text.startswith("[[", start) else 1
        header = self._key()
        self._note(header, start)
        self._skip_until("\n")
        return header

    def _pair(self, table: KeyPath) -> None:
        start = self._at
        path = table + self._key()
        self._note(path, start)
        if self._peek() == "=":
            self._at += 1
            self._value(path)
        self._at = max(self._at, start + 1)

    def _key(self) -> KeyPath:
        parts: list[str] = []
        while True:
            self._skip_blanks()
            parts.append(self._key_part())
            self._skip_blanks()
            if self._peek() != ".":
                return tuple(parts)
            self._at += 1

    def _key_part(self) -> str:
        start = self._at
        if self._peek() not in ('"', "'"):
            self._skip_until(" \t\n.=]#,}")
            return self._text[start : self._at]
        self._skip_string()
        spelled = self._text[start : self._at]
        if "\\" not in spelled or spelled[0] == "'":
            return spelled[1:-1]
        return str(tomllib.loads(f"key = {spelled}")["key"])

    def _value(self, path: KeyPath) -> None:
        self._skip_blanks()
        match self._peek():
            case '"' | "'":
                self._skip_string()
            case "[":
                self._array(path)
            case "{":
                self._inline_table(path)
            case _:
                self._skip_until(",]}#\n")

    def _array(self, path: KeyPath) -> None:
        self._at += 1
        index = 0
        while self._skip_space() and self._peek() != "]":
            if self._peek() == ",":
                self._at += 1
                continue
            item = (*path, index)
            self._note(item, self._at)
            before = self._at
            self._value(item)
            self._at = max(self._at, before + 1)
            index += 1
        self._at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self._at += 1
        while self._skip_space() and self._peek() != "}":
            if self._peek() == ",":
                self._at += 1
            else:
                self._pair(path)
        self._at += 1

    def _note(self, path: KeyPath, at: int) -> None:
        line = bisect_left(self._ends, at) + 1
        for length in range(1, min(len(path), _DEEPEST) + 1):
            self._lines.setdefault(path[:length], line)

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _skip_until(self, stops: str) -> None:
        while self._at < len(self._text) and self._text[self._at] not in stops:
            self._at += 1

    def _skip_blanks(self) -> None:
        while self._peek() in (" ", "\t"):
            self._at += 1

    def _skip_space(self) -> bool:
        """Move over blanks, line ends and comments; false at the end of the text."""
        while self._peek() in (" ", "\t", "\n", "#"):
            if self._peek() == "#":
                self._skip_until("\n")
            else:
                self._at += 1
        return self._at < len(self._text)

    def _skip_string(self) -> None:
        quote = self._peek()
        mark = quote * 3 if self._text.startswith(quote * 3, self._at) else quote
        self._at += len(mark)
        while self._at < len(self._text) and not self._text.startswith(mark, self._at):
            self._at += 2 if quote == '"' and self._peek() == "\\" else 1
        self._at += len(mark)
        if len(mark) > 1:  # a multi-line string may end in up to two quotes of its own: """a quote: """""
            while self._peek() == quote:
                self._at += 1
