"""What every frozen dataclass here shares: how it is shown, compared and hashed.

``@dataclass`` compiles these methods anew for each class, at import, and every job waits for that. Here they exist
once, and are as slow as they like: hardly anything calls them.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any


class Frozen:
    """Base of dataclasses declared with ``repr=False, eq=False``; ``field(repr=…, compare=…)`` holds as usual."""

    __slots__ = ()

    def __repr__(self) -> str:
        shown = (f"{each.name}={getattr(self, each.name)!r}" for each in _fields(self) if each.repr)
        return f"{type(self).__qualname__}({', '.join(shown)})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return _compared(self) == _compared(other)

    def __hash__(self) -> int:
        return hash(_compared(self))


def _fields(value: Any) -> tuple[Any, ...]:
    return fields(value)


def _compared(value: Any) -> tuple[Any, ...]:
    return tuple(getattr(value, each.name) for each in _fields(value) if each.compare)
