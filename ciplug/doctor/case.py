"""What is looked at: one job on one host with the steps of its pipeline, and the door it has to go through."""

from __future__ import annotations

from dataclasses import field
from shlex import quote
from typing import TYPE_CHECKING

from ciplug.frozen import frozen
from ciplug.policy.hosts import named

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ciplug.hosts import Host
    from ciplug.manifest import JobGrant, Manifest
    from ciplug.net.proxy import ProxySettings
    from ciplug.net.tls import TlsSettings
    from ciplug.net.transport import Transport
    from ciplug.pipeline import Steps
    from ciplug.values import VaultToken
    from ciplug.vault.client import VaultClient


@frozen
class Door:
    """Where and as what a job logs in; `kind` is the word for its host in ``vault.auth_mount``.

    `namespace` is the vault's, empty where it is the root. `matching` is the role's ``bound_claims_type``, empty where
    nobody here could read it.
    """

    manifest: Manifest
    grant: JobGrant
    kind: str
    namespace: str = ""
    matching: str = ""

    @property
    def role(self) -> str:
        """The role's name; empty for a person."""
        return self.grant.role or ""

    @property
    def implied(self) -> bool:
        """Whether ``ciplug policy`` makes roles from the manifest, which it does where that says whose jobs."""
        return bool(named(self.manifest.project))

    @property
    def mount(self) -> str:
        """The auth mount; ``UsageError`` where the manifest names none for this host."""
        return self.manifest.vault.auth_mount_for(self.kind).strip("/")

    @property
    def asks(self) -> str:
        """How to ask for everything about this job."""
        job = f" --job {quote(self.grant.job)}" if self.grant.job else ""
        several = len(self.manifest.jobs[self.grant.job].environments) > 1 if self.grant.job else False
        return f"ciplug doctor{job}{f' --env {self.grant.environment.name}' if several else ''}"


@frozen
class Case:
    """One job, and with what it may be examined.

    `own` is a person's vault token beside the job's identity, to look at the role with. The keys of the token's issuer
    are fetched through the first of `transports` that trusts the issuer's certificate, in at most `seconds`. On GitLab
    CI and Jenkins the token is in `variable`. With `allow_exposure` somebody has accepted that the host may show what
    this run is handed.
    """

    steps: Steps
    door: Door
    host: Host
    client: VaultClient
    tls: TlsSettings
    proxies: ProxySettings
    transports: Sequence[Transport] = field(repr=False)
    seconds: float
    variable: str
    own: VaultToken | None = None
    allow_exposure: bool = False

    @property
    def grant(self) -> JobGrant:
        """What the job is granted."""
        return self.door.grant
