"""identity → login → fetch → audit → hand-over → revoke: the steps in order, on objects it is handed.

No construction, no environment, no output: the command that runs it decides where the values go.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import field
from typing import TYPE_CHECKING, Any

from ciplug.errors import CiplugError, Interrupted, LoginRejectedError
from ciplug.fields import collect
from ciplug.frozen import frozen
from ciplug.identity import check_audience, check_only_if, evidence, resolve
from ciplug.logins import LiveLogin, Recorder
from ciplug.redact import forms, hideable
from ciplug.values import Contents, IdToken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ciplug.audit import AuditLog, Context
    from ciplug.contracts import IdentitySource, Login, VaultSession
    from ciplug.errors import MissingError
    from ciplug.manifest import JobGrant
    from ciplug.redact import Form
    from ciplug.signals import Signals
    from ciplug.values import Delivered, Identity, Record, Secret


@frozen
class Steps:
    """What the pipeline works with, built by the command."""

    sources: Sequence[IdentitySource]
    audience: str
    login: Login
    hurry: Callable[[], None]
    """Gives the vault request in flight a last moment; called when a signal arrives while a token must not be lost."""

    audit: AuditLog
    context: Callable[[Identity], Context]
    signals: Signals
    warn: Callable[[str], None]


@frozen
class InHand:
    """Everything a job was granted, and the credentials by which it came."""

    values: tuple[Delivered, ...]
    credentials: tuple[Secret, ...]

    @property
    def forms(self) -> tuple[Form, ...]:
        """Every form of what no log may show: the secrets, the vault token and the ID token."""
        return forms(secret.reveal() for secret in (*(item.value for item in self.values), *self.credentials))

    @property
    def value_forms(self) -> tuple[Form, ...]:
        """Every form of the secrets alone, for a place where the credentials do not belong, not even to be hidden."""
        return forms(item.value.reveal() for item in self.values)

    @property
    def too_short(self) -> list[str]:
        """The names of secrets that are not masked: it would blank the log without hiding anything."""
        return [item.grant.name for item in self.values if not hideable(item.value.reveal())]


@frozen
class Delivery(InHand):
    """What was just read from the vault. `lease_seconds` is the shortest lease among it, ``None`` without one."""

    identity: Identity = field(repr=False)
    login: LiveLogin = field(repr=False)
    lease_seconds: int | None

    @property
    def leased(self) -> bool:
        """Whether there are leases that end with a session of ours."""
        return self.lease_seconds is not None and self.session.ours

    @property
    def session(self) -> VaultSession:
        """The session the values were read with."""
        return self.login.session


@contextmanager
def deliver(steps: Steps, grant: JobGrant) -> Iterator[Delivery]:
    """The job's secrets, all of them or an error; whatever happens, the session is dead afterwards.

    Static secrets only: the session is revoked before the block starts. Leased secrets live as long as their session,
    so it is revoked when the block ends, unless the block told the login to ``keep`` it and came to its end.
    """
    with opened(steps, grant) as delivery:
        if delivery.lease_seconds is None:
            delivery.login.end()
        yield delivery


@contextmanager
def opened(steps: Steps, grant: JobGrant) -> Iterator[Delivery]:
    """The same, with the session alive for the length of the block, for whatever the block asks the vault itself."""
    identity = identified(steps, grant)
    with logged_in(steps, grant, identity) as login:
        yield read(steps, grant, identity, login)


def identified(steps: Steps, grant: JobGrant) -> Identity:
    """A fresh identity that may use the grant's environment, as far as that can be said without the vault."""
    identity = resolve(steps.sources, steps.audience)
    claims = identity.claims if isinstance(identity, IdToken) else None
    if isinstance(identity, IdToken):
        check_audience(identity, steps.audience)
    check_only_if(claims, grant.environment.only_if, grant.environment.name)
    return identity


@contextmanager
def logged_in(steps: Steps, grant: JobGrant, identity: Identity) -> Iterator[LiveLogin]:
    """A session for `identity`, recorded, and ended with the block whatever happens in it.

    From the login to the revocation a signal is remembered instead of raised: between the vault's answer and the line
    that keeps it, or at the gate of the cleanup, it would lose a live token.
    """
    record = Recorder(steps.audit, lambda: steps.context(identity))
    with steps.signals.shielded(steps.hurry):
        login = LiveLogin(_log_in(steps, grant, identity, record), record, steps.warn)
        try:
            record({**_login_event(grant), "outcome": "ok", "vault": {"request_id": login.session.request_id}})
            yield login
        except BaseException as err:
            login.end_behind(err)
            raise
        if not login.kept:
            login.end()


def read(steps: Steps, grant: JobGrant, identity: Identity, login: LiveLogin) -> Delivery:
    """Every granted record once, recorded, and out of them every granted secret; all or an error."""
    records = list(dict.fromkeys(item.record for item in grant.grants))
    contents: Mapping[Record, Contents | MissingError] = {}
    with steps.signals.interruptible():
        try:
            contents = login.session.read(records)
            values = collect(grant.grants, contents)
        except (CiplugError, Interrupted) as err:
            login.record.failure(err, *(_read_event(grant, item, contents.get(item)) for item in records))
            raise
    login.record(
        *({**_read_event(grant, item, contents[item]), "outcome": _outcome(contents[item])} for item in records)
    )
    leases = [found.lease.seconds for found in contents.values() if isinstance(found, Contents) and found.lease]
    if leases and not login.session.ours:
        steps.warn(f"leases of your own vault login are not ended by ciplug: they live for up to {max(leases)} s")
    return Delivery(
        values=values,
        credentials=(login.session.token, identity.token),
        identity=identity,
        login=login,
        lease_seconds=min(leases, default=None),
    )


def _log_in(steps: Steps, grant: JobGrant, identity: Identity, record: Recorder) -> VaultSession:
    """The vault's session; a rejection says what the token has for the claims that the vault objects to."""
    try:
        return steps.login(identity, grant.role or "")
    except (CiplugError, Interrupted) as err:
        record.failure(err, _login_event(grant))
        # A signal ends the request in flight, and the error is then only its consequence.
        steps.signals.check()
        if isinstance(err, LoginRejectedError) and isinstance(identity, IdToken):
            err.reword("; ".join(filter(None, (str(err), evidence(identity.claims, err.reason)))))
        raise


def _login_event(grant: JobGrant) -> dict[str, Any]:
    return {"event": "login", "role": grant.role or "", **_target(grant)}


def _target(grant: JobGrant) -> dict[str, str]:
    return {"target": grant.target} if grant.target else {}


def _outcome(found: Contents | MissingError) -> str:
    return "ok" if isinstance(found, Contents) else found.cause


def _read_event(grant: JobGrant, record: Record, found: Contents | MissingError | None) -> dict[str, Any]:
    wanted = [item for item in grant.grants if item.record == record]
    event: dict[str, Any] = {
        "event": "read",
        "record": str(record),
        "fields": sorted({"/".join(item.pointer) for item in wanted}),
        "names": [item.name for item in wanted],
        **_target(grant),
    }
    if isinstance(found, Contents):
        event |= {"version": found.version, "vault": {"request_id": found.request_id}}
    return event
