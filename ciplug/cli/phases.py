"""A phase of a sync: every target at once, and what a signal does to it."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from ciplug.errors import Interrupted
from ciplug.sync.together import together

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ciplug.cli.target_sync import TargetSync
    from ciplug.errors import CiplugError
    from ciplug.signals import Signals

V = TypeVar("V")

_PATIENCE: Final = 5.0
"""Seconds that the requests under way are given once a signal has come, for their targets to say what was done."""


def phase(
    syncs: Mapping[str, TargetSync],
    work: Callable[[TargetSync], V],
    signals: Signals,
    *,
    show: Callable[[], None] = lambda: None,
    queues: Mapping[str, str] | None = None,
) -> dict[str, V | CiplugError]:
    """What `work` gives for each of `syncs`, or its error.

    A signal ends it between two requests; ``Interrupted`` where a request does not end in time.
    """
    since: float | None = None

    def tick() -> None:
        nonlocal since
        show()
        if signals.pending is None:
            return
        if since is None:
            since = time.monotonic()
            for sync in syncs.values():
                sync.interrupt()
        elif time.monotonic() - since > _PATIENCE:
            raise Interrupted(signals.pending)

    return together({name: partial(work, sync) for name, sync in syncs.items()}, tick, queues)
