"""One output stream of the child: read from its pipe, filter, write to ciplug's own stdout or stderr."""

from __future__ import annotations

import fcntl
import os
import select
import struct
import termios
import time
from typing import TYPE_CHECKING

from ciplug.redact import QUIET

if TYPE_CHECKING:
    from ciplug.redact import StreamFilter

CHUNK = 64 * 1024
"""Bytes per read: what a Linux pipe holds."""


class StuckSink(BaseException):
    """Raised by the grace timer into a blocked write: nobody reads our output, and the child is being ended."""


class Stream:
    """The filtered copy from `source` (owned, closed here) to `sink` (ciplug's own, left open)."""

    def __init__(self, source: int, sink: int, stream_filter: StreamFilter) -> None:
        self.source = source
        self.open = True
        self.writing = False
        self.failure: OSError | None = None
        self._sink = sink
        self._filter = stream_filter
        self._silent_at: float | None = None

    def pump(self) -> None:
        """Pass on one chunk; at end of file, or where the sink is gone, end the stream."""
        data = os.read(self.source, CHUNK)
        if not data:
            self.finish()
            return
        self._write(self._filter.feed(data))
        self._silent_at = time.monotonic() + QUIET if self._filter.holding else None

    def wait(self) -> float | None:
        """Seconds until what the filter holds must come out, or ``None`` when it holds nothing."""
        return None if self._silent_at is None else max(0.0, self._silent_at - time.monotonic())

    def flush_if_silent(self) -> None:
        """Release what the filter holds once the stream has been silent long enough (a prompt without newline)."""
        if self.open and self._silent_at is not None and time.monotonic() >= self._silent_at:
            self._silent_at = None
            self._write(self._filter.flush())

    def drain(self) -> None:
        """What the pipe holds at this moment and no more: whoever still has its other end may write for ever."""
        waiting = struct.unpack("i", fcntl.ioctl(self.source, termios.FIONREAD, b"\0" * 4))[0]
        while self.open and waiting > 0:
            data = os.read(self.source, min(CHUNK, waiting))
            waiting = waiting - len(data) if data else 0
            self._write(self._filter.feed(data))

    def finish(self) -> None:
        """Write the filter's rest and close the pipe, so that a writer that is still there gets EPIPE as usual."""
        if self.open:
            self._write(self._filter.close())
            self._close()

    def _close(self) -> None:
        if self.open:
            self.open = False
            self._silent_at = None
            os.close(self.source)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        try:
            while view and self.open:
                view = view[self._write_some(view) :]
        except BrokenPipeError:
            self._close()
        except OSError as err:
            self.failure = err
            self._close()
        except StuckSink:
            self._close()

    def _write_some(self, view: memoryview) -> int:
        self.writing = True
        try:
            return os.write(self._sink, view)
        except BlockingIOError:  # the sink is non-blocking because whoever gave it to us made it so
            poller = select.poll()
            poller.register(self._sink, select.POLLOUT)
            poller.poll()
            return 0
        finally:
            self.writing = False
