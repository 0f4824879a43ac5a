"""A login that the vault rejected: which check failed and what to do, from the vault's own words and the manifest."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ciplug.doctor.claims import audience_remedy, claim_remedy
from ciplug.doctor.finding import Finding, failed, from_error
from ciplug.doctor.trust import UNREACHABLE_KEYS, trust_remedy
from ciplug.doctor.wants import of_only_if, of_project, plain
from ciplug.identity.claims import evidence, listed, moment, show
from ciplug.policy.commands import bao
from ciplug.vault.errors import UnexplainedRejectionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ciplug.doctor.case import Door
    from ciplug.errors import LoginRejectedError

_CLOCKS: Final = "set the clocks of this machine, the vault and the identity provider (`timedatectl set-ntp true`)"


def _take_a_fresh_one(door: Door) -> str:
    fresh = {
        "gitlab": "start the job again (GitLab's token lives as long as the job's timeout)",
        "jenkins": "bind the token right before it is used, or give its credential a longer life",
    }.get(door.kind, "take a fresh token for each job, right before it is used")
    return f"{fresh}; if the token is fresh, {_CLOCKS}"


def _role_remedy(door: Door) -> str:
    whose = "" if door.implied else "say in [project] whose jobs these are, and "
    return (
        f"{whose}create the role with `ciplug policy --apply`, or name one that is there: "
        f'[jobs.{door.grant.job}] role = "…"; to see them: '
        + bao("list", f"auth/{door.mount}/role", namespace=door.namespace)
    )


_CAUSES: Final[tuple[tuple[str, str, Callable[[Door, Mapping[str, Any]], str]], ...]] = (
    # Before what the vault would have verified with them.
    ("get keys failed", "issuer keys", lambda _door, _claims: UNREACHABLE_KEYS),
    ("fetching keys", "issuer keys", lambda _door, _claims: UNREACHABLE_KEYS),
    ("(exp)", "expiry", lambda door, _claims: _take_a_fresh_one(door)),
    ("(nbf)", "clock", lambda _door, _claims: f"the token is not valid yet: {_CLOCKS}"),
    ("(iat)", "clock", lambda _door, _claims: f"the token comes from the future: {_CLOCKS}"),
    ("audience", "claim aud", lambda door, _claims: audience_remedy(door)),
    ("(iss)", "claim iss", trust_remedy),
    ("(sub)", "claim sub", lambda door, claims: claim_remedy("sub", claims, door)),
    ("could not be found", "role", lambda door, _claims: _role_remedy(door)),
    ("could not load configuration", "auth mount", trust_remedy),
    ("signature", "signature", lambda door, claims: trust_remedy(door, claims, "the auth method trusts other keys: ")),
)
"""Words of the vault's reason, the check that failed, and its remedy. Texts as observed on OpenBao 2.7."""


def rejected(error: LoginRejectedError, door: Door, claims: Mapping[str, Any], skew: float | None = None) -> Finding:
    """The finding for a rejected login. `skew` is how far the vault's clock is ahead of this machine's."""
    if isinstance(error, UnexplainedRejectionError):
        return from_error("auth mount", error)
    text, reason = str(error), error.reason
    if named := re.search(r'claim "([^"]+)"', reason):
        claim = plain(named[1])
        return failed(f"claim {claim}", _with(text, wanted(claim, door, claims)), claim_remedy(claim, claims, door))
    for words, check, remedy in _CAUSES:
        if words in reason:
            told = _times(words, claims, skew) if check in {"expiry", "clock"} else ""
            return failed(check, _with(text, told), remedy(door, claims))
    return from_error("login", error)


def wanted(claim: str, door: Door, claims: Mapping[str, Any]) -> str:
    """What the manifest says of `claim` where the token has something else; empty where it says nothing."""
    wants = [*of_only_if(door), *of_project(door.manifest.project, claims)]
    mismatches = (want for want in wants if want.claim == claim and want.problem(claims))
    found = next(mismatches, None)
    return f"{found.by} wants {listed([show(value) for value in found.values], ' or ')}" if found else ""


def mount_remedy(door: Door) -> str:
    """What to do where nothing answers at the auth mount."""
    return (
        f"correct vault.auth_mount in the manifest ({bao('auth list', namespace=door.namespace)}), or enable the "
        f"method: {bao('auth enable', f'-path={door.mount}', 'jwt', namespace=door.namespace)}"
    )


def _with(text: str, more: str) -> str:
    return f"{text}; {more}" if more else text


def _times(words: str, claims: Mapping[str, Any], skew: float | None) -> str:
    # Where a token has no nbf, the vault takes its iat, and still speaks of nbf.
    told = words == "(nbf)" and "nbf" not in claims and moment(claims, "iat") is not None
    issued = evidence(claims, "(iat)") if told else ""
    return "; ".join(filter(None, (issued, _clocks(skew))))


def _clocks(skew: float | None) -> str:
    if skew is None:
        return ""
    if abs(skew) < 2:
        return "the vault's clock and this machine's agree"
    return f"the vault's clock is {abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} this machine's"
