"""The administrative routes on the real server, and what their refusals look like."""

from __future__ import annotations

import os
import secrets
import traceback
from typing import TYPE_CHECKING

import httpx
import pytest

from ciplug.errors import (
    CiplugError,
    DeniedError,
    MissingError,
    SealedError,
    UnreachableError,
    UsageError,
    VaultError,
)
from ciplug.net.tls import TlsSettings
from ciplug.standins.openbao import OpenBao
from ciplug.values import Secret
from ciplug.vault.admin import Admin
from ciplug.vault.admin_auth import JwtRole
from ciplug.vault.admin_kv import Stored
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.conftest import Trust
    from tests.e2e.project import Project


def read(bao: OpenBao, path: str, *, namespace: str = "", token: str = "") -> httpx.Response:
    headers = {"X-Vault-Token": token or bao.root_token.reveal().decode(), "X-Vault-Namespace": namespace}
    return httpx.get(f"{bao.address}/v1/{path}", headers=headers)


def new_token(bao: OpenBao) -> dict[str, str]:
    headers = {"X-Vault-Token": bao.root_token.reveal().decode()}
    auth: dict[str, str] = httpx.post(
        f"{bao.address}/v1/auth/token/create", json={"ttl": "60s"}, headers=headers
    ).json()["auth"]
    return auth


@pytest.fixture
def name() -> str:
    return f"a{secrets.token_hex(4)}"


def test_a_v2_record_is_written_deleted_and_destroyed(bao: OpenBao, admin: Admin, name: str) -> None:
    admin.kv.mount(name)
    path = "app/dev/a b%é"
    assert [admin.kv.write(name, path, {"n": n}) for n in range(3)] == [1, 2, 3]
    admin.kv.delete(name, path, [1])
    admin.kv.destroy(name, path, [2])
    answers = [read(bao, f"{name}/data/{path.replace('%', '%25')}?version={n}") for n in (1, 2, 3)]
    assert [answer.status_code for answer in answers] == [404, 404, 200]
    deleted, destroyed, live = (answer.json()["data"] for answer in answers)
    assert (deleted["metadata"]["destroyed"], destroyed["metadata"]["destroyed"]) == (False, True)
    assert live["data"] == {"n": 2}


def test_a_record_is_read_whatever_has_become_of_it(admin: Admin, name: str) -> None:
    """A version that was deleted or destroyed still counts: a check-and-set write has to name it."""
    admin.kv.mount(name)
    assert admin.kv.read(name, "app/db") == Stored(data=None, version=0)
    admin.kv.write(name, "app/db", {"n": 1})
    assert admin.kv.read(name, "app/db") == Stored(data={"n": 1}, version=1)
    admin.kv.delete(name, "app/db", [1])
    assert admin.kv.read(name, "app/db") == Stored(data=None, version=1)
    assert admin.kv.write_if(name, "app/db", {"n": 2}, version=1) == 2
    admin.kv.destroy(name, "app/db", [2])
    assert admin.kv.read(name, "app/db") == Stored(data=None, version=2)
    assert admin.kv.write_if(name, "app/db", {"n": 3}, version=0) is None
    assert admin.kv.write_if(name, "app/db", {"n": 3}, version=2) == 3


def test_a_record_of_an_engine_that_is_not_there_is_not_an_absent_one(bao: OpenBao, admin: Admin, name: str) -> None:
    with pytest.raises(MissingError, match=f"GET /v1/{name}/data/a: "):
        admin.kv.read(name, "a")
    with Admin(bao.address, bao.root_token, name) as nowhere, pytest.raises(MissingError):
        nowhere.kv.read("secret", "a")


def test_the_old_engine_is_refused_as_one_without_versions(bao: OpenBao, admin: Admin, name: str) -> None:
    """It answers 404 for an absent record as the new one does, and would take a checked write unchecked."""
    admin.kv.mount(name, version=1)
    admin.write_policy(name, f'path "{name}/data/*" {{ capabilities = ["create", "read", "update"] }}')
    with Admin(bao.address, admin.create_token(policies=[name])) as limited:
        for one in (admin, limited):
            with pytest.raises(VaultError, match="not what a KV version 2 engine answers") as caught:
                one.kv.read(name, "app/db")
            assert "KV version 2 mount" in caught.value.hint
    with pytest.raises(VaultError, match="not what a KV version 2 engine answers"):
        admin.kv.write_if(name, "app/db", {"k": "v"}, version=0)
    with pytest.raises(VaultError, match="not what a KV version 2 engine answers"):
        admin.kv.read(name, "app/db")


def test_a_record_that_may_not_be_read_is_denied(bao: OpenBao, admin: Admin, name: str) -> None:
    admin.kv.mount(name)
    admin.kv.write(name, "app/db", {"n": 1})
    with Admin(bao.address, admin.create_token(policies=["default"])) as limited:
        for path in ("app/db", "app/absent"):
            with pytest.raises(DeniedError, match=f"GET /v1/{name}/data/{path}: "):
                limited.kv.read(name, path)


def test_a_v1_record_has_no_versions(bao: OpenBao, admin: Admin, name: str) -> None:
    admin.kv.mount(name, version=1)
    admin.kv.write_v1(name, "app/db", {"url": "x"})
    assert read(bao, f"{name}/app/db").json()["data"] == {"url": "x"}


def test_a_new_mount_takes_a_record_at_once(admin: Admin, name: str) -> None:
    for n in range(10):
        admin.kv.mount(f"{name}-{n}")
        assert admin.kv.write(f"{name}-{n}", "a", {"k": "v"}) == 1


def test_a_namespace_is_a_vault_of_its_own(bao: OpenBao, admin: Admin, name: str) -> None:
    admin.create_namespace(name)
    with Admin(bao.address, bao.root_token, name) as inside:
        inside.kv.mount("kv")
        inside.kv.write("kv", "a", {"k": "v"})
    assert read(bao, "kv/data/a", namespace=name).status_code == 200
    assert read(bao, "kv/data/a").status_code == 404


def test_more_requests_than_the_quota_allows_get_429(bao: OpenBao, admin: Admin, name: str) -> None:
    admin.kv.mount(name)
    admin.limit_rate(name, path=f"{name}/", rate=1, interval="60s", block_interval="60s")
    assert [read(bao, f"{name}/data/a").status_code for _ in range(3)] == [404, 429, 429]
    with pytest.raises(VaultError, match="the vault answered 429"):
        admin.kv.write(name, "a", {})


def test_a_token_is_alive_until_it_is_revoked(bao: OpenBao, admin: Admin) -> None:
    auth = new_token(bao)
    token = Secret(auth["client_token"])
    assert admin.token_is_alive(token)
    assert admin.look_up_accessor(auth["accessor"])["policies"] == ["root"]
    httpx.post(f"{bao.address}/v1/auth/token/revoke-self", headers={"X-Vault-Token": auth["client_token"]})
    assert not admin.token_is_alive(token)
    with pytest.raises(VaultError):
        admin.look_up_accessor(auth["accessor"])


def test_a_role_says_how_long_and_what_kind_of_token(project: Project) -> None:
    role = JwtRole(
        name="batch",
        bound_audiences=("a",),
        bound_claims={"repository": ["acme/*", "other"]},
        bound_claims_type="glob",
        policies=("p",),
        token_type="batch",
        ttl=60,
        max_ttl=120,
        leeway=-1,
    )
    project.admin.jwt.write_role(role, project.auth_mount)
    seen = read(project.bao, f"auth/{project.auth_mount}/role/batch").json()["data"]
    assert (seen["role_type"], seen["token_type"], seen["bound_claims_type"]) == ("jwt", "batch", "glob")
    assert (seen["token_ttl"], seen["token_max_ttl"], seen["token_policies"]) == (60, 120, ["p"])
    assert (seen["clock_skew_leeway"], seen["expiration_leeway"], seen["not_before_leeway"]) == (-1, -1, -1)


@pytest.mark.parametrize("urls", [{}, {"jwks_url": "http://127.0.0.1:1/", "discovery_url": "http://127.0.0.1:1/"}])
def test_the_method_has_one_source_of_keys(admin: Admin, urls: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        admin.jwt.configure(bound_issuer="x", **urls)


def test_a_private_authority_is_trusted_by_its_file_alone(bao: OpenBao, trust: Trust) -> None:
    with Admin(bao.tls_address, bao.root_token, tls=TlsSettings(ca_file=str(trust.ca_file))) as admin:
        assert admin.token_is_alive(bao.root_token)
    with Admin(bao.tls_address, bao.root_token) as admin, pytest.raises(UnreachableError, match="unknown issuer"):
        admin.token_is_alive(bao.root_token)


def test_proxies_of_the_environment_are_not_used(bao: OpenBao, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with Admin(bao.address, bao.root_token) as admin:
        assert admin.token_is_alive(bao.root_token)


SPOKEN = "hunter2"
REFUSALS: dict[str, tuple[Callable[[Admin], object], type[CiplugError], str]] = {
    "no mount": (lambda admin: admin.kv.write("nowhere", "a", {}), MissingError, "POST /v1/nowhere/data/a: "),
    "mounted": (
        lambda admin: admin.kv.mount("secret"),
        VaultError,
        "POST /v1/sys/mounts/secret: the vault answered 400",
    ),
    "policy": (lambda admin: admin.write_policy("p", f"{SPOKEN} {{"), VaultError, "PUT /v1/sys/policies/acl/p: "),
    "unseal": (lambda admin: admin.unseal(Secret(SPOKEN)), VaultError, "PUT /v1/sys/unseal: "),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_names_its_route_and_nothing_of_the_answer(admin: Admin, case: str) -> None:
    call, kind, start = REFUSALS[case]
    with pytest.raises(kind) as caught:
        call(admin)
    assert type(caught.value) is kind
    assert str(caught.value).startswith(start)
    assert_no_leak("".join(traceback.format_exception(caught.value)) + caught.value.hint, [SPOKEN])
    assert caught.value.__suppress_context__


def test_a_token_without_the_right_is_denied(bao: OpenBao) -> None:
    with Admin(bao.address, Secret("not-a-token")) as admin, pytest.raises(DeniedError) as caught:
        admin.kv.mount("x")
    assert "not-a-token" not in str(caught.value)


def test_a_sealed_vault_says_so_and_opens_again_with_its_key() -> None:
    with OpenBao(os.environ) as own, Admin(own.address, own.root_token) as admin:
        admin.seal()
        with pytest.raises(SealedError, match="POST /v1/secret/data/a"):
            admin.kv.write("secret", "a", {})
        assert own.directory is not None
        [line] = [x for x in (own.directory / "server.log").read_text().splitlines() if x.startswith("Unseal Key: ")]
        admin.unseal(Secret(line.removeprefix("Unseal Key: ")))
        assert admin.token_is_alive(own.root_token)
    with Admin(own.address, own.root_token) as admin, pytest.raises(UnreachableError, match="refused"):
        admin.seal()
