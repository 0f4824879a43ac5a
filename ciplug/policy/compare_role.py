"""How a live role differs from the one that is implied: who may log in, with what, and for how long. No I/O."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from ciplug.policy.difference import Difference
from ciplug.policy.live import policies_of
from ciplug.vault.admin_auth import document

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ciplug.policy.difference import Grade
    from ciplug.vault.admin_auth import JwtRole

_SINGLE: Final[Mapping[str, tuple[Grade, str]]] = {
    "token_period": ("more", "a token can be renewed for ever"),
    "groups_claim": ("more", "a token also gets what groups of the vault's may do"),
    "token_policies_template_claims": ("more", "claims choose the policies"),
    "bound_subject": ("less", "a manifest binds the claim sub in only_if"),
    "token_no_default_policy": ("less", "a job could not revoke its own token"),
    "token_explicit_max_ttl": ("less", ""),
    "role_type": ("other", ""),
    "user_claim": ("other", ""),
    "user_claim_json_pointer": ("other", ""),
    "claim_mappings": ("other", "the vault's audit log names jobs by it"),
    "token_type": ("other", ""),
}
"""Fields with one right value, by what any other value means."""

_NARROWING: Final = ("token_bound_cidrs", "token_num_uses", "token_strictly_bind_ip")
"""Fields that a manifest has no word for, and that can only make a role narrower.

Not among them is ``bound_subject``: it is a second spelling of the bound claim ``sub``, which `only_if` can name, and
which says on Jenkins whose job it is. Were it kept, one that no token has any more would shut the job out for good.
"""

_LEEWAYS: Final = {"clock_skew_leeway": 60, "expiration_leeway": 150, "not_before_leeway": 150}
"""Seconds that the vault takes for 0. Source: https://openbao.org/api-docs/auth/jwt/#create-update-role"""


def differences(role: JwtRole, live: Mapping[str, Any] | None) -> Iterator[Difference]:
    """Every difference of a live role, each about one field; `live` is ``None`` where there is none."""
    if live is None:
        yield Difference(grade="less", text="it is not there")
        return
    wanted = document(role)
    yield from _members("token_policies", [name.lower() for name in role.policies], policies_of(live))
    yield from _audiences(role, live)
    yield from _claims(wanted["bound_claims"], live.get("bound_claims") or {})
    yield from _matching(role, live)
    for name in ("token_ttl", "token_max_ttl"):
        yield from _longer(name, wanted[name], live.get(name, wanted[name]), default=0)
    for name, default in _LEEWAYS.items():
        yield from _longer(name, wanted[name], live.get(name, wanted[name]), default=default)
    for name, (grade, why) in _SINGLE.items():
        if (live.get(name, wanted[name]) or None) != (wanted[name] or None):
            yield Difference(grade=grade, about=name, text=_other(name, live, wanted, why))
    for name in _NARROWING:
        if live.get(name):
            yield Difference(grade="less", about=name, text=_other(name, live, wanted), narrows=True)


def show(value: object) -> str:
    """A field's value as JSON has it, so that the number 42 and the text are told apart."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _other(name: str, live: Mapping[str, Any], wanted: Mapping[str, Any], why: str = "") -> str:
    return f"{name} is {show(live[name])}, not {show(wanted[name])}{f': {why}' if why else ''}"


def _audiences(role: JwtRole, live: Mapping[str, Any]) -> Iterator[Difference]:
    given = _values(live.get("bound_audiences"))
    if role.bound_audiences and not given:
        text = "bound_audiences is empty, so that no audience is asked for"
        yield Difference(grade="more", about="bound_audiences", text=text)
        return
    yield from _members("bound_audiences", role.bound_audiences, given)


def _claims(wanted: Mapping[str, object], given: Mapping[str, object]) -> Iterator[Difference]:
    for claim in sorted(wanted.keys() | given.keys()):
        name = f"bound_claims.{claim}"
        if claim not in given:
            yield Difference(grade="more", about=name, text=f"{name} is not bound: it should be {show(wanted[claim])}")
        elif claim not in wanted:
            yield Difference(grade="less", about=name, text=f"{name} is bound as well, to {show(given[claim])}")
        else:
            yield from _members(name, _values(wanted[claim]), _values(given[claim]))


def _members(name: str, wanted: Iterable[object], given: Iterable[object]) -> Iterator[Difference]:
    """What stands in one list and not in the other, where each member lets more in."""
    wanted_shown, given_shown = [show(one) for one in wanted], [show(one) for one in given]
    if more := [one for one in given_shown if one not in wanted_shown]:
        yield Difference(grade="more", about=name, text=f"{name} also has {', '.join(more)}")
    if less := [one for one in wanted_shown if one not in given_shown]:
        yield Difference(grade="less", about=name, text=f"{name} lacks {', '.join(less)}")


def _matching(role: JwtRole, live: Mapping[str, Any]) -> Iterator[Difference]:
    name = "bound_claims_type"
    given = live.get(name) or "string"
    if given == role.bound_claims_type:
        return
    if given == "glob":
        text = f"{name} is glob: a * in a bound claim matches anything"
        yield Difference(grade="more", about=name, text=text)
    else:
        yield Difference(grade="less", about=name, text=f"{name} is {show(given)}, not {show(role.bound_claims_type)}")


def _longer(name: str, wanted: int, given: int, *, default: int) -> Iterator[Difference]:
    """A time in seconds. `default` is what the vault takes for 0; itself 0 where that is all that the mount allows."""
    if _seconds(given, default) != _seconds(wanted, default):
        grade: Grade = "more" if _seconds(given, default) > _seconds(wanted, default) else "less"
        meaning = f" (the vault's own {default or 'limit'})"
        text = f"{name} is {given}{'' if given else meaning}, not {wanted}{'' if wanted else meaning}"
        yield Difference(grade=grade, about=name, text=text)


def _seconds(value: int, default: int) -> float:
    if value == 0:
        return default or float("inf")
    return max(value, 0)


def _values(value: object) -> list[object]:
    """Any-of values: a list of them, or one alone."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
