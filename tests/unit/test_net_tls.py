import socket

import pytest

from ciplug.errors import UsageError
from ciplug.net.failures import ConnectFailed, Failure, ProxyRefused, TimedOut, TlsRefused
from ciplug.net.origin import Origin, split
from ciplug.net.proxy import ProxySettings
from ciplug.net.tls import TlsSettings
from ciplug.net.transport import Transport
from tests.fakes.scripted_server import Certificates, ForwardProxy, ScriptedServer, answer, banner

OK = {"GET /": answer(200, {"ok": True})}


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("ca"))


@pytest.fixture(scope="module")
def strangers(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("other"))


def get(server, *, url=None, proxies=None, seconds=5.0, **settings):
    transport = Transport(
        tls=TlsSettings(**{name: str(value) for name, value in settings.items()}),
        proxies=ProxySettings.from_mapping(proxies or {}),
    )
    try:
        return transport.exchange(split(url or server.url)[0], "GET", "/", deadline=transport.phase(seconds))
    finally:
        transport.close()


def test_a_certificate_of_the_named_ca_is_accepted(certificates):
    with ScriptedServer(OK, certificates.server()) as server:
        assert get(server, ca_file=certificates.ca_file).status == 200


def test_every_file_of_a_ca_directory_is_trusted(certificates, strangers, tmp_path):
    (tmp_path / "one.crt").write_bytes(strangers.ca_file.read_bytes())
    (tmp_path / "two").write_bytes(certificates.ca_file.read_bytes())
    (tmp_path / "folder").mkdir()
    with ScriptedServer(OK, certificates.server()) as server:
        assert get(server, ca_path=tmp_path).status == 200


def test_connections_over_tls_are_used_again(certificates):
    transport = Transport(tls=TlsSettings(ca_file=str(certificates.ca_file)))
    with ScriptedServer(OK, certificates.server()) as server:
        for _ in range(3):
            transport.exchange(split(server.url)[0], "GET", "/", deadline=transport.phase(5))
        assert server.connections == 1
        transport.close()


@pytest.mark.parametrize("own", [False, True])
def test_an_unknown_issuer_is_refused_before_anything_is_sent(certificates, strangers, own):
    with ScriptedServer({}, certificates.server()) as server:
        with pytest.raises(TlsRefused, match="its certificate comes from an unknown issuer") as caught:
            get(server, **({"ca_file": strangers.ca_file} if own else {}))
        assert not caught.value.retryable
        assert "VAULT_CACERT" in caught.value.hint
        assert "BAO_CACERT" in caught.value.hint
        assert server.seen == []


def test_a_self_signed_certificate_is_named_as_such(tmp_path):
    with ScriptedServer({}, Certificates.self_signed(tmp_path)) as server, pytest.raises(TlsRefused) as caught:
        get(server)
    assert str(caught.value) == "its certificate is self-signed"
    assert "VAULT_CACERT" in caught.value.hint


@pytest.mark.parametrize(("host", "problem"), [("localhost", "host name"), ("127.0.0.1", "IP address")])
def test_a_certificate_for_another_name_is_refused(certificates, host, problem):
    with ScriptedServer({}, certificates.server("other.acme.test")) as server:
        with pytest.raises(TlsRefused, match=f"its certificate is for another {problem}") as caught:
            get(server, url=f"https://{host}:{server.port}", ca_file=certificates.ca_file)
        assert "VAULT_TLS_SERVER_NAME" in caught.value.hint
        assert server.seen == []


def test_the_server_name_setting_replaces_the_host(certificates):
    with ScriptedServer(OK, certificates.server("other.acme.test")) as server:
        assert get(server, ca_file=certificates.ca_file, server_name="other.acme.test").status == 200


def test_a_server_name_that_tls_cannot_ask_for_is_a_usage_error(certificates):
    with (
        ScriptedServer({}, certificates.server()) as server,
        pytest.raises(UsageError, match="is not a name that TLS can ask for"),
    ):
        get(server, ca_file=certificates.ca_file, server_name=".acme.test")


def test_an_expired_certificate_points_to_the_clock(certificates):
    with ScriptedServer({}, certificates.expired("127.0.0.1")) as server:
        with pytest.raises(TlsRefused, match="its certificate has expired") as caught:
            get(server, ca_file=certificates.ca_file)
        assert "clock" in caught.value.hint


def test_a_server_without_tls_points_to_the_scheme(certificates):
    with ScriptedServer() as server:
        with pytest.raises((TlsRefused, ConnectFailed)) as caught:
            get(server, url=f"https://127.0.0.1:{server.port}", ca_file=certificates.ca_file)
        server.unexpected.clear()
    assert isinstance(caught.value, TlsRefused)
    assert "http://" in caught.value.hint


def test_a_handshake_that_does_not_come_ends_with_the_deadline(certificates):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(TimedOut):
            get(None, url=f"https://127.0.0.1:{silent.getsockname()[1]}", seconds=0.2, ca_file=certificates.ca_file)


def test_a_connection_that_ends_within_the_handshake_may_be_tried_again(certificates):
    with socket.create_server(("127.0.0.1", 0)) as listener, banner(listener, b""):
        with pytest.raises(ConnectFailed, match=r"closed during the TLS handshake|reset by peer") as caught:
            get(None, url=f"https://127.0.0.1:{listener.getsockname()[1]}", ca_file=certificates.ca_file)
        assert caught.value.retryable


def test_a_client_certificate_is_shown_to_a_server_that_wants_one(certificates):
    cert, key = certificates.client()
    with ScriptedServer(OK, certificates.server(client_ca=certificates)) as server:
        assert get(server, ca_file=certificates.ca_file, client_cert=cert, client_key=key).status == 200


def test_without_the_client_certificate_that_the_server_wants_there_is_no_answer(certificates):
    with ScriptedServer({}, certificates.server(client_ca=certificates)) as server:
        with pytest.raises(Failure):
            get(server, ca_file=certificates.ca_file)
        assert server.seen == []


def test_https_goes_through_the_proxy_in_a_tunnel(certificates):
    with ScriptedServer(OK, certificates.server("vault.acme.test")) as server, ForwardProxy() as proxy:
        response = get(
            server,
            url=f"https://vault.acme.test:{server.port}",
            proxies={"https_proxy": f"http://ops:hunter2@127.0.0.1:{proxy.port}"},
            ca_file=certificates.ca_file,
        )
        assert response.status == 200
        (passed,) = proxy.passed
        assert (passed.method, passed.target) == ("CONNECT", f"vault.acme.test:{server.port}")
        assert passed.headers["proxy-authorization"] == "Basic b3BzOmh1bnRlcjI="
        assert "proxy-authorization" not in server.seen[0].headers


@pytest.mark.parametrize(("status", "word"), [(403, "no_proxy"), (407, "password"), (502, "")])
def test_a_proxy_that_refuses_the_tunnel_is_named(certificates, status, word):
    with ForwardProxy(refuse_with=status) as proxy, pytest.raises(ConnectFailed) as caught:
        get(
            None,
            url="https://vault.acme.test:8200",
            proxies={"https_proxy": f"http://ops:hunter2@127.0.0.1:{proxy.port}"},
            ca_file=certificates.ca_file,
        )
    assert str(caught.value) == f"the proxy 127.0.0.1:{proxy.port} refused the connection with status {status}"
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"
    assert word in caught.value.hint
    assert isinstance(caught.value, ProxyRefused) == (status != 502)
    assert caught.value.retryable == (status == 502)


def test_a_proxy_that_does_not_speak_http_is_named(certificates):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        origin = Origin(scheme="https", host="vault.acme.test", port=8200)
        transport = Transport(
            tls=TlsSettings(ca_file=str(certificates.ca_file)),
            proxies=ProxySettings.from_mapping({"https_proxy": f"127.0.0.1:{port}"}),
        )
        with banner(listener, b"220 mail ESMTP\r\n"), pytest.raises(ConnectFailed, match=f"1:{port}: the "):
            transport.exchange(origin, "GET", "/", deadline=transport.phase(5))


BROKEN = [
    ({"ca_file": "{missing}"}, "VAULT_CACERT"),
    ({"ca_file": "{junk}"}, "VAULT_CACERT"),
    ({"ca_path": "{missing}"}, "VAULT_CAPATH"),
    ({"ca_path": "{empty}"}, "VAULT_CAPATH"),
    ({"ca_path": "{junks}"}, "VAULT_CAPATH"),
    ({"client_cert": "{missing}", "client_key": "{junk}"}, "VAULT_CLIENT_CERT"),
    ({"client_cert": "{cert}", "client_key": "{missing}"}, "VAULT_CLIENT_KEY"),
    ({"client_cert": "{cert}", "client_key": "{junk}"}, "VAULT_CLIENT_KEY"),
    ({"client_cert": "{cert}"}, "VAULT_CLIENT_CERT"),
    ({"client_cert": "{cert}", "client_key": "{encrypted}"}, "unencrypted"),
    ({"client_key": "{key}"}, "VAULT_CLIENT_CERT is not"),
]


@pytest.mark.parametrize(("settings", "named"), BROKEN)
def test_a_file_that_cannot_be_used_is_named_with_its_setting(certificates, tmp_path, settings, named):
    from cryptography.hazmat.primitives import serialization

    cert, key = certificates.client()
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    encrypted = tmp_path / "encrypted"
    encrypted.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"hunter2"),
        )
    )
    junks, empty = tmp_path / "junks", tmp_path / "empty"
    junks.mkdir()
    empty.mkdir()
    junk = junks / "junk"
    junk.write_text("s3cr3t-content")
    places = {"missing": tmp_path / "missing", "junk": junk, "junks": junks, "empty": empty, "cert": cert, "key": key}
    filled = {name: value.format(**places, encrypted=encrypted) for name, value in settings.items()}
    with pytest.raises(UsageError, match=named) as caught:
        TlsSettings(**filled).context()
    assert str(tmp_path) in str(caught.value) or named.endswith("is not") or "client.pem" in str(caught.value)
    assert "s3cr3t" not in f"{caught.value} {caught.value.hint}"


def test_nothing_is_read_for_an_address_without_tls():
    with ScriptedServer(OK) as server:
        assert get(server, ca_file="/nowhere").status == 200


def test_verification_and_modern_tls_are_always_on():
    context = TlsSettings().context()
    assert context.check_hostname
    assert context.verify_mode.name == "CERT_REQUIRED"
    assert context.minimum_version.name == "TLSv1_2"
    assert context.keylog_filename is None


@pytest.mark.parametrize("setting", ["verify", "insecure", "skip_verify"])
def test_there_is_no_setting_that_switches_verification_off(setting):
    with pytest.raises(TypeError):
        TlsSettings(**{setting: True})
