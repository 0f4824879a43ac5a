"""Following a deployment by asking for it again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ciplug.values import Deployment


def followed(
    look: Callable[[], Deployment], wait: Callable[[float], None], pause_seconds: float
) -> Iterator[Deployment]:
    """What `look` shows, whenever that changes, until it is ready or failed.

    There is no limit here: `wait` raises at the deadline of the redeploy, and when the user interrupts.
    """
    told: Deployment | None = None
    while True:
        now = look()
        if now != told:
            yield now
        if now.state in {"ready", "failed"}:
            return
        told = now
        wait(pause_seconds)
