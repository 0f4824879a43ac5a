"""The same cases on GitHub Actions, GitLab CI and Jenkins, in every way in which ciplug is used there.

Each host is its real emulator, and behind all of them stand one OIDC issuer, one OpenBao and one PostgreSQL.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.contract.cases import CASES, Scene
from tests.e2e.hosts_github import GitHubFetch, GitHubRun
from tests.e2e.hosts_gitlab import GitLabFiltered, GitLabRun
from tests.e2e.hosts_jenkins import JenkinsBlock, JenkinsStep
from tests.e2e.outside import credentials, nothing_left
from tests.e2e.project import lease_logins, open_to_every_host
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from pathlib import Path

    from ciplug.standins.issuer import Issuer
    from tests.contract.cases import Case
    from tests.contract.pipelines import Driver
    from tests.e2e.postgres import Postgres
    from tests.e2e.project import Project

DRIVERS = {
    driver.name: driver for driver in (GitHubFetch, GitHubRun, GitLabFiltered, GitLabRun, JenkinsBlock, JenkinsStep)
}

CREDENTIAL = re.compile(rb"eyJ[A-Za-z0-9_-]{8,}|\bhv[sb]\.[A-Za-z0-9_-]{8,}|\bs\.[A-Za-z0-9]{20,}")
"""A JWT, or a vault token."""


@pytest.fixture
def driver(request: pytest.FixtureRequest, project: Project, issuer: Issuer, tmp_path: Path) -> Driver:
    open_to_every_host(project, issuer)
    folder = tmp_path / "host"
    folder.mkdir()
    return DRIVERS[request.param](project, issuer, folder)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("driver", DRIVERS, indirect=True)
def test_a_job_behaves_the_same_on_every_host(
    case: Case, driver: Driver, project: Project, postgres: Postgres, tmp_path: Path
) -> None:
    if case.leased:
        lease_logins(project, postgres)
    scene = Scene(project=project, evidence=tmp_path / "evidence")
    scene.evidence.mkdir()
    pipeline = case.pipeline(scene)

    with nothing_left(project):
        ran = driver.run(pipeline)

    text = ran.log.decode(errors="replace")
    case.then(scene, ran)
    assert ran.ok is case.ok, text
    assert not [words for words in case.says if words not in text], text
    assert_no_leak(ran.log, [*credentials(project), *scene.private])
    assert not CREDENTIAL.search(ran.log)
