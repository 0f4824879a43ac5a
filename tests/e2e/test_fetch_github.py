"""``ciplug fetch`` on GitHub Actions: masked first, then exact in the files of the step, or nothing anywhere."""

from __future__ import annotations

import base64
import html
import json
import os
import random
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ciplug.standins.claims import github_claims
from ciplug.values import Secret
from ciplug.vault.admin_auth import JwtRole
from tests.e2e.outside import (
    assert_refused,
    command_line,
    credentials,
    eventually,
    listing,
    masks,
    note,
    nothing_left,
    one_token_left,
    started,
    token_env,
)
from tests.e2e.project import AUDIENCE
from tests.fakes.actions_runner import Runner, parse_env_file
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ciplug.standins.issuer import Issuer
    from tests.e2e.conftest import MakesJobEnv, RunsCiplug
    from tests.e2e.postgres import Postgres
    from tests.e2e.project import Project

FILES = ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY", "GITHUB_PATH", "GITHUB_STATE")
BEFORE = b"EARLIER=kept\n"


@pytest.fixture
def env(job_env: MakesJobEnv) -> dict[str, str]:
    """A job ``test`` whose step has written to its files before."""
    made = job_env()
    for name in FILES:
        Path(made[name]).write_bytes(BEFORE)
    return made


def contents(env: dict[str, str]) -> dict[str, bytes]:
    return {name: Path(env[name]).read_bytes() for name in FILES if Path(env[name]).is_file()}


def later(env: dict[str, str], name: str = "GITHUB_ENV") -> dict[str, str]:
    """What later steps get, by the runner's own rules."""
    return parse_env_file(Path(env[name]).read_bytes())


def refused_late(done: subprocess.CompletedProcess[bytes], status: int, *words: str, project: Project) -> str:
    """It ended so with the masks already sent: the log as the runner shows it, in which no secret is left."""
    log = Runner().read(done.stderr)
    assert (done.returncode, done.stdout) == (status, b""), log
    last = log.rstrip("\n").rpartition("\n")[2]
    assert last.startswith("ciplug: error: ")
    assert not [word for word in words if word not in log], log
    assert_no_leak(log, credentials(project))
    return log


@pytest.mark.parametrize("to", [[], ["--to", "auto"], ["--to", "github"]])
def test_later_steps_get_the_values_and_the_token_is_dead(
    project: Project, ciplug: RunsCiplug, env: dict[str, str], to: list[str]
) -> None:
    with nothing_left(project, env["RUNNER_TEMP"]):
        done = ciplug("fetch", *to, env=env)
    assert (done.returncode, done.stdout) == (0, b"")
    assert later(env) == {"EARLIER": "kept"} | project.values["dev"]
    assert {name: contents(env)[name] for name in ("GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STATE")} == dict.fromkeys(
        ("GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STATE"), BEFORE
    )
    assert Runner().read(done.stderr) == ""


VALUES = {
    "lines": "first line of it\nsecond line\nthird line",
    "carriage returns": "first line\r\nsecond\rline\r",
    "newline at the end": "hunter2-and-more\n",
    "private key": "-----BEGIN KEY-----\nMIIEpAIBAAKCAQEA0Z3VS5JJcds3\nxfn/ygWy\n-----END KEY-----\n",
    "a heredoc": "X<<EOF\nLD_PRELOAD=/tmp/x.so\nEOF\nNAME=value",
    "percent": "100%0Aof%25it%0D",
    "add-mask": "::add-mask::whatever-this\n::stop-commands::that-one",
    "old command": "##[set-env name=X;]value",
    "quotes": "a'b\"c''d\"\"e $HOME `id` \\n",
    "emoji": "пароль-🔑-密码",
    "json": '{\n  "type": "service_account",\n  "key": "a\\nb\\"c"\n}',
    "url": "postgres://user:p%40ss@host:5432/db?sslmode=require&x=1",
}


@pytest.mark.parametrize("case", VALUES)
def test_a_hostile_value_arrives_exactly_and_no_later_step_shows_it(
    project: Project, ciplug: RunsCiplug, env: dict[str, str], case: str
) -> None:
    """A later step prints it as the runner does in its header, line by line, and in encodings of a script's own."""
    value = VALUES[case]
    project.put("app/dev/db", {"url": value})
    done = ciplug("fetch", env=env)
    assert done.returncode == 0, done.stderr
    assert later(env) == {"EARLIER": "kept", "DATABASE_URL": value, "NPM_TOKEN": project.values["dev"]["NPM_TOKEN"]}
    runner = Runner()
    log = [runner.read(done.stderr)]
    raw = value.encode()
    log += [runner.mask(line) for line in f"DATABASE_URL: {value}".split("\n")]
    log += [
        runner.mask(text) for text in (raw.hex(), base64.b64encode(raw).decode(), f"{base64.b64encode(raw + b'!')}")
    ]
    assert_no_leak("\n".join(log), [value, *project.values["dev"].values()])
    assert "\n".join(log).count("***") >= 4


def test_a_value_of_100_kb_arrives_exactly_and_every_part_of_it_is_masked(
    project: Project, ciplug: RunsCiplug, env: dict[str, str]
) -> None:
    value = "\n".join("".join(random.Random(line).choices("abcdefghijklm0123456789", k=2000)) for line in range(50))
    project.put("app/dev/db", {"url": value})
    done = ciplug("fetch", "--outputs", env=env)
    assert done.returncode == 0
    assert later(env)["DATABASE_URL"] == later(env, "GITHUB_OUTPUT")["DATABASE_URL"] == value
    assert {value.encode(), *value.encode().split(b"\n")} <= set(masks(done.stderr))


@pytest.mark.parametrize("value", ["\n", "\n\n\n", " ", "ab"], ids=repr)
def test_what_cannot_be_masked_is_handed_over_exactly_and_named(
    project: Project, ciplug: RunsCiplug, env: dict[str, str], value: str
) -> None:
    project.put("app/dev/db", {"url": value})
    done = ciplug("fetch", env=env)
    assert done.returncode == 0
    assert later(env)["DATABASE_URL"] == value
    runner = Runner()
    runner.read(done.stderr)
    assert runner.annotations == [
        ("warning", {"title": "ciplug"}, "too short to be hidden in the output: DATABASE_URL")
    ]


def test_with_outputs_the_step_has_them_as_well(project: Project, ciplug: RunsCiplug, env: dict[str, str]) -> None:
    project.put("app/dev/db", {"url": "two lines\nA=b"})
    wanted = {"EARLIER": "kept", "DATABASE_URL": "two lines\nA=b", "NPM_TOKEN": project.values["dev"]["NPM_TOKEN"]}
    assert ciplug("fetch", "--outputs", env=env).returncode == 0
    assert later(env) == later(env, "GITHUB_OUTPUT") == wanted


def test_a_line_that_an_earlier_command_left_open_swallows_nothing(
    project: Project, ciplug: RunsCiplug, env: dict[str, str]
) -> None:
    Path(env["GITHUB_ENV"]).write_bytes(b"EARLIER=kept")
    assert ciplug("fetch", env=env).returncode == 0
    assert later(env) == {"EARLIER": "kept"} | project.values["dev"]


@pytest.fixture
def full_pipe() -> Iterator[tuple[int, int]]:
    """A pipe whose next write blocks: nobody has read what is in it."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        while True:
            os.write(writing, bytes(4096))
    except BlockingIOError:
        os.set_blocking(writing, True)
    yield reading, writing
    os.close(reading)


def test_every_mask_is_with_the_runner_before_the_first_byte_is_written(
    project: Project, env: dict[str, str], tmp_path: Path, full_pipe: tuple[int, int]
) -> None:
    reading, writing = full_pipe
    mark = project.bao.mark()
    with started("fetch", "--outputs", env=env, cwd=tmp_path, stderr=writing) as run:
        os.close(writing)
        eventually(lambda: project.bao.requests_since(mark, path="auth/token/revoke-self"))
        assert run.poll() is None
        assert set(contents(env).values()) == {BEFORE}
        with os.fdopen(os.dup(reading), "rb") as stderr:
            lines = stderr.read().lstrip(b"\0")
        assert run.wait(20) == 0
    assert all(line.startswith(b"::add-mask::") for line in lines.splitlines())
    runner = Runner()
    runner.read(lines)
    assert {"***"} == {runner.mask(value) for value in later(env).values() if value != "kept"}


def test_a_signal_while_the_runner_is_told_leaves_nothing(
    leased: Project, job_env: MakesJobEnv, postgres: Postgres, tmp_path: Path, full_pipe: tuple[int, int]
) -> None:
    before, env = postgres.roles(), job_env("migrate")
    untouched = contents(env)
    reading, writing = full_pipe
    with nothing_left(leased, env["RUNNER_TEMP"]), started("fetch", env=env, cwd=tmp_path, stderr=writing) as run:
        os.close(writing)
        eventually(lambda: postgres.roles() > before)
        run.send_signal(signal.SIGTERM)
        eventually(lambda: postgres.roles() == before)
        with os.fdopen(os.dup(reading), "rb") as stderr:
            log = Runner().read(stderr.read().lstrip(b"\0"))
        assert run.wait(20) == 143
    assert contents(env) == untouched
    assert "ciplug: error: interrupted: SIGTERM" in log
    assert_no_leak(log, credentials(leased))


@pytest.mark.parametrize("job", ["test", "migrate"])
def test_a_runner_that_is_gone_before_it_has_the_masks_gets_no_value(
    leased: Project, env: dict[str, str], tmp_path: Path, job: str
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with nothing_left(leased, env["RUNNER_TEMP"]):
        done = subprocess.run(
            command_line("fetch", "--outputs"), env={"PATH": os.environ["PATH"], "CIPLUG_JOB": job} | env,
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=writing, timeout=30,
        )  # fmt: skip
    os.close(writing)
    assert (done.returncode, done.stdout) == (8, b"")
    assert set(contents(env).values()) == {BEFORE}


def test_the_summary_says_what_was_fetched_and_holds_no_value(
    project: Project, ciplug: RunsCiplug, env: dict[str, str]
) -> None:
    project.put("app/dev/db", {"url": project.values["dev"]["DATABASE_URL"]})
    done = ciplug("fetch", env=env)
    assert done.returncode == 0
    text = Path(env["GITHUB_STEP_SUMMARY"]).read_text().removeprefix(BEFORE.decode())
    assert html.unescape(text).splitlines() == [
        "### ciplug: secrets of job test in environment dev",
        "",
        "| name | record | version | owner | as |",
        "| --- | --- | --- | --- | --- |",
        f"| DATABASE_URL | {project.kv_mount}/app/dev/db | 2 | payments | variable |",
        f"| NPM_TOKEN | {project.kv_mount}/common/npm | 1 |  | variable |",
        "",
    ]
    assert_no_leak(text, credentials(project, env))


def test_nothing_in_the_manifest_is_markup_on_the_summary(
    project: Project, ciplug: RunsCiplug, env: dict[str, str]
) -> None:
    owner, job = "<img src=x> | `a` [b](c) @all &lt;", "te<b>st | [x](y)"
    project.replace('owner = "payments"', f'owner = "{owner}"')
    project.replace('ref = "db#url"', 'ref = "d|b<i>/_x_#url"')
    project.replace("[jobs.test]\n", f'[jobs."{job}"]\nrole = "shop-test"\n')
    project.put("app/dev/d|b<i>/_x_", {"url": "some value"})
    done = ciplug("fetch", "--job", job, env=env)
    assert done.returncode == 0, done.stderr
    title, _, _, _, row, *_ = Path(env["GITHUB_STEP_SUMMARY"]).read_text().removeprefix(BEFORE.decode()).splitlines()
    assert not set("<>`[]@") & set(title + row)
    assert row.count("|") == 6
    assert owner in html.unescape(row)
    assert job in html.unescape(title)


def test_without_a_summary_page_there_is_none(project: Project, ciplug: RunsCiplug, env: dict[str, str]) -> None:
    del env["GITHUB_STEP_SUMMARY"]
    assert ciplug("fetch", env=env).returncode == 0
    assert later(env) == {"EARLIER": "kept"} | project.values["dev"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"\xff\xfe\x80abc-def", ("UTF-8 text only: DATABASE_URL", 'as = "file"')),
        (b"with\0nul-inside", ("DATABASE_URL", "NUL", 'as = "file"')),
        (b"x" * (128 * 1024 - 13), ("DATABASE_URL", "131059", 'as = "file"')),
    ],
    ids=["binary", "NUL", "128 KiB"],
)
def test_one_value_that_cannot_be_carried_keeps_all_back(
    project: Project, ciplug: RunsCiplug, env: dict[str, str], value: bytes, words: tuple[str, ...]
) -> None:
    project.put("app/dev/db", {"url": base64.b64encode(value).decode()})
    project.replace('ref = "db#url"\n', 'ref = "db#url"\nencoding = "base64"\n')
    with nothing_left(project, env["RUNNER_TEMP"]):
        done = ciplug("fetch", "--outputs", env=env)
    assert_refused(done, 8, "hand-over", *words, env=env, project=project)
    assert set(contents(env).values()) == {BEFORE}


def test_the_largest_value_that_a_process_can_be_started_with_is_carried(
    project: Project, ciplug: RunsCiplug, env: dict[str, str]
) -> None:
    value = "x" * (128 * 1024 - len("DATABASE_URL") - 2)
    project.put("app/dev/db", {"url": value})
    assert ciplug("fetch", env=env).returncode == 0
    assert subprocess.run(["true"], env={"DATABASE_URL": later(env)["DATABASE_URL"]}).returncode == 0


@pytest.mark.parametrize("full", ["GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"])
@pytest.mark.parametrize("job", ["test", "migrate", "files"])
def test_a_full_disk_keeps_all_back_byte_for_byte(
    leased: Project, ciplug: RunsCiplug, env: dict[str, str], file_job: str, full: str, job: str
) -> None:
    env |= {full: "/dev/full", "CIPLUG_JOB": job}
    with nothing_left(leased, env["RUNNER_TEMP"] + "/ciplug"):
        done = ciplug("fetch", "--outputs", env=env)
    log = refused_late(done, 8, "hand-over", "No space left on device", "make room", project=leased)
    assert "::error title=ciplug%3A hand-over::" in log
    assert set(contents(env).values()) == {BEFORE}


UNUSABLE = [
    (name, trouble)
    for name in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")
    for trouble in ("unset", "missing", "folder", "pipe")
    if (name, trouble) != ("GITHUB_STEP_SUMMARY", "unset")  # then there is no such page, which is fine
]


@pytest.mark.parametrize(("name", "trouble"), UNUSABLE)
def test_a_file_that_cannot_be_written_is_found_out_before_anyone_is_asked(
    project: Project, ciplug: RunsCiplug, env: dict[str, str], issuer: Issuer, tmp_path: Path, name: str, trouble: str
) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    env[name] = "" if trouble == "unset" else str(tmp_path / trouble)
    mark = project.bao.mark()
    done = ciplug("fetch", "--outputs", env=env)
    assert_refused(done, 8, "hand-over", name, env=env, project=project)
    assert project.bao.requests_since(mark) == []
    assert issuer.requests(env["ACTIONS_ID_TOKEN_REQUEST_URL"]) == ()
    assert set(contents(env).values()) == {BEFORE}
    assert listing(env["RUNNER_TEMP"]) == set()


@pytest.mark.parametrize("to", ["github", "json"])
@pytest.mark.parametrize("redirection", ["2>/dev/null", "2>log", "2>&-"])
def test_where_the_runner_does_not_hear_the_masks_nobody_is_asked(
    project: Project, env: dict[str, str], issuer: Issuer, tmp_path: Path, redirection: str, to: str
) -> None:
    """The values would be in the environment of every later step, and in its header, unmasked; or in a file."""
    mark = project.bao.mark()
    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", *command_line("fetch", "--to", to)],
        env={"PATH": os.environ["PATH"], "CIPLUG_MANIFEST": str(project.manifest)} | env,
        cwd=tmp_path, capture_output=True, timeout=30,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (8, b"")
    assert project.bao.requests_since(mark) == []
    assert issuer.requests(env["ACTIONS_ID_TOKEN_REQUEST_URL"]) == ()
    assert set(contents(env).values()) == {BEFORE}
    if redirection == "2>log":
        assert "stderr does not lead to GitHub Actions" in (tmp_path / "log").read_text()


@pytest.mark.parametrize("host", [{"GITLAB_CI": "true"}, {"JENKINS_URL": "x", "BUILD_NUMBER": "1"}, {"CI": "1"}, {}])
@pytest.mark.parametrize("to", ["github", "auto"])
def test_elsewhere_it_is_a_usage_error_with_a_way_out(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, host: dict[str, str], to: str, tmp_path: Path
) -> None:
    (tmp_path / "env").touch()
    env = token_env(issuer, github_claims()) | host | {"GITHUB_ENV": str(tmp_path / "env")}
    mark = project.bao.mark()
    done = ciplug("fetch", "--to", to, env=env)
    assert_refused(done, 2, "usage", "ciplug run -- COMMAND", env=env, project=project)
    assert project.bao.requests_since(mark) == []
    assert (tmp_path / "env").read_bytes() == b""


@pytest.mark.parametrize("to", ["json", "run", "filtered-shell", "shell"])
def test_outputs_belong_to_github_alone(project: Project, ciplug: RunsCiplug, env: dict[str, str], to: str) -> None:
    done = ciplug("fetch", "--to", to, "--outputs", env=env)
    assert_refused(done, 2, "usage", "--outputs", "--to github", env=env, project=project)
    assert set(contents(env).values()) == {BEFORE}


@pytest.fixture
def file_job(project: Project) -> str:
    """The job ``files``: a secret that is handed over as a file with this content."""
    value = "line one of it\nline two '\"$\n"
    project.append(
        '\n[secrets.KEY]\nref = "key#value"\nas = "file"\n\n'
        '[jobs.files]\nenvironment = "dev"\nsecrets = ["KEY", "NPM_TOKEN"]\n'
    )
    project.put("app/dev/key", {"value": value})
    return value


def test_a_secret_file_is_a_path_until_it_is_revoked(
    project: Project, ciplug: RunsCiplug, env: dict[str, str], file_job: str
) -> None:
    env["CIPLUG_JOB"] = "files"
    with nothing_left(project, env["RUNNER_TEMP"] + "/ciplug"):
        done = ciplug("fetch", env=env)
        assert Runner().read(done.stderr) == "ciplug: secret files stay until `ciplug revoke`\n"
        path = Path(later(env)["KEY"])
        assert path.is_relative_to(env["RUNNER_TEMP"])
        assert path.read_text() == file_job
        assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
        assert "| KEY |" in html.unescape(Path(env["GITHUB_STEP_SUMMARY"]).read_text())
        runner = Runner()
        runner.read(done.stderr)
        assert_no_leak("\n".join(map(runner.mask, path.read_text().split("\n"))), [file_job])
        assert ciplug("revoke", env=env).returncode == 0
    assert not path.parent.exists()


def test_leases_live_until_the_post_step_ends_them(
    leased: Project, ciplug: RunsCiplug, env: dict[str, str], postgres: Postgres
) -> None:
    before, env["CIPLUG_JOB"] = postgres.roles(), "migrate"
    with nothing_left(leased, env["RUNNER_TEMP"] + "/ciplug"):
        with one_token_left(leased):
            done = ciplug("fetch", env=env)
        assert Runner().read(done.stderr) == "ciplug: leases stay until `ciplug revoke`\n"
        query = {"username": later(env)["PG_USER"], "password": later(env)["PG_PASSWORD"]}
        assert postgres.query("SELECT 1", **query) == ["1"]
        assert ciplug("revoke", env=env).returncode == 0
        eventually(lambda: postgres.roles() == before)


def test_two_fetches_of_one_job_are_ended_by_one_revoke(
    leased: Project, ciplug: RunsCiplug, env: dict[str, str], postgres: Postgres, file_job: str
) -> None:
    before = postgres.roles()
    with nothing_left(leased, env["RUNNER_TEMP"] + "/ciplug"):
        assert [ciplug("fetch", "--job", job, env=env).returncode for job in ("migrate", "files")] == [0, 0]
        assert set(later(env)) == {"EARLIER", "DATABASE_URL", "PG_USER", "PG_PASSWORD", "KEY", "NPM_TOKEN"}
        assert len(list(Path(env["RUNNER_TEMP"], "ciplug").glob("*.json"))) == 2
        assert ciplug("revoke", env=env).returncode == 0
        eventually(lambda: postgres.roles() == before)


def test_files_that_cannot_be_removed_do_not_keep_the_token_alive(
    leased: Project, ciplug: RunsCiplug, env: dict[str, str], tmp_path: Path
) -> None:
    """A step that ran as another user may have left what is not ours to remove; here, a link in the folder's place."""
    leased.replace('#username"\n', '#username"\nas = "file"\n')
    env["CIPLUG_JOB"] = "migrate"
    assert ciplug("fetch", env=env).returncode == 0
    folder, kept = Path(later(env)["PG_USER"]).parent, note(env)
    token = Secret(json.loads(kept.read_text())["token"])
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    done = ciplug("revoke", env=env)
    assert_refused(done, 8, "hand-over", "could not be removed", "by hand", env=env, project=leased)
    assert not leased.admin.token_is_alive(token)
    assert kept.exists()
    folder.unlink()
    assert ciplug("revoke", env=env).returncode == 0
    assert listing(Path(env["RUNNER_TEMP"], "ciplug")) == set()


@pytest.mark.parametrize("command", [("fetch",), ("run", "--", "true")])
def test_a_failure_is_an_annotation_with_cause_and_remedy_on_github_alone(
    project: Project, ciplug: RunsCiplug, env: dict[str, str], issuer: Issuer, command: tuple[str, ...]
) -> None:
    project.replace_unapplied("[jobs.test]\n", '[jobs.test]\nrole = "nope"\n')
    done = ciplug(*command, env=env)
    runner = Runner()
    log = runner.read(done.stderr)
    assert done.returncode == (6 if command == ("fetch",) else 125)
    [(level, properties, message)] = runner.annotations
    assert (level, properties) == ("error", {"title": "ciplug: login-rejected"})
    assert log.splitlines()[-1] == f"ciplug: error: login-rejected: {message}"
    assert ". Next: " in message
    assert_no_leak(done.stderr, credentials(project, env))
    elsewhere = ciplug("run", "--", "true", env=token_env(issuer, github_claims()) | {"GITLAB_CI": "true"})
    assert elsewhere.returncode == 125
    assert b"::" not in elsewhere.stderr


def test_a_run_warns_in_an_annotation_too(project: Project, ciplug: RunsCiplug, env: dict[str, str]) -> None:
    project.put("app/dev/db", {"url": "abc"})
    done = ciplug("run", "--", "true", env=env)
    assert done.stderr == (
        b"::warning title=ciplug::too short to be hidden in the output: DATABASE_URL\n"
        b"ciplug: warning: too short to be hidden in the output: DATABASE_URL\n"
    )


def test_several_problems_of_a_manifest_are_one_annotation(
    project: Project, ciplug: RunsCiplug, env: dict[str, str]
) -> None:
    project.append('\n[jobs."100%, a:b"]\nenvironment = "nowhere"\nsecrets = ["NOPE"]\n')
    runner = Runner()
    runner.read(ciplug("fetch", env=env).stderr)
    [(level, properties, message)] = runner.annotations
    assert (level, properties) == ("error", {"title": "ciplug: manifest"})
    assert "100%, a:b" in message
    assert "nowhere" in message
    assert "NOPE" in message


TARGET = {"event_name": "pull_request_target"}


@pytest.mark.parametrize("command", [("fetch",), ("fetch", "--to", "run"), ("run", "--", "true")])
@pytest.mark.parametrize(
    "only_if", ["", 'only_if = { ref = ["refs/heads/main"] }', "only_if = { event_name = ['push'] }"]
)
def test_a_pull_request_target_job_is_refused_before_the_vault_hears_of_it(
    project: Project, ciplug: RunsCiplug, job_env: MakesJobEnv, command: tuple[str, ...], only_if: str
) -> None:
    project.replace('path = "app/dev"\n', f'path = "app/dev"\n{only_if}\n')
    env, mark = job_env(**TARGET), project.bao.mark()
    done = ciplug(*command, env=env)
    status = 125 if command[0] == "run" else 3
    assert_refused(done, status, "identity", "pull_request_target", env=env, project=project)
    assert project.bao.requests_since(mark) == []
    assert later(env) == {}


def test_what_the_environment_says_of_the_event_does_not_count(
    project: Project, ciplug: RunsCiplug, job_env: MakesJobEnv
) -> None:
    """A step can set it; the token cannot be changed."""
    done = ciplug("fetch", env=job_env(**TARGET) | {"GITHUB_EVENT_NAME": "push"})
    assert done.returncode == 3


def test_a_pull_request_target_job_gets_what_an_environment_names_it_for(
    project: Project, ciplug: RunsCiplug, job_env: MakesJobEnv
) -> None:
    project.replace(
        'path = "app/dev"\n', 'path = "app/dev"\nonly_if = { event_name = ["push", "pull_request_target"] }\n'
    )
    # By hand, because `ciplug policy` refuses a role for this event.
    role = JwtRole(
        name="shop-test",
        bound_audiences=(AUDIENCE,),
        bound_claims={"repository": "acme/shop"},
        policies=("shop-test",),
    )
    project.admin.jwt.write_role(role, project.auth_mount)
    env = job_env(**TARGET)
    assert ciplug("fetch", env=env).returncode == 0
    assert later(env) == project.values["dev"]
