"""Several targets at once: a thread for each, and an outcome for each, whatever becomes of the others."""

from __future__ import annotations

import threading
import time
import traceback
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final, TypeVar

from ciplug.errors import CiplugError, SyncError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ciplug.signals import Signals
    from ciplug.sync.target_sync import TargetSync

V = TypeVar("V")

_TICK_SECONDS: Final = 0.05
_PATIENCE_SECONDS: Final = 5.0
"""What the requests under way are given once a signal has come, for their targets to say what was done."""


class FaultError(SyncError):
    """A bug, of an adapter's or of ours, in what was done for one target; it may have happened in the middle."""


def phase(
    syncs: Mapping[str, TargetSync],
    work: Callable[[TargetSync], V],
    signals: Signals,
    *,
    show: Callable[[], None] = lambda: None,
    queues: Mapping[str, str] | None = None,
) -> dict[str, V | CiplugError]:
    """What `work` gives for each of `syncs`, or its error. `show` is called in between, in this thread.

    A signal ends it between two requests. A target whose request does not end soon after is left out of the result.
    """
    since: float | None = None

    def tick() -> bool:
        nonlocal since
        show()
        if signals.pending is None:
            return True
        if since is None:
            since = time.monotonic()
            for sync in syncs.values():
                sync.interrupt()
        return time.monotonic() - since < _PATIENCE_SECONDS

    return together({name: partial(work, sync) for name, sync in syncs.items()}, tick, queues)


def together(
    work: Mapping[str, Callable[[], V]], tick: Callable[[], bool], queues: Mapping[str, str] | None = None
) -> dict[str, V | CiplugError]:
    """What each piece of `work` gives, or its error, in the order of `work`.

    Pieces with the same entry in `queues` follow one another. `tick` is called in the calling thread again and again
    while it waits; once it gives false, nobody waits any more, and what has not ended is left out.
    """
    done: SimpleQueue[tuple[str, V | CiplugError]] = SimpleQueue()
    rows: dict[str, list[str]] = {}
    for name in work:
        rows.setdefault((queues or {}).get(name, name), []).append(name)
    for row in rows.values():
        threading.Thread(target=_run, args=(row, work, done), daemon=True).start()
    outcomes: dict[str, V | CiplugError] = {}
    while len(outcomes) < len(work) and tick():
        try:
            name, outcome = done.get(timeout=_TICK_SECONDS)
        except Empty:
            continue
        outcomes[name] = outcome
    return {name: outcomes[name] for name in work if name in outcomes}


def followers(queues: Mapping[str, str]) -> set[str]:
    """Those that have another one of their queue before them."""
    first: dict[str, str] = {}
    return {name for name, queue in queues.items() if first.setdefault(queue, name) != name}


def _run(row: list[str], work: Mapping[str, Callable[[], V]], done: SimpleQueue[tuple[str, V | CiplugError]]) -> None:
    for name in row:
        try:
            done.put((name, work[name]()))
        except CiplugError as err:
            done.put((name, err))
        except BaseException as err:  # noqa: BLE001  # one target's bug must not leave the others in the middle
            done.put((name, _fault(err)))


def _fault(error: BaseException) -> FaultError:
    """The bug's type and place. Not its message, which may hold a value."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return FaultError(
        f"a fault in {Path(frame.filename).name}:{frame.lineno}: {type(error).__name__}",
        hint="report it to whoever wrote the platform's adapter; what was written is not lost",
    )
