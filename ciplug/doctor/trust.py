"""Whose tokens the auth method should trust: what the manifest and the CI host say, never what a token says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ciplug.identity.claims import show
from ciplug.manifest.model import Project
from ciplug.policy import hosts
from ciplug.policy.commands import bao

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ciplug.doctor.case import Door

UNREACHABLE_KEYS: Final = "the vault cannot reach the issuer's keys: check its egress, proxy or CA"
"""What to do where the vault could not verify any signature."""


def issuers(door: Door) -> Sequence[str]:
    """The issuers that the job's token may come from; those of all the project's hosts where its own is not known."""
    vault, project = door.manifest.vault, door.manifest.project or Project()
    kinds = [host for host in hosts.ALL if host.kind == door.kind] or hosts.named(project)
    found = [hosts.issuer(host, vault, project) for host in kinds] or [vault.issuer]
    return list(dict.fromkeys(filter(None, found)))


def trust_remedy(door: Door, claims: Mapping[str, Any], why: str = "") -> str:
    """The command that lets the auth method trust the CI host's issuer; none where the token has another issuer.

    Nobody has verified the token, so its word is not what a vault should be told to trust. `why` comes first where
    there is a command.
    """
    known, issuer = issuers(door), claims.get("iss")
    if not known:
        return "say in the manifest which issuer your CI host's tokens have (vault.issuer)"
    if issuer not in known:
        return (
            f"this token is not from your CI host's issuer, {' or '.join(map(show, known))}: take the token from the "
            "CI host itself (vault.issuer in the manifest says which issuer that is)"
        )
    fields = (f"{name}={issuer}" for name in ("oidc_discovery_url", "bound_issuer"))
    command = bao("write", f"auth/{door.mount}/config", *fields, namespace=door.namespace)
    return (
        f"{why}let the auth method trust your CI host's issuer, which replaces the configuration of this mount for "
        f"everybody: {command}"
    )
