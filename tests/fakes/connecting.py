"""How a test connects an adapter: as a sync does, with the test's own clock and pauses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ciplug.http import Client
from ciplug.net.deadline import Deadline
from ciplug.net.proxy import ProxySettings
from ciplug.values import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from ciplug.values import Endpoint


def connecting(
    token: str,
    *,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
    seconds: float = 600,
    wall_clock: Callable[[], float] | None = None,
    notify: Callable[[str], None] | None = None,
) -> Callable[[Endpoint], Client]:
    """What an adapter's ``create`` takes; its clients have `seconds` by `clock` for all their requests."""

    def connect(endpoint: Endpoint) -> Client:
        return Client(
            endpoint,
            Secret(token),
            deadline=Deadline(seconds, clock=clock),
            proxies=ProxySettings(),
            sleep=sleep,
            notify=notify,
            wall_clock=wall_clock or clock,
        )

    return connect
