"""GitLab CI, run by gitlab-ci-local: plain script lines in a filtered shell, and commands under ``ciplug run``.

Where it differs from GitLab: it mints no ID tokens (the variable is given to it), runs jobs in this machine's bash
without a container, says ``GITLAB_CI=false`` unless told otherwise, and cannot cancel a job: `_cancel` does it.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from ciplug.standins.claims import gitlab_claims
from tests.e2e.emulator import LOCK, children, commit, descendants, emulate, path_without_ciplug
from tests.e2e.project import AUDIENCE

if TYPE_CHECKING:
    from ciplug.standins.issuer import Issuer
    from tests.contract.pipelines import Pipeline, Ran
    from tests.e2e.project import Project

TEMPLATE: Final = Path(__file__).parents[2] / "gitlab" / "templates" / "ciplug.yml"
_EMULATOR: Final = Path(sys.prefix) / "node" / "node_modules" / ".bin" / "gitlab-ci-local"


class GitLabDriver:
    """Runs a checkout's pipeline; the two ways of using the template are its subclasses.

    With `requirement` the template finds no ciplug on the job's PATH and has pip install that. `token` is the ID token
    of the latest job.
    """

    name: str
    extends: str

    def __init__(self, project: Project, issuer: Issuer, folder: Path, *, requirement: str = "") -> None:
        self._project = project
        self._issuer = issuer
        self._folder = folder
        self._requirement = requirement
        self.token = ""

    def run(self, pipeline: Pipeline) -> Ran:
        """The pipeline in a checkout of its own; `pytest.fail` where the emulator is missing or does not end."""
        place = Path(tempfile.mkdtemp(dir=self._folder))
        checkout = place / "shop"
        checkout.mkdir()
        if pipeline.manifest:
            shutil.copy(self._project.manifest, checkout)
        shutil.copy(TEMPLATE, checkout / "ciplug-template.yml")
        configuration = self.configuration(pipeline, checkout)
        (checkout / ".gitlab-ci.yml").write_text(configuration, encoding="utf-8")
        claims = gitlab_claims("stranger/shop" if pipeline.stranger else "acme/shop")
        self.token = self._issuer.mint(claims, audience=AUDIENCE) if pipeline.token else ""
        return run_checkout(
            checkout,
            token=self.token,
            ciplug_on_path=not self._requirement,
            cancel_at=pipeline.cancel_at,
            read_only=pipeline.read_only,
        )

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
            *(self.first(LOCK) if pipeline.read_only else ()),
            f"  script: {_yaml(self.script(pipeline, checkout) or [':'])}",
            "  after_script:",
            "    - !reference [.ciplug, after_script]",
        ]
        after = [f"    - {_item('after', pipeline.after)}"] if pipeline.after else []
        return "\n".join([*lines, *after, ""])

    def first(self, script: str) -> list[str]:
        """The lines of a job that has its own `script` before those of the template."""
        return [
            "  before_script:",
            f"    - {_item('first', script)}",
            f"    - !reference [{self.extends}, before_script]",
        ]

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
    checkout: Path,
    *,
    token: str,
    ciplug_on_path: bool = True,
    cancel_at: Path | None = None,
    read_only: bool = False,
    **variables: str,
) -> Ran:
    """The pipeline of ``.gitlab-ci.yml`` in `checkout`, with `token` in ``VAULT_ID_TOKEN`` and `variables` set."""
    if not _EMULATOR.exists():
        pytest.fail("gitlab-ci-local is missing: run `make .venv/.node`")
    home = checkout.parent / "home"
    home.mkdir()
    commit(checkout, remote="git@gitlab.acme.dev:acme/shop.git")
    _set_variables(home, {"GITLAB_CI": "true"} | ({"VAULT_ID_TOKEN": token} if token else {}) | variables)
    return emulate(
        [str(_EMULATOR), "--shell-executor-no-image=true", "--force-shell-executor=true", "--no-shell-isolation"],
        checkout=checkout,
        env={"PATH": _path(checkout.parent / "bin", ciplug=ciplug_on_path), "HOME": str(home)},
        cancel=_cancel,
        cancel_at=cancel_at,
        read_only=read_only,
    )


def _item(title: str, script: str) -> str:
    """An item of a list. The emulator prints its first line through a double-quoted echo: a comment is safe there."""
    return _yaml(f"# {title}\n{script}")


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
    return os.pathsep.join([str(directory), path_without_ciplug()])


def _cancel(emulator: int) -> None:
    """End the job's script as GitLab's runner does: SIGTERM to all of its processes, the youngest first.

    The runner then runs ``after_script``. On SIGINT or SIGTERM the emulator would end without it, and leave the script
    running, so only what its shell has started is signalled: it takes that for a failed script, and goes on. In a
    container the runner would signal ciplug's filter as well, which is no descendant of the job's shell; on a shell
    runner it signals the process group, which the filter is not in either.
    """
    shells = children(emulator)
    for pid in sorted((pid for shell in shells for pid in descendants(shell)), reverse=True):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
