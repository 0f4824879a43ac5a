"""An ID token's payload, read without verifying it, and what ciplug checks there before it talks to the vault.

The vault verifies the signature and decides; reading here serves two ends: to stop early what cannot succeed, and to
name the claim that is wrong.
"""

from __future__ import annotations

import json
import re
import time
from base64 import urlsafe_b64decode
from typing import TYPE_CHECKING, Any

from ciplug.errors import IdentityError
from ciplug.identity.errors import PullRequestTargetError
from ciplug.values import IdToken, Secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ciplug.values import Identity

MAX_TOKEN = 64 * 1024
"""Bytes. GitLab's tokens with 200 groups stay well below."""

_WORDS = {
    "(aud)": "aud",
    "(exp)": "exp",
    "(iat)": "iat",
    "(iss)": "iss",
    "(nbf)": "nbf",
    "(sub)": "sub",
}
"""How the vault's JWT method marks the registered claims in its reasons; others it names in quotes."""

_EXACT = 2**53
"""From here on a JSON number need not be what its sender wrote."""

_TARGET = "pull_request_target"
_ALPHABET = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


def id_token(text: str, source: str) -> IdToken:
    """`text` as an ``IdToken``; ``IdentityError`` when it is not a signed JWT, without showing any of it."""
    raw = text.strip().encode(errors="replace")
    problem = _shape_problem(raw)
    claims = None if problem else _payload(raw)
    if claims is None:
        raise IdentityError(
            f"what {source} gave is not an ID token: {problem or 'its payload is not a JSON object'}",
            hint="pass the JWT itself: three base64url parts with dots between them",
        )
    return IdToken(token=Secret(raw), claims=claims, source=source)


def _shape_problem(raw: bytes) -> str:
    if not raw:
        return "it is empty"
    if len(raw) > MAX_TOKEN:
        return f"it is longer than {MAX_TOKEN // 1024} KiB"
    if not _ALPHABET.issuperset(raw):
        return "it holds characters that no JWT has"
    if raw.count(b".") != 2:
        return f"it has {raw.count(b'.') + 1} parts instead of 3"
    return ""


def _payload(raw: bytes) -> Mapping[str, Any] | None:
    part = raw.split(b".")[1]
    try:
        claims = json.loads(urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return None
    return claims if isinstance(claims, dict) else None


def claims_of(identity: Identity) -> Mapping[str, Any]:
    """The claims of an ID token; a person's vault token has none."""
    return identity.claims if isinstance(identity, IdToken) else {}


def check_audience(token: IdToken, audience: str) -> None:
    """``IdentityError`` unless the token is for `audience` (a string or one of a list, RFC 7519 section 4.1.3)."""
    aud = token.claims.get("aud")
    if aud == audience or (isinstance(aud, list) and audience in aud):
        return
    has = "no audience" if aud is None else f"audience {show(aud)}"
    raise IdentityError(
        f"the token from {token.source} has {has}, the manifest wants {show(audience)}",
        hint=f"request the token for {show(audience)} (vault.audience), and bind the vault role to it",
    )


def check_only_if(
    claims: Mapping[str, Any] | None, only_if: Mapping[str, Sequence[str | int | bool]], environment: str
) -> None:
    """``IdentityError`` naming every claim that keeps a job out of `environment`; `claims` is ``None`` for a person.

    A ``pull_request_target`` run has the base branch's token and may run a fork's code, so `only_if` has to name it:
    ``PullRequestTargetError`` where it does not.
    """
    if claims and claims.get("event_name") == _TARGET and not only_if.get("event_name"):
        raise _unnamed_target(environment)
    if not only_if:
        return
    if claims is None:
        raise IdentityError(
            f"environment {environment} is limited to CI jobs by only_if, and a person's vault token has no claims",
            hint=f"choose another environment, or let a CI job use {environment}",
        )
    problems = list(filter(None, (claim_problem(name, claims.get(name), wanted) for name, wanted in only_if.items())))
    if problems:
        raise IdentityError(
            f"this job is outside environment {environment}: {listed(problems, '; ')}",
            hint=f"run it where these claims hold, or change environments.{environment}.only_if",
        )


def _unnamed_target(environment: str) -> PullRequestTargetError:
    return PullRequestTargetError(
        f"this job runs on {_TARGET}: its token looks like the base branch's, whoever wrote the pull request",
        hint="run what needs secrets on push or merge_group; or, where somebody made a vault role for it by hand, "
        f'name it in environments.{environment}.only_if with event_name = ["{_TARGET}"]',
    )


def claim_problem(name: str, has: object, wanted: Sequence[str | int | bool], by: str = "only_if") -> str:
    """Why claim `name` is not what `by` wants, or an empty string."""
    found = mismatch(has, wanted, by)
    return f"claim {name} is {found}" if found else ""


def mismatch(has: object, wanted: Sequence[str | int | bool], by: str) -> str:
    """What a claim is instead of any that `by` wants, or an empty string where it is one of these.

    A list claim fits when any element does, and types count, as in the vault.
    """
    if any(_same(candidate, value) for candidate in _candidates(has) for value in wanted):
        return ""
    wants = listed([show(value) for value in wanted], " or ")
    if has is None:
        return f"missing, {by} wants {wants}"
    return f"{show(has)}, {by} wants {wants}{': the types differ' if types_differ(has, wanted) else ''}"


def types_differ(has: object, wanted: Sequence[str | int | bool]) -> bool:
    """Whether a claim is `wanted` but for a JSON type: ``"true"`` and ``True``, ``"42"`` and ``42``."""
    if has is None:
        return False
    return any(_looks_same(candidate, value) for candidate in _candidates(has) for value in wanted)


def _candidates(has: object) -> list[Any]:
    return has if isinstance(has, list) else [has]


def _same(one: object, other: object) -> bool:
    """Equal as JSON: ``True`` is not ``1``, and ``"42"`` is not ``42`` (the vault compares by type too)."""
    return type(one) is type(other) and one == other


def _looks_same(one: object, other: object) -> bool:
    """Whether only the type differs."""
    return type(one) is not type(other) and str(one).lower() == str(other).lower()


def evidence(claims: Mapping[str, Any], reason: str) -> str:
    """What the token has for the claims that the vault's `reason` for a rejection names; empty where it names none."""
    names = [name for word, name in _WORDS.items() if word in reason] + re.findall(r'claim "([^"/]+)"', reason)
    return ", ".join(
        f"the token has {name} {_told(claims, name)}" if name in claims else f"the token has no claim {name}"
        for name in dict.fromkeys(names)
    )


def moment(claims: Mapping[str, Any], name: str) -> float | None:
    """The time in claim `name`, in seconds; ``None`` for what no clock shows, such as a number of 400 digits."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _EXACT:
        return None
    return value


def _told(claims: Mapping[str, Any], name: str) -> str:
    """A claim's value; for a time also how long ago or ahead it is by this machine's clock."""
    when = moment(claims, name) if name in {"exp", "nbf", "iat"} else None
    if when is None:
        return show(claims[name])
    seconds = when - time.time()
    return f"{show(claims[name])} ({abs(seconds):.0f} s {'from now' if seconds > 0 else 'ago'})"


def show(value: object) -> str:
    """A claim's value for a message: as JSON, on one line, cut to a readable length."""
    text = json.dumps(value)
    return text if len(text) <= 120 else f"{text[:117]}..."


def listed(texts: Sequence[str], between: str = ", ", at_most: int = 10) -> str:
    """The first of `texts` in one line, and how many more there are."""
    more = len(texts) - at_most
    shown = between.join(texts[:at_most])
    return f"{shown}{' and ' if between == ', ' else between}{more} more" if more > 0 else shown
