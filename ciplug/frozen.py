"""``@frozen``: an immutable dataclass whose methods are written once, here, and not compiled anew for every class.

``@dataclass(frozen=True)`` compiles six methods for each class at import, and every job waits for that. These are as
slow as they like instead: a job makes a few hundred such objects, and hardly compares any.
"""

from __future__ import annotations

from dataclasses import MISSING, FrozenInstanceError, dataclass, field, fields
from typing import Any, NoReturn, TypeVar, dataclass_transform

T = TypeVar("T")


class _Methods:
    """What every such class gets, unless it has its own; ``field(repr=…, compare=…)`` holds as usual."""

    def __init__(self, **given: Any) -> None:
        for each in _fields(self):
            if each.name in given:
                value = given.pop(each.name)
            elif each.default is not MISSING:
                value = each.default
            elif each.default_factory is not MISSING:
                value = each.default_factory()
            else:
                raise TypeError(f"{type(self).__qualname__} needs {each.name}")
            object.__setattr__(self, each.name, value)
        if given:
            raise TypeError(f"{type(self).__qualname__} has no {', '.join(given)}")

    def __repr__(self) -> str:
        shown = (f"{each.name}={getattr(self, each.name)!r}" for each in _fields(self) if each.repr)
        return f"{type(self).__qualname__}({', '.join(shown)})"

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return _compared(self) == _compared(other)

    def __hash__(self) -> int:
        return hash(_compared(self))

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise FrozenInstanceError(f"cannot assign to {name}")

    def __delattr__(self, name: str) -> NoReturn:
        raise FrozenInstanceError(f"cannot delete {name}")


_METHODS = {name: method for name, method in vars(_Methods).items() if callable(method)}


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def frozen(cls: type[T]) -> type[T]:
    """As ``@dataclass(frozen=True, slots=True, kw_only=True)``: keyword arguments only, hashable where its fields are.

    No message of its errors holds a value. It cannot be copied or pickled; ``dataclasses.replace`` makes another.
    """
    for name, method in _METHODS.items():
        if name not in vars(cls):
            setattr(cls, name, method)
    return dataclass(init=False, repr=False, eq=False, slots=True, kw_only=True)(cls)


def _fields(value: Any) -> tuple[Any, ...]:
    return fields(value)


def _compared(value: Any) -> tuple[Any, ...]:
    return tuple(getattr(value, each.name) for each in _fields(value) if each.compare)
