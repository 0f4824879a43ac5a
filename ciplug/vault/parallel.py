"""The same work on several things at once, with one outcome for all of it.

Plain threads on a queue: ``concurrent.futures`` would load ``logging`` with it, a fifth of a short command's time.
"""

from __future__ import annotations

import threading
import time
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeVar

from ciplug.errors import HandOverError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

K = TypeVar("K")
V = TypeVar("V")

_GRACE = 0.25
"""Seconds that work under way is given once one item has failed, so that of several the same error is raised."""


def in_parallel(keys: Sequence[K], work: Callable[[K], V], *, workers: int, end: Callable[[], None]) -> Mapping[K, V]:
    """``work(key)`` for each of the distinct `keys`, at most `workers` at a time; all results or one error.

    The error is that of the first key that failed, in the order of `keys`. `end` is called before this returns or
    raises, a signal's exception included, and must make the work that is still going on fail at once.
    """
    todo: SimpleQueue[K] = SimpleQueue()
    done: SimpleQueue[tuple[K, V | None, BaseException | None]] = SimpleQueue()
    for key in keys:
        todo.put(key)
    threads = [
        threading.Thread(target=_worker, args=(todo, done, work), daemon=True) for _ in range(min(workers, len(keys)))
    ]
    try:
        _start(threads)
        return _gather(keys, done)
    finally:
        _empty(todo)
        end()
        for thread in threads:
            if thread.ident is not None:
                thread.join()


def _start(threads: Sequence[threading.Thread]) -> None:
    """Start as many as this user may have; one is enough."""
    for number, thread in enumerate(threads):
        try:
            thread.start()
        except RuntimeError as err:
            if number == 0:
                raise HandOverError("no thread could be started", hint="raise the limit of processes") from err
            return


def _worker(
    todo: SimpleQueue[K], done: SimpleQueue[tuple[K, V | None, BaseException | None]], work: Callable[[K], V]
) -> None:
    while True:
        try:
            key = todo.get_nowait()
        except Empty:
            return
        try:
            done.put((key, work(key), None))
        except BaseException as err:  # noqa: BLE001  # raised again in the thread that waits for it
            done.put((key, None, err))


def _gather(keys: Sequence[K], done: SimpleQueue[tuple[K, V | None, BaseException | None]]) -> Mapping[K, V]:
    results: dict[K, V] = {}
    errors: dict[K, BaseException] = {}
    until: float | None = None
    while len(results) + len(errors) < len(keys):
        try:
            key, result, error = done.get(timeout=None if until is None else max(0.0, until - time.monotonic()))
        except Empty:
            break
        if error is None:
            results[key] = result  # type: ignore[assignment]  # a result of None is one too
        else:
            errors[key] = error
            until = until or time.monotonic() + _GRACE
    for key in keys:
        if key in errors:
            raise errors[key]
    return {key: results[key] for key in keys}


def _empty(todo: SimpleQueue[K]) -> None:
    """What has not been started is not started any more."""
    while True:
        try:
            todo.get_nowait()
        except Empty:
            return
