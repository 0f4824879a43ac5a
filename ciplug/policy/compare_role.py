"""How a live role differs from the one that is implied: who may log in, with what, and for how long. No I/O."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, Literal

from ciplug.policy.live import policies_of
from ciplug.vault.admin_auth import document

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ciplug.vault.admin_auth import JwtRole

Grade = Literal["more", "less", "other"]
Difference = tuple[Grade, str]
"""Whether a job is given more, less or something else than it should be, and what it is that differs."""

_SINGLE: Final[Mapping[str, tuple[Grade, str]]] = {
    "token_period": ("more", "a token can be renewed for ever"),
    "groups_claim": ("more", "a token also gets what groups of the vault's may do"),
    "token_policies_template_claims": ("more", "claims choose the policies"),
    "bound_subject": ("less", ""),
    "token_bound_cidrs": ("less", ""),
    "token_strictly_bind_ip": ("less", ""),
    "token_no_default_policy": ("less", "a job could not revoke its own token"),
    "token_num_uses": ("less", ""),
    "token_explicit_max_ttl": ("less", ""),
    "role_type": ("other", ""),
    "user_claim": ("other", ""),
    "user_claim_json_pointer": ("other", ""),
    "claim_mappings": ("other", "the vault's audit log names jobs by it"),
    "token_type": ("other", ""),
}
"""Fields with one right value, by what any other value means."""

_NARROWING: Final = ("bound_subject", "token_bound_cidrs", "token_num_uses", "token_strictly_bind_ip")
"""Fields that nothing implies, and that make a role narrower."""

_LEEWAYS: Final = {"clock_skew_leeway": 60, "expiration_leeway": 150, "not_before_leeway": 150}
"""Seconds that the vault takes for 0. Source: https://openbao.org/api-docs/auth/jwt/#create-update-role"""


def differences(role: JwtRole, live: Mapping[str, Any] | None) -> Iterator[Difference]:
    """Every difference of a live role; `live` is ``None`` where there is none."""
    if live is None:
        yield "less", "it is not there"
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
        given = live.get(name, wanted[name])
        if (given or None) != (wanted[name] or None):
            reason = f": {why}" if why else ""
            yield grade, f"{name} is {show(given)}, not {show(wanted[name])}{reason}"


def narrowings(role: JwtRole, live: Mapping[str, Any]) -> tuple[str, ...]:
    """Those of the differences by which somebody lets in less than is implied, on purpose as far as can be told."""
    wanted = document(role)
    claims = {claim: value for claim, value in (live.get("bound_claims") or {}).items() if claim in role.bound_claims}
    rest = {**live, **{name: wanted[name] for name in _NARROWING}, "bound_claims": claims}
    others = set(differences(role, rest))
    return tuple(text for grade, text in differences(role, live) if (grade, text) not in others)


def show(value: object) -> str:
    """A field's value as JSON has it, so that the number 42 and the text are told apart."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _audiences(role: JwtRole, live: Mapping[str, Any]) -> Iterator[Difference]:
    given = _values(live.get("bound_audiences"))
    if role.bound_audiences and not given:
        yield "more", "bound_audiences is empty, so that no audience is asked for"
        return
    yield from _members("bound_audiences", role.bound_audiences, given)


def _claims(wanted: Mapping[str, object], given: Mapping[str, object]) -> Iterator[Difference]:
    for claim in sorted(wanted.keys() | given.keys()):
        name = f"bound_claims.{claim}"
        if claim not in given:
            yield "more", f"{name} is not bound: it should be {show(wanted[claim])}"
        elif claim not in wanted:
            yield "less", f"{name} is bound as well, to {show(given[claim])}"
        else:
            yield from _members(name, _values(wanted[claim]), _values(given[claim]))


def _members(name: str, wanted: Iterable[object], given: Iterable[object]) -> Iterator[Difference]:
    """What stands in one list and not in the other, where each member lets more in."""
    wanted_shown, given_shown = [show(one) for one in wanted], [show(one) for one in given]
    if more := [one for one in given_shown if one not in wanted_shown]:
        yield "more", f"{name} also has {', '.join(more)}"
    if less := [one for one in wanted_shown if one not in given_shown]:
        yield "less", f"{name} lacks {', '.join(less)}"


def _matching(role: JwtRole, live: Mapping[str, Any]) -> Iterator[Difference]:
    given = live.get("bound_claims_type") or "string"
    if given == role.bound_claims_type:
        return
    if given == "glob":
        yield "more", "bound_claims_type is glob: a * in a bound claim matches anything"
    else:
        yield "less", f"bound_claims_type is {show(given)}, not {show(role.bound_claims_type)}"


def _longer(name: str, wanted: int, given: int, *, default: int) -> Iterator[Difference]:
    """A time in seconds. `default` is what the vault takes for 0; itself 0 where that is all that the mount allows."""
    if _seconds(given, default) != _seconds(wanted, default):
        grade: Grade = "more" if _seconds(given, default) > _seconds(wanted, default) else "less"
        meaning = f" (the vault's own {default or 'limit'})"
        yield grade, f"{name} is {given}{'' if given else meaning}, not {wanted}{'' if wanted else meaning}"


def _seconds(value: int, default: int) -> float:
    if value == 0:
        return default or float("inf")
    return max(value, 0)


def _values(value: object) -> list[object]:
    """Any-of values: a list of them, or one alone."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
