"""``ciplug doctor`` in a job: every step with its sign, the remedy of the one that fails, nothing handed over."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from ciplug.standins.claims import github_claims, gitlab_claims
from ciplug.standins.openbao import find_bao
from ciplug.vault.admin_auth import JwtRole
from tests.e2e.diagnoses import checks
from tests.e2e.outside import assert_refused, command_line, nothing_left, token_env
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
    project.admin.write_policy("shop-test", f'path "{project.kv_mount}/data/app/dev/*" {{ capabilities = ["read"] }}')
    with nothing_left(project):
        done = ciplug("doctor", "--job", "test", "--format", "json", env=job_env())
    assert done.returncode == 20
    (failed,) = checks(done, "failed")
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
        policies=("shop-test",),
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
    findings = checks(done)
    (found,) = [finding for finding in findings if finding["check"] == "exposure"]
    assert found["state"] == state
    assert "CI_DEBUG_TRACE" in found["text"]
    assert ("CIPLUG_ALLOW_DEBUG_TRACE" in found["remedy"]) is (state == "failed")
    assert {"identity", "vault"} <= {finding["check"] for finding in findings}


def test_a_vault_login_of_ones_own_reads_the_role_beside_the_token(
    project: Project, ciplug: RunsCiplug, issuer: Issuer
) -> None:
    role = JwtRole(
        name="shop-test",
        bound_audiences=(AUDIENCE, "another"),
        bound_claims={"project_path": ["acme/shop", "acme/web"], "ref_protected": True},
        policies=("default",),
    )
    project.admin.jwt.write_role(role, project.auth_mount)
    mark = project.bao.mark()
    env = token_env(issuer, gitlab_claims()) | {"VAULT_TOKEN": project.bao.root_token.reveal().decode()}
    done = ciplug("doctor", env=env)
    told = done.stdout.decode()
    assert done.returncode == 20
    assert "✓ claim aud: " in told
    assert "✓ claim iss: " in told
    assert '✓ claim project_path: "acme/shop", as role shop-test wants it' in told
    assert '✗ claim ref_protected: "true", role shop-test wants true: the types differ' in told
    assert told.count("✗") == 1
    assert "• login: not tried" in told
    assert project.logins_since(mark) == 0
    assert_no_leak(done.stdout + done.stderr, [env["VAULT_TOKEN"], env["CIPLUG_ID_TOKEN"]])


def test_a_role_that_may_not_be_read_is_known_by_what_the_vault_says(
    project: Project, ciplug: RunsCiplug, issuer: Issuer
) -> None:
    own = project.admin.create_token(policies=["default"])
    env = token_env(issuer, github_claims("evil/shop")) | {"VAULT_TOKEN": own.reveal().decode()}
    told = ciplug("doctor", env=env).stdout.decode()
    assert "• role: " in told
    assert "✗ claim repository: the vault rejected" in told
    assert told.count("✗") == 1


def test_a_remedy_of_several_lines_can_be_pasted(project: Project, ciplug: RunsCiplug) -> None:
    done = ciplug("doctor", "--job", "test", env={"CI": "true", "GITHUB_ACTIONS": "true"})
    assert "\n      permissions:\n        id-token: write\n        contents: read\n" in done.stdout.decode()


def test_the_last_line_has_of_a_remedy_what_can_stand_in_one(project: Project, ciplug: RunsCiplug) -> None:
    done = ciplug("doctor", "--job", "test", env={"CI": "true", "GITHUB_ACTIONS": "true"})
    annotation, last = done.stderr.decode().splitlines()[-2:]
    hint = 'add "permissions: id-token: write" to the job (and "contents: read", which it then no longer has)'
    assert last == f"ciplug: error: findings: 1 problem found, first: identity. Next: {hint}"
    assert annotation.endswith(f". Next: {hint}")


def test_for_programs_there_is_one_document(project: Project, ciplug: RunsCiplug, job_env: MakesJobEnv) -> None:
    done = ciplug("doctor", "--job", "test", "--format", "json", env=job_env())
    document = json.loads(done.stdout)
    found = document.pop("checks")
    assert document == {"format": 1, "host": "github", "job": "test", "environment": "dev"}
    assert [sorted(check) for check in found] == [["check", "remedy", "state", "text"]] * len(found)
    assert {check["state"] for check in found} == {"ok"}


def test_a_claim_is_no_command_for_the_host(project: Project, ciplug: RunsCiplug, issuer: Issuer) -> None:
    env = token_env(issuer, github_claims("x\n::add-mask::y\n##[error]z")) | {"GITHUB_ACTIONS": "true", "CI": "true"}
    done = ciplug("doctor", env=env)
    assert done.returncode == 20
    assert not [line for line in done.stdout.splitlines() if line.startswith((b"::", b"##"))]
    assert b"##[" not in done.stdout


@pytest.mark.parametrize("command", [("doctor",), ("fetch", "--to", "json"), ("run", "--", "true")])
def test_an_issuer_with_a_line_end_is_no_command_for_the_host(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, command: tuple[str, ...]
) -> None:
    claims = github_claims() | {"iss": "https://x.dev\n::stop-commands::y\n  ::stop-commands::z"}
    done = ciplug(*command, env=token_env(issuer, claims) | {"GITHUB_ACTIONS": "true", "CI": "true"})
    lines = (done.stdout + done.stderr).splitlines()
    assert done.returncode != 0
    assert not [line for line in lines if line.lstrip().startswith(b"::stop-commands::")]
    assert not [line for line in lines if b"bound_issuer" in line or b"oidc_discovery_url" in line]


def test_an_address_that_is_down_beside_one_that_answers_is_no_cause(
    project: Project, ciplug: RunsCiplug, job_env: MakesJobEnv
) -> None:
    addresses = f"http://127.0.0.1:1,{project.bao.address}"
    done = ciplug("doctor", "--job", "test", env=job_env() | {"VAULT_ADDR": addresses})
    told = done.stdout.decode()
    assert done.returncode == 0, told
    assert "• vault: vault not reachable at http://127.0.0.1:1" in told
    assert f"✓ vault: {project.bao.address} answers" in told


FETCH = ("fetch", "--to", "json")
RUN = ("run", "--", "true")


@pytest.mark.parametrize("command", [FETCH, RUN], ids=["fetch", "run"])
def test_a_rejected_job_is_told_what_the_doctor_knows(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, command: tuple[str, ...]
) -> None:
    project.replace_unapplied('github = "acme/shop"', 'github = "acme/shop"\ngithub_id = 74')
    env = token_env(issuer, github_claims("acme/store"))
    mark = project.bao.mark()
    done = ciplug(*command, env=env)
    words = (
        *('the token has repository "acme/store"', 'project.github wants "acme/shop"'),
        *('it was renamed (its id is the same): set github = "acme/store"', "`ciplug doctor --job test`"),
    )
    assert_refused(done, 6 if command == FETCH else 125, "login-rejected", *words, env=env, project=project)
    assert len(project.bao.requests_since(mark)) == 1


@pytest.mark.parametrize("command", [FETCH, RUN], ids=["fetch", "run"])
def test_a_denied_job_is_told_of_every_record_with_one_more_request(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, command: tuple[str, ...]
) -> None:
    project.admin.write_policy("shop-test", 'path "nothing" { capabilities = ["read"] }')
    env = token_env(issuer, github_claims())
    mark = project.bao.mark()
    with nothing_left(project):
        done = ciplug(*command, env=env)
    mount = project.kv_mount
    words = (
        f'path "{mount}/data/app/dev/db" {{ capabilities = ["read"] }}',
        f'path "{mount}/data/common/npm" {{ capabilities = ["read"] }}',
        *("no right to read", "; nor ", "role shop-test", "`ciplug doctor --job test`"),
    )
    assert_refused(done, 6 if command == FETCH else 125, "denied", *words, env=env, project=project)
    assert len(project.bao.requests_since(mark, path="sys/capabilities-self")) == 1


@pytest.mark.parametrize("command", [FETCH, RUN], ids=["fetch", "run"])
def test_a_missing_record_comes_with_the_command_that_writes_it(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, command: tuple[str, ...]
) -> None:
    project.replace('ref = "db#url"', 'ref = "database#url"')
    env = token_env(issuer, github_claims())
    done = ciplug(*command, env=env)
    words = (f"bao kv put -mount={project.kv_mount} app/dev/database url=-", "`ciplug doctor --job test`")
    assert_refused(done, 7 if command == FETCH else 125, "missing", *words, env=env, project=project)


@pytest.mark.parametrize("command", [FETCH, RUN], ids=["fetch", "run"])
def test_a_job_outside_its_environment_is_told_where_there_is_more(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, command: tuple[str, ...]
) -> None:
    env = token_env(issuer, github_claims(environment="production", ref="refs/heads/x")) | {"CIPLUG_JOB": "deploy"}
    done = ciplug(*command, env=env)
    words = ('claim ref is "refs/heads/x"', "`ciplug doctor --job deploy` shows every step")
    assert_refused(done, 3 if command == FETCH else 125, "identity", *words, env=env, project=project)


def test_the_command_for_a_missing_record_mends_it(project: Project, ciplug: RunsCiplug, issuer: Issuer) -> None:
    """As it is printed, with the value on stdin."""
    project.replace('ref = "db#url"', 'ref = "database#url"')
    env = token_env(issuer, github_claims())
    told = checks(ciplug("doctor", "--format", "json", env=env))[-1]["remedy"]
    pasted = told.partition("stdin: ")[2].partition(";")[0].replace("bao", str(find_bao(os.environ)), 1)
    admin = {"BAO_ADDR": project.bao.address, "BAO_TOKEN": project.bao.root_token.reveal().decode()}
    subprocess.run(pasted, shell=True, check=True, input=b"a new value", env=os.environ | admin, capture_output=True)
    assert json.loads(ciplug(*FETCH, env=env).stdout)["DATABASE_URL"] == "a new value"
