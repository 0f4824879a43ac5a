"""HTTP with JSON for deploy platforms: bounded in time and size, repeated where that may help, silent about bodies."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final, Self

import httpx

from ciplug.errors import PlatformError, UsageError
from ciplug.frozen import frozen
from ciplug.manifest import address_problem
from ciplug.net.origin import split
from ciplug.net.retry import Transient, is_passing, retry, retry_after
from ciplug.net.tls import TlsSettings
from ciplug.values import Reply

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from ciplug.net.deadline import Deadline
    from ciplug.net.proxy import ProxySettings
    from ciplug.values import Endpoint, Secret

MAX_BODY: Final = 16 * 1024 * 1024
"""Bytes of one answer; a team with thousands of variables stays far below."""

ATTEMPT_SECONDS: Final = 30.0
_EPOCH: Final = 1_000_000_000
"""A reset beyond this is a moment in epoch seconds, one below it a number of seconds from now."""


@frozen
class _Call:
    """One request; `what` is its name in messages."""

    what: str
    method: str
    path: str
    query: Mapping[str, str] | None
    document: object
    repeatable: bool


class Client:
    """Requests to one platform, with `token`; ``UsageError`` where the endpoint is no address to send it to.

    All requests share `deadline`. ``Retry-After`` and the usual reset headers of a 429 are understood by themselves.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        token: Secret,
        *,
        deadline: Deadline,
        proxies: ProxySettings,
        sleep: Callable[[float], None] | None = None,
        notify: Callable[[str], None] | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._label = endpoint.label
        self._credential = (endpoint.header.encode(), endpoint.scheme.encode() + token.reveal())
        self._deadline = deadline
        self._reset = endpoint.reset or (lambda _document: None)
        self._sleep = sleep
        self._notify = notify
        self._wall_clock = wall_clock
        self._client = httpx.Client(
            base_url=_checked(endpoint.base),
            trust_env=False,  # the environment is read in one place, and handed in
            verify=TlsSettings().context(),
            follow_redirects=False,
            timeout=ATTEMPT_SECONDS,
            proxy=_proxy(endpoint.base, proxies),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        document: object = None,
        repeatable: bool = True,
    ) -> Reply:
        """The answer to ``{method} {base}{path}``, whatever its status, once it is no passing failure any more.

        `document` is sent as JSON. A request that is not `repeatable` is repeated only where it was certainly not
        carried out. ``PlatformError`` where no usable answer came before the deadline.
        """
        what = f"{self._label}: {method} {path}"
        if self._deadline.expired:
            reason = "interrupted" if self._deadline.cancelled else "there is no time left"
            raise PlatformError(f"{what}: not asked, {reason}", hint="run it again: it goes on where this has ended")
        call = _Call(
            what=what,
            method=method,
            path=path,
            query=query,
            document=document,
            repeatable=repeatable,
        )
        return retry(lambda: self._attempt(call), self._deadline, sleep=self._sleep, on_retry=self._tell)

    def _attempt(self, call: _Call) -> Reply:
        timeout = max(0.05, min(ATTEMPT_SECONDS, self._deadline.remaining()))
        body = None if call.document is None else json.dumps(call.document).encode()
        headers = [(b"Accept", b"application/json"), self._credential]
        if body is not None:
            headers.append((b"Content-Type", b"application/json"))
        try:
            with self._client.stream(
                call.method, call.path, params=call.query, content=body, headers=headers, timeout=timeout
            ) as response:
                document = _parsed(response, call.what)
                reply = Reply(status=response.status_code, headers=dict(response.headers), document=document)
        except httpx.HTTPError as err:
            failure = PlatformError(f"{call.what}: {_words(err)}", hint="check the network and api_url; run it again")
            if call.repeatable or isinstance(err, httpx.ConnectError | httpx.ConnectTimeout):
                raise Transient(failure) from err
            raise failure from err
        if is_passing(reply.status) and (call.repeatable or reply.status == httpx.codes.TOO_MANY_REQUESTS):
            raise Transient(
                PlatformError(f"{call.what}: answered {reply.status}", hint="run it again later"),
                after=self._wait(reply),
            )
        return reply

    def _wait(self, reply: Reply) -> float | None:
        asked = retry_after(reply.headers.get("retry-after"), wall_clock=self._wall_clock)
        if asked is not None or reply.status != httpx.codes.TOO_MANY_REQUESTS:
            return asked
        named = (reply.headers.get(name) for name in ("ratelimit-reset", "x-ratelimit-reset"))
        resets = [self._reset(reply.document), *(_number(value) for value in named)]
        found = [reset for reset in resets if reset is not None]
        if not found:
            return None
        return max(0.0, found[0] - self._wall_clock() if found[0] > _EPOCH else found[0])

    def _tell(self, error: Exception) -> None:
        if self._notify is not None:
            self._notify(f"{error}; trying again")


def _checked(base: str) -> str:
    if problem := address_problem(base):
        raise UsageError(f"api_url {problem}", hint="leave it out, or give the vendor's own address")
    return base.rstrip("/")


def _proxy(base: str, proxies: ProxySettings) -> httpx.Proxy | None:
    proxy = proxies.route(split(base)[0])
    if proxy is None:
        return None
    credential = {} if proxy.authorization is None else {"Proxy-Authorization": proxy.authorization.reveal().decode()}
    return httpx.Proxy(f"http://{proxy}", headers=credential)


def _parsed(response: httpx.Response, what: str) -> Any:
    """The body as JSON. ``PlatformError``, without the body, for one that is too large or is none."""
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > MAX_BODY:
            raise PlatformError(f"{what}: the answer is larger than {MAX_BODY} bytes", hint="check api_url")
    if not body.strip():
        return None
    try:
        return json.loads(body)
    except ValueError:
        # Without a cause: a JSON error carries the document.
        if response.is_success:
            raise PlatformError(f"{what}: the answer is no JSON", hint="check api_url") from None
        return None


def _number(value: str | None) -> float | None:
    """A reset header; several in one answer come joined by commas, and the first is of the limit that was met."""
    text = (value or "").partition(",")[0].strip()
    return float(text) if text.isascii() and text.isdigit() else None


def _words(error: httpx.HTTPError) -> str:
    """What happened, in words of our own: httpx's may quote the request."""
    kinds: tuple[tuple[type[Exception], str], ...] = (
        (httpx.ConnectTimeout, "no connection in time"),
        (httpx.TimeoutException, "no answer in time"),
        (httpx.ProxyError, "the proxy refused"),
        (httpx.ConnectError, "no connection"),
        (httpx.RemoteProtocolError, "the answer is cut short or is not HTTP"),
        (httpx.NetworkError, "the connection broke"),
    )
    return next((words for kind, words in kinds if isinstance(error, kind)), "the request failed")
