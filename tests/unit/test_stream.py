"""One stream: from a pipe through the filter to a sink, whatever becomes of either end."""

from __future__ import annotations

import contextlib
import errno
import os
from typing import TYPE_CHECKING

import pytest

from ciplug.inject.stream import CHUNK, Stream, StuckSink
from ciplug.redact import LiteralKernel, StreamFilter, forms

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = b"correct-horse-battery-staple"


class Ends:
    """A stream between two pipes: `give` is the child's end, `taken()` what has come out."""

    def __init__(self) -> None:
        source, self.give = os.pipe()
        self.take, sink = os.pipe()
        os.set_blocking(self.take, False)
        self.sink = sink
        self.stream = Stream(source, sink, StreamFilter(LiteralKernel(forms([SECRET]))))

    def taken(self) -> bytes:
        try:
            return os.read(self.take, 10 * CHUNK)
        except BlockingIOError:
            return b""


def shut(descriptor: int) -> None:
    with contextlib.suppress(OSError):  # closed by the test
        os.close(descriptor)


@pytest.fixture
def ends() -> Iterator[Ends]:
    ends = Ends()
    yield ends
    if ends.stream.open:
        ends.stream.finish()
    for descriptor in (ends.give, ends.take, ends.sink):
        shut(descriptor)


def test_a_line_comes_out_at_once(ends: Ends) -> None:
    os.write(ends.give, b"a line\n")
    ends.stream.pump()
    assert ends.taken() == b"a line\n"
    assert ends.stream.wait() is None


def test_what_may_be_a_secret_waits_for_silence_and_then_comes_out(ends: Ends) -> None:
    os.write(ends.give, b"name: cor")
    ends.stream.pump()
    assert ends.taken() == b"name: "
    wait = ends.stream.wait()
    assert wait is not None
    assert 0 <= wait <= 0.05
    ends.stream.flush_if_silent()
    while ends.stream.wait() is not None:
        ends.stream.flush_if_silent()
    assert ends.taken() == b"cor"
    ends.stream.flush_if_silent()
    assert ends.taken() == b""


def test_the_end_of_the_source_releases_the_rest_and_closes(ends: Ends) -> None:
    os.write(ends.give, b"cor")
    os.close(ends.give)
    ends.stream.pump()
    assert ends.stream.open
    ends.stream.pump()
    assert not ends.stream.open
    assert ends.taken() == b"cor"
    ends.stream.finish()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(ends.stream.source)


def test_a_sink_that_is_gone_closes_the_source_for_its_writer(ends: Ends) -> None:
    os.close(ends.take)
    os.write(ends.give, b"x\n")
    ends.stream.pump()
    assert not ends.stream.open
    assert ends.stream.failure is None
    with pytest.raises(BrokenPipeError):
        os.write(ends.give, b"y\n")


def test_the_rest_for_a_sink_that_is_gone_is_dropped(ends: Ends) -> None:
    os.write(ends.give, b"cor")
    ends.stream.pump()
    os.close(ends.take)
    ends.stream.finish()
    assert not ends.stream.open


def test_a_sink_that_fails_is_remembered(ends: Ends) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, ends.sink)
    os.close(full)
    os.write(ends.give, b"x\n")
    ends.stream.pump()
    assert not ends.stream.open
    assert ends.stream.failure is not None
    assert ends.stream.failure.errno == errno.ENOSPC


def test_draining_takes_what_is_there_and_waits_for_no_more(ends: Ends) -> None:
    os.write(ends.give, b"what is there, " + SECRET)
    ends.stream.drain()
    assert ends.taken() == b"what is there, ***"
    ends.stream.drain()
    assert ends.taken() == b""
    assert ends.stream.open


def test_draining_into_a_sink_that_is_gone_ends(ends: Ends) -> None:
    os.close(ends.take)
    os.write(ends.give, b"x" * 1000)
    ends.stream.drain()
    assert not ends.stream.open


def test_draining_a_source_whose_writer_is_gone_ends(ends: Ends) -> None:
    os.write(ends.give, b"rest\n")
    os.close(ends.give)
    ends.stream.drain()
    assert ends.taken() == b"rest\n"


def test_a_stuck_sink_is_given_up(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    """The grace timer raises it into the blocked write."""
    seen: list[bool] = []

    def stuck(_descriptor: int, _data: bytes) -> int:
        seen.append(ends.stream.writing)
        raise StuckSink

    os.write(ends.give, b"x\n")
    monkeypatch.setattr(os, "write", stuck)
    ends.stream.pump()
    assert seen == [True]
    assert (ends.stream.open, ends.stream.writing, ends.stream.failure) == (False, False, None)


def test_a_write_that_takes_only_a_part_is_continued(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    os.write(ends.give, b"abcdefgh\n")
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, bytes(data[:3])))
    ends.stream.pump()
    assert ends.taken() == b"abcdefgh\n"
