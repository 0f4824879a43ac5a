"""The line between adapters and the stand-in: ciplug's own HTTP client, and what a test makes go wrong on the way."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, Protocol

from ciplug.errors import PlatformError
from ciplug.frozen import frozen
from ciplug.http import Client
from ciplug.net.deadline import Deadline
from ciplug.net.proxy import ProxySettings
from ciplug.values import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ciplug.conformance.bench import StandIn
    from ciplug.conformance.clock import Clock
    from ciplug.conformance.shown import Shown
    from ciplug.contracts import Connects, Requests
    from ciplug.values import Endpoint, Reply

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


class Asked(NamedTuple):
    """One request of an adapter's; `content` is its query and its document as JSON."""

    method: str
    path: str
    content: str


class Answers(Protocol):
    """What a test makes of replies."""

    def __call__(self, asked: Asked, carry_out: Callable[[], Reply], /) -> Reply:
        """The reply to `asked`: what `carry_out` returns, which sends it, or another one."""


class _Newest(Deadline):
    """The deadline of the adapter that was made last, for a client that serves one adapter after the other."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(_PATIENCE, clock=clock)
        self.adapters = Deadline(_PATIENCE, clock=clock)

    def remaining(self) -> float:
        """Seconds that this adapter has left."""
        return self.adapters.remaining()


class Line:
    """Connects adapters to `standin`, with the pauses and the faults of one test."""

    def __init__(self, standin: StandIn, clock: Clock, shown: Shown) -> None:
        self._standin = standin
        self._clock = clock
        self._shown = shown
        # A client is kept for the next adapter, because making one takes longer than most tests.
        self._clients: dict[tuple[object, ...], Client] = {}
        self._deadline = _Newest(clock)
        self._fault: Fault | None = None
        self._asked = 0
        self._is_faulty = False
        self._answers: Answers = _carried_out

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

    @contextmanager
    def answered(self, answers: Answers) -> Iterator[None]:
        """For the length of the block, `answers` has the replies to all requests."""
        self._answers = answers
        try:
            yield
        finally:
            self._answers = _carried_out

    def connects(self, token: str) -> Connects:
        """What an adapter is created with; each one has a deadline of its own."""

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
            is_short = self._fault is not None and self._fault.lasting
            self._deadline.adapters = Deadline(_SHORT_PATIENCE if is_short else _PATIENCE, clock=self._clock)
            return _Counted(self, self._clients[key])

        return connect

    def wait(self, seconds: float) -> None:
        """An adapter's own pause; as in a sync, ``PlatformError`` once there is no time left."""
        self._clock.wait(seconds)
        if self._deadline.expired:
            raise PlatformError("it did not end in time", hint="run it again, or give it a longer --deadline")

    def answer(self, asked: Asked, carry_out: Callable[[], Reply]) -> Reply:
        """The reply to one more request of an adapter's."""
        self._clock.tick()
        self._asked += 1
        fault = self._fault
        self._is_faulty = fault is not None and (self._asked == fault.at or (fault.lasting and self._asked >= fault.at))
        self._order()
        return self._answers(asked, carry_out)

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


def _carried_out(_asked: Asked, carry_out: Callable[[], Reply]) -> Reply:
    return carry_out()


class _Counted:
    """The client of one adapter."""

    def __init__(self, line: Line, client: Client) -> None:
        self._line = line
        self._client = client

    def request(self, method: str, path: str, **given: Any) -> Reply:
        """The reply to a request of ``ciplug.contracts.Requests``, after what the test makes of it."""
        asked = Asked(method, path, json.dumps([given.get("query"), given.get("document")]))
        return self._line.answer(asked, lambda: self._client.request(method, path, **given))
