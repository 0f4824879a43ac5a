"""Every form a secret takes in a log: the value, its lines, and what encoders and quoting tools make of it."""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, NamedTuple

from ciplug.redact.spellings import spellings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MIN_LENGTH = 4
"""Bytes. Anything shorter is part of ordinary text: to mask it would destroy the log."""

_TO_URL_ALPHABET = bytes.maketrans(b"+/", b"-_")


class Form(NamedTuple):
    """One spelling of a secret. `wraps` says that encoders break it into lines, so that CR and LF may lie inside it.

    It is as secret as the value, and therefore has no telling representation.
    """

    text: bytes
    wraps: bool = False

    def __repr__(self) -> str:
        return f"Form(****, wraps={self.wraps})"


def hideable(value: bytes) -> bool:
    """Whether `value` can be masked at all: at least ``MIN_LENGTH`` bytes are left without the whitespace around it."""
    return len(value.strip()) >= MIN_LENGTH


def forms(values: Iterable[bytes]) -> tuple[Form, ...]:
    """Every form of every value, each once, none shorter than ``MIN_LENGTH``; values that are not hideable have none.

    Whitespace around a value is not secret and belongs to no form, so that the line end behind a value survives.
    """
    found: dict[bytes, bool] = {}
    for value in values:
        if not hideable(value):
            continue
        for text in _literal(value.strip()):
            found.setdefault(text, False)
        for text in _wrapping(value):
            found[text] = True
    return tuple(Form(text, wraps) for text, wraps in found.items() if len(text) >= MIN_LENGTH)


def _literal(core: bytes) -> Iterator[bytes]:
    yield core
    for line in core.splitlines():
        yield line.strip()
    yield from spellings(core)


def _wrapping(value: bytes) -> Iterator[bytes]:
    core = value.strip()
    for digits in (core.hex(), core.hex().upper()):
        yield digits.encode()
    for text in _base64(value):
        yield text
        yield text.translate(_TO_URL_ALPHABET)


def _base64(value: bytes) -> Iterator[bytes]:
    """The value's part of any base64 text that contains it, and the whole text where the value alone was encoded.

    The part is made of the characters that depend on no neighbouring byte. The up to two characters next to it carry at
    most 4 bits of the value each. ``echo`` adds a newline to what it encodes.
    """
    core = value.strip()
    for before in range(3):
        encoded = binascii.b2a_base64(bytes(before) + core, newline=False)
        yield encoded[(8 * before + 5) // 6 : 8 * (before + len(core)) // 6]
    for whole in dict.fromkeys((core, core + b"\n", value)):
        encoded = binascii.b2a_base64(whole, newline=False)
        yield encoded
        yield encoded.rstrip(b"=")
