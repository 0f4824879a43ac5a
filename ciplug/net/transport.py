"""Requests over connections that are kept alive, each with one answer of limited size, and a way to end them all."""

from __future__ import annotations

import select
import threading
import time
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException
from typing import TYPE_CHECKING
from weakref import WeakSet

from ciplug.frozen import frozen
from ciplug.net.deadline import Deadline
from ciplug.net.dial import dial, refusal
from ciplug.net.failures import Aborted, Failure, TimedOut, explain
from ciplug.net.flight import Flight
from ciplug.net.message import Request, Response, receive
from ciplug.net.proxy import ProxySettings
from ciplug.net.tls import TlsSettings

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator, Mapping

    from ciplug.net.flight import Stream
    from ciplug.net.origin import Origin
    from ciplug.net.proxy import Proxy
    from ciplug.values import Secret

MAX_BODY = 8 * 1024 * 1024
"""Bytes. A 2 MB secret in base64 in JSON fits several times."""
ATTEMPT_SECONDS = 10.0
"""The longest one exchange may take, so that a hanging address leaves time for the others."""
_IDLE_SECONDS = 30.0


@frozen
class _Idle:
    """A connection that waits for its next request."""

    stream: Stream
    since: float


class Transport:
    """A pool of connections for any number of threads. It follows no redirect and repeats nothing it has an answer for.

    One transport trusts one set of CAs: a second kind of server (a CI host next to the vault) takes a second transport.
    """

    def __init__(
        self,
        *,
        tls: TlsSettings | None = None,
        proxies: ProxySettings | None = None,
        max_body: int = MAX_BODY,
        attempt_seconds: float = ATTEMPT_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tls = tls or TlsSettings()
        self._proxies = proxies or ProxySettings()
        self._max_body = max_body
        self._attempt_seconds = attempt_seconds
        self._clock = clock
        # Reentrant, because a signal handler may abort while its own thread holds the lock.
        self._lock = threading.RLock()
        self._context: ssl.SSLContext | None = None
        self._idle: dict[tuple[Origin, Proxy | None], list[_Idle]] = {}
        self._flights: set[Flight] = set()
        self._phases: WeakSet[Deadline] = WeakSet()

    def phase(self, seconds: float) -> Deadline:
        """A deadline that `abort` ends as well, however it is being waited for."""
        deadline = Deadline(seconds, clock=self._clock)
        with self._lock:
            self._phases.add(deadline)
        return deadline

    def exchange(
        self,
        origin: Origin,
        method: str,
        target: str,
        *,
        deadline: Deadline,
        headers: Mapping[str, str | Secret] | None = None,
        body: bytes | None = None,
        seconds: float | None = None,
    ) -> Response:
        """One request and its answer, whatever its status; `target` is the path with its query.

        It takes at most `seconds`, where that is less than any attempt may take.

        Raises a ``Failure``: its class says what happened, its ``retryable`` whether to try again.
        """
        proxy = self._proxies.route(origin)
        request = Request(origin=origin, method=method, target=target, headers=headers or {}, body=body)
        # Before any connection, so that an unsendable token is a matter of this side alone.
        request.encode(proxy)
        with self._flying(deadline, min(seconds or self._attempt_seconds, self._attempt_seconds)) as flight:
            idle = self._take(origin, proxy, flight)
            if idle is not None:
                try:
                    return self._perform(idle, request, proxy)
                except (ConnectionError, HTTPException):
                    # The server may close an idle connection at the very moment it is used again (RFC 9112, 9.3.1).
                    if idle.received or method != "GET" or flight.aborted:
                        raise
            flight.connected = False
            fresh = dial(origin, proxy, flight, context=self._tls_context, server_name=self._tls.server_name)
            return self._perform(fresh, request, proxy)

    def abort(self, phase: Deadline | None = None) -> None:
        """End every exchange and every wait of `phase`, or of all phases, from any thread or signal handler.

        Those threads fail at once with ``Aborted``. The transport itself can be used again, in a new phase.
        """
        with self._lock:
            for deadline in list(self._phases) if phase is None else [phase]:
                deadline.cancel()
            for flight in list(self._flights):
                if phase is None or flight.deadline is phase:
                    flight.abort()

    def close(self) -> None:
        """Close the connections that are idle."""
        with self._lock:
            idle = [entry for entries in self._idle.values() for entry in entries]
            self._idle.clear()
        for entry in idle:
            entry.stream.close()

    @contextmanager
    def _flying(self, deadline: Deadline, seconds: float) -> Iterator[Flight]:
        """A flight that `abort` knows, with whatever ends it told as a ``Failure``."""
        flight = Flight(deadline, seconds)
        with self._lock:
            self._flights.add(flight)
        try:
            flight.left()
            yield flight
        except Aborted as ended:
            ended.sent = flight.sent
            raise
        except (OSError, HTTPException) as err:
            # An HTTPException holds a piece of what was answered.
            failure = _failure(err, flight)
            failure.sent = flight.sent
            raise failure from (err if isinstance(err, OSError) else None)
        finally:
            with self._lock:
                self._flights.discard(flight)

    def _perform(self, stream: Stream, request: Request, proxy: Proxy | None) -> Response:
        stream.flight.connected = True
        try:
            stream.send(request.encode(proxy))
            stream.flight.sent = True
            response, reusable = receive(stream, request.method, self._max_body)
        except BaseException:
            stream.close()
            raise
        if reusable and not stream.flight.aborted:
            self._keep(stream, (request.origin, proxy))
        else:
            stream.close()
        # Only a proxy asks for proxy credentials; its other errors look like the server's own.
        if proxy is not None and response.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
            raise refusal(proxy, response.status)
        return response

    def _keep(self, stream: Stream, route: tuple[Origin, Proxy | None]) -> None:
        with self._lock:
            self._idle.setdefault(route, []).append(_Idle(stream=stream, since=self._clock()))

    def _take(self, origin: Origin, proxy: Proxy | None, flight: Flight) -> Stream | None:
        """An idle connection that still looks alive."""
        while True:
            with self._lock:
                entries = self._idle.get((origin, proxy))
                entry = entries.pop() if entries else None
            if entry is None:
                return None
            if self._clock() - entry.since < _IDLE_SECONDS and not _is_readable(entry.stream):
                entry.stream.board(flight)
                return entry.stream
            entry.stream.close()

    def _tls_context(self) -> ssl.SSLContext:
        with self._lock:
            self._context = self._context or self._tls.context()
            return self._context


def _is_readable(stream: Stream) -> bool:
    """Whether something came in while nothing was asked: the end of the connection, most likely."""
    poll = select.poll()
    poll.register(stream.socket, select.POLLIN)
    return bool(poll.poll(0))


def _failure(error: OSError | HTTPException, flight: Flight) -> Failure:
    try:
        flight.left()
    except Failure as aborted:
        return aborted
    except TimeoutError:
        seconds = max(round(flight.seconds, 1), 0.1)
        return TimedOut(f"no complete answer {'in time' if flight.deadline.expired else f'within {seconds:g} s'}")
    return explain(error, connected=flight.connected)
