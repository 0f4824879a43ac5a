"""What platforms answer, checked in one way before any of it goes into a path, a request or a message."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ciplug.errors import PlatformError
from ciplug.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
_WORD: Final = re.compile(r"[A-Za-z_]{1,40}")
_STAMP: Final = re.compile(r"[0-9A-Za-z:.+-]{1,40}")
_ADDRESS: Final = re.compile(r"(?:https://)?([A-Za-z0-9.-]{1,253}(?:/[A-Za-z0-9._~%/-]{0,200})?)")
_LARGEST: Final = 1e15
"""Milliseconds since 1970 are below it, and a float has every whole number up to it."""


@frozen
class Shape:
    """What an answer has to be: each method gives back what it is given if it is that, and raises ``malformed`` if not.

    `about` begins the message: the platform, and what was asked of it.
    """

    about: str

    def malformed(self) -> PlatformError:
        """The error for an answer that is not what the platform documents. Nothing of it is quoted."""
        return PlatformError(
            f"{self.about}: the answer is not what its API describes",
            hint="check the option api_url, and whether there is a newer ciplug",
        )

    def mapping(self, found: object) -> Mapping[str, Any]:
        """An object of JSON."""
        if not isinstance(found, dict):
            raise self.malformed()
        return found

    def listing(self, found: object) -> list[Any]:
        """An array of JSON."""
        if not isinstance(found, list):
            raise self.malformed()
        return found

    def id(self, found: object) -> str:
        """An id, fit for a path and for a message."""
        if not (isinstance(found, str) and _ID.fullmatch(found)):
            raise self.malformed()
        return found

    def name(self, found: object) -> str:
        """A variable's name, fit for a message; no platform is held to letters and digits for what others made."""
        if not (isinstance(found, str) and found.isprintable()):
            raise self.malformed()
        return found


def word(found: object) -> str:
    """The platform's own word for a state; empty for what is none."""
    return found if isinstance(found, str) and _WORD.fullmatch(found) else ""


def address(found: object) -> str:
    """A page's address, of which the platform may leave out the scheme; empty for what is none."""
    matched = _ADDRESS.fullmatch(found) if isinstance(found, str) else None
    return f"https://{matched[1].rstrip('/')}" if matched else ""


def number(found: object) -> float | None:
    """A number that can be reckoned with; ``None`` for what is none."""
    if isinstance(found, bool) or not isinstance(found, int | float):
        return None
    return float(found) if abs(found) < _LARGEST else None


def stamp(found: object) -> str:
    """A moment, as text that is compared and kept; empty for what is none."""
    text = str(found) if number(found) is not None else found
    return text if isinstance(text, str) and _STAMP.fullmatch(text) else ""
