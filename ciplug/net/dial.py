"""From an origin to a stream that is ready for a request: name, TCP, the proxy's tunnel, TLS."""

from __future__ import annotations

import socket
from functools import partial
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from typing import TYPE_CHECKING, Any

from ciplug.errors import UsageError
from ciplug.net.failures import ConnectFailed, Failure, ProxyRefused, explain
from ciplug.net.flight import Stream

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from ciplug.net.flight import Flight
    from ciplug.net.origin import Origin
    from ciplug.net.proxy import Proxy


def dial(
    origin: Origin, proxy: Proxy | None, flight: Flight, *, context: Callable[[], ssl.SSLContext], server_name: str = ""
) -> Stream:
    """A new connection to `origin`, through `proxy` if there is one; `context` is asked only for https.

    Raises a ``Failure``; the flight's own ``Aborted`` and ``TimeoutError`` pass.
    """
    if origin.scheme == "http":
        return Stream(_reach(origin, proxy, flight), flight)
    ready, name = context(), server_name or origin.host
    _check_name(name)
    sock = _reach(origin, proxy, flight)
    try:
        if proxy is not None:
            _tunnel(sock, origin, proxy, flight)
        sock = ready.wrap_socket(sock, server_hostname=name, do_handshake_on_connect=False)
        stream = Stream(sock, flight)
        sock.settimeout(flight.left())
        sock.do_handshake()
    except BaseException:
        sock.close()
        raise
    return stream


def _reach(origin: Origin, proxy: Proxy | None, flight: Flight) -> socket.socket:
    if proxy is None:
        return _connect(origin.host, origin.port, flight)
    try:
        return _connect(proxy.host, proxy.port, flight)
    except OSError as err:
        flight.left()
        raise ConnectFailed(f"the proxy {proxy}: {explain(err, connected=False)}") from err


def _connect(host: str, port: int, flight: Flight) -> socket.socket:
    """A TCP connection to the first address of `host` that takes one, the time shared among those left to try."""
    addresses = _resolve(host, port, flight)
    for waiting, (family, kind, protocol, _, address) in zip(range(len(addresses), 0, -1), addresses, strict=True):
        sock = socket.socket(family, kind, protocol)
        try:
            flight.adopt(sock)
            sock.settimeout(flight.left() / waiting)
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except BaseException as err:
            sock.close()
            if not isinstance(err, OSError) or waiting == 1:
                raise
            flight.left()
        else:
            return sock
    raise ConnectFailed("the host name has no address")


def _resolve(host: str, port: int, flight: Flight) -> list[tuple[Any, ...]]:
    # As bytes: text would load the codec for international names, for a host that is ASCII by now.
    look_up = partial(socket.getaddrinfo, host.encode("ascii"), port, type=socket.SOCK_STREAM)
    try:
        return look_up(flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        addresses: list[tuple[Any, ...]] = flight.await_call(look_up)
        return addresses


def _check_name(server_name: str) -> None:
    """Refuse what ``wrap_socket`` would refuse, which would by then have lost track of the socket."""
    try:
        server_name.encode("idna")
    except UnicodeError as err:
        raise UsageError(
            f"{server_name!r} is not a name that TLS can ask for",
            hint="check the host in the address, and VAULT_TLS_SERVER_NAME",
        ) from err


def _tunnel(sock: socket.socket, origin: Origin, proxy: Proxy, flight: Flight) -> None:
    """``CONNECT host:port``, after which the socket speaks to the origin."""
    stream = Stream(sock, flight)
    target = f"{origin.bracketed}:{origin.port}".encode()
    head = b"CONNECT " + target + b" HTTP/1.1\r\nHost: " + target + b"\r\n"
    if proxy.authorization is not None:
        head += b"Proxy-Authorization: " + proxy.authorization.reveal() + b"\r\n"
    try:
        stream.send(head + b"\r\n")
        answer = HTTPResponse(stream.as_socket(), method="CONNECT")
        answer.begin()
        answer.close()
    except (OSError, HTTPException) as err:
        flight.left()
        raise ConnectFailed(f"the proxy {proxy}: {explain(err, connected=True)}") from err
    if not 200 <= answer.status < 300:
        raise refusal(proxy, answer.status)


def refusal(proxy: Proxy, status: int) -> Failure:
    """What a proxy's own error means: a 4xx is its policy and stays, a 5xx is the way beyond it and may pass."""
    message = f"the proxy {proxy} refused the connection with status {status}"
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return ProxyRefused(message, hint="put the proxy's user and password into https_proxy / http_proxy")
    if 400 <= status < 500:
        return ProxyRefused(message, hint="allow the host on the proxy, or name it in no_proxy")
    return ConnectFailed(message)
