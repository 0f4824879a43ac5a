"""Jenkins as the tests have it: the shared library in ``jenkins/``, run by Groovy 2.4.21 and the tests' harness."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ciplug.frozen import frozen
from ciplug.standins.claims import jenkins_claims
from tests.contract.pipelines import Ran
from tests.e2e.emulator import LIMIT, LOCK, commit, held_by_modes, path_without_ciplug
from tests.e2e.project import AUDIENCE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.standins.issuer import Issuer
    from tests.contract.pipelines import Pipeline
    from tests.e2e.project import Project

ROOT: Final = Path(__file__).parents[2]
HARNESS: Final = Path(__file__).parent / "jenkins"
JOB_URL: Final = "https://ci.acme.dev/job/shop/"
STRANGER_URL: Final = "https://ci.acme.dev/job/stranger/"
CREDENTIAL: Final = "vault-id-token"

_RESULTS: Final = {0: "SUCCESS", 1: "FAILURE", 2: "ABORTED"}
_JVM: Final = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Dfile.encoding=UTF-8 -Dsun.stdout.encoding=UTF-8"


class Built(NamedTuple):
    """One build: its result, its whole log, each step with its arguments, and the stand-in for ``program.dat``."""

    result: str
    log: bytes
    steps: tuple[dict[str, Any], ...]
    program: bytes
    workspace: Path

    def named(self, step: str) -> list[list[Any]]:
        """The arguments of every step of that name, in order."""
        return [one["arguments"] for one in self.steps if one["step"] == step]


@frozen
class Agent:
    """What a build finds: the library, the `credentials` by id, plugins, and the environment of the agent."""

    folder: Path
    credentials: Mapping[str, str]
    env: Mapping[str, str]
    library: Path = ROOT / "jenkins"
    unix: bool = True
    mask_passwords: bool = True
    installed: bool = True
    read_only: bool = False

    def build(self, jenkinsfile: str, files: Mapping[str, str], *, abort_at: Path | None = None) -> Built:
        """Run `jenkinsfile` on a fresh agent, with `files` in its repository; abort it once `abort_at` exists."""
        shutil.rmtree(self.folder, ignore_errors=True)
        settings = self._settings(_repository(self.folder / "repository", files), jenkinsfile)
        log = self.folder / "log"
        with log.open("wb") as stdout, _harness(self.folder, stdout, read_only=self.read_only) as process:
            try:
                _wait(process, abort_at)
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        assert process.returncode in _RESULTS, f"the harness failed:\n{log.read_text(errors='replace')}"
        record = Path(settings["record"]).read_text(encoding="utf-8").splitlines()
        return Built(
            result=_RESULTS[process.returncode],
            log=log.read_bytes(),
            steps=tuple(json.loads(line) for line in record),
            program=Path(settings["program"]).read_bytes(),
            workspace=Path(settings["workspace"]),
        )

    def _settings(self, repository: Path, jenkinsfile: str) -> dict[str, Any]:
        workspace = self.folder / "workspace" / "shop"
        files = {name: self.folder / name for name in ("Jenkinsfile", "credentials", "record", "program")}
        for file in files.values():
            file.touch(mode=0o600)
        files["Jenkinsfile"].write_text(jenkinsfile, encoding="utf-8")
        files["credentials"].write_text(json.dumps(dict(self.credentials)), encoding="utf-8")
        settings = {
            **{name.lower(): str(file) for name, file in files.items()},
            "library": str(self.library),
            "repository": str(repository),
            "workspace": str(workspace),
            "env": self._environment(workspace) | dict(self.env),
            "unix": self.unix,
            "maskPasswords": self.mask_passwords,
        }
        (self.folder / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
        return settings

    def _environment(self, workspace: Path) -> dict[str, str]:
        """What Jenkins and the agent set for a build of the job ``shop``."""
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        return {
            "PATH": f"{_launcher(self.folder)}:{os.environ['PATH']}" if self.installed else path_without_ciplug(),
            "HOME": str(home),
            "CI": "true",
            "JENKINS_URL": "https://ci.acme.dev/",
            "JOB_NAME": "shop",
            "JOB_URL": JOB_URL,
            "BUILD_NUMBER": "42",
            "BUILD_TAG": "jenkins-shop-42",
            "BUILD_URL": f"{JOB_URL}42/",
            "NODE_NAME": "built-in",
            "WORKSPACE": str(workspace),
            "WORKSPACE_TMP": f"{workspace}@tmp",
        }


def groovy_string(text: str) -> str:
    """`text` as a Groovy literal in which nothing is expanded."""
    escapes = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "$": "\\$"}
    return "'" + "".join(escapes.get(character, character) for character in text) + "'"


def id_token(issuer: Issuer, job_url: str = JOB_URL) -> str:
    """What the OpenID Connect provider plugin would bind in a build of that job."""
    return issuer.mint(jenkins_claims(job_url, audience=AUDIENCE), audience=AUDIENCE)


class _Driver:
    """A pipeline as a Jenkinsfile; the subclass says how its steps are written."""

    name = ""

    def __init__(self, project: Project, issuer: Issuer, folder: Path) -> None:
        self._project = project
        self._issuer = issuer
        self._folder = folder

    def run(self, pipeline: Pipeline) -> Ran:
        """Run it as a build of the job ``shop``, or of ``stranger``, on a fresh agent."""
        token = id_token(self._issuer, STRANGER_URL if pipeline.stranger else JOB_URL)
        agent = Agent(
            folder=self._folder / "jenkins",
            credentials={CREDENTIAL: token} if pipeline.token else {},
            env={},
            read_only=pipeline.read_only,
        )
        files = {"ciplug.toml": self._project.manifest.read_text(encoding="utf-8")} if pipeline.manifest else {}
        built = agent.build(self._jenkinsfile(pipeline), files, abort_at=pipeline.cancel_at)
        return Ran(ok=built.result == "SUCCESS", log=built.log)

    def _jenkinsfile(self, pipeline: Pipeline) -> str:
        # withEnv expands dollar signs; two of them are one.
        env = [groovy_string(f"{name}={value.replace('$', '$$')}") for name, value in pipeline.env.items()]
        after = f"sh {groovy_string(pipeline.after)}" if pipeline.after else ""
        lock = f"    sh {groovy_string(LOCK)}\n" if pipeline.read_only else ""
        return (
            "@Library('ciplug') _\n"
            f"node {{\n    checkout scm\n{lock}"
            f"    withEnv([{', '.join(env)}]) {{\n        try {{\n{self.steps(pipeline)}"
            f"        }} finally {{\n            {after}\n        }}\n    }}\n}}\n"
        )

    def steps(self, pipeline: Pipeline) -> str:
        """The part of the Jenkinsfile that has the secrets."""
        raise NotImplementedError

    def parameters(self, pipeline: Pipeline) -> str:
        """Those that say which job it is."""
        environment = f", environment: {groovy_string(pipeline.environment)}" if pipeline.environment else ""
        return f"job: {groovy_string(pipeline.job)}{environment}"


class JenkinsStep(_Driver):
    """Each step is a ``ciplug`` step with a session of its own."""

    name = "jenkins-step"

    def steps(self, pipeline: Pipeline) -> str:
        """One ``ciplug`` for each."""
        parameters = self.parameters(pipeline)
        return "".join(f"ciplug({parameters}, script: {groovy_string(step)})\n" for step in pipeline.steps)


class JenkinsBlock(_Driver):
    """All steps share the session of one ``withCiplug`` block."""

    name = "jenkins-block"

    def steps(self, pipeline: Pipeline) -> str:
        """One block, with a ``ciplugSh`` for each."""
        lines = "".join(f"ciplugSh {groovy_string(step)}\n" for step in pipeline.steps)
        return f"withCiplug({self.parameters(pipeline)}) {{\n{lines}}}\n"


def _harness(folder: Path, stdout: Any, *, read_only: bool) -> subprocess.Popen[bytes]:
    groovy, java = shutil.which("groovy"), shutil.which("java")
    assert groovy, "groovy is missing: apt-get install groovy"
    assert java, "java is missing: apt-get install default-jdk-headless"
    home = os.environ.get("JAVA_HOME") or str(Path(java).resolve().parents[1])
    # Nothing of the test's own environment; without a UTF-8 locale the JVM cannot name every file.
    env = {"PATH": os.environ["PATH"], "HOME": str(folder / "home"), "JAVA_HOME": home, "LC_ALL": "C.UTF-8"}
    command = [groovy, "-cp", str(HARNESS), str(HARNESS / "harness.groovy"), str(folder / "settings.json")]
    return subprocess.Popen(
        [*held_by_modes(), *command] if read_only else command,
        cwd=folder,
        env=env | {"JAVA_OPTS": _JVM},
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _wait(process: subprocess.Popen[bytes], abort_at: Path | None) -> None:
    """Wait for the end. Jenkins tells the controller to abort; here the process that stands for it gets SIGTERM."""
    deadline = time.monotonic() + LIMIT
    while abort_at is not None and not abort_at.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    if abort_at is not None:
        process.send_signal(signal.SIGTERM)
    process.wait(max(1.0, deadline - time.monotonic()))


def _repository(folder: Path, files: Mapping[str, str]) -> Path:
    """A git repository with one commit that has `files`."""
    folder.mkdir(parents=True)
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    commit(folder, remote="https://git.acme.dev/acme/shop.git")
    return folder


def _launcher(folder: Path) -> Path:
    """A folder with a ``ciplug`` that is this working copy's."""
    bin_folder = folder / "bin"
    bin_folder.mkdir(exist_ok=True)
    launcher = bin_folder / "ciplug"
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m ciplug "$@"\n', encoding="utf-8")
    launcher.chmod(0o755)
    return bin_folder
