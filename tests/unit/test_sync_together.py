"""Several targets at once: each has its outcome, in order, whatever becomes of the others."""

from __future__ import annotations

import re
import threading
import time

import pytest

from ciplug.errors import PlatformError
from ciplug.sync.together import FaultError, followers, together


def nothing() -> bool:
    """A tick that waits on."""
    return True


def failing(message: str) -> None:
    raise PlatformError(message)


def test_nothing_to_do_is_done_at_once() -> None:
    assert together({}, nothing) == {}


def test_outcomes_are_in_the_order_of_the_work() -> None:
    def slow() -> str:
        time.sleep(0.05)
        return "slow"

    found = together({"b": slow, "a": lambda: "quick", "c": lambda: None}, nothing)
    assert list(found.items()) == [("b", "slow"), ("a", "quick"), ("c", None)]


def test_an_error_is_an_outcome_and_stops_nobody() -> None:
    found = together({"a": lambda: failing("no"), "b": lambda: "done"}, nothing)
    assert isinstance(found["a"], PlatformError)
    assert found["b"] == "done"


@pytest.mark.parametrize("error", [ValueError("bug"), RecursionError("deep"), SystemExit(3), KeyboardInterrupt()])
def test_a_bug_is_an_outcome_with_its_place_and_without_its_words(error: BaseException) -> None:
    def broken() -> None:
        raise error

    found = together({"a": broken, "b": lambda: "done"}, nothing)
    assert isinstance(found["a"], FaultError)
    assert found["a"].exit_code == 10
    assert re.fullmatch(rf"a fault in test_sync_together\.py:\d+: {type(error).__name__}", str(found["a"]))
    assert found["b"] == "done"


def test_a_recursion_without_end_is_the_outcome_of_its_target_alone() -> None:
    def endless() -> None:
        endless()

    found = together({"a": endless, "b": lambda: "done"}, nothing, {"a": "one", "b": "one"})
    assert isinstance(found["a"], FaultError)
    assert found["b"] == "done"


def test_they_run_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=10)
    found = together({"a": both.wait, "b": both.wait}, nothing)
    assert {found["a"], found["b"]} == {0, 1}


def test_those_of_one_queue_follow_one_another_past_an_error_of_the_first() -> None:
    running: list[str] = []
    seen: list[tuple[str, ...]] = []

    def work(name: str) -> None:
        running.append(name)
        seen.append(tuple(running))
        time.sleep(0.03)
        running.remove(name)
        if name == "a":
            failing("no")

    names = ("a", "b", "c")
    found = together({name: lambda name=name: work(name) for name in names}, nothing, dict.fromkeys(names, "one"))
    assert seen == [("a",), ("b",), ("c",)]
    assert isinstance(found["a"], PlatformError)
    assert found["c"] is None


def test_other_queues_do_not_wait() -> None:
    both = threading.Barrier(2, timeout=10)
    found = together({"a": both.wait, "b": both.wait}, nothing, {"a": "one", "b": "other"})
    assert len(found) == 2


def test_it_ticks_while_it_waits() -> None:
    ticks: list[int] = []

    def tick() -> bool:
        ticks.append(1)
        return True

    together({"a": lambda: time.sleep(0.2)}, tick)
    assert len(ticks) >= 2


def test_a_tick_that_gives_up_ends_the_waiting_and_not_the_work() -> None:
    free, ended = threading.Event(), threading.Event()

    def work() -> None:
        free.wait(10)
        ended.set()

    ticks = iter([True, True, False])
    assert together({"a": work, "b": lambda: "done"}, lambda: next(ticks)) == {"b": "done"}
    assert not ended.is_set()
    free.set()
    assert ended.wait(10)


@pytest.mark.parametrize(
    ("queues", "behind"),
    [({}, set()), ({"a": "1", "b": "2"}, set()), ({"a": "1", "b": "2", "c": "1", "d": "1"}, {"c", "d"})],
)
def test_all_but_the_first_of_a_queue_follow_another(queues: dict[str, str], behind: set[str]) -> None:
    assert followers(queues) == behind
