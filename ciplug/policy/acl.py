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


def reaches(rule: str, path: str) -> bool:
    """Whether a rule for the path or pattern `rule` is for `path`."""
    return rule == path or (is_pattern(rule) and _matches(rule, path))


def is_covered(path: str, wanted: frozenset[str], rules: Mapping[str, frozenset[str]]) -> bool:
    """Whether a pattern among `rules` allows `wanted` on `path`, and none denies it."""
    covering = [given for rule, given in rules.items() if is_pattern(rule) and _matches(rule, path)]
    return any(wanted <= given for given in covering) and not any("deny" in given for given in covering)


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
