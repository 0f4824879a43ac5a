"""``CIPLUG_AUDIT``: who read what, where and when, as the vault's own audit log has it; never a value."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from ciplug import __version__
from ciplug.standins.claims import SHA, github_claims
from tests.e2e.outside import assert_refused, credentials, eventually, nothing_left, token_env
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from pathlib import Path

    from ciplug.standins.issuer import Issuer
    from tests.e2e.conftest import MakesJobEnv, RunsCiplug
    from tests.e2e.postgres import Postgres
    from tests.e2e.project import Project


def events(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def of_the_vault(project: Project, mark: int, path: str) -> list[str]:
    return [record["request"]["id"] for record in project.bao.requests_since(mark, path=path)]


def test_every_event_says_who_what_where_and_when(
    project: Project, ciplug: RunsCiplug, job_env: MakesJobEnv, tmp_path: Path
) -> None:
    project.put("app/dev/db", {"url": project.values["dev"]["DATABASE_URL"]})
    log, mark = tmp_path / "audit.jsonl", project.bao.mark()
    env = job_env(actor="mona") | {"CIPLUG_AUDIT": str(log)}
    done = ciplug("run", "--", "true", env=env)
    assert (done.returncode, done.stderr) == (0, b"")
    login, *reads, revoke = events(log)
    assert [event["event"] for event in (login, *reads, revoke)] == ["login", "read", "read", "revoke"]
    assert {event["outcome"] for event in (login, *reads, revoke)} == {"ok"}
    for event in (login, *reads, revoke):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", event["time"])
        assert event["command"] == "run"
        assert event["ciplug"] == __version__
        assert event["who"] == {
            "issuer": env["ACTIONS_ID_TOKEN_REQUEST_URL"].split("/idtoken")[0],
            "subject": "repo:acme/shop:ref:refs/heads/main",
            "actor": "mona",
            "identity": "GitHub Actions",
            "run": "17011/1",
            "job": "test",
        }
        assert event["where"] == {
            "host": "github",
            "environment": "dev",
            "repository": "acme/shop",
            "commit": SHA,
            "ref": "refs/heads/main",
        }
        assert event["vault"]["address"] == project.bao.address
    database, npm = sorted(reads, key=lambda event: event["record"])
    assert (database["record"], database["fields"], database["names"], database["version"]) == (
        f"{project.kv_mount}/app/dev/db", ["url"], ["DATABASE_URL"], 2,
    )  # fmt: skip
    assert (npm["record"], npm["names"], npm["version"]) == (f"{project.kv_mount}/common/npm", ["NPM_TOKEN"], 1)
    assert login["role"] == "shop-test"
    assert [login["vault"]["request_id"]] == of_the_vault(project, mark, "auth/jwt-")
    assert [database["vault"]["request_id"]] == of_the_vault(project, mark, f"{project.kv_mount}/data/app")
    assert [npm["vault"]["request_id"]] == of_the_vault(project, mark, f"{project.kv_mount}/data/common")
    assert_no_leak(log.read_bytes(), credentials(project, env))
    assert log.stat().st_mode & 0o777 == 0o600


def test_lines_are_added_and_each_run_writes_its_own(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, tmp_path: Path
) -> None:
    log = tmp_path / "audit.jsonl"
    log.write_text('{"event": "earlier"}\n')
    env = token_env(issuer, github_claims()) | {"CIPLUG_AUDIT": str(log)}
    assert ciplug("fetch", "--to", "json", env=env).returncode == 0
    assert [event["event"] for event in events(log)] == ["earlier", "login", "read", "read", "revoke"]


def test_stderr_is_a_sink_of_its_own(project: Project, ciplug: RunsCiplug, issuer: Issuer) -> None:
    env = token_env(issuer, github_claims()) | {"CIPLUG_AUDIT": "stderr"}
    done = ciplug("run", "--", "echo", "out", env=env)
    assert done.stdout == b"out\n"
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["login", "read", "read", "revoke"]
    assert_no_leak(done.stderr, credentials(project, env))


def test_a_leased_session_is_recorded_until_its_end(
    leased: Project, ciplug: RunsCiplug, issuer: Issuer, postgres: Postgres, tmp_path: Path
) -> None:
    log, before = tmp_path / "audit.jsonl", postgres.roles()
    env = token_env(issuer, github_claims()) | {"CIPLUG_AUDIT": str(log), "CIPLUG_JOB": "migrate"}
    assert ciplug("run", "--", "sh", "-c", f"wc -l <{log} >lines", env=env).returncode == 0
    assert (tmp_path / "lines").read_text().strip() == "3"
    assert [event["event"] for event in events(log)] == ["login", "read", "read", "revoke"]
    creds = next(event for event in events(log) if event.get("record", "").endswith("creds/web"))
    assert sorted(creds["names"]) == ["PG_PASSWORD", "PG_USER"]
    eventually(lambda: postgres.roles() == before)


FAILURES = {
    "rejected login": ({"repository": "acme/fork"}, "test", [("login", "login-rejected")], 6),
    "missing field": ({}, "gap", [("login", "ok"), ("read", "missing"), ("revoke", "ok")], 7),
}


@pytest.mark.parametrize("case", FAILURES)
def test_what_fails_is_recorded_with_its_cause(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, tmp_path: Path, case: str
) -> None:
    claims, job, wanted, status = FAILURES[case]
    project.append('\n[secrets.GAP]\nref = "db#gap"\n\n[jobs.gap]\nenvironment = "dev"\n')
    project.append('secrets = ["GAP"]\n')
    log = tmp_path / "audit.jsonl"
    env = token_env(issuer, github_claims() | claims) | {"CIPLUG_AUDIT": str(log), "CIPLUG_JOB": job}
    assert ciplug("fetch", "--to", "json", env=env).returncode == status
    assert [(event["event"], event["outcome"]) for event in events(log)] == wanted


UNWRITABLE = ["/dev/full", "/no/such/directory/audit.jsonl", "."]


@pytest.mark.parametrize("sink", UNWRITABLE)
@pytest.mark.parametrize("command", ["fetch", "run"])
def test_a_required_record_that_cannot_be_written_keeps_everything_back(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, tmp_path: Path, sink: str, command: str
) -> None:
    env = token_env(issuer, github_claims()) | {"CIPLUG_AUDIT": sink, "CIPLUG_AUDIT_REQUIRED": "1"}
    args = ("fetch", "--to", "json") if command == "fetch" else ("run", "--", "touch", "ran")
    with nothing_left(project):
        done = ciplug(*args, env=env)
    assert_refused(done, 11 if command == "fetch" else 125, "audit", sink, env=env, project=project)
    assert not (tmp_path / "ran").exists()


def test_a_required_record_without_a_sink_reaches_no_vault(
    project: Project, ciplug: RunsCiplug, issuer: Issuer
) -> None:
    env, mark = token_env(issuer, github_claims()) | {"CIPLUG_AUDIT_REQUIRED": "true"}, project.bao.mark()
    done = ciplug("fetch", "--to", "json", env=env)
    assert_refused(done, 11, "audit", "CIPLUG_AUDIT", env=env, project=project)
    assert project.bao.requests_since(mark) == []


def test_a_word_that_is_neither_true_nor_false_is_refused(project: Project, ciplug: RunsCiplug) -> None:
    env = {"CIPLUG_AUDIT_REQUIRED": "maybe"}
    done = ciplug("fetch", "--to", "json", env=env)
    assert_refused(done, 2, "usage", "CIPLUG_AUDIT_REQUIRED", env=env, project=project)


def test_a_record_that_is_not_required_is_a_warning(project: Project, ciplug: RunsCiplug, issuer: Issuer) -> None:
    env = token_env(issuer, github_claims()) | {"CIPLUG_AUDIT": "/dev/full"}
    done = ciplug("fetch", "--to", "json", env=env)
    assert done.returncode == 0
    assert json.loads(done.stdout) == project.values["dev"]
    assert done.stderr.startswith(b"ciplug: warning: the audit record could not be written to /dev/full")


def test_a_person_is_recorded_with_what_the_checkout_says(project: Project, ciplug: RunsCiplug, tmp_path: Path) -> None:
    for line in ("init -q -b topic", "remote add origin https://tok3n@git.acme.dev/acme/shop.git"):
        subprocess.run(["git", *line.split()], cwd=tmp_path, check=True)
    log = tmp_path / "audit.jsonl"
    env = {"VAULT_TOKEN": project.bao.root_token.reveal().decode(), "CIPLUG_AUDIT": str(log), "USER": "ada"}
    assert ciplug("fetch", "--job", "test", "--to", "json", env=env).returncode == 0
    [event, *_] = events(log)
    assert event["where"]["repository"] == "git.acme.dev/acme/shop.git"
    assert event["who"]["actor"] == "ada"
    assert event["who"]["identity"] == "VAULT_TOKEN"
    assert "tok3n" not in log.read_text()


def test_the_end_of_a_session_left_open_is_recorded_with_who_opened_it(
    leased: Project, ciplug: RunsCiplug, job_env: MakesJobEnv, tmp_path: Path
) -> None:
    log = tmp_path / "audit.jsonl"
    env = job_env("migrate", actor="mona") | {"CIPLUG_AUDIT": str(log)}
    assert ciplug("fetch", "--to", "json", env=env).returncode == 0
    assert "revoke" not in [event["event"] for event in events(log)]
    assert ciplug("revoke", env=env).returncode == 0
    login, *_, revoke = events(log)
    assert (revoke["event"], revoke["outcome"], revoke["command"]) == ("revoke", "ok", "revoke")
    assert (revoke["who"], revoke["where"]) == (login["who"], login["where"])
    assert revoke["who"]["actor"] == "mona"
