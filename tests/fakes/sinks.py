"""This process's own stdout and stderr as pipes, read by threads, for code that writes to descriptors 1 and 2."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Sink:
    """What arrived at one pipe, with the moment of each piece."""

    def __init__(self) -> None:
        self.pieces: list[tuple[float, bytes]] = []
        self.reading, self.writing = os.pipe()
        self._thread = threading.Thread(target=self._read)

    @property
    def data(self) -> bytes:
        return b"".join(piece for _, piece in self.pieces)

    def start(self) -> None:
        self._thread.start()

    def _read(self) -> None:
        while data := os.read(self.reading, 65536):
            self.pieces.append((time.monotonic(), data))

    def end(self) -> None:
        """Wait for the end of file; all writing ends must be closed by now."""
        os.close(self.writing)
        self._thread.join()
        os.close(self.reading)


@contextmanager
def replaced(stdout: int, stderr: int) -> Iterator[None]:
    """Descriptors 1 and 2 lead to the given ones for the block."""
    saved = [os.dup(1), os.dup(2)]
    try:
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        yield
    finally:
        for number, descriptor in enumerate(saved, 1):
            os.dup2(descriptor, number)
            os.close(descriptor)


@contextmanager
def pipes(*, merged: bool = False) -> Iterator[tuple[Sink, Sink]]:
    """Two sinks as stdout and stderr, or twice the same; complete once the block has ended."""
    out = Sink()
    err = out if merged else Sink()
    sinks = {out, err}
    for sink in sinks:
        sink.start()
    try:
        with replaced(out.writing, err.writing):
            yield out, err
    finally:
        for sink in sinks:
            sink.end()
