"""Whether some data ends in the beginning of a text."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

from ciplug.redact.literals import LONG

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ANCHOR = 8
"""Bytes by which a beginning is looked up; shorter beginnings stand in a table."""


class Openings:
    """The beginnings of a set of texts."""

    def __init__(self, texts: Iterable[bytes]) -> None:
        ordered = sorted(set(texts))
        self._heads = _heads(ordered)
        self._long = [text for text in ordered if len(text) > LONG]
        self._middle = [text for text in ordered if ANCHOR < len(text) <= LONG]
        self._anchors = frozenset(text[:ANCHOR] for text in self._middle)
        self._reach = max(map(len, self._middle), default=0) - 1
        self._alphabet = bytes(set().union(*self._middle))

    def at_end(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """(start, length of the shortest text, one text) of each offset from which `data` is a proper beginning of one.

        Leftmost first. Of the beginnings of at least ``ANCHOR`` bytes only the leftmost is given.
        """
        size = len(data)
        found = [*self._middle_start(data), *self._long_starts(data)]
        if found:
            start, text = min(found)
            yield start, len(text), text
        for matched in range(min(ANCHOR - 1, size), 0, -1):
            if head := self._heads.get(data[size - matched :]):
                yield size - matched, *head

    def _middle_start(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        floor = max(0, len(data) - self._reach)
        # No beginning spans a byte that no text contains: in a log mostly the last blank or line end.
        floor += len(data[floor:].rstrip(self._alphabet))
        for start in range(floor, len(data) - ANCHOR + 1):
            if data[start : start + ANCHOR] in self._anchors:
                tail = data[start:]
                index = bisect_right(self._middle, tail)
                if index < len(self._middle) and self._middle[index].startswith(tail):
                    yield start, self._middle[index]
                    return

    def _long_starts(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        size, last = len(data), data[-ANCHOR:]
        for text in self._long:
            start = data.find(text[:ANCHOR], max(0, size - len(text) + 1))
            while start >= 0:
                # The last bytes first: where text and data repeat themselves, this spares a long comparison everywhere.
                matched = size - start
                if text.startswith(last, matched - ANCHOR) and data.startswith(text[:matched], start):
                    yield start, text
                    break
                start = data.find(text[:ANCHOR], start + 1)


def _heads(texts: Iterable[bytes]) -> dict[bytes, tuple[int, bytes]]:
    heads: dict[bytes, tuple[int, bytes]] = {}
    for text in texts:
        for length in range(1, min(ANCHOR, len(text))):
            known = heads.get(text[:length])
            if known is None or len(text) < known[0]:
                heads[text[:length]] = len(text), text
    return heads
