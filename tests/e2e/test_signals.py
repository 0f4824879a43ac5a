"""A cancelled job: whatever ciplug was doing, the token dies, the child's whole group ends, no file stays."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ciplug.standins.claims import github_claims
from tests.e2e.outside import (
    command_line,
    credentials,
    eventually,
    nothing_left,
    started,
    token_env,
    wait_for_file,
)
from tests.fakes.scripted_server import ScriptedServer, answer, hang
from tests.leaks import assert_no_leak
from tests.processes import alive

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ciplug.standins.issuer import Issuer
    from tests.e2e.postgres import Postgres
    from tests.e2e.project import Project

ENDING = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT]


@contextmanager
def running(
    project: Project, issuer: Issuer, script: str, *, job: str = "test", grace: str = "5", **env: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A ``ciplug run`` whose child has said that it is up."""
    full = token_env(issuer, github_claims()) | {"CIPLUG_JOB": job} | env
    up = project.directory / "up"
    up.unlink(missing_ok=True)
    command = ("run", "--grace", grace, "--", "sh", "-c", f"{script}; echo up >up; {WAIT}")
    with started(*command, env=full, cwd=project.directory) as run:
        wait_for_file(up)
        yield run


WAIT = "while :; do sleep 0.05; done"


def end(run: subprocess.Popen[bytes]) -> tuple[int, bytes]:
    out, err = run.communicate(timeout=20)
    return run.returncode, out + err


@pytest.mark.parametrize("signum", ENDING)
def test_a_signal_ends_the_child_and_the_leases_and_is_the_exit_status(
    leased: Project, issuer: Issuer, postgres: Postgres, signum: signal.Signals
) -> None:
    roles = postgres.roles()
    with nothing_left(leased):
        with running(leased, issuer, "echo $$ >pid", job="migrate") as run:
            assert postgres.roles() > roles
            pid = int(wait_for_file(leased.directory / "pid"))
            run.send_signal(signum)
            status, _ = end(run)
        assert not alive(pid)
        eventually(lambda: postgres.roles() == roles)
    assert status == 128 + signum


def test_a_child_that_cleans_up_on_term_has_its_own_status(leased: Project, issuer: Issuer) -> None:
    with (
        nothing_left(leased),
        running(leased, issuer, "trap 'echo cleaned; exit 0' TERM", job="migrate") as run,
    ):
        run.send_signal(signal.SIGTERM)
        out, _ = run.communicate(timeout=20)
    assert (run.returncode, out) == (0, b"cleaned\n")


@pytest.mark.parametrize("signum", ENDING)
def test_a_child_that_ignores_every_signal_is_killed_with_all_its_processes(
    leased: Project, issuer: Issuer, postgres: Postgres, signum: signal.Signals
) -> None:
    roles = postgres.roles()
    deaf = f"trap '' INT TERM HUP QUIT; ({WAIT}) & echo $! >grandchild; echo $$ >pid"
    with nothing_left(leased):
        with running(leased, issuer, deaf, job="migrate", grace="0.3") as run:
            pids = [int(wait_for_file(leased.directory / name)) for name in ("pid", "grandchild")]
            run.send_signal(signum)
            status, _ = end(run)
        eventually(lambda: not any(alive(pid) for pid in pids))
        eventually(lambda: postgres.roles() == roles)
    assert status == 137


def test_int_and_then_term_as_github_sends_them_revokes_once(leased: Project, issuer: Issuer) -> None:
    mark = leased.bao.mark()
    with nothing_left(leased), running(leased, issuer, "trap '' INT", job="migrate", grace="5") as run:
        run.send_signal(signal.SIGINT)
        run.send_signal(signal.SIGTERM)
        assert end(run)[0] == 143
    assert len(leased.bao.requests_since(mark, path="auth/token/revoke-self")) == 1


FILE_JOB = """
[secrets.KEY]
ref = "db#url"
as = "file"

[jobs.files]
environment = "dev"
secrets = ["KEY"]
"""


@pytest.mark.parametrize("signum", ENDING)
def test_secret_files_are_gone_after_a_signal(
    project: Project, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory, signum: signal.Signals
) -> None:
    project.append(FILE_JOB)
    runtime = tmp_path_factory.mktemp("runtime")
    with nothing_left(project, runtime):
        with running(project, issuer, 'echo "$KEY" >where', job="files", XDG_RUNTIME_DIR=str(runtime)) as run:
            path = Path(wait_for_file(project.directory / "where"))
            assert path.is_relative_to(runtime)
            assert path.exists()
            run.send_signal(signum)
            end(run)
        assert not path.exists()


def scripted(project: Project, server: ScriptedServer, env: dict[str, str]) -> dict[str, str]:
    server.script("POST /v1/auth/token/revoke-self", answer(204))
    return env | {"VAULT_ADDR": server.url}


def logged_in(seconds: int = 60) -> dict[str, object]:
    return {"auth": {"client_token": "s.scriptedscriptedscripted", "lease_duration": seconds, "token_type": "service"}}


@pytest.mark.parametrize("signum", ENDING)
def test_a_signal_during_the_login_still_revokes_the_token_that_comes_of_it(
    project: Project, issuer: Issuer, tmp_path: Path, signum: signal.Signals
) -> None:
    """The vault answers after the signal: the token exists then, and must not be lost."""
    with ScriptedServer() as server:

        def late(exchange: object) -> None:
            eventually((tmp_path / "signalled").exists)
            answer(200, logged_in())(exchange)  # type: ignore[arg-type]  # an Exchange

        server.script(f"POST /v1/auth/{project.auth_mount}/login", late)
        env = scripted(project, server, token_env(issuer, github_claims()))
        with started("run", "--", "touch", "ran", env=env, cwd=tmp_path) as run:
            eventually(lambda: server.seen)
            run.send_signal(signum)
            (tmp_path / "signalled").touch()
            status, output = end(run)
        paths = server.paths()
    assert status == 128 + signum
    assert paths[-1] == "POST /v1/auth/token/revoke-self"
    assert server.seen[-1].headers["x-vault-token"] == "s.scriptedscriptedscripted"
    assert output.splitlines()[-1].startswith(f"ciplug: error: interrupted: {signum.name}".encode())
    assert not (tmp_path / "ran").exists()
    assert_no_leak(output, [*credentials(project, env), "s.scriptedscriptedscripted"])


def test_a_signal_during_a_login_that_never_answers_ends_within_seconds(
    project: Project, issuer: Issuer, tmp_path: Path
) -> None:
    with ScriptedServer({f"POST /v1/auth/{project.auth_mount}/login": hang}) as server:
        env = token_env(issuer, github_claims()) | {"VAULT_ADDR": server.url}
        with started("run", "--", "touch", "ran", env=env, cwd=tmp_path) as run:
            eventually(lambda: server.seen)
            sent = time.monotonic()
            run.send_signal(signal.SIGTERM)
            status, output = end(run)
            took = time.monotonic() - sent
    assert status == 143, output
    assert took < 7
    assert b"ciplug: error: interrupted: SIGTERM" in output
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("records", [1, 3])
@pytest.mark.parametrize("signum", ENDING)
def test_a_signal_while_reading_ends_at_once_and_revokes(
    project: Project, issuer: Issuer, tmp_path: Path, records: int, signum: signal.Signals
) -> None:
    names = [f"S{number}" for number in range(records)]
    project.append("".join(f'\n[secrets.{name}]\nref = "{name}#x"\n' for name in names))
    project.append(f'\n[jobs.some]\nenvironment = "dev"\nsecrets = {names}\n')
    with ScriptedServer() as server:
        server.script(f"POST /v1/auth/{project.auth_mount}/login", answer(200, logged_in()))
        for name in names:
            server.script(f"GET /v1/{project.kv_mount}/data/app/dev/{name}", hang)
        env = scripted(project, server, token_env(issuer, github_claims()) | {"CIPLUG_JOB": "some"})
        with started("fetch", "--to", "json", env=env, cwd=tmp_path) as run:
            eventually(lambda: len(server.seen) == 1 + records)
            sent = time.monotonic()
            run.send_signal(signum)
            status, output = end(run)
            took = time.monotonic() - sent
        paths = server.paths()
    assert status == 128 + signum
    assert took < 5
    assert paths[-1] == "POST /v1/auth/token/revoke-self"
    assert output.startswith(f"ciplug: error: interrupted: {signum.name}".encode())


def test_a_second_signal_does_not_interrupt_the_revocation(project: Project, issuer: Issuer, tmp_path: Path) -> None:
    with ScriptedServer() as server:

        def slow(exchange: object) -> None:
            eventually((tmp_path / "again").exists)
            answer(204)(exchange)  # type: ignore[arg-type]  # an Exchange

        server.script(f"POST /v1/auth/{project.auth_mount}/login", answer(200, logged_in()))
        server.script(f"GET /v1/{project.kv_mount}/data/app/dev/db", hang)
        server.script(f"GET /v1/{project.kv_mount}/data/common/npm", hang)
        server.script("POST /v1/auth/token/revoke-self", slow)
        env = token_env(issuer, github_claims()) | {"VAULT_ADDR": server.url}
        with started("run", "--", "true", env=env, cwd=tmp_path) as run:
            eventually(lambda: len(server.seen) == 3)
            run.send_signal(signal.SIGINT)
            eventually(lambda: len(server.seen) == 4)
            for signum in ENDING:
                run.send_signal(signum)
            (tmp_path / "again").touch()
            status, output = end(run)
    assert status == 130
    assert b"could not be revoked" not in output


def test_a_revocation_that_fails_is_a_warning_with_the_remaining_life(
    project: Project, issuer: Issuer, tmp_path: Path
) -> None:
    value = {"data": {"data": {"url": "abcdefgh1234"}, "metadata": {"version": 3}}, "request_id": "r"}
    project.replace('secrets = ["DATABASE_URL", "NPM_TOKEN"]', 'secrets = ["DATABASE_URL"]')
    with ScriptedServer() as server:
        server.script(f"POST /v1/auth/{project.auth_mount}/login", answer(200, logged_in(77)))
        server.script(f"GET /v1/{project.kv_mount}/data/app/dev/db", answer(200, value))
        server.script("POST /v1/auth/token/revoke-self", answer(400, {"errors": ["no"]}))
        env = token_env(issuer, github_claims()) | {"VAULT_ADDR": server.url}
        with started("run", "--", "sh", "-c", "echo ran", env=env, cwd=tmp_path) as run:
            out, err = run.communicate(timeout=20)
    assert (run.returncode, out) == (0, b"ran\n")
    assert err.startswith(b"ciplug: warning: the vault token could not be revoked and stays valid for up to 7")


def test_a_job_under_nohup_is_not_ended_by_a_hangup(project: Project, issuer: Issuer, tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"]} | token_env(issuer, github_claims())
    script = "echo up >up; while [ ! -e go ]; do sleep 0.02; done; echo done"
    with subprocess.Popen(
        ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *command_line("run", "--", "sh", "-c", script)],
        env=env,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as run:
        wait_for_file(tmp_path / "up")
        os.killpg(run.pid, signal.SIGHUP)
        (tmp_path / "go").touch()
        assert run.communicate(timeout=20)[0] == b"done\n"
    assert run.returncode == 0
