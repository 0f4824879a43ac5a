"""An administrator's way to a real vault: certificates, proxies, several addresses, a cluster without its leader."""

from __future__ import annotations

import os
import secrets
import time
import traceback
from base64 import b64encode
from typing import TYPE_CHECKING

import httpx
import pytest
import trustme

from ciplug.errors import DeniedError, SealedError, UnreachableError, UsageError
from ciplug.net.proxy import ProxySettings
from ciplug.net.tls import TlsSettings
from ciplug.standins.openbao import OpenBao
from ciplug.vault.admin import Admin
from tests.e2e.raft import RaftCluster
from tests.fakes.scripted_server import Certificates, ForwardProxy, ScriptedServer, cut_short
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator
    from pathlib import Path

    from ciplug.errors import CiplugError
    from ciplug.values import Secret
    from tests.e2e.conftest import Trust
    from tests.fakes.scripted_server import Exchange, Script

PASSWORD = "pr0xy-passw0rd"
VALUE = "v4lue-of-the-record"
CREDENTIAL = "Basic " + b64encode(f"ops:{PASSWORD}".encode()).decode()


class DemandingProxy(ForwardProxy):
    """Passes on only what carries the credential."""

    @property
    def refuse_with(self) -> int | None:
        return None if self.passed[-1].headers.get("proxy-authorization") == CREDENTIAL else 407

    @refuse_with.setter
    def refuse_with(self, status: int | None) -> None:
        """What it demands is fixed."""


def behind(bao: OpenBao) -> Script:
    """A script that has the real vault answer."""

    def script(exchange: Exchange) -> None:
        seen = exchange.seen
        headers = {name: value for name, value in seen.headers.items() if name.startswith("x-vault-")}
        got = httpx.request(seen.method, f"{bao.address}{seen.path}", headers=headers, content=seen.body)
        exchange.answer(got.status_code, got.content)

    return script


def shown(error: CiplugError) -> str:
    return "".join(traceback.format_exception(error)) + repr(error) + error.hint


def assert_silent(error: CiplugError, token: Secret, *more: str) -> None:
    assert_no_leak(shown(error), [token.reveal(), *more])


@pytest.fixture
def path() -> str:
    return f"network/{secrets.token_hex(4)}"


def use(admin: Admin, path: str) -> None:
    """Write, read and check-and-set, as a ledger does."""
    assert admin.kv.write_if("secret", path, {"n": "1"}, version=0) == 1
    assert admin.kv.write_if("secret", path, {"n": "2"}, version=1) == 2
    assert admin.kv.write_if("secret", path, {"n": "3"}, version=1) is None
    assert admin.kv.read("secret", path).data == {"n": "2"}


def test_a_directory_of_authorities_is_trusted(bao: OpenBao, trust: Trust, tmp_path: Path, path: str) -> None:
    for name in ("ours.pem", "other.pem"):
        (tmp_path / name).write_bytes(trust.ca_file.read_bytes())
    with Admin(bao.tls_address, bao.root_token, tls=TlsSettings(ca_path=str(tmp_path))) as admin:
        use(admin, path)


def test_another_authority_is_not(bao: OpenBao, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    tls = TlsSettings(ca_file=str(tmp_path / "other.pem"))
    with Admin(bao.tls_address, bao.root_token, tls=tls) as admin, pytest.raises(UnreachableError) as caught:
        admin.kv.read("secret", "a")
    assert "its certificate" in str(caught.value)
    assert_silent(caught.value, bao.root_token)


def test_an_authority_that_is_no_file_is_named(bao: OpenBao, tmp_path: Path) -> None:
    tls = TlsSettings(ca_file=str(tmp_path / "nothing.pem"))
    with Admin(bao.tls_address, bao.root_token, tls=tls) as admin, pytest.raises(UsageError, match=r"nothing\.pem"):
        admin.kv.read("secret", "a")


def test_a_client_certificate_is_shown_to_a_vault_that_wants_one(bao: OpenBao, tmp_path: Path, path: str) -> None:
    authority = Certificates(tmp_path)
    cert, key = authority.client()
    ours = TlsSettings(ca_file=str(authority.ca_file), client_cert=str(cert), client_key=str(key))
    routes = {f"{method} /v1/secret/data/{path}": behind(bao) for method in ("GET", "POST")}
    with ScriptedServer(routes, authority.server(client_ca=authority)) as gate:
        with Admin(gate.url, bao.root_token, tls=ours) as admin:
            use(admin, path)
        count = len(gate.seen)
        with (
            Admin(gate.url, bao.root_token, tls=TlsSettings(ca_file=str(authority.ca_file))) as admin,
            pytest.raises(UnreachableError) as caught,
        ):
            admin.kv.read("secret", path)
        assert len(gate.seen) == count
    assert_silent(caught.value, bao.root_token)


def test_a_server_name_is_asked_for_instead_of_the_address_s_host(bao: OpenBao, tmp_path: Path, path: str) -> None:
    """The name is asked for and its certificate wanted; that of another name is refused."""
    authority = Certificates(tmp_path)
    asked: list[str | None] = []

    def note(_: ssl.SSLObject | ssl.SSLSocket, name: str | None, __: ssl.SSLContext) -> None:
        asked.append(name)

    context = authority.server("vault.acme.test")
    context.sni_callback = note
    routes = {f"{method} /v1/secret/data/{path}": behind(bao) for method in ("GET", "POST")}
    with ScriptedServer(routes, context) as server:
        named = TlsSettings(ca_file=str(authority.ca_file), server_name="vault.acme.test")
        with Admin(server.url, bao.root_token, tls=named) as admin:
            use(admin, path)
        wrong = TlsSettings(ca_file=str(authority.ca_file), server_name="other.acme.test")
        with (
            Admin(server.url, bao.root_token, tls=wrong) as admin,
            pytest.raises(UnreachableError, match="for another host name"),
        ):
            admin.kv.read("secret", path)
    assert set(asked) == {"vault.acme.test", "other.acme.test"}


@pytest.fixture
def proxy() -> Iterator[DemandingProxy]:
    with DemandingProxy() as proxy:
        yield proxy


def through(proxy: ForwardProxy, credentials: str = "", no_proxy: str = "") -> ProxySettings:
    url = f"http://{credentials}127.0.0.1:{proxy.port}"
    return ProxySettings.from_mapping({"https_proxy": url, "http_proxy": url, "no_proxy": no_proxy})


def test_a_proxy_that_demands_credentials_gets_them_and_the_vault_does_not(
    bao: OpenBao, trust: Trust, proxy: DemandingProxy, path: str
) -> None:
    """The name of the vault does not exist outside the proxy."""
    address = f"https://vault.acme.test:{bao.tls_address.rpartition(':')[2]}"
    tls = TlsSettings(ca_file=str(trust.ca_file), server_name="localhost")
    with Admin(address, bao.root_token, tls=tls, proxies=through(proxy, f"ops:{PASSWORD}@")) as admin:
        use(admin, path)
    assert {passed.method for passed in proxy.passed} == {"CONNECT"}
    assert all("x-vault-token" not in passed.headers for passed in proxy.passed)


@pytest.mark.parametrize("credentials", ["", f"ops:{PASSWORD}-2@"])
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_a_proxy_that_refuses_is_named_without_its_credentials(
    bao: OpenBao, proxy: DemandingProxy, credentials: str, scheme: str
) -> None:
    proxies = through(proxy, credentials)
    with (
        Admin(f"{scheme}://vault.acme.test", bao.root_token, proxies=proxies) as admin,
        pytest.raises(UnreachableError, match=f"the proxy 127.0.0.1:{proxy.port} refused .* 407") as caught,
    ):
        admin.kv.read("secret", "a")
    assert len(proxy.passed) == 1
    assert_silent(caught.value, bao.root_token, PASSWORD)


def test_no_proxy_is_used_for_what_it_names(bao: OpenBao, trust: Trust, proxy: DemandingProxy, path: str) -> None:
    tls = TlsSettings(ca_file=str(trust.ca_file))
    with Admin(bao.tls_address, bao.root_token, tls=tls, proxies=through(proxy, no_proxy="127.0.0.1")) as admin:
        use(admin, path)
    with (
        Admin("http://vault.invalid:1", bao.root_token, proxies=through(proxy, no_proxy=".invalid")) as admin,
        pytest.raises(UnreachableError, match="cannot be resolved"),
    ):
        admin.kv.read("secret", path)
    assert proxy.passed == []


def test_a_dead_first_address_is_passed_by_once(bao: OpenBao, path: str) -> None:
    with Admin(["http://127.0.0.1:1", bao.address], bao.root_token) as admin:
        use(admin, path)
    with (
        Admin(["http://127.0.0.1:1", "http://127.0.0.1:2"], bao.root_token) as admin,
        pytest.raises(UnreachableError, match=r"^GET /v1/secret/data/.*127.0.0.1:1: .*127.0.0.1:2: ") as caught,
    ):
        admin.kv.read("secret", path)
    assert_silent(caught.value, bao.root_token)


def test_a_sealed_first_address_is_passed_by(bao: OpenBao, path: str) -> None:
    with OpenBao(os.environ) as sealed:
        with Admin(sealed.address, sealed.root_token) as other:
            other.seal()
        with Admin([sealed.address, bao.address], bao.root_token) as admin:
            use(admin, path)
            admin.write_policy("passed-by", 'path "x" { capabilities = ["read"] }')
        began = time.monotonic()
        with (
            Admin(sealed.address, bao.root_token, patience=0.5) as admin,
            pytest.raises(SealedError, match=sealed.address) as caught,
        ):
            use(admin, path)
        assert 0.2 < time.monotonic() - began < 5
    assert_silent(caught.value, bao.root_token)


def test_a_denial_is_final_and_shows_nothing(bao: OpenBao, admin: Admin, path: str) -> None:
    token = admin.create_token(policies=["default"])
    mark = bao.mark()
    with Admin([bao.address, "http://127.0.0.1:1"], token, patience=10) as limited:
        for call in (lambda: limited.kv.read("secret", path), lambda: limited.kv.write("secret", path, {"a": VALUE})):
            with pytest.raises(DeniedError) as caught:
                call()
            assert_silent(caught.value, token, VALUE)
    assert len(bao.requests_since(mark, path=f"secret/data/{path}")) == 2


def test_a_truncated_answer_of_one_address_is_read_at_the_next(bao: OpenBao, admin: Admin, path: str) -> None:
    admin.kv.write("secret", path, {"a": "first"})
    route = f"/v1/secret/data/{path}"
    with ScriptedServer({f"GET {route}": cut_short, f"POST {route}": cut_short}) as server:
        with Admin([server.url, bao.address], bao.root_token) as both:
            assert both.kv.read("secret", path).data == {"a": "first"}
        with Admin([server.url, bao.address], bao.root_token) as both, pytest.raises(UnreachableError) as caught:
            both.kv.write("secret", path, {"a": VALUE})
    assert "may have done it" in str(caught.value)
    assert_silent(caught.value, bao.root_token, VALUE)
    assert admin.kv.read("secret", path).version == 1


def test_a_checked_write_is_done_once_though_its_first_answer_is_lost(bao: OpenBao, admin: Admin, path: str) -> None:
    """The first address does what it is asked, and nobody hears of it."""

    def lost(exchange: Exchange) -> None:
        httpx.request(
            "POST",
            f"{bao.address}{exchange.seen.path}",
            headers={"X-Vault-Token": exchange.seen.headers["x-vault-token"]},
            content=exchange.seen.body,
        )
        exchange.hang_up()

    with (
        ScriptedServer({f"POST /v1/secret/data/{path}": lost}) as server,
        Admin([server.url, bao.address], bao.root_token) as both,
    ):
        assert both.kv.write_if("secret", path, {"n": "1"}, version=0) == 1
    assert admin.kv.read("secret", path).version == 1


def test_a_record_is_written_while_the_cluster_has_no_leader() -> None:
    """Until there is a new leader, the nodes that are left redirect to the dead one, and may lag behind it."""
    with RaftCluster() as cluster:
        with Admin(cluster.addresses, cluster.token) as admin:
            assert admin.kv.write_if("secret", "ledger", {"n": "1"}, version=0) == 1
        cluster.kill_leader()
        with Admin(cluster.addresses, cluster.token, timeout=5, patience=40) as admin:
            assert admin.kv.write_if("secret", "ledger", {"n": "2"}, version=1) == 2
            assert admin.kv.write_if("secret", "ledger", {"n": "3"}, version=1) is None
        with Admin(cluster.addresses[::-1], cluster.token) as admin:
            assert admin.kv.write_if("secret", "ledger", {"n": "3"}, version=2) == 3
