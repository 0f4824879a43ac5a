"""``ciplug revoke``: what a fetch left open ends, once, and only what is this job's."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ciplug.values import Secret
from tests.e2e.outside import assert_refused, credentials, listing, note, nothing_left, started, wait_for_file
from tests.fakes.actions_runner import Runner
from tests.fakes.scripted_server import ScriptedServer, answer
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from tests.e2e.conftest import MakesJobEnv, RunsCiplug
    from tests.e2e.project import Project


@pytest.fixture
def env(leased: Project, ciplug: RunsCiplug, job_env: MakesJobEnv) -> dict[str, str]:
    """A job that has fetched leased secrets."""
    made = job_env("migrate")
    done = ciplug("fetch", "--to", "json", env=made)
    assert done.returncode == 0, done.stderr
    return made


def test_with_nothing_open_it_does_nothing_and_makes_nothing(
    project: Project, ciplug: RunsCiplug, job_env: MakesJobEnv
) -> None:
    env, mark = job_env(), project.bao.mark()
    before = listing(env["RUNNER_TEMP"])
    done = ciplug("revoke", env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert listing(env["RUNNER_TEMP"]) == before
    assert project.bao.requests_since(mark) == []


def test_it_needs_neither_manifest_nor_identity(leased: Project, ciplug: RunsCiplug, env: dict[str, str]) -> None:
    """The post step of a job runs whatever has become of the checkout, and without an ID token."""
    token = Secret(json.loads(note(env).read_text())["token"])
    assert leased.admin.token_is_alive(token)
    leased.manifest.unlink()
    less = {name: value for name, value in env.items() if not name.startswith("ACTIONS_")}
    done = ciplug("revoke", env=less)
    assert (done.returncode, done.stderr) == (0, b"")
    assert not leased.admin.token_is_alive(token)


def test_twice_is_fine_and_asks_the_vault_once(leased: Project, ciplug: RunsCiplug, env: dict[str, str]) -> None:
    mark = leased.bao.mark()
    assert [ciplug("revoke", env=env).returncode for _ in range(2)] == [0, 0]
    assert len(leased.bao.requests_since(mark, path="auth/token/revoke-self")) == 1


def test_two_fetches_are_both_ended(leased: Project, ciplug: RunsCiplug, env: dict[str, str]) -> None:
    assert ciplug("fetch", "--to", "json", env=env).returncode == 0
    mark = leased.bao.mark()
    assert ciplug("revoke", env=env).returncode == 0
    assert len(leased.bao.requests_since(mark, path="auth/token/revoke-self")) == 2


def test_another_jobs_sessions_are_left_alone(leased: Project, ciplug: RunsCiplug, env: dict[str, str]) -> None:
    mark = leased.bao.mark()
    assert ciplug("revoke", env=env | {"GITHUB_RUN_ID": "99"}).returncode == 0
    assert leased.bao.requests_since(mark) == []
    assert note(env).exists()


@pytest.mark.parametrize("gone", ["refused", "error"])
def test_a_vault_that_is_gone_is_a_failure_and_the_note_is_kept_for_another_try(
    leased: Project, ciplug: RunsCiplug, env: dict[str, str], gone: str
) -> None:
    original = note(env).read_text()
    entry = json.loads(original)
    with ScriptedServer({"POST /v1/auth/token/revoke-self": answer(400, {"errors": ["no"]})}) as server:
        address = "http://127.0.0.1:1" if gone == "refused" else server.url
        note(env).write_text(json.dumps(entry | {"addresses": [address]}))
        done = ciplug("revoke", env=env)
    status, cause = (4, "vault") if gone == "error" else (5, "unreachable")
    assert_refused(done, status, cause, "stays valid for up to", env=env, project=leased)
    assert entry["token"] not in done.stderr.decode()
    note(env).write_text(original)
    with nothing_left(leased):
        assert ciplug("revoke", env=env).returncode == 0
    assert listing(Path(env["RUNNER_TEMP"], "ciplug")) == set()


def test_a_token_that_is_dead_already_is_as_good_as_revoked(
    leased: Project, ciplug: RunsCiplug, env: dict[str, str]
) -> None:
    entry = json.loads(note(env).read_text())
    note(env).write_text(json.dumps(entry | {"token": "s.0000000000000000000000"}))
    assert (ciplug("revoke", env=env).returncode, listing(Path(env["RUNNER_TEMP"], "ciplug"))) == (0, set())


def test_an_expired_session_costs_no_request(leased: Project, ciplug: RunsCiplug, env: dict[str, str]) -> None:
    entry = json.loads(note(env).read_text())
    note(env).write_text(json.dumps(entry | {"expires": 1.0}))
    mark = leased.bao.mark()
    assert ciplug("revoke", env=env).returncode == 0
    assert leased.bao.requests_since(mark) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"token": "s.hidden"}', "null"])
def test_a_damaged_note_is_reported_without_its_content_and_the_others_are_ended(
    leased: Project, ciplug: RunsCiplug, env: dict[str, str], text: str
) -> None:
    good = note(env)
    good.with_name(good.name.replace(".json", "0.json")).write_text(text)
    mark = leased.bao.mark()
    done = ciplug("revoke", env=env)
    assert_refused(done, 8, "hand-over", "cannot be read", "TTL", env=env, project=leased)
    assert b"s.hidden" not in done.stderr
    assert len(leased.bao.requests_since(mark, path="auth/token/revoke-self")) == 1
    assert not good.exists()


GONE = "http://127.0.0.1:1"


def points_to(env: dict[str, str], address: str) -> str:
    """Let the note say that the vault is at `address`; what it said before."""
    original = note(env).read_text()
    note(env).write_text(json.dumps(json.loads(original) | {"addresses": [address]}))
    return original


def test_with_best_effort_a_vault_that_is_gone_leaves_the_job_its_own_outcome(
    leased: Project, ciplug: RunsCiplug, env: dict[str, str]
) -> None:
    original = points_to(env, GONE)
    runner = Runner()
    done = ciplug("revoke", "--best-effort", env=env)
    log = runner.read(done.stderr)
    assert (done.returncode, done.stdout) == (0, b"")
    [(level, properties, message)] = runner.annotations
    assert (level, properties) == ("warning", {"title": "ciplug"})
    assert re.search(r"stays valid for up to \d+ s: ", message)
    assert log.splitlines()[-1] == f"ciplug: warning: {message}"
    assert "error" not in log.splitlines()[-1].partition(message)[0]
    assert_no_leak(done.stderr, [json.loads(original)["token"], *credentials(leased, env)])
    note(env).write_text(original)
    with nothing_left(leased):
        assert ciplug("revoke", env=env).returncode == 0
    assert listing(Path(env["RUNNER_TEMP"], "ciplug")) == set()


def test_a_token_that_was_kept_is_dead_after_a_revoke_with_best_effort(
    leased: Project, ciplug: RunsCiplug, env: dict[str, str]
) -> None:
    token = Secret(json.loads(note(env).read_text())["token"])
    done = ciplug("revoke", "--best-effort", env=env)
    assert (done.returncode, done.stderr) == (0, b"")
    assert not leased.admin.token_is_alive(token)


def test_with_best_effort_every_session_is_tried_and_each_that_stays_is_a_warning(
    leased: Project, ciplug: RunsCiplug, env: dict[str, str]
) -> None:
    mark, runner = leased.bao.mark(), Runner()
    with ScriptedServer({"POST /v1/auth/token/revoke-self": answer(400, {"errors": ["no"]})}) as server:
        original, first = points_to(env, server.url), note(env)
        copy = first.with_name(first.name.replace(".json", "0.json"))
        copy.write_text(first.read_text())
        assert ciplug("fetch", "--to", "json", env=env).returncode == 0
        done = ciplug("revoke", "--best-effort", env=env)
    runner.read(done.stderr)
    assert done.returncode == 0
    assert [level for level, _, _ in runner.annotations] == ["warning", "warning"]
    assert len(leased.bao.requests_since(mark, path="auth/token/revoke-self")) == 1
    assert {path.name for path in first.parent.iterdir()} == {first.name, copy.name}
    copy.unlink()
    first.write_text(original)
    assert ciplug("revoke", env=env).returncode == 0


@pytest.mark.parametrize("trouble", ["damaged note", "loose directory"])
def test_with_best_effort_even_notes_that_cannot_be_used_are_a_warning(
    leased: Project, ciplug: RunsCiplug, env: dict[str, str], trouble: str
) -> None:
    kept = note(env)
    original = kept.read_text()
    if trouble == "damaged note":
        kept.write_text("{")
    else:
        kept.parent.chmod(0o755)
    done = ciplug("revoke", "--best-effort", env=env)
    assert (done.returncode, done.stdout) == (0, b"")
    assert b"ciplug: warning: " in done.stderr
    assert b"ciplug: error: " not in done.stderr
    kept.parent.chmod(0o700)
    kept.write_text(original)
    assert ciplug("revoke", env=env).returncode == 0


def test_best_effort_is_no_licence_for_a_wrong_command_line(
    leased: Project, ciplug: RunsCiplug, env: dict[str, str]
) -> None:
    assert ciplug("revoke", "--best-effort", "--nonsense", env=env).returncode == 2
    assert ciplug("revoke", "--best-efort", env=env).returncode == 2
    assert ciplug("revoke", "--best-effort", env=env).returncode == 0


def test_with_best_effort_settings_that_cannot_be_read_are_a_warning(project: Project, ciplug: RunsCiplug) -> None:
    """A later step may have set them for all that follow, the post step included."""
    done = ciplug("revoke", "--best-effort", env={"CIPLUG_DEADLINE": "soon"})
    assert done.returncode == 0
    assert b"warning: CIPLUG_DEADLINE is not a number" in done.stderr


def test_what_a_killed_run_had_open_is_ended_afterwards(
    leased: Project, ciplug: RunsCiplug, job_env: MakesJobEnv, tmp_path: Path
) -> None:
    env = job_env()
    with nothing_left(leased):
        with started(
            "run", "--job", "migrate", "--", "sh", "-c", "echo $$ >up; exec sleep 60", env=env, cwd=tmp_path
        ) as run:
            child = int(wait_for_file(tmp_path / "up"))
            run.kill()
            run.wait()
        os.kill(child, signal.SIGKILL)
        done = ciplug("revoke", env=env)
        assert done.returncode == 0, done.stderr
    assert ciplug("revoke", env=env).stderr == b""


def test_a_run_that_ends_by_itself_leaves_no_note(leased: Project, ciplug: RunsCiplug, job_env: MakesJobEnv) -> None:
    env = job_env()
    with nothing_left(leased):
        assert ciplug("run", "--job", "migrate", "--", "true", env=env).returncode == 0
    assert not [path for path in Path(env["RUNNER_TEMP"]).rglob("*") if path.is_file()]
