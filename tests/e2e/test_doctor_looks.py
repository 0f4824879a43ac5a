"""``ciplug doctor`` at a vault that does not tell, or tells oddly, what a job does without."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from ciplug.standins.claims import github_claims
from tests.e2e.diagnoses import HEALTH, HELD, SESSION, checks, sound_vault
from tests.e2e.outside import assert_refused, credentials, nothing_left, token_env
from tests.fakes.scripted_server import ScriptedServer, answer, hang, hang_up, html
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from ciplug.standins.issuer import Issuer
    from tests.e2e.conftest import RunsCiplug
    from tests.e2e.project import Project

STARTING = 5.0
"""Seconds that a process may take before its deadline begins, on a busy machine."""

RIGHTS = "POST /v1/sys/capabilities-self"
REFUSED = answer(403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]})
UNWELL = {
    "hangs": hang,
    "is busy": answer(429, {"errors": ["rate limit quota exceeded"]}, {"Retry-After": "20"}),
    "is not available": html(503),
    "is away": hang_up,
    "refuses": REFUSED,
}
"""What may come of a question that a job does without."""


def reads(project: Project) -> list[str]:
    return [f"{project.kv_mount}/data/{path}" for path in ("app/dev/db", "common/npm")]


def mount(project: Project) -> str:
    return f"GET /v1/sys/internal/ui/mounts/{project.kv_mount}"


def role(project: Project) -> str:
    return f"GET /v1/auth/{project.auth_mount}/role/shop-test"


def serving(project: Project) -> dict[str, Any]:
    """A vault that serves the job ``test``, with a role that nobody may look at."""
    return sound_vault(project) | {role(project): answer(404, {"errors": []})}


@pytest.fixture
def env(issuer: Issuer) -> dict[str, str]:
    return token_env(issuer, github_claims())


@pytest.mark.parametrize("script", UNWELL.values(), ids=UNWELL)
def test_what_a_job_does_without_does_not_fail_the_doctor_nor_take_its_time(
    project: Project, ciplug: RunsCiplug, env: dict[str, str], script: Any
) -> None:
    unwell = [mount(project), RIGHTS, role(project)]
    with ScriptedServer(serving(project) | dict.fromkeys(unwell, script)) as server:
        own = {"VAULT_ADDR": server.url, "VAULT_TOKEN": "s.somebodys-own"}
        started = time.monotonic()
        done = ciplug("doctor", "--format", "json", env=env | own)
        took = time.monotonic() - started
        # A GET that meets a connection which was just closed is sent once more.
        assert max(server.paths().count(route) for route in unwell) <= 2
    assert done.returncode == 0, done.stdout + done.stderr
    assert took < 6 + STARTING
    assert "rights" in [finding["check"] for finding in checks(done, "note")]
    assert b"retrying" not in done.stderr
    assert_no_leak(done.stdout + done.stderr, [*HELD.values(), SESSION, "s.somebodys-own"])


@pytest.mark.parametrize("command", [("fetch", "--to", "json"), ("run", "--", "true")])
@pytest.mark.parametrize("script", UNWELL.values(), ids=UNWELL)
def test_the_explanation_of_a_denial_takes_two_seconds_at_most(
    project: Project, ciplug: RunsCiplug, env: dict[str, str], command: tuple[str, ...], script: Any
) -> None:
    denied = f"GET /v1/{reads(project)[0]}"
    with ScriptedServer(serving(project) | {RIGHTS: script, denied: REFUSED}) as server:
        started = time.monotonic()
        done = ciplug(*command, env=env | {"VAULT_ADDR": server.url})
        took = time.monotonic() - started
        assert server.paths()[-1] == "POST /v1/auth/token/revoke-self"
        assert server.paths().count(RIGHTS) == 1
    assert took < 2 + STARTING
    words = (f"no right to read {project.kv_mount}/app/dev/db: ", "`ciplug doctor --job test` shows every step")
    assert_refused(done, 125 if command[0] == "run" else 6, "denied", *words, env=env, project=project)
    assert b"retrying" not in done.stderr


@pytest.mark.parametrize(("dead", "seconds"), [(1, "10"), (3, "30")])
def test_a_vault_of_which_most_addresses_hang_is_well_where_one_is_sound(
    project: Project, ciplug: RunsCiplug, env: dict[str, str], dead: int, seconds: str
) -> None:
    with ExitStack() as held, nothing_left(project):
        silent = [held.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(dead)]
        addresses = [*(f"http://127.0.0.1:{port}" for port in silent), project.bao.address]
        env |= {"VAULT_ADDR": ",".join(addresses), "CIPLUG_DEADLINE": seconds}
        started = time.monotonic()
        done = ciplug("doctor", "--format", "json", env=env)
        took = time.monotonic() - started
    assert done.returncode == 0, done.stdout
    assert [finding["check"] for finding in checks(done, "note")] == ["vault"] * dead
    assert took < 5 + STARTING
    assert_no_leak(done.stdout + done.stderr, credentials(project, env))


@pytest.mark.parametrize("form", ["json", "text"])
def test_what_a_vault_says_is_quoted_in_part(
    project: Project, ciplug: RunsCiplug, env: dict[str, str], form: str
) -> None:
    token = "hvs." + "CAESIJ" * 10
    state = {"initialized": True, "sealed": False, "version": f"##[error]{'v' * 100_000}"}
    engine = {"type": f"##[error] {token} {'x' * 1000}"}
    odd = {HEALTH: answer(200, state), mount(project): answer(200, {"data": engine})}
    routes = {route: script for route, script in serving(project).items() if not route.startswith("GET /v1/kv-")}
    with ScriptedServer(routes | odd) as server:
        done = ciplug("doctor", "--format", form, env=env | {"VAULT_ADDR": server.url})
    assert done.returncode == 20
    assert len(done.stdout + done.stderr) < 5000
    assert b"##[" not in done.stdout + done.stderr
    assert b"****" in done.stdout
    assert_no_leak(done.stdout + done.stderr, [token, SESSION])
