"""A target's table of options, held to its rules: all that is wrong at once, in the same words for every platform.

No option's text is ever quoted: it may be a token that was put into the wrong place.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from ciplug.errors import UsageError
from ciplug.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping


@frozen
class Rule:
    """What one option has to be, in `words`: a text that is all `pattern`; without a pattern, true or false."""

    words: str
    pattern: str = ""
    is_required: bool = False

    def takes(self, given: object) -> bool:
        """Whether `given` is that."""
        if not self.pattern:
            return isinstance(given, bool)
        return isinstance(given, str) and re.fullmatch(self.pattern, given, flags=re.ASCII) is not None


API_URL: Rule = Rule(words="an address such as https://host", pattern=r"\S+")
"""Only its form: ``connect`` refuses addresses that no token may be sent to."""


def one_of(*words: str) -> Rule:
    """One of these words."""
    return Rule(words=f"one of {', '.join(words)}", pattern="|".join(map(re.escape, words)))


def check(
    label: str, options: Mapping[str, Any], rules: Mapping[str, Rule], *, more: Iterable[str] = (), example: str
) -> None:
    """``UsageError`` with everything that is wrong with `options`; `more` is what the platform finds beyond `rules`."""
    problems = [*_unknown(options, rules), *_missing(options, rules), *_unfit(options, rules), *more]
    if problems:
        raise UsageError(f"{label}: {'; '.join(problems)}", hint=f"for example options = {{ {example} }}")


def one_needed(options: Mapping[str, Any], rules: Mapping[str, Rule], first: str, second: str) -> Iterator[str]:
    """What is wrong where exactly one of two options has to be given."""
    if first in options and second in options:
        yield f"option {first} cannot be given with option {second}"
    if first not in options and second not in options:
        yield f"option {first} is missing: {rules[first].words}; or give {second}"


def _unknown(options: Mapping[str, Any], rules: Mapping[str, Rule]) -> Iterator[str]:
    for name in options:
        if name not in rules:
            close = get_close_matches(name, list(rules), n=1)
            guess = f" (did you mean {close[0]}?)" if close else ""
            yield f"option {name} is unknown; there are {', '.join(rules)}{guess}"


def _missing(options: Mapping[str, Any], rules: Mapping[str, Rule]) -> Iterator[str]:
    for name, rule in rules.items():
        if rule.is_required and name not in options:
            yield f"option {name} is missing: {rule.words}"


def _unfit(options: Mapping[str, Any], rules: Mapping[str, Rule]) -> Iterator[str]:
    for name, rule in rules.items():
        if name in options and not rule.takes(options[name]):
            yield f"option {name} has to be {rule.words}"
