"""What goes over a connection: one request as bytes, and one answer of limited size."""

from __future__ import annotations

from dataclasses import field
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING

from ciplug.frozen import frozen
from ciplug.net.failures import TooLarge, Unsendable
from ciplug.values import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.net.flight import Stream
    from ciplug.net.origin import Origin
    from ciplug.net.proxy import Proxy

_CHUNK = 65536
_VISIBLE = frozenset(range(0x21, 0x7F))
_IN_VALUES = _VISIBLE | frozenset(b" \t")
_IN_NAMES = frozenset(b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")
"""Bytes of a target, of a header's value and of its name (RFC 9110, 5.1 and 5.5)."""


@frozen
class Response:
    """An answer: status, headers by lower-case name, body. Headers and body are left out of every representation."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@frozen
class Request:
    """A request to `origin`; `target` is the path with its query, empty values of `headers` are sent as they are."""

    origin: Origin
    method: str
    target: str
    headers: Mapping[str, str | Secret] = field(repr=False)
    body: bytes | None = field(default=None, repr=False)

    def encode(self, proxy: Proxy | None) -> bytes:
        """The request as it goes out. ``Unsendable`` names what HTTP cannot carry, without its value."""
        target = self.target
        if not target.startswith("/") or not _VISIBLE.issuperset(f"{self.method}{target}".encode()):
            raise Unsendable("the request's path holds a character that HTTP cannot carry")
        lines = {"Host": self.origin.authority, "Accept-Encoding": "identity", **self.headers}
        if self.body is not None or self.method != "GET":
            lines["Content-Length"] = str(len(self.body or b""))
        if proxy is not None and self.origin.scheme == "http":
            target = f"{self.origin}{target}"
            if proxy.authorization is not None:
                lines["Proxy-Authorization"] = proxy.authorization
        head = [f"{self.method} {target} HTTP/1.1".encode()]
        head += [name.encode() + b": " + _header(name, value) for name, value in lines.items()]
        return b"\r\n".join([*head, b"", self.body or b""])


def _header(name: str, value: str | Secret) -> bytes:
    raw = value.reveal() if isinstance(value, Secret) else value.encode()
    if not (name and _IN_NAMES.issuperset(name.encode()) and _IN_VALUES.issuperset(raw) and raw == raw.strip(b" \t")):
        raise Unsendable(f"the value for {name} holds a line break or another character that HTTP cannot carry")
    return raw


def receive(stream: Stream, method: str, limit: int) -> tuple[Response, bool]:
    """The answer that comes in on `stream`, and whether the connection can be used again.

    Raises ``TooLarge`` past `limit` bytes of body, ``HTTPException`` for what is cut short or not HTTP.
    """
    answer = HTTPResponse(stream.as_socket(), method=method)
    try:
        answer.begin()
        if stream.ended:
            # http.client takes the end of the connection for the end of the headers.
            raise HTTPException
        body = _read_body(answer, limit)
    finally:
        answer.close()
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Response(status=answer.status, headers=headers, body=body), not answer.will_close


def _read_body(answer: HTTPResponse, limit: int) -> bytes:
    body = bytearray()
    if (answer.length or 0) <= limit:
        while len(body) <= limit and (part := answer.read(_CHUNK)):
            body += part
    if len(body) + (answer.length or 0) > limit:
        raise TooLarge(f"the answer is larger than {limit / 2**20:g} MiB")
    if answer.length:
        # read(n) ends quietly where the connection does, even short of the Content-Length.
        raise HTTPException
    return bytes(body)
