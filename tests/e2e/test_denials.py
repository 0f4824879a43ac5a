"""Every way not to get a secret: its exit status, its one line of cause, and that nothing is handed over or left."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from ciplug.standins.claims import github_claims
from ciplug.standins.openbao import OpenBao
from ciplug.vault.admin import Admin
from tests.e2e.outside import assert_refused, nothing_left, token_env
from tests.e2e.project import new_project

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ciplug.standins.issuer import Issuer
    from tests.e2e.conftest import MakesJobEnv, RunsCiplug
    from tests.e2e.project import Project

FETCH = ("fetch", "--to", "json")


def in_manifest(old: str, new: str) -> Callable[[Project], None]:
    return lambda project: project.replace_unapplied(old, new)


def appended(toml: str) -> Callable[[Project], None]:
    return lambda project: project.append(toml)


def another_secret(ref: str) -> Callable[[Project], None]:
    def change(project: Project) -> None:
        project.replace('secrets = ["DATABASE_URL", "NPM_TOKEN"]', 'secrets = ["DATABASE_URL", "ANOTHER"]')
        project.append(f'\n[secrets.ANOTHER]\nref = "{ref}"\nowner = "platform"\n')

    return change


def delete(project: Project) -> None:
    project.admin.kv.delete(project.kv_mount, "app/dev/db", [1])


def destroy(project: Project) -> None:
    project.admin.kv.destroy(project.kv_mount, "app/dev/db", [1])


def put(data: dict[str, object]) -> Callable[[Project], None]:
    return lambda project: project.put("app/dev/db", data) and None


VAULT_SAYS_NO: dict[str, tuple[Callable[[Project], None], int, str, tuple[str, ...]]] = {
    "unknown role": (in_manifest("[jobs.test]\n", '[jobs.test]\nrole = "nope"\n'), 6, "login-rejected", ('"nope"',)),
    "wrong auth mount": (in_manifest('auth_mount = "', 'auth_mount = "no-'), 6, "login-rejected", ("auth mount",)),
    "missing record": (another_secret("nothing#x"), 7, "missing", ("ANOTHER", "nothing", "owner: platform")),
    "missing version": (another_secret("db@7#url"), 7, "missing", ("ANOTHER", "@7")),
    "missing field": (put({"uri": "x"}), 7, "missing", ("DATABASE_URL", "no field url", "'uri'")),
    "empty field": (put({"url": ""}), 7, "missing", ("field url", "is empty")),
    "null field": (put({"url": None}), 7, "missing", ("field url", "is empty")),
    "deleted version": (delete, 7, "missing", ("version 1", "was deleted", "DATABASE_URL", "owner: payments")),
    "destroyed version": (destroy, 7, "missing", ("version 1", "was destroyed")),
    "v2 mount read as v1": (in_manifest('shared = ["common"]', 'kv_version = 1\nshared = ["common"]'), 6, "denied", ()),
    "unknown namespace": (in_manifest("[vault]\n", '[vault]\nnamespace = "nowhere"\n'), 4, "vault", ('"nowhere"',)),
}


@pytest.mark.parametrize("case", VAULT_SAYS_NO)
def test_what_the_vault_refuses_has_its_own_exit_status_and_leaves_nothing(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory, case: str
) -> None:
    change, status, cause, words = VAULT_SAYS_NO[case]
    change(project)
    state = tmp_path_factory.mktemp("state")
    env = token_env(issuer, github_claims()) | {"XDG_RUNTIME_DIR": str(state)}
    with nothing_left(project, state):
        done = ciplug(*FETCH, env=env)
    assert_refused(done, status, cause, *words, env=env, project=project)


def test_a_record_outside_the_policy_is_denied_by_name(project: Project, ciplug: RunsCiplug, issuer: Issuer) -> None:
    project.replace('shared = ["common"]', 'shared = ["common", "platforms"]')
    project.append('\n[secrets.ANOTHER]\nref = "//platforms/vercel#token"\n')
    project.replace_unapplied('secrets = ["DATABASE_URL", "NPM_TOKEN"]', 'secrets = ["DATABASE_URL", "ANOTHER"]')
    project.put("platforms/vercel", {"token": "x" * 20})
    env = token_env(issuer, github_claims())
    with nothing_left(project):
        done = ciplug(*FETCH, env=env)
    assert_refused(done, 6, "denied", "platforms/vercel", "no right to read", env=env, project=project)


def test_all_that_is_missing_is_named_at_once(project: Project, ciplug: RunsCiplug, issuer: Issuer) -> None:
    another_secret("nothing#x")(project)
    put({"other": "x"})(project)
    env = token_env(issuer, github_claims())
    assert_refused(ciplug(*FETCH, env=env), 7, "missing", "DATABASE_URL", "ANOTHER", env=env, project=project)


def test_only_an_optional_secret_may_be_absent(project: Project, ciplug: RunsCiplug, issuer: Issuer) -> None:
    another_secret("nothing#x")(project)
    project.append("optional = true\n")
    done = ciplug(*FETCH, env=token_env(issuer, github_claims()))
    assert done.returncode == 0
    assert b"ANOTHER" not in done.stdout
    assert b"DATABASE_URL" in done.stdout


TOKENS: dict[str, tuple[dict[str, object], dict[str, Any], tuple[str, ...]]] = {
    "expired": ({}, {"lifetime": -120}, ("expired", "clock")),
    "wrong claim": ({"repository": "acme/fork"}, {}, ('claim "repository"', 'the token has repository "acme/fork"')),
    "wrong issuer": ({"iss": "https://elsewhere"}, {}, ("issuer",)),
    "unknown key": ({}, {"headers": {"kid": "another"}}, ("signature",)),
}


@pytest.mark.parametrize("case", TOKENS)
def test_a_token_that_the_vault_rejects_is_explained(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, case: str
) -> None:
    claims, options, words = TOKENS[case]
    env = token_env(issuer, github_claims() | claims, **options)
    with nothing_left(project):
        done = ciplug(*FETCH, env=env)
    assert_refused(done, 6, "login-rejected", "shop-test", *words, env=env, project=project)


WITHOUT_THE_VAULT: dict[str, tuple[str, dict[str, object], dict[str, Any], tuple[str, ...]]] = {
    "another audience": ("test", {}, {"audience": "https://elsewhere"}, ("https://elsewhere", "audience")),
    "no environment claim": ("deploy", {}, {}, ("only_if", "environment is missing", "production")),
    "another ref": ("deploy", {"environment": "production", "ref": "refs/heads/x"}, {}, ("ref is", "refs/heads/main")),
}


@pytest.mark.parametrize("case", WITHOUT_THE_VAULT)
@pytest.mark.parametrize("command", [FETCH, ("run", "--", "true")], ids=["fetch", "run"])
def test_what_cannot_succeed_reaches_no_vault(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, case: str, command: tuple[str, ...]
) -> None:
    job, claims, options, words = WITHOUT_THE_VAULT[case]
    env = token_env(issuer, github_claims(**claims), **options) | {"CIPLUG_JOB": job}  # type: ignore[arg-type]
    mark = project.bao.mark()
    done = ciplug(*command, env=env)
    assert_refused(done, 3 if command == FETCH else 125, "identity", *words, env=env, project=project)
    assert project.bao.requests_since(mark) == []


def test_a_pull_request_from_a_fork_is_named_as_such_and_reaches_no_vault(
    project: Project, ciplug: RunsCiplug, job_env: MakesJobEnv, tmp_path: Path
) -> None:
    event = {
        "pull_request": {
            "head": {"repo": {"full_name": "stranger/shop"}},
            "base": {"repo": {"full_name": "acme/shop"}},
        }
    }
    env = job_env(event=event, event_name="pull_request", ref="refs/pull/7/merge")
    del env["ACTIONS_ID_TOKEN_REQUEST_URL"], env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]
    mark, ran = project.bao.mark(), tmp_path / "ran"
    done = ciplug("run", "--", "touch", str(ran), env=env)
    assert_refused(done, 125, "identity", "fork stranger/shop", env=env, project=project)
    assert project.bao.requests_since(mark) == []
    assert not ran.exists()


def test_a_job_without_the_permission_is_told_which_one(
    project: Project, ciplug: RunsCiplug, job_env: MakesJobEnv
) -> None:
    env = job_env()
    del env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]
    done = ciplug(*FETCH, env=env)
    assert_refused(done, 3, "identity", "permissions: id-token: write", env=env, project=project)


def test_no_identity_at_all_says_what_was_asked(project: Project, ciplug: RunsCiplug) -> None:
    mark = project.bao.mark()
    done = ciplug(*FETCH, "--job", "test")
    assert_refused(done, 3, "identity", "GitHub Actions", "GitLab CI", "Jenkins", env={}, project=project)
    assert project.bao.requests_since(mark) == []


USAGE: dict[str, tuple[tuple[str, ...], dict[str, str], tuple[str, ...]]] = {
    "no job": (FETCH, {}, ("no job is chosen", "test, deploy")),
    "unknown job": ((*FETCH, "--job", "tset"), {}, ('"tset"', 'did you mean "test"')),
    "unknown environment": ((*FETCH, "--job", "test", "--env", "prod"), {}, ('"prod"', "dev")),
    "no format": (("fetch", "--job", "test"), {}, ("--to",)),
    "unknown format": (("fetch", "--to", "xml"), {}, ("xml", "json")),
    "unknown command": (("fetsch",), {}, ("fetsch",)),
    "unknown option": ((*FETCH, "--verbose"), {}, ("--verbose",)),
    "bad deadline": ((*FETCH, "--job", "test"), {"CIPLUG_DEADLINE": "soon"}, ("CIPLUG_DEADLINE",)),
    "bad address": ((*FETCH, "--job", "test"), {"VAULT_ADDR": "vault.acme.dev"}, ("VAULT_ADDR",)),
    "no manifest": ((*FETCH, "--job", "test"), {"CIPLUG_MANIFEST": "no.toml"}, ("no.toml",)),
    "manifest is a directory": (("--manifest", ".", *FETCH), {}, (".",)),
}


@pytest.mark.parametrize("case", USAGE)
def test_wrong_usage_is_status_2_and_reaches_no_vault(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, case: str
) -> None:
    args, changes, words = USAGE[case]
    env = token_env(issuer, github_claims()) | {"CIPLUG_JOB": ""} | changes
    mark = project.bao.mark()
    done = ciplug(*args, env=env)
    cause = "manifest" if "manifest" in case else "usage"
    assert_refused(done, 2, cause, *words, env=env, project=project)
    assert project.bao.requests_since(mark) == []


def test_run_without_a_command_is_its_own_failure(project: Project, ciplug: RunsCiplug) -> None:
    assert_refused(ciplug("run", "--job", "test"), 125, "usage", "COMMAND", env={}, project=project)
    assert_refused(ciplug("run", "--job", "test", "--"), 125, "usage", "COMMAND", env={}, project=project)


@pytest.mark.parametrize("command", [FETCH, ("run", "--", "true")], ids=["fetch", "run"])
def test_a_sealed_vault_says_so(
    tmp_path: Path, issuer: Issuer, ciplug: RunsCiplug, sealed: Project, command: tuple[str, ...]
) -> None:
    env = token_env(issuer, github_claims()) | {"CIPLUG_DEADLINE": "0.5"}
    done = ciplug(*command, env=env, cwd=sealed.directory)
    assert_refused(done, 5 if command == FETCH else 125, "sealed", "is sealed", "unseal", env=env, project=sealed)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Any:
    with OpenBao(os.environ) as own, Admin(own.address, own.root_token) as admin:
        project = new_project(tmp_path_factory.mktemp("sealed"), own, admin, issuer)
        admin.seal()
        yield project


BAD_MANIFESTS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "malformed": ("version = 1", "version = ", ("line 1",)),
    "unknown key": ("auth_mount", "auth_mont", ("auth_mont", 'did you mean "auth_mount"')),
    "leaves its environment": ('ref = "db#url"', 'ref = "../prod/db#url"', ("segments",)),
    "outside the shared paths": ("//common/npm#token", "//app/prod/db#url", ("vault.shared",)),
    "reserved name": ("[secrets.NPM_TOKEN]", "[secrets.LD_PRELOAD]", ("secrets.LD_PRELOAD", "reserved")),
    "NUL in a name": ("[secrets.NPM_TOKEN]", '[secrets."NPM\\u0000TOKEN"]', ("variable name",)),
    "newline in a name": ("[secrets.NPM_TOKEN]", '[secrets."NPM\\nTOKEN=x"]', ("variable name",)),
    "workflow command in a name": ("[secrets.NPM_TOKEN]", '[secrets."::add-mask::x"]', ("variable name",)),
    "ignore missing": ("[vault]", "[vault]\nignore_missing = true", ("ignore_missing",)),
    "wildcard": ('ref = "db#url"', 'ref = "*#url"', ("must not hold *",)),
    "NUL byte": ("version = 1", "version = 1 \0", ("line 1",)),
}


@pytest.mark.parametrize("case", BAD_MANIFESTS)
def test_a_manifest_with_a_problem_is_status_2_and_reaches_no_vault(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, case: str
) -> None:
    old, new, words = BAD_MANIFESTS[case]
    text = project.manifest.read_text()
    project.manifest.write_text(text.replace(old, new, 1))
    env, mark = token_env(issuer, github_claims()), project.bao.mark()
    assert_refused(ciplug(*FETCH, env=env), 2, "manifest", *words, env=env, project=project)
    assert project.bao.requests_since(mark) == []


def test_every_line_of_a_long_refusal_is_a_line_of_ciplug(project: Project, ciplug: RunsCiplug) -> None:
    project.append(
        '\n[secrets."##[error]x"]\nref = "a#b"\n[jobs."a\\n::warning::b"]\nenvironment = "dev"\nsecrets = []\n'
    )
    done = ciplug(*FETCH)
    assert done.returncode == 2
    assert all(line.startswith(b"ciplug: ") for line in done.stderr.splitlines())
    assert b"##[" not in done.stderr
    assert b"\n::" not in done.stderr
