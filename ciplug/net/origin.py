"""The part of a URL that a credential may be sent to: scheme, host and port."""

from __future__ import annotations

from urllib.parse import urlsplit

from ciplug.frozen import frozen

_PORTS = {"http": 80, "https": 443}


@frozen
class Origin:
    """Scheme (``http`` or ``https``), host in lower case without brackets, port; ``str()`` is how users write it."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """``host[:port]``, the port only where it is not the scheme's own: what a ``Host`` header holds."""
        return self.bracketed if self.port == _PORTS[self.scheme] else f"{self.bracketed}:{self.port}"

    @property
    def bracketed(self) -> str:
        """The host, an IPv6 address in brackets."""
        return f"[{self.host}]" if ":" in self.host else self.host

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


def split(url: str) -> tuple[Origin, str]:
    """The origin of `url` and its path. ``ValueError`` says what is wrong and never repeats the URL: it may hold a
    password. Query and fragment are dropped.
    """
    if not url.isascii() or not url.isprintable():
        raise ValueError("holds a character that a URL may not hold")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # from None: the cause repeats a piece of the URL.
        raise ValueError("has no valid host and port") from None
    if parts.scheme not in _PORTS:
        raise ValueError("begins with neither https:// nor http://")
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user name or password")
    if not parts.hostname or any(char in parts.hostname for char in " /\\%") or port == 0:
        raise ValueError("has no valid host and port")
    host = parts.hostname.rstrip(".")
    return Origin(scheme=parts.scheme, host=host, port=port or _PORTS[parts.scheme]), parts.path
