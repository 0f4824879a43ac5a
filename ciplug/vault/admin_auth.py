"""The JWT auth method: whose identity tokens a vault accepts, and what each role may do with one."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal

from ciplug.errors import UsageError
from ciplug.frozen import frozen
from ciplug.vault.admin_route import route

if TYPE_CHECKING:
    from collections.abc import Mapping


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
        with route(f"POST /v1/auth/{mount}/config"):
            self._client.auth.jwt.configure(
                path=mount,
                bound_issuer=bound_issuer,
                jwks_url=jwks_url,
                jwks_ca_pem=ca_pem if jwks_url else None,
                oidc_discovery_url=discovery_url,
                oidc_discovery_ca_pem=ca_pem if discovery_url else None,
            )

    def write_role(self, role: JwtRole, mount: str = "jwt") -> None:
        """Create or replace a role (``POST /v1/auth/{mount}/role/{name}``)."""
        with route(f"POST /v1/auth/{mount}/role/{role.name}"):
            self._client.auth.jwt.create_role(
                role.name,
                role.user_claim,
                allowed_redirect_uris=[],
                path=mount,
                bound_audiences=list(role.bound_audiences),
                bound_claims=dict(role.bound_claims),
                bound_claims_type=role.bound_claims_type,
                claim_mappings=dict(role.claim_mappings),
                token_policies=list(role.policies),
                token_type=role.token_type,
                token_ttl=role.ttl,
                token_max_ttl=role.max_ttl,
                clock_skew_leeway=role.leeway,
                expiration_leeway=role.leeway,
                not_before_leeway=role.leeway,
            )
