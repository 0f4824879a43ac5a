"""``ciplug doctor`` at a vault of which a part is away: some of its addresses, or all of it in the middle."""

from __future__ import annotations

import re
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from ciplug.standins.claims import github_claims
from tests.e2e.diagnoses import HEALTH, checks
from tests.e2e.outside import credentials, nothing_left, token_env
from tests.fakes.scripted_server import ScriptedServer, answer, hang_up, html
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from ciplug.standins.issuer import Issuer
    from tests.e2e.conftest import RunsCiplug
    from tests.e2e.project import Project

SOUND = answer(200, {"initialized": True, "sealed": False, "standby": False, "version": "2.7.2"})
SEALED = answer(200, {"initialized": True, "sealed": True, "standby": False, "version": "2.7.2"})
STARTING = 5.0
"""Seconds that a process may take before its deadline begins, on a busy machine."""


@contextmanager
def refusing() -> Iterator[str]:
    """The URL of a port that is held, and on which nothing listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield url_of(held)


@contextmanager
def silent() -> Iterator[str]:
    """The URL of a port that takes connections and requests, and says nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        yield url_of(listening)


@contextmanager
def full() -> Iterator[str]:
    """The URL of a port that takes no more connections, and does not refuse them either."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listening.getsockname())
        yield url_of(listening)
        for one in waiting:
            one.close()


def url_of(bound: socket.socket) -> str:
    return f"http://127.0.0.1:{bound.getsockname()[1]}"


@pytest.mark.parametrize("away", [refusing, silent, full])
def test_a_first_address_that_is_away_costs_little_and_is_no_cause(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, away: Callable[[], AbstractContextManager[str]]
) -> None:
    env = token_env(issuer, github_claims()) | {"CIPLUG_DEADLINE": "6"}
    with nothing_left(project), away() as address:
        started = time.monotonic()
        done = ciplug("doctor", "--format", "json", env=env | {"VAULT_ADDR": f"{address},{project.bao.address}"})
        took = time.monotonic() - started
    assert done.returncode == 0, done.stdout + done.stderr
    [note] = checks(done, "note")
    assert (note["check"], address in note["text"]) == ("vault", True)
    assert took < 6 + STARTING
    assert b"may have issued a token" not in done.stderr
    assert_no_leak(done.stdout + done.stderr, credentials(project, env))


def test_what_follows_begins_with_the_address_that_is_sound(
    project: Project, ciplug: RunsCiplug, issuer: Issuer
) -> None:
    """The sealed one knows no other route than its health."""
    with ScriptedServer({HEALTH: SEALED}) as sealed:
        env = token_env(issuer, github_claims()) | {"VAULT_ADDR": f"{sealed.url},{project.bao.address}"}
        done = ciplug("doctor", "--format", "json", env=env)
        assert len(sealed.seen) == 1
    assert done.returncode == 0, done.stdout + done.stderr
    assert "is sealed" in checks(done, "note")[0]["text"]


@pytest.mark.parametrize("away", [silent, full])
def test_addresses_that_all_hang_are_the_cause_and_found_in_time(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, away: Callable[[], AbstractContextManager[str]]
) -> None:
    with away() as one, away() as two:
        env = token_env(issuer, github_claims()) | {"CIPLUG_DEADLINE": "3", "VAULT_ADDR": f"{one},{two}"}
        started = time.monotonic()
        done = ciplug("doctor", "--format", "json", env=env)
        took = time.monotonic() - started
    assert done.returncode == 20
    failed = checks(done, "failed")
    assert [finding["check"] for finding in failed] == ["vault", "vault"]
    assert [address in finding["text"] for finding, address in zip(failed, (one, two), strict=True)] == [True, True]
    assert not [finding for finding in failed if not re.search(r"answer within \d(\.\d)? s\b", finding["text"])]
    assert checks(done, "note")[-1]["text"] == "not tried, for the reasons above"
    assert took < 3 + STARTING


def login(project: Project) -> str:
    return f"POST /v1/auth/{project.auth_mount}/login"


def role(project: Project) -> str:
    return f"GET /v1/auth/{project.auth_mount}/role/shop-test"


def asked(server: ScriptedServer, ciplug: RunsCiplug, issuer: Issuer, **more: str) -> Any:
    env = token_env(issuer, github_claims()) | {"VAULT_ADDR": server.url, "CIPLUG_DEADLINE": "1.5"}
    return ciplug("doctor", "--format", "json", env=env | more)


def test_a_vault_that_goes_away_before_the_login_is_one_cause(
    project: Project, ciplug: RunsCiplug, issuer: Issuer
) -> None:
    with ScriptedServer({HEALTH: SOUND, role(project): hang_up, login(project): hang_up}) as server:
        done = asked(server, ciplug, issuer, VAULT_TOKEN="s.somebodys-own")
    assert done.returncode == 20
    [failed] = checks(done, "failed")
    assert (failed["check"], "vault not reachable" in failed["text"]) == ("login", True)
    [note] = checks(done, "note")
    assert (note["check"], "could not be looked at: vault not reachable" in note["text"]) == ("role", True)


def test_a_role_that_cannot_be_looked_at_does_not_keep_the_login_from_being_tried(
    project: Project, ciplug: RunsCiplug, issuer: Issuer
) -> None:
    rejected = answer(400, {"errors": ['role "shop-test" could not be found']})
    with ScriptedServer({HEALTH: SOUND, role(project): html(403), login(project): rejected}) as server:
        done = asked(server, ciplug, issuer, VAULT_TOKEN="s.somebodys-own")
    assert [finding["check"] for finding in checks(done, "failed")] == ["role"]
    assert "is this address a vault?" in checks(done, "note")[0]["text"]


def test_a_refusal_without_a_reason_is_explained_without_the_role(
    project: Project, ciplug: RunsCiplug, issuer: Issuer
) -> None:
    refused, there = answer(403, {"errors": ["permission denied"]}), answer(400, {"errors": ["missing role"]})
    absent = answer(404, {"errors": []})
    with ScriptedServer({HEALTH: SOUND}) as server:
        server.script(role(project), absent, html(403))
        server.script(login(project), refused, there)
        done = asked(server, ciplug, issuer, VAULT_TOKEN="s.somebodys-own")
        assert server.paths().count(role(project)) == 2
    [failed] = checks(done, "failed")
    assert failed["check"] == "login"
    assert "refused the login without a reason" in failed["text"]
    assert "token_bound_cidrs" in failed["remedy"]


def vault_up_to_the_rights(project: Project) -> dict[str, Any]:
    """A login and its end; of the engines nothing may be asked: something before the vault answers for it."""
    session = {"client_token": "s.a-token-of-the-test", "lease_duration": 60, "token_type": "service"}
    return {
        HEALTH: SOUND,
        login(project): answer(200, {"auth": session}),
        f"GET /v1/sys/internal/ui/mounts/{project.kv_mount}": html(403),
        "POST /v1/auth/token/revoke-self": answer(204),
    }


def test_an_engine_that_cannot_be_looked_at_is_no_cause(project: Project, ciplug: RunsCiplug, issuer: Issuer) -> None:
    paths = {"DATABASE_URL": "app/dev/db", "NPM_TOKEN": "common/npm"}
    records = [f"{project.kv_mount}/data/{path}" for path in paths.values()]
    rights = {path: ["read"] for path in records}
    held = {"url": "postgres://me:p4ssw0rd@db", "token": "npm_0123456789"}
    content = answer(200, {"data": {"data": held, "metadata": {"version": 1}}})
    routes = vault_up_to_the_rights(project) | {f"GET /v1/{path}": content for path in records}
    with ScriptedServer(routes | {"POST /v1/sys/capabilities-self": answer(200, {"data": rights})}) as server:
        done = asked(server, ciplug, issuer)
    assert done.returncode == 0, done.stdout + done.stderr
    [note] = checks(done, "note")
    assert (note["check"], f"{project.kv_mount} could not be looked at" in note["text"]) == ("engine", True)
    assert_no_leak(done.stdout + done.stderr, [*held.values(), "s.a-token-of-the-test"])


def test_a_vault_that_goes_away_behind_the_login_is_one_cause_and_the_session_is_ended(
    project: Project, ciplug: RunsCiplug, issuer: Issuer
) -> None:
    reads = {f"GET /v1/{project.kv_mount}/data/{path}": hang_up for path in ("app/dev/db", "common/npm")}
    routes = vault_up_to_the_rights(project) | reads | {"POST /v1/sys/capabilities-self": hang_up}
    routes[f"GET /v1/sys/internal/ui/mounts/{project.kv_mount}"] = hang_up
    with ScriptedServer(routes) as server:
        done = asked(server, ciplug, issuer)
        assert server.paths()[-1] == "POST /v1/auth/token/revoke-self"
    [failed] = checks(done, "failed")
    assert (failed["check"], "vault not reachable" in failed["text"]) == ("secrets", True)
    assert_no_leak(done.stdout + done.stderr, ["s.a-token-of-the-test"])
