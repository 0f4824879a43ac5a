"""A small HTTP server on 127.0.0.1 that turns each request into one call of a function."""

from __future__ import annotations

import sys
import threading
from dataclasses import field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final, Self

from ciplug.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

HANG: Final = 0
"""The status of an answer that is never given: the connection stays open for as long as the server runs."""

DROP: Final = -1
"""The status of an answer that is lost: the connection is closed without one."""


@frozen
class Request:
    """What was asked: `target` is path and query, header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@frozen
class Answer:
    """What to send back. `status` may be `HANG` or `DROP`; `missing` bytes of the promised length are never sent."""

    status: int
    body: bytes = field(default=b"", repr=False)
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    missing: int = 0


class LoopbackServer(ThreadingHTTPServer):
    """A server on a free port, in daemon threads, for the length of a ``with`` block.

    `respond` is called from several threads at once.
    """

    daemon_threads = True

    def __init__(self, respond: Callable[[Request], Answer]) -> None:
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

    def _do(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(method=self.command, target=self.path, headers=headers, body=self.rfile.read(length))
        answer = self.server.respond(request)
        self.close_connection = True
        if answer.status == HANG:
            self.server.ended.wait()
        elif answer.status != DROP:
            self._send(answer)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _do  # noqa: N815  # http.server's names

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        length = len(answer.body) + answer.missing
        sent = {"Content-Type": answer.content_type, "Content-Length": str(length), "Connection": "close"}
        for name, value in (sent | dict(answer.headers)).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's signature
        """Nothing: a log line would carry the query."""
