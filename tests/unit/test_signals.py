"""Real signals to this process, and what the handlers make of them."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from ciplug.errors import Interrupted
from ciplug.signals import ENDING, FATAL, Signals

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in ENDING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def in_a_moment(number: int) -> threading.Timer:
    """Send `number` to this process from another thread, while the main one is somewhere else."""
    timer = threading.Timer(0.05, signal.raise_signal, [number])
    timer.start()
    return timer


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_ending_signal_raises_once_with_its_number(number: int) -> None:
    with Signals() as signals:
        with pytest.raises(Interrupted) as raised:
            signal.raise_signal(number)
        assert raised.value.signum == number
        signal.raise_signal(number)
        signal.raise_signal(signal.SIGTERM)
        signals.check()
        assert signals.pending == number


def test_the_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in ENDING]
    with Signals():
        assert [signal.getsignal(number) for number in ENDING] != before
    assert [signal.getsignal(number) for number in ENDING] == before


def test_the_handlers_are_put_back_behind_an_interruption() -> None:
    before = [signal.getsignal(number) for number in ENDING]
    with pytest.raises(Interrupted), Signals():
        signal.raise_signal(signal.SIGTERM)
    assert [signal.getsignal(number) for number in ENDING] == before


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_what_was_ignored_stays_ignored(number: int) -> None:
    signal.signal(number, signal.SIG_IGN)
    with Signals() as signals:
        signal.raise_signal(number)
        assert signals.pending is None
    assert signal.getsignal(number) is signal.SIG_IGN


def test_an_ignored_sigint_is_heard_all_the_same() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with Signals(), pytest.raises(Interrupted):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_a_shield_remembers_the_first_signal_and_raises_nothing() -> None:
    with Signals() as signals:
        with signals.shielded():
            signal.raise_signal(signal.SIGHUP)
            signal.raise_signal(signal.SIGTERM)
        assert signals.pending == signal.SIGHUP
        with pytest.raises(Interrupted) as raised:
            signals.check()
        assert raised.value.signum == signal.SIGHUP
        signals.check()


def test_every_signal_in_a_shield_hurries_what_is_under_way() -> None:
    hurried: list[str] = []
    with Signals() as signals:
        with signals.shielded(lambda: hurried.append("outer")):
            signal.raise_signal(signal.SIGTERM)
            with signals.shielded(lambda: hurried.append("inner")):
                signal.raise_signal(signal.SIGTERM)
            with signals.shielded():
                signal.raise_signal(signal.SIGTERM)
        assert hurried == ["outer", "inner", "outer"]
        with signals.shielded():
            signal.raise_signal(signal.SIGTERM)
        assert len(hurried) == 3


def test_a_signal_in_an_interruptible_part_raises_there_and_the_shield_stands_again() -> None:
    with Signals() as signals, signals.shielded():
        with pytest.raises(Interrupted), signals.interruptible():
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGINT)


def test_a_remembered_signal_raises_before_the_interruptible_part_begins() -> None:
    with Signals() as signals, signals.shielded():
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Interrupted), signals.interruptible():
            pytest.fail("the part has begun")


def test_after_a_shield_signals_raise_again() -> None:
    with Signals() as signals:
        with signals.shielded():
            pass
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGTERM)


def test_nothing_pending_is_nothing_to_check() -> None:
    with Signals() as signals:
        signals.check()
        with signals.shielded(), signals.interruptible():
            pass


@pytest.mark.parametrize("shielded", [False, True])
def test_a_signal_ends_a_sleep(shielded: bool) -> None:
    started = time.monotonic()
    with Signals() as signals:
        timer = in_a_moment(signal.SIGTERM)
        with signals.shielded() if shielded else nullcontext(), pytest.raises(Interrupted):
            signals.sleep(30)
        timer.join()
    assert time.monotonic() - started < 5


def test_a_sleep_without_a_signal_lasts_as_long_as_it_should() -> None:
    with Signals() as signals:
        started = time.monotonic()
        signals.sleep(0.12)
        assert 0.12 <= time.monotonic() - started < 2
        signals.sleep(0)


def test_a_sleep_does_not_start_behind_a_remembered_signal() -> None:
    with Signals() as signals, signals.shielded():
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(Interrupted):
            signals.sleep(0)


HARMLESS = {"SIGCHLD", "SIGCLD", "SIGCONT", "SIGURG", "SIGWINCH", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGPIPE", "SIGXFSZ"}
FAULTS = {"SIGILL", "SIGTRAP", "SIGABRT", "SIGIOT", "SIGBUS", "SIGFPE", "SIGSEGV", "SIGSYS"}


def test_every_other_named_signal_is_handled() -> None:
    named = {number for number in signal.Signals if not {number.name, *aliases(number)} & (HARMLESS | FAULTS)}
    assert named - {signal.SIGKILL, signal.SIGSTOP} == set(FATAL)


def aliases(number: signal.Signals) -> set[str]:
    return {name for name, other in signal.Signals.__members__.items() if other == number}


@pytest.mark.parametrize("number", [number for number in FATAL if number not in ENDING])
def test_no_signal_that_can_be_handled_ends_the_process_by_default(number: signal.Signals) -> None:
    with Signals(), pytest.raises(Interrupted) as raised:
        signal.raise_signal(number)
    assert raised.value.signum == number
