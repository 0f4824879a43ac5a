"""An OpenID Connect issuer on loopback that mints what CI hosts mint, and GitHub's token endpoint as a runner has it.

It exists for the demo and the tests: its key is made when it starts and is gone when it ends.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Self
from urllib.parse import parse_qs, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from ciplug.frozen import frozen
from ciplug.standins.loopback import HANG, Answer, LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

    from ciplug.standins.loopback import Request

_NOT_BEFORE_LEAD: Final = 5  # seconds; hosts date `nbf` back a little, for verifiers whose clock is behind


class GithubEndpoint(NamedTuple):
    """What a runner puts into ``ACTIONS_ID_TOKEN_REQUEST_URL`` and ``ACTIONS_ID_TOKEN_REQUEST_TOKEN``."""

    request_url: str
    request_token: str


@frozen
class Behaviour:
    """How a token endpoint answers the right bearer: `pending` times 403, then `unavailable` times 503, then `then`.

    ``no-value`` is a JSON object without a token, ``html`` a page with status 200, and ``hang`` no answer for as long
    as the issuer runs.
    """

    pending: int = 0
    unavailable: int = 0
    then: Literal["token", "no-value", "html", "hang"] = "token"


@frozen
class Seen:
    """One request the issuer received: the `audience` asked for, and the `status` answered (`HANG` for silence)."""

    path: str
    audience: str | None
    status: int


@frozen
class _Endpoint:
    claims: Mapping[str, object]
    bearer: str
    behaviour: Behaviour


class Issuer:
    """A running issuer for the length of a ``with`` block; `url` is its ``iss`` and serves discovery and keys."""

    url: str
    jwks_url: str

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._kid = secrets.token_hex(8)
        self._lock = threading.Lock()
        self._endpoints: dict[str, _Endpoint] = {}
        self._seen: list[Seen] = []

    def __enter__(self) -> Self:
        self._server = LoopbackServer(self._respond).__enter__()
        self.url = self._server.url
        self.jwks_url = f"{self.url}/jwks"
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.__exit__(kind, error, trace)

    def mint(
        self,
        claims: Mapping[str, object],
        *,
        audience: str,
        lifetime: float = 300,
        headers: Mapping[str, object] | None = None,
    ) -> str:
        """An RS256 JWT with `claims`; ``iss``, ``aud``, ``iat``, ``nbf``, ``exp`` and ``jti`` are added unless given.

        A claim that is ``None`` is left out. `lifetime` is in seconds and may be negative; `headers` replace ``kid``
        and the like.
        """
        issued = int(time.time())
        times = {"iat": issued, "nbf": issued - _NOT_BEFORE_LEAD, "exp": int(issued + lifetime)}
        payload = {"jti": secrets.token_hex(16), "iss": self.url, "aud": audience} | times | dict(claims)
        present = {name: value for name, value in payload.items() if value is not None}
        return jwt.encode(present, self._key, algorithm="RS256", headers={"kid": self._kid} | dict(headers or {}))

    def github_endpoint(self, claims: Mapping[str, object], *, behaviour: Behaviour | None = None) -> GithubEndpoint:
        """A new token endpoint for one job with these `claims`, with a bearer of its own.

        It answers ``GET <url>&audience=…`` with ``{"value": "<jwt>"}``; any other bearer gets 401.
        """
        endpoint = _Endpoint(claims=claims, bearer=secrets.token_urlsafe(24), behaviour=behaviour or Behaviour())
        path = f"/idtoken/{secrets.token_hex(8)}"
        with self._lock:
            self._endpoints[path] = endpoint
        return GithubEndpoint(f"{self.url}{path}?api-version=2.0", endpoint.bearer)

    def requests(self, request_url: str | None = None) -> tuple[Seen, ...]:
        """What was asked of the issuer so far, oldest first; with `request_url`, of that one endpoint."""
        path = None if request_url is None else urlsplit(request_url).path
        with self._lock:
            return tuple(seen for seen in self._seen if path in (None, seen.path))

    def _respond(self, request: Request) -> Answer:
        if request.method != "GET":
            return _json({"message": "Method Not Allowed"}, status=405)
        parts = urlsplit(request.target)
        audience = parse_qs(parts.query).get("audience", [None])[0]
        with self._lock:
            endpoint = self._endpoints.get(parts.path)
            if endpoint is None:
                answer = self._public(parts.path)
            elif not _is_bearer(request.headers.get("authorization", ""), endpoint.bearer):
                answer = _json({"message": "Unauthorized"}, status=401)
            else:
                answer = self._token(endpoint, self._turn(parts.path), audience)
            self._seen.append(Seen(path=parts.path, audience=audience, status=answer.status))
        return answer

    def _turn(self, path: str) -> int:
        """How many requests with the right bearer this endpoint has had."""
        return sum(seen.status != 401 for seen in self._seen if seen.path == path)

    def _public(self, path: str) -> Answer:
        if path == "/jwks":
            key: dict[str, Any] = RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
            return _json({"keys": [key | {"kid": self._kid, "use": "sig", "alg": "RS256"}]})
        if path == "/.well-known/openid-configuration":
            document = {
                "issuer": self.url,
                "jwks_uri": self.jwks_url,
                "response_types_supported": ["id_token"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            }
            return _json(document)
        return _json({"message": "Not Found"}, status=404)

    def _token(self, endpoint: _Endpoint, turn: int, audience: str | None) -> Answer:
        behaviour = endpoint.behaviour
        if turn < behaviour.pending:
            return _json({"message": "Can't issue ID_TOKEN for job in 'Pending' state"}, status=403)
        if turn < behaviour.pending + behaviour.unavailable:
            return _json({"message": "Service Unavailable"}, status=503)
        match behaviour.then:
            case "no-value":
                return _json({"count": 0})
            case "html":
                return Answer(status=200, body=b"<!doctype html><title>Sign in</title>", content_type="text/html")
            case "hang":
                return Answer(status=HANG)
            case "token":
                # GitHub's default audience is the URL of the repository's owner.
                default = f"https://github.com/{endpoint.claims.get('repository_owner', '')}"
                return _json({"value": self.mint(endpoint.claims, audience=audience or default)})


def _json(document: Mapping[str, object], *, status: int = 200) -> Answer:
    return Answer(status=status, body=json.dumps(document).encode())


def _is_bearer(authorization: str, bearer: str) -> bool:
    scheme, _, given = authorization.partition(" ")
    return scheme.lower() == "bearer" and secrets.compare_digest(given.encode(), bearer.encode())
