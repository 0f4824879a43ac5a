"""GitLab CI, run by gitlab-ci-local: plain script lines in a filtered shell, and commands under ``ciplug run``.

Where it differs from GitLab: it mints no ID tokens (the variable is given to it), runs jobs in this machine's bash
without a container, says ``GITLAB_CI=false`` unless told otherwise, and cannot cancel a job: `_cancel` does it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from ciplug.standins.claims import gitlab_claims
from tests.e2e.pipelines import Ran
from tests.e2e.project import AUDIENCE

if TYPE_CHECKING:
    from ciplug.standins.issuer import Issuer
    from tests.e2e.pipelines import Pipeline
    from tests.e2e.project import Project

TEMPLATE: Final = Path(__file__).parents[2] / "gitlab" / "templates" / "ciplug.yml"
_EMULATOR: Final = Path(sys.prefix) / "node" / "node_modules" / ".bin" / "gitlab-ci-local"
_LIMIT: Final = 60.0  # seconds for one pipeline


class GitLabDriver:
    """Runs a checkout's pipeline; the two ways of using the template are its subclasses.

    With `requirement` the template finds no ciplug on the job's PATH and has pip install that.
    """

    name: str
    extends: str

    def __init__(self, project: Project, issuer: Issuer, folder: Path, *, requirement: str = "") -> None:
        self._project = project
        self._issuer = issuer
        self._folder = folder
        self._requirement = requirement

    def run(self, pipeline: Pipeline) -> Ran:
        """The pipeline in a checkout of its own; `pytest.fail` where the emulator is missing or does not end."""
        place = Path(tempfile.mkdtemp(dir=self._folder))
        checkout = place / "shop"
        checkout.mkdir()
        shutil.copy(self._project.manifest, checkout)
        shutil.copy(TEMPLATE, checkout / "ciplug-template.yml")
        configuration = self.configuration(pipeline, checkout)
        (checkout / ".gitlab-ci.yml").write_text(configuration, encoding="utf-8")
        claims = gitlab_claims("stranger/shop" if pipeline.stranger else "acme/shop")
        token = self._issuer.mint(claims, audience=AUDIENCE) if pipeline.token else ""
        return run_checkout(checkout, token=token, ciplug_on_path=not self._requirement, cancel_at=pipeline.cancel_at)

    def configuration(self, pipeline: Pipeline, checkout: Path) -> str:
        """``.gitlab-ci.yml``, with one job."""
        inputs = {"audience": AUDIENCE, "job": pipeline.job, "environment": pipeline.environment}
        if self._requirement:
            inputs["requirement"] = self._requirement
        variables = {name: value.replace("$", "$$") for name, value in pipeline.env.items()}
        lines = [
            f"include: {_yaml([{'local': '/ciplug-template.yml', 'inputs': inputs}])}",
            "build:",
            f"  extends: {self.extends}",
            f"  variables: {_yaml(variables)}",
            f"  script: {_yaml(self.script(pipeline, checkout) or [':'])}",
            "  after_script:",
            "    - !reference [.ciplug, after_script]",
        ]
        # The emulator prints an item's first line through a double-quoted echo: a comment is safe there.
        after = ["    - " + _yaml(f"# after\n{pipeline.after}")] if pipeline.after else []
        return "\n".join([*lines, *after, ""])

    def script(self, pipeline: Pipeline, checkout: Path) -> list[str]:
        """The items of ``script:``, one a step."""
        raise NotImplementedError


class GitLabFiltered(GitLabDriver):
    """Steps as plain script items; all of them share the job's shell, which has the secrets."""

    name = "gitlab-filtered"
    extends = ".ciplug-filtered"

    def script(self, pipeline: Pipeline, checkout: Path) -> list[str]:
        """The steps as they are."""
        return [f"# step {number}\n{step}" for number, step in enumerate(pipeline.steps, 1)]


class GitLabRun(GitLabDriver):
    """Each step as a script of the repository, run by ``ciplug run``."""

    name = "gitlab-run"
    extends = ".ciplug"

    def script(self, pipeline: Pipeline, checkout: Path) -> list[str]:
        """One ``ciplug run`` a step, of a file in the checkout."""
        for number, step in enumerate(pipeline.steps, 1):
            (checkout / f"step{number}.sh").write_text(step, encoding="utf-8")
        options = f"--env {pipeline.environment} " if pipeline.environment else ""
        return [f"ciplug run {options}-- sh -e step{number}.sh" for number, _ in enumerate(pipeline.steps, 1)]


def run_checkout(
    checkout: Path, *, token: str, ciplug_on_path: bool = True, cancel_at: Path | None = None, **variables: str
) -> Ran:
    """The pipeline of ``.gitlab-ci.yml`` in `checkout`, with `token` in ``VAULT_ID_TOKEN`` and `variables` set."""
    if not _EMULATOR.exists():
        pytest.fail("gitlab-ci-local is missing: run `make .venv/.node`")
    home = checkout.parent / "home"
    home.mkdir()
    _commit(checkout, home)
    _set_variables(home, {"GITLAB_CI": "true"} | ({"VAULT_ID_TOKEN": token} if token else {}) | variables)
    log = checkout.parent / "log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [str(_EMULATOR), "--shell-executor-no-image=true", "--force-shell-executor=true", "--no-shell-isolation"],
            cwd=checkout,
            env={"PATH": _path(checkout.parent / "bin", ciplug=ciplug_on_path), "HOME": str(home)},
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        status = _wait(process, cancel_at, log)
    return Ran(ok=status == 0, log=log.read_bytes())


def _yaml(value: object) -> str:
    """`value` on one line: what JSON says, YAML reads alike."""
    return json.dumps(value, ensure_ascii=False)


def _set_variables(home: Path, variables: dict[str, str]) -> None:
    """CI/CD variables in the emulator's own file: on its command line they would be in the process list."""
    file = home / ".gitlab-ci-local" / "variables.yml"
    file.parent.mkdir(mode=0o700)
    file.touch(mode=0o600)
    entries = {name: {"type": "variable", "values": {"*": value}} for name, value in variables.items()}
    file.write_text(_yaml({"global": entries}), encoding="utf-8")


def _path(directory: Path, *, ciplug: bool) -> str:
    """The test's own PATH behind a directory with this Python and, or else without, the working copy's ciplug."""
    directory.mkdir()
    (directory / "python3").symlink_to(Path(sys.base_prefix) / "bin" / "python3")
    if ciplug:
        (directory / "ciplug").symlink_to(Path(sys.prefix) / "bin" / "ciplug")
    others = (part for part in os.environ["PATH"].split(os.pathsep) if not Path(part, "ciplug").exists())
    return os.pathsep.join([str(directory), *others])


def _commit(checkout: Path, home: Path) -> None:
    """The emulator wants a git repository with a remote, and takes the job's project from that."""
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "GIT_CONFIG_NOSYSTEM": "1"}
    person = ("-c", "user.name=Sam Sample", "-c", "user.email=sam@acme.dev")
    for arguments in (
        ("init", "--quiet", "--initial-branch=main"),
        ("remote", "add", "origin", "git@gitlab.acme.dev:acme/shop.git"),
        ("add", "--all"),
        (*person, "commit", "--quiet", "--message=All of it"),
    ):
        subprocess.run(["git", *arguments], cwd=checkout, env=env, check=True, timeout=_LIMIT)


def _wait(process: subprocess.Popen[bytes], cancel_at: Path | None, log: Path) -> int:
    """The emulator's exit status; the job is cancelled once `cancel_at` exists."""
    deadline = time.monotonic() + _LIMIT
    while process.poll() is None:
        if cancel_at is not None and cancel_at.exists():
            _cancel(process.pid)
            cancel_at = None
        if time.monotonic() > deadline:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            pytest.fail(f"the pipeline did not end within {_LIMIT:g} s: {log.read_text(errors='replace')}")
        time.sleep(0.02)
    return process.returncode


def _cancel(emulator: int) -> None:
    """End the job's script as GitLab's runner does: SIGTERM to all of its processes, the youngest first.

    The runner then runs ``after_script``. On SIGINT or SIGTERM the emulator would end without it, and leave the script
    running, so only what its shell has started is signalled: it takes that for a failed script, and goes on. In a
    container the runner would signal ciplug's filter as well, which is no descendant of the job's shell; on a shell
    runner it signals the process group, which the filter is not in either.
    """
    shells = _children(emulator)
    for pid in sorted((pid for shell in shells for pid in _descendants(shell)), reverse=True):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def _descendants(pid: int) -> list[int]:
    return [each for child in _children(pid) for each in (child, *_descendants(child))]


def _children(parent: int) -> list[int]:
    """The processes that `parent` has started and not outlived, from the kernel's table."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if int((entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[1]) == parent:
                found.append(int(entry.name))
    return found
