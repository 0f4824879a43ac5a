"""What the policy that every token has allows of what is to be one job's alone, or of giving oneself that. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ciplug.policy.acl import has_template, overlap
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
    "identity/entity*": _CHANGING,
    "identity/group*": _CHANGING,
    "sys/policies/acl/default": _CHANGING,
    "sys/policy/default": _CHANGING,
    "sys/auth/*": _CHANGING,
    "sys/raw/*": _ANYTHING,
}
"""By what a token gives itself the rights of others, at any vault."""

_SHOWN: Final = 3


def default_differences(implied: Implied, rules: Mapping[str, frozenset[str]]) -> Iterator[Difference]:
    """Every rule of the policy ``default`` that is also for what is to be kept from most tokens."""
    wards = _wards(implied)
    for path, given in rules.items():
        if "deny" in given:
            continue
        reached = [ward for ward, kept in wards.items() if given & kept and overlap(path, ward)]
        if reached:
            yield Difference(grade="more", about=path, text=_text(path, given, reached))


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
