"""Every step from the host to the secrets, in the order of the pipeline; the first that fails is the cause."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ciplug.doctor.access import enter
from ciplug.doctor.claims import compared, of_role
from ciplug.doctor.finding import Finding, failed, from_error, note, ok
from ciplug.doctor.reach import reach
from ciplug.doctor.signature import verify
from ciplug.doctor.token import examine, identify, person
from ciplug.errors import CiplugError
from ciplug.hosts import EXPOSED
from ciplug.values import IdToken
from ciplug.vault.inspect import read_auth_config, read_role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ciplug.doctor.case import Case, Door
    from ciplug.hosts import Host
    from ciplug.values import Identity

_SIGNS = {
    "github": "GITHUB_ACTIONS is true",
    "gitlab": "GITLAB_CI is true",
    "jenkins": "JENKINS_URL and BUILD_NUMBER are set",
    "ci": "CI is set, and no host that is known",
    "terminal": "nothing says that this is a CI host",
}
"""How each kind of host is recognised."""


def diagnose(case: Case) -> Iterator[Finding]:
    """The findings, as soon as they may be shown. What only follows from a failure is not tried."""
    yield from _host(case.host, allowed=case.allow_exposure)
    yield ok("job", _describe(case.door))
    identity, finding = identify(case)
    findings = [finding]
    yield finding
    for finding in _token(case, identity):
        findings.append(finding)
        yield finding
    ways, skew = reach(case)
    findings += ways
    yield from ways
    if identity is not None and not _fails(findings):
        for finding in _role(case, identity):
            findings.append(finding)
            yield finding
    if identity is None or _fails(findings):
        yield note("login", "not tried, for the reasons above")
        return
    yield from enter(case, identity, skew)


def _fails(findings: list[Finding]) -> bool:
    return any(finding.state == "failed" for finding in findings)


def _host(host: Host, *, allowed: bool) -> Iterator[Finding]:
    masks = (
        "masks values for later steps" if host.masker else "takes no masks at run time: `ciplug run` hides them itself"
    )
    job = f", job {host.job!r}" if host.job else ""
    yield ok("host", f"{host.label} ({_SIGNS.get(host.kind, host.kind)}){job}; it {masks}")
    if host.exposure and allowed:
        yield note("exposure", host.exposure)
    elif host.exposure:
        yield failed("exposure", host.exposure, EXPOSED)


def _describe(door: Door) -> str:
    grant = door.grant
    role = f", vault role {grant.role}" if grant.role else ""
    secrets, records = len(grant.grants), len({item.record for item in grant.grants})
    return f"{grant.job or 'no job'} in {grant.environment.name}{role}: secrets {secrets}, records {records}"


def _token(case: Case, identity: Identity | None) -> Iterator[Finding]:
    if isinstance(identity, IdToken):
        yield from examine(identity, case)
        yield verify(identity, case.transports, case.seconds)
    elif identity is not None:
        yield from person(case)


def _role(case: Case, identity: Identity) -> Iterator[Finding]:
    """The role beside the token, where somebody's own vault token may read it."""
    if not isinstance(identity, IdToken):
        return
    try:
        mount = case.door.mount
    except CiplugError as err:
        yield from_error("auth mount", err)
        return
    if case.own is None:
        return
    role = read_role(case.client, case.own.token, mount, case.door.role)
    if role is None:
        yield note("role", f"auth/{mount}/role/{case.door.role} is not there, or {case.own.source} may not read it")
        return
    config = read_auth_config(case.client, case.own.token, mount)
    yield ok("role", f"auth/{mount}/role/{case.door.role}, read with {case.own.source}")
    yield from compared(of_role(case.door.role, role, config), identity.claims, case.door, binding=True)
