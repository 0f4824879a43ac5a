"""Platforms on loopback of which a test orders what becomes of their next requests, and the orders."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ciplug.standins.loopback import DROP, HANG, Answer
from ciplug.standins.railway import Railway
from ciplug.standins.render import Render
from ciplug.standins.vercel import Vercel

if TYPE_CHECKING:
    from collections.abc import Callable

    from ciplug.standins.loopback import Request


class Clock:
    """The time as a platform has it; `leap` seconds pass whenever it looks, so that no test waits for deployments."""

    leap = 0.0

    def __init__(self) -> None:
        self._ahead = 0.0

    def __call__(self) -> float:
        self._ahead += self.leap
        return time.time() + self._ahead


class Steered:
    """A platform of which a test can order what becomes of the next request of a kind."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._orders: list[tuple[str, Callable[[Callable[[], Answer]], Answer]]] = []

    def order(self, mark: str, act: Callable[[Callable[[], Answer]], Answer]) -> None:
        """Have `act` answer the next request with `mark` in its line or body; it may carry it out by calling."""
        self._orders.append((mark, act))

    def forget_orders(self) -> None:
        """Nothing is ordered any more."""
        self._orders.clear()

    def handle(self, request: Request) -> Answer:
        shown = f"{request.method} {request.target} {request.body.decode()}"
        for order in self._orders:
            mark, act = order
            if mark in shown:
                self._orders.remove(order)
                return act(lambda: super(Steered, self).handle(request))  # type: ignore[misc]  # the vendor's
        return super().handle(request)  # type: ignore[misc, no-any-return]  # the vendor's


class SteeredVercel(Steered, Vercel): ...


class SteeredRailway(Steered, Railway): ...


class SteeredRender(Steered, Render): ...


def failing(status: int, **headers: str) -> Callable[[Callable[[], Answer]], Answer]:
    """Nothing is done, and `status` answered."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _carried_out: Answer(status=status, body=b"{}", headers=named)


def lost(carried_out: Callable[[], Answer]) -> Answer:
    """It is done, and nobody hears of it."""
    carried_out()
    return Answer(status=DROP)


def cut(carried_out: Callable[[], Answer]) -> Answer:
    """It is done, and half of the answer comes."""
    answer = carried_out()
    half = len(answer.body) // 2
    return replace(answer, body=answer.body[:half], missing=len(answer.body) - half)


class Gate:
    """An order that holds a request until the test lets it go."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self.free = threading.Event()

    def __call__(self, carried_out: Callable[[], Answer]) -> Answer:
        answer = carried_out()
        self.reached.set()
        self.free.wait(30)
        return answer


def never(_carried_out: Callable[[], Answer]) -> Answer:
    """Nothing is done, and no answer given."""
    return Answer(status=HANG)
