"""One exchange under way: the moment it must be over, and the socket by which another thread can end it."""

from __future__ import annotations

import io
import socket
import threading
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, cast

from ciplug.net.failures import Aborted

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed import WriteableBuffer

    from ciplug.net.deadline import Deadline


class Flight:
    """At most `seconds` long, and never past `deadline`. `abort` may come from any thread or signal handler."""

    def __init__(self, deadline: Deadline, seconds: float) -> None:
        self.deadline = deadline
        self.seconds = seconds
        self._until = deadline.clock() + seconds
        # Reentrant, because a signal handler may abort while its own thread holds the lock.
        self._lock = threading.RLock()
        self._socket: socket.socket | None = None
        self._mail: SimpleQueue[Any] = SimpleQueue()
        self.aborted = False
        self.connected = False
        """Whether TCP, tunnel and TLS are behind it: what an error then means differs."""
        self.sent = False
        """Whether the whole request went out: the server may have acted on it, whatever comes back."""

    def left(self) -> float:
        """Seconds left, always positive; ``TimeoutError`` where none are, ``Aborted`` after an abort."""
        if self.aborted or self.deadline.cancelled:
            raise Aborted("the request was ended before it was answered")
        left = min(self._until - self.deadline.clock(), self.deadline.remaining())
        if left <= 0:
            raise TimeoutError
        return left

    def adopt(self, sock: socket.socket) -> None:
        """Make `sock` the one that an abort shuts down."""
        with self._lock:
            self._socket = sock

    def await_call(self, call: Callable[[], Any]) -> Any:
        """What `call` returns, or its ``OSError``, waited for no longer than the flight may last.

        For blocking calls that have no time limit of their own. One that never returns keeps its daemon thread, and
        nothing else.
        """

        def work() -> None:
            try:
                self._mail.put(call())
            except OSError as err:
                self._mail.put(err)

        threading.Thread(target=work, daemon=True).start()
        try:
            result = self._mail.get(timeout=self.left())
        except Empty:
            # from None: that a queue was empty explains nothing.
            raise TimeoutError from None
        self.left()
        if isinstance(result, OSError):
            raise result
        return result

    def abort(self) -> None:
        """End it now: whatever it waits for returns at once, and nothing more is sent."""
        with self._lock:
            self.aborted = True
            self._mail.put(None)
            if self._socket is not None:
                with suppress(OSError):
                    # NOTE: the plain socket's shutdown. SSLSocket's own first drops its TLS state, after which another
                    # thread could write the rest of its request in clear.
                    socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class Stream:
    """A connected socket on which every single read and write ends with the current flight.

    A socket timeout alone would start anew with each byte, so a server that drips could hold a request for ever.
    """

    def __init__(self, sock: socket.socket, flight: Flight) -> None:
        self.socket = sock
        self.board(flight)

    def board(self, flight: Flight) -> None:
        """Use the stream for `flight` from here on."""
        self.flight = flight
        self.received = 0
        self.ended = False
        flight.adopt(self.socket)

    def send(self, data: bytes) -> None:
        """Send all of `data`."""
        self.socket.settimeout(self.flight.left())
        self.socket.sendall(data)

    def receive_into(self, buffer: WriteableBuffer) -> int:
        """Read what is there, at least one byte; 0 at the end."""
        self.socket.settimeout(self.flight.left())
        count = self.socket.recv_into(buffer)
        self.received += count
        self.ended = count == 0
        return count

    def makefile(self, _mode: str) -> io.BufferedReader:
        """A buffered reader, the one thing ``HTTPResponse`` asks of a socket. Closing it leaves the socket open."""
        return io.BufferedReader(_Reader(self))

    def as_socket(self) -> socket.socket:
        """Itself, for ``HTTPResponse``, whose parameter is declared a socket though it calls only ``makefile``."""
        return cast("socket.socket", self)

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()


class _Reader(io.RawIOBase):
    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        return self._stream.receive_into(buffer)
