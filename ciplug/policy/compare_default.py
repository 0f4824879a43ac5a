"""What the policy that every token has allows of what is to be one job's alone, or of giving oneself that. No I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ciplug.policy.acl import has_template, is_pattern, overlap
from ciplug.policy.difference import Difference
from ciplug.policy.hcl import CAPABILITIES, rule

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ciplug.policy.model import Implied

    Wards = dict[str, frozenset[str]]
    """What is to be kept from every token: capabilities by path or pattern."""

_ANYTHING: Final = CAPABILITIES - {"deny"}
_CHANGING: Final = _ANYTHING - {"list", "read", "scan", "subscribe"}

_BESIDE_DATA: Final = ("metadata", "delete", "undelete", "destroy", "subkeys")
"""What a KV v2 engine has of a record beside its ``data``. Source: https://openbao.org/api-docs/secret/kv/kv-v2/"""

_GIVING: Final[Mapping[str, frozenset[str]]] = {
    "auth/token/create": frozenset({"sudo"}),
    "auth/token/create-orphan": frozenset({"sudo"}),
    "auth/token/roles/+": _CHANGING,
    "auth/+/role/+": _CHANGING,
    "auth/+/cel/role/+": _CHANGING,
    "auth/+/users/+": _CHANGING,
    "auth/+/groups/+": _CHANGING,
    "identity/entity*": _CHANGING,
    "identity/group*": _CHANGING,
    "sys/policies/acl/default": _CHANGING,
    "sys/policy/default": _CHANGING,
    "sys/auth/*": _CHANGING,
    "sys/mounts/+": _CHANGING,
    "sys/remount": _CHANGING,
    "sys/raw/*": _ANYTHING,
}
"""By what a token gives itself the rights of others, at any vault."""

_TEMPLATE: Final = re.compile(r"\{\{.*?\}\}")
_SHOWN: Final = 3


def default_differences(implied: Implied, rules: Mapping[str, frozenset[str]]) -> Iterator[Difference]:
    """Every rule of the policy ``default`` that is also for what is to be kept from most tokens."""
    wards = _wards(implied)
    for path, given in rules.items():
        if "deny" in given:
            continue
        reached = [ward for ward, kept in wards.items() if given & kept and _reaches(path, ward, rules)]
        if reached:
            yield Difference(grade="more", about=path, text=_text(path, given, reached))


def _reaches(path: str, ward: str, rules: Mapping[str, frozenset[str]]) -> bool:
    """Whether the rule for `path` is for `ward`, and none that goes before it there denies."""
    if not overlap(path, ward) or _is_longer(path, ward):
        return False
    denying = [] if is_pattern(ward) else [rule for rule, given in rules.items() if "deny" in given]
    return not any(overlap(rule, ward) and _goes_before(rule, path) for rule in denying if not has_template(rule))


def _is_longer(path: str, ward: str) -> bool:
    """Whether `path` has more segments than `ward` can have, whatever its templates stand for."""
    return not ward.endswith("*") and _TEMPLATE.sub("", path).count("/") > ward.count("/")


def _goes_before(one: str, other: str) -> bool:
    """Whether a vault goes by the rule `one` where `other` is for a path as well, or by both since they are one.

    A template that is filled in may make of `other` the path itself, which goes before all patterns.
    Source: https://openbao.org/docs/concepts/policies/#priority-matching
    """
    if not is_pattern(one):
        return True
    return is_pattern(other) and not has_template(other) and _rank(one) > _rank(other)


def _rank(pattern: str) -> tuple[int, bool, int, int, str]:
    """Where its first wildcard is, and what decides between two that have it at one place."""
    first = min(at for at, letter in enumerate(pattern) if letter in "+*")
    return first, not pattern.endswith("*"), -pattern.split("/").count("+"), len(pattern), pattern


def _wards(implied: Implied) -> Wards:
    """The records themselves come first, since they say best what is wrong."""
    records = sorted({path for policy in implied.policies for path in policy.rules})
    wards = dict.fromkeys(records, _ANYTHING)
    wards |= dict.fromkeys((beside for path in records for beside in _beside(path)), _ANYTHING)
    for mount in sorted({role.mount for role in implied.roles}):
        own = (f"auth/{mount}/{route}" for route in ("role/+", "cel/role/+", "config"))
        wards |= dict.fromkeys(own, _CHANGING)
    for policy in implied.policies:
        wards |= dict.fromkeys((f"sys/policies/acl/{policy.name}", f"sys/policy/{policy.name}"), _CHANGING)
    return {**wards, **_GIVING}


def _beside(path: str) -> Iterator[str]:
    """The other paths of a record; which segment is the engine's ``data`` its path alone does not tell."""
    segments = path.split("/")
    for at, segment in enumerate(segments):
        if at and segment == "data":
            yield from ("/".join([*segments[:at], other, *segments[at + 1 :]]) for other in _BESIDE_DATA)


def _text(path: str, given: frozenset[str], reached: list[str]) -> str:
    more = len(reached) - _SHOWN
    shown = ", ".join(reached[:_SHOWN]) + (f" and {more} more" if more > 0 else "")
    is_it = "may also be" if has_template(path) else "is also"
    return f"every token has it, and {rule(path, given)} {is_it} for {shown}"
