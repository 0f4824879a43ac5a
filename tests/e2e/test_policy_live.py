"""``ciplug policy --check`` and ``--apply`` on a real vault: what is found, what is written, what is left alone."""

from __future__ import annotations

import json
import os
import pty
import secrets
import subprocess
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import httpx
import pytest

from ciplug.errors import SyncError
from ciplug.manifest import load
from ciplug.policy.applying import carry_out
from ciplug.policy.deriving import derive
from ciplug.policy.live import read_live
from ciplug.policy.plan import plan
from ciplug.standins.claims import github_claims
from ciplug.standins.issuer import Issuer
from ciplug.vault.admin import Admin
from ciplug.vault.admin_auth import JwtRole
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ciplug.standins.openbao import OpenBao
    from tests.e2e.conftest import MakesJobEnv, RunsCiplug

AUDIENCE: Final = "https://vault.acme.dev"

MANIFEST: Final = """\
version = 1

[vault]
address = "{address}"
auth_mount = "{mount}"
audience = "{audience}"
kv_mount = "{kv}"
issuer = "{issuer}"
{namespace}
[project]
github = "acme/{name}"

[environments.dev]
path = "app/dev"

[environments.prod]
path = "app/prod"
only_if = {{ ref = ["refs/heads/main", "refs/heads/next"] }}

[secrets.DATABASE_URL]
ref = "db#url"

[jobs.test]
environment = "dev"
secrets = ["DATABASE_URL"]

[jobs.deploy]
environment = "prod"
secrets = ["DATABASE_URL"]
"""

PRINT_REVERSED: Final = "import os; print(os.environ['DATABASE_URL'][::-1], end='')"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A vault that grants nothing yet, and a manifest that implies the roles ``<name>-test`` and ``<name>-deploy``."""

    directory: Path
    bao: OpenBao
    admin: Admin
    runs: RunsCiplug
    name: str
    mount: str
    kv: str
    issuer: Issuer
    namespace: str = ""

    @property
    def test(self) -> str:
        return f"{self.name}-test"

    @property
    def deploy(self) -> str:
        return f"{self.name}-deploy"

    @property
    def manifest(self) -> Path:
        return self.directory / "ciplug.toml"

    def write_manifest(self) -> None:
        namespace = f'namespace = "{self.namespace}"\n' if self.namespace else ""
        self.manifest.write_text(
            MANIFEST.format(
                address=self.bao.address,
                mount=self.mount,
                audience=AUDIENCE,
                kv=self.kv,
                issuer=self.issuer.url,
                name=self.name,
                namespace=namespace,
            ),
            encoding="utf-8",
        )

    def trust(self) -> None:
        self.admin.jwt.enable(self.mount)
        self.admin.jwt.configure(self.mount, bound_issuer=self.issuer.url, jwks_url=self.issuer.jwks_url)

    def policy(self, *args: str, token: str = "", env: Mapping[str, str] | None = None) -> Ran:
        """``ciplug policy``, by default as somebody who may do anything."""
        known = token or self.bao.root_token.reveal().decode()
        ran = self.runs("policy", *args, env={"VAULT_TOKEN": known} if env is None else env)
        assert_no_leak(ran.stdout + ran.stderr, [known, self.bao.root_token.reveal()])
        return Ran(status=ran.returncode, out=ran.stdout.decode(), err=ran.stderr.decode())

    def applied(self) -> None:
        ran = self.policy("--apply", "--yes")
        assert ran.status == 0, ran

    def ask(self, method: str, path: str, body: object = None) -> Any:
        headers = {"X-Vault-Token": self.bao.root_token.reveal().decode(), "X-Vault-Namespace": self.namespace}
        answer = httpx.request(method, f"{self.bao.address}/v1/{path}", json=body, headers=headers).raise_for_status()
        return answer.json()["data"] if answer.content else None

    def change_role(self, **fields: object) -> None:
        """What somebody with the web interface does to the role of the job ``deploy``."""
        self.ask("POST", f"auth/{self.mount}/role/{self.deploy}", self.role() | fields)

    def role(self) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", f"auth/{self.mount}/role/{self.deploy}")
        return found

    def change_policy(self, old: str, new: str) -> None:
        path = f"sys/policies/acl/{self.deploy}"
        text = self.ask("GET", path)["policy"]
        assert old in text
        self.ask("PUT", path, {"policy": text.replace(old, new)})

    def writes_since(self, mark: int) -> list[str]:
        """The paths of every request since that was not one to look."""
        records = [record["request"] for record in self.bao.requests_since(mark)]
        return [one["path"] for one in records if one["operation"] in {"create", "update", "delete", "patch"}]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    status: int
    out: str
    err: str


@pytest.fixture
def setting(tmp_path: Path, bao: OpenBao, admin: Admin, issuer: Issuer, ciplug: RunsCiplug) -> Setting:
    unique = secrets.token_hex(4)
    setting = Setting(
        directory=tmp_path,
        bao=bao,
        admin=admin,
        runs=ciplug,
        name=f"s{unique}",
        mount=f"jwt-{unique}",
        kv=f"kv-{unique}",
        issuer=issuer,
    )
    setting.write_manifest()
    admin.kv.mount(setting.kv)
    for environment in ("dev", "prod"):
        admin.kv.write(setting.kv, f"app/{environment}/db", {"url": f"{environment}-{unique}"})
    setting.trust()
    return setting


def test_what_was_applied_lets_each_job_read_its_own_and_nothing_else(setting: Setting, job_env: MakesJobEnv) -> None:
    ran = setting.policy("--apply", "--yes")
    assert (ran.status, ran.out.splitlines()[-1]) == (0, "4 to create")
    unique = setting.name.removeprefix("s")
    claims: dict[str, dict[str, object]] = {"test": {}, "deploy": {"ref": "refs/heads/next"}}
    for job, value in (("test", f"dev-{unique}"), ("deploy", f"prod-{unique}")):
        env = job_env(job, repository=f"acme/{setting.name}", **claims[job])
        job_ran = setting.runs("run", "--job", job, "--", sys.executable, "-c", PRINT_REVERSED, env=env)
        assert (job_ran.returncode, job_ran.stdout.decode()) == (0, value[::-1]), job_ran
    env = job_env("deploy", repository=f"acme/{setting.name}", ref="refs/heads/other")
    assert setting.runs("run", "--job", "deploy", "--", "true", env=env).returncode == 125
    env = job_env("test", repository="acme/other")
    assert setting.runs("run", "--job", "test", "--", "true", env=env).returncode == 125
    assert setting.policy("--check").status == 0


def test_the_second_time_nothing_is_written(setting: Setting) -> None:
    setting.applied()
    mark = setting.bao.mark()
    ran = setting.policy("--apply")
    assert (ran.status, ran.out.splitlines()) == (0, ["= 4 up to date", "nothing to do"])
    assert setting.bao.requests_since(mark, path=f"sys/policies/acl/{setting.test}")
    assert setting.writes_since(mark) == []


def test_a_check_writes_nothing_and_names_what_is_not_there(setting: Setting) -> None:
    mark = setting.bao.mark()
    ran = setting.policy("--check")
    assert ran.status == 20
    assert ran.out.splitlines() == [
        f"less   policy {setting.test}: it is not there",
        f"less   policy {setting.deploy}: it is not there",
        f"less   role {setting.mount}/{setting.test}: it is not there",
        f"less   role {setting.mount}/{setting.deploy}: it is not there",
    ]
    assert "does not grant what ciplug.toml implies: 4 less" in ran.err
    assert setting.writes_since(mark) == []


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"token_policies": ["{deploy}", "root-like"]}, 'token_policies also has "root-like"'),
        ({"token_ttl": 7200, "token_max_ttl": 7200}, "token_ttl is 7200, not 300"),
        ({"token_max_ttl": 0}, "token_max_ttl is 0 (the vault's own limit), not 300"),
        ({"token_period": 3600}, "token_period is 3600, not 0: a token can be renewed for ever"),
        ({"bound_claims_type": "glob"}, "bound_claims_type is glob: a * in a bound claim matches anything"),
        ({"bound_audiences": [AUDIENCE, "other"]}, 'bound_audiences also has "other"'),
        ({"clock_skew_leeway": 3600}, "clock_skew_leeway is 3600, not 0 (the vault's own 60)"),
        ({"groups_claim": "teams"}, 'groups_claim is "teams", not ""'),
    ],
)
def test_a_role_that_lets_more_in_is_found(setting: Setting, fields: Mapping[str, object], found: str) -> None:
    setting.applied()
    setting.change_role(**json.loads(json.dumps(fields).replace("{deploy}", setting.deploy)))
    ran = setting.policy("--check")
    assert ran.status == 20
    assert ran.out.splitlines()[0].startswith(f"more   role {setting.mount}/{setting.deploy}: {found}")


@pytest.mark.parametrize(
    ("ref", "found"),
    [
        (None, 'bound_claims.ref is not bound: it should be ["refs/heads/main", "refs/heads/next"]'),
        (["refs/heads/main", "refs/heads/next", "x"], 'bound_claims.ref also has "x"'),
    ],
)
def test_a_claim_that_is_bound_to_less_is_found(setting: Setting, ref: object, found: str) -> None:
    setting.applied()
    bound = {name: value for name, value in setting.role()["bound_claims"].items() if name != "ref"}
    setting.change_role(bound_claims=bound | ({"ref": ref} if ref else {}))
    ran = setting.policy("--check")
    assert (ran.status, ran.out.splitlines()) == (20, [f"more   role {setting.mount}/{setting.deploy}: {found}"])


@pytest.mark.parametrize(
    ("old", "new", "grade", "found"),
    [
        ("app/prod/db", "*", "more", "is not implied (* and + stand for paths of others)"),
        ('["read"]', '["read", "sudo"]', "more", "also allows sudo (sudo opens what is closed to everyone else)"),
        ("path", 'path "sys/mounts" { capabilities = ["read"] }\npath', "more", 'path "sys/mounts"'),
        ('["read"]', '["list"]', "less", "does not allow read"),
        ('["read"]', '["read"]\nmax_wrapping_ttl = "1h"\n', "other", "max_wrapping_ttl"),
    ],
)
def test_a_policy_that_was_changed_is_found_and_mended(
    setting: Setting, old: str, new: str, grade: str, found: str
) -> None:
    setting.applied()
    setting.change_policy(old, new)
    ran = setting.policy("--check")
    assert ran.status == 20
    [line] = [line for line in ran.out.splitlines() if line.startswith(grade)]
    assert line.startswith(f"{grade:<5}  policy {setting.deploy}: ")
    assert found in line
    setting.applied()
    assert setting.policy("--check").status == 0


def test_a_role_that_was_changed_is_mended_with_nothing_left_of_it(setting: Setting) -> None:
    setting.applied()
    before = setting.role()
    setting.change_role(
        token_ttl=7200,
        token_max_ttl=7200,
        token_period=60,
        bound_subject="x",
        bound_claims={"ref": "*"},
        bound_claims_type="glob",
        bound_audiences=["other"],
        groups_claim="teams",
        token_bound_cidrs=["127.0.0.1/32"],
        token_no_default_policy=True,
        token_policies_template_claims=True,
        token_explicit_max_ttl=9,
        user_claim="actor",
        user_claim_json_pointer=True,
        claim_mappings={"ref": "r"},
        expiration_leeway=900,
        not_before_leeway=900,
    )
    ran = setting.policy("--apply", "--yes")
    head = f"~ update   role {setting.mount}/{setting.deploy}  drops what was narrower: bound_subject is "
    assert (ran.status, ran.out.startswith(head)) == (0, True)
    assert "    - token_ttl = 7200" in ran.out.splitlines()
    after = setting.role()
    assert {name: value or None for name, value in after.items()} == {
        name: value or None for name, value in before.items()
    }


def test_what_somebody_else_made_is_never_touched(setting: Setting) -> None:
    foreign = 'path "secret/*" { capabilities = ["read"] }\n'
    setting.admin.write_policy(setting.test, foreign)
    role = JwtRole(name=setting.deploy, bound_audiences=("x",), bound_claims={}, policies=("other",))
    setting.admin.jwt.write_role(role, setting.mount)
    before = setting.role()
    for _ in range(2):
        ran = setting.policy("--apply", "--yes")
        assert ran.status == 10
        assert f"! foreign  policy {setting.test}  ciplug did not write it" in ran.out
        assert f"! foreign  role {setting.mount}/{setting.test}  its policy {setting.test} is not ciplug's" in ran.out
        assert f"! foreign  role {setting.mount}/{setting.deploy}  it does not give exactly the policy" in ran.out
    stored = setting.admin.read_policy(setting.test)
    assert stored is not None
    assert stored.text == foreign
    assert setting.role() == before
    assert setting.admin.jwt.roles(setting.mount) == (setting.deploy,)


def test_a_policy_is_not_made_for_a_role_that_waits_for_it(setting: Setting) -> None:
    """Whoever may write roles, and no policies, would be given the rights of the job under conditions of their own."""
    role = JwtRole(
        name=setting.deploy, bound_audiences=(AUDIENCE,), bound_claims={"actor": "me"}, policies=(setting.deploy,)
    )
    setting.admin.jwt.write_role(role, setting.mount)
    ran = setting.policy("--apply", "--yes")
    assert ran.status == 10
    assert setting.admin.read_policy(setting.deploy) is None
    assert setting.admin.read_policy(setting.test) is not None


def test_what_ended_half_way_is_finished_by_the_next_run(setting: Setting) -> None:
    setting.applied()
    setting.ask("DELETE", f"auth/{setting.mount}/role/{setting.deploy}")
    mark = setting.bao.mark()
    setting.applied()
    assert setting.writes_since(mark) == [f"auth/{setting.mount}/role/{setting.deploy}"]


def test_what_nothing_implies_any_more_is_named_with_the_commands_to_delete_it(setting: Setting) -> None:
    setting.applied()
    setting.admin.write_policy(f"{setting.name}-strangers", 'path "a" { capabilities = ["read"] }')
    text = setting.manifest.read_text(encoding="utf-8")
    setting.manifest.write_text(text[: text.index("[jobs.deploy]")], encoding="utf-8")
    mark = setting.bao.mark()
    ran = setting.policy("--apply", "--yes")
    role = f"{setting.mount}/{setting.deploy}"
    assert (ran.status, ran.out.splitlines()) == (
        0,
        [
            "= 2 up to date",
            f"? left over  role {role}: to delete it: bao delete auth/{setting.mount}/role/{setting.deploy}",
            f"? left over  policy {setting.deploy}: to delete it: bao policy delete {setting.deploy}",
            "nothing to do",
        ],
    )
    assert setting.writes_since(mark) == []
    ran = setting.policy("--check", "--format", "json")
    assert ran.status == 20
    assert [(one["grade"], one["what"]) for one in json.loads(ran.out)["findings"]] == [
        ("more", "role"),
        ("more", "policy"),
    ]


def test_what_is_not_of_this_project_is_not_left_over(setting: Setting) -> None:
    setting.applied()
    stored = setting.admin.read_policy(setting.deploy)
    assert stored is not None
    setting.admin.write_policy(f"{setting.name}-x", stored.text.replace(f"acme/{setting.name}", "acme/other"))
    ran = setting.policy("--check")
    assert (ran.status, ran.out) == (0, "")


def test_a_left_over_role_with_more_than_its_own_policy_is_a_stranger(setting: Setting) -> None:
    setting.applied()
    setting.change_role(token_policies=[setting.deploy, setting.test])
    text = setting.manifest.read_text(encoding="utf-8")
    setting.manifest.write_text(text[: text.index("[jobs.deploy]")], encoding="utf-8")
    ran = setting.policy("--check")
    given = f"it also gives {setting.deploy}, {setting.test}; nothing implies it"
    assert (ran.status, ran.out.splitlines()) == (
        20,
        [
            f"more   policy {setting.deploy}: it is left over: nothing implies it any more",
            f"more   role {setting.mount}/{setting.deploy}: {given}",
        ],
    )


def test_another_role_that_gives_the_same_rights_is_found(setting: Setting) -> None:
    setting.applied()
    role = JwtRole(
        name="mine",
        bound_audiences=("x",),
        bound_claims={},
        policies=("a", setting.deploy, setting.test),
    )
    setting.admin.jwt.write_role(role, setting.mount)
    text = f"role {setting.mount}/mine: it also gives {setting.deploy}, {setting.test}; nothing implies it"
    ran = setting.policy("--check")
    assert (ran.status, ran.out.splitlines()) == (20, [f"more   {text}"])
    ran = setting.policy("--apply")
    assert (ran.status, f"? stranger   {text}" in ran.out) == (0, True)


def test_a_policy_is_not_made_or_widened_for_a_role_that_nothing_implies(setting: Setting) -> None:
    role = JwtRole(name="mine", bound_audiences=(AUDIENCE,), bound_claims={"actor": "me"}, policies=(setting.deploy,))
    setting.admin.jwt.write_role(role, setting.mount)
    foreign = f"! foreign  policy {setting.deploy}  {setting.mount}/mine would get its rights"
    ran = setting.policy("--apply", "--yes")
    assert (ran.status, foreign in ran.out) == (10, True)
    assert setting.admin.read_policy(setting.deploy) is None
    setting.ask("DELETE", f"auth/{setting.mount}/role/mine")
    setting.applied()
    setting.admin.jwt.write_role(role, setting.mount)
    before = setting.admin.read_policy(setting.deploy)
    text = setting.manifest.read_text(encoding="utf-8").replace(
        "[jobs.test]", '[secrets.KEY]\nref = "key#k"\n[jobs.test]'
    )
    setting.manifest.write_text(f'{text[:-2]}, "KEY"]\n', encoding="utf-8")
    ran = setting.policy("--apply", "--yes")
    assert (ran.status, foreign in ran.out) == (10, True)
    assert setting.admin.read_policy(setting.deploy) == before


def test_a_role_at_another_auth_mount_that_gives_the_same_rights_is_found(setting: Setting) -> None:
    setting.applied()
    other = f"{setting.mount}-old"
    setting.admin.jwt.enable(other)
    for name in ("mine", setting.deploy):
        role = JwtRole(name=name, bound_audiences=("x",), bound_claims={}, policies=(setting.deploy,))
        setting.admin.jwt.write_role(role, other)
    ran = setting.policy("--check")
    assert (ran.status, ran.out.splitlines()) == (
        20,
        [
            f"more   role {other}/{setting.deploy}: it is left over: nothing implies it any more",
            f"more   role {other}/mine: it also gives {setting.deploy}; nothing implies it",
        ],
    )
    setting.ask("DELETE", f"sys/auth/{other}")
    assert setting.policy("--check").status == 0


def test_a_default_policy_that_opens_records_of_a_job_is_found(setting: Setting) -> None:
    setting.applied()
    default = setting.admin.read_policy("default")
    assert default is not None
    wide = f'path "{setting.kv}/data/app/prod/*" {{ capabilities = ["read"] }}'
    setting.admin.write_policy("default", f"{default.text}\n{wide}\n")
    try:
        ran = setting.policy("--check")
    finally:
        setting.admin.write_policy("default", default.text)
    text = f"every token has it, and {wide} is also for {setting.kv}/data/app/prod/db"
    assert (ran.status, ran.out.splitlines()) == (20, [f"more   policy default: {text}"])


def test_a_mount_that_trusts_another_key_is_found(setting: Setting) -> None:
    setting.applied()
    with Issuer() as other:
        setting.ask("POST", f"auth/{setting.mount}/config", {"jwks_url": other.jwks_url})
        ran = setting.policy("--check")
    text = f'its jwks_url is "{other.jwks_url}", which is not at the issuer "{setting.issuer.url}"'
    assert (ran.status, ran.out.splitlines()) == (
        20,
        [
            f'more   mount {setting.mount}: it has no bound_issuer, which should be "{setting.issuer.url}"',
            f"more   mount {setting.mount}: {text}",
        ],
    )


def test_what_somebody_made_narrower_stays_until_something_else_differs(setting: Setting) -> None:
    setting.applied()
    setting.change_role(token_bound_cidrs=["127.0.0.1/32"])
    setting.change_policy('["read"]', '["deny"]')
    mark = setting.bao.mark()
    ran = setting.policy("--apply", "--yes")
    assert (ran.status, ran.out.count("narrower than implied: "), ran.out.count("= keep ")) == (0, 2, 2)
    assert setting.writes_since(mark) == []
    ran = setting.policy("--check")
    assert (ran.status, [line[:4] for line in ran.out.splitlines()]) == (20, ["less", "less"])


def test_a_policy_of_another_project_with_the_same_name_is_named(setting: Setting) -> None:
    text = setting.manifest.read_text(encoding="utf-8")
    for number in (74, 99):
        named = f'github_id = {number}\nname = "{setting.name}"'
        setting.manifest.write_text(text.replace(f'github = "acme/{setting.name}"', named), encoding="utf-8")
        ran = setting.policy("--apply", "--yes")
        assert ran.status == (0 if number == 74 else 10)
    found = f"other  policy {setting.test}: ciplug wrote it for another project, {setting.name} (github:74)"
    assert found in setting.policy("--check").out.splitlines()


def test_without_the_right_to_look_nothing_is_said_to_be_well(setting: Setting) -> None:
    token = setting.admin.create_token(policies=["default"]).reveal().decode()
    for option in ("--check", "--apply"):
        ran = setting.policy(option, token=token)
        assert (ran.status, ran.out) == (6, "")
        assert f"GET /v1/sys/policies/acl/{setting.test}: the vault refuses this token" in ran.err


def test_the_right_to_look_is_enough_for_a_check_and_not_for_a_change(setting: Setting) -> None:
    setting.admin.write_policy(
        f"{setting.name}-auditor",
        f'path "sys/policies/acl/{setting.name}-*" {{ capabilities = ["read"] }}\n'
        f'path "auth/{setting.mount}/role/*" {{ capabilities = ["read"] }}\n',
    )
    token = setting.admin.create_token(policies=[f"{setting.name}-auditor"]).reveal().decode()
    ran = setting.policy("--apply", "--yes", token=token)
    assert ran.status == 6
    assert f"PUT /v1/sys/policies/acl/{setting.test}: the vault refuses this token" in ran.err
    setting.applied()
    ran = setting.policy("--check", token=token)
    assert ran.status == 0
    assert [line.removeprefix("note: ").partition(": ")[0] for line in ran.out.splitlines()] == [
        f"whose tokens auth/{setting.mount} trusts was not looked at",
        "other auth mounts were not looked at",
        f"other roles of auth/{setting.mount} were not looked at",
        "what is left over of policies was not looked for",
        "the policy default, which every token has, was not looked at",
    ]
    assert ran.err.splitlines()[-1] == "ciplug: the roles and policies of ciplug.toml are as implied"


def test_a_change_that_fails_half_way_says_how_far_it_came(setting: Setting) -> None:
    rights = 'path "sys/policies/acl/*" { capabilities = ["read", "update"] }\n'
    rights += f'path "auth/{setting.mount}/role/*" {{ capabilities = ["read"] }}\n'
    setting.admin.write_policy(f"{setting.name}-writer", rights)
    token = setting.admin.create_token(policies=[f"{setting.name}-writer"]).reveal().decode()
    ran = setting.policy("--apply", "--yes", token=token)
    assert ran.status == 10
    assert f"2 of 4 changes were made, then: POST /v1/auth/{setting.mount}/role/{setting.test}: " in ran.err
    ran = setting.policy("--apply", "--yes")
    assert (ran.status, ran.out.splitlines()[-1]) == (0, "2 to create")


def test_a_job_checks_with_a_role_that_may_look(setting: Setting, job_env: MakesJobEnv) -> None:
    setting.applied()
    auditor = "auditor-of-roles"
    setting.admin.write_policy(
        f"{setting.name}x",
        'path "sys/policies/acl/*" { capabilities = ["read", "list"] }\n'
        f'path "auth/{setting.mount}/role/*" {{ capabilities = ["read", "list"] }}\n'
        'path "auth/+/role/*" { capabilities = ["read", "list"] }\n'
        f'path "auth/{setting.mount}/config" {{ capabilities = ["read"] }}\n'
        'path "sys/auth" { capabilities = ["read"] }\n'
        'path "sys/policies/acl" { capabilities = ["list"] }\n',
    )
    role = JwtRole(
        name=auditor,
        bound_audiences=(AUDIENCE,),
        bound_claims={"repository": f"acme/{setting.name}"},
        policies=(f"{setting.name}x",),
    )
    setting.admin.jwt.write_role(role, setting.mount)
    env = job_env(repository=f"acme/{setting.name}")
    alive = set(setting.admin.accessors())
    ran = setting.policy("--check", "--role", auditor, env=env)
    assert (ran.status, ran.out) == (0, "")
    assert set(setting.admin.accessors()) <= alive
    ran = setting.policy("--check", env=env)
    assert (ran.status, "--role" in ran.err) == (2, True)
    minted = setting.issuer.mint(github_claims(repository=f"acme/{setting.name}"), audience="https://other")
    ran = setting.policy("--check", "--role", auditor, env={"CIPLUG_ID_TOKEN": minted})
    assert ran.status == 3
    ran = setting.policy("--check", "--role", auditor, env=job_env(repository="acme/other"))
    assert ran.status == 6


def test_who_may_only_read_roles_is_told_of_a_missing_mount_too(setting: Setting) -> None:
    rights = 'path "sys/policies/acl/*" { capabilities = ["read"] }\n'
    rights += f'path "auth/{setting.mount}/role/*" {{ capabilities = ["read"] }}\n'
    setting.admin.write_policy(f"{setting.name}-auditor", rights)
    token = setting.admin.create_token(policies=[f"{setting.name}-auditor"]).reveal().decode()
    setting.ask("DELETE", f"sys/auth/{setting.mount}")
    ran = setting.policy("--check", token=token)
    assert (ran.status, "bao auth enable" in ran.err) == (7, True)


def test_an_auth_mount_that_is_not_there_comes_with_the_commands_that_make_it(setting: Setting) -> None:
    setting.ask("DELETE", f"sys/auth/{setting.mount}")
    for option in ("--check", "--apply"):
        ran = setting.policy(option)
        assert (ran.status, ran.out) == (7, "")
        assert f"the vault has no auth method at auth/{setting.mount}" in ran.err
        assert (
            f"bao auth enable -path={setting.mount} jwt && bao write auth/{setting.mount}/config"
            f" oidc_discovery_url={setting.issuer.url} bound_issuer={setting.issuer.url}" in ran.err
        )


def test_an_auth_mount_that_trusts_nobody_is_found(setting: Setting) -> None:
    setting.applied()
    setting.ask("DELETE", f"sys/auth/{setting.mount}")
    setting.admin.jwt.enable(setting.mount)
    setting.applied()
    ran = setting.policy("--check")
    text = f"less   mount {setting.mount}: it is not configured, so nobody can log in"
    assert (ran.status, ran.out.splitlines()) == (20, [text])


def test_a_namespace_has_its_own(setting: Setting, bao: OpenBao, admin: Admin) -> None:
    namespace = f"ns-{setting.name}"
    admin.create_namespace(namespace)
    with Admin(bao.address, bao.root_token, namespace) as inside:
        team = replace(setting, admin=inside, namespace=namespace)
        team.write_manifest()
        team.trust()
        team.applied()
        assert team.policy("--check").status == 0
        assert inside.read_policy(setting.test) is not None
        assert admin.read_policy(setting.test) is None
        text = team.manifest.read_text(encoding="utf-8")
        team.manifest.write_text(text[: text.index("[jobs.deploy]")], encoding="utf-8")
        assert f"bao policy delete -namespace={namespace} {setting.deploy}" in team.policy("--apply").out


def test_a_namespace_that_is_not_there_is_said_to_be_missing(setting: Setting) -> None:
    replace(setting, namespace="nowhere").write_manifest()
    ran = setting.policy("--check")
    assert (ran.status, "check vault.namespace" in ran.err) == (7, True)


def test_nothing_is_written_where_nobody_agreed(setting: Setting) -> None:
    mark = setting.bao.mark()
    ran = setting.policy("--apply")
    assert (ran.status, ran.out.splitlines()[-1]) == (2, "4 to create")
    assert "changes want --yes where nobody can be asked" in ran.err
    assert setting.writes_since(mark) == []


@pytest.mark.parametrize(
    ("answer", "options", "status", "writes"),
    [(b"y\n", (), 0, 4), (b"n\n", (), 10, 0), (b"y\n", ("--format", "json"), 2, 0)],
)
def test_a_person_is_asked_and_a_program_is_not(
    setting: Setting, answer: bytes, options: tuple[str, ...], status: int, writes: int
) -> None:
    mark = setting.bao.mark()
    ours, theirs = pty.openpty()
    try:
        os.write(ours, answer)
        ran = subprocess.run(
            [sys.executable, "-m", "ciplug", "policy", "--apply", *options],
            cwd=setting.directory,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(setting.directory),
                "VAULT_TOKEN": setting.bao.root_token.reveal().decode(),
            },
            stdin=theirs,
            capture_output=True,
            timeout=60,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert (ran.returncode, b"4 to create - do it? [y/N]" in ran.stderr) == (status, not options)
    assert len(setting.writes_since(mark)) == writes


def test_programs_get_the_plan_with_what_was_done(setting: Setting) -> None:
    ran = setting.policy("--apply", "--yes", "--format", "json")
    document = json.loads(ran.out)
    assert (ran.status, document["format"], document["mode"], document["left_over"]) == (0, 1, "apply", [])
    assert [(one["kind"], one["what"], one["name"], one["done"]) for one in document["changes"]] == [
        ("create", "policy", setting.test, True),
        ("create", "policy", setting.deploy, True),
        ("create", "role", f"{setting.mount}/{setting.test}", True),
        ("create", "role", f"{setting.mount}/{setting.deploy}", True),
    ]
    assert f'+ path "{setting.kv}/data/app/dev/db" {{ capabilities = ["read"] }}' in document["changes"][0]["diff"]


def test_what_was_written_is_in_the_audit_log(setting: Setting) -> None:
    log = setting.directory / "audit.jsonl"
    env = {"VAULT_TOKEN": setting.bao.root_token.reveal().decode(), "CIPLUG_AUDIT": str(log)}
    assert setting.policy("--apply", "--yes", env=env).status == 0
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    written = [
        (line["command"], line.get("policy") or line.get("role"), line["change"], line["outcome"])
        for line in lines
        if line["event"] == "write"
    ]
    assert written == [
        ("policy", setting.test, "create", "ok"),
        ("policy", setting.deploy, "create", "ok"),
        ("policy", f"{setting.mount}/{setting.test}", "create", "ok"),
        ("policy", f"{setting.mount}/{setting.deploy}", "create", "ok"),
    ]


def test_what_changes_between_the_look_and_the_write_is_left_alone(setting: Setting) -> None:
    setting.applied()
    seen = setting.admin.read_policy(setting.test)
    assert seen is not None
    setting.admin.write_policy(setting.test, seen.text + "# mine\n")
    assert not setting.admin.write_policy_if(setting.test, "", seen=seen)
    assert not setting.admin.write_policy_if(setting.test, "", seen=None)
    now = setting.admin.read_policy(setting.test)
    assert now is not None
    assert (now.text, now.version) == (f"{seen.text}# mine\n", 2)
    assert setting.admin.write_policy_if(setting.test, seen.text, seen=now)


@pytest.mark.parametrize("was_there", [True, False])
def test_a_role_that_changed_since_the_plan_is_left_alone(setting: Setting, was_there: bool) -> None:
    setting.applied()
    implied = derive(load(setting.manifest))
    if not was_there:
        setting.ask("DELETE", f"auth/{setting.mount}/role/{setting.deploy}")
    else:
        setting.change_role(token_ttl=60)
    planned = plan(implied, read_live(setting.admin, implied))
    role = JwtRole(name=setting.deploy, bound_audiences=("x",), bound_claims={}, policies=("mine",))
    setting.admin.jwt.write_role(role, setting.mount)
    with pytest.raises(SyncError, match=f"role {setting.mount}/{setting.deploy} has changed since the plan was made"):
        list(carry_out(setting.admin, planned))
    assert setting.role()["token_policies"] == ["mine"]


def test_what_a_stranger_wrote_into_a_role_cannot_speak_to_the_ci_host(setting: Setting) -> None:
    setting.applied()
    setting.change_role(bound_claims={"ref": "x\n::error::y\u2028::add-mask::z ##[command]"}, user_claim="a\n::b")
    for options in (("--check",), ("--apply",), ("--check", "--format", "json")):
        ran = setting.policy(*options)
        assert ran.status in {2, 20}
        assert not [line for line in (ran.out + ran.err).splitlines() if line.lstrip().startswith("::")]
        assert options[-1] == "json" or "##[" not in ran.out
