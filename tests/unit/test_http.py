"""The client for deploy platforms: what it sends, what it repeats and for how long, and what it never says."""

from __future__ import annotations

import json
import socket
import threading
import time
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from ciplug.conformance import Clock
from ciplug.errors import PlatformError, UnansweredError, UsageError
from ciplug.http import MAX_BODY, Client
from ciplug.net.deadline import Deadline
from ciplug.net.proxy import ProxySettings
from ciplug.standins.loopback import DROP, Answer, LoopbackServer
from ciplug.values import Endpoint, Secret
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ciplug.standins.loopback import Request

TOKEN = "vercel-t0ken-s3cr3t"
NOW = 1_763_900_000.0


class Platform:
    """Answers one after the other, the last for ever, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answers: list[Answer] = [Answer(status=200, body=b"{}")]
        self.asked: list[Request] = []

    def respond(self, request: Request) -> Answer:
        self.asked.append(request)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def platform() -> Platform:
    return Platform()


@pytest.fixture
def server(platform: Platform) -> Iterator[LoopbackServer]:
    with LoopbackServer(platform.respond) as server:
        yield server


@pytest.fixture
def clock() -> Clock:
    return Clock(0)


def client(url: str, clock: Clock, *, seconds: float = 600, proxies: ProxySettings | None = None) -> Client:
    def reset(document: object) -> float | None:
        return document.get("reset") if isinstance(document, dict) else None

    return Client(
        Endpoint(label="Vercel", base=url, reset=reset),
        Secret(TOKEN),
        deadline=Deadline(seconds, clock=clock),
        proxies=proxies or ProxySettings(),
        sleep=clock.wait,
        wall_clock=lambda: NOW + clock(),
    )


def refused(made: Client, **options: object) -> PlatformError:
    with pytest.raises(PlatformError) as err:
        made.request("POST", "/v1/x", **options)  # type: ignore[arg-type]  # the case's own
    assert err.value.exit_code == 9
    assert err.value.hint
    assert_no_leak(f"{err.value!r} {err.value} {err.value.hint}", [TOKEN, "s3cr3t-body"])
    return err.value


def test_a_request_is_sent_as_it_is_said(server: LoopbackServer, platform: Platform, clock: Clock) -> None:
    platform.answers = [Answer(status=201, body=b'{"a": [1]}', headers={"X-Limit": "3"})]
    with client(f"{server.url}/", clock) as made:
        reply = made.request("POST", "/v1/x", query={"upsert": "true", "q": "a b&c"}, document={"n": "ü"})
    (asked,) = platform.asked
    assert (asked.method, asked.target) == ("POST", "/v1/x?upsert=true&q=a+b%26c")
    assert asked.headers["authorization"] == f"Bearer {TOKEN}"
    assert asked.headers["content-type"] == "application/json"
    assert json.loads(asked.body) == {"n": "ü"}
    assert (reply.status, reply.ok, reply.document, reply.headers["x-limit"]) == (201, True, {"a": [1]}, "3")


def test_an_answer_that_will_not_change_comes_back_at_once(
    server: LoopbackServer, platform: Platform, clock: Clock
) -> None:
    for status in (400, 401, 403, 404, 409, 422):
        platform.answers = [Answer(status=status, body=b"not json")]
        with client(server.url, clock) as made:
            reply = made.request("GET", "/")
        assert (reply.status, reply.ok, reply.document) == (status, False, None)
    assert len(platform.asked) == 6
    assert clock.waits == []


def test_a_redirect_is_not_followed_and_says_what_is_wrong(
    server: LoopbackServer, platform: Platform, clock: Clock
) -> None:
    platform.answers = [Answer(status=302, headers={"Location": "https://elsewhere.invalid/"})]
    with client(server.url, clock) as made:
        error = refused(made)
    assert "302" in str(error)
    assert "api_url" in error.hint
    assert len(platform.asked) == 1


@pytest.mark.parametrize("token", ["", "t0p s3cr3t-t0k3n", f"{TOKEN}\n", "tökén", "\x7f", "a\r\nX-Evil: 1"])
def test_a_token_that_no_header_can_hold_is_refused_before_any_request(
    server: LoopbackServer, platform: Platform, clock: Clock, token: str
) -> None:
    with pytest.raises(PlatformError, match="token is empty, or has characters") as refusal:
        Client(
            Endpoint(label="Vercel", base=server.url),
            Secret(token),
            deadline=Deadline(600, clock=clock),
            proxies=ProxySettings(),
        )
    assert "line end" in refusal.value.hint
    assert platform.asked == []
    assert_no_leak("".join(traceback.format_exception(refusal.value)), [token] if len(token) > 3 else [])


def test_json_that_is_nested_beyond_reason_is_none(server: LoopbackServer, platform: Platform, clock: Clock) -> None:
    platform.answers = [Answer(status=200, body=b"[" * 200_000)]
    with client(server.url, clock) as made, pytest.raises(UnansweredError, match="no JSON"):
        made.request("GET", "/")


def test_a_reset_that_no_clock_knows_is_no_reset(server: LoopbackServer, platform: Platform, clock: Clock) -> None:
    far = b'{"reset": 1' + b"0" * 400 + b"}"
    platform.answers = [Answer(status=429, body=far), Answer(status=200, body=b"1")]
    reset_to_float = Endpoint(label="Vercel", base=server.url, reset=lambda document: float(document["reset"]))
    with Client(
        reset_to_float,
        Secret(TOKEN),
        deadline=Deadline(600, clock=clock),
        proxies=ProxySettings(),
        sleep=clock.wait,
        wall_clock=clock,
    ) as made:
        assert made.request("GET", "/").document == 1
    assert sum(clock.waits) < 5


def test_the_same_failure_is_told_of_once_in_a_while(server: LoopbackServer, platform: Platform, clock: Clock) -> None:
    told: list[str] = []
    platform.answers = [Answer(status=503)]
    with (
        Client(
            Endpoint(label="Vercel", base=server.url),
            Secret(TOKEN),
            deadline=Deadline(70, clock=clock),
            proxies=ProxySettings(),
            sleep=clock.wait,
            notify=told.append,
            wall_clock=clock,
        ) as made,
        pytest.raises(UnansweredError),
    ):
        made.request("GET", "/")
    assert len(platform.asked) > 20
    assert 2 <= len(told) <= 4
    assert all("answered 503; trying again for up to" in line for line in told)


def test_nothing_is_asked_once_the_time_is_up(server: LoopbackServer, platform: Platform, clock: Clock) -> None:
    with client(server.url, clock, seconds=5) as made:
        clock.wait(6)
        with pytest.raises(PlatformError, match="there is no time left"):
            made.request("GET", "/")
        interrupted = Deadline(600, clock=clock)
        interrupted.cancel()
        made._deadline = interrupted
        with pytest.raises(PlatformError, match="interrupted"):
            made.request("GET", "/")
    assert platform.asked == []


def test_an_answer_that_trickles_ends_with_the_deadline(clock: Clock) -> None:
    """One byte at a time, of which each comes in time."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()

        def trickle() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not ended.wait(0.02):
                    connection.sendall(b" ")

        thread = threading.Thread(target=trickle)
        thread.start()
        began = time.monotonic()
        with (
            Client(
                Endpoint(label="Vercel", base=f"http://127.0.0.1:{listener.getsockname()[1]}"),
                Secret(TOKEN),
                deadline=Deadline(0.5),
                proxies=ProxySettings(),
            ) as made,
            pytest.raises(UnansweredError, match="did not end in time"),
        ):
            made.request("GET", "/", repeatable=False)
        ended.set()
        thread.join()
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("spoilt", [DROP, 500, 502])
def test_what_may_have_been_done_all_the_same_is_an_error_of_its_own(
    server: LoopbackServer, platform: Platform, clock: Clock, spoilt: int
) -> None:
    platform.answers = [Answer(status=spoilt)]
    with client(server.url, clock, seconds=3) as made, pytest.raises(UnansweredError) as lost:
        made.request("POST", "/", document=[])
    assert lost.value.exit_code == 9


def test_what_was_refused_for_its_number_was_certainly_not_done(
    server: LoopbackServer, platform: Platform, clock: Clock
) -> None:
    platform.answers = [Answer(status=429)]
    with client(server.url, clock, seconds=3) as made, pytest.raises(PlatformError) as limited:
        made.request("POST", "/", document=[])
    assert not isinstance(limited.value, UnansweredError)


WAITS: Sequence[tuple[dict[str, str], bytes, float]] = [
    ({"Retry-After": "7"}, b"{}", 7),
    ({"Ratelimit-Reset": "42"}, b"{}", 42),
    ({"Ratelimit-Reset": "42, 7"}, b"{}", 42),
    ({"X-RateLimit-Reset": str(int(NOW) + 30)}, b"{}", 30),
    ({}, json.dumps({"reset": NOW + 20}).encode(), 20),
    ({"Retry-After": "7", "Ratelimit-Reset": "42"}, b"{}", 7),
    ({"Ratelimit-Reset": str(int(NOW) - 5)}, b"{}", 0),
]


@pytest.mark.parametrize(("headers", "body", "seconds"), WAITS)
def test_a_rate_limit_delays_and_loses_nothing(
    server: LoopbackServer, platform: Platform, clock: Clock, headers: dict[str, str], body: bytes, seconds: float
) -> None:
    platform.answers = [Answer(status=429, headers=headers, body=body), Answer(status=200, body=b'"done"')]
    with client(server.url, clock) as made:
        assert made.request("POST", "/", document=[], repeatable=False).document == "done"
    assert seconds <= sum(clock.waits) <= seconds + 1
    assert len(platform.asked) == 2


def test_a_limit_that_lasts_longer_than_the_deadline_ends_at_once(
    server: LoopbackServer, platform: Platform, clock: Clock
) -> None:
    platform.answers = [Answer(status=429, headers={"Retry-After": "900"}, body=b'"s3cr3t-body"')]
    with client(server.url, clock, seconds=600) as made:
        assert "asks to wait 900 s, and only 600 s are left" in str(refused(made))
    assert len(platform.asked) == 1


def test_a_limit_of_ten_minutes_ends_with_the_deadline(
    server: LoopbackServer, platform: Platform, clock: Clock
) -> None:
    platform.answers = [Answer(status=429, headers={"Retry-After": "20"})]
    with client(server.url, clock, seconds=600) as made:
        assert "answered 429" in str(refused(made))
    assert 500 < clock() <= 600


@pytest.mark.parametrize(
    "fault", [Answer(status=500), Answer(status=503), Answer(status=DROP), Answer(status=200, body=b"{", missing=9)]
)
def test_what_may_pass_is_repeated_where_that_does_no_harm(
    server: LoopbackServer, platform: Platform, clock: Clock, fault: Answer
) -> None:
    platform.answers = [fault, fault, Answer(status=200, body=b"1")]
    with client(server.url, clock) as made:
        assert made.request("PUT", "/").document == 1
    assert len(platform.asked) == 3


def test_what_may_have_been_carried_out_is_not_repeated(
    server: LoopbackServer, platform: Platform, clock: Clock
) -> None:
    platform.answers = [Answer(status=DROP)]
    with client(server.url, clock) as made:
        assert "cut short" in str(refused(made, repeatable=False))
    platform.answers = [Answer(status=503)]
    with client(server.url, clock) as made:
        assert made.request("POST", "/", repeatable=False).status == 503
    assert len(platform.asked) == 2


def test_a_server_that_is_not_there_is_asked_until_the_deadline(clock: Clock) -> None:
    with client("http://127.0.0.1:9", clock, seconds=5) as made:
        assert str(refused(made, repeatable=False)) == "Vercel: POST /v1/x: no connection"
    assert 4 < clock() <= 5.1


def test_an_answer_that_is_no_json_is_not_shown(server: LoopbackServer, platform: Platform, clock: Clock) -> None:
    platform.answers = [Answer(status=200, body=b"<html>s3cr3t-body</html>")]
    with client(server.url, clock) as made:
        assert "is no JSON" in str(refused(made))


def test_an_answer_without_end_is_given_up(server: LoopbackServer, platform: Platform, clock: Clock) -> None:
    platform.answers = [Answer(status=200, body=b" " * (MAX_BODY + 1))]
    with client(server.url, clock) as made:
        assert f"larger than {MAX_BODY} bytes" in str(refused(made))


@pytest.mark.parametrize(
    "url", ["http://api.vercel.com", "ftp://api.vercel.com", "https://", "https://u:p4ss@host", "https://h/\n"]
)
def test_a_token_goes_to_no_address_that_is_not_safe(url: str, clock: Clock) -> None:
    with pytest.raises(UsageError, match=r"^api_url ") as err:
        client(url, clock)
    assert_no_leak(str(err.value), ["p4ss", TOKEN])


def test_a_proxy_is_used_with_its_own_credential(server: LoopbackServer, platform: Platform, clock: Clock) -> None:
    address = server.url.removeprefix("http://")
    proxies = ProxySettings.from_mapping({"https_proxy": f"http://user:pr0xy-pw@{address}"})
    with client("https://api.vercel.test", clock, seconds=0.5, proxies=proxies) as made:
        assert_no_leak(str(refused(made)), ["pr0xy-pw"])
    assert {asked.method for asked in platform.asked} <= {"CONNECT"}
