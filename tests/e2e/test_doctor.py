"""``ciplug doctor`` in a job: every step with its sign, the remedy of the one that fails, nothing handed over."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ciplug.standins.claims import github_claims
from tests.e2e.outside import nothing_left, token_env
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from ciplug.standins.issuer import Issuer
    from tests.e2e.conftest import MakesJobEnv, RunsCiplug
    from tests.e2e.project import Project


def test_a_sound_job_has_no_cross(project: Project, ciplug: RunsCiplug, job_env: MakesJobEnv) -> None:
    mark = project.bao.mark()
    with nothing_left(project):
        done = ciplug("doctor", "--job", "test", env=job_env())
    assert done.returncode == 0, done.stderr
    assert "✗" not in done.stdout.decode()
    assert project.logins_since(mark) == 1
    assert_no_leak(done.stdout + done.stderr, project.values["dev"].values())


def test_a_missing_right_has_the_line_for_the_policy(
    project: Project, ciplug: RunsCiplug, job_env: MakesJobEnv
) -> None:
    project.append('\n[secrets.OTHER]\nref = "//common/deep/other#x"\n')
    project.replace('secrets = ["DATABASE_URL", "NPM_TOKEN"]\n', 'secrets = ["DATABASE_URL", "OTHER"]\n')
    project.admin.write_policy(
        f"{project.auth_mount}-test", f'path "{project.kv_mount}/data/app/dev/*" {{ capabilities = ["read"] }}'
    )
    with nothing_left(project):
        done = ciplug("doctor", "--job", "test", "--format", "json", env=job_env())
    assert done.returncode == 20
    (failed,) = [finding for finding in json.loads(done.stdout) if finding["state"] == "failed"]
    assert failed["check"] == "rights"
    assert f'path "{project.kv_mount}/data/common/deep/other" {{ capabilities = ["read"] }}' in failed["remedy"]


def test_a_person_is_not_told_of_a_role(project: Project, ciplug: RunsCiplug) -> None:
    done = ciplug("doctor", "--job", "test", env={"VAULT_TOKEN": "s.nobody-knows-this-token"})
    assert done.returncode == 20
    assert "shop-test" not in done.stdout.decode().split("login:")[-1]


def test_a_branch_outside_only_if_never_reaches_the_login(project: Project, ciplug: RunsCiplug, issuer: Issuer) -> None:

    mark = project.bao.mark()
    env = token_env(issuer, github_claims(ref="refs/heads/feature"))
    done = ciplug("doctor", "--job", "deploy", env=env)
    assert done.returncode == 20
    assert '✗ only_if: this job is outside environment prod: claim ref is "refs/heads/feature"' in done.stdout.decode()
    assert project.logins_since(mark) == 0
