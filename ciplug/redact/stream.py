"""A stream's output with every form of every secret replaced, however the stream is cut into pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ciplug.redact.kernel import TELLING, merged, reach
from ciplug.redact.wrapping import MAX_BREAK, continuation

if TYPE_CHECKING:
    from ciplug.redact.forms import Form
    from ciplug.redact.kernel import Candidate, Kernel
    from ciplug.redact.literals import Span

QUIET = 0.02
"""Seconds of silence after which the caller should ``flush()`` a filter that is ``holding``."""

MASK = b"***"


class StreamFilter:
    """Masks one stream. What may be the beginning of a secret is held until it is clear what it is.

    The output does not depend on how the input is cut, apart from ``flush()``. Needs no lock: one stream, one thread.
    """

    __slots__ = ("_covered", "_data", "_done", "_followed", "_held", "_kernel", "_swallowed")

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._reset()

    def _reset(self) -> None:
        self._data = bytearray()  # what an occurrence still to be completed may begin with
        self._done = 0  # so many bytes of it are answered for: written, or masked
        self._covered = False  # the last thing written is a mask, and it stands for the bytes right before `done`
        self._held: list[Span] = []  # forms found behind it; the weak beginning of one may be dropped already
        self._followed: Candidate | None = None  # the first thing held, if it is long: checked without a new search
        self._swallowed: tuple[int, Form] | None = None  # where the beginning that a flush has masked stands

    @property
    def holding(self) -> bool:
        """Whether bytes wait for what follows them, so that the caller must arm its silence timer."""
        return self._done < len(self._data)

    def feed(self, chunk: bytes) -> bytes:
        """What may be written once `chunk` has arrived. A line comes out at once unless a secret may begin in it."""
        if self._follows(chunk):
            return b""
        data = bytes(self._data) + chunk if self._data else chunk
        masked = self._swallow(data)
        candidates = self._kernel.candidates(data)
        cut = candidates[0].hold if candidates else len(data)
        spans = self._spans(data)
        written = self._write(data, spans, cut)
        self._keep(data, candidates, [span for span in spans if span[0] >= cut])
        return masked + written if masked else written

    def flush(self) -> bytes:
        """What must come out because the stream is silent, a prompt for example; nothing is held afterwards.

        Less than half of a form and less than 8 bytes of it are written in the clear; if the rest follows, the rest is
        masked. More than that is masked now, and so is what follows for as long as it continues the form: if it then
        turns out to be none, too much was masked. A line end behind a piece of an encoding is written.
        """
        if not self.holding:
            return b""
        if self._followed is not None and self._end(self._followed.form) == len(self._data):
            return self._flush_followed(self._followed)
        data = bytes(self._data)
        candidates = self._kernel.candidates(data)
        telling = [candidate for candidate in candidates if candidate.telling and candidate.hold < candidate.end]
        beginnings = [(candidate.hold, candidate.end) for candidate in telling]
        written = self._write(data, sorted(self._spans(data) + beginnings), len(data))
        self._swallowed = (telling[0].context, telling[0].form) if telling else None
        self._keep(data, candidates, [])
        return written

    def close(self) -> bytes:
        """The rest, at the end of the stream, under the same rule as ``flush()``; the filter is as new afterwards."""
        rest = self.flush()
        self._reset()
        return rest

    def _write(self, data: bytes, spans: list[Span], cut: int) -> bytes:
        """The output for what is decided: all bytes before `cut`, and each span that begins there to its end."""
        pieces: list[bytes] = []
        done = self._done
        for start, end in spans:
            if start >= cut:
                break
            if end <= done:
                continue
            if start > done:
                pieces.append(data[done:start])
            # An occurrence that begins under the last mask belongs to it.
            if start >= done or not self._covered:
                pieces.append(MASK)
            done, self._covered = end, True
        if done < cut:
            pieces.append(data[done:cut])
            done, self._covered = cut, False
        self._done = done
        return b"".join(pieces)

    def _spans(self, data: bytes) -> list[Span]:
        found = self._kernel.spans(data)
        return merged(self._held + found) if self._held else found

    def _keep(self, data: bytes, candidates: list[Candidate], held: list[Span]) -> None:
        """Drop what no form that is still to be completed can begin in."""
        dropped = min((candidate.context for candidate in candidates), default=len(data))
        self._data = bytearray(data[dropped:])
        self._done -= dropped
        self._held = [(start - dropped, end - dropped) for start, end in held]
        if self._swallowed is not None:
            context, form = self._swallowed
            self._swallowed = context - dropped, form
        self._followed = None
        for candidate in candidates:
            if candidate.hold == candidates[0].hold and candidate.matched >= TELLING:
                self._followed = candidate._replace(hold=candidate.hold - dropped, context=candidate.context - dropped)

    def _follows(self, chunk: bytes) -> bool:
        """Whether `chunk` does nothing but continue, and not complete, the first form that is held."""
        if self._followed is None:
            return False
        matched, form = self._followed.matched, self._followed.form
        more = continuation(bytes(self._data[-MAX_BREAK:]), chunk) if form.wraps else chunk
        if more is None or matched + len(more) >= len(form.text) or not form.text.startswith(more, matched):
            return False
        if self._swallowed is not None and not self._covered:
            return False  # a line end was written since, so that a mask is due
        self._data += chunk
        self._followed = self._followed._replace(matched=matched + len(more))
        if self._swallowed is not None:
            self._done = max(self._done, self._end(form))
        return True

    def _end(self, form: Form) -> int:
        """The end of what is kept, before the line ends where they may lie within `form`."""
        tail = self._data[-MAX_BREAK:]
        return len(self._data) - (len(tail) - len(tail.rstrip(b"\r\n")) if form.wraps else 0)

    def _flush_followed(self, followed: Candidate) -> bytes:
        """As ``flush()`` where everything held is the beginning of one form, and long enough to be masked."""
        written = b"" if self._covered and self._done > followed.hold else MASK
        self._done, self._covered = len(self._data), True
        self._swallowed = followed.context, followed.form
        return written

    def _swallow(self, data: bytes) -> bytes:
        """Answer for the bytes that continue a beginning which a flush has masked; their mask, where they need one."""
        if self._swallowed is None:
            return b""
        end, goes_on = reach(data, *self._swallowed)
        if not goes_on:
            self._swallowed = None
        if end <= self._done:
            return b""
        written = b"" if self._covered else MASK
        self._done, self._covered = end, True
        return written


def redact(data: bytes, kernel: Kernel) -> bytes:
    """The whole of `data` masked; a beginning of a form at its end is treated as at the end of a stream."""
    stream = StreamFilter(kernel)
    return stream.feed(data) + stream.close()
