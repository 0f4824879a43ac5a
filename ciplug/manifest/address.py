"""The address of a vault: where tokens are sent, so it is taken only in one plain spelling."""

from __future__ import annotations

_SHAPE = "must be https://host or https://host:port"


def address_problem(url: str) -> str | None:
    """What is wrong with `url` as the address of a vault, or ``None``. The text never repeats the address.

    ``http://`` is taken only for a host on this machine: ``localhost``, ``127.0.0.0/8`` and ``[::1]``.
    """
    if not (url.isascii() and url.isprintable()) or " " in url:
        return f"{_SHAPE}, without blanks, control characters or letters beyond ASCII"
    scheme, _, rest = url.partition("://")
    if scheme not in ("http", "https"):
        return f"{_SHAPE}, and begin with https://"
    part = _extra_part(rest)
    if part:
        return f"{_SHAPE}, without {part}"
    host, port = _split(rest.removesuffix("/"))
    return _host_problem(host) or _port_problem(port) or _clear_text_problem(scheme, host)


def normal_address(url: str) -> str:
    """A valid address without its trailing slash."""
    return url.removesuffix("/")


def _extra_part(rest: str) -> str | None:
    for mark, name in (("@", "a user name or password"), ("?", "a query"), ("#", "a fragment"), ("\\", "a backslash")):
        if mark in rest:
            return name
    return "a path" if "/" in rest.removesuffix("/") else None


def _split(authority: str) -> tuple[str, str | None]:
    """Host and port; an IPv6 host keeps its brackets, and a port that is not there is ``None``."""
    if authority.startswith("["):
        host, bracket, rest = authority.partition("]")
        return host + bracket, (rest.removeprefix(":") if rest.startswith(":") else rest or None)
    host, colon, port = authority.partition(":")
    return host, port if colon else None


def _host_problem(host: str) -> str | None:
    if host.startswith("["):
        return None if _is_ipv6(host) else f"{_SHAPE}: this is not an IPv6 address in brackets"
    if all(_is_label(label) for label in host.split(".")):
        return None
    return f"{_SHAPE}: this host is not a name or an IP address"


def _port_problem(port: str | None) -> str | None:
    if port is None:
        return None
    if not port.isdigit() or port[0] == "0" or len(port) > 5:
        return f"{_SHAPE}: the port is not a number"
    return f"{_SHAPE}: the port is above 65535" if int(port) > 65535 else None


def _clear_text_problem(scheme: str, host: str) -> str | None:
    if scheme == "https" or host in ("localhost", "[::1]") or _is_ipv4_loopback(host):
        return None
    return "must begin with https://: over http:// tokens and secrets would travel in clear"


def _is_label(label: str) -> bool:
    """A part of a host name between dots; underscores are what some internal DNS zones have."""
    return bool(label) and label.replace("-", "a").replace("_", "a").isalnum() and "-" not in (label[0], label[-1])


def _is_ipv4_loopback(host: str) -> bool:
    parts = host.split(".")
    plain = all(part.isdigit() and part == str(int(part[:4])) and int(part) < 256 for part in parts)
    return plain and len(parts) == 4 and parts[0] == "127"


def _is_ipv6(host: str) -> bool:
    import ipaddress

    try:
        return "%" not in host and host.endswith("]") and bool(ipaddress.IPv6Address(host[1:-1]))
    except ValueError:
        return False
