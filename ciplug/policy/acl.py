"""Which paths a rule of an ACL policy is for.

Source: https://openbao.org/docs/concepts/policies/#policy-syntax (``*`` only at the end, ``+`` a segment)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def is_pattern(path: str) -> bool:
    """Whether a rule for `path` is for other paths too."""
    return path.endswith("*") or "+" in path.split("/")


def has_template(path: str) -> bool:
    """Whether the vault fills something of the token's own into `path`."""
    return "{{" in path


def overlap(rule: str, other: str) -> bool:
    """Whether there is a path for which both rules are, each of them for a path or a pattern.

    A template (``{{identity.entity.name}}``) may stand for anything, and for more than one segment.
    """
    ends = (_untemplated(rule), _untemplated(other))
    one, two = (end.removesuffix("*").split("/") for end in ends)
    one_begins, two_begins = (end.endswith("*") for end in ends)
    for at, (mine, theirs) in enumerate(zip(one, two, strict=False)):
        mine_ends, theirs_end = one_begins and at == len(one) - 1, two_begins and at == len(two) - 1
        if "+" not in {mine, theirs} and not (
            (mine_ends and theirs.startswith(mine))
            or (theirs_end and mine.startswith(theirs))
            or (mine == theirs and not (mine_ends or theirs_end))
        ):
            return False
        if mine_ends or theirs_end:
            return True
    return len(one) == len(two)


def patterns_for(path: str, rules: Mapping[str, frozenset[str]]) -> list[frozenset[str]]:
    """What each pattern among `rules` gives that is for `path`; the vault goes by one of them alone."""
    return [given for rule, given in rules.items() if is_pattern(rule) and _matches(rule, path)]


def is_covered(path: str, wanted: frozenset[str], rules: Mapping[str, frozenset[str]]) -> bool:
    """Whether patterns among `rules` allow `wanted` on `path`, whichever of them the vault goes by."""
    return wanted <= given_by_patterns(path, rules)


def given_by_patterns(path: str, rules: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """What all patterns among `rules` that are for `path` have in common: the vault goes by one of them alone.

    A template counts as well where it may be for `path`, but gives nothing alone, since it may not.
    """
    if not (found := patterns_for(path, rules)):
        return frozenset()
    found += [given for rule, given in rules.items() if has_template(rule) and overlap(rule, path)]
    first, *others = (frozenset() if "deny" in given else given for given in found)
    return first.intersection(*others)


def _untemplated(rule: str) -> str:
    before, mark, _ = rule.partition("{{")
    return f"{before}*" if mark else rule


def _matches(pattern: str, path: str) -> bool:
    begins = pattern.endswith("*")
    parts, found = pattern.removesuffix("*").split("/"), path.split("/")
    if len(found) < len(parts) or (len(found) > len(parts) and not begins):
        return False
    *inner, last = zip(parts, found, strict=False)
    if not all(part in {"+", segment} for part, segment in inner):
        return False
    part, segment = last
    return segment.startswith(part) if begins else part in {"+", segment}
