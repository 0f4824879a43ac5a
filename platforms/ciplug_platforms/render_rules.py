"""What cannot be a variable on Render, said before anything is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ciplug_platforms.render_api import is_name, is_provided
from ciplug_platforms.variable_rules import process_bytes, too_long, unfit_anywhere

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ciplug.values import Secret, Variable

_MOST_BYTES: Final = 2 * 1024 * 1024
"""Of all variables. Render names no limit; with Linux's usual stack of 8 MiB, a process takes no more:
https://man7.org/linux/man-pages/man2/execve.2.html. Beyond it no command of the service would start.
"""


def problems(wanted: Mapping[str, Secret], held: Sequence[Variable]) -> list[str]:
    """All of them, as ``NAME: why``; of what is `held`, all that `wanted` does not change counts into the sum."""
    found = [f"{name}: {why}" for name, value in wanted.items() for why in _unfit(name, value)]
    kept = ((each.name, each.value) for each in held if each.name not in wanted)
    total = sum(process_bytes(name, value) for name, value in (*wanted.items(), *kept))
    if total > _MOST_BYTES:
        found.append(f"all variables together: {total} bytes, and a process takes {_MOST_BYTES} at most")
    return found


def _unfit(name: str, value: Secret) -> Iterator[str]:
    if not is_name(name):
        yield "a name on Render has letters, digits, _, - and ., and begins with no digit"
    if is_provided(name):
        yield "Render provides this variable itself"
    if not len(value):
        yield "its value is empty, which Render does not take"
    yield from unfit_anywhere(name, value)
    yield from too_long(name, value)
