import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ciplug.net.failures import (
    Aborted,
    BrokenAnswer,
    ConnectFailed,
    Failure,
    ProxyRefused,
    TimedOut,
    TooLarge,
    Unsendable,
)
from ciplug.net.origin import Origin, split
from ciplug.net.proxy import ProxySettings
from ciplug.net.transport import Transport
from ciplug.values import Secret
from tests.fakes.scripted_server import (
    ForwardProxy,
    ScriptedServer,
    answer,
    answer_and_hang_up,
    cut_short,
    drip,
    flood,
    hang,
    hang_up,
    html,
    raw,
    redirect,
)

PATH = "/v1/secret"


@pytest.fixture
def transport():
    transport = Transport(attempt_seconds=5)
    yield transport
    transport.close()


def get(transport, server, *, seconds=5.0, method="GET", path=PATH, **more):
    return transport.exchange(split(server.url)[0], method, path, deadline=transport.phase(seconds), **more)


def until(condition):
    """Wait for another thread to bring `condition` about."""
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end
        threading.Event().wait(0.002)


def test_a_request_arrives_as_it_was_meant(transport):
    with ScriptedServer({"POST /v1/x?a=b": answer(201, {"ok": True}, {"X-Thing": "yes"})}) as server:
        headers = {"X-Vault-Token": Secret("t0ken"), "Content-Type": "application/json"}
        response = get(transport, server, method="POST", path="/v1/x?a=b", headers=headers, body=b'{"k": 1}')
        assert (response.status, response.headers["x-thing"], response.body) == (201, "yes", b'{"ok": true}')
        (seen,) = server.seen
        assert (seen.method, seen.path, seen.body) == ("POST", "/v1/x?a=b", b'{"k": 1}')
        assert seen.headers["x-vault-token"] == "t0ken"
        assert seen.headers["host"] == f"127.0.0.1:{server.port}"


def test_a_response_does_not_show_what_it_holds(transport):
    with ScriptedServer({f"GET {PATH}": answer(200, {"password": "hunter2"}, {"X-Thing": "hunter2"})}) as server:
        assert "hunter2" not in repr(get(transport, server))


def test_an_error_status_and_a_redirect_are_answers_like_any_other(transport):
    with ScriptedServer({f"GET {PATH}": [html(503), redirect(307, "http://127.0.0.1:1/v1")]}) as server:
        assert get(transport, server).status == 503
        assert get(transport, server).status == 307
        assert len(server.seen) == 2


def test_a_post_without_a_body_says_so(transport):
    with ScriptedServer({f"POST {PATH}": answer(204)}) as server:
        assert get(transport, server, method="POST").body == b""
        assert server.seen[0].headers["content-length"] == "0"


def test_a_connection_is_used_again(transport):
    with ScriptedServer({f"GET {PATH}": answer(200, {})}) as server:
        for _ in range(3):
            get(transport, server)
        assert server.connections == 1


def test_a_closed_transport_lets_go_of_its_connections(transport):
    with ScriptedServer({f"GET {PATH}": answer(200, {})}) as server:
        get(transport, server)
        transport.close()
        get(transport, server)
        assert server.connections == 2


def test_a_connection_that_was_idle_too_long_is_not_used_again():
    now = [0.0]
    transport = Transport(clock=lambda: now[0])
    with ScriptedServer({f"GET {PATH}": answer(200, {})}) as server:
        get(transport, server)
        now[0] = 60.0
        get(transport, server)
        assert server.connections == 2
    transport.close()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_connection_the_server_closed_while_idle_is_replaced(transport, method):
    with ScriptedServer({f"{method} {PATH}": answer(200, {})}) as server:
        get(transport, server, method=method)
        server.drop_connections()
        until(lambda: server.live == 0)
        assert get(transport, server, method=method).status == 200
        assert len(server.seen) == 2


def test_a_get_on_a_connection_that_dies_under_it_is_sent_once_more(transport):
    with ScriptedServer({f"GET {PATH}": [answer(200, {}), hang_up, answer(200, {"a": 1})]}) as server:
        get(transport, server)
        assert get(transport, server).body == b'{"a": 1}'
        assert len(server.seen) == 3


def test_a_post_on_a_connection_that_dies_under_it_is_not_repeated(transport):
    with ScriptedServer({f"POST {PATH}": [answer(200, {}), hang_up]}) as server:
        get(transport, server, method="POST")
        with pytest.raises(BrokenAnswer):
            get(transport, server, method="POST")
        assert len(server.seen) == 2


def test_a_get_whose_answer_had_begun_is_not_repeated(transport):
    with ScriptedServer({f"GET {PATH}": [answer(200, {}), raw(b"HTTP/1.1 200 OK\r\nContent-Le")]}) as server:
        get(transport, server)
        with pytest.raises(BrokenAnswer):
            get(transport, server)
        assert len(server.seen) == 2


def test_a_fresh_connection_that_dies_is_not_repeated(transport):
    with ScriptedServer({f"GET {PATH}": hang_up}) as server:
        with pytest.raises(BrokenAnswer, match="closed without a complete answer"):
            get(transport, server)
        assert len(server.seen) == 1


@pytest.mark.parametrize(
    "script",
    [
        cut_short,
        raw(b"SSH-2.0-OpenSSH_9.6\r\n"),
        raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
        raw(b"HTTP/1.1 200 OK\r\nX: y\r\n"),
        raw(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n"),
        raw(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n"),
    ],
    ids=["cut", "ssh", "chunks cut", "headers cut", "many headers", "long header"],
)
def test_what_is_cut_short_or_not_http_is_a_broken_answer(transport, script):
    with ScriptedServer({f"GET {PATH}": script}) as server, pytest.raises(BrokenAnswer) as caught:
        get(transport, server)
    assert caught.value.retryable
    assert "SSH" not in str(caught.value)


def test_a_body_that_ends_with_the_connection_is_taken(transport):
    with ScriptedServer({f"GET {PATH}": raw(b"HTTP/1.0 200 OK\r\n\r\n{}")}) as server:
        assert get(transport, server).body == b"{}"


@pytest.mark.parametrize("announced", [True, False])
def test_forty_megabytes_are_refused_before_they_are_read(transport, announced):
    with ScriptedServer({f"GET {PATH}": flood(40, announced=announced)}) as server:
        with pytest.raises(TooLarge, match="larger than 8 MiB") as caught:
            get(transport, server)
        assert not caught.value.retryable


def test_a_secret_of_two_megabytes_passes(transport):
    body = b'{"x": "' + b"A" * (2 * 2**20 * 4 // 3) + b'"}'
    with ScriptedServer({f"GET {PATH}": answer(200, body)}) as server:
        assert get(transport, server).body == body


def test_nothing_listening_is_a_failed_connection(transport):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        origin = Origin(scheme="http", host="127.0.0.1", port=free.getsockname()[1])
        with pytest.raises(ConnectFailed, match=r"^connection refused$") as caught:
            transport.exchange(origin, "GET", "/", deadline=transport.phase(5))
    assert caught.value.retryable


def test_a_name_that_does_not_exist_is_a_failed_connection(transport):
    origin = Origin(scheme="http", host="no-such-host.invalid", port=80)
    with pytest.raises(ConnectFailed, match="the host name cannot be resolved"):
        transport.exchange(origin, "GET", "/", deadline=transport.phase(30))


def test_a_name_with_a_dead_address_reaches_the_next(transport, monkeypatch):
    with ScriptedServer({f"GET {PATH}": answer(200, {})}) as server, socket.socket() as dead:
        dead.bind(("127.0.0.1", 0))
        real = socket.getaddrinfo

        def two(host, port, *args, **kwargs):
            return [*real("127.0.0.1", dead.getsockname()[1], **kwargs), *real("127.0.0.1", port, **kwargs)]

        monkeypatch.setattr(socket, "getaddrinfo", two)
        assert get(transport, server).status == 200


def test_a_resolver_that_hangs_does_not_outlast_the_deadline(transport, monkeypatch):
    stuck = threading.Event()

    def slow(*args, flags=0, **kwargs):
        if flags:
            raise socket.gaierror
        stuck.wait(30)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    started = time.monotonic()
    with pytest.raises(TimedOut):
        transport.exchange(Origin(scheme="http", host="x.test", port=80), "GET", "/", deadline=transport.phase(0.1))
    assert time.monotonic() - started < 5
    stuck.set()


DRIPPING = [drip(b"H" * 10), drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"), hang]


@pytest.mark.parametrize("script", DRIPPING, ids=["headers", "body", "nothing"])
def test_a_server_that_drips_or_hangs_is_left_at_the_deadline(transport, script):
    with ScriptedServer({f"GET {PATH}": script}) as server:
        started = time.monotonic()
        with pytest.raises(TimedOut, match="no complete answer in time") as caught:
            get(transport, server, seconds=0.2)
        assert time.monotonic() - started < 3
        assert caught.value.retryable


@pytest.mark.parametrize("script", DRIPPING, ids=["headers", "body", "nothing"])
def test_one_attempt_does_not_use_up_the_whole_deadline(script):
    with ScriptedServer({f"GET {PATH}": script}) as server, pytest.raises(TimedOut, match=r"within 0\.2 s"):
        get(Transport(attempt_seconds=0.2), server, seconds=30)


@pytest.mark.parametrize(("seconds", "shown"), [(0.2345, "0.2"), (0.04, "0.1")])
def test_how_long_an_attempt_took_is_told_to_a_tenth_of_a_second(seconds, shown):
    with ScriptedServer({f"GET {PATH}": hang}) as server, pytest.raises(TimedOut) as caught:
        get(Transport(attempt_seconds=seconds), server, seconds=30)
    assert str(caught.value) == f"no complete answer within {shown} s"


def test_nothing_is_sent_after_the_deadline(transport):
    with ScriptedServer() as server:
        with pytest.raises(TimedOut):
            get(transport, server, seconds=0)
        assert server.connections == 0


@pytest.mark.parametrize("script", DRIPPING, ids=["headers", "body", "nothing"])
def test_an_abort_ends_what_every_thread_waits_for(transport, script):
    with ScriptedServer({f"GET {PATH}": script, "GET /ok": answer(200, {})}) as server, ThreadPoolExecutor(4) as pool:
        phase = transport.phase(30)
        origin = split(server.url)[0]
        waiting = [pool.submit(transport.exchange, origin, "GET", PATH, deadline=phase) for _ in range(4)]
        until(lambda: len(server.seen) == 4)
        started = time.monotonic()
        transport.abort()
        for future in waiting:
            with pytest.raises(Aborted):
                future.result(5)
        assert time.monotonic() - started < 3
        with pytest.raises(Aborted):
            transport.exchange(origin, "GET", "/ok", deadline=phase)
        assert get(transport, server, path="/ok").status == 200


def test_an_abort_of_one_phase_leaves_the_others_alone(transport):
    answered = threading.Event()

    def late(exchange):
        answered.wait(10)
        exchange.answer(200, b"{}")

    with ScriptedServer({"GET /a": hang, "GET /b": late}) as server, ThreadPoolExecutor(2) as pool:
        origin, one, two = split(server.url)[0], transport.phase(30), transport.phase(30)
        first = pool.submit(transport.exchange, origin, "GET", "/a", deadline=one)
        second = pool.submit(transport.exchange, origin, "GET", "/b", deadline=two)
        until(lambda: len(server.seen) == 2)
        transport.abort(one)
        with pytest.raises(Aborted):
            first.result(5)
        answered.set()
        assert second.result(5).status == 200


def test_an_abort_ends_a_connection_that_is_not_made_yet(transport):
    # A full backlog on loopback: the kernel drops what else wants to connect.
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        with ThreadPoolExecutor(1) as pool:
            origin = Origin(scheme="http", host="127.0.0.1", port=port)
            future = pool.submit(transport.exchange, origin, "GET", "/", deadline=transport.phase(30))
            threading.Event().wait(0.1)
            started = time.monotonic()
            transport.abort()
            with pytest.raises(Aborted):
                future.result(10)
            assert time.monotonic() - started < 2
        for filler in fillers:
            filler.close()


def test_an_abort_ends_a_name_that_is_not_resolved_yet(transport, monkeypatch):
    stuck, asked = threading.Event(), threading.Event()

    def slow(*args, flags=0, **kwargs):
        if flags:
            raise socket.gaierror
        asked.set()
        stuck.wait(30)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with ThreadPoolExecutor(1) as pool:
        origin = Origin(scheme="http", host="x.test", port=80)
        future = pool.submit(transport.exchange, origin, "GET", "/", deadline=transport.phase(30))
        assert asked.wait(5)
        transport.abort()
        with pytest.raises(Aborted):
            future.result(5)
    stuck.set()


@pytest.mark.parametrize("value", ["t0ken\n", "t0ken\r\nX: y", "t0k\x00en", " t0ken", "t0ken ", "t0kén", "t0ken\x7f"])
@pytest.mark.parametrize("kind", [str, Secret])
def test_a_header_that_http_cannot_carry_is_refused_without_showing_it(transport, kind, value):
    with ScriptedServer() as server:
        with pytest.raises(Unsendable, match="the value for X-Vault-Token holds") as caught:
            get(transport, server, headers={"X-Vault-Token": kind(value)})
        assert "t0k" not in str(caught.value)
        assert caught.value.__cause__ is None
        assert server.connections == 0


@pytest.mark.parametrize("path", ["", "v1", "/v 1", "/v1\r\nX: y", "/v1/ä", "/v1\x00"])
def test_a_path_that_http_cannot_carry_is_refused(transport, path):
    with ScriptedServer() as server, pytest.raises(Unsendable):
        get(transport, server, path=path)


def test_a_method_and_a_header_name_are_not_a_way_to_smuggle_either(transport):
    with ScriptedServer() as server:
        with pytest.raises(Unsendable):
            get(transport, server, method="GET /x HTTP/1.1\r\nX:")
        with pytest.raises(Unsendable):
            get(transport, server, headers={"X:\r\nY": "z"})


def through(proxy, **settings):
    return Transport(proxies=ProxySettings.from_mapping({"http_proxy": f"http://127.0.0.1:{proxy.port}", **settings}))


def outside(server):
    return Origin(scheme="http", host="vault.acme.test", port=server.port)


def test_a_plain_request_goes_to_the_proxy_with_its_whole_url():
    with ScriptedServer({f"GET {PATH}": answer(200, {})}) as server, ForwardProxy() as proxy:
        transport = through(proxy, http_proxy=f"http://ops:hunter2@127.0.0.1:{proxy.port}")
        response = transport.exchange(outside(server), "GET", PATH, deadline=transport.phase(5))
        assert response.status == 200
        (passed,) = proxy.passed
        assert passed.target == f"http://vault.acme.test:{server.port}{PATH}"
        assert passed.headers["proxy-authorization"] == "Basic b3BzOmh1bnRlcjI="
        assert server.seen[0].headers["host"] == f"vault.acme.test:{server.port}"
        transport.close()


def test_loopback_and_no_proxy_hosts_are_reached_without_the_proxy(monkeypatch):
    with ScriptedServer({f"GET {PATH}": answer(200, {})}) as server, ForwardProxy() as proxy:
        transport = through(proxy, no_proxy="acme.test")
        assert get(transport, server).status == 200
        real = socket.getaddrinfo
        monkeypatch.setattr(socket, "getaddrinfo", lambda host, *args, **kw: real("127.0.0.1", *args, **kw))
        assert transport.exchange(outside(server), "GET", PATH, deadline=transport.phase(5)).status == 200
        assert proxy.passed == []
        transport.close()


@pytest.mark.parametrize("status", [407])
def test_a_proxy_that_wants_credentials_is_named(status):
    with ForwardProxy(refuse_with=status) as proxy:
        transport = through(proxy)
        with pytest.raises(ProxyRefused, match=rf"the proxy 127\.0\.0\.1:{proxy.port} refused .* 407") as caught:
            transport.exchange(outside(proxy), "GET", PATH, deadline=transport.phase(5))
        assert not caught.value.retryable
        transport.close()


def test_a_proxy_that_is_not_there_is_named_without_its_password():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        settings = {"http_proxy": f"http://ops:hunter2@127.0.0.1:{port}"}
        transport = Transport(proxies=ProxySettings.from_mapping(settings))
        origin = Origin(scheme="http", host="vault.acme.test", port=80)
        with pytest.raises(ConnectFailed, match=rf"the proxy 127\.0\.0\.1:{port}: connection refused") as caught:
            transport.exchange(origin, "GET", PATH, deadline=transport.phase(5))
    assert "hunter2" not in str(caught.value)


def test_every_failure_says_whether_to_try_again():
    assert {kind.__name__ for kind in (ConnectFailed, TimedOut, BrokenAnswer) if kind.retryable} == {
        "ConnectFailed",
        "TimedOut",
        "BrokenAnswer",
    }
    assert not Failure.retryable


def test_many_threads_share_one_transport(transport):
    with ScriptedServer({f"GET {PATH}": answer(200, {})}) as server, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: get(transport, server).status, range(64)))
        assert answers == [200] * 64
        assert len(server.seen) == 64
        assert server.connections <= 8


def test_an_answer_that_keeps_its_promise_then_hangs_up_is_whole(transport):
    with ScriptedServer({f"GET {PATH}": answer_and_hang_up(200, {"a": 1})}) as server:
        assert [get(transport, server).body for _ in range(3)] == [b'{"a": 1}'] * 3
