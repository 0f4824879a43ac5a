"""Behind the door: the login, the engines, the rights on every record, the secrets themselves, and the way out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ciplug.doctor import absent, rights
from ciplug.doctor.case import claims_of
from ciplug.doctor.claims import change_role
from ciplug.doctor.finding import Finding, failed, from_error, note, ok
from ciplug.doctor.rejection import mount_remedy, rejected
from ciplug.errors import CiplugError, DeniedError, LoginRejectedError, MissingError
from ciplug.identity.claims import show
from ciplug.pipeline import logged_in, read
from ciplug.values import IdToken
from ciplug.vault.errors import InvalidTokenError
from ciplug.vault.inspect import has_auth_mount, look_up, read_mount, read_role
from ciplug.vault.session import Session

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from ciplug.doctor.case import Case
    from ciplug.logins import LiveLogin
    from ciplug.pipeline import Delivery
    from ciplug.values import Identity


def enter(case: Case, identity: Identity, skew: float | None) -> list[Finding]:
    """The login, what its token may do, and the job itself up to the hand-over, in one session.

    All of it is found before any of it is shown: nobody's terminal is to hold a session open.
    """
    findings: list[Finding] = []
    login: LiveLogin | None = None
    try:
        with logged_in(case.steps, case.grant, identity) as login:
            findings += _inside(case, identity, login)
    except LoginRejectedError as err:
        findings.append(_rejected(case, err, identity, skew))
    except CiplugError as err:
        # What happened inside is a finding already: this is the login's own, or its record's.
        check = "namespace" if f'has no namespace "{case.client.namespace}"' in str(err) else "login"
        findings.append(from_error(check, err))
    if login is not None and login.failure is not None and not any(item.state == "failed" for item in findings):
        findings.append(from_error("revoke", login.failure))
    return findings


def _rejected(case: Case, error: LoginRejectedError, identity: Identity, skew: float | None) -> Finding:
    finding = rejected(error, case.door, claims_of(identity), skew)
    if finding.check != "auth mount" or "no such auth mount" not in finding.text:
        return finding
    there = has_auth_mount(case.client, case.door.mount)
    if there is None:
        return finding
    if there:
        return _refused(case)
    return failed("auth mount", f"there is no auth method at auth/{case.door.mount}", mount_remedy(case.door))


def _refused(case: Case) -> Finding:
    """The vault gives no reason for this, so one is named only where the role could be seen to have it."""
    door, own = case.door, case.own
    role = f"auth/{door.mount}/role/{door.role}"
    seen = read_role(case.client, own.token, door.mount, door.role) if own else None
    if addresses := (seen or {}).get("token_bound_cidrs"):
        return failed(
            "role",
            f"auth/{door.mount} is there, and {role} admits only the addresses {show(addresses)}",
            f"run the job at one of these addresses, or add this machine's to token_bound_cidrs of {role}",
        )
    return failed(
        "login",
        f"auth/{door.mount} is there, and the vault refused the login without a reason",
        f"{role} may not admit this machine's address (token_bound_cidrs), or the job's entity may be disabled: "
        "the vault's audit log may tell",
    )


def _inside(case: Case, identity: Identity, login: LiveLogin) -> Iterator[Finding]:
    """Everything that is done with the token, up to the first thing that fails."""
    for step in (_login, _engines, _rights, _leases, _secrets):
        try:
            findings = list(step(case, identity, login))
        except CiplugError as err:
            findings = [_error(case, step.__name__.removeprefix("_"), err)]
        yield from findings
        if any(finding.state == "failed" for finding in findings):
            return


def _error(case: Case, check: str, error: CiplugError) -> Finding:
    if isinstance(error, MissingError):
        return failed(check, str(error), "\n".join(absent.remedies(error, case.grant.grants, case.door.namespace)))
    return from_error(check, error)


def _login(case: Case, identity: Identity, login: LiveLogin) -> Iterator[Finding]:
    if isinstance(identity, IdToken):
        ttl = login.session.ttl_remaining()
        life = "" if ttl is None else f", for {ttl:.0f} s"
        yield ok("login", f"accepted as role {case.door.role} at auth/{case.door.mount}{life}")
        return
    try:
        with case.steps.signals.interruptible():
            policies = look_up(case.client, login.session.token).get("policies")
    except InvalidTokenError:
        raise
    except DeniedError:
        # A token without the default policy may not look at itself, and may read all the same.
        policies = None
    named = ", ".join(map(str, policies)) if isinstance(policies, list) else "that it may not see itself"
    yield ok("login", f"your own, with the policies {named}")


def _engines(case: Case, identity: Identity, login: LiveLogin) -> Iterator[Finding]:
    """Whether each mount is the engine that the manifest takes it for; unknown ones are left to what follows."""
    del identity
    for mount, engine in {item.record.mount: item.record.engine for item in case.grant.grants}.items():
        with case.steps.signals.interruptible():
            found = read_mount(case.client, login.session.token, mount)
        if found is None:
            continue
        kind, version = found.get("type"), _kv_version(found)
        if engine != "other" and kind not in {"kv", "generic"}:
            yield failed(
                "engine", f"{mount} is an engine of type {kind}, not KV", "correct vault.kv_mount in the manifest"
            )
        elif engine != "other" and engine != f"kv{version}":
            yield failed(
                "engine",
                f"{mount} is KV version {version}, and the manifest reads it as version {engine.removeprefix('kv')}",
                f"set vault.kv_version = {version} in the manifest",
            )
        elif engine == "other":
            yield ok("engine", f"{mount} is of type {kind}")


def _kv_version(found: Mapping[str, Any]) -> int:
    options = found.get("options")
    return 2 if isinstance(options, dict) and options.get("version") == "2" else 1


def _rights(case: Case, identity: Identity, login: LiveLogin) -> Iterator[Finding]:
    """From one request."""
    with case.steps.signals.interruptible():
        refused = rights.denied(case.client, login.session.token, case.grant.grants)
    job = isinstance(identity, IdToken)
    for record, path in refused.items():
        yield failed("rights", f"may not read {record}", rights.remedy(path, case.door, job=job))
    allowed = dict.fromkeys(str(item.record) for item in case.grant.grants if str(item.record) not in refused)
    if allowed:
        yield ok("rights", f"may read {', '.join(allowed)}")


def _leases(case: Case, identity: Identity, login: LiveLogin) -> Iterator[Finding]:
    """A lease of a batch token cannot be ended, so none is made here."""
    del identity
    leased = [str(item.record) for item in case.grant.grants if item.record.engine == "other"]
    if leased and isinstance(login.session, Session) and login.session.batch:
        yield failed(
            "lease",
            f"role {case.door.role} gives batch tokens, and the leases of {', '.join(dict.fromkeys(leased))} could not "
            "be ended with them",
            change_role(case.door, "token_type=service"),
        )


def _secrets(case: Case, identity: Identity, login: LiveLogin) -> Iterator[Finding]:
    """Which values are there, and which are too short to be hidden."""
    delivery = read(case.steps, case.grant, identity, login)
    lease = f", leased for {delivery.lease_seconds} s" if delivery.lease_seconds is not None else ""
    yield ok("secrets", f"{len(delivery.values)} read{lease}")
    absentees = {item.name for item in case.grant.grants} - {item.grant.name for item in delivery.values}
    if absentees:
        yield note("secrets", f"optional and absent: {', '.join(sorted(absentees))}")
    yield from _masking(delivery)


def _masking(delivery: Delivery) -> Iterator[Finding]:
    short = delivery.too_short
    hidden = [item.grant.name for item in delivery.values if item.grant.name not in short]
    if hidden:
        yield ok("masking", f"would hide {', '.join(hidden)} and the tokens, in {len(delivery.forms)} forms")
    if short:
        yield note(
            "masking",
            f"too short to be hidden in a log: {', '.join(short)}",
            "use values of at least 4 characters",
        )
