"""Why does this job not get its secrets: each step of the pipeline tried on its own, each with its remedy.

Every check is a ``Finding``; the first that fails is the cause, what follows from it is not tried.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Literal

from ciplug.errors import CiplugError
from ciplug.frozen import frozen
from ciplug.hosts import EXPOSED
from ciplug.identity import check_audience, check_only_if, resolve
from ciplug.identity.claims import show
from ciplug.pipeline import logged_in, read
from ciplug.values import IdToken
from ciplug.vault.inspect import capabilities, health
from ciplug.vault.reading import route

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ciplug.hosts import Host
    from ciplug.logins import LiveLogin
    from ciplug.manifest import JobGrant
    from ciplug.pipeline import Delivery, Steps
    from ciplug.values import Identity
    from ciplug.vault.client import VaultClient
    from ciplug.vault.inspect import Health

SKEW_SECONDS = 30.0
"""The vault forgives 60 s between its clock and the issuer's by default; half of that is worth a word."""

State = Literal["ok", "failed", "note"]


@frozen
class Finding:
    """One line of the report: what was looked at, how it stands, what was found, and what to do about it."""

    check: str
    state: State
    text: str
    remedy: str = ""


def diagnose(
    steps: Steps, grant: JobGrant, host: Host, client: VaultClient, *, allow_exposure: bool = False
) -> Iterator[Finding]:
    """The findings in the order of the pipeline, as soon as they may be shown.

    With `allow_exposure` somebody has accepted that the host may show what this run is handed.
    """
    yield from _host(host, allowed=allow_exposure)
    yield Finding(check="job", state="ok", text=_describe(grant))
    identity, findings = _identity(steps, grant)
    yield from findings
    healths = health(client)
    yield from (_reach(found) for found in healths)
    sound = identity is not None and all(item.state != "failed" for item in findings)
    if identity is None or not sound or all(_problem(found) for found in healths):
        yield Finding(check="login", state="note", text="not tried, for the reasons above")
        return
    yield from _job(steps, grant, client, identity)


def _host(host: Host, *, allowed: bool) -> Iterator[Finding]:
    masks = (
        "masks values for later steps" if host.masker else "takes no masks at run time: `ciplug run` hides them itself"
    )
    job = f", job {host.job!r}" if host.job else ""
    yield Finding(check="host", state="ok", text=f"{host.label}{job}; it {masks}")
    if host.exposure:
        yield Finding(
            check="exposure",
            state="note" if allowed else "failed",
            text=host.exposure,
            remedy="" if allowed else EXPOSED,
        )


def _describe(grant: JobGrant) -> str:
    role = f", vault role {grant.role}" if grant.role else ""
    secrets, records = len(grant.grants), len({item.record for item in grant.grants})
    return f"{grant.job or 'no job'} in {grant.environment.name}{role}: secrets {secrets}, records {records}"


def _identity(steps: Steps, grant: JobGrant) -> tuple[Identity | None, Sequence[Finding]]:
    try:
        identity = resolve(steps.sources, steps.audience)
    except CiplugError as err:
        return None, [_failed("identity", err)]
    claims = identity.claims if isinstance(identity, IdToken) else None
    findings = [Finding(check="identity", state="ok", text=_introduce(identity))]
    if isinstance(identity, IdToken):
        findings.append(_try("audience", show(steps.audience), lambda: check_audience(identity, steps.audience)))
    only_if = grant.environment.only_if
    if only_if:
        findings.append(
            _try("only_if", ", ".join(only_if), lambda: check_only_if(claims, only_if, grant.environment.name))
        )
    return identity, findings


def _introduce(identity: Identity) -> str:
    if not isinstance(identity, IdToken):
        return f"a vault token of your own, from {identity.source}"
    claims = identity.claims
    expires = claims.get("exp")
    life = f", valid for {expires - time.time():.0f} s more" if isinstance(expires, int | float) else ""
    return f"ID token from {identity.source}: issuer {show(claims.get('iss'))}, subject {show(claims.get('sub'))}{life}"


def _reach(found: Health) -> Finding:
    if problem := _problem(found):
        return problem
    text = f"{found.address} answers: version {found.version}{', standby' if found.standby else ''}"
    if found.skew is not None and abs(found.skew) > SKEW_SECONDS:
        return Finding(
            check="vault",
            state="note",
            text=f"{text}; its clock and this machine's differ by {abs(found.skew):.0f} s",
            remedy="set both clocks: a login fails once a token seems expired or not valid yet",
        )
    return Finding(check="vault", state="ok", text=text)


def _problem(found: Health) -> Finding | None:
    if found.problem is not None:
        return _failed("vault", found.problem)
    if found.sealed or not found.initialized:
        what = "sealed" if found.initialized else "not initialised"
        return Finding(
            check="vault", state="failed", text=f"{found.address} is {what}", remedy="an operator has to unseal it"
        )
    return None


def _job(steps: Steps, grant: JobGrant, client: VaultClient, identity: Identity) -> list[Finding]:
    """The login, what its token may do on every record, and the job itself up to the hand-over, in one session.

    All of it is found before any of it is shown: nobody's terminal is to hold a session open.
    """
    findings: list[Finding] = []
    trying = "login"
    try:
        with logged_in(steps, grant, identity) as login:
            rights = _rights(steps, grant, client, identity, login)
            findings += [Finding(check="login", state="ok", text="accepted"), *rights]
            trying = "secrets"
            if all(finding.state == "ok" for finding in rights):
                findings += _secrets(grant, read(steps, grant, identity, login))
    except CiplugError as err:
        findings.append(_failed(trying, err))
    else:
        if login.failure is not None:
            findings.append(_failed("revoke", login.failure))
    return findings


def _rights(
    steps: Steps, grant: JobGrant, client: VaultClient, identity: Identity, login: LiveLogin
) -> Sequence[Finding]:
    """One finding per record, from one request."""
    routes = {str(item.record): route(item.record).removeprefix("/v1/").partition("?")[0] for item in grant.grants}
    with steps.signals.interruptible():
        allowed = capabilities(client, login.session.token, list(routes.values()))
    holder = f"role {grant.role}" if isinstance(identity, IdToken) else "your own vault login"
    return [
        Finding(check="rights", state="ok", text=f"may read {record}")
        if {"read", "root", "sudo"}.intersection(allowed[path])
        else Finding(
            check="rights",
            state="failed",
            text=f"may not read {record}",
            remedy=f'add to a policy of {holder}:  path "{path}" {{ capabilities = ["read"] }}',
        )
        for record, path in routes.items()
    ]


def _secrets(grant: JobGrant, delivery: Delivery) -> Iterator[Finding]:
    """Which values are there, and which are too short to be hidden."""
    lease = f", leased for {delivery.lease_seconds} s" if delivery.lease_seconds is not None else ""
    yield Finding(check="secrets", state="ok", text=f"{len(delivery.values)} read{lease}")
    absent = {item.name for item in grant.grants} - {item.grant.name for item in delivery.values}
    if absent:
        yield Finding(check="secrets", state="note", text=f"optional and absent: {', '.join(sorted(absent))}")
    if delivery.too_short:
        yield Finding(
            check="masking",
            state="note",
            text=f"too short to be hidden in a log: {', '.join(delivery.too_short)}",
            remedy="use values of at least 4 characters",
        )


def _try(check: str, text: str, attempt: Callable[[], None]) -> Finding:
    """Run a check that raises what is wrong."""
    try:
        attempt()
    except CiplugError as err:
        return _failed(check, err)
    return Finding(check=check, state="ok", text=text)


def _failed(check: str, error: CiplugError) -> Finding:
    return Finding(check=check, state="failed", text=str(error), remedy=error.hint)
