"""The actions' steps from outside: the Python they find, what ciplug is told, how they end; and the post step."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import zipapp
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.e2e.outside import credentials, eventually, nothing_left
from tests.e2e.runner_step import TOKEN, annotation
from tests.fakes.actions_runner import Runner, parse_env_file
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.e2e.conftest import MakesJobEnv
    from tests.e2e.project import Project
    from tests.e2e.runner_step import Step


@pytest.fixture
def echoing(step: Step, tmp_path: Path) -> Step:
    """A step of actions that are shipped with a single file, which only says how it was started."""
    copy = tmp_path / "shipped"
    shutil.copytree(step.repository / "actions", copy / "actions")
    source = tmp_path / "source"
    source.mkdir()
    (source / "__main__.py").write_text(ECHO, encoding="utf-8")
    zipapp.create_archive(source, copy / "actions" / "ciplug.pyz")
    return step._replace(repository=copy)


ECHO: Final = """\
import json, os, signal, sys, time
print(json.dumps(sys.argv[1:]), flush=True)
if "WAIT" in os.environ:
    def ended(number, frame):
        sys.stdout.write(f"got {signal.Signals(number).name}\\n")
        sys.exit(int(os.environ["WAIT"]))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, ended)
    open(os.environ["READY"], "w").close()
    time.sleep(60)
if os.environ.get("DIE"):
    os.kill(os.getpid(), int(os.environ["DIE"]))
sys.exit(int(os.environ.get("STATUS", "0")))
"""


def told(step: Step, *arguments: str, manifest: str = "ciplug.toml") -> list[str]:
    """What ciplug is started with: the manifest by its full path, which holds whatever later steps change, first."""
    return [f"--manifest={step.env['GITHUB_WORKSPACE']}/{manifest}", *arguments]


def no_pythons(folder: Path, *, body: str = "exit 1") -> dict[str, str]:
    """A PATH whose only Pythons are too old: like theirs, their answer is a status."""
    folder.mkdir()
    for name in ("python3", "python", "python3.9"):
        (folder / name).write_text(f"#!/bin/sh\n{body}\n")
        (folder / name).chmod(0o755)
    return {"PATH": str(folder)}


def test_a_python_that_is_too_old_is_said_to_be(step: Step, tmp_path: Path) -> None:
    done = step.run("fetch/main.js", **no_pythons(tmp_path / "old"))
    assert done.returncode == 1
    assert "actions/setup-python" in annotation(done)
    assert step.file("GITHUB_STATE") == b""


def test_a_runner_without_a_python_is_told_so(step: Step, tmp_path: Path) -> None:
    done = step.run("setup/main.js", PATH=str(tmp_path), RUNNER_TOOL_CACHE="")
    assert done.returncode == 1
    assert "there is no Python 3.11 or newer" in annotation(done)


def test_a_python_in_the_tool_cache_is_found(echoing: Step, tmp_path: Path) -> None:
    place = Path(echoing.env["RUNNER_TOOL_CACHE"], "Python", "3.12.1", "x64", "bin")
    place.mkdir(parents=True)
    (place / "python3").symlink_to(Path(sys.base_prefix) / "bin" / "python3")
    done = echoing.run("fetch/main.js", **no_pythons(tmp_path / "old"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_python_with_its_version_in_its_name_is_found(echoing: Step, tmp_path: Path) -> None:
    env = no_pythons(tmp_path / "old")
    (tmp_path / "old" / "python3.99").symlink_to(Path(sys.base_prefix) / "bin" / "python3")
    assert echoing.run("fetch/main.js", **env).returncode == 0


def test_a_shipped_single_file_is_used_and_nothing_installed(echoing: Step) -> None:
    done = echoing.run("fetch/main.js")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout) == told(echoing, "fetch", "--to=github")
    assert echoing.installations == []


@pytest.mark.parametrize(
    ("inputs", "arguments"),
    [
        ({"JOB": "deploy"}, ["fetch", "--to=github", "--job=deploy"]),
        ({"ENVIRONMENT": "prod"}, ["fetch", "--to=github", "--env=prod"]),
        ({"OUTPUTS": "true"}, ["fetch", "--to=github", "--outputs"]),
        ({"OUTPUTS": "FALSE"}, ["fetch", "--to=github"]),
        ({"JOB": "--unmasked"}, ["fetch", "--to=github", "--job=--unmasked"]),
        ({"JOB": "$(id) `id` \"'\n;x"}, ["fetch", "--to=github", "--job=$(id) `id` \"'\n;x"]),
    ],
)
def test_inputs_reach_ciplug_as_they_are(echoing: Step, inputs: Mapping[str, str], arguments: list[str]) -> None:
    done = echoing.run("fetch/main.js", **{f"INPUT_{name}": value for name, value in inputs.items()})
    assert json.loads(done.stdout) == told(echoing, *arguments)


@pytest.mark.parametrize("given", [{"INPUT_MANIFEST": " ci/ciplug.toml "}, {"CIPLUG_MANIFEST": "ci/ciplug.toml"}])
def test_another_manifest_may_be_named(echoing: Step, given: Mapping[str, str]) -> None:
    done = echoing.run("fetch/main.js", **given)
    assert json.loads(done.stdout) == told(echoing, "fetch", "--to=github", manifest="ci/ciplug.toml")


@pytest.mark.parametrize("value", ["", "yes", "1", "tRUE", "true false"])
def test_a_boolean_that_is_none_is_refused(echoing: Step, value: str) -> None:
    done = echoing.run("fetch/main.js", INPUT_OUTPUTS=value)
    assert done.returncode == 2
    assert '"outputs" is neither true nor false' in annotation(done)
    assert echoing.file("GITHUB_STATE") == b""


@pytest.mark.parametrize("status", [0, 3, 8, 125])
def test_the_step_ends_as_ciplug_does(echoing: Step, status: int) -> None:
    assert echoing.run("fetch/main.js", STATUS=str(status)).returncode == status


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_ciplug_that_a_signal_ended_fails_the_step(echoing: Step, number: int) -> None:
    assert echoing.run("fetch/main.js", DIE=str(int(number))).returncode == 128 + number


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ciplug_gets_the_signal_that_the_runner_sends_to_node(echoing: Step, tmp_path: Path, number: int) -> None:
    ready = tmp_path / "ready"
    env = echoing.env | {"WAIT": "42", "READY": str(ready)}
    with subprocess.Popen(echoing.command("fetch/main.js"), env=env, stdout=subprocess.PIPE) as process:
        eventually(ready.exists)
        process.send_signal(number)  # to the entry process alone, as the runner does it
        out, _ = process.communicate(timeout=20)
    assert process.returncode == 42
    assert signal.Signals(number).name in out.decode()


def test_post_ends_what_this_manifests_fetch_left_open(echoing: Step) -> None:
    echoing.run("fetch/main.js", INPUT_MANIFEST="ci/ciplug.toml", STATUS="6")
    done = echoing.run("fetch/post.js", **echoing.state)
    assert done.returncode == 0
    assert json.loads(done.stdout) == told(echoing, "revoke", "--best-effort", manifest="ci/ciplug.toml")


def test_post_holds_no_secret(echoing: Step) -> None:
    echoing.run("fetch/main.js")
    assert_no_leak(echoing.file("GITHUB_STATE"), [TOKEN])


def test_post_is_quiet_where_main_got_nowhere(step: Step, tmp_path: Path) -> None:
    step.run("fetch/main.js", **no_pythons(tmp_path / "old"))
    done = step.run("fetch/post.js", **step.state)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def in_a_job(cached: Step, project: Project, job_env: MakesJobEnv, **claims: object) -> Step:
    """The step in a job of `project`, with a token endpoint of its own."""
    given = job_env(**claims)  # type: ignore[arg-type]  # any claim may be given
    named = {name: value for name, value in given.items() if name != "RUNNER_TEMP"}
    env = {name: value for name, value in cached.env.items() if name != "VAULT_TOKEN"} | named
    return cached._replace(env=env | {"GITHUB_WORKSPACE": str(project.directory)})


_ASTRAY: Final = {"CIPLUG_STATE_DIR": "/nowhere", "CIPLUG_MANIFEST": "/nowhere", "GITHUB_WORKSPACE": "/"}
"""What a later step may have set for those that follow it."""


def test_a_fetch_and_its_post_leave_no_token_and_no_file(cached: Step, leased: Project, job_env: MakesJobEnv) -> None:
    job = in_a_job(cached, leased, job_env)
    secrets = credentials(leased, job.env)
    with nothing_left(leased, job.env["RUNNER_TEMP"] + "/ciplug"):
        Path(job.env["RUNNER_TEMP"], "ciplug").mkdir(mode=0o700)
        done = job.run("fetch/main.js", INPUT_JOB="migrate", INPUT_OUTPUTS="true")
        assert done.returncode == 0, done.stdout + done.stderr
        values = parse_env_file(job.file("GITHUB_ENV"))
        assert values.keys() == {"DATABASE_URL", "PG_USER", "PG_PASSWORD"}
        assert parse_env_file(job.file("GITHUB_OUTPUT")) == values
        runner = Runner()
        shown = runner.read(done.stdout + done.stderr) + runner.read("\n".join(values.values()).encode())
        assert_no_leak(shown, [*secrets, *values.values()])
        assert_no_leak(job.file("GITHUB_STEP_SUMMARY") + job.file("GITHUB_STATE"), [*secrets, *values.values()])
        post = job.run("fetch/post.js", **job.state, **_ASTRAY)
        assert post.returncode == 0, post.stderr
        assert_no_leak(post.stdout + post.stderr, [*secrets, *values.values()])


def test_a_fetch_that_is_denied_fails_the_step_and_not_the_post(
    cached: Step, project: Project, job_env: MakesJobEnv
) -> None:
    job = in_a_job(cached, project, job_env, repository="stranger/shop")
    with nothing_left(project, job.env["RUNNER_TEMP"]):
        done = job.run("fetch/main.js")
        assert done.returncode == 6
        assert job.file("GITHUB_ENV") == b""
        assert job.run("fetch/post.js", **job.state).returncode == 0


def test_a_manifest_that_is_missing_fails_the_step_and_not_the_post(
    cached: Step, project: Project, job_env: MakesJobEnv
) -> None:
    job = in_a_job(cached, project, job_env)
    mark = project.bao.mark()
    done = job.run("fetch/main.js", INPUT_MANIFEST="ci/absent.toml")
    assert done.returncode == 2
    assert "ci/absent.toml: there is no such file. Next: " in annotation(done)
    assert job.file("GITHUB_ENV") == job.file("GITHUB_OUTPUT") == job.file("GITHUB_STEP_SUMMARY") == b""
    post = job.run("fetch/post.js", **job.state)
    assert (post.returncode, post.stdout, post.stderr) == (0, b"", b"")
    assert project.bao.requests_since(mark) == []
