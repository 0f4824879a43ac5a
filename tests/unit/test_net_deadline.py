import threading
import time

from ciplug.net.deadline import Deadline


def test_time_runs_down_to_zero_and_not_below():
    now = [100.0]
    deadline = Deadline(5, clock=lambda: now[0])
    assert deadline.remaining() == 5
    now[0] = 104.0
    assert deadline.remaining() == 1
    assert not deadline.expired
    now[0] = 110.0
    assert deadline.remaining() == 0
    assert deadline.expired


def test_cancelling_leaves_no_time():
    deadline = Deadline(5)
    deadline.cancel()
    assert deadline.cancelled
    assert deadline.remaining() == 0


def test_a_sleep_ends_with_the_deadline():
    started = time.monotonic()
    Deadline(0.05).sleep(30)
    assert time.monotonic() - started < 5


def test_a_sleep_ends_with_a_cancellation_from_another_thread():
    deadline = Deadline(30)
    asleep = threading.Thread(target=deadline.sleep, args=(30,))
    asleep.start()
    deadline.cancel()
    asleep.join(5)
    assert not asleep.is_alive()
