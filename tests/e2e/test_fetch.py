"""``ciplug fetch``: the values on stdout for later steps, masked first where the host can mask, and what stays open."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import dotenv
import pytest

from ciplug.standins.claims import github_claims
from tests.e2e.outside import (
    assert_refused,
    command_line,
    credentials,
    eventually,
    listing,
    masks,
    nothing_left,
    one_token_left,
    started,
    token_env,
)
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from ciplug.standins.issuer import Issuer
    from tests.e2e.conftest import MakesJobEnv, RunsCiplug
    from tests.e2e.postgres import Postgres
    from tests.e2e.project import Project


@pytest.mark.parametrize("form", ["json", "shell", "dotenv"])
def test_the_values_are_exact_in_every_form_and_the_token_is_dead(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, tmp_path: Path, form: str
) -> None:
    with nothing_left(project):
        done = ciplug("fetch", "--to", form, env=token_env(issuer, github_claims()))
    assert (done.returncode, done.stderr) == (0, b"")
    if form == "json":
        assert json.loads(done.stdout) == project.values["dev"]
    if form == "dotenv":
        (tmp_path / "env").write_bytes(done.stdout)
        assert dotenv.dotenv_values(tmp_path / "env") == project.values["dev"]
    if form == "shell":
        script = done.stdout + b'printf "%s\\n%s" "$DATABASE_URL" "$NPM_TOKEN"'
        told = subprocess.run(["sh"], input=script, capture_output=True).stdout.decode().split("\n")
        assert told == [project.values["dev"][name] for name in ("DATABASE_URL", "NPM_TOKEN")]


def test_every_form_is_masked_before_anything_is_handed_over(
    project: Project, job_env: MakesJobEnv, tmp_path: Path
) -> None:
    env = {"PATH": os.environ["PATH"]} | job_env()
    both = subprocess.run(
        command_line("fetch", "--to", "json"), env=env, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ).stdout
    head, _, values = both.rpartition(b"::add-mask::")
    assert b"{" not in head
    assert json.loads(values.split(b"\n", 1)[1]) == project.values["dev"]
    masked = masks(both)
    for value in project.values["dev"].values():
        assert value.encode() in masked
        assert base64.b64encode(value.encode()) in masked
        assert value.encode().hex().encode() in masked
    assert any(text.startswith(b"s.") for text in masked)
    assert any(text.startswith(b"eyJ") for text in masked)


def test_a_value_of_several_lines_becomes_masks_of_one_line_each(
    project: Project, ciplug: RunsCiplug, job_env: MakesJobEnv
) -> None:
    key = "-----BEGIN KEY-----\nabc%0Adef\r\nhij::set-output name=x::y\n-----END KEY-----"
    project.put("app/dev/db", {"url": key})
    done = ciplug("fetch", "--to", "json", env=job_env())
    assert done.returncode == 0
    assert all(line.startswith(b"::add-mask::") for line in done.stderr.splitlines())
    found = masks(done.stderr)
    assert key.encode() in found
    assert b"abc%0Adef" in found


def test_no_masks_are_written_where_nobody_would_take_them(
    project: Project, ciplug: RunsCiplug, issuer: Issuer
) -> None:
    done = ciplug("fetch", "--to", "json", env=token_env(issuer, github_claims()))
    assert done.stderr == b""


@pytest.mark.parametrize("host", [{"GITLAB_CI": "true"}, {"CI": "1"}, {"JENKINS_URL": "x", "BUILD_NUMBER": "1"}])
def test_a_host_that_cannot_mask_is_refused_before_any_request_unless_accepted(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, host: dict[str, str]
) -> None:
    env = token_env(issuer, github_claims()) | host
    mark = project.bao.mark()
    done = ciplug("fetch", "--to", "json", env=env)
    assert_refused(done, 8, "hand-over", "cannot be told to mask", "ciplug run", env=env, project=project)
    assert project.bao.requests_since(mark) == []
    assert json.loads(ciplug("fetch", "--to", "json", "--unmasked", env=env).stdout) == project.values["dev"]


@pytest.mark.parametrize(
    ("form", "value", "why"),
    [("json", b"\xff\xfe\x80abc", "UTF-8"), ("shell", b"a\0bcdef", "NUL"), ("dotenv", b"a'b\"c$def", "quote")],
)
def test_a_value_that_the_form_cannot_carry_is_refused_whole(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, form: str, value: bytes, why: str
) -> None:
    project.put("app/dev/db", {"url": base64.b64encode(value).decode()})
    project.replace('ref = "db#url"\n', 'ref = "db#url"\nencoding = "base64"\n')
    env = token_env(issuer, github_claims())
    with nothing_left(project):
        done = ciplug("fetch", "--to", form, env=env)
    assert_refused(done, 8, "hand-over", "DATABASE_URL", why, env=env, project=project)


def test_what_is_not_base64_is_refused_without_being_shown(
    project: Project, ciplug: RunsCiplug, issuer: Issuer
) -> None:
    project.replace('ref = "db#url"\n', 'ref = "db#url"\nencoding = "base64"\n')
    env = token_env(issuer, github_claims())
    with nothing_left(project):
        done = ciplug("fetch", "--to", "json", env=env)
    assert_refused(done, 8, "hand-over", "DATABASE_URL", "base64", env=env, project=project)


def test_leased_secrets_live_until_they_are_revoked(
    leased: Project, ciplug: RunsCiplug, job_env: MakesJobEnv, postgres: Postgres
) -> None:
    before = postgres.roles()
    env = job_env("migrate")
    with nothing_left(leased, env["RUNNER_TEMP"] + "/ciplug"):
        with one_token_left(leased):
            done = ciplug("fetch", "--to", "json", env=env)
        login = json.loads(done.stdout)
        query = {"username": login["PG_USER"], "password": login["PG_PASSWORD"]}
        assert postgres.query("SELECT 1", **query) == ["1"]
        assert b"ciplug: leases stay until `ciplug revoke`" in done.stderr
        notes = [mode for path, mode in listing(env["RUNNER_TEMP"]) if path.endswith(".json")]
        assert notes == ["-rw-------"]
        ended = ciplug("revoke", env=env)
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
        eventually(lambda: postgres.roles() == before)


FILE_JOB = """
[secrets.KEY]
ref = "key#value"
as = "file"

[jobs.files]
environment = "dev"
secrets = ["KEY", "NPM_TOKEN"]
"""


@pytest.fixture
def file_job(project: Project) -> bytes:
    """The job ``files``, and what its file holds."""
    value = "line one\nline two '\"$\n"
    project.append(FILE_JOB)
    project.put("app/dev/key", {"value": value})
    return value.encode()


def test_a_secret_file_stays_for_later_steps_until_it_is_revoked(
    project: Project, ciplug: RunsCiplug, job_env: MakesJobEnv, file_job: bytes
) -> None:
    env = job_env("files")
    with nothing_left(project, env["RUNNER_TEMP"] + "/ciplug"):
        done = ciplug("fetch", "--to", "json", env=env)
        path = Path(json.loads(done.stdout)["KEY"])
        assert path.is_relative_to(env["RUNNER_TEMP"])
        assert path.read_bytes() == file_job
        assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        assert hashlib.sha256(file_job).hexdigest().encode() not in done.stderr
        assert ciplug("revoke", env=env).returncode == 0
        assert not path.parent.exists()


@pytest.mark.parametrize("job", ["test", "files", "migrate"])
def test_values_that_cannot_be_written_leave_nothing_open(
    leased: Project, job_env: MakesJobEnv, tmp_path: Path, file_job: bytes, job: str
) -> None:
    env = job_env(job)
    with nothing_left(leased, env["RUNNER_TEMP"] + "/ciplug"), Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command_line("fetch", "--to", "json"),
            env={"PATH": os.environ["PATH"]} | env, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE,
        )  # fmt: skip
    assert done.returncode == 8
    last = done.stderr.splitlines()[-1]
    assert last.startswith(b"ciplug: error: hand-over: the values could not be written to stdout: No space left")
    assert_no_leak(last, credentials(leased, env))


def test_a_reader_that_is_gone_is_a_failure_that_leaves_nothing_open(
    leased: Project, job_env: MakesJobEnv, tmp_path: Path
) -> None:
    env = job_env("migrate")
    reading, writing = os.pipe()
    os.close(reading)
    with nothing_left(leased, env["RUNNER_TEMP"] + "/ciplug"):
        done = subprocess.run(
            command_line("fetch", "--to", "json"),
            env={"PATH": os.environ["PATH"]} | env, cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE,
        )  # fmt: skip
    os.close(writing)
    assert done.returncode == 8
    assert b"ciplug: error: hand-over: the values could not be written to stdout: Broken pipe" in done.stderr


def test_masks_that_cannot_be_written_keep_the_values_back(
    project: Project, job_env: MakesJobEnv, tmp_path: Path
) -> None:
    env = job_env()
    with nothing_left(project, env["RUNNER_TEMP"] + "/ciplug"), Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command_line("fetch", "--to", "json"),
            env={"PATH": os.environ["PATH"]} | env, cwd=tmp_path, stdout=subprocess.PIPE, stderr=full,
        )  # fmt: skip
    assert (done.returncode, done.stdout) == (8, b"")


def test_a_note_that_cannot_be_kept_keeps_the_values_back(
    leased: Project, ciplug: RunsCiplug, job_env: MakesJobEnv, postgres: Postgres, tmp_path: Path
) -> None:
    """The state directory lies below a file."""
    before, env = postgres.roles(), job_env("migrate") | {"CIPLUG_STATE_DIR": str(leased.manifest / "state")}
    with nothing_left(leased):
        done = ciplug("fetch", "--to", "json", env=env)
        eventually(lambda: postgres.roles() == before)
    assert (done.returncode, done.stdout) == (8, b"")
    assert b"ciplug: error: hand-over: " in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("mode", [0o755, 0o770])
def test_a_state_directory_that_others_can_enter_is_refused(
    leased: Project, ciplug: RunsCiplug, job_env: MakesJobEnv, tmp_path: Path, mode: int
) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(mode)
    env = job_env("migrate") | {"CIPLUG_STATE_DIR": str(tmp_path / "state")}
    with nothing_left(leased, tmp_path / "state"):
        done = ciplug("fetch", "--to", "json", env=env)
    assert (done.returncode, done.stdout) == (8, b"")
    assert b"not a private directory" in done.stderr


def test_a_signal_while_the_values_are_written_leaves_nothing_open(
    leased: Project, job_env: MakesJobEnv, postgres: Postgres, tmp_path: Path
) -> None:
    """Nobody reads: the pipe is full, so that the write of the values blocks."""
    before, env = postgres.roles(), job_env("migrate")
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, bytes(4096))
    except BlockingIOError:
        os.set_blocking(writing, True)
    with nothing_left(leased, env["RUNNER_TEMP"] + "/ciplug"):
        with started("fetch", "--to", "json", env=env, cwd=tmp_path, stdout=writing) as run:
            eventually(lambda: list(Path(env["RUNNER_TEMP"]).rglob("*.json")))
            run.send_signal(signal.SIGTERM)
            assert run.wait(20) == 143
        eventually(lambda: postgres.roles() == before)
    os.close(writing)
    os.close(reading)


def test_a_value_too_short_to_be_masked_is_named(project: Project, ciplug: RunsCiplug, job_env: MakesJobEnv) -> None:
    project.put("app/dev/db", {"url": "abc"})
    done = ciplug("fetch", "--to", "json", env=job_env())
    assert done.returncode == 0
    assert b"ciplug: warning: too short to be hidden in the output: DATABASE_URL\n" in done.stderr
    assert b"::add-mask::abc\n" not in done.stderr
