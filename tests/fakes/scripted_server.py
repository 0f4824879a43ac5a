"""Loopback servers that misbehave on request: a scripted HTTP(S) server and a forward proxy, stdlib only."""

from __future__ import annotations

import datetime as dt
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self

import trustme

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Seen:
    """One request as the server got it; header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


Script = Callable[["Exchange"], None]


class Exchange:
    """What a script is given: the request, ways to write an answer byte by byte, and the end of the test."""

    def __init__(self, handler: _Handler, seen: Seen) -> None:
        self.seen = seen
        self.released: threading.Event = handler.server.released
        self._handler = handler

    def send(self, data: bytes) -> None:
        self._handler.wfile.write(data)
        self._handler.wfile.flush()

    def answer(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        lines = {"Content-Length": str(len(body)), "Content-Type": "application/json", **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self.send(f"HTTP/1.1 {status} Scripted\r\n{head}\r\n".encode() + body)

    def hang_up(self) -> None:
        self._handler.close_connection = True


def answer(status: int = 200, body: Any = None, headers: Mapping[str, str] | None = None) -> Script:
    """An ordinary answer; `body` is bytes, or anything that becomes JSON."""
    raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    return lambda exchange: exchange.answer(status, raw, headers)


def html(status: int = 200) -> Script:
    return answer(
        status, b"<html><body>Sign in, s3cr3t-page</body></html>", {"Content-Type": "text/html; charset=utf-8"}
    )


def redirect(status: int, location: str) -> Script:
    return answer(status, b"", {"Location": location})


def hang(exchange: Exchange) -> None:
    """Never answer."""
    exchange.released.wait(30)
    exchange.hang_up()


def hang_up(exchange: Exchange) -> None:
    """Close the connection without a word."""
    exchange.hang_up()


def answer_and_hang_up(status: int, body: Any) -> Script:
    """A complete answer that promises to keep the connection, which is then closed."""

    def script(exchange: Exchange) -> None:
        exchange.answer(status, json.dumps(body).encode())
        exchange.hang_up()

    return script


def raw(data: bytes) -> Script:
    """These bytes and the end of the connection."""

    def script(exchange: Exchange) -> None:
        exchange.send(data)
        exchange.hang_up()

    return script


def cut_short(exchange: Exchange) -> None:
    """Promise 1000 bytes, send 9."""
    raw(b'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"data":{')(exchange)


def drip(data: bytes, every: float = 0.02) -> Script:
    """`data`, then x for ever, one byte at a time."""

    def script(exchange: Exchange) -> None:
        with suppress(OSError):
            sent = 0
            while not exchange.released.wait(every):
                exchange.send(data[sent : sent + 1] or b"x")
                sent += 1
        exchange.hang_up()

    return script


def flood(megabytes: int, *, announced: bool) -> Script:
    """A body of that size, with a Content-Length or in chunks."""

    def script(exchange: Exchange) -> None:
        size = megabytes * 2**20
        length = f"Content-Length: {size}" if announced else "Transfer-Encoding: chunked"
        exchange.send(f"HTTP/1.1 200 OK\r\n{length}\r\n\r\n".encode())
        block = b"x" * 2**16
        with suppress(OSError):
            for _ in range(size // len(block)):
                exchange.send(block if announced else b"10000\r\n" + block + b"\r\n")
        exchange.hang_up()

    return script


class _Server(ThreadingHTTPServer):
    """A threaded server that ends all its connections with itself, so that no thread and no socket outlives a test."""

    daemon_threads = False
    request_queue_size = 64

    def __init__(self, handler: type[BaseHTTPRequestHandler], context: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.released = threading.Event()
        self.connections = 0
        self.lock = threading.Lock()
        self._context = context
        self._open: set[socket.socket] = set()
        self._thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})

    def finish_request(self, request: Any, client_address: Any) -> None:
        # In the connection's own thread, so that a TLS handshake that never comes does not stop the others.
        wrapped = request
        with suppress(OSError):
            if self._context is not None:
                wrapped = self._context.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
            with self.lock:
                self._open.add(wrapped)
                self.connections += 1
            try:
                if self._context is not None:
                    wrapped.do_handshake()
                super().finish_request(wrapped, client_address)
            finally:
                with self.lock:
                    self._open.discard(wrapped)
                wrapped.close()

    def drop_connections(self) -> None:
        with self.lock:
            for connection in self._open:
                with suppress(OSError):
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)

    @property
    def live(self) -> int:
        """Connections that are open now."""
        with self.lock:
            return len(self._open)

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.released.set()
        self.shutdown()
        self._thread.join()
        self.drop_connections()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ScriptedServer

    def handle_one_request(self) -> None:
        with suppress(OSError):
            super().handle_one_request()
            return
        self.close_connection = True

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = Seen(self.command, self.path, headers, self.rfile.read(length))
        self.server.script_for(seen)(Exchange(self, seen))

    do_GET = do_POST = do_PUT = do_LIST = _serve  # noqa: N815 - the names http.server looks up

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's own name
        """Stay silent."""


class ScriptedServer(_Server):
    """Plays scripts by ``"METHOD /path?query"``, one after the other, the last one for ever; records every request.

    A request that no script is for fails the test when the server ends.
    """

    def __init__(
        self, routes: Mapping[str, Script | Sequence[Script]] | None = None, context: ssl.SSLContext | None = None
    ) -> None:
        super().__init__(_Handler, context)
        self.seen: list[Seen] = []
        self.unexpected: list[str] = []
        self.scheme = "https" if context else "http"
        self._routes = {key: [script] if callable(script) else [*script] for key, script in (routes or {}).items()}

    def script(self, route: str, *scripts: Script) -> None:
        self._routes[route] = [*scripts]

    def script_for(self, seen: Seen) -> Script:
        key = f"{seen.method} {seen.path}"
        with self.lock:
            self.seen.append(seen)
            scripts = self._routes.get(key)
            if scripts:
                return scripts.pop(0) if len(scripts) > 1 else scripts[0]
            self.unexpected.append(key)
        return answer(418, {"errors": ["no such route in this test"]})

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def paths(self) -> list[str]:
        return [f"{seen.method} {seen.path}" for seen in self.seen]

    def __exit__(self, *exc: object) -> None:
        super().__exit__(*exc)
        if exc[0] is None:
            assert not self.unexpected, f"no script for {self.unexpected}"


@dataclass
class _Passed:
    """One request that a proxy was asked to pass on."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)


class _ProxyHandler(BaseHTTPRequestHandler):
    server: ForwardProxy

    def _note(self) -> bool:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.passed.append(_Passed(self.command, self.path, headers))
        if self.server.refuse_with is None:
            return True
        self.wfile.write(f"HTTP/1.1 {self.server.refuse_with} Refused\r\nContent-Length: 0\r\n\r\n".encode())
        return False

    def do_CONNECT(self) -> None:
        if not self._note():
            return
        with socket.create_connection(("127.0.0.1", int(self.path.rpartition(":")[2]))) as upstream:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\nX-Proxy: yes\r\n\r\n")
            back = threading.Thread(target=_pump, args=(upstream, self.connection))
            back.start()
            _pump(self.connection, upstream)
            back.join()

    def do_GET(self) -> None:
        if not self._note():
            return
        authority, _, path = self.path.removeprefix("http://").partition("/")
        with socket.create_connection(("127.0.0.1", int(authority.rpartition(":")[2]))) as upstream:
            headers = "".join(f"{k}: {v}\r\n" for k, v in self.headers.items() if k.lower() != "proxy-authorization")
            upstream.sendall(f"GET /{path} HTTP/1.1\r\n{headers}Connection: close\r\n\r\n".encode())
            _pump(upstream, self.connection)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's own name
        """Stay silent."""


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


class ForwardProxy(_Server):
    """A forward proxy. Every name leads to this machine, so that tests can use hosts that do not exist."""

    def __init__(self, refuse_with: int | None = None) -> None:
        super().__init__(_ProxyHandler)
        self.passed: list[_Passed] = []
        self.refuse_with = refuse_with


class Certificates:
    """A private CA as files below `folder`, and server contexts with certificates of it."""

    def __init__(self, folder: Path) -> None:
        self._ca = trustme.CA()
        self._folder = folder
        self.ca_file = folder / "ca.pem"
        self._ca.cert_pem.write_to_path(self.ca_file)

    def server(self, *names: str, client_ca: Certificates | None = None) -> ssl.SSLContext:
        """A context whose certificate is for `names`; with `client_ca` it wants one of that CA from clients."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert(*(names or ("127.0.0.1",))).configure_cert(context)
        if client_ca is not None:
            context.load_verify_locations(client_ca.ca_file)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def expired(self, *names: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        long_ago = dt.datetime(2020, 1, 2, tzinfo=dt.UTC)
        before = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
        self._ca.issue_cert(*names, not_before=before, not_after=long_ago).configure_cert(context)
        return context

    def client(self) -> tuple[Path, Path]:
        """The files of a client certificate and its key."""
        issued = self._ca.issue_cert("runner@acme.test")
        cert, key = self._folder / "client.pem", self._folder / "client.key"
        issued.cert_chain_pems[0].write_to_path(cert)
        issued.private_key_pem.write_to_path(key)
        return cert, key

    @staticmethod
    def self_signed(folder: Path) -> ssl.SSLContext:
        """A context whose certificate is its own issuer."""
        ca = trustme.CA()
        ca.private_key_pem.write_to_path(folder / "self.key")
        ca.cert_pem.write_to_path(folder / "self.pem")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(folder / "self.pem", folder / "self.key")
        return context


@contextmanager
def banner(listener: socket.socket, greeting: bytes) -> Iterator[None]:
    """Greet whoever connects to `listener` first with bytes of another protocol."""

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(1024)
            connection.sendall(greeting)

    thread = threading.Thread(target=serve)
    thread.start()
    yield
    thread.join()
