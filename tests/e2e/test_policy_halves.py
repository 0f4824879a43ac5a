"""``ciplug policy --apply`` where a policy loses and gains while its role changes: one change, written in two steps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import httpx
import pytest

from ciplug.errors import PolicyError
from ciplug.manifest import load
from ciplug.policy.applying import carry_out
from ciplug.policy.deriving import derive
from ciplug.policy.live import read_live
from ciplug.policy.plan import plan
from ciplug.standins.claims import github_claims
from tests.e2e.policy_setting import AUDIENCE

if TYPE_CHECKING:
    from tests.e2e.policy_setting import Setting


def exchange(setting: Setting) -> None:
    """The job ``deploy`` is to read another record than before, and from another branch as well."""
    setting.admin.kv.write(setting.kv, "app/prod/api", {"url": "x"})
    text = setting.manifest.read_text(encoding="utf-8").replace(
        '"refs/heads/next"]', '"refs/heads/next", "refs/heads/b"]'
    )
    text = text.replace("[jobs.test]", '[secrets.API]\nref = "api#url"\n\n[jobs.test]')
    head, _, tail = text.rpartition('["DATABASE_URL"]')
    setting.manifest.write_text(f'{head}["API"]{tail}', encoding="utf-8")


def reads(setting: Setting, ref: str, mount: str = "") -> bool | None:
    """Whether whoever runs on `ref` reads the record that ``deploy`` had at first; ``None`` where they get no token."""
    minted = setting.issuer.mint(github_claims(repository=f"acme/{setting.name}", ref=ref), audience=AUDIENCE)
    url = f"{setting.bao.address}/v1"
    body = {"role": setting.deploy, "jwt": minted}
    answer = httpx.post(f"{url}/auth/{mount or setting.mount}/login", json=body)
    if not answer.is_success:
        return None
    headers = {"X-Vault-Token": answer.json()["auth"]["client_token"]}
    return httpx.get(f"{url}/{setting.kv}/data/app/prod/db", headers=headers).is_success


def test_it_is_one_change_and_two_writes(setting: Setting) -> None:
    setting.applied()
    exchange(setting)
    mark = setting.bao.mark()
    ran = setting.policy("--apply", "--yes")
    assert (ran.status, ran.out.splitlines()[-1]) == (0, "2 to update")
    assert ran.out.count(f"~ update   policy {setting.deploy}") == 1
    policy, role = f"sys/policies/acl/{setting.deploy}", f"auth/{setting.mount}/role/{setting.deploy}"
    assert setting.writes_since(mark) == [policy, role, policy]
    assert [line for line in ran.err.splitlines() if "note" not in line] == [
        f"ciplug: policy {setting.deploy}: what it loses is taken away, the rest follows its roles",
        f"ciplug: updated role {setting.mount}/{setting.deploy}",
        f"ciplug: updated policy {setting.deploy}",
    ]
    assert setting.policy("--check").status == 0


def test_what_was_begun_is_said_where_the_rest_fails_and_done_by_the_next_run(setting: Setting) -> None:
    setting.applied()
    exchange(setting)
    rights = 'path "sys/policies/acl/*" { capabilities = ["read", "update"] }\n'
    rights += f'path "auth/{setting.mount}/role/*" {{ capabilities = ["read"] }}\n'
    setting.admin.write_policy(f"{setting.name}x", rights)
    token = setting.admin.create_token(policies=[f"{setting.name}x"]).reveal().decode()
    ran = setting.policy("--apply", "--yes", token=token)
    assert ran.status == 10
    assert f"0 of 2 changes were made (of policy {setting.deploy} only what it loses), then: POST " in ran.err
    stored = setting.admin.read_policy(setting.deploy)
    assert stored is not None
    assert stored.text.count("\n") == 1
    document = json.loads(setting.policy("--apply", "--yes", "--format", "json").out)
    assert [one["done"] for one in document["changes"] if one["kind"] == "update"] == [True, True]
    assert setting.policy("--check").status == 0


def test_what_changed_between_the_two_writes_is_left_alone(setting: Setting) -> None:
    setting.applied()
    exchange(setting)
    manifest = derive(load(setting.manifest))
    steps = carry_out(setting.admin, plan(manifest, read_live(setting.admin, manifest)))
    assert next(steps).is_half
    setting.admin.write_policy(setting.deploy, "# mine\n")
    with pytest.raises(PolicyError, match=f"policy {setting.deploy} has changed since the plan was made"):
        list(steps)
    stored = setting.admin.read_policy(setting.deploy)
    assert stored is not None
    assert stored.text == "# mine\n"


def test_a_policy_that_is_left_alone_keeps_its_role_from_letting_others_in(setting: Setting) -> None:
    setting.applied()
    exchange(setting)
    setting.write_role(f"{setting.name}x", setting.deploy, repository="acme/other")
    mark = setting.bao.mark()
    ran = setting.policy("--apply", "--yes")
    assert f"role {setting.mount}/{setting.deploy}  its policy {setting.deploy} is left alone" in ran.out
    assert setting.writes_since(mark) == []
    assert (reads(setting, "refs/heads/main"), reads(setting, "refs/heads/b")) == (True, None)
    setting.ask("DELETE", f"auth/{setting.mount}/role/{setting.name}x")
    setting.applied()
    assert (reads(setting, "refs/heads/main"), reads(setting, "refs/heads/b")) == (False, False)
    assert setting.policy("--check").status == 0


def test_a_policy_that_is_left_alone_gets_no_role_at_another_mount(setting: Setting) -> None:
    setting.applied()
    exchange(setting)
    mount = f"{setting.mount}b"
    setting.admin.jwt.enable(mount)
    setting.admin.jwt.configure(mount, bound_issuer=setting.issuer.url, jwks_url=setting.issuer.jwks_url)
    setting.change_manifest(f'auth_mount = "{setting.mount}"', f'auth_mount = "{mount}"')
    mark = setting.bao.mark()
    setting.policy("--apply", "--yes")
    assert setting.writes_since(mark) == [f"auth/{mount}/role/{setting.test}"]
    assert reads(setting, "refs/heads/b", mount) is None


def test_what_a_second_pattern_keeps_back_is_read_by_nobody_on_the_way(setting: Setting) -> None:
    """The vault goes by the longer pattern, so that who is still let in cannot read, and must not for a moment."""
    setting.applied()
    patterns = f'path "{setting.kv}/data/*" {{ capabilities = ["read"] }}\n'
    patterns += f'path "{setting.kv}/data/app/prod/*" {{ capabilities = ["list"] }}\npath "x"'
    setting.change_policy(f'path "{setting.kv}/data/app/prod/db"', patterns)
    setting.change_role(bound_claims={"repository": f"acme/{setting.name}"})
    assert reads(setting, "refs/heads/b") is False
    manifest = derive(load(setting.manifest))
    steps = carry_out(setting.admin, plan(manifest, read_live(setting.admin, manifest)))
    assert [reads(setting, "refs/heads/b") for _ in steps] == [False, None, None]
    assert reads(setting, "refs/heads/main") is True
