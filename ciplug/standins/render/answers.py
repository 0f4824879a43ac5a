"""How Render says things: JSON, its errors, and its pages."""

from __future__ import annotations

import base64
import binascii
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from ciplug.standins.loopback import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_PAGE: Final = 20
_LARGEST_PAGE: Final = 100


class RefusedError(Exception):
    """A request that Render does not carry out. `message` names no value."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


class Placed(Protocol):
    """An item of a list, with its position in it."""

    @property
    def position(self) -> int:
        """Where it stands; positions ascend, and none is used twice."""


P = TypeVar("P", bound=Placed)


def as_json(status: int, value: object) -> Answer:
    """An answer whose body is `value`."""
    return Answer(status=status, body=json.dumps(value).encode(), content_type="application/json; charset=utf-8")


def as_error(status: int, message: str) -> Answer:
    """An answer in the shape of all of Render's errors."""
    return as_json(status, {"id": f"error-{status}", "message": message})


def timestamp(seconds: float) -> str:
    """Epoch `seconds` as Render writes times."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def cursor(where: str, position: int) -> str:
    """The opaque name of `position` in the list of `where`, which is a service's or a group's id."""
    return base64.urlsafe_b64encode(f"{where} {position}".encode()).decode()


def page(where: str, items: Iterable[P], query: Mapping[str, str]) -> list[P]:
    """The items that ``cursor`` and ``limit`` of the query ask for: those after the cursor's position."""
    after = _position(where, query["cursor"]) if "cursor" in query else None
    following = [item for item in items if after is None or item.position > after]
    return following[: limit(query)]


def limit(query: Mapping[str, str]) -> int:
    """How many items a page has at most."""
    given = query.get("limit", str(_PAGE))
    if not re.fullmatch(r"[0-9]{1,3}", given) or not 1 <= int(given) <= _LARGEST_PAGE:
        raise RefusedError(400, f"limit must be between 1 and {_LARGEST_PAGE}")
    return int(given)


def _position(where: str, given: str) -> int:
    try:
        owner, position = base64.b64decode(given, altchars=b"-_", validate=True).decode().rsplit(" ", 1)
        if owner == where:
            return int(position)
    except (binascii.Error, ValueError):  # the refusal below says all that there is to say
        pass
    raise RefusedError(400, "invalid cursor")
