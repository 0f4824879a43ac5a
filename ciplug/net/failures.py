"""What can go wrong between here and a server, in plain words.

Texts say what happened and leave the address to the caller, who knows what it is called. None holds a header, a body or
a credential.
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from http.client import HTTPException

_CERTIFICATE_PROBLEMS = {
    9: "its certificate is not valid yet",
    10: "its certificate has expired",
    18: "its certificate is self-signed",
    19: "its certificate chain ends in an unknown, self-signed issuer",
    20: "its certificate comes from an unknown issuer",
    21: "its certificate comes from an unknown issuer",
    62: "its certificate is for another host name",
    64: "its certificate is for another IP address",
}
"""OpenSSL's ``X509_V_ERR_*`` codes (``x509_vfy.h``) that users meet."""

_CA_HINT = "name the CA that signed it in VAULT_CACERT (or BAO_CACERT)"
_HOST_HINT = "use the host name the certificate was issued for, or set VAULT_TLS_SERVER_NAME to it"
_CLOCK_HINT = "check this machine's clock, then have the server's certificate renewed"
_CLIENT_HINT = "if the server wants a client certificate, set VAULT_CLIENT_CERT and VAULT_CLIENT_KEY"
_PLAIN_HINT = "check the port, and whether the address should begin with http://"


class Failure(Exception):  # noqa: N818 - the subclasses are named for what happened
    """One exchange without an answer. `retryable` says whether the same request may succeed a moment later.

    `sent` says that the whole request went out, so that the server may have acted on it.
    """

    retryable: ClassVar[bool] = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint
        self.sent = False


class ConnectFailed(Failure):
    """No connection: refused, unroutable, unknown name."""

    retryable = True


class ProxyRefused(ConnectFailed):
    """The proxy answered and will not pass the request on; asking again changes nothing."""

    retryable = False


class TimedOut(Failure):
    """Not a complete answer in time, however busily it arrived."""

    retryable = True


class BrokenAnswer(Failure):
    """An answer that ends too soon, or is not HTTP."""

    retryable = True


class TlsRefused(Failure):
    """TLS was refused by either side: certificate, host name, protocol, client certificate."""


class TooLarge(Failure):
    """An answer over the size limit; it was not read to its end."""


class Unsendable(Failure):
    """A request that HTTP cannot carry, such as a header value with a line break. Nothing was sent."""


class Aborted(Failure):
    """The exchange was ended from this side, by ``Transport.abort``."""


def explain(error: OSError | HTTPException, *, connected: bool) -> Failure:
    """`error` as one of the classes above; `connected` says whether the connection stood when it came."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate_refused(error)
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return _tls_refused(error)
    if isinstance(error, TimeoutError):
        return TimedOut("no complete answer in time" if connected else "no connection in time")
    if isinstance(error, socket.gaierror):
        return ConnectFailed("the host name cannot be resolved")
    if isinstance(error, ssl.SSLError) and not connected:
        return ConnectFailed("the connection was closed during the TLS handshake")
    if isinstance(error, OSError) and not connected:
        return ConnectFailed((error.strerror or "the connection was closed").lower())
    if isinstance(error, OSError):
        return BrokenAnswer("the connection was closed without a complete answer")
    return BrokenAnswer("the answer is cut short or is not HTTP")


def _certificate_refused(error: ssl.SSLCertVerificationError) -> TlsRefused:
    problem = _CERTIFICATE_PROBLEMS.get(error.verify_code, f"its certificate is refused ({error.verify_message})")
    if error.verify_code in {62, 64}:
        return TlsRefused(problem, hint=_HOST_HINT)
    return TlsRefused(problem, hint=_CLOCK_HINT if error.verify_code in {9, 10} else _CA_HINT)


def _tls_refused(error: ssl.SSLError) -> TlsRefused:
    reason = (error.reason or "unknown reason").replace("_", " ").lower()
    # The reason for bytes that are not TLS at all depends on where OpenSSL stumbles over them.
    if any(word in reason for word in ("wrong version number", "http request", "record layer failure")):
        return TlsRefused("the server does not speak TLS here", hint=_PLAIN_HINT)
    return TlsRefused(f"TLS was refused ({reason})", hint=_CLIENT_HINT)
