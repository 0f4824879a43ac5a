"""A small HTTP server on 127.0.0.1 that turns each ``GET`` into one call of a function."""

from __future__ import annotations

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final, Self

from ciplug.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

HANG: Final = 0
"""The status of an answer that is never given: the connection stays open for as long as the server runs."""


@frozen
class Answer:
    """What to send back; `status` may be `HANG`."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"


class LoopbackServer(ThreadingHTTPServer):
    """A server on a free port, in daemon threads, for the length of a ``with`` block.

    `respond` is called with the request target and the value of ``Authorization`` (empty without one), from several
    threads at once.
    """

    daemon_threads = True

    def __init__(self, respond: Callable[[str, str], Answer]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.respond = respond
        self.ended = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ended.set()
        self.shutdown()
        self.server_close()
        self._thread.join()

    def handle_error(self, request: object, client_address: object) -> None:
        """Silence for a client that went away, which is not this server's failure; a traceback for the rest."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # typeshed wants the socket


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: LoopbackServer

    def do_GET(self) -> None:
        answer = self.server.respond(self.path, self.headers.get("Authorization", ""))
        self.close_connection = True
        if answer.status == HANG:
            self.server.ended.wait()
            return
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's signature
        """Nothing: a log line would carry the query."""
