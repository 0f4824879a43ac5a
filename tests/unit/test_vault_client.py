import socket
import time

import pytest

from ciplug import __version__
from ciplug.errors import (
    CiplugError,
    DeniedError,
    MissingError,
    SealedError,
    UnreachableError,
    UsageError,
    VaultError,
)
from ciplug.net.proxy import ProxySettings
from ciplug.net.tls import TlsSettings
from ciplug.net.transport import Transport
from ciplug.values import Secret
from ciplug.vault.client import Call, VaultClient
from ciplug.vault.errors import Purpose
from tests.fakes.scripted_server import (
    Certificates,
    ForwardProxy,
    ScriptedServer,
    answer,
    cut_short,
    drip,
    flood,
    hang,
    hang_up,
    html,
    raw,
    redirect,
)

PATH = "/v1/secret/data/app/db"
ROUTE = f"GET {PATH}"
TOKEN = "s.tOkEnTokenTokenTokenTokenTo"
GOOD = answer(200, {"request_id": "r", "data": {"data": {"a": "b"}}})
PURPOSE = Purpose(step="read", doing="reading secret/app/db", subject="secret/app/db")
CALL = Call(method="GET", path=PATH, token=Secret(TOKEN), purpose=PURPOSE)


@pytest.fixture
def transports():
    made = []
    yield made
    for transport in made:
        transport.close()


@pytest.fixture
def vault(transports):
    """A client of these servers or URLs, with one second for everything and short waits."""

    def make(*servers, deadline=1.0, attempt_seconds=5.0, tls=None, proxies=None, **more):
        transport = Transport(attempt_seconds=attempt_seconds, tls=tls, proxies=proxies)
        transports.append(transport)
        addresses = [getattr(server, "url", server) for server in servers]
        return VaultClient(addresses, transport=transport, deadline=deadline, **more)

    return make


@pytest.fixture
def dead():
    """The URL of a port on which nothing listens, held so that nobody else gets it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


def short(seconds):
    time.sleep(min(seconds, 0.01))


def test_a_request_carries_token_and_namespace(vault):
    with ScriptedServer({ROUTE: GOOD}) as server:
        client = vault(server, namespace="acme/")
        assert client.request(CALL).body["data"] == {"data": {"a": "b"}}
        headers = server.seen[0].headers
        assert headers["x-vault-token"] == TOKEN
        assert headers["x-vault-namespace"] == "acme"
        assert headers["x-vault-request"] == "true"
        assert headers["user-agent"] == f"ciplug/{__version__}"


def test_without_token_and_namespace_there_are_no_such_headers(vault):
    with ScriptedServer({ROUTE: GOOD}) as server:
        vault(server).request(Call(method="GET", path=PATH, purpose=PURPOSE))
        assert not {"x-vault-token", "x-vault-namespace"} & server.seen[0].headers.keys()


def test_a_body_is_sent_as_json_and_204_is_an_empty_answer(vault):
    with ScriptedServer({"POST /v1/x": answer(204)}) as server:
        found = vault(server).request(Call(method="POST", path="/v1/x", body={"k": "v"}, purpose=PURPOSE))
        assert (found.body, found.request_id) == ({}, "")
        assert server.seen[0].json() == {"k": "v"}
        assert server.seen[0].headers["content-type"] == "application/json"


def test_an_address_may_have_a_path_before_the_api(vault):
    with ScriptedServer({f"GET /gateway{PATH}": GOOD}) as server:
        assert vault(f"{server.url}/gateway/").request(CALL).address == f"{server.url}/gateway"


@pytest.mark.parametrize(
    "addresses", [[], [""], ["vault:8200"], ["https://ops:hunter2@vault"], ["http://ok", "ftp://x"]]
)
def test_an_unusable_address_is_refused_without_repeating_it(vault, addresses):
    with pytest.raises(UsageError, match="vault address") as caught:
        vault(*addresses)
    assert "hunter2" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    "failing",
    [
        answer(503, {"errors": ["Vault is sealed"]}),
        answer(500, {"errors": ["local node not active but active cluster node not found"]}),
        answer(501, {"errors": []}),
        answer(408, {"errors": []}),
        answer(412, {"errors": []}),
        html(502),
        hang_up,
        cut_short,
        raw(b"garbage\r\n\r\n"),
        redirect(307, "http://127.0.0.1:1/v1/x"),
    ],
    ids=["sealed", "no leader", "501", "408", "412", "html 502", "hang up", "cut short", "garbage", "307"],
)
def test_what_may_pass_is_tried_again(vault, failing):
    told = []
    with ScriptedServer({ROUTE: [failing, failing, GOOD]}) as server:
        assert vault(server, deadline=10, notify=told.append).request(CALL, sleep=short).body["data"]
        assert len(server.seen) == 3
        (line,) = told
        assert server.url in line or "while reading" in line
        assert line.endswith("; retrying for up to 10 s")


@pytest.mark.parametrize(
    ("staying", "kind"),
    [
        (answer(400, {"errors": ["no"]}), VaultError),
        (answer(403, {"errors": ["permission denied"]}), DeniedError),
        (answer(404, {"errors": []}), MissingError),
        (answer(404, {"data": {"data": None, "metadata": {"version": 1}}}), MissingError),
        (answer(405, {"errors": ["unsupported operation"]}), VaultError),
        (html(200), VaultError),
        (html(404), VaultError),
        (html(403), VaultError),
        (answer(404, {"message": "no Route matched"}), VaultError),
        (answer(200, [1, 2]), VaultError),
        (answer(200, b'{"n": ' + b"9" * 5000 + b"}"), VaultError),
        (answer(200, b"[" * 100_000), VaultError),
        (answer(200, b"\xff\xfe"), VaultError),
        (answer(200, b'{"data": "s3cr3t'), VaultError),
        (redirect(301, "https://elsewhere.test/s3cr3t?x=s3cr3t"), VaultError),
        (redirect(302, "/relative"), VaultError),
        (redirect(308, ""), VaultError),
        (flood(40, announced=True), VaultError),
        (flood(40, announced=False), VaultError),
    ],
)
def test_what_stays_is_not_tried_again(vault, staying, kind):
    told = []
    with ScriptedServer({ROUTE: staying}) as server:
        with pytest.raises(kind) as caught:
            vault(server, deadline=10, notify=told.append).request(CALL)
        assert type(caught.value).exit_code == kind.exit_code
        assert len(server.seen) == 1
    assert told == []
    assert caught.value.hint
    chain = f"{caught.value} {caught.value.hint} {caught.value.__cause__!r} {caught.value.__context__!r}"
    assert "s3cr3t" not in chain
    assert TOKEN not in chain


def test_html_is_named_by_its_content_type(vault):
    with ScriptedServer({ROUTE: html(200)}) as server, pytest.raises(VaultError) as caught:
        vault(server).request(CALL)
    assert "answered 200 with something that is not a vault's JSON (content type text/html)" in str(caught.value)
    assert "is this address a vault?" in str(caught.value)
    assert "https://" in caught.value.hint


def test_a_sealed_vault_is_said_to_be_sealed_at_the_deadline(vault):
    with ScriptedServer({ROUTE: answer(503, {"errors": ["Vault is sealed"]})}) as server:
        with pytest.raises(SealedError, match="is sealed"):
            vault(server, deadline=0.3).request(CALL)
        assert len(server.seen) >= 2


def test_nothing_listening_is_unreachable_at_the_deadline(vault, dead):
    told = []
    started = time.monotonic()
    with pytest.raises(UnreachableError, match=f"vault not reachable at {dead}: connection refused"):
        vault(dead, deadline=0.3, notify=told.append).request(CALL)
    assert time.monotonic() - started < 3
    assert told == [f"vault not reachable at {dead}: connection refused; retrying for up to 0 s"]


@pytest.mark.parametrize("script", [hang, drip(b"HTTP/1.1 200 OK\r\nX: "), drip(b"HTTP/1.1 200 OK\r\n\r\n")])
def test_a_server_that_hangs_or_drips_is_unreachable_at_the_deadline(vault, script):
    started = time.monotonic()
    with ScriptedServer({ROUTE: script}) as server, pytest.raises(UnreachableError, match="no complete answer"):
        vault(server, deadline=0.3).request(CALL)
    assert time.monotonic() - started < 3


def test_one_deadline_covers_all_requests_of_a_client(vault):
    with ScriptedServer({ROUTE: GOOD}) as server:
        client = vault(server, deadline=0.05)
        client.request(CALL)
        client.deadline.cancel()
        with pytest.raises(UnreachableError):
            client.request(CALL)
        assert len(server.seen) == 1
        assert client.request(CALL, deadline=client.transport.phase(5)).body


@pytest.mark.parametrize("first", ["dead", "sealed", "hanging", "html"])
def test_the_next_address_answers_where_the_first_does_not(vault, dead, first):
    scripts = {"sealed": answer(503, {"errors": ["Vault is sealed"]}), "hanging": hang, "html": html(503), "dead": hang}
    told = []
    with ScriptedServer({ROUTE: scripts[first]}) as bad, ScriptedServer({ROUTE: GOOD}) as good:
        client = vault(dead if first == "dead" else bad, good, deadline=5, attempt_seconds=0.2, notify=told.append)
        assert client.request(CALL).address == good.url
        seen = len(bad.seen)
        assert client.request(CALL).address == good.url
        assert len(bad.seen) == seen
        assert len(good.seen) == 2
    assert told == []


def test_when_no_address_answers_each_is_named_and_the_most_telling_gives_the_cause(vault, dead):
    sealed = ScriptedServer({ROUTE: answer(503, {"errors": ["Vault is sealed"]})})
    with sealed, pytest.raises(SealedError, match="is sealed") as caught:
        vault(dead, sealed, deadline=0.2).request(CALL)
    assert f"vault not reachable at {dead}: connection refused" in str(caught.value)


def test_a_standby_that_names_a_listed_leader_is_followed_at_once(vault, dead):
    with ScriptedServer({ROUTE: GOOD}) as leader, ScriptedServer() as standby:
        standby.script(ROUTE, redirect(307, f"{leader.url}{PATH}"))
        client = vault(standby, dead, leader, deadline=5)
        assert client.request(CALL).address == leader.url
        assert (len(standby.seen), len(leader.seen)) == (1, 1)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_token_never_goes_to_an_origin_that_is_not_listed(vault, status):
    with ScriptedServer() as stranger, ScriptedServer() as server:
        server.script(ROUTE, redirect(status, f"{stranger.url}{PATH}?token=s3cr3t"))
        with pytest.raises(VaultError if status != 307 else UnreachableError) as caught:
            vault(server, deadline=0.2).request(CALL)
        assert server.seen[0].headers["x-vault-token"] == TOKEN
        assert stranger.connections == 0
    assert str(caught.value).endswith(f"redirects ({status}) to {stranger.url}")
    assert "vault.address" in caught.value.hint


def test_a_cluster_without_a_leader_is_waited_for(vault, dead):
    with ScriptedServer({ROUTE: [redirect(307, dead), redirect(307, dead), GOOD]}) as survivor:
        assert vault(survivor, dead, deadline=10).request(CALL, sleep=short).address == survivor.url


def test_a_307_to_a_listed_address_that_is_dead_ends_with_the_deadline(vault, dead):
    with ScriptedServer({ROUTE: redirect(307, dead)}) as survivor, pytest.raises(UnreachableError) as caught:
        vault(survivor, dead, deadline=1.5).request(CALL)
    assert "redirects (307)" in str(caught.value)


def test_a_307_to_nowhere_is_said_to_be_one(vault):
    with ScriptedServer({ROUTE: redirect(307, "/relative")}) as server, pytest.raises(UnreachableError) as caught:
        vault(server, deadline=0.2).request(CALL)
    assert "to no usable address" in str(caught.value)


LIMITED = {"errors": ['request path "secret/data/app/db": rate limit quota exceeded']}


def test_a_rate_limit_is_waited_for_and_not_walked_around(vault):
    naps = []
    with ScriptedServer({ROUTE: [answer(429, LIMITED, {"Retry-After": "3"}), GOOD]}) as one, ScriptedServer() as two:
        assert vault(one, two, deadline=30).request(CALL, sleep=naps.append).address == one.url
        assert two.connections == 0
    assert 3 <= naps[0] <= 4


def test_a_rate_limit_longer_than_the_deadline_ends_at_once(vault):
    started = time.monotonic()
    server = ScriptedServer({ROUTE: answer(429, LIMITED, {"Retry-After": "3600"})})
    with server, pytest.raises(VaultError, match=r"rate limit .* asks to wait 3600 s, and only 20 s are left"):
        vault(server, deadline=20).request(CALL)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("token", ["s.abc\n", "s.abc\r\nX-Evil: 1", "s.äbc"])
def test_a_token_that_no_header_can_carry_is_refused_without_showing_it(vault, token):
    with ScriptedServer() as server:
        with pytest.raises(UsageError, match="X-Vault-Token") as caught:
            vault(server).request(Call(method="GET", path=PATH, token=Secret(token), purpose=PURPOSE))
        assert server.connections == 0
    assert "s." not in f"{caught.value} {caught.value.hint} {caught.value.__cause__}"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("ca"))


def test_a_certificate_that_is_not_trusted_is_not_tried_again(vault, certificates):
    told = []
    with ScriptedServer({}, certificates.server()) as server:
        with pytest.raises(UnreachableError, match="its certificate comes from an unknown issuer") as caught:
            vault(server, deadline=10, notify=told.append).request(CALL)
        assert (server.seen, server.connections) == ([], 1)
    assert "VAULT_CACERT" in caught.value.hint
    assert told == []


def test_a_certificate_for_another_host_is_refused(vault, certificates):
    tls = TlsSettings(ca_file=str(certificates.ca_file))
    with ScriptedServer({}, certificates.server("other.acme.test")) as server:
        with pytest.raises(UnreachableError, match="for another IP address"):
            vault(server, tls=tls).request(CALL)
        assert server.seen == []


def test_html_over_tls_is_no_reason_to_suggest_tls(vault, certificates):
    tls = TlsSettings(ca_file=str(certificates.ca_file))
    with ScriptedServer({ROUTE: html(200)}, certificates.server()) as server, pytest.raises(VaultError) as caught:
        vault(server, tls=tls).request(CALL)
    assert "TLS" not in caught.value.hint


def test_a_vault_that_wants_a_client_certificate_gets_it(vault, certificates):
    cert, key = certificates.client()
    tls = TlsSettings(ca_file=str(certificates.ca_file), client_cert=str(cert), client_key=str(key))
    with ScriptedServer({ROUTE: GOOD}, certificates.server(client_ca=certificates)) as server:
        assert vault(server, tls=tls).request(CALL).body


def test_a_vault_behind_a_proxy_sees_the_token_and_the_proxy_does_not(vault, certificates):
    tls = TlsSettings(ca_file=str(certificates.ca_file))
    with ScriptedServer({ROUTE: GOOD}, certificates.server("vault.acme.test")) as server, ForwardProxy() as proxy:
        proxies = ProxySettings.from_mapping({"https_proxy": f"http://127.0.0.1:{proxy.port}"})
        assert vault(f"https://vault.acme.test:{server.port}", tls=tls, proxies=proxies).request(CALL).body
        assert server.seen[0].headers["x-vault-token"] == TOKEN
        assert "x-vault-token" not in proxy.passed[0].headers


def test_a_proxy_that_refuses_is_not_asked_again(vault):
    with ForwardProxy(refuse_with=403) as proxy:
        proxies = ProxySettings.from_mapping({"https_proxy": f"http://127.0.0.1:{proxy.port}"})
        with pytest.raises(UnreachableError, match=r"the proxy .* refused the connection with status 403"):
            vault("https://vault.acme.test:8200", deadline=10, proxies=proxies).request(CALL)
        assert len(proxy.passed) == 1


def test_a_preferred_address_is_asked_first_and_alone(vault):
    with ScriptedServer() as one, ScriptedServer({ROUTE: GOOD}) as two:
        client = vault(one, two)
        client.prefer(client.addresses[1])
        assert client.request(CALL).address == two.url
        assert one.connections == 0


def test_a_preferred_address_that_fails_is_followed_by_the_others(vault, dead):
    with ScriptedServer({ROUTE: GOOD}) as sound:
        client = vault(sound, dead)
        client.prefer(client.addresses[1])
        assert client.request(CALL).address == sound.url
        assert [address.origin.port for address in client.addresses] == [sound.port, int(dead.rpartition(":")[2])]


def test_of_two_gateways_on_one_host_the_preferred_one_is_asked(vault):
    with ScriptedServer({f"GET /b{PATH}": [GOOD, GOOD]}) as server:
        client = vault(f"{server.url}/a", f"{server.url}/b")
        client.prefer(client.addresses[1])
        assert client.request(CALL).address == f"{server.url}/b"
        assert client.request(CALL).address == f"{server.url}/b"


def test_neither_calls_nor_answers_show_what_they_hold(vault):
    with ScriptedServer({"POST /v1/x": answer(200, {"auth": {"client_token": "hunter2"}})}) as server:
        call = Call(method="POST", path="/v1/x", body={"jwt": "hunter2"}, token=Secret("hunter2"), purpose=PURPOSE)
        assert "hunter2" not in f"{call!r} {vault(server).request(call)!r}"


@pytest.mark.parametrize("script", [hang, hang_up, answer(429, {"errors": ["x"]}, {"Retry-After": "1"}), html(502)])
def test_a_look_is_one_attempt_that_nobody_is_told_of(vault, script):
    told = []
    with ScriptedServer({ROUTE: script}) as server:
        client = vault(server, deadline=10, notify=told.append)
        started = time.monotonic()
        with pytest.raises(CiplugError):
            client.look(CALL, 0.3)
        assert time.monotonic() - started < 1.5
        assert len(server.seen) == 1
    assert told == []
    assert client.deadline.remaining() > 8


def test_a_look_takes_no_longer_than_the_deadline(vault):
    with ScriptedServer({ROUTE: hang}) as server:
        started = time.monotonic()
        with pytest.raises(UnreachableError):
            vault(server, deadline=0.3).look(CALL, 5)
        assert time.monotonic() - started < 2


def test_a_look_goes_on_to_another_address(vault):
    with ScriptedServer({ROUTE: hang_up}) as dead, ScriptedServer({ROUTE: answer(200, {"data": {"a": 1}})}) as sound:
        assert vault(dead, sound).look(CALL, 1).body["data"] == {"a": 1}
