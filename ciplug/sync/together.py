"""Several targets at once: a thread for each, and an outcome for each, whatever becomes of the others."""

from __future__ import annotations

import threading
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final, TypeVar

from ciplug.errors import CiplugError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

V = TypeVar("V")

_TICK: Final = 0.05


def together(
    work: Mapping[str, Callable[[], V]], tick: Callable[[], None], queues: Mapping[str, str] | None = None
) -> dict[str, V | CiplugError]:
    """What each piece of `work` gives, or its error, in the order of `work`.

    Pieces with the same entry in `queues` follow one another. `tick` is called in the calling thread again and again
    while it waits; what it raises ends the waiting, not the work. An error that is no ``CiplugError`` is raised here.
    """
    done: SimpleQueue[tuple[str, V | None, BaseException | None]] = SimpleQueue()
    rows: dict[str, list[str]] = {}
    for name in work:
        rows.setdefault((queues or {}).get(name, name), []).append(name)
    for row in rows.values():
        threading.Thread(target=_run, args=(row, work, done), daemon=True).start()
    outcomes: dict[str, V | CiplugError] = {}
    while len(outcomes) < len(work):
        tick()
        try:
            name, value, error = done.get(timeout=_TICK)
        except Empty:
            continue
        if error is not None and not isinstance(error, CiplugError):
            raise error
        outcomes[name] = error if error is not None else value  # type: ignore[assignment]  # a value of None is one too
    return {name: outcomes[name] for name in work}


def _run(
    row: list[str], work: Mapping[str, Callable[[], V]], done: SimpleQueue[tuple[str, V | None, BaseException | None]]
) -> None:
    for name in row:
        try:
            done.put((name, work[name](), None))
        except BaseException as err:  # noqa: BLE001  # an outcome, or raised again in the thread that waits for it
            done.put((name, None, err))
