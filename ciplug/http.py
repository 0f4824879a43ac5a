"""HTTP with JSON for deploy platforms: bounded in time and size, repeated where that may help, silent about bodies."""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING, Any, Final, Self

import httpx

from ciplug.errors import PlatformError, UnansweredError, UsageError
from ciplug.frozen import frozen
from ciplug.manifest import address_problem
from ciplug.net.origin import split
from ciplug.net.retry import Transient, is_passing, retry, retry_after
from ciplug.net.tls import system_context
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
_QUIET_SECONDS: Final = 30.0
"""How often the same failure is told of while a request is repeated."""

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
        self._credential = (endpoint.header.encode(), endpoint.scheme.encode() + _header_value(token))
        self._deadline = deadline
        self._reset = endpoint.reset or (lambda _document: None)
        self._sleep = sleep
        self._notify = notify
        self._wall_clock = wall_clock
        self._told: tuple[str, float] | None = None
        self._client = httpx.Client(
            base_url=_checked(endpoint.base),
            trust_env=False,  # the environment is read in one place, and handed in
            verify=system_context(),
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
        carried out. ``PlatformError`` where no usable answer came before the deadline; ``UnansweredError`` where the
        request may have been carried out all the same.
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
                document = _parsed(response, call.what, self._deadline)
                reply = Reply(status=response.status_code, headers=dict(response.headers), document=document)
        except httpx.HTTPError as err:
            not_sent = isinstance(err, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError)
            kind = PlatformError if not_sent else UnansweredError
            failure = kind(f"{call.what}: {_words(err)}", hint="check the network and api_url; run it again")
            if call.repeatable or not_sent:
                raise Transient(failure) from err
            raise failure from err
        if 300 <= reply.status < 400:
            raise PlatformError(
                f"{call.what}: answered {reply.status}, which leads to another address",
                hint="set api_url to the address itself; no token is sent where a redirect leads",
            )
        refused = reply.status == httpx.codes.TOO_MANY_REQUESTS
        if is_passing(reply.status) and (call.repeatable or refused):
            kind = PlatformError if refused else UnansweredError
            raise Transient(
                kind(f"{call.what}: answered {reply.status}", hint="run it again later"), after=self._wait(reply)
            )
        return reply

    def _wait(self, reply: Reply) -> float | None:
        asked = retry_after(reply.headers.get("retry-after"), wall_clock=self._wall_clock)
        if asked is not None or reply.status != httpx.codes.TOO_MANY_REQUESTS:
            return asked
        named = (reply.headers.get(name) for name in ("ratelimit-reset", "x-ratelimit-reset"))
        resets = [self._platforms_reset(reply), *(_number(value) for value in named)]
        found = [reset for reset in resets if reset is not None]
        if not found:
            return None
        return max(0.0, found[0] - self._wall_clock() if found[0] > _EPOCH else found[0])

    def _platforms_reset(self, reply: Reply) -> float | None:
        try:
            found = self._reset(reply.document)
        except OverflowError:  # JSON knows numbers that no float is
            return None
        return found if found is not None and math.isfinite(found) else None

    def _tell(self, error: Exception) -> None:
        """Tell of a failure once, and again only after a while: a platform may be down for minutes."""
        now = self._wall_clock()
        if self._notify is None or (self._told and self._told[0] == str(error) and now < self._told[1]):
            return
        self._told = str(error), now + _QUIET_SECONDS
        self._notify(f"{error}; trying again for up to {self._deadline.remaining():.0f} s")


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


def _header_value(token: Secret) -> bytes:
    """The token, where a header can hold it: a line end behind it is the usual reason why not."""
    value = token.reveal()
    if not value or not all(0x21 <= byte <= 0x7E for byte in value):
        raise PlatformError(
            "the platform's token is empty, or has characters that no header can hold",
            hint="write it to the vault again, without spaces or a line end",
        )
    return value


def _parsed(response: httpx.Response, what: str, deadline: Deadline) -> Any:
    """The body as JSON. ``PlatformError``, without the body, for one that is too large, too slow or none."""
    body = bytearray()
    for chunk in response.iter_bytes():
        body += chunk
        if deadline.expired and not deadline.cancelled:  # a signal lets the request under way come to its end
            raise UnansweredError(f"{what}: the answer did not end in time", hint="run it again, with more time")
        if len(body) > MAX_BODY:
            raise UnansweredError(f"{what}: the answer is larger than {MAX_BODY} bytes", hint="check api_url")
    if not body.strip():
        return None
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        # Without a cause: a JSON error carries the document.
        if response.is_success:
            raise UnansweredError(f"{what}: the answer is no JSON", hint="check api_url") from None
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
