"""The job's identity: whether it has one, for whom, how old it is, and what the manifest says of its claims."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ciplug.doctor.claims import compared, remedy
from ciplug.doctor.finding import failed, from_error, note, ok, readable
from ciplug.doctor.wants import of_only_if, of_project
from ciplug.errors import CiplugError, IdentityError
from ciplug.identity import check_audience, check_only_if, resolve
from ciplug.identity.claims import moment, show
from ciplug.identity.errors import PullRequestTargetError, UnrequestedError
from ciplug.values import IdToken

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ciplug.doctor.case import Case
    from ciplug.doctor.finding import Finding
    from ciplug.values import Identity

LEEWAY = 60.0
"""Seconds by which the vault lets a token's times be off, unless its role says otherwise."""

_SNIPPETS = {
    "github": "permissions:\n  id-token: write\n  contents: read",
    "gitlab": "id_tokens:\n  {variable}:\n    aud: {audience}",
    "jenkins": "withCredentials([string(credentialsId: 'vault-id-token', variable: '{variable}')]) {{ … }}",
}
"""What to paste into a job so that it asks for a token, by the kind of its host."""


def identify(case: Case) -> tuple[Identity | None, Finding]:
    """The job's identity, ``None`` where it has none, and what is to be said of that."""
    try:
        identity = resolve(case.steps.sources, case.steps.audience)
    except UnrequestedError as err:
        return None, failed("identity", str(err), _with_snippet(err.hint, case))
    except CiplugError as err:
        return None, from_error("identity", err)
    if not isinstance(identity, IdToken):
        return identity, ok("identity", f"a vault token of your own, from {identity.source}")
    claims = identity.claims
    told = f"ID token from {identity.source}: issuer {show(claims.get('iss'))}, subject {show(claims.get('sub'))}"
    ages, odd = _ages(identity)
    return identity, (note if odd else ok)("identity", f"{told}{ages}")


def examine(identity: IdToken, case: Case) -> Iterator[Finding]:
    """What can be said of the token's claims without the vault."""
    yield _audience(identity, case)
    yield from odd_times(identity.claims)
    wants = of_only_if(case.door)
    fitting = [want for want in wants if not want.problem(identity.claims)]
    yield from readable("claims", compared(fitting, identity.claims))
    yield from _only_if(identity, case)
    known = {want.claim for want in wants}
    project = [want for want in of_project(case.door.manifest.project, identity.claims) if want.claim not in known]
    yield from compared(project, identity.claims)


def odd_times(claims: Mapping[str, Any]) -> Iterator[Finding]:
    """Each time that is none: no vault can read such a token."""
    for name in ("iat", "nbf", "exp"):
        if claims.get(name) is not None and moment(claims, name) is None:
            remedy = "take the token from the CI host itself, unchanged"
            yield failed(f"claim {name}", f"{show(claims[name])}, which is no time", remedy)


def _only_if(identity: IdToken, case: Case) -> Iterator[Finding]:
    """Every claim that keeps the job out of its environment, as one cause."""
    environment = case.grant.environment
    try:
        check_only_if(identity.claims, environment.only_if, environment.name)
    except PullRequestTargetError as err:
        yield from_error("only_if", err)
    except IdentityError as err:
        wrong = (want for want in of_only_if(case.door) if want.problem(identity.claims))
        told = next((remedy(want, identity.claims, case.door) for want in wrong), err.hint)
        yield failed("only_if", str(err), told)


def examine_person(case: Case) -> Iterator[Finding]:
    """What can be said of a vault token that somebody brought: an environment may be for jobs alone."""
    try:
        check_only_if(None, case.grant.environment.only_if, case.grant.environment.name)
    except IdentityError as err:
        yield from_error("only_if", err)


def _audience(identity: IdToken, case: Case) -> Finding:
    audience = case.steps.audience
    try:
        check_audience(identity, audience)
    except IdentityError as err:
        return failed("audience", str(err), _for_audience(case, err.hint))
    return ok("audience", show(audience))


def _for_audience(case: Case, hint: str) -> str:
    if case.host.kind == "gitlab":
        return _with_snippet(hint, case)
    if case.host.kind == "jenkins":
        return f"set the audience of the OpenID Connect credential in Jenkins to {case.steps.audience}"
    return hint


def _with_snippet(hint: str, case: Case) -> str:
    snippet = _SNIPPETS[case.host.kind].format(variable=case.variable, audience=case.steps.audience)
    return f"{hint}\n{snippet}"


def _ages(identity: IdToken) -> tuple[str, bool]:
    """How old the token is and how long it lives, by this machine's clock, and whether that is odd."""
    now, told, odd = time.time(), "", False
    issued, begins, expires = (moment(identity.claims, name) for name in ("iat", "nbf", "exp"))
    if issued is not None:
        told += f", issued {abs(now - issued):.0f} s {'ago' if issued <= now else 'from now'}"
        odd = issued - now > LEEWAY
    if begins is not None and begins - now > LEEWAY:
        told, odd = f"{told}, not valid for another {begins - now:.0f} s", True
    if expires is not None:
        left = expires - now
        told += f", valid for {left:.0f} s more" if left > 0 else f", expired {-left:.0f} s ago"
        odd = odd or left < -LEEWAY
    return told, odd
