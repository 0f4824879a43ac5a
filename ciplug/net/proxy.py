"""Which requests go through a proxy: ``https_proxy``, ``http_proxy`` and ``no_proxy`` as curl and Go read them."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from ciplug.errors import UsageError
from ciplug.frozen import frozen
from ciplug.values import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ipaddress import IPv4Address, IPv6Address

    from ciplug.net.origin import Origin

_DEFAULT_PORT = 80


@frozen
class Proxy:
    """An HTTP proxy. `authorization` is a whole ``Proxy-Authorization`` value; ``str()`` is ``host:port`` alone."""

    host: str
    port: int
    authorization: Secret | None = None

    # A Secret is unhashable on purpose, and connections are pooled by proxy.
    def __hash__(self) -> int:
        return hash((self.host, self.port))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@frozen
class ProxySettings:
    """The proxy for each scheme and the hosts that need none; build it with ``from_mapping``."""

    https: Proxy | None = None
    http: Proxy | None = None
    no_proxy: tuple[str, ...] = ()

    @classmethod
    def from_mapping(cls, settings: Mapping[str, str]) -> ProxySettings:
        """From the values of ``https_proxy``, ``http_proxy`` and ``no_proxy``; absent or empty means none.

        ``UsageError`` names the setting and never its value, which may hold a password.
        """
        return cls(
            https=_parse(settings.get("https_proxy", ""), "https_proxy"),
            http=_parse(settings.get("http_proxy", ""), "http_proxy"),
            no_proxy=tuple(settings.get("no_proxy", "").lower().replace(",", " ").split()),
        )

    def route(self, origin: Origin) -> Proxy | None:
        """The proxy that requests to `origin` go through; ``None`` = straight there, as always for this machine."""
        proxy = self.https if origin.scheme == "https" else self.http
        if proxy is None or _is_loopback(origin.host):
            return None
        return None if any(_matches(entry, origin) for entry in self.no_proxy) else proxy


def _parse(value: str, setting: str) -> Proxy | None:
    if not value.strip():
        return None
    try:
        parts = urlsplit(value.strip() if "://" in value else f"http://{value.strip()}")
        host, port = parts.hostname, parts.port
    except ValueError:
        # from None: the cause repeats a piece of the value.
        raise _unusable(setting) from None
    if parts.scheme != "http" or not host or not host.isascii():
        raise _unusable(setting)
    authorization = None
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        authorization = Secret(b"Basic " + base64.b64encode(pair))
    return Proxy(host=host, port=port or _DEFAULT_PORT, authorization=authorization)


def _unusable(setting: str) -> UsageError:
    return UsageError(
        f"{setting} is not the address of an HTTP proxy",
        hint=f"write {setting}=http://proxy.example.com:3128 (https and socks proxies are not supported)",
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    return (address := _address(host)) is not None and address.is_loopback


def _address(text: str) -> IPv4Address | IPv6Address | None:
    import ipaddress

    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _matches(entry: str, origin: Origin) -> bool:
    """Whether one ``no_proxy`` entry names `origin`: ``*``, address, network, or host and what is under it."""
    if entry == "*":
        return True
    name, port = _split_port(entry)
    if port and port != str(origin.port):
        return False
    if (address := _address(origin.host)) is not None:
        return _covers(name, address)
    name = name.removeprefix("*").strip(".")
    return bool(name) and (origin.host == name or origin.host.endswith(f".{name}"))


def _split_port(entry: str) -> tuple[str, str]:
    """``host:port``, ``[v6]:port``, a bare IPv6 address or a network, taken apart; the port may be empty."""
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name, rest.removeprefix(":")
    name, _, port = entry.rpartition(":")
    return (name, port) if name and ":" not in name else (entry, "")


def _covers(entry: str, address: IPv4Address | IPv6Address) -> bool:
    import ipaddress

    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
