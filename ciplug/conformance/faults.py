"""Faults that are ordered by the number of the adapter's request, on top of ciplug's own HTTP client."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from ciplug.errors import PlatformError
from ciplug.frozen import frozen
from ciplug.http import Client
from ciplug.net.deadline import Deadline
from ciplug.net.proxy import ProxySettings
from ciplug.values import Endpoint, Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ciplug.conformance.bench import Clock, StandIn
    from ciplug.conformance.shown import Shown
    from ciplug.contracts import Connects, Requests
    from ciplug.values import Reply

_PATIENCE = 600.0
_SHORT_PATIENCE = 10.0
"""Seconds of the clock, while a fault is `lasting`: each attempt that fails is one too many."""


@frozen
class Fault:
    """What becomes of the request number `at`, from 1, and with `lasting` of all after it and all their repetitions.

    ``answer``: it is answered with `status` and `body` instead. ``lose`` and ``cut``: it is carried out, and its answer
    lost or cut short.
    """

    kind: Literal["answer", "lose", "cut"]
    status: int = 500
    body: bytes = b""
    at: int = 1
    lasting: bool = False


class _Patience(Deadline):
    """A deadline that begins again with each adapter."""

    def renew(self, seconds: float) -> None:
        self._end = self.clock() + seconds


class Line:
    """The line between adapters and the stand-in."""

    def __init__(self, standin: StandIn, clock: Clock, shown: Shown) -> None:
        self._standin = standin
        self._clock = clock
        self._shown = shown
        # A client is kept for the next adapter, because making one takes longer than most tests.
        self._clients: dict[tuple[object, ...], Client] = {}
        self._deadline = _Patience(_PATIENCE, clock=clock)
        self._fault: Fault | None = None
        self._asked = 0
        self._is_faulty = False

    def close(self) -> None:
        """Close every connection."""
        for client in self._clients.values():
            client.close()

    @contextmanager
    def broken(self, fault: Fault) -> Iterator[Callable[[], bool]]:
        """`fault` for the length of the block, counted from its beginning; tells whether it has been met."""
        self._fault, self._asked = fault, 0
        try:
            yield lambda: self._asked >= fault.at
        finally:
            self._fault = None

    def connects(self, token: str) -> Connects:
        """What an adapter is created with."""

        def connect(endpoint: Endpoint) -> Requests:
            key = (endpoint, token)
            if key not in self._clients:
                self._clients[key] = Client(
                    endpoint,
                    Secret(token),
                    deadline=self._deadline,
                    proxies=ProxySettings(),
                    sleep=self._wait,
                    notify=lambda text: self._shown.text("a message of the client", text),
                    wall_clock=self._clock,
                )
            self._deadline.renew(_SHORT_PATIENCE if self._fault is not None and self._fault.lasting else _PATIENCE)
            return _Counted(self, self._clients[key])

        return connect

    def wait(self, seconds: float) -> None:
        """An adapter's own pause; as in a sync, ``PlatformError`` once there is no time left."""
        self._clock.wait(seconds)
        if self._deadline.expired:
            raise PlatformError("it did not end in time", hint="run it again, or give it a longer --deadline")

    def begin(self) -> None:
        """One more request of an adapter's."""
        self._clock.tick()
        self._asked += 1
        fault = self._fault
        self._is_faulty = fault is not None and (self._asked == fault.at or (fault.lasting and self._asked >= fault.at))
        self._order()

    def _wait(self, seconds: float) -> None:
        """A pause before the same request again, which fails as well where the fault lasts."""
        self._clock.wait(seconds)
        if self._fault is not None and self._fault.lasting and not self._deadline.expired:
            self._order()

    def _order(self) -> None:
        fault = self._fault
        if fault is None or not self._is_faulty:
            return
        if fault.kind == "answer":
            self._standin.fail_next(fault.status, body=fault.body)
        elif fault.kind == "lose":
            self._standin.drop_next()
        else:
            self._standin.cut_next()


class _Counted:
    """The client of one adapter."""

    def __init__(self, line: Line, client: Client) -> None:
        self._line = line
        self._client = client

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        document: object = None,
        repeatable: bool = True,
    ) -> Reply:
        """As the client's."""
        self._line.begin()
        return self._client.request(method, path, query=query, document=document, repeatable=repeatable)
