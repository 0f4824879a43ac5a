from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciplug.errors import ManifestError
from ciplug.manifest import Environment, Ref, RefError, Vault
from ciplug.manifest.scope import resolve
from ciplug.values import Record

VAULT = Vault(audience="v", shared=("common", "platforms/x"))
DEV = Environment(name="dev", path="app/dev")


@pytest.mark.parametrize(
    ("text", "record"),
    [
        ("db#url", Record(mount="secret", path="app/dev/db", engine="kv2")),
        ("db@3#url", Record(mount="secret", path="app/dev/db", engine="kv2", version=3)),
        ("//common#x", Record(mount="secret", path="common", engine="kv2")),
        ("//platforms/x/y@1#x", Record(mount="secret", path="platforms/x/y", engine="kv2", version=1)),
        ("database:creds/web#x", Record(mount="database", path="creds/web", engine="other")),
        ("identity:oidc/token/web#token", Record(mount="identity", path="oidc/token/web", engine="other")),
        ("secrets:data/x#x", Record(mount="secrets", path="data/x", engine="other")),
    ],
)
def test_ref_resolves_to_a_record(text: str, record: Record) -> None:
    assert resolve(Ref.parse(text), VAULT, DEV) == record


def test_ref_resolves_on_the_old_engine() -> None:
    vault = Vault(audience="v", kv_version=1, kv_mount="team/kv")
    assert resolve(Ref.parse("db#x"), vault, DEV) == Record(mount="team/kv", path="app/dev/db", engine="kv1")


@pytest.mark.parametrize(
    ("text", "vault", "problem"),
    [
        ("//app/prod/db#x", VAULT, "vault.shared"),
        ("//commons#x", VAULT, "vault.shared"),
        ("//platforms#x", VAULT, "vault.shared"),
        ("//common#x", Vault(audience="v"), "vault.shared"),
        ("db@1#x", Vault(audience="v", kv_version=1), "kv_version = 1"),
        ("//common@1#x", Vault(audience="v", kv_version=1, shared=("common",)), "kv_version = 1"),
        ("secret:data/app/prod/db#x", VAULT, "must not name the KV mount"),
        ("secret/data/app/prod:db#x", VAULT, "must not name the KV mount"),
        ("team:kv/data/app/prod/db#x", Vault(audience="v", kv_mount="team/kv"), "must not name the KV mount"),
        ("team:kv#x", Vault(audience="v", kv_mount="team/kv"), "must not name the KV mount"),
        ("team/kv/data:x#x", Vault(audience="v", kv_mount="team/kv"), "must not name the KV mount"),
        ("sys:policies/acl/x#x", VAULT, "own mounts"),
        ("sys/policies:acl#x", VAULT, "own mounts"),
        ("acme/sys:policies/acl/x#x", VAULT, "own mounts"),
        ("auth:token/lookup-self#id", VAULT, "own mounts"),
        ("auth/token:lookup-self#id", VAULT, "own mounts"),
        ("cubbyhole:x#x", VAULT, "own mounts"),
        ("identity:entity/id/x#x", VAULT, "own mounts"),
        ("identity/oidc:token/x#x", VAULT, "own mounts"),
    ],
)
def test_ref_cannot_leave_its_scope(text: str, vault: Vault, problem: str) -> None:
    with pytest.raises(ManifestError, match=problem):
        resolve(Ref.parse(text), vault, DEV)


@given(st.text(st.sampled_from("ab./@:#~*%0127 \n\\é"), max_size=20) | st.text(max_size=20))
def test_any_relative_ref_stays_in_its_environment(text: str) -> None:
    try:
        ref = Ref.parse(f"{text}#x")
    except RefError:
        return
    if ref.mount is None and not ref.from_root:
        path = resolve(ref, VAULT, DEV).path
        assert path.startswith("app/dev/")
        assert not {"", ".", ".."} & set(path.split("/"))
