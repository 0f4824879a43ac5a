"""One policy with a role at each of two mounts, and what a vault may have in their place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ciplug.policy.hcl import render
from ciplug.policy.live import Live
from ciplug.policy.model import Implied, Policy, Role
from ciplug.vault.admin import StoredPolicy
from ciplug.vault.admin_auth import JwtRole, document

if TYPE_CHECKING:
    from collections.abc import Mapping

POLICY = Policy(
    name="shop-test",
    owner="jobs.test",
    project="acme/shop",
    ids=("github:acme/shop",),
    rules={"secret/data/db": frozenset({"read"})},
)
ROLE = JwtRole(
    name="shop-test",
    bound_audiences=("https://vault.acme.dev",),
    bound_claims={"repository": "acme/shop"},
    policies=("shop-test",),
    ttl=300,
    max_ttl=300,
)
ROLES = tuple(Role(host=host, mount=f"jwt-{host}", policy="shop-test", jwt=ROLE) for host in ("github", "gitlab"))
IMPLIED = Implied(policies=(POLICY,), roles=ROLES)
MARKED = render(POLICY)


def live(text: str | None, github: Mapping[str, Any] | None, gitlab: Mapping[str, Any] | None) -> Live:
    return Live(
        policies={"shop-test": None if text is None else StoredPolicy(text=text, version=3)},
        roles={("jwt-github", "shop-test"): github, ("jwt-gitlab", "shop-test"): gitlab},
    )


def role(**fields: object) -> dict[str, Any]:
    return document(ROLE) | fields


FOREIGN = 'path "secret/data/db" { capabilities = ["read"] }\n'
OTHERS = MARKED.replace("acme/shop", "acme/blog")
"""What ciplug wrote for another project."""

WIDE = f'{MARKED}path "*" {{ capabilities = ["sudo"] }}\n'
LONG = role(token_ttl=3600)
SECOND = role(token_policies=["shop-test", "admin"])
EARLIER = MARKED.replace("{", "{ ").replace("secret/data/db", "secret/data/old")
"""What allows another path than is implied: less, and more."""
DENIED = MARKED.replace("read", "deny")
