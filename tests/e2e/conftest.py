"""Real servers for the session, and a fresh project on them for each test."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import pytest
import trustme

from ciplug.standins.claims import github_claims
from ciplug.standins.issuer import Behaviour, Issuer
from ciplug.standins.openbao import OpenBao
from ciplug.vault.admin import Admin
from tests.e2e.policy_setting import new_setting
from tests.e2e.postgres import Postgres
from tests.e2e.project import lease_logins, new_project
from tests.e2e.published import published
from tests.e2e.runner_step import new_step
from tests.e2e.sync_world import sync_world

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.e2e.policy_setting import Setting
    from tests.e2e.project import Project
    from tests.e2e.runner_step import Step
    from tests.e2e.sync_world import World


class Trust(NamedTuple):
    """PEM files: a private authority, and what it gave the server at 127.0.0.1."""

    ca_file: Path
    certificate: Path
    key: Path


class RunsCiplug(Protocol):
    def __call__(
        self,
        *args: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: bytes = b"",
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[bytes]: ...


class MakesJobEnv(Protocol):
    def __call__(
        self,
        job: str = "test",
        *,
        behaviour: Behaviour | None = None,
        event: Mapping[str, object] | None = None,
        **claims: object,
    ) -> dict[str, str]: ...


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    with Issuer() as issuer:
        yield issuer


@pytest.fixture(scope="session")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Trust:
    directory = tmp_path_factory.mktemp("trust")
    trust = Trust(directory / "ca.pem", directory / "cert.pem", directory / "key.pem")
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(trust.ca_file)
    issued.cert_chain_pems[0].write_to_path(trust.certificate)
    issued.private_key_pem.write_to_path(trust.key)
    return trust


@pytest.fixture(scope="session")
def bao(trust: Trust) -> Iterator[OpenBao]:
    """The one server of the session, with both listeners. A test that seals or stops a server starts its own."""
    with OpenBao(os.environ, tls=(trust.certificate, trust.key)) as bao:
        yield bao


@pytest.fixture(scope="session")
def admin(bao: OpenBao) -> Iterator[Admin]:
    with Admin(bao.address, bao.root_token) as admin:
        yield admin


@pytest.fixture(scope="session")
def policy_bao() -> Iterator[OpenBao]:
    """A server for `ciplug policy`, which looks at every role of every JWT mount: the other one has too many."""
    with OpenBao(os.environ) as bao:
        yield bao


@pytest.fixture(scope="session")
def policy_admin(policy_bao: OpenBao) -> Iterator[Admin]:
    with Admin(policy_bao.address, policy_bao.root_token) as admin:
        yield admin


@pytest.fixture
def setting(
    tmp_path: Path, policy_bao: OpenBao, policy_admin: Admin, issuer: Issuer, ciplug: RunsCiplug
) -> Iterator[Setting]:
    """Its mount ends with the test, since each check looks at all that there are, and at all of their roles."""
    setting = new_setting(tmp_path, policy_bao, policy_admin, issuer, ciplug)
    yield setting
    setting.ask("DELETE", f"sys/auth/{setting.mount}")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    try:
        server = Postgres()
    except FileNotFoundError as err:
        pytest.fail(str(err))
    with server:
        yield server


@pytest.fixture
def project(tmp_path: Path, bao: OpenBao, admin: Admin, issuer: Issuer) -> Project:
    return new_project(tmp_path, bao, admin, issuer)


@pytest.fixture
def leased(project: Project, postgres: Postgres) -> Project:
    """The project with a database engine, and with the job ``migrate`` that reads a login from it."""
    lease_logins(project, postgres)
    return project


@pytest.fixture
def ciplug(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> RunsCiplug:
    """``python -m ciplug`` from the test's directory, in an environment of PATH, HOME and what it is given."""
    home = tmp_path_factory.mktemp("home")

    def run(
        *args: str,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        stdin: bytes = b"",
        timeout: float = 60,
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [sys.executable, "-m", "ciplug", *args],
            cwd=cwd or tmp_path,
            env={"PATH": os.environ["PATH"], "HOME": str(home)} | dict(env or {}),
            input=stdin,
            capture_output=True,
            timeout=timeout,
        )

    return run


@pytest.fixture
def job_env(issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> MakesJobEnv:
    """What GitHub's runner gives a job with these claims, its token endpoint included.

    ``issuer.requests(env["ACTIONS_ID_TOKEN_REQUEST_URL"])`` has what the job then asked for.
    """

    def make(
        job: str = "test",
        *,
        behaviour: Behaviour | None = None,
        event: Mapping[str, object] | None = None,
        **claims: object,
    ) -> dict[str, str]:
        said = github_claims(**claims)  # type: ignore[arg-type]  # any claim may be given, odd ones as well
        endpoint = issuer.github_endpoint(said, behaviour=behaviour)
        runner = tmp_path_factory.mktemp("runner")
        payload = event or {"repository": {"full_name": said["repository"]}}
        (runner / "event.json").write_text(json.dumps(payload), encoding="utf-8")
        files = {f"GITHUB_{name}": runner / name.lower() for name in ("ENV", "OUTPUT", "PATH", "STATE", "STEP_SUMMARY")}
        for file in files.values():
            file.touch()
        (runner / "temp").mkdir()
        return {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_PATH": str(runner / "event.json"),
            "GITHUB_JOB": job,
            "GITHUB_SERVER_URL": "https://github.com",
            "RUNNER_OS": "Linux",
            "RUNNER_TEMP": str(runner / "temp"),
            "ACTIONS_ID_TOKEN_REQUEST_URL": endpoint.request_url,
            "ACTIONS_ID_TOKEN_REQUEST_TOKEN": endpoint.request_token,
            **{name: str(file) for name, file in files.items()},
            **{f"GITHUB_{name.upper()}": str(said[name]) for name in _CLAIMS_IN_ENVIRONMENT if said[name] is not None},
        }

    return make


_CLAIMS_IN_ENVIRONMENT: Final = (
    *("actor", "base_ref", "event_name", "head_ref", "ref", "ref_type", "repository", "repository_id"),
    *("repository_owner", "run_attempt", "run_id", "run_number", "sha", "workflow", "workflow_ref"),
)


@pytest.fixture
def step(tmp_path: Path) -> Step:
    """A step of a workflow on a runner whose tool cache is empty."""
    return new_step(tmp_path / "runner")


@pytest.fixture
def cached(step: Step) -> Step:
    """A step on a runner that has ciplug in its tool cache, and has no index to get it from."""
    shutil.copytree(published().tool_cache, step.env["RUNNER_TOOL_CACHE"], symlinks=True, dirs_exist_ok=True)
    return step._replace(env=step.env | {"PIP_FIND_LINKS": step.env["RUNNER_TEMP"]})


@pytest.fixture
def world(project: Project) -> Iterator[World]:
    with sync_world(project) as world:
        yield world
