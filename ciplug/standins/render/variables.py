"""The variables of one service or environment group, and what Render takes as one."""

from __future__ import annotations

import base64
import re
import secrets
from dataclasses import field, replace
from itertools import count
from typing import TYPE_CHECKING, Final

from ciplug.frozen import frozen
from ciplug.standins.render.answers import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_KEY: Final = re.compile(r"[-._A-Za-z][-._A-Za-z0-9]*")
_PROVIDED: Final = re.compile(r"RENDER|RENDER_.*|IS_PULL_REQUEST")
_GENERATED: Final = 32  # bytes


@frozen
class Variable:
    """One variable; its position stays when its value changes."""

    position: int
    key: str
    value: str = field(repr=False)

    def as_json(self) -> dict[str, str]:
        """As Render shows it: its value is always readable."""
        return {"key": self.key, "value": self.value}


@frozen
class _Removed:
    variable: Variable
    until: float


class Variables:
    """The variables of one owner, in the order of their creation.

    Reading may lag behind: what is removed with a `lag` is still read for that many seconds, and nothing else is late.
    Whoever writes asks `swallowed` first: the names that keep what they have while the writer is told otherwise.
    """

    def __init__(self, given: Mapping[str, str], clock: Callable[[], float]) -> None:
        self._clock = clock
        self._positions = count(1)
        self._held: dict[str, Variable] = {}
        self._removed: dict[str, _Removed] = {}
        self.swallowed: set[str] = set()
        for key, value in given.items():
            self.put(key, value)

    def __contains__(self, key: str) -> bool:
        return key in self._held

    def held(self) -> list[Variable]:
        """What there is."""
        return sorted(self._held.values(), key=lambda variable: variable.position)

    def read(self) -> list[Variable]:
        """What a reader sees."""
        now = self._clock()
        late = {key: gone.variable for key, gone in self._removed.items() if gone.until > now}
        return sorted((late | self._held).values(), key=lambda variable: variable.position)

    def put(self, key: str, value: str) -> None:
        """Add or change one."""
        known = self._held.get(key)
        if known:
            self._held[key] = replace(known, value=value)
        else:
            self._held[key] = Variable(position=next(self._positions), key=key, value=value)

    def remove(self, key: str, *, lag: float) -> None:
        """Remove one that is there."""
        self._removed[key] = _Removed(variable=self._held.pop(key), until=self._clock() + lag)

    def replace(self, given: Mapping[str, str], *, lag: float) -> tuple[str, ...]:
        """Have what is `given` and nothing else, but for what is swallowed. The names of what was left out."""
        left_out = tuple(key for key in self._held if key not in given)
        for key in left_out:
            if key not in self.swallowed:
                self.remove(key, lag=lag)
        for key, value in given.items():
            if key not in self.swallowed:
                self.put(key, value)
        return left_out


def checked_key(key: object) -> str:
    """`key`, if a variable may have it: Render provides some of its own, which nobody sets."""
    if not (isinstance(key, str) and _KEY.fullmatch(key)):
        raise RefusedError(400, "keys consist of letters, digits, '-', '_' and '.', and do not begin with a digit")
    if _PROVIDED.fullmatch(key):
        raise RefusedError(400, f"{key} is reserved")
    return key


def given_value(item: object) -> str:
    """The value that `item` gives, or has made: its only ``value``, or its only ``"generateValue": true``."""
    if not isinstance(item, dict) or ("value" in item) == ("generateValue" in item):
        raise RefusedError(400, "a variable has either a value or generateValue")
    if item.get("generateValue"):
        if item["generateValue"] is not True:
            raise RefusedError(400, "generateValue must be a boolean")
        return base64.b64encode(secrets.token_bytes(_GENERATED)).decode()
    value = item.get("value")
    if not isinstance(value, str) or not value:
        raise RefusedError(400, "value must be a string, and not be empty")
    return value


def given_variables(items: object) -> dict[str, str]:
    """All variables of a replacement, by name; a name that is given twice is refused."""
    if not isinstance(items, list):
        raise RefusedError(400, "an array of variables was expected")
    found: dict[str, str] = {}
    for item in items:
        value = given_value(item)
        key = checked_key(item.get("key"))
        if key in found:
            raise RefusedError(400, f"{key} is given twice")
        found[key] = value
    return found
