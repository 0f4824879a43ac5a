"""``ciplug policy --check`` on a real vault: each difference is named, also of mounts, and where one may not look."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import trustme

from ciplug.standins.claims import github_claims
from ciplug.standins.issuer import Issuer
from ciplug.standins.openbao import OpenBao
from ciplug.vault.admin import Admin
from ciplug.vault.admin_auth import JwtRole
from tests.e2e.policy_setting import AUDIENCE, Setting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.e2e.conftest import MakesJobEnv


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
        ("app/prod/db", "*", "more", "is not implied (a wildcard: it matches other records too)"),
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


def test_keys_that_anybody_may_have_put_at_the_issuers_address_are_found(setting: Setting) -> None:
    setting.applied()
    url = f"{setting.issuer.url}/jwks?file=/mallory/raw/keys.json"
    setting.ask("POST", f"auth/{setting.mount}/config", {"bound_issuer": setting.issuer.url, "jwks_url": url})
    ran = setting.policy("--check")
    text = f'its jwks_url is "{url}", and whose keys these are cannot be told: set oidc_discovery_url'
    assert (ran.status, ran.out.splitlines()) == (20, [f"other  mount {setting.mount}: {text}"])
    trust = {"bound_issuer": setting.issuer.url, "oidc_discovery_url": setting.issuer.url, "jwks_url": ""}
    setting.ask("POST", f"auth/{setting.mount}/config", trust)
    assert setting.policy("--check").status == 0


def test_an_authority_of_a_private_issuer_is_told_and_no_finding(setting: Setting) -> None:
    setting.applied()
    trust = {"bound_issuer": setting.issuer.url, "jwks_url": setting.issuer.jwks_url}
    authority = {"jwks_ca_pem": trustme.CA().cert_pem.bytes().decode()}
    setting.ask("POST", f"auth/{setting.mount}/config", trust | authority)
    ran = setting.policy("--check")
    told = f"who has the key of the authority in jwks_ca_pem of auth/{setting.mount} cannot be looked at"
    assert (ran.status, ran.out, f"ciplug: note: {told}\n" in ran.err) == (0, "", True)
    setting.ask("POST", f"auth/{setting.mount}/config", trust | {"override_allowed_server_names": ["evil.example"]})
    ran = setting.policy("--check")
    assert (ran.status, ran.out.partition(",")[0]) == (
        20,
        f"other  mount {setting.mount}: its override_allowed_server_names is set",
    )


def test_a_sealed_vault_is_told_of_before_it_is_waited_for(setting: Setting) -> None:
    with OpenBao(os.environ) as bao, Admin(bao.address, bao.root_token) as admin:
        sealed = replace(setting, bao=bao, admin=admin)
        sealed.write_manifest()
        admin.seal()
        for option in ("--check", "--apply"):
            root = bao.root_token.reveal().decode()
            ran = sealed.policy(option, env={"VAULT_TOKEN": root, "CIPLUG_DEADLINE": "2"})
            assert (ran.status, ran.out, ran.err.count("retrying for up to 2 s")) == (5, "", 1)
            assert "is sealed or not initialised; retrying" in ran.err


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
    assert (ran.status, ran.out) == (0, "")
    of_the_manifest, *notes, last = ran.err.splitlines()
    assert of_the_manifest.startswith("ciplug: note: project.github is a name")
    assert [line.removeprefix("ciplug: note: ").partition(": ")[0] for line in notes] == [
        f"whose tokens auth/{setting.mount} trusts was not looked at",
        "other auth mounts were not looked at",
        f"other roles of auth/{setting.mount} were not looked at",
        "what is left over of policies that no role gives was not looked for",
        "the policy default, which every token has, was not looked at",
        f"CEL roles of auth/{setting.mount} were not looked at",
    ]
    as_implied = "ciplug: the roles and policies of ciplug.toml are as implied"
    assert last == f"{as_implied}; 6 things were not looked at, see the notes"
    document = json.loads(setting.policy("--check", "--format", "json", token=token).out)
    assert (len(document["notes"]), len(document["not_looked_at"])) == (1, 6)
    assert setting.policy("--check").err.splitlines()[-1] == as_implied


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
    assert (ran.status, "bao auth enable" in ran.err) == (4, True)


def test_an_auth_mount_that_is_not_there_comes_with_the_commands_that_make_it(setting: Setting) -> None:
    setting.ask("DELETE", f"sys/auth/{setting.mount}")
    for option in ("--check", "--apply"):
        ran = setting.policy(option)
        assert (ran.status, ran.out) == (4, "")
        assert f"ciplug: error: vault: the vault has no auth method at auth/{setting.mount}. Next: " in ran.err
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


def test_a_namespace_has_its_own(setting: Setting) -> None:
    bao, admin = setting.bao, setting.admin
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
    assert (ran.status, 'error: vault: the vault has no namespace "nowhere". Next: ' in ran.err) == (4, True)


@pytest.mark.parametrize(
    ("tune", "grade", "field"),
    [
        ({"token_type": "batch"}, "more", "token_type is batch"),
        ({"max_lease_ttl": "60s"}, "less", "max_lease_ttl is 60"),
    ],
)
def test_a_mount_tuned_to_give_other_tokens_is_found(
    setting: Setting, tune: dict[str, str], grade: str, field: str
) -> None:
    setting.applied()
    setting.ask("POST", f"sys/auth/{setting.mount}/tune", tune)
    ran = setting.policy("--check")
    [line] = ran.out.splitlines()
    assert (ran.status, line.startswith(f"{grade}   mount {setting.mount}: its {field}, ")) == (20, True)


def test_a_mount_tuned_so_that_its_roles_decide_is_in_order(setting: Setting) -> None:
    setting.applied()
    setting.ask("POST", f"sys/auth/{setting.mount}/tune", {"token_type": "default-batch", "max_lease_ttl": "300s"})
    ran = setting.policy("--check")
    assert (ran.status, ran.out) == (0, "")
