"""GitHub's token endpoint, as a real local server answers it."""

from __future__ import annotations

import base64
import json
import signal
import socket
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from ciplug.errors import IdentityError, Interrupted
from ciplug.identity import github
from ciplug.identity.errors import UnrequestedError
from ciplug.identity.github import GitHubIdentity
from ciplug.net.transport import Transport
from ciplug.signals import Signals
from ciplug.standins.claims import github_claims
from ciplug.standins.issuer import Behaviour, GithubEndpoint, Issuer
from ciplug.standins.loopback import Answer, LoopbackServer, Request
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from ciplug.values import IdToken

AUDIENCE = "https://vault.acme.dev/?a=b&c=d e"


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running


def env(endpoint: GithubEndpoint, **more: str) -> dict[str, str]:
    return {
        "GITHUB_ACTIONS": "true",
        "ACTIONS_ID_TOKEN_REQUEST_URL": endpoint.request_url,
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": endpoint.request_token,
        **more,
    }


def ask(mapping: dict[str, str], sleep: Callable[[float], None] = lambda _: None) -> IdToken | None:
    return GitHubIdentity(mapping, lambda: Transport(attempt_seconds=0.3), sleep=sleep).identity(AUDIENCE)


def refusal(mapping: dict[str, str]) -> str:
    with pytest.raises(IdentityError) as refused:
        ask(mapping)
    assert refused.value.hint
    shown = "".join(traceback.TracebackException(type(refused.value), refused.value, None).format())
    bearer = mapping.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "")
    assert_no_leak(shown + refused.value.hint, [bearer] if bearer else [])
    return f"{refused.value}\n{refused.value.hint}"


def test_the_token_is_for_the_audience_and_fresh_every_time(issuer: Issuer) -> None:
    endpoint = issuer.github_endpoint(github_claims(run_id="4711"))
    first, second = ask(env(endpoint)), ask(env(endpoint))
    assert first is not None
    assert second is not None
    assert (first.claims["aud"], first.claims["run_id"], first.source) == (AUDIENCE, "4711", "GitHub Actions")
    assert first.claims["jti"] != second.claims["jti"]
    assert [seen.audience for seen in issuer.requests(endpoint.request_url)] == [AUDIENCE, AUDIENCE]
    assert_no_leak(repr(first), [first.token.reveal()])


@pytest.mark.parametrize("value", ["", "false", "1", "TRUE"])
def test_off_github_actions_nothing_is_asked(issuer: Issuer, value: str) -> None:
    endpoint = issuer.github_endpoint(github_claims())
    assert ask(env(endpoint, GITHUB_ACTIONS=value)) is None
    assert issuer.requests(endpoint.request_url) == ()


@pytest.mark.parametrize("missing", ["ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"])
def test_a_job_without_the_permission_is_told_which(issuer: Issuer, missing: str) -> None:
    shown = refusal(env(issuer.github_endpoint(github_claims()), **{missing: ""}))
    assert f"GITHUB_ACTIONS is set but {missing} is not" in shown
    assert "permissions: id-token: write" in shown


def event(tmp_path: Path, content: object) -> dict[str, str]:
    file = tmp_path / "event.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(file)}


def pull_request(head: object, base: object = "acme/shop") -> dict[str, Any]:
    return {"pull_request": {"head": {"repo": head}, "base": {"repo": {"full_name": base}}}}


@pytest.mark.parametrize(("head", "name"), [({"full_name": "mallory/shop"}, "mallory/shop"), (None, "(deleted since)")])
def test_a_pull_request_from_a_fork_is_told_so(tmp_path: Path, head: object, name: str) -> None:
    shown = refusal(event(tmp_path, pull_request(head)))
    assert f"from the fork {name}" in shown
    assert "permissions" not in shown


def test_a_fork_is_told_from_a_permission_that_was_not_asked_for(tmp_path: Path) -> None:
    """Only for the latter is there something to paste."""
    for head, kind in (("mallory/shop", IdentityError), ("acme/shop", UnrequestedError)):
        with pytest.raises(IdentityError) as refused:
            ask(event(tmp_path, pull_request({"full_name": head})))
        assert type(refused.value) is kind


@pytest.mark.parametrize(
    "content",
    [
        pull_request({"full_name": "acme/shop"}),
        pull_request({}),
        pull_request("acme/shop"),
        pull_request(7),
        {"pull_request": None},
        {"pull_request": {"head": {}, "base": {}}},
        {},
        [],
        "not json",
        "",
        "\ufeff{}",
    ],
)
def test_what_is_no_fork_is_a_missing_permission(tmp_path: Path, content: object) -> None:
    assert "permissions: id-token: write" in refusal(event(tmp_path, content))


def test_another_event_or_none_is_a_missing_permission(tmp_path: Path) -> None:
    fork = event(tmp_path, pull_request({"full_name": "mallory/shop"}))
    for changed in (
        {"GITHUB_EVENT_NAME": "push"},
        {"GITHUB_EVENT_PATH": ""},
        {"GITHUB_EVENT_PATH": str(tmp_path / "no")},
    ):
        assert "permissions: id-token: write" in refusal(fork | changed)


@pytest.mark.parametrize(
    "behaviour", [Behaviour(pending=3), Behaviour(unavailable=2), Behaviour(pending=1, unavailable=1)]
)
def test_what_passes_is_asked_again(issuer: Issuer, behaviour: Behaviour) -> None:
    endpoint = issuer.github_endpoint(github_claims(), behaviour=behaviour)
    waits: list[float] = []
    assert ask(env(endpoint), waits.append) is not None
    tries = behaviour.pending + behaviour.unavailable + 1
    assert len(issuer.requests(endpoint.request_url)) == tries
    assert len(waits) == tries - 1


@pytest.mark.parametrize(
    ("behaviour", "problem"),
    [
        (Behaviour(pending=10**9), "answered 403"),
        (Behaviour(unavailable=10**9), "answered 503"),
        (Behaviour(then="hang"), "no complete answer"),
    ],
)
def test_what_does_not_pass_ends_at_the_deadline(
    issuer: Issuer, behaviour: Behaviour, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(github, "SECONDS", 0.5)
    endpoint = issuer.github_endpoint(github_claims(), behaviour=behaviour)
    started = time.monotonic()
    assert problem in refusal(env(endpoint))
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("then", ["no-value", "html"])
def test_an_answer_without_a_token_is_an_error_at_once(issuer: Issuer, then: Any) -> None:
    endpoint = issuer.github_endpoint(github_claims(), behaviour=Behaviour(then=then))
    assert "answered without one" in refusal(env(endpoint))
    assert len(issuer.requests(endpoint.request_url)) == 1


def test_a_wrong_bearer_is_refused_at_once(issuer: Issuer) -> None:
    endpoint = issuer.github_endpoint(github_claims())
    assert "answered 401" in refusal(env(endpoint) | {"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "wr0ng-bearer"})
    assert len(issuer.requests(endpoint.request_url)) == 1


def serve(status: int, body: bytes) -> LoopbackServer:
    return LoopbackServer(lambda _request: Answer(status=status, body=body))


def at(url: str) -> dict[str, str]:
    return env(GithubEndpoint(f"{url}/token?api-version=2.0", "b3arer-of-this-job"))


@pytest.mark.parametrize(
    "body", [b"[]", b"null", b'"x"', b'{"value": 7}', b'{"value": ""}', b'{"value": null}', b"\xff"]
)
def test_a_body_of_another_shape_is_an_error(body: bytes) -> None:
    with serve(200, body) as server:
        assert "answered without one" in refusal(at(server.url))


def test_a_broken_document_with_a_token_in_it_is_not_shown() -> None:
    secret = base64.urlsafe_b64encode(b"a-token-of-its-own").decode()
    with serve(200, f'{{"value": "{secret}"'.encode()) as server, pytest.raises(IdentityError) as refused:
        ask(at(server.url))
    assert_no_leak("".join(traceback.TracebackException.from_exception(refused.value).format()), [secret])


def test_a_value_that_is_no_token_is_refused_without_being_shown() -> None:
    with serve(200, b'{"value": "s3cr3t-but-no-token"}') as server:
        shown = refusal(at(server.url))
    assert "GitHub Actions gave is not an ID token" in shown
    assert_no_leak(shown, ["s3cr3t-but-no-token"])


@pytest.mark.parametrize("status", [301, 302, 400, 403, 404])
def test_other_answers_are_final_and_their_bodies_are_not_shown(status: int) -> None:
    asked: list[str] = []

    def respond(request: Request) -> Answer:
        asked.append(request.target)
        return Answer(status=status, body=b'{"message": "s3cr3t-detail"}')

    with LoopbackServer(respond) as server:
        shown = refusal(at(server.url))
    assert f"answered {status}" in shown
    assert len(asked) == 1
    assert_no_leak(shown, ["s3cr3t-detail"])


def test_the_url_s_own_query_is_kept_and_the_audience_joins_it() -> None:
    asked: list[tuple[str, str]] = []

    def respond(request: Request) -> Answer:
        asked.append((request.target, request.headers["authorization"]))
        return Answer(status=404)

    with LoopbackServer(respond) as server:
        refusal(env(GithubEndpoint(f"{server.url}/a%20b?x=1&empty=&y=%26#part", "b3arer")))
    audience = quote(AUDIENCE, safe="").replace("%20", "+")
    assert asked == [(f"/a%20b?x=1&empty=&y=%26&audience={audience}", "bearer b3arer")]


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://host/x", "begins with neither"),
        ("http://me:s3cr3t-part@host/x", "user name or password"),
        ("https://h\u00f6st/x", "character that a URL may not hold"),
        ("no address", "begins with neither"),
        ("http://[x", "no valid host"),
    ],
)
def test_a_url_that_is_none_is_named_and_not_repeated(url: str, problem: str) -> None:
    shown = refusal(env(GithubEndpoint(url, "b3arer-of-this-job")))
    assert "ACTIONS_ID_TOKEN_REQUEST_URL" in shown
    assert problem in shown
    assert url not in shown


def test_nobody_at_the_address_is_an_error_after_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(github, "SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert "GitHub's token endpoint: connection refused" in refusal(at(f"http://127.0.0.1:{port}"))


@pytest.mark.parametrize("bearer", ["b3arer\nof-this-job", "b3arer-\udcff-of-this-job", "b3arer-\u00e9"])
def test_a_bearer_that_http_cannot_carry_is_an_error_without_it(issuer: Issuer, bearer: str) -> None:
    endpoint = issuer.github_endpoint(github_claims())
    with pytest.raises(IdentityError, match="HTTP cannot carry") as refused:
        ask(env(endpoint) | {"ACTIONS_ID_TOKEN_REQUEST_TOKEN": bearer})
    assert "b3arer" not in "".join(traceback.TracebackException.from_exception(refused.value).format())
    assert issuer.requests(endpoint.request_url) == ()


def test_a_signal_ends_the_wait_between_two_attempts(issuer: Issuer) -> None:
    endpoint = issuer.github_endpoint(github_claims(), behaviour=Behaviour(pending=10**9))
    timer = threading.Timer(0.2, signal.raise_signal, [signal.SIGTERM])
    with Signals() as signals:
        timer.start()
        with pytest.raises(Interrupted):
            ask(env(endpoint), signals.sleep)
    timer.join()
