"""Whether the token is signed by one of its issuer's keys, as the issuer publishes them; nothing is sent to it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import jwt

from ciplug.doctor.finding import Finding, failed, note, ok
from ciplug.identity.claims import show
from ciplug.net.deadline import Deadline
from ciplug.net.failures import Failure, TlsRefused
from ciplug.net.origin import split

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ciplug.net.transport import Transport
    from ciplug.values import IdToken

MAX_SECONDS: Final = 3.0
"""The keys are a second opinion, and the vault has the first."""

_CHECK: Final = "signature"
_DISCOVERY: Final = "/.well-known/openid-configuration"
_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA")
"""What the vault's JWT method takes; none of them uses a shared key."""

_LOOPBACK: Final = {"localhost", "127.0.0.1", "::1"}


class _NoKeys(Exception):  # noqa: N818  # a reason, not an error
    """Why the issuer's keys cannot be had."""


def verify(token: IdToken, transports: Sequence[Transport], seconds: float) -> Finding:
    """What the issuer's keys say of the token's signature; a note where they cannot be had within `seconds`."""
    deadline = Deadline(min(seconds, MAX_SECONDS))
    issuer = token.claims.get("iss")
    text = token.token.reveal().decode()
    try:
        header = jwt.get_unverified_header(text)
        keys = _keys(issuer, transports, deadline)
    except _NoKeys as reason:
        return note(_CHECK, f"not verified: {reason}")
    except jwt.PyJWTError:
        return _wrong(issuer, "the token has no header that a JWT has")
    kid, algorithm = header.get("kid"), header.get("alg")
    if algorithm not in _ALGORITHMS:
        return _wrong(issuer, f"the token is signed by {show(algorithm)}, which the vault does not take")
    fitting = [key for key in keys if kid is None or key.key_id == kid]
    if not fitting:
        return _wrong(issuer, f"the token names the key {show(kid)}, which is none of its issuer's {len(keys)}")
    if any(_is_signed_by(text, key, algorithm) for key in fitting):
        return ok(_CHECK, f"by the key {show(kid)} of {show(issuer)}")
    return _wrong(issuer, f"the token's signature is not by the key {show(kid)} of its issuer")


def _wrong(issuer: object, text: str) -> Finding:
    return failed(
        _CHECK, text, f"take the token from the CI host itself, unchanged; its issuer's keys are at {show(issuer)}"
    )


def _is_signed_by(text: str, key: jwt.PyJWK, algorithm: str) -> bool:
    try:
        jwt.PyJWS().decode(text, key, algorithms=[algorithm])
    except (jwt.PyJWTError, TypeError, ValueError):
        # A key of another kind than the algorithm is no key of this token's.
        return False
    return True


def _keys(issuer: object, transports: Sequence[Transport], deadline: Deadline) -> list[jwt.PyJWK]:
    """``GET {iss}/.well-known/openid-configuration``, then ``GET {jwks_uri}``."""
    if not isinstance(issuer, str):
        raise _NoKeys("the token names no issuer")
    address = _fetch(f"{issuer.rstrip('/')}{_DISCOVERY}", transports, deadline).get("jwks_uri")
    if not isinstance(address, str):
        raise _NoKeys("the issuer's discovery document names no keys")
    try:
        return jwt.PyJWKSet.from_dict(_fetch(address, transports, deadline)).keys
    except (jwt.PyJWTError, AttributeError, TypeError, ValueError) as err:
        raise _NoKeys("the issuer's keys are in no form that is known") from err


def _fetch(url: str, transports: Sequence[Transport], deadline: Deadline) -> dict[str, Any]:
    try:
        origin, path = split(url)
    except ValueError as err:
        raise _NoKeys(f"the issuer's address {err}") from err
    if origin.scheme != "https" and origin.host not in _LOOPBACK:
        raise _NoKeys("the issuer's address is not https://")
    refused: Failure | None = None
    for transport in transports:
        try:
            answer = transport.exchange(
                origin, "GET", path or "/", deadline=deadline, headers={"Accept": "application/json"}
            )
        except TlsRefused as err:
            refused = err
        except Failure as err:
            raise _NoKeys(f"{origin}: {err}") from err
        else:
            return _document(answer.status, answer.body, str(origin))
    raise _NoKeys(f"{origin}: {refused}") from refused


def _document(status: int, body: bytes, where: str) -> dict[str, Any]:
    if status != 200:
        raise _NoKeys(f"{where} answered {status}")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise _NoKeys(f"{where} answered with something else than JSON") from None
    return document
