"""How a broken rule is reported: in words, because pytest would explain a failed assert by the values in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST: Final = 200


class BrokenRuleError(AssertionError):
    """An adapter does what the contract forbids; the message has names, never values."""


def require(condition: object, rule: str) -> None:
    """``BrokenRuleError`` with `rule`, what is wrong, unless `condition` is true."""
    if not condition:
        raise BrokenRuleError(rule)


def numbers(what: str) -> Iterator[int]:
    """1, 2, 3 and so on, for a test that stops by itself once a run has fewer requests or results than that.

    ``BrokenRuleError`` after 200: then a run makes more and more of `what`.
    """
    yield from range(1, _MOST + 1)
    require(condition=False, rule=f"a run makes more and more {what}")
