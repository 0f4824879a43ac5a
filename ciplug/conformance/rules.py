"""How a broken rule is reported: in words, because pytest explains the asserts of no module but the tests' own."""

from __future__ import annotations


class BrokenRuleError(AssertionError):
    """An adapter does what the contract forbids; the message has names, never values."""


def require(condition: object, rule: str) -> None:
    """``BrokenRuleError`` with `rule`, what is wrong, unless `condition` is true."""
    if not condition:
        raise BrokenRuleError(rule)
