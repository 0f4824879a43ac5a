"""What is looked at: one job on one host with the steps of its pipeline, and the door it has to go through."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from ciplug.frozen import frozen
from ciplug.values import IdToken

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ciplug.hosts import Host
    from ciplug.manifest import JobGrant, Manifest
    from ciplug.net.proxy import ProxySettings
    from ciplug.net.tls import TlsSettings
    from ciplug.net.transport import Transport
    from ciplug.pipeline import Steps
    from ciplug.values import Identity, VaultToken
    from ciplug.vault.client import VaultClient

_EXACT = 2**53
"""From here on a JSON number need not be what its sender wrote."""


@frozen
class Door:
    """Where and as what a job logs in; `kind` is the word for its host in ``vault.auth_mount``.

    `namespace` is the vault's, empty where it is the root.
    """

    manifest: Manifest
    grant: JobGrant
    kind: str
    namespace: str = ""

    @property
    def role(self) -> str:
        """The role's name; empty for a person."""
        return self.grant.role or ""

    @property
    def mount(self) -> str:
        """The auth mount; ``UsageError`` where the manifest names none for this host."""
        return self.manifest.vault.auth_mount_for(self.kind).strip("/")

    @property
    def asks(self) -> str:
        """How to ask for everything about this job."""
        job = f" --job {self.grant.job}" if self.grant.job else ""
        several = len(self.manifest.jobs[self.grant.job].environments) > 1 if self.grant.job else False
        return f"ciplug doctor{job}{f' --env {self.grant.environment.name}' if several else ''}"


@frozen
class Case:
    """One job, and with what it may be examined.

    `own` is a person's vault token beside the job's identity, to look at the role with. The keys of the token's issuer
    are fetched through the first of `transports` that trusts the issuer's certificate, in at most `seconds`. With
    `allow_exposure` somebody has accepted that the host may show what this run is handed.
    """

    steps: Steps
    door: Door
    host: Host
    client: VaultClient
    tls: TlsSettings
    proxies: ProxySettings
    transports: Sequence[Transport] = field(repr=False)
    seconds: float
    own: VaultToken | None = None
    allow_exposure: bool = False

    @property
    def grant(self) -> JobGrant:
        """What the job is granted."""
        return self.door.grant


def claims_of(identity: Identity) -> Mapping[str, Any]:
    """The claims of an ID token; a person's vault token has none."""
    return identity.claims if isinstance(identity, IdToken) else {}


def moment(claims: Mapping[str, Any], name: str) -> float | None:
    """The time in claim `name`, in seconds; ``None`` for what no clock shows, such as a number of 400 digits."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _EXACT:
        return None
    return value
