"""Every step from the host to the secrets, in the order of the pipeline; the first that fails is the cause."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ciplug.doctor.access import enter
from ciplug.doctor.claims import matching, required
from ciplug.doctor.finding import Finding, failed, from_error, note, ok, readable
from ciplug.doctor.reach import reach
from ciplug.doctor.signature import verify
from ciplug.doctor.token import examine, examine_person, identify
from ciplug.doctor.wants import of_role
from ciplug.errors import CiplugError, UsageError
from ciplug.hosts import EXPOSED
from ciplug.values import IdToken
from ciplug.vault.inspect import read_auth_config, read_role

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ciplug.doctor.case import Case, Door
    from ciplug.values import Identity, VaultToken

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
    yield from _host(case)
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


def _host(case: Case) -> Iterator[Finding]:
    host, runs = case.host, "takes no masks at run time: `ciplug run` hides the values itself"
    masks = "masks values for later steps" if host.masker else runs
    job = f", job {host.job!r}" if host.job else ""
    yield ok("host", f"{host.label} ({_SIGNS.get(host.kind, host.kind)}){job}; it {masks}")
    if host.exposure and case.allow_exposure:
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
        yield from examine_person(case)


def _role(case: Case, identity: Identity) -> Iterator[Finding]:
    """The role beside the token, where somebody's own vault token may read it."""
    if not isinstance(identity, IdToken):
        return
    try:
        mount = case.door.mount
    except UsageError as err:
        yield from_error("auth mount", err)
        return
    if case.own is not None:
        yield from _compared_role(identity, case, case.own, mount)


def _compared_role(identity: IdToken, case: Case, own: VaultToken, mount: str) -> Iterator[Finding]:
    path = f"auth/{mount}/role/{case.door.role}"
    try:
        role = read_role(case.client, own.token, mount, case.door.role)
        config = read_auth_config(case.client, own.token, mount) if role is not None else None
    except CiplugError as err:
        # A job does without this look. What keeps it from its login too, the login finds.
        yield note("role", f"{path} could not be looked at: {err}", err.hint)
        return
    if role is None:
        yield note("role", f"{path} is not there, or {own.source} may not read it")
        return
    yield ok("role", f"{path}, read with {own.source}")
    door = replace(case.door, matching=matching(role))
    yield from readable("claims", required(of_role(door.role, role, config), identity.claims, door))
