"""What every ``VaultSession`` does, shown on a real OpenBao: read all or fail, say what is absent, end itself."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from ciplug.errors import DeniedError, MissingError
from ciplug.net.transport import Transport
from ciplug.standins.claims import github_claims
from ciplug.standins.issuer import Issuer
from ciplug.standins.openbao import OpenBao
from ciplug.values import Contents, Record, Secret
from ciplug.vault.admin import Admin
from ciplug.vault.admin_auth import JwtRole
from ciplug.vault.client import VaultClient
from ciplug.vault.session import Session, login

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ciplug.contracts import VaultSession

AUDIENCE = "https://vault.acme.dev"


@dataclass(frozen=True, kw_only=True)
class Vault:
    bao: OpenBao
    admin: Admin
    issuer: Issuer
    transport: Transport

    def session(self) -> VaultSession:
        client = VaultClient([self.bao.address], transport=self.transport)
        token = self.issuer.mint(github_claims(), audience=AUDIENCE)
        return login(client, "jwt", "reader", Secret(token))


@pytest.fixture(scope="module")
def vault() -> Iterator[Vault]:
    with Issuer() as issuer, OpenBao(os.environ) as bao, Admin(bao.address, bao.root_token) as admin:
        admin.jwt.enable()
        admin.jwt.configure(bound_issuer=issuer.url, jwks_url=issuer.jwks_url)
        admin.kv.mount("old", version=1)
        admin.write_policy(
            "reader",
            'path "secret/data/open/*" { capabilities = ["read"] }\npath "old/open/*" { capabilities = ["read"] }',
        )
        admin.jwt.write_role(
            JwtRole(
                name="reader",
                bound_audiences=(AUDIENCE,),
                bound_claims={"repository": "acme/shop"},
                policies=("reader",),
            )
        )
        transport = Transport()
        yield Vault(bao=bao, admin=admin, issuer=issuer, transport=transport)
        transport.close()


def kv(path: str, version: int | None = None) -> Record:
    return Record(mount="secret", path=path, engine="kv2", version=version)


def fresh(vault: Vault, **data: object) -> Record:
    record = kv(f"open/{secrets.token_hex(4)}")
    vault.admin.kv.write("secret", record.path, data)
    return record


def test_reads_each_record_once_and_gives_version_and_request_id(vault: Vault) -> None:
    records = [fresh(vault, value=f"v{number}") for number in range(12)]
    mark = vault.bao.mark()
    found = vault.session().read([*records, *records])
    assert [found[record].data["value"] for record in records] == [f"v{number}" for number in range(12)]
    reads = vault.bao.requests_since(mark, path="secret/data/open/")
    assert sorted(read["request"]["id"] for read in reads) == sorted(found[record].request_id for record in records)
    assert {found[record].version for record in records} == {1}


def test_absent_deleted_and_destroyed_come_back_as_errors_that_differ(vault: Vault) -> None:
    deleted, destroyed = fresh(vault, a=1), fresh(vault, a=1)
    vault.admin.kv.delete("secret", deleted.path, [1])
    vault.admin.kv.destroy("secret", destroyed.path, [1])
    absent = kv("open/never")
    found = vault.session().read([absent, deleted, destroyed])
    assert all(isinstance(found[record], MissingError) for record in (absent, deleted, destroyed))
    assert "does not exist" in str(found[absent])
    assert "deleted" in str(found[deleted])
    assert "destroyed" in str(found[destroyed])


def test_pinned_version_is_read(vault: Vault) -> None:
    record = fresh(vault, value="first")
    vault.admin.kv.write("secret", record.path, {"value": "second"})
    pinned = kv(record.path, version=1)
    found = vault.session().read([pinned, record])
    assert (found[pinned].data["value"], found[record].data["value"]) == ("first", "second")


def test_old_engine_is_read(vault: Vault) -> None:
    vault.admin.kv.write_v1("old", "open/db", {"data": "a field called data", "n": 5})
    record = Record(mount="old", path="open/db", engine="kv1")
    found = vault.session().read([record])[record]
    assert isinstance(found, Contents)
    assert found.data == {"data": "a field called data", "n": 5}
    assert found.lease is None


def test_one_denied_record_fails_the_whole_read(vault: Vault) -> None:
    with pytest.raises(DeniedError, match="closed/x"):
        vault.session().read([fresh(vault, a=1), kv("closed/x"), fresh(vault, a=1)])


def test_revoked_session_is_dead_and_may_be_revoked_again(vault: Vault) -> None:
    session = vault.session()
    assert vault.admin.token_is_alive(session.token)
    assert session.ours
    session.revoke()
    session.revoke()
    assert not session.ours
    assert not vault.admin.token_is_alive(session.token)
    with pytest.raises(DeniedError):
        session.read([fresh(vault, a=1)])


def test_a_brought_token_is_left_alone(vault: Vault) -> None:
    client = VaultClient([vault.bao.address], transport=vault.transport)
    session = Session.from_token(client, vault.bao.root_token)
    session.revoke()
    assert vault.admin.token_is_alive(vault.bao.root_token)
    assert not session.ours


def test_life_is_told_in_seconds(vault: Vault) -> None:
    left = vault.session().ttl_remaining()
    assert left is not None
    assert 0 < left <= 300
