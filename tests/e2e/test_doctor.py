"""``ciplug doctor`` in a job: every step with its sign, the remedy of the one that fails, nothing handed over."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from ciplug.standins.claims import github_claims
from ciplug.vault.admin_auth import JwtRole
from tests.e2e.outside import command_line, nothing_left, token_env
from tests.e2e.project import AUDIENCE
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
    token = project.admin.create_token(policies=["default"])
    done = ciplug("doctor", "--job", "test", env={"VAULT_TOKEN": token.reveal().decode()})
    told = done.stdout.decode()
    assert done.returncode == 20
    assert "add to a policy of your own vault login" in told
    assert "role" not in told.partition("✗ rights")[2]
    assert project.admin.token_is_alive(token)


def test_a_token_that_nobody_knows_is_no_login(project: Project, ciplug: RunsCiplug) -> None:
    done = ciplug("doctor", "--job", "test", env={"VAULT_TOKEN": "s.nobody-knows-this-token"})
    assert done.returncode == 20
    assert "✗ login: the vault does not accept the token" in done.stdout.decode()


def test_a_token_that_cannot_be_revoked_is_a_finding(
    project: Project, ciplug: RunsCiplug, job_env: MakesJobEnv
) -> None:
    role = JwtRole(
        name="shop-test",
        bound_audiences=(AUDIENCE,),
        bound_claims={"repository": "acme/shop"},
        policies=(f"{project.auth_mount}-test",),
        token_type="batch",
    )
    project.admin.jwt.write_role(role, project.auth_mount)
    done = ciplug("doctor", "--job", "test", env=job_env())
    assert done.returncode == 20
    assert "✗ revoke: the vault token is a batch token and cannot be revoked" in done.stdout.decode()


@pytest.mark.parametrize("arguments", [["doctor", "--job", "test"], ["check", "--schema"], ["--help"]])
def test_a_reader_that_is_gone_is_no_bug(project: Project, job_env: MakesJobEnv, arguments: list[str]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    env = job_env() | {"PATH": os.environ["PATH"]}
    with nothing_left(project):
        done = subprocess.run(
            command_line(*arguments), cwd=project.directory, env=env, stdout=writing, stderr=subprocess.PIPE
        )
    os.close(writing)
    assert (done.returncode, done.stderr) == (8, b"")


def test_a_branch_outside_only_if_never_reaches_the_login(project: Project, ciplug: RunsCiplug, issuer: Issuer) -> None:

    mark = project.bao.mark()
    env = token_env(issuer, github_claims(ref="refs/heads/feature"))
    done = ciplug("doctor", "--job", "deploy", env=env)
    assert done.returncode == 20
    assert '✗ only_if: this job is outside environment prod: claim ref is "refs/heads/feature"' in done.stdout.decode()
    assert project.logins_since(mark) == 0


@pytest.mark.parametrize(("accepted", "state"), [("", "failed"), ("true", "note")])
def test_a_host_that_shows_everything_is_a_finding_among_the_others(
    project: Project, ciplug: RunsCiplug, accepted: str, state: str
) -> None:
    env = {"GITLAB_CI": "true", "CI_DEBUG_TRACE": "true", "CIPLUG_ALLOW_DEBUG_TRACE": accepted}
    done = ciplug("doctor", "--job", "test", "--format", "json", env=env)
    findings = json.loads(done.stdout)
    (found,) = [finding for finding in findings if finding["check"] == "exposure"]
    assert found["state"] == state
    assert "CI_DEBUG_TRACE" in found["text"]
    assert ("CIPLUG_ALLOW_DEBUG_TRACE" in found["remedy"]) is (state == "failed")
    assert {"identity", "vault"} <= {finding["check"] for finding in findings}
