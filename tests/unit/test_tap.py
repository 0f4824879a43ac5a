"""The filtering process: real FIFOs, a real forked process, and its ends as the shell and the job's log have them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ciplug.errors import HandOverError
from ciplug.inject import lock, tap
from ciplug.redact import LiteralKernel, StreamFilter, forms
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Start = Callable[..., "Filter"]

SECRET = b"correct-horse-battery-staple"
PATIENCE = 10.0


class Filter:
    """A filtering process. `out` and `err` are what has come out of it so far."""

    def __init__(self, directory: Path, *, unused: float = PATIENCE, together: bool = False) -> None:
        self.directory = directory
        takes, sinks = [], []
        for _ in range(1 if together else 2):
            take, sink = os.pipe()
            takes.append(take)
            sinks.append(sink)
        self.takes = takes
        self.status: int | None = None
        prepared = tap.prepare(directory, stdout=sinks[0], stderr=sinks[-1])
        self.pid = prepared.detach()
        if self.pid == 0:
            self._serve(prepared, unused)
        for sink in sinks:
            os.close(sink)

    def _serve(self, prepared: tap.Tap, unused: float) -> None:
        status = 70
        try:
            for take in self.takes:
                os.close(take)
            failure = prepared.serve(lambda: StreamFilter(LiteralKernel(forms([SECRET]))), unused=unused)
            status = 0 if failure is None else 1
        finally:
            os._exit(status)

    def open(self, name: str = "out") -> int:
        """The shell's end. Does not wait, as a job must not."""
        return os.open(self.directory / name, os.O_WRONLY | os.O_NONBLOCK)

    def opened(self) -> tuple[int, int]:
        writers = self.open("out"), self.open("err")
        for writer in writers:
            os.set_blocking(writer, True)
        return writers

    def read(self, size: int, which: int = 0) -> bytes:
        """What comes out, up to `size` bytes; fails where they do not come."""
        data = b""
        while len(data) < size:
            assert select.select([self.takes[which]], [], [], PATIENCE)[0], f"only {len(data)} bytes came out"
            more = os.read(self.takes[which], size - len(data))
            if not more:
                break
            data += more
        return data

    def rest(self, which: int = 0) -> bytes:
        """All that comes until the filter is gone."""
        return self.read(1 << 30, which)

    def ended(self, seconds: float = PATIENCE) -> int | None:
        """Its exit status, or ``None`` when it still runs after `seconds`."""
        until = time.monotonic() + seconds
        while self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
            elif time.monotonic() >= until:
                return None
            else:
                time.sleep(0.005)
        return self.status

    def stop(self, seconds: float = PATIENCE) -> bool:
        return lock.stop(self.directory, seconds, time.sleep)

    def close(self) -> None:
        if self.ended(0) is None:
            os.kill(self.pid, signal.SIGKILL)
            self.ended()
        for take in self.takes:
            with contextlib.suppress(OSError):  # closed by the test
                os.close(take)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Filter] = []

    def begin(**options: object) -> Filter:
        directory = tmp_path / str(len(started))
        directory.mkdir(mode=0o700)
        started.append(Filter(directory, **options))
        return started[-1]

    yield begin
    for one in started:
        one.close()


def close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def test_both_outputs_come_out_filtered_each_at_its_own_place(start: Start) -> None:
    filtering = start()
    out, err = filtering.opened()
    os.write(out, b"url " + SECRET + b"\n")
    os.write(err, b"warning " + SECRET + b"\n")
    close(out, err)
    shown = filtering.rest(0), filtering.rest(1)
    assert shown == (b"url ***\n", b"warning ***\n")
    assert filtering.ended() == 0


def test_the_order_within_an_output_is_kept(start: Start) -> None:
    filtering = start()
    out, err = filtering.opened()
    lines = [b"line %d\n" % number for number in range(500)]
    for line in lines:
        os.write(out, line)
    close(out, err)
    assert filtering.rest() == b"".join(lines)


def test_outputs_that_are_one_file_keep_their_common_order(start: Start) -> None:
    filtering = start(together=True)
    out, err = filtering.opened()
    lines = [b"line %d\n" % number for number in range(500)]
    for number, line in enumerate(lines):
        os.write((out, err)[number % 2], line)
    close(out, err)
    assert filtering.rest() == b"".join(lines)
    assert filtering.ended() == 0


def test_a_megabyte_comes_through_whole(start: Start) -> None:
    filtering = start()
    text = (b"0123456789abcde\n" * 63 + SECRET + b"\n") * 1024
    out, err = filtering.opened()
    line = text[: len(text) // 1024].decode()
    with subprocess.Popen([sys.executable, "-c", f"print({line!r} * 1024, end='')"], stdout=out, stderr=err):
        close(out, err)
        shown = filtering.rest()
    assert shown == text.replace(SECRET, b"***")


@pytest.mark.parametrize("size", [1, 7, len(SECRET) - 1])
def test_a_secret_split_over_writes_is_hidden(start: Start, size: int) -> None:
    filtering = start()
    out, err = filtering.opened()
    text = b"a " + SECRET + b" b\n"
    for begin in range(0, len(text), size):
        os.write(out, text[begin : begin + size])
    close(out, err)
    shown = filtering.rest()
    assert_no_leak(shown, [SECRET])
    assert shown == b"a *** b\n"


def test_a_prompt_without_a_newline_comes_out_within_a_tenth_of_a_second(start: Start) -> None:
    filtering = start()
    out, err = filtering.opened()
    times = []
    for _ in range(5):  # the quickest one counts: the machine may be busy
        before = time.monotonic()
        os.write(out, b"continue? c")  # the secret begins with a c as well
        assert filtering.read(11) == b"continue? c"
        times.append(time.monotonic() - before)
        os.write(out, b"\n")
        assert filtering.read(1) == b"\n"
    assert min(times) < 0.1
    close(out, err)


def test_a_writer_that_comes_after_another_is_filtered_as_well(start: Start) -> None:
    """A child opens what the shell has open, the shell goes on."""
    filtering = start()
    out, err = filtering.opened()
    other = filtering.open()
    os.write(other, b"one " + SECRET + b"\n")
    close(other)
    os.write(out, b"two\n")
    close(out, err)
    assert filtering.rest() == b"one ***\ntwo\n"


def test_one_output_may_end_long_before_the_other(start: Start) -> None:
    filtering = start()
    out, err = filtering.opened()
    close(err)
    os.write(out, b"still\n")
    assert filtering.read(6) == b"still\n"
    assert filtering.ended(0.1) is None
    close(out)
    assert filtering.ended() == 0


def test_stop_brings_out_what_was_written_before_it(start: Start) -> None:
    filtering = start()
    out, err = filtering.opened()
    text = (b"x" * 99 + b"\n") * 300
    os.write(out, text + SECRET)
    os.write(err, b"last words\n")
    assert filtering.stop()
    shown = filtering.rest(0), filtering.rest(1)
    assert shown == (text + b"***", b"last words\n")
    assert filtering.ended() == 0
    close(out, err)


def test_a_process_that_was_left_behind_does_not_hold_the_end_up(start: Start) -> None:
    filtering = start()
    out, err = filtering.opened()
    with subprocess.Popen(
        [sys.executable, "-c", "while True: print('noise', flush=True)"], stdout=out, stderr=subprocess.DEVNULL
    ) as noisy:
        try:
            filtering.read(100)
            os.set_blocking(filtering.takes[0], False)
            before = time.monotonic()
            while not filtering.stop(0.02):  # somebody must read the log meanwhile
                with contextlib.suppress(BlockingIOError):
                    os.read(filtering.takes[0], 1 << 20)
            assert time.monotonic() - before < 5
            close(out, err)
            assert noisy.wait(PATIENCE) != 0, "it still writes, and nobody filters"
        finally:
            noisy.kill()


def test_a_second_stop_is_harmless(start: Start) -> None:
    filtering = start()
    out, err = filtering.opened()
    assert filtering.stop()
    assert filtering.ended() == 0
    assert filtering.stop()
    (filtering.directory / "lock").unlink()
    assert filtering.stop()
    close(out, err)


def test_stop_before_anything_was_opened_ends_it(start: Start) -> None:
    filtering = start()
    assert filtering.stop()
    assert filtering.ended() == 0


def test_it_ends_when_nobody_opens_its_ends(start: Start) -> None:
    filtering = start(unused=0.1)
    assert filtering.ended() == 0


def test_it_stays_for_a_silent_shell_that_has_opened_them(start: Start) -> None:
    filtering = start(unused=0.1)
    out, err = filtering.opened()
    assert filtering.ended(0.4) is None
    os.write(out, b"at last\n")
    assert filtering.read(8) == b"at last\n"
    close(out, err)
    assert filtering.ended() == 0


def test_an_end_that_nobody_opens_does_not_keep_the_other(start: Start) -> None:
    filtering = start(unused=0.1)
    out = filtering.open()
    assert filtering.ended(0.3) is None
    close(out)
    assert filtering.ended() == 0


def test_a_shell_that_sends_its_output_elsewhere_is_waited_for(start: Start) -> None:
    filtering = start()
    with subprocess.Popen(["sleep", "60"]) as shell:
        (filtering.directory / "shell").write_text(f"{shell.pid}\n")
        close(*filtering.opened())
        early = filtering.ended(0.3)
        shell.kill()
        assert early is None
        assert filtering.ended() == 0, "it ends with the shell, also before anybody asks for its status"


def test_stop_does_not_wait_for_the_shell(start: Start) -> None:
    filtering = start()
    (filtering.directory / "shell").write_text(f"{os.getpid()}\n")
    close(*filtering.opened())
    assert filtering.ended(0.1) is None
    assert filtering.stop()


@pytest.mark.parametrize("text", ["", "nonsense", "-1", "0", "9" * 30])
def test_a_shell_that_cannot_be_told_is_not_waited_for(start: Start, text: str) -> None:
    filtering = start()
    (filtering.directory / "shell").write_text(text)
    close(*filtering.opened())
    assert filtering.ended() == 0


def test_a_log_that_is_gone_ends_the_output_for_its_writers(start: Start) -> None:
    filtering = start()
    out, err = filtering.opened()
    os.close(filtering.takes[0])
    os.write(out, b"x\n")
    with pytest.raises(BrokenPipeError):
        write_until_refused(out)
    os.write(err, b"the other one goes on\n")
    assert filtering.read(22, 1) == b"the other one goes on\n"
    close(out, err)
    assert filtering.ended() == 0


def write_until_refused(descriptor: int) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        os.write(descriptor, b"y\n")
        time.sleep(0.01)


def test_a_filter_that_dies_lets_nothing_through(start: Start) -> None:
    filtering = start()
    out, err = filtering.opened()
    os.kill(filtering.pid, signal.SIGKILL)
    assert filtering.ended() == -signal.SIGKILL
    with pytest.raises(BrokenPipeError):
        os.write(out, SECRET)
    close(out, err)
    assert filtering.stop()
    assert filtering.rest() == b""


def test_a_log_that_nobody_reads_does_not_hold_the_end_up_for_ever(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tap, "DRAIN", 0.2)
    filtering = start()
    out, err = filtering.opened()
    os.set_blocking(out, False)
    fill(out)
    assert filtering.ended(0.1) is None
    assert filtering.stop()
    assert filtering.ended() == 0
    close(out, err)


def test_a_slow_reader_is_waited_for(start: Start) -> None:
    filtering = start()
    out, err = filtering.opened()
    text = b"0123456789abcde\n" * 32 * 1024
    with subprocess.Popen([sys.executable, "-c", f"print({text[:16].decode()!r} * 32768, end='')"], stdout=out):
        close(out, err)
        shown = bytearray()
        while chunk := filtering.read(32 * 1024):
            shown += chunk
            time.sleep(0.05)
    assert bytes(shown) == text


def fill(descriptor: int) -> None:
    """Write until nothing moves any more."""
    for _ in range(20):
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(descriptor, b"z" * 4095 + b"\n")
        time.sleep(0.01)


def fill_until_refused(descriptor: int) -> None:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        fill(descriptor)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1])
def test_a_cancelled_job_still_gets_its_last_words_filtered(start: Start, number: signal.Signals) -> None:
    filtering = start()
    out, err = filtering.opened()
    os.write(out, b"x\n")
    assert filtering.read(2) == b"x\n"
    os.kill(filtering.pid, number)
    os.write(out, b"cancelled " + SECRET + b"\n")
    close(out, err)
    assert filtering.rest() == b"cancelled ***\n"
    assert filtering.ended() == 0


def test_it_has_a_session_of_its_own_and_holds_neither_stdin_nor_stdout(start: Start) -> None:
    filtering = start()
    out, err = filtering.opened()
    os.write(out, b"x\n")
    assert filtering.read(2) == b"x\n"
    assert os.getsid(filtering.pid) == filtering.pid
    assert [Path(f"/proc/{filtering.pid}/fd/{number}").readlink() for number in (0, 1)] == [Path(os.devnull)] * 2
    close(out, err)


def test_only_its_own_user_can_open_its_ends(start: Start) -> None:
    filtering = start()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in filtering.directory.iterdir()}
    assert modes == {"out": 0o600, "err": 0o600, "lock": 0o600}


def test_a_pid_that_was_given_to_another_process_is_not_signalled(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        (tmp_path / "lock").write_text(f"{other.pid:20d}\n")
        stopped, status = lock.stop(tmp_path, PATIENCE, time.sleep), other.poll()
        other.kill()
    assert (stopped, status) == (True, None)


@pytest.mark.parametrize("text", [b"", b"0\n", b"1\n"])
def test_a_lock_without_the_pid_of_a_filter_makes_nobody_be_signalled(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "lock").write_bytes(text)
    with (tmp_path / "lock").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert not lock.stop(tmp_path, 0.05, time.sleep)


def test_stop_says_when_a_filter_does_not_end_in_time(start: Start) -> None:
    filtering = start()
    os.kill(filtering.pid, signal.SIGSTOP)
    assert not filtering.stop(0.05)
    os.kill(filtering.pid, signal.SIGCONT)
    assert filtering.stop()


def test_a_lock_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(HandOverError, match="cannot be ended"):
        lock.stop(tmp_path, 0.1, time.sleep)


def test_a_directory_that_cannot_take_fifos_is_refused_and_nothing_stays_open(tmp_path: Path) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(HandOverError, match="cannot be redirected: No such file"):
        tap.prepare(tmp_path / "absent", stdout=1, stderr=2)
    (tmp_path / "out").touch()
    with pytest.raises(HandOverError, match="cannot be redirected: File exists"):
        tap.prepare(tmp_path, stdout=1, stderr=2)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_log_that_is_closed_is_refused(tmp_path: Path) -> None:
    take, sink = os.pipe()
    close(take, sink)
    with pytest.raises(HandOverError, match="Bad file descriptor"):
        tap.prepare(tmp_path, stdout=sink, stderr=2)
