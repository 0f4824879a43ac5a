"""``ciplug doctor`` on what a login may do: the records it may not read, and roles that do not fit the job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

from ciplug.standins.claims import github_claims
from ciplug.vault.admin_auth import JwtRole
from tests.e2e.diagnoses import as_operator, checks, paste
from tests.e2e.outside import assert_refused, credentials, nothing_left, token_env
from tests.e2e.project import AUDIENCE
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    import subprocess

    from ciplug.standins.issuer import Issuer
    from tests.e2e.conftest import RunsCiplug
    from tests.e2e.project import Project

ODD: Final = "dbé(1)$x'&"
"""Characters that a URL has in another form, and a policy as they are."""


@pytest.fixture
def env(issuer: Issuer) -> dict[str, str]:
    """A job whose login is the sound role's."""
    return token_env(issuer, github_claims())


def with_an_odd_path(project: Project) -> None:
    project.put(f"app/dev/{ODD}", {"url": project.values["dev"]["DATABASE_URL"]})
    project.replace('ref = "db#url"', f'ref = "{ODD}#url"')


def test_a_path_that_a_url_has_in_another_form_is_no_missing_right(
    project: Project, ciplug: RunsCiplug, env: dict[str, str]
) -> None:
    with_an_odd_path(project)
    done = ciplug("doctor", "--format", "json", env=env)
    assert done.returncode == 0, done.stdout
    [told] = [check["text"] for check in checks(done) if check["check"] == "rights"]
    assert f"may read {project.kv_mount}/app/dev/{ODD}, " in told
    assert ciplug("run", "--", "true", env=env).returncode == 0


@pytest.mark.parametrize("command", [("doctor", "--format", "json"), ("fetch", "--to", "json"), ("run", "--", "true")])
def test_the_line_for_such_a_path_mends_the_policy(
    project: Project, ciplug: RunsCiplug, env: dict[str, str], command: tuple[str, ...]
) -> None:
    with_an_odd_path(project)
    npm = f'path "{project.kv_mount}/data/common/npm" {{ capabilities = ["read"] }}'
    project.admin.write_policy("shop-test", npm)
    done = ciplug(*command, env=env)
    assert done.returncode != 0
    line = f'path "{project.kv_mount}/data/app/dev/{ODD}" {{ capabilities = ["read"] }}'
    told = checks(done, "failed")[0]["remedy"] if command[0] == "doctor" else done.stderr.decode()
    assert line in told
    project.admin.write_policy("shop-test", f"{npm}\n{line}")
    assert ciplug(*command, env=env).returncode == 0


def test_all_that_may_not_be_read_is_one_cause(project: Project, ciplug: RunsCiplug, env: dict[str, str]) -> None:
    project.admin.write_policy("shop-test", 'path "nothing" { capabilities = ["read"] }')
    done = ciplug("doctor", "--format", "json", env=env)
    [failed] = checks(done, "failed")
    mount = project.kv_mount
    assert failed["text"] == f"may not read {mount}/app/dev/db, {mount}/common/npm"
    assert failed["remedy"].splitlines() == [
        "run `ciplug policy --apply`, or add to a policy of role shop-test what it lacks",
        f'path "{mount}/data/app/dev/db" {{ capabilities = ["read"] }}',
        f'path "{mount}/data/common/npm" {{ capabilities = ["read"] }}',
    ]
    last = done.stderr.decode().splitlines()[-1]
    assert last.endswith(
        "first: rights. Next: run `ciplug policy --apply`, or add to a policy of role shop-test what it lacks"
    )


def test_two_versions_of_a_record_want_one_line(project: Project, ciplug: RunsCiplug, env: dict[str, str]) -> None:
    project.append('\n[secrets.OLD]\nref = "db@1#url"\n')
    project.replace('secrets = ["DATABASE_URL", "NPM_TOKEN"]\n', 'secrets = ["DATABASE_URL", "OLD"]\n')
    project.admin.write_policy("shop-test", 'path "nothing" { capabilities = ["read"] }')
    [failed] = checks(ciplug("doctor", "--format", "json", env=env), "failed")
    assert failed["text"].count("app/dev/db") == 2
    assert failed["remedy"].count("capabilities") == 1


def with_a_hundred_records(project: Project) -> None:
    names = [f"N{number:02}" for number in range(100)]
    catalogue = "".join(f'\n[secrets.{name}]\nref = "many/{name}#x"\n' for name in names)
    text = project.manifest.read_text().replace('["DATABASE_URL", "NPM_TOKEN"]\n', f"{names}\n")
    project.write(text + catalogue)


def test_of_a_hundred_records_the_first_are_told_and_the_rest_is_counted(
    project: Project, ciplug: RunsCiplug, env: dict[str, str]
) -> None:
    with_a_hundred_records(project)
    done = ciplug("doctor", env=env)
    told = done.stdout.decode()
    assert "N09 and 90 more" in told.partition("✓ rights")[2].partition("\n")[0]
    assert "app/dev/many/N04 does not exist in the vault (or not in this version); 95 more\n" in told
    assert told.count("bao kv put") == 5
    project.admin.write_policy("shop-test", 'path "nothing" { capabilities = ["read"] }')
    done = ciplug("doctor", env=env)
    told = done.stdout.decode()
    assert told.count("capabilities") == 20
    assert "      and 80 more, which `ciplug policy` prints\n" in told
    assert max(map(len, told.splitlines())) < 600


@pytest.mark.parametrize("command", [("fetch", "--to", "json"), ("run", "--", "true")])
def test_of_a_hundred_records_that_end_a_job_five_are_told(
    project: Project, ciplug: RunsCiplug, env: dict[str, str], command: tuple[str, ...]
) -> None:
    with_a_hundred_records(project)
    project.admin.write_policy("shop-test", 'path "nothing" { capabilities = ["read"] }')
    done = ciplug(*command, env=env)
    words = (" and 95 more. Next: run `ciplug policy --apply`", "  and 95 more, which `ciplug policy` prints; ")
    assert_refused(done, 125 if command[0] == "run" else 6, "denied", *words, env=env, project=project)
    assert done.stderr.decode().count("capabilities") == 5


BROKEN: Final[dict[str, dict[str, Any]]] = {
    "audience": {"bound_audiences": ("https://elsewhere",)},
    "token type": {"token_type": "batch"},
}
"""By what is wrong with it: fields of a role that does not fit the job."""


def break_role(project: Project, what: str) -> None:
    """Give the job ``test`` a leased secret and a role that somebody made by hand."""
    project.append('\n[secrets.CERT]\nref = "pki:cert#x"\n')
    project.replace('secrets = ["DATABASE_URL", "NPM_TOKEN"]\n', 'secrets = ["DATABASE_URL", "CERT"]\n')
    sound = {"bound_audiences": (AUDIENCE,), "bound_claims": {"repository": "acme/shop"}, "policies": ("shop-test",)}
    project.admin.jwt.write_role(JwtRole(name="shop-test", **(sound | BROKEN[what])), project.auth_mount)


def role_of(project: Project) -> dict[str, object]:
    return dict(project.admin.jwt.read_role("shop-test", project.auth_mount) or {})


def assert_mended(done: subprocess.CompletedProcess[bytes]) -> None:
    """The login is well, and so are leases; there is no such engine, which is found after them."""
    assert {"login", "rights"} <= {check["check"] for check in checks(done, "ok")}
    assert [check["check"] for check in checks(done, "failed")] == ["secrets"]


@pytest.mark.parametrize("what", BROKEN)
def test_the_command_for_a_role_of_the_manifest_mends_it(
    project: Project, ciplug: RunsCiplug, env: dict[str, str], what: str
) -> None:
    break_role(project, what)
    [failed] = checks(ciplug("doctor", "--format", "json", env=env), "failed")
    assert failed["remedy"] == "run `ciplug policy --apply`, which makes role shop-test from the manifest"
    applied = ciplug("policy", "--apply", "--yes", env=as_operator(project))
    assert applied.returncode == 0, applied.stderr
    assert_mended(ciplug("doctor", "--format", "json", env=env))


def without_a_project(project: Project) -> None:
    project.replace_unapplied('[project]\ngithub = "acme/shop"\n', "")
    for job in ("test", "deploy"):
        project.replace_unapplied(f"[jobs.{job}]\n", f'[jobs.{job}]\nrole = "shop-{job}"\n')


@pytest.mark.parametrize("seen", [False, True], ids=["unseen", "seen"])
@pytest.mark.parametrize("what", BROKEN)
def test_the_command_for_a_role_of_no_manifest_changes_that_alone(
    project: Project, ciplug: RunsCiplug, env: dict[str, str], what: str, seen: bool
) -> None:
    break_role(project, what)
    without_a_project(project)
    role = f"auth/{project.auth_mount}/role/shop-test"
    paste(project, f"bao write {role} role_type=jwt user_claim=actor bound_claims_type=glob token_ttl=77")
    before = role_of(project)
    own = as_operator(project) if seen else {}
    [failed] = checks(ciplug("doctor", "--format", "json", env=env | own), "failed")
    told, _, command = failed["remedy"].rpartition(": ")
    assert told == ("" if seen else "add bound_claims_type=glob if the role has it, as this sets it back")
    paste(project, command if seen else f"{command} bound_claims_type=glob")
    after = role_of(project)
    [field] = BROKEN[what]
    assert {name for name in before if before[name] != after[name]} == {field}
    assert_mended(ciplug("doctor", "--format", "json", env=env))


def test_a_role_of_a_hundred_claims_is_told_in_part(project: Project, ciplug: RunsCiplug, env: dict[str, str]) -> None:
    role = JwtRole(
        name="shop-test",
        bound_audiences=(AUDIENCE,),
        bound_claims={f"claim_{number}": "x" for number in range(100)},
        policies=("shop-test",),
    )
    project.admin.jwt.write_role(role, project.auth_mount)
    own = as_operator(project)
    done = ciplug("doctor", env=env | own)
    told = done.stdout.decode()
    assert told.count("✗") == 21
    assert "✗ claims: and 80 more\n" in told
    assert b"21 problems found, first: claim claim_" in done.stderr
    assert_no_leak(done.stdout + done.stderr, credentials(project, env | own))


def test_a_token_of_two_hundred_claims_is_told_in_part(project: Project, ciplug: RunsCiplug, issuer: Issuer) -> None:
    many = {f"claim_{number}": "x" * 200 for number in range(200)}
    with nothing_left(project):
        done = ciplug("doctor", env=token_env(issuer, github_claims(**many)))
    told = done.stdout.decode()
    assert done.returncode == 0, told
    assert len(told.splitlines()) < 20
    assert "xxxx" not in told
