"""The actions from outside: node on their files, in what a runner gives them, with a real pip and a real vault."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipapp
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

from tests.e2e import hosts_github
from tests.e2e.outside import credentials, eventually, nothing_left
from tests.fakes.actions_runner import Runner, parse_env_file
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    from ciplug.standins.issuer import Issuer
    from tests.e2e.conftest import MakesJobEnv
    from tests.e2e.project import Project

TOKEN: Final = "bearer-of-the-job"
_LIMIT: Final = 120.0  # seconds for one installation on a busy machine


class Step(NamedTuple):
    """One action's file as the runner starts it, and the files it speaks to the runner through."""

    repository: Path
    env: dict[str, str]

    def command(self, script: str) -> list[str]:
        return [hosts_github.node(), str(self.repository / "actions" / script)]

    def run(self, script: str, **env: str) -> subprocess.CompletedProcess[bytes]:
        done = subprocess.run(
            self.command(script),
            cwd=self.env["GITHUB_WORKSPACE"],
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LIMIT,
        )
        assert_no_leak(done.stdout + done.stderr, [TOKEN])
        return done

    def file(self, name: str) -> bytes:
        return Path(self.env[name]).read_bytes()

    @property
    def state(self) -> dict[str, str]:
        """What the post step finds in its environment."""
        return {f"STATE_{name}": value for name, value in parse_env_file(self.file("GITHUB_STATE")).items()}

    @property
    def installations(self) -> list[Path]:
        """All that is in the cache, finished or not."""
        cache = Path(self.env["RUNNER_TOOL_CACHE"], "ciplug")
        return sorted(cache.iterdir()) if cache.is_dir() else []


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the lock names, fetched once."""
    folder = tmp_path_factory.mktemp("wheels")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--require-hashes"]
    lock = hosts_github.ROOT / "actions" / "requirements.txt"
    subprocess.run([*command, "--dest", str(folder), "-r", str(lock)], check=True, timeout=300)
    return folder


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return hosts_github.publish(tmp_path_factory.mktemp("action") / "ciplug")


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory, repository: Path, wheels: Path) -> Path:
    """A tool cache with ciplug in it, for copying."""
    step = new_step(repository, tmp_path_factory.mktemp("first"), wheels)
    done = step.run("setup/main.js")
    assert done.returncode == 0, done.stdout + done.stderr
    return Path(step.env["RUNNER_TOOL_CACHE"])


@pytest.fixture
def step(tmp_path: Path, repository: Path, wheels: Path) -> Step:
    """A step of a job on a runner whose tool cache is empty."""
    return new_step(repository, tmp_path / "runner", wheels)


@pytest.fixture
def cached(step: Step, installed: Path) -> Step:
    """A step on a runner that has ciplug in its tool cache, and has no index to get it from."""
    shutil.copytree(installed, step.env["RUNNER_TOOL_CACHE"], symlinks=True, dirs_exist_ok=True)
    return step._replace(env=step.env | {"PIP_FIND_LINKS": step.env["RUNNER_TEMP"]})


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


def new_step(repository: Path, runner: Path, wheels: Path) -> Step:
    """`runner` becomes the directory of a runner that reaches no index but the directory `wheels`."""
    env = {"PATH": os.environ["PATH"], "HOME": str(runner / "home"), "GITHUB_ACTIONS": "true"}
    for name in ("HOME", "RUNNER_TEMP", "RUNNER_TOOL_CACHE", "GITHUB_WORKSPACE"):
        env[name] = str(runner / name.lower())
        Path(env[name]).mkdir(parents=True)
    for name in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_STEP_SUMMARY"):
        env[name] = str(runner / name.lower())
        Path(env[name]).touch()
    zero = {"ACTIONS_ID_TOKEN_REQUEST_URL": "http://127.0.0.1:9/", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": TOKEN}
    pip = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
    return Step(repository, env | zero | pip | {"VAULT_TOKEN": TOKEN, "INPUT_OUTPUTS": "false"})


def annotation(done: subprocess.CompletedProcess[bytes]) -> str:
    """The one error that the runner shows."""
    runner = Runner()
    runner.read(done.stdout + done.stderr)
    [(level, properties, message)] = runner.annotations
    assert (level, properties) == ("error", {"title": "ciplug"})
    assert ". Next: " in message
    return message


def test_setup_puts_ciplug_and_nothing_else_on_the_path(cached: Step) -> None:
    done = cached.run("setup/main.js")
    assert done.returncode == 0, done.stdout + done.stderr
    folder = Path(cached.file("GITHUB_PATH").decode().rstrip("\n"))
    assert [path.name for path in folder.iterdir()] == ["ciplug"]
    later = subprocess.run(["ciplug", "--version"], env={"PATH": f"{folder}:/bin:/usr/bin"}, capture_output=True)
    assert later.stdout == done.stdout
    assert later.stdout.startswith(b"ciplug ")


def test_a_job_cannot_make_its_own_modules_be_loaded(cached: Step, tmp_path: Path) -> None:
    (tmp_path / "click").mkdir()
    (tmp_path / "click" / "__init__.py").write_text("raise SystemExit('loaded')")
    shutil.copytree(tmp_path / "click", Path(cached.env["GITHUB_WORKSPACE"], "click"))
    assert cached.run("setup/main.js", PYTHONPATH=str(tmp_path)).returncode == 0
    folder = cached.file("GITHUB_PATH").decode().rstrip("\n")
    env = {"PATH": f"{folder}:/bin:/usr/bin", "PYTHONPATH": str(tmp_path)}
    later = subprocess.run(["ciplug", "check", "--help"], env=env, capture_output=True, cwd=tmp_path)
    assert later.returncode == 0, later.stderr


def test_what_is_installed_is_used_again(cached: Step) -> None:
    before = cached.installations
    done = cached.run("setup/main.js")
    assert done.returncode == 0
    assert done.stderr == b""
    assert cached.installations == before
    assert len(before) == 1


def test_pip_does_not_get_the_right_to_an_id_token(step: Step, tmp_path: Path) -> None:
    copy = tmp_path / "spied"
    shutil.copytree(step.repository, copy)
    project = (copy / "pyproject.toml").read_text(encoding="utf-8")
    spied = project.replace('build-backend = "hatchling.build"', 'build-backend = "spy"\nbackend-path = ["."]')
    (copy / "pyproject.toml").write_text(spied, encoding="utf-8")
    seen = tmp_path / "seen"
    source = f"import json, os\nfrom hatchling.build import *\njson.dump(dict(os.environ), open({str(seen)!r}, 'w'))\n"
    (copy / "spy.py").write_text(source, encoding="utf-8")
    done = step._replace(repository=copy).run("setup/main.js")
    assert done.returncode == 0, done.stdout + done.stderr
    text = seen.read_text()
    assert TOKEN not in text
    assert not [name for name in json.loads(text) if name.startswith(("ACTIONS_", "GITHUB_", "VAULT_", "INPUT_"))]


def test_an_installation_that_was_changed_is_made_anew(cached: Step, wheels: Path) -> None:
    [folder] = cached.installations
    changed = next(folder.glob("venv/**/click/core.py"))
    original = changed.read_bytes()
    changed.write_bytes(original + b"\n# changed\n")
    done = cached.run("setup/main.js", PIP_FIND_LINKS=str(wheels))
    assert done.returncode == 0, done.stdout + done.stderr
    assert b"click/core.py was changed" in done.stderr
    assert changed.read_bytes() == original
    assert cached.installations == [folder]


@pytest.fixture(scope="session")
def installation(repository: Path) -> ModuleType:
    """The module itself, for what takes too long through the front door."""
    spec = importlib.util.spec_from_file_location("installation", repository / "actions" / "installation.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["ciplug/errors.py", "pyproject.toml", "actions/requirements.txt"])
def test_a_checkout_with_other_sources_has_an_installation_of_its_own(installation: ModuleType, name: str) -> None:
    sources = installation._sources()
    assert installation._key(sources | {name: "0" * 64}) != installation._key(sources)
    assert name in sources


def test_another_python_has_an_installation_of_its_own(
    installation: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = installation._key({})
    monkeypatch.setattr(sys, "version", "3.11.99 (main)")
    assert installation._key({}) != before


def test_an_untouched_installation_has_no_flaw(cached: Step, installation: ModuleType) -> None:
    [folder] = cached.installations
    assert installation._flaw(folder, installation._sources()) == ""


@pytest.mark.parametrize(
    ("pattern", "content"),
    [
        ("venv/**/site-packages/ciplug/errors.py", b""),
        ("venv/**/ciplug/__pycache__/errors.*.pyc", b"other code"),
        ("venv/**/_cffi_backend*.so", b"\x7fELF"),
        ("venv/pyvenv.cfg", b"home = /tmp\n"),
        ("venv/**/click/core.py", None),
    ],
)
def test_any_changed_or_missing_file_is_a_flaw(
    cached: Step, installation: ModuleType, pattern: str, content: bytes | None
) -> None:
    [folder] = cached.installations
    path = next(folder.glob(pattern))
    path.unlink() if content is None else path.write_bytes(content)
    assert path.name in installation._flaw(folder, installation._sources())


def test_a_file_that_was_added_is_a_flaw(cached: Step, installation: ModuleType) -> None:
    [folder] = cached.installations
    packages = next(folder.glob("venv/**/site-packages"))
    (packages / "added.pth").write_text("import os\n")
    assert "added.pth" in installation._flaw(folder, installation._sources())


def test_a_link_that_was_moved_is_a_flaw(cached: Step, installation: ModuleType) -> None:
    [folder] = cached.installations
    python = folder / "venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/bin/sh")
    assert "bin/python" in installation._flaw(folder, installation._sources())


@pytest.mark.parametrize("contents", [None, b"", b"[]", b"5", b'{"venv": {}}', b'{"venv/pyvenv.cfg": '])
def test_an_installation_without_its_list_of_contents_is_flawed(
    cached: Step, installation: ModuleType, contents: bytes | None
) -> None:
    [folder] = cached.installations
    file = folder / "contents.json"
    file.unlink() if contents is None else file.write_bytes(contents)
    assert installation._flaw(folder, installation._sources())


def test_code_that_is_not_the_checkouts_is_a_flaw_even_when_it_is_in_the_list(
    cached: Step, installation: ModuleType
) -> None:
    [folder] = cached.installations
    next(folder.glob("venv/**/site-packages/ciplug/errors.py")).write_text("")
    (folder / "contents.json").write_text(json.dumps(installation._contents(folder)))
    assert installation._flaw(folder, installation._sources()) == "ciplug/errors.py is not the checkout's"


def test_two_runners_that_share_a_cache_both_get_a_whole_one(step: Step, tmp_path: Path, wheels: Path) -> None:
    other = new_step(step.repository, tmp_path / "other", wheels)
    other.env["RUNNER_TOOL_CACHE"] = step.env["RUNNER_TOOL_CACHE"]
    both = [
        subprocess.Popen(one.command("setup/main.js"), env=one.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for one in (step, other)
    ]
    for process in both:
        out, err = process.communicate(timeout=_LIMIT)
        assert process.returncode == 0, err
        assert out.startswith(b"ciplug ")
    assert len(step.installations) == 1


def halfway(step: Step) -> subprocess.Popen[bytes]:
    """An installation that has begun, in a process group of its own."""
    process = subprocess.Popen(
        step.command("setup/main.js"),
        env=step.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    eventually(lambda: any(folder.glob("made/venv/**/click") for folder in step.installations))
    return process


def test_an_installation_that_is_killed_leaves_nothing_that_is_used(cached: Step, wheels: Path) -> None:
    [folder] = cached.installations
    shutil.rmtree(folder)
    with halfway(cached._replace(env=cached.env | {"PIP_FIND_LINKS": str(wheels)})) as process:
        os.killpg(process.pid, signal.SIGKILL)
    [abandoned] = cached.installations
    assert abandoned.name.startswith(".")
    old = time.time() - 2 * 3600
    os.utime(abandoned, (old, old))
    done = cached.run("setup/main.js", PIP_FIND_LINKS=str(wheels))
    assert done.returncode == 0, done.stdout + done.stderr
    assert cached.installations == [folder]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_installation_that_is_cancelled_cleans_up(step: Step, number: int) -> None:
    with halfway(step) as process:
        process.send_signal(number)
        assert process.wait(20) == 128 + number
        assert process.stdout
        assert process.stdout.read() == b""
    assert step.installations == []


def test_a_runner_without_an_index_is_told_what_to_do_and_nothing_is_left(step: Step) -> None:
    done = step.run("fetch/main.js", PIP_FIND_LINKS=step.env["RUNNER_TEMP"])
    assert done.returncode == 1
    assert "PIP_INDEX_URL" in annotation(done)
    assert b"No matching distribution" in done.stderr
    assert step.installations == []
    assert step.file("GITHUB_STATE") == step.file("GITHUB_ENV") == b""


def test_a_package_that_is_not_the_locked_one_is_refused(step: Step, wheels: Path, tmp_path: Path) -> None:
    forged = tmp_path / "forged"
    shutil.copytree(wheels, forged)
    click = next(forged.glob("click-*"))
    click.write_bytes(click.read_bytes() + b"\0")
    done = step.run("setup/main.js", PIP_FIND_LINKS=str(forged))
    assert done.returncode == 1
    assert "pip could not install" in annotation(done)
    assert b"HASHES" in done.stderr
    assert step.installations == []


def test_a_tool_cache_that_cannot_be_written_is_passed_over(cached: Step) -> None:
    temp = Path(cached.env["RUNNER_TEMP"])
    Path(cached.env["RUNNER_TOOL_CACHE"], "ciplug").rename(temp / "ciplug")
    done = cached.run("setup/main.js", RUNNER_TOOL_CACHE="/proc/nowhere")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == b""


def test_an_incomplete_checkout_is_told_how_to_be_whole(step: Step, tmp_path: Path) -> None:
    shutil.copytree(step.repository / "actions", tmp_path / "part" / "actions")
    done = step._replace(repository=tmp_path / "part").run("fetch/main.js")
    assert done.returncode == 1
    assert "OWNER/REPOSITORY/actions/" in annotation(done)


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


def test_an_old_python_that_is_started_by_hand_says_what_it_needs() -> None:
    file = hosts_github.ROOT / "actions" / "install.py"
    code = f"import sys; sys.version_info = (3, 9, 2); exec(open({str(file)!r}).read())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert done.returncode == 1
    assert "this is 3.9" in annotation(done)


def test_a_shipped_single_file_is_used_and_nothing_installed(echoing: Step) -> None:
    done = echoing.run("fetch/main.js")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout) == ["fetch", "--to=github"]
    assert echoing.installations == []


@pytest.mark.parametrize(
    ("inputs", "arguments"),
    [
        ({"JOB": "deploy"}, ["fetch", "--to=github", "--job=deploy"]),
        ({"ENVIRONMENT": "prod"}, ["fetch", "--to=github", "--env=prod"]),
        ({"MANIFEST": " ci/ciplug.toml "}, ["--manifest=ci/ciplug.toml", "fetch", "--to=github"]),
        ({"OUTPUTS": "true"}, ["fetch", "--to=github", "--outputs"]),
        ({"OUTPUTS": "FALSE"}, ["fetch", "--to=github"]),
        ({"JOB": "--unmasked"}, ["fetch", "--to=github", "--job=--unmasked"]),
        ({"JOB": "$(id) `id` \"'\n;x"}, ["fetch", "--to=github", "--job=$(id) `id` \"'\n;x"]),
    ],
)
def test_inputs_reach_ciplug_as_they_are(echoing: Step, inputs: Mapping[str, str], arguments: list[str]) -> None:
    done = echoing.run("fetch/main.js", **{f"INPUT_{name}": value for name, value in inputs.items()})
    assert json.loads(done.stdout) == arguments


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
    assert json.loads(done.stdout) == ["--manifest=ci/ciplug.toml", "revoke", "--best-effort"]


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
        post = job.run("fetch/post.js", **job.state)
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


def test_the_example_workflow_runs_as_it_is(project: Project, issuer: Issuer, tmp_path: Path) -> None:
    checkout = tmp_path / "example" / "shop"
    shutil.copytree(hosts_github.ROOT / "examples" / "github", checkout)
    shutil.copy(project.manifest, checkout)
    (checkout / "Makefile").write_text(
        'test package:\n\t@test -n "$$DATABASE_URL" && echo done: $@ "$$NPM_TOKEN"\n', encoding="utf-8"
    )
    with nothing_left(project):
        ran = hosts_github.run_checkout(checkout, env=hosts_github.id_token_env(issuer))
    assert ran.ok, ran.log.decode()
    assert b"done: test ***" in ran.log
    assert b"done: package ***" in ran.log
    assert_no_leak(ran.log, credentials(project))
