"""The JWT auth method: whose identity tokens a vault accepts, and what each role may do with one."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote

from ciplug.errors import MissingError, UsageError
from ciplug.frozen import frozen
from ciplug.vault.admin_route import field as field_of
from ciplug.vault.admin_route import route

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_TYPES: Final = frozenset({"jwt", "oidc"})
"""Two names of the one method."""


@frozen
class JwtRole:
    """A role of type ``jwt``. `ttl` and `max_ttl` are seconds; a value of `bound_claims` may be a list, meaning any.

    `claim_mappings` (claim to metadata key) are what the audit log shows in clear for every request of the token.
    `user_claim` must be a string in the token. `leeway` is the clock skew allowed in seconds: the vault's own 60 for
    ``None``, and none at all for -1.
    """

    name: str
    bound_audiences: tuple[str, ...]
    bound_claims: Mapping[str, object]
    policies: tuple[str, ...]
    user_claim: str = "sub"
    claim_mappings: Mapping[str, str] = field(default_factory=dict)
    bound_claims_type: Literal["string", "glob"] = "string"
    token_type: Literal["service", "batch"] = "service"  # noqa: S105  # a kind of token, not one
    ttl: int = 300
    max_ttl: int = 3600
    leeway: int | None = None


class JwtAdmin:
    """The verbs of the JWT auth method, on mounts given by name."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def enable(self, mount: str = "jwt") -> None:
        """Enable the method at `mount` (``POST /v1/sys/auth/{mount}``)."""
        with route(f"POST /v1/sys/auth/{mount}"):
            self._client.sys.enable_auth_method("jwt", path=mount)

    def configure(
        self,
        mount: str = "jwt",
        *,
        bound_issuer: str,
        jwks_url: str | None = None,
        discovery_url: str | None = None,
        ca_pem: str | None = None,
    ) -> None:
        """Trust the keys at `jwks_url`, or those that `discovery_url` leads to; the vault fetches them at once.

        `ca_pem` is the certificate authority of that URL. `bound_issuer` is not optional, since a vault without it
        accepts any ``iss``, even with a discovery URL. The route is ``POST /v1/auth/{mount}/config``.
        """
        if (jwks_url is None) == (discovery_url is None):
            raise UsageError("either a JWKS URL or a discovery URL configures the JWT method, not both or neither")
        if jwks_url:
            keys = {"jwks_url": jwks_url, "jwks_ca_pem": ca_pem}
        else:
            keys = {"oidc_discovery_url": discovery_url, "oidc_discovery_ca_pem": ca_pem}
        with route(f"POST /v1/auth/{mount}/config"):
            self._client.auth.jwt.configure(path=mount, bound_issuer=bound_issuer, **keys)

    def mounts(self) -> Mapping[str, Mapping[str, Any]]:
        """How every mount is tuned that takes JSON web tokens, of jobs or of people (``GET /v1/sys/auth``)."""
        line = "GET /v1/sys/auth"
        with route(line):
            answer = self._client.adapter.get("/v1/sys/auth")
        found: Mapping[str, Any] = field_of(line, answer, "data")
        return {
            path.rstrip("/"): about.get("config") or {}
            for path, about in found.items()
            if isinstance(about, dict) and about.get("type") in _TYPES
        }

    def write_role(self, role: JwtRole, mount: str = "jwt", *, leave: Collection[str] = ()) -> None:
        """Create or replace a role (``POST /v1/auth/{mount}/role/{name}``).

        Nothing is left of an earlier one but the fields named in `leave`, which stay as they are.
        """
        fields = {name: value for name, value in document(role).items() if name not in leave}
        with route(f"POST /v1/auth/{mount}/role/{role.name}"):
            self._client.adapter.post(_role_url(mount, role.name), json=fields)

    def read_role(self, name: str, mount: str = "jwt") -> Mapping[str, Any] | None:
        """A role's fields, ``None`` where there is none of that name (``GET /v1/auth/{mount}/role/{name}``).

        ``MissingError`` where it is the mount that is not there.
        """
        return self._read(f"GET /v1/auth/{mount}/role/{name}", _role_url(mount, name))

    def read_config(self, mount: str = "jwt") -> Mapping[str, Any] | None:
        """Whose tokens the method trusts, ``None`` before it was told (``GET /v1/auth/{mount}/config``).

        ``MissingError`` where it is the mount that is not there.
        """
        return self._read(f"GET /v1/auth/{mount}/config", f"/v1/auth/{quote(mount)}/config")

    def roles(self, mount: str = "jwt") -> tuple[str, ...]:
        """The name of every role (``LIST /v1/auth/{mount}/role``); ``MissingError`` where there is no such mount."""
        from hvac.exceptions import InvalidPath

        line = f"LIST /v1/auth/{mount}/role"
        with route(line):
            try:
                answer = self._client.adapter.list(f"/v1/auth/{quote(mount)}/role")
            except InvalidPath as err:
                if err.errors:
                    raise
                return ()
        return tuple(field_of(line, answer, "data", "keys"))

    def cel_roles(self, mount: str = "jwt") -> tuple[str, ...]:
        """The name of every role whose policies a program chooses (``LIST /v1/auth/{mount}/cel/role``).

        None for any 404: HashiCorp's Vault knows no such roles, and answers as it does for a mount that is not there.
        Source: https://openbao.org/api-docs/auth/jwt/
        """
        line = f"LIST /v1/auth/{mount}/cel/role"
        try:
            with route(line):
                answer = self._client.adapter.list(f"/v1/auth/{quote(mount)}/cel/role")
        except MissingError:
            return ()
        return tuple(field_of(line, answer, "data", "keys"))

    def read_cel_role(self, name: str, mount: str = "jwt") -> Mapping[str, Any] | None:
        """Such a role's fields, its program among them, ``None`` where there is none of that name.

        The route is ``GET /v1/auth/{mount}/cel/role/{name}``.
        """
        url = f"/v1/auth/{quote(mount)}/cel/role/{quote(name, safe='')}"
        return self._read(f"GET /v1/auth/{mount}/cel/role/{name}", url)

    def _read(self, line: str, url: str) -> Mapping[str, Any] | None:
        from hvac.exceptions import InvalidPath

        with route(line):
            try:
                answer = self._client.adapter.get(url)
            except InvalidPath as err:
                if err.errors:
                    raise  # there is no such mount
                return None
        data: Mapping[str, Any] = field_of(line, answer, "data")
        return data


def document(role: JwtRole) -> dict[str, Any]:
    """The role as the API takes it, with every field that bears on who may log in and what for.

    NOTE: all of them, because a field that is left out of a write stays as it was.
    Source: https://openbao.org/api-docs/auth/jwt/#create-update-role
    """
    return {**_conditions(role), **_token(role)}


def _conditions(role: JwtRole) -> dict[str, Any]:
    """Who may log in."""
    leeway = role.leeway or 0  # for which the vault takes its own
    return {
        "role_type": "jwt",
        "user_claim": role.user_claim,
        "user_claim_json_pointer": False,
        "bound_audiences": list(role.bound_audiences),
        "bound_subject": "",
        "bound_claims": {
            claim: list(value) if isinstance(value, tuple) else value for claim, value in role.bound_claims.items()
        },
        "bound_claims_type": role.bound_claims_type,
        "claim_mappings": dict(role.claim_mappings),
        "groups_claim": "",
        "allowed_redirect_uris": [],
        "clock_skew_leeway": leeway,
        "expiration_leeway": leeway,
        "not_before_leeway": leeway,
    }


def _token(role: JwtRole) -> dict[str, Any]:
    """What the token is that a login gives."""
    return {
        "token_policies": list(role.policies),
        "token_policies_template_claims": False,
        "token_no_default_policy": False,
        "token_type": role.token_type,
        "token_ttl": role.ttl,
        "token_max_ttl": role.max_ttl,
        "token_explicit_max_ttl": 0,
        "token_period": 0,
        "token_num_uses": 0,
        "token_bound_cidrs": [],
        "token_strictly_bind_ip": False,
    }


def _role_url(mount: str, name: str) -> str:
    return f"/v1/auth/{quote(mount)}/role/{quote(name, safe='')}"
