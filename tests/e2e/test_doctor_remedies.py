"""Every command that ``ciplug doctor`` tells people to run: pasted as it stands, it lets the job work."""

from __future__ import annotations

import json
import re
import shlex
from typing import TYPE_CHECKING, Final

import pytest

from ciplug.standins.claims import github_claims
from ciplug.standins.issuer import Issuer
from ciplug.vault.admin_auth import JwtRole
from tests.e2e.diagnoses import as_operator, checks, paste
from tests.e2e.outside import token_env

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.e2e.conftest import RunsCiplug
    from tests.e2e.project import Project

VALUE: Final = "it's a $(touch pwned) `value`"
WRITING: Final = re.compile(
    r"write (?:it|them).* on stdin(?:, (?P<json>\{.*\}))?: (?P<command>bao kv .*); or correct the "
)

FIELDS: Final = ("url", "a=b", "@x", "-", "-x", "a b", "x.y", "[0]", "it's $HOME", "é;ß")
PATHS: Final = ("d;b", "dbé(1)$x'&", "$(touch$IFS''pwned)", "`id`<in>out|x", "~")


@pytest.fixture
def env(issuer: Issuer) -> dict[str, str]:
    """A job whose login is the sound role's."""
    return token_env(issuer, github_claims())


def remedy(ciplug: RunsCiplug, env: Mapping[str, str]) -> str:
    """What to do about the one thing that is wrong."""
    [failed] = checks(ciplug("doctor", "--format", "json", env=env), "failed")
    return failed["remedy"]


def command_in(told: str) -> str:
    """The command at the end of a remedy."""
    found = re.search(r"(?:printf %s .*\| )?bao (?:write|auth enable) .*", told)
    assert found, told
    return found[0]


def write(project: Project, told: str) -> None:
    """Paste the command that writes a secret, and hand it ``VALUE``."""
    found = WRITING.search(told)
    assert found, told
    template = found["json"]
    paste(project, found["command"], json.dumps(dict.fromkeys(json.loads(template), VALUE)) if template else VALUE)
    assert not (project.directory / "pwned").exists()


def assert_works(project: Project, ciplug: RunsCiplug, env: Mapping[str, str], **values: str) -> None:
    """The doctor finds nothing, and the job has `values`."""
    assert ciplug("doctor", env=env).returncode == 0
    done = ciplug("fetch", "--to", "json", env=env)
    assert done.returncode == 0, done.stderr
    assert {name: json.loads(done.stdout)[name] for name in values} == values


@pytest.mark.parametrize("there", [False, True], ids=["no record", "another field"])
@pytest.mark.parametrize("field", FIELDS)
def test_a_field_that_is_missing_is_written_and_no_other_is_lost(
    project: Project, ciplug: RunsCiplug, env: dict[str, str], field: str, there: bool
) -> None:
    project.replace('ref = "db#url"', f'ref = "new#{field}"')
    if there:
        project.put("app/dev/new", {"other": "kept", "a": "too"})
    write(project, remedy(ciplug, env))
    assert_works(project, ciplug, env, DATABASE_URL=VALUE)
    kept = project.admin.kv.read(project.kv_mount, "app/dev/new").data
    assert kept == {field: VALUE} | ({"other": "kept", "a": "too"} if there else {})


@pytest.mark.parametrize("there", [False, True], ids=["no record", "another field"])
@pytest.mark.parametrize("path", PATHS)
def test_a_record_of_any_path_is_written(
    project: Project, ciplug: RunsCiplug, env: dict[str, str], path: str, there: bool
) -> None:
    project.replace('ref = "db#url"', f'ref = "{path}#url"')
    if there:
        project.put(f"app/dev/{path}", {"other": "kept"})
    write(project, remedy(ciplug, env))
    assert_works(project, ciplug, env, DATABASE_URL=VALUE)


def test_a_path_that_looks_like_a_flag_is_written(project: Project, ciplug: RunsCiplug, env: dict[str, str]) -> None:
    project.replace('path = "app/dev"', 'path = "-x"')
    write(project, remedy(ciplug, env))
    assert_works(project, ciplug, env, DATABASE_URL=VALUE)


@pytest.mark.parametrize("there", [False, True], ids=["no record", "another field"])
@pytest.mark.parametrize("command", [("doctor", "--format", "json"), ("fetch", "--to", "json"), ("run", "--", "true")])
def test_two_fields_of_a_record_are_written_by_one_command(
    project: Project, ciplug: RunsCiplug, env: dict[str, str], command: tuple[str, ...], there: bool
) -> None:
    project.append('\n[secrets.DB_USER]\nref = "new#user"\n')
    project.replace('secrets = ["DATABASE_URL", "NPM_TOKEN"]\n', 'secrets = ["DATABASE_URL", "DB_USER"]\n')
    project.replace('ref = "db#url"', 'ref = "new#url"')
    if there:
        project.put("app/dev/new", {"other": "kept"})
    done = ciplug(*command, env=env)
    assert done.returncode != 0
    write(project, checks(done, "failed")[0]["remedy"] if command[0] == "doctor" else done.stderr.decode())
    assert_works(project, ciplug, env, DATABASE_URL=VALUE, DB_USER=VALUE)


def test_a_record_of_version_1_is_written(project: Project, ciplug: RunsCiplug, env: dict[str, str]) -> None:
    mount = f"old-{project.kv_mount}"
    project.admin.kv.mount(mount, version=1)
    project.admin.kv.write_v1(mount, "common/npm", {"token": "an old value"})
    project.replace('shared = ["common"]', 'kv_version = 1\nshared = ["common"]')
    project.replace(f'kv_mount = "{project.kv_mount}"', f'kv_mount = "{mount}"')
    write(project, remedy(ciplug, env))
    assert_works(project, ciplug, env, DATABASE_URL=VALUE, NPM_TOKEN="an old value")


def test_no_command_writes_over_a_record_that_is_there_in_the_other_version_of_the_engine(
    project: Project, ciplug: RunsCiplug, env: dict[str, str]
) -> None:
    mount = f"old-{project.kv_mount}"
    project.admin.kv.mount(mount, version=1)
    for path in ("app/dev/db", "common/npm"):
        project.admin.kv.write_v1(mount, path, {"other": "kept"})
    project.replace(f'kv_mount = "{project.kv_mount}"', f'kv_mount = "{mount}"')
    cause, mend = f"{mount} is KV version 1, and the manifest reads it as version 2", "set vault.kv_version = 1 in"
    run = ciplug("run", "--job", "test", "--", "true", env=env).stderr.decode()
    doctor = ciplug("doctor", "--job", "test", env=env)
    for told in (run, (doctor.stdout + doctor.stderr).decode()):
        assert (cause in told, mend in told, "kv put" in told) == (True, True, False)


@pytest.mark.parametrize("audience", ["a,b", "@/etc/passwd", "[1]", "it's$(touch$IFS''pwned)"])
def test_an_audience_of_any_text_is_bound_and_nothing_else_is_changed(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, audience: str
) -> None:
    project.replace_unapplied('audience = "https://vault.acme.dev"', f'audience = "{audience}"')
    project.replace_unapplied('[project]\ngithub = "acme/shop"\n', "")
    for job in ("test", "deploy"):
        project.replace_unapplied(f"[jobs.{job}]\n", f'[jobs.{job}]\nrole = "shop-{job}"\n')
    role = f"auth/{project.auth_mount}/role/shop-test"
    paste(project, f"bao write {role} role_type=jwt bound_claims_type=glob user_claim=actor bound_audiences=elsewhere")
    before = project.admin.jwt.read_role("shop-test", project.auth_mount)
    env = token_env(issuer, github_claims(), audience=audience)
    command = command_in(remedy(ciplug, env | as_operator(project)))
    assert " bound_claims_type=glob " in command
    paste(project, command)
    assert not (project.directory / "pwned").exists()
    after = project.admin.jwt.read_role("shop-test", project.auth_mount)
    assert after == {**(before or {}), "bound_audiences": [audience]}
    assert_works(project, ciplug, env)


def by_another_issuer(project: Project, issuer: Issuer) -> None:
    project.admin.jwt.configure(project.auth_mount, bound_issuer="https://elsewhere.dev", jwks_url=issuer.jwks_url)


def by_no_configuration(project: Project, _issuer: Issuer) -> None:
    paste(project, f"bao auth disable {project.auth_mount} && bao auth enable -path={project.auth_mount} jwt")
    project.admin.jwt.write_role(
        JwtRole(
            name="shop-test",
            bound_audiences=("https://vault.acme.dev",),
            bound_claims={"repository": "acme/shop"},
            policies=("shop-test",),
        ),
        project.auth_mount,
    )


@pytest.mark.parametrize("broken", [by_another_issuer, by_no_configuration])
def test_a_method_that_trusts_somebody_else_is_mended(
    project: Project,
    ciplug: RunsCiplug,
    issuer: Issuer,
    env: dict[str, str],
    broken: Callable[[Project, Issuer], None],
) -> None:
    broken(project, issuer)
    paste(project, command_in(remedy(ciplug, env)))
    assert_works(project, ciplug, env)


def test_keys_that_are_others_are_mended(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, env: dict[str, str]
) -> None:
    with Issuer() as other:
        project.admin.jwt.configure(project.auth_mount, bound_issuer=issuer.url, jwks_url=other.jwks_url)
        told = remedy(ciplug, env)
    paste(project, command_in(told))
    assert_works(project, ciplug, env)


def test_an_auth_method_that_is_not_there_is_made_step_by_step(
    project: Project, ciplug: RunsCiplug, env: dict[str, str]
) -> None:
    mount = project.auth_mount
    project.replace_unapplied(f'auth_mount = "{mount}"', f'auth_mount = "it\'s-{mount}"')
    paste(project, command_in(remedy(ciplug, env)))
    paste(project, command_in(remedy(ciplug, env)))
    assert remedy(ciplug, env).startswith("create the role with `ciplug policy --apply`")
    assert ciplug("policy", "--apply", "--yes", env=as_operator(project)).returncode == 0
    assert_works(project, ciplug, env)


def test_a_look_at_an_address_in_brackets_is_one_word(
    project: Project, ciplug: RunsCiplug, env: dict[str, str]
) -> None:
    told = remedy(ciplug, env | {"VAULT_ADDR": "http://[::1]:1", "CIPLUG_DEADLINE": "1"})
    command = told[told.index("curl -v ") :]
    assert shlex.split(command) == ["curl", "-v", "http://[::1]:1/v1/sys/health"]
    assert command.endswith("'")
