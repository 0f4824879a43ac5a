"""Behind the door: the login, the engines, the rights on every record, the secrets themselves, and the way out."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ciplug.doctor import absent, rights
from ciplug.doctor.claims import change_role, matching
from ciplug.doctor.engines import engines
from ciplug.doctor.finding import Finding, brief, failed, from_error, note, ok, readable
from ciplug.doctor.rejection import mount_remedy, rejected
from ciplug.errors import CiplugError, DeniedError, LoginRejectedError
from ciplug.fields import AbsentError
from ciplug.identity.claims import claims_of, listed, show
from ciplug.pipeline import logged_in, read
from ciplug.values import IdToken
from ciplug.vault.errors import InvalidTokenError, NoNamespaceError, UnexplainedRejectionError
from ciplug.vault.inspect import has_auth_mount, look_up, read_role
from ciplug.vault.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from ciplug.doctor.case import Case
    from ciplug.logins import LiveLogin
    from ciplug.pipeline import Delivery
    from ciplug.values import Identity

_LINES: Final = 20
"""To paste, at once."""


def enter(case: Case, identity: Identity, skew: float | None) -> list[Finding]:
    """The login, what its token may do, and the job itself up to the hand-over, in one session.

    All of it is found before any of it is shown: nobody's terminal is to hold a session open.
    """
    findings: list[Finding] = []
    login: LiveLogin | None = None
    try:
        with logged_in(case.steps, case.grant, identity) as login:
            findings += _inside(case, identity, login)
        case.steps.signals.check()
    except LoginRejectedError as err:
        findings.append(_rejected(case, err, identity, skew))
    except CiplugError as err:
        # What happened inside is a finding already: this is the login's own, or its record's.
        findings.append(from_error("namespace" if isinstance(err, NoNamespaceError) else "login", err))
    if login is not None and login.failure is not None and not any(item.state == "failed" for item in findings):
        findings.append(from_error("revoke", login.failure))
    return findings


def _rejected(case: Case, error: LoginRejectedError, identity: Identity, skew: float | None) -> Finding:
    if isinstance(error, UnexplainedRejectionError):
        there = has_auth_mount(case.client, case.door.mount)
        if there:
            return _unexplained(case)
        if there is not None:
            text = f"there is no auth method at auth/{case.door.mount}"
            return failed("auth mount", text, mount_remedy(case.door))
    return rejected(error, case.door, claims_of(identity), skew)


def _unexplained(case: Case) -> Finding:
    """The vault gives no reason for this, so one is named only where the role could be seen to have it."""
    door = case.door
    role = f"auth/{door.mount}/role/{door.role}"
    if addresses := _bound_addresses(case):
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


def _bound_addresses(case: Case) -> object:
    """Those that the role admits; ``None`` where it admits all, and where nobody here can see it."""
    return _role(case).get("token_bound_cidrs")


def _role(case: Case) -> Mapping[str, Any]:
    """What the role has, empty where nobody here can see it."""
    if case.own is None:
        return {}
    try:
        role = read_role(case.client, case.own.token, case.door.mount, case.door.role)
    except CiplugError:
        # Something else has failed, which is what there is to explain, and this would only add to it.
        return {}
    return role or {}


def _inside(case: Case, identity: Identity, login: LiveLogin) -> Iterator[Finding]:
    """Everything that is done with the token, up to the first thing that fails."""
    steps: Sequence[tuple[str, Callable[[], Iterator[Finding]]]] = (
        ("login", lambda: _login(case, identity, login)),
        ("engine", lambda: readable("engine", engines(case, login))),
        ("rights", lambda: _rights(case, identity, login)),
        ("lease", lambda: _leases(case, login)),
        ("secrets", lambda: _secrets(case, identity, login)),
    )
    for check, step in steps:
        try:
            findings = list(step())
        except CiplugError as err:
            findings = [_error(case, check, err)]
        yield from findings
        if any(finding.state == "failed" for finding in findings):
            return


def _error(case: Case, check: str, error: CiplugError) -> Finding:
    if isinstance(error, AbsentError):
        return failed(check, absent.told(error), "\n".join(absent.remedies(error, case.door.namespace)))
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
    except CiplugError as err:
        yield note("login", f"your own, whose policies could not be looked at: {err}", err.hint)
        return
    named = listed(list(map(brief, policies))) if isinstance(policies, list) else "that it may not see itself"
    yield ok("login", f"your own, with the policies {named}")


def _rights(case: Case, identity: Identity, login: LiveLogin) -> Iterator[Finding]:
    """From one request, without which the records themselves tell."""
    try:
        with case.steps.signals.interruptible():
            refused = rights.denied(case.client, login.session.token, case.grant.grants)
    except InvalidTokenError:
        raise
    except CiplugError as err:
        yield note("rights", f"could not be looked at: {err}", err.hint)
        return
    if refused:
        remedy = rights.remedy(refused.values(), case.door, identity, _LINES)
        yield failed("rights", f"may not read {listed(list(refused))}", "\n".join(remedy))
    allowed = dict.fromkeys(str(item.record) for item in case.grant.grants if str(item.record) not in refused)
    if allowed:
        yield ok("rights", f"may read {listed(list(allowed))}")


def _leases(case: Case, login: LiveLogin) -> Iterator[Finding]:
    """A lease of a batch token cannot be ended, so none is made here."""
    leased = list(dict.fromkeys(str(item.record) for item in case.grant.grants if item.record.engine == "other"))
    if leased and isinstance(login.session, Session) and login.session.batch:
        door = replace(case.door, matching=matching(_role(case)))
        yield failed(
            "lease",
            f"role {door.role} gives batch tokens, and the leases of {listed(leased)} could not be ended with them",
            change_role(door, "token_type", "service"),
        )


def _secrets(case: Case, identity: Identity, login: LiveLogin) -> Iterator[Finding]:
    """Which values are there, and which are too short to be hidden."""
    delivery = read(case.steps, case.grant, identity, login)
    lease = f", leased for {delivery.lease_seconds} s" if delivery.lease_seconds is not None else ""
    yield ok("secrets", f"{len(delivery.values)} read{lease}")
    absentees = {item.name for item in case.grant.grants} - {item.grant.name for item in delivery.values}
    if absentees:
        yield note("secrets", f"optional and absent: {listed(sorted(absentees))}")
    yield from _masking(delivery)


def _masking(delivery: Delivery) -> Iterator[Finding]:
    short = delivery.too_short
    hidden = [item.grant.name for item in delivery.values if item.grant.name not in short]
    if hidden:
        yield ok("masking", f"would hide {listed(hidden)} and the tokens, in {len(delivery.forms)} forms")
    if short:
        yield note(
            "masking",
            f"too short to be hidden in a log: {listed(short)}",
            "use values of at least 4 characters",
        )
