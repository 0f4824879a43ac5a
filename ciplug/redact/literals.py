"""All places where any of many literal texts stands in some data, overlapping ones included."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Span = tuple[int, int]
"""Start and end offset, in bytes."""

LONG = 1024
"""Bytes. A longer text is looked for by itself: there are few, and its slices would be dear to hash."""

FEW = 160
"""Up to so many texts one ``bytes.find`` each is faster than one look at every position."""


class Literals:
    """A set of texts that can be looked for together; every text has at least 4 bytes."""

    def __init__(self, texts: Iterable[bytes]) -> None:
        ordered = sorted(set(texts))
        self._searches: list[_Needles | _Anchors] = [_Needles([text for text in ordered if len(text) > LONG])]
        for low, high in ((4, 7), (8, LONG)):
            sized = [text for text in ordered if low <= len(text) <= high]
            needles = _Needles(sized)
            self._searches.append(needles if len(needles) <= FEW else _Anchors(sized, width=low))

    def occurrences(self, data: bytes) -> Iterator[Span]:
        """A span for every offset at which a text stands, in no order; never shorter than the longest text there."""
        for search in self._searches:
            yield from search.occurrences(data)


class _Needles:
    """One ``bytes.find`` per text. A text that begins with another one is tried only where that one is found."""

    def __init__(self, ordered: list[bytes]) -> None:
        groups: list[list[bytes]] = []
        for text in ordered:
            if groups and text.startswith(groups[-1][0]):
                groups[-1].append(text)
            else:
                groups.append([text])
        groups.sort(key=lambda group: len(group[0]))
        self._groups = [(group[0], sorted(group[1:], key=len, reverse=True)) for group in groups]

    def __len__(self) -> int:
        return len(self._groups)

    def occurrences(self, data: bytes) -> Iterator[Span]:
        for root, longer in self._groups:
            if len(root) > len(data):
                return
            if root in data:
                for start in _starts(data, root):
                    best = next((text for text in longer if data.startswith(text, start)), root)
                    yield start, start + len(best)


def _starts(data: bytes, text: bytes) -> Iterator[int]:
    start = data.find(text)
    while start >= 0:
        yield start
        following = data.find(text, start + 1)
        # Two occurrences this close make the text periodic; hopping by the period spares a search for each of what may
        # be as many occurrences as there are bytes.
        period = following - start
        if 0 < period <= len(text) // 2:
            yield following
            while data.startswith(text[-period:], following + len(text)):
                following += period
                yield following
            following = data.find(text, following + 1)
        start = following


class _Anchors:
    """One look at each position, whatever the number of texts: its next `width` bytes, as a number, in a set."""

    def __init__(self, texts: list[bytes], *, width: int) -> None:
        self._width = width
        self._texts = frozenset(texts)
        lengths: dict[int, set[int]] = {}
        for text in texts:
            lengths.setdefault(int.from_bytes(text[:width], sys.byteorder), set()).add(len(text))
        self._lengths = {anchor: sorted(group, reverse=True) for anchor, group in lengths.items()}
        self._anchors = frozenset(lengths)

    def occurrences(self, data: bytes) -> Iterator[Span]:
        width = self._width
        for shift in range(min(width, len(data))):
            end = len(data) - (len(data) - shift) % width
            words = memoryview(data)[shift:end].cast("Q" if width == 8 else "I")
            if not self._anchors.isdisjoint(words):
                for index, word in enumerate(words):
                    if word in self._anchors:
                        yield from self._longest(data, shift + index * width, self._lengths[word])

    def _longest(self, data: bytes, start: int, lengths: list[int]) -> Iterator[Span]:
        for length in lengths:
            if start + length <= len(data) and data[start : start + length] in self._texts:
                yield start, start + length
                return
