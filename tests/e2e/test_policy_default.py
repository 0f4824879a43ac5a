"""``ciplug policy --check`` and the policy ``default``, which every token has, in every way that it can be written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from ciplug.standins.claims import github_claims
from tests.e2e.policy_setting import AUDIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.policy_setting import Ran, Setting

SELF = ("lookup-self", "renew-self", "revoke-self")


@pytest.fixture(autouse=True)
def _default_as_it_came(setting: Setting) -> Iterator[None]:
    """The policy is the whole server's, and other tests check there too."""
    stored = setting.admin.read_policy("default")
    assert stored is not None
    yield
    setting.admin.write_policy("default", stored.text)


def check_with(setting: Setting, more: str) -> Ran:
    stored = setting.admin.read_policy("default")
    assert stored is not None
    setting.admin.write_policy("default", f"{stored.text}\n{more}\n")
    return setting.policy("--check")


def token_of_a_job(setting: Setting) -> str:
    claims = github_claims(repository=f"acme/{setting.name}")
    login = {"role": setting.test, "jwt": setting.issuer.mint(claims, audience=AUDIENCE)}
    answer = httpx.post(f"{setting.bao.address}/v1/auth/{setting.mount}/login", json=login).raise_for_status()
    token: str = answer.json()["auth"]["client_token"]
    return token


def may(setting: Setting, method: str, path: str, body: Any = None) -> bool:
    """Whether a job of the project, with no rights to it of its own, may do this."""
    headers = {"X-Vault-Token": token_of_a_job(setting)}
    return httpx.request(method, f"{setting.bao.address}/v1/{path}", json=body, headers=headers).is_success


@pytest.mark.parametrize(
    ("rule", "grade"),
    [
        ('path "{kv}/data/*" {{ capabilities = ["read"] }}', "more"),
        ('path "/{kv}/data/*" {{ capabilities = ["read"] }}', "more"),
        ('path "{kv}/data/*" {{ policy = "read" }}', "more"),
        ('path "{kv}/data/*" {{ policy = "write" }}', "more"),
        ('path "{kv}/+/app/prod/db" {{ capabilities = ["read"] }}', "more"),
        ('path "{kv}/data/*" "x" {{ capabilities = ["read"] }}', "other"),
        ('"path" "{kv}/data/*" {{ capabilities = ["read"] }}', "other"),
        ('path "{kv}\\u002fdata/*" {{ capabilities = ["read"] }}', "other"),
    ],
)
def test_whatever_lets_a_job_read_the_record_of_another_is_found(setting: Setting, rule: str, grade: str) -> None:
    setting.applied()
    ran = check_with(setting, rule.format(kv=setting.kv))
    assert may(setting, "GET", f"{setting.kv}/data/app/prod/db")
    assert ran.status == 20
    [line] = ran.out.splitlines()
    assert line.startswith(f"{grade:<5}  policy default: every token has it, and ")


def test_a_default_policy_in_json_is_found_to_be_one_that_cannot_be_read(setting: Setting) -> None:
    setting.applied()
    own = {f"auth/token/{verb}": {"capabilities": ["read", "update"]} for verb in SELF}
    rules = {"path": own | {f"{setting.kv}/data/*": {"capabilities": ["read"]}}}
    setting.admin.write_policy("default", json.dumps(rules))
    assert may(setting, "GET", f"{setting.kv}/data/app/prod/db")
    ran = setting.policy("--check")
    assert (ran.status, ran.out.startswith("other  policy default: every token has it, and what it allows")) == (
        20,
        True,
    )


@pytest.mark.parametrize(
    ("rule", "method", "path"),
    [
        ('path "{kv}/metadata/*" {{ capabilities = ["list", "delete"] }}', "DELETE", "{kv}/metadata/app/prod/db"),
        ('path "{kv}/destroy/*" {{ capabilities = ["update"] }}', "PUT", "{kv}/destroy/app/prod/db"),
        ('path "auth/{mount}/role/*" {{ capabilities = ["create", "update"] }}', "PUT", "auth/{mount}/role/zz"),
        ('path "sys/policies/acl/*" {{ capabilities = ["create", "update"] }}', "PUT", "sys/policies/acl/{name}-test"),
        ('path "sys/policy/*" {{ capabilities = ["create", "update"] }}', "PUT", "sys/policy/{name}-test"),
        ('path "auth/token/create" {{ capabilities = ["update", "sudo"] }}', "POST", "auth/token/create"),
    ],
)
def test_whatever_lets_a_job_give_itself_more_is_found(setting: Setting, rule: str, method: str, path: str) -> None:
    setting.applied()
    names = {"kv": setting.kv, "mount": setting.mount, "name": setting.name}
    ran = check_with(setting, rule.format(**names))
    role = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": [AUDIENCE], "token_policies": ["root-like"]}
    body = role | {"policy": 'path "*" { capabilities = ["sudo"] }', "policies": [setting.deploy], "versions": [1]}
    assert may(setting, method, path.format(**names), body)
    assert (ran.status, ran.out.startswith("more   policy default: every token has it, and path")) == (20, True)


def test_a_path_with_a_template_may_reach_a_record(setting: Setting) -> None:
    setting.applied()
    rule = f'path "{setting.kv}/data/app/{{{{identity.entity.metadata.team}}}}/*" {{ capabilities = ["read"] }}'
    ran = check_with(setting, rule)
    text = f"every token has it, and {rule} may also be for {setting.kv}/data/app/dev/db, {setting.kv}/data/app/prod/db"
    assert (ran.status, ran.out.splitlines()) == (20, [f"more   policy default: {text}"])


def test_the_default_policy_as_it_comes_is_read_without_a_reader_of_hcl(setting: Setting) -> None:
    setting.applied()
    absent = setting.directory / "absent"
    absent.mkdir()
    (absent / "hcl2.py").write_text("raise ImportError\n", encoding="utf-8")
    env = {"VAULT_TOKEN": setting.bao.root_token.reveal().decode(), "PYTHONPATH": str(absent)}
    ran = setting.policy("--check", env=env)
    assert (ran.status, ran.out, "not looked at" in ran.err) == (0, "", False)
    setting.admin.write_policy("default", 'path "a" { policy = "read" }')
    ran = setting.policy("--check", env=env)
    assert (ran.status, "(pip install 'ciplug[policy]')" in ran.out) == (20, True)


def test_the_project_s_own_policies_are_read_as_the_vault_reads_them(setting: Setting) -> None:
    setting.applied()
    for more in (
        f'path "/{setting.kv}/data/app/*" {{ policy = "read" }}',
        f'path "/{setting.kv}/*" {{ capabilities = ["read"] }}',
    ):
        setting.change_policy("path", f"{more}\npath")
        ran = setting.policy("--check")
        assert (ran.status, ran.out.startswith(f'more   policy {setting.deploy}: path "{setting.kv}/')) == (20, True)
        setting.applied()
        assert setting.policy("--check").status == 0
