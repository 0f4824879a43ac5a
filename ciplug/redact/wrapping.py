"""Data without its line ends, and the way back: encoders break their output into lines wherever they happen to be."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

WEAK = 3
"""Characters. So few before a line break are not taken for the beginning of a form: too many lines end like that."""

MAX_BREAK = 8
"""Bytes. A longer run of CR and LF is no line break within an encoding; it bounds what a stream has to remember."""

_APART = b"\n" * (MAX_BREAK + 1)


class Joined:
    """`text` is `data` without CR and LF. `data` has no CR any more: it was made LF."""

    __slots__ = ("_breaks", "text")

    def __init__(self, data: bytes) -> None:
        self.text = data
        self._breaks: list[int] = []
        if b"\n" in data:
            lines = data.split(b"\n")
            self.text = b"".join(lines)
            self._breaks = list(accumulate(map(len, lines[:-1])))

    def offset(self, index: int) -> int:
        """Where the character `index` of ``text`` stands in the data; behind the last one, the data's length."""
        return index + bisect_right(self._breaks, index)

    def end(self, index: int) -> int:
        """The offset in the data behind the character before `index`."""
        return self.offset(index - 1) + 1

    def strong(self, index: int, length: int) -> int:
        """The offset from which a match of `length` characters at `index` counts: behind the last weak break."""
        if self._breaks:
            for count in range(min(WEAK, length), 0, -1):
                position = bisect_left(self._breaks, index + count)
                if position < len(self._breaks) and self._breaks[position] == index + count:
                    return self.offset(index + count)
        return self.offset(index)


def stretches(data: bytes) -> Iterator[tuple[int, Joined]]:
    """`data` in the pieces between which no form can reach, each with its offset; the last one ends with `data`."""
    flat = _flat(data)
    start = 0
    while (end := flat.find(_APART, start)) >= 0:
        yield start, Joined(flat[start:end])
        start = end + len(_APART)
    yield start, Joined(flat[start:])


def last_stretch(data: bytes) -> tuple[int, Joined]:
    """The last of the ``stretches``."""
    flat = _flat(data)
    if (end := flat.rfind(_APART)) < 0:
        return 0, Joined(flat)
    # A run is cut from its left there and from its right here; what remains of it is no more than line ends.
    return end + len(_APART), Joined(flat[end + len(_APART) :])


def continuation(before: bytes, chunk: bytes) -> bytes | None:
    """`chunk` without its line ends; ``None`` where no form reaches across it. `before` are the bytes before it."""
    flat = _flat(chunk)
    if _APART in _flat(before) + flat:
        return None
    return flat.replace(b"\n", b"")


def _flat(data: bytes) -> bytes:
    return data.replace(b"\r", b"\n")
