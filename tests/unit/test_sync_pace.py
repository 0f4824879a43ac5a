"""The time that a target's sync has: pauses end with it, with a signal, and are heard of."""

from __future__ import annotations

import threading
import time

import pytest

from ciplug.errors import PlatformError
from ciplug.sync.pace import Pace


def elapsed(began: float) -> float:
    return time.monotonic() - began


def test_a_pause_lasts_as_long_as_it_was_asked_for() -> None:
    began = time.monotonic()
    Pace(60).sleep(0.05)
    assert 0.05 <= elapsed(began) < 5


def test_a_pause_does_not_go_past_the_deadline() -> None:
    pace, began = Pace(0.05), time.monotonic()
    pace.sleep(60)
    assert elapsed(began) < 5
    assert pace.deadline.expired


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_no_pause_is_none(seconds: float) -> None:
    beats: list[int] = []
    Pace(60, beat=lambda: beats.append(1)).sleep(seconds)
    assert beats == []


def test_the_end_is_heard_by_whoever_sleeps() -> None:
    pace, began = Pace(60), time.monotonic()
    threading.Timer(0.05, pace.end).start()
    pace.sleep(60)
    assert elapsed(began) < 5
    assert pace.deadline.cancelled


def test_behind_a_pause_it_is_heard_of() -> None:
    beats: list[int] = []
    pace = Pace(60, beat=lambda: beats.append(1))
    pace.sleep(0.01)
    pace.sleep(0.01)
    assert beats == [1, 1]


def test_what_the_beat_raises_ends_the_pause() -> None:
    def beat() -> None:
        raise PlatformError("somebody else is at work")

    with pytest.raises(PlatformError, match="somebody else"):
        Pace(60, beat=beat).sleep(0.01)


def test_whoever_asks_again_is_told_that_there_is_no_time_left() -> None:
    pace = Pace(0.02, more="give it a longer --deadline")
    with pytest.raises(PlatformError, match=r"did not end within 0 s") as ended:
        pace.wait(60)
    assert ended.value.hint == "give it a longer --deadline"


def test_whoever_asks_again_is_told_of_a_signal() -> None:
    pace = Pace(60)
    pace.end()
    with pytest.raises(PlatformError, match="interrupted"):
        pace.wait(0.01)


def test_whoever_asks_again_in_time_goes_on() -> None:
    Pace(60).wait(0.01)
