import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciplug.errors import SealedError, UnreachableError, VaultError
from ciplug.net.deadline import Deadline
from ciplug.net.retry import Transient, is_passing, retry, retry_after


class Time:
    """A clock that only sleeping moves."""

    def __init__(self):
        self.now = 0.0
        self.naps = []

    def clock(self):
        return self.now

    def sleep(self, seconds):
        self.naps.append(seconds)
        self.now += seconds


def failing(times, error=None, *, after=None):
    """An attempt that fails so many times, then returns its count."""
    count = itertools.count()

    def attempt():
        number = next(count)
        if number < times:
            raise Transient(error or UnreachableError("no"), after=after)
        return number

    return attempt


def test_the_first_success_is_returned_without_a_wait():
    time = Time()
    assert retry(failing(0), Deadline(30, clock=time.clock), sleep=time.sleep) == 0
    assert time.naps == []


def test_waits_grow_to_two_seconds():
    time = Time()
    assert retry(failing(8), Deadline(300, clock=time.clock), sleep=time.sleep, dice=lambda: 1.0) == 8
    assert time.naps == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0]


@given(roll=st.floats(0, 1, exclude_max=True), seconds=st.floats(0.1, 20))
def test_the_deadline_holds_whatever_the_dice_say(roll, seconds):
    time = Time()
    with pytest.raises(UnreachableError):
        retry(
            failing(10**9),
            Deadline(seconds, clock=time.clock),
            sleep=lambda s: time.sleep(max(s, 0.05)),
            dice=lambda: roll,
        )
    assert time.now <= seconds + 0.05


def test_the_last_error_is_raised_with_what_caused_it():
    time = Time()
    errors = iter([UnreachableError("first"), SealedError("last")])
    cause = OSError("why")

    def attempt():
        time.now += 6
        raise Transient(next(errors)) from cause

    with pytest.raises(SealedError, match="last") as caught:
        retry(attempt, Deadline(10, clock=time.clock), sleep=time.sleep)
    assert caught.value.__cause__ is cause


def test_any_other_error_ends_it_at_once():
    time = Time()

    def attempt():
        raise VaultError("broken")

    with pytest.raises(VaultError, match="broken"):
        retry(attempt, Deadline(10, clock=time.clock), sleep=time.sleep)
    assert time.naps == []


@pytest.mark.parametrize("roll", [0.0, 0.5, 0.99])
def test_what_the_server_asks_for_is_waited_and_up_to_a_second_more(roll):
    time = Time()
    retry(failing(1, after=4.0), Deadline(30, clock=time.clock), sleep=time.sleep, dice=lambda: roll)
    assert time.naps == [4.0 + roll]


def test_a_wait_that_nearly_fills_the_deadline_leaves_time_for_an_attempt():
    time = Time()
    retry(failing(1, after=9.0), Deadline(9.5, clock=time.clock), sleep=time.sleep, dice=lambda: 0.9)
    assert time.naps == [9.25]


def test_a_wait_longer_than_the_deadline_is_not_begun():
    time = Time()
    error = VaultError("the vault's rate limit is exceeded", hint="fewer jobs")
    with pytest.raises(VaultError, match=r"exceeded \(it asks to wait 60 s, and only 12 s are left\)") as caught:
        retry(failing(9, error, after=60.0), Deadline(12, clock=time.clock), sleep=time.sleep)
    assert caught.value.hint == "fewer jobs"
    assert time.naps == []


def test_every_wait_is_told_before_it_begins():
    time = Time()
    told = []
    retry(
        failing(2), Deadline(30, clock=time.clock), sleep=time.sleep, on_retry=lambda e: told.append((str(e), time.now))
    )
    assert told[0] == ("no", 0.0)
    assert len(told) == 2


def test_a_cancellation_during_the_wait_raises_the_last_error():
    deadline = Deadline(30)
    attempts = []

    def attempt():
        attempts.append(1)
        raise Transient(UnreachableError("no"))

    with pytest.raises(UnreachableError):
        retry(attempt, deadline, sleep=lambda _: deadline.cancel())
    assert len(attempts) == 1


@pytest.mark.parametrize("status", [408, 412, 429, 500, 501, 502, 503, 504])
def test_statuses_that_may_pass(status):
    assert is_passing(status)


@pytest.mark.parametrize("status", [200, 204, 301, 307, 400, 401, 403, 404, 405, 409, 413, 600])
def test_statuses_that_stay(status):
    assert not is_passing(status)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("7", 7.0),
        ("Thu, 01 Jan 1970 00:16:45 GMT", 5.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        (None, None),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("1.5", None),
        ("²", None),
        ("9999999999999", None),
        ("Thu, 99 Jan 1970 00:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value, seconds):
    assert retry_after(value, wall_clock=lambda: 1000.0) == seconds
