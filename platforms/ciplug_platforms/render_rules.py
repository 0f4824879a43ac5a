"""What cannot be a variable at Render: names, values and sizes, all found before anything is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ciplug.values import is_text
from ciplug_platforms.public import public_prefix
from ciplug_platforms.render_api import is_name, is_provided

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ciplug.values import Secret, Variable

_LARGEST: Final = 128 * 1024
_LARGEST_SUM: Final = 2 * 1024 * 1024
"""Bytes. Render names no limits; these are Linux's for one variable and, with its usual stack of 8 MiB, for all of a
process: https://man7.org/linux/man-pages/man2/execve.2.html. Beyond them no command of the service would start.
"""


def problems(wanted: Mapping[str, Secret], held: Sequence[Variable]) -> list[str]:
    """Why `wanted` cannot all be there beside what is `held`, one line each."""
    found = [f"{name}: {why}" for name, value in wanted.items() for why in _reasons(name, value)]
    kept = ((each.name, each.value) for each in held if each.name not in wanted)
    total = sum(_size(name, value) for name, value in (*wanted.items(), *kept))
    if total > _LARGEST_SUM:
        found.append(f"all variables together: {total} bytes, and a process takes {_LARGEST_SUM} at most")
    return found


def _reasons(name: str, value: Secret) -> Iterator[str]:
    if not is_name(name):
        yield "Render takes letters, digits, '_', '-' and '.', and no digit at the beginning"
    if is_provided(name):
        yield "Render provides this variable itself"
    if public := public_prefix(name):
        yield f"the prefix {public} makes a build publish it, and this is a secret"
    if _size(name, value) > _LARGEST:
        yield f"{_size(name, value)} bytes with its name, and a process takes {_LARGEST} at most"
    yield from _text_reasons(value.reveal())


def _text_reasons(value: bytes) -> Iterator[str]:
    if not value:
        yield "it is empty, which Render does not take"
    if not is_text(value):
        yield "its value is not UTF-8 text"
    if b"\0" in value:
        yield "its value has a NUL, which no variable can hold"


def _size(name: str, value: Secret | None) -> int:
    """Bytes of ``NAME=value`` and the NUL behind it."""
    return len(name.encode("utf-8", "surrogatepass")) + (0 if value is None else len(value)) + 2
