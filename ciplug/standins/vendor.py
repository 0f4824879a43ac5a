"""What the stand-ins of deploy platforms share: a server, a record of what was asked, and faults that a test orders."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple, Self

from ciplug.frozen import frozen
from ciplug.standins.loopback import DROP, Answer, LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from ciplug.standins.loopback import Request


class Asked(NamedTuple):
    """One request that a vendor received, without its body, and the `status` of its answer (`DROP` for a lost one)."""

    method: str
    target: str
    status: int


@frozen
class _Fault:
    """`answer` instead of the request's own; or, once the request has been carried out, its answer lost or cut."""

    answer: Answer | None = None
    spoils: Literal["", "drop", "cut"] = ""


class Vendor:
    """A vendor's API on a free port of 127.0.0.1, for the length of a ``with`` block; `clock` gives epoch seconds.

    Requests are handled one at a time. A subclass answers them in `handle`.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.url = ""
        self._lock = threading.RLock()
        self._asked: list[Asked] = []
        self._faults: list[_Fault] = []

    def __enter__(self) -> Self:
        self._server = LoopbackServer(self._respond).__enter__()
        self.url = self._server.url
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, trace)

    def requests(self) -> tuple[Asked, ...]:
        """What was asked so far, oldest first."""
        with self._lock:
            return tuple(self._asked)

    def fail_next(
        self, status: int, *, times: int = 1, headers: Mapping[str, str] | None = None, body: bytes = b"{}"
    ) -> None:
        """Answer the next `times` requests with `status`, and do nothing of what they ask for."""
        self._order(_Fault(answer=Answer(status=status, body=body, headers=dict(headers or {}))), times)

    def drop_next(self, *, times: int = 1) -> None:
        """Carry out the next `times` requests, and lose their answers."""
        self._order(_Fault(spoils="drop"), times)

    def cut_next(self, *, times: int = 1) -> None:
        """Carry out the next `times` requests, and send the first half of their answers."""
        self._order(_Fault(spoils="cut"), times)

    def handle(self, request: Request) -> Answer:
        """The vendor's answer."""
        raise NotImplementedError

    def _order(self, fault: _Fault, times: int) -> None:
        with self._lock:
            self._faults += [fault] * times

    def _respond(self, request: Request) -> Answer:
        with self._lock:
            fault = self._faults.pop(0) if self._faults else _Fault()
            answer = fault.answer or _spoilt(self.handle(request), fault.spoils)
            self._asked.append(Asked(request.method, request.target, answer.status))
        return answer


def _spoilt(answer: Answer, how: Literal["", "drop", "cut"]) -> Answer:
    if how == "drop":
        return Answer(status=DROP)
    if how == "cut":
        half = len(answer.body) // 2
        return replace(answer, body=answer.body[:half], missing=len(answer.body) - half)
    return answer
