"""The steps in order, and that the session is dead however they end."""

from __future__ import annotations

import json
import signal
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from ciplug.audit import AuditLog, Context
from ciplug.errors import (
    AuditError,
    CiplugError,
    DeniedError,
    HandOverError,
    IdentityError,
    Interrupted,
    LoginRejectedError,
    MissingError,
    UnreachableError,
)
from ciplug.manifest import JobGrant
from ciplug.manifest.model import Environment
from ciplug.pipeline import Delivery, Steps, deliver
from ciplug.signals import ENDING, Signals
from ciplug.values import Contents, Grant, Identity, IdToken, Lease, Record, Secret, VaultToken
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

AUDIENCE = "https://vault.acme.dev"
URL_VALUE, KEY_VALUE, TOKEN, JWT = "postgres://me:p4ssw0rd@db", "sk_live_0123456789", "hvs.CAESIJ", "eyJh.eyJz.c2ln"
VALUES = (URL_VALUE, KEY_VALUE, TOKEN, JWT)
DB = Record(mount="secret", path="app/dev/db", engine="kv2")
STRIPE = Record(mount="secret", path="app/dev/stripe", engine="kv2")
LEASE = Lease(id="database/creds/web/abc", seconds=60, renewable=True)
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@dataclass
class Session:
    """A vault session that notes what is done with it; each step first calls what `at` has for it."""

    did: list[str]
    at: Mapping[str, Callable[[], None]]
    contents: Mapping[Record, Contents | MissingError]
    ours: bool = True
    token: Secret = field(default_factory=lambda: Secret(TOKEN))
    request_id: str = "login-1"
    asked: tuple[Record, ...] = ()

    def ttl_remaining(self) -> float | None:
        return 60

    def read(self, records: Sequence[Record]) -> Mapping[Record, Contents | MissingError]:
        self.did.append("read")
        self.asked = tuple(records)
        self.at.get("read", lambda: None)()
        return {record: self.contents[record] for record in records}

    def revoke(self) -> None:
        self.did.append("revoke")
        self.at.get("revoke", lambda: None)()
        self.ours = False


@dataclass
class Source:
    """An identity source with one answer."""

    did: list[str]
    answer: Identity | None
    name: str = "GitHub Actions"

    def identity(self, audience: str) -> Identity | None:
        self.did.append(f"identity for {audience}")
        return self.answer


@dataclass
class World:
    """Everything around the pipeline: the steps it was given, and what became of them."""

    did: list[str]
    session: Session
    steps: Steps
    warnings: list[str]
    audit_file: Path
    roles: list[str]

    def lines(self) -> list[dict[str, Any]]:
        text = self.audit_file.read_text() if self.audit_file.exists() else ""
        assert_no_leak(text, VALUES)
        return [json.loads(line) for line in text.splitlines()]

    def events(self) -> list[tuple[str, str]]:
        return [(line["event"], line["outcome"]) for line in self.lines()]


def id_token(**claims: object) -> IdToken:
    merged = {"aud": AUDIENCE, "sub": "repo:acme/shop", "ref": "refs/heads/main"} | claims
    return IdToken(token=Secret(JWT), claims=merged, source="GitHub Actions")


def job_grant(*grants: Grant, **changes: Any) -> JobGrant:
    environment = Environment(name="dev", path="app/dev", only_if=MappingProxyType(changes.pop("only_if", {})))
    wanted = grants or (
        Grant(name="DATABASE_URL", record=DB, pointer=("url",)),
        Grant(name="STRIPE_KEY", record=STRIPE, pointer=("key",)),
    )
    return JobGrant(**({"job": "test", "environment": environment, "role": "shop-test", "grants": wanted} | changes))


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """A world; keyword arguments change what is in it."""
    with Signals() as signals:

        def make(
            at: Mapping[str, Callable[[], None]] | None = None,
            *,
            lease: Lease | None = None,
            identity: Identity | None = None,
            contents: Mapping[Record, Contents | MissingError] | None = None,
            audit: str | None = None,
            required: bool = False,
            ours: bool = True,
        ) -> World:
            did: list[str] = []
            warnings: list[str] = []
            roles: list[str] = []
            steps_at = at or {}
            session = Session(
                did,
                steps_at,
                contents
                or {
                    DB: Contents(data={"url": URL_VALUE}, request_id="read-1", version=3, lease=lease),
                    STRIPE: Contents(data={"key": KEY_VALUE}, request_id="read-2", version=1),
                },
                ours=ours,
            )

            def log_in(identity: Identity, role: str) -> Session:
                did.append("login")
                roles.append(role)
                steps_at.get("login", lambda: None)()
                return session

            def context(identity: Identity) -> Context:
                did.append("context")
                return Context(command="run", who={"identity": identity.source})

            file = tmp_path / "audit"
            steps = Steps(
                sources=[Source(did, None, "nobody"), Source(did, identity or id_token())],
                audience=AUDIENCE,
                login=log_in,
                hurry=steps_at.get("hurry", lambda: did.append("hurry")),
                audit=AuditLog(str(file) if audit is None else audit, required=required, warn=warnings.append),
                context=context,
                signals=signals,
                warn=warnings.append,
            )
            return World(did, session, steps, warnings, file, roles)

        yield make


def run(world: World, grant: JobGrant | None = None, block: Callable[[Delivery], None] | None = None) -> None:
    with deliver(world.steps, grant or job_grant()) as found:
        world.did.append("block")
        if block is not None:
            block(found)


def raising(error: BaseException) -> Callable[..., None]:
    def act(*_: object) -> None:
        raise error

    return act


def kill(number: int = signal.SIGTERM) -> Callable[..., None]:
    return lambda *_: signal.raise_signal(number)


def test_static_secrets_are_revoked_before_they_are_handed_over(build) -> None:
    world = build()
    run(world)
    asked = f"identity for {AUDIENCE}"
    assert world.did == [asked, asked, "context", "login", "read", "revoke", "block"]
    assert world.roles == ["shop-test"]
    assert world.warnings == []


def test_leased_secrets_are_revoked_when_they_have_been_used(build) -> None:
    world = build(lease=LEASE)
    run(world)
    assert world.did[-3:] == ["read", "block", "revoke"]


def test_a_block_may_keep_leased_secrets_alive(build) -> None:
    world = build(lease=LEASE)
    run(world, block=lambda found: found.login.keep())
    assert world.did[-2:] == ["read", "block"]
    assert world.session.ours


@pytest.mark.parametrize("error", [HandOverError("stdout is gone"), ValueError("a bug"), Interrupted(15)])
def test_a_block_that_fails_keeps_nothing_alive(build, error: BaseException) -> None:
    def keep_and_fail(found: Delivery) -> None:
        found.login.keep()
        raise error

    world = build(lease=LEASE)
    with pytest.raises(type(error)):
        run(world, block=keep_and_fail)
    assert world.did[-1] == "revoke"


def test_what_is_delivered_and_what_must_be_masked(build) -> None:
    world = build(lease=LEASE)
    with deliver(world.steps, job_grant()) as found:
        assert [(item.grant.name, item.value.reveal().decode(), item.version) for item in found.values] == [
            ("DATABASE_URL", URL_VALUE, 3),
            ("STRIPE_KEY", KEY_VALUE, 1),
        ]
        assert found.lease_seconds == 60
        assert {value.encode() for value in VALUES} <= {form.text for form in found.forms}
        assert_no_leak(repr(found), VALUES)


def test_the_shortest_lease_counts(build) -> None:
    contents = {
        DB: Contents(data={"url": "x"}, request_id="", lease=LEASE),
        STRIPE: Contents(data={"key": "x"}, request_id="", lease=Lease(id="b", seconds=30, renewable=False)),
    }
    with deliver(build(contents=contents).steps, job_grant()) as found:
        assert found.lease_seconds == 30


def test_each_record_is_asked_for_once(build) -> None:
    world = build(contents={DB: Contents(data={"user": "u", "password": "p"}, request_id="read-1")})
    grants = [Grant(name=name.upper(), record=DB, pointer=(name,)) for name in ("user", "password")]
    run(world, job_grant(*grants))
    assert world.session.asked == (DB,)
    [read] = [line for line in world.lines() if line["event"] == "read"]
    assert (read["fields"], read["names"]) == (["password", "user"], ["USER", "PASSWORD"])


def test_a_person_s_token_logs_in_without_a_role_and_is_not_revoked(build) -> None:
    world = build(identity=VaultToken(token=Secret(TOKEN), source="VAULT_TOKEN"), ours=False, lease=LEASE)
    run(world, job_grant(role=None, job=None))
    assert "revoke" not in world.did
    assert world.roles == [""]
    assert world.events() == [("login", "ok"), ("read", "ok"), ("read", "ok")]


@pytest.mark.parametrize(
    ("identity", "only_if"),
    [
        (id_token(aud="https://other"), {}),
        (id_token(aud=None), {}),
        (id_token(), {"ref": ("refs/heads/prod",)}),
        (VaultToken(token=Secret(TOKEN), source="VAULT_TOKEN"), {"ref": ("refs/heads/main",)}),
    ],
)
def test_outside_audience_or_only_if_there_is_no_request_to_the_vault(build, identity, only_if) -> None:
    world = build(identity=identity)
    with pytest.raises(IdentityError):
        run(world, job_grant(only_if=only_if))
    assert not {"login", "read", "revoke", "block"} & set(world.did)


def test_inside_only_if_the_job_goes_on(build) -> None:
    world = build()
    run(world, job_grant(only_if={"ref": ("refs/heads/main",)}))
    assert "block" in world.did


FAILURES = [DeniedError("no right"), UnreachableError("no answer"), ValueError("a bug")]


@pytest.mark.parametrize("error", FAILURES)
def test_a_failed_login_leaves_nothing_to_revoke(build, error: BaseException) -> None:
    world = build({"login": raising(error)})
    with pytest.raises(type(error)):
        run(world)
    assert world.did[-1] == "login"


@pytest.mark.parametrize("error", FAILURES)
def test_a_failed_read_is_revoked_and_nothing_is_delivered(build, error: BaseException) -> None:
    world = build({"read": raising(error)})
    with pytest.raises(type(error)):
        run(world)
    assert world.did[-2:] == ["read", "revoke"]


@pytest.mark.parametrize("error", [*FAILURES, KeyboardInterrupt(), SystemExit(3)])
@pytest.mark.parametrize("lease", [None, LEASE])
def test_a_failed_block_is_revoked_once(build, error: BaseException, lease: Lease | None) -> None:
    world = build(lease=lease)
    with pytest.raises(type(error)) as raised:
        run(world, block=raising(error))
    assert raised.value is error
    assert world.did.count("revoke") == 1
    assert not world.session.ours


def missing(record: Record) -> MissingError:
    return MissingError(f"there is nothing at {record}")


def test_everything_missing_is_named_at_once_and_revoked(build) -> None:
    world = build(contents={DB: missing(DB), STRIPE: Contents(data={"other": "x"}, request_id="read-2", version=9)})
    with pytest.raises(MissingError) as raised:
        run(world)
    assert "DATABASE_URL" in str(raised.value)
    assert "STRIPE_KEY" in str(raised.value)
    assert world.did[-2:] == ["read", "revoke"]
    assert world.events() == [("login", "ok"), ("read", "missing"), ("read", "missing"), ("revoke", "ok")]
    # That the second record was read is the vault's truth, whatever became of its fields.
    assert world.lines()[2]["version"] == 9
    assert world.lines()[2]["vault"]["request_id"] == "read-2"


def test_an_optional_secret_that_is_missing_is_left_out_and_recorded_as_such(build) -> None:
    world = build(contents={DB: Contents(data={"url": "x"}, request_id="read-1"), STRIPE: missing(STRIPE)})
    grants = [
        Grant(name="DATABASE_URL", record=DB, pointer=("url",)),
        Grant(name="STRIPE_KEY", record=STRIPE, pointer=("key",), optional=True),
    ]
    with deliver(world.steps, job_grant(*grants)) as found:
        assert [item.grant.name for item in found.values] == ["DATABASE_URL"]
    assert world.events() == [("login", "ok"), ("read", "ok"), ("read", "missing"), ("revoke", "ok")]


def test_a_value_that_cannot_be_decoded_is_revoked(build) -> None:
    world = build()
    with pytest.raises(HandOverError):
        run(world, job_grant(Grant(name="STRIPE_KEY", record=STRIPE, pointer=("key",), base64=True)))
    assert world.did[-2:] == ["read", "revoke"]


@pytest.mark.parametrize("lease", [None, LEASE])
def test_a_failed_revocation_is_one_warning_and_no_error(build, lease: Lease | None) -> None:
    world = build({"revoke": raising(UnreachableError("it stays valid for up to 60 s"))}, lease=lease)
    run(world)
    assert world.warnings == ["it stays valid for up to 60 s"]
    assert world.did.count("revoke") == 1
    assert "block" in world.did
    assert ("revoke", "unreachable") in world.events()


def test_a_failed_revocation_does_not_hide_the_failure_before_it(build) -> None:
    world = build({"revoke": raising(UnreachableError("stays valid")), "read": raising(DeniedError("no right"))})
    with pytest.raises(DeniedError):
        run(world)
    assert world.warnings == ["stays valid"]


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("lease", [None, LEASE])
@pytest.mark.parametrize("step", ["login", "read"])
def test_a_signal_before_the_secrets_are_in_hand_ends_it_and_the_session(build, number, lease, step) -> None:
    world = build({step: kill(number)}, lease=lease)
    with pytest.raises(Interrupted) as raised:
        run(world)
    assert raised.value.signum == number
    assert world.did.count("revoke") == 1
    assert not world.session.ours
    assert "block" not in world.did


@pytest.mark.parametrize("lease", [None, LEASE])
def test_a_signal_during_the_block_is_raised_where_the_block_looks_for_it(build, lease) -> None:
    world = build(lease=lease)

    def look(_: Delivery) -> None:
        signal.raise_signal(signal.SIGTERM)
        world.did.append("still here")
        world.steps.signals.check()

    with pytest.raises(Interrupted):
        run(world, block=look)
    assert "still here" in world.did
    assert world.did.count("revoke") == 1
    assert not world.session.ours


@pytest.mark.parametrize("lease", [None, LEASE])
def test_a_signal_during_the_revocation_does_not_end_the_revocation(build, lease) -> None:
    def interrupted_revocation() -> None:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)

    world = build({"revoke": interrupted_revocation}, lease=lease)
    run(world)
    assert not world.session.ours
    assert world.steps.signals.pending == signal.SIGTERM
    with pytest.raises(Interrupted):
        world.steps.signals.check()


def test_a_second_signal_does_not_interrupt_the_cleanup_after_the_first(build) -> None:
    world = build({"read": kill(), "revoke": kill(signal.SIGINT)})
    with pytest.raises(Interrupted) as raised:
        run(world)
    assert raised.value.signum == signal.SIGTERM
    assert not world.session.ours


def test_a_signal_during_the_login_hurries_it_and_a_failure_of_it_is_the_signal_s(build) -> None:
    def cut_short() -> None:
        signal.raise_signal(signal.SIGTERM)
        raise UnreachableError("the request was ended before it was answered")

    world = build({"login": cut_short})
    with pytest.raises(Interrupted):
        run(world)
    assert world.did[-2:] == ["login", "hurry"]


def test_a_signal_between_two_attempts_of_the_login_ends_it(build) -> None:
    world: World = build({"login": lambda: (signal.raise_signal(signal.SIGTERM), world.steps.signals.sleep(0))})
    with pytest.raises(Interrupted):
        run(world)
    assert world.events() == [("login", "interrupted")]
    assert "revoke" not in world.did


def test_a_signal_before_the_login_raises_at_once(build) -> None:
    world = build()
    with pytest.raises(Interrupted):
        signal.raise_signal(signal.SIGTERM)
    assert world.did == []


def test_the_audit_log_has_every_step_with_its_place(build) -> None:
    world = build()
    run(world)
    login, db, stripe, revoke = world.lines()
    assert (login["event"], login["role"], login["outcome"]) == ("login", "shop-test", "ok")
    assert login["vault"]["request_id"] == "login-1"
    assert (db["event"], db["record"], db["fields"], db["names"], db["version"], db["outcome"]) == (
        "read",
        "secret/app/dev/db",
        ["url"],
        ["DATABASE_URL"],
        3,
        "ok",
    )
    assert db["vault"]["request_id"] == "read-1"
    assert stripe["names"] == ["STRIPE_KEY"]
    assert (revoke["event"], revoke["outcome"]) == ("revoke", "ok")
    assert {line["who"]["identity"] for line in world.lines()} == {"GitHub Actions"}


@pytest.mark.parametrize(
    ("step", "error", "events"),
    [
        ("login", LoginRejectedError("no"), [("login", "login-rejected")]),
        ("read", DeniedError("no"), [("login", "ok"), ("read", "denied"), ("read", "denied"), ("revoke", "ok")]),
        ("read", Interrupted(15), [("login", "ok"), *[("read", "interrupted")] * 2, ("revoke", "ok")]),
    ],
)
def test_what_fails_is_recorded_with_its_cause(build, step, error, events) -> None:
    world = build({step: raising(error)})
    with pytest.raises(type(error)):
        run(world)
    assert world.events() == events


def test_without_an_audit_log_no_context_is_gathered(build) -> None:
    world = build(audit="")
    run(world)
    assert "context" not in world.did


@pytest.mark.parametrize("lease", [None, LEASE])
def test_a_required_record_that_cannot_be_written_stops_the_delivery(build, lease) -> None:
    world = build(audit="/dev/full", required=True, lease=lease)
    with pytest.raises(AuditError):
        run(world)
    assert world.did[-2:] == ["login", "revoke"]
    assert not world.session.ours


def test_a_record_that_is_not_required_is_one_warning(build) -> None:
    world = build(audit="/dev/full")
    run(world)
    assert len(world.warnings) == 1
    assert world.did[-1] == "block"


@pytest.mark.parametrize(
    ("step", "error"),
    [
        ("login", LoginRejectedError("no")),
        ("login", LoginRejectedError('claim "ref" is missing')),
        ("read", DeniedError("no")),
        ("read", Interrupted(15)),
        ("block", HandOverError("no")),
    ],
)
def test_a_failure_comes_before_its_own_missing_record(build, step, error, tmp_path: Path) -> None:
    def lose_the_log(*_: object) -> None:
        (tmp_path / "audit").unlink(missing_ok=True)
        (tmp_path / "audit").mkdir()
        raise error

    steps = {} if step == "block" else {step: lose_the_log}
    world = build(steps, audit=str(tmp_path / "audit"), required=True, lease=LEASE)
    with pytest.raises(type(error)) as raised:
        run(world, block=lose_the_log)
    assert any("audit record" in note for note in raised.value.__notes__)
    assert world.session.ours is (step == "login")


def test_a_required_record_of_a_failed_revocation_is_not_lost_in_silence(build, tmp_path: Path) -> None:
    def fail() -> None:
        (tmp_path / "audit").unlink()
        (tmp_path / "audit").mkdir()
        raise UnreachableError("stays valid")

    world = build({"revoke": fail}, required=True)
    with pytest.raises(AuditError):
        run(world)
    assert world.warnings == ["stays valid"]
    assert "block" not in world.did


def test_errors_of_the_steps_carry_no_value(build) -> None:
    world = build(contents={DB: Contents(data={"url": {"a": URL_VALUE}}, request_id=""), STRIPE: missing(STRIPE)})
    with pytest.raises(CiplugError) as raised:
        run(world, job_grant(Grant(name="X", record=DB, pointer=("url", "b"))))
    assert_no_leak(f"{raised.value} {raised.value.hint}", VALUES)


def test_what_was_read_is_recorded_although_a_signal_comes_at_that_moment(build, tmp_path: Path) -> None:
    """The vault has answered: its own audit log has the read, and so must this one."""
    log = tmp_path / "audit"
    world = build(audit=str(log), lease=LEASE)
    really = world.steps.audit.write

    def interrupted(context: Context, events: list[dict[str, object]]) -> None:
        if events[0]["event"] == "read":
            signal.raise_signal(signal.SIGTERM)
        really(context, events)

    world.steps.audit.write = interrupted
    with pytest.raises(Interrupted):
        run(world, block=lambda _: world.steps.signals.check())
    events = [json.loads(line)["event"] for line in log.read_text().splitlines()]
    assert events == ["login", "read", "read", "revoke"]
    assert not world.session.ours


def test_what_the_token_has_is_told_by_the_reason_and_not_by_the_name_of_a_role(build) -> None:
    who = 'the vault rejected the login as role "(sub)" at auth/(iss)'
    reason = 'claim "ref" is missing'
    world = build({"login": raising(LoginRejectedError(f"{who}: {reason}", reason=reason))})
    with pytest.raises(LoginRejectedError) as raised:
        run(world)
    assert str(raised.value) == f'{who}: {reason}; the token has ref "refs/heads/main"'
