"""The one place that builds: settings and manifest in, everything a command's pipeline works with out."""

from __future__ import annotations

import functools
import os
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ciplug import __version__, hosts, manifest, settings
from ciplug.audit import AuditLog, Context, describe
from ciplug.errors import HandOverError, UsageError
from ciplug.frozen import frozen
from ciplug.identity.github import GitHubIdentity
from ciplug.identity.gitlab import GitLabIdentity
from ciplug.identity.given import GivenIdentity
from ciplug.identity.jenkins import JenkinsIdentity
from ciplug.identity.person import PersonIdentity
from ciplug.identity.variable import names
from ciplug.net.proxy import ProxySettings
from ciplug.net.transport import Transport
from ciplug.pipeline import Steps
from ciplug.private import roots
from ciplug.values import IdToken
from ciplug.vault.client import VaultClient
from ciplug.vault.session import Session, login

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ciplug.cli.invocation import Invocation
    from ciplug.cli.report import Report
    from ciplug.contracts import IdentitySource
    from ciplug.hosts import Host
    from ciplug.hosts.facts import Checkout
    from ciplug.manifest import JobGrant, Manifest
    from ciplug.sessions import OpenSession, SessionStore
    from ciplug.settings import Settings
    from ciplug.values import Identity, Secret

HURRY_SECONDS = 2.0
"""What a vault request in flight is still given once a signal asks ciplug to end."""


@frozen
class Task:
    """One job's (or person's) grant with the steps to deliver it, and what a command may want to know besides."""

    settings: Settings
    manifest: Manifest
    grant: JobGrant
    host: Host
    steps: Steps
    client: VaultClient
    secret_zero: tuple[str, ...]
    """Names of variables that hold this host's ID token, beside the well-known ones."""

    @property
    def store(self) -> SessionStore:
        """Where this job notes what outlives a command."""
        return open_store(self.settings)


@contextmanager
def open_task(
    command: str, invocation: Invocation, *, job: str | None, environment: str | None, whole: bool = False
) -> Iterator[Task]:
    """What `command` needs to work on one job; with `whole` and no job, on the whole catalogue of an environment."""

    def granted(config: Settings, declared: Manifest, host: Host) -> list[JobGrant]:
        chosen = environment or config.environment or None
        if whole and not job:
            return [manifest.grant_all(declared, chosen)]
        return [manifest.grant(declared, _job(config, declared, host, job), chosen)]

    with open_tasks(command, invocation, granted) as [task]:
        yield task


@contextmanager
def open_tasks(
    command: str, invocation: Invocation, granted: Callable[[Settings, Manifest, Host], Sequence[JobGrant]]
) -> Iterator[list[Task]]:
    """The same for each grant that `granted` chooses, all through one client of the vault."""
    config = settings.load(invocation.env, invocation.manifest)
    declared = manifest.load(config.manifest)
    host = hosts.detect(config.env)
    grants = granted(config, declared, host)
    transport = _transport(config)
    client = _client(config, declared, transport, invocation.report)
    try:
        yield [
            Task(
                settings=config,
                manifest=declared,
                grant=grant,
                host=host,
                steps=_steps(command, invocation, config, declared, host, grant, client),
                client=client,
                secret_zero=names(config.id_token_variable, declared.vault.audience),
            )
            for grant in grants
        ]
    finally:
        transport.close()


def refuse_exposed(task: Task) -> None:
    """``HandOverError`` where the host would show whatever this run is handed, and nobody has accepted that."""
    if task.host.exposure and not task.settings.allow_debug_trace:
        raise HandOverError(task.host.exposure, hint=hosts.EXPOSED)


def open_store(config: Settings) -> SessionStore:
    """Where what a ``fetch`` leaves open is noted: in the host's own temporary directory, else in memory."""
    from ciplug.sessions import SessionStore

    host = hosts.detect(config.env)
    if config.state_dir:
        root = Path(config.state_dir)
    elif host.temp:
        root = Path(host.temp) / "ciplug"
    else:
        root = next(iter(roots(config.env)), Path("/tmp")) / f"ciplug-{os.getuid()}"  # noqa: S108  # checked to be ours
    return SessionStore(root, host, config.manifest)


def open_audit(config: Settings, warn: Callable[[str], None]) -> AuditLog:
    """The audit log that the environment asks for; ``AuditError`` where it is required and has nowhere to go."""
    return AuditLog(config.audit, required=config.audit_required, warn=warn, version=__version__)


def revoke_session(config: Settings, session: OpenSession, token: Secret) -> None:
    """End a session that another command left open; ``CiplugError`` where the vault does not confirm it."""
    transport = _transport(config)
    try:
        client = VaultClient(session.addresses, transport=transport, namespace=session.namespace)
        ttl = session.expires - time.time() if session.expires else None
        Session(client, token, ours=True, ttl=ttl).revoke()
    finally:
        transport.close()


def _sources(config: Settings, host: Host, invocation: Invocation) -> Sequence[IdentitySource]:
    """Every identity source, in the order in which it is asked: what was handed over explicitly comes first."""
    env = config.env
    return (
        GivenIdentity(env),
        GitHubIdentity(env, lambda: Transport(proxies=proxies(config)), sleep=invocation.signals.sleep),
        GitLabIdentity(env, config.id_token_variable),
        JenkinsIdentity(env, config.id_token_variable),
        PersonIdentity(env, ci=host.ci),
    )


def _job(config: Settings, declared: Manifest, host: Host, job: str | None) -> str:
    """``--job``, then ``CIPLUG_JOB``, then the host's own name for the job where the manifest has it."""
    chosen = job or config.job or (host.job if host.job in declared.jobs else "")
    if not chosen:
        where = f" ({host.label} calls it {host.job!r})" if host.job else ""
        raise UsageError(
            f"no job is chosen{where}", hint=f"choose with --job or CIPLUG_JOB: {', '.join(declared.jobs)}"
        )
    return chosen


def _steps(
    command: str,
    invocation: Invocation,
    config: Settings,
    declared: Manifest,
    host: Host,
    grant: JobGrant,
    client: VaultClient,
) -> Steps:
    vault = declared.vault

    def log_in(identity: Identity, role: str) -> Session:
        if not isinstance(identity, IdToken):
            return Session.from_token(client, identity.token)
        if not role:
            raise UsageError("an ID token logs in to a job's role, and no job was chosen", hint="choose one with --job")
        return login(client, vault.auth_mount_for(host.kind), role, identity.token, sleep=invocation.signals.sleep)

    def context(identity: Identity) -> Context:
        return describe(
            command,
            claims=identity.claims if isinstance(identity, IdToken) else {},
            identity=identity.source,
            host=host,
            environment=grant.environment.name,
            job=grant.job or "",
            vault={"address": str(client.addresses[0]), "namespace": client.namespace},
            checkout=functools.partial(_checkout, config.manifest),
        )

    return Steps(
        sources=_sources(config, host, invocation),
        audience=vault.audience,
        login=log_in,
        hurry=lambda: _hurry(client),
        audit=open_audit(config, invocation.report.warn),
        context=context,
        signals=invocation.signals,
        warn=invocation.report.warn,
    )


def _client(config: Settings, declared: Manifest, transport: Transport, report: Report) -> VaultClient:
    for address in config.addresses:
        if problem := manifest.address_problem(address):
            raise UsageError(f"VAULT_ADDR or BAO_ADDR {problem}", hint="for example https://vault.example.com:8200")
    addresses = config.addresses or declared.vault.addresses
    if not addresses:
        raise UsageError("no vault address", hint="set vault.address in the manifest, or VAULT_ADDR")
    return VaultClient(
        addresses,
        transport=transport,
        namespace=config.namespace or declared.vault.namespace or "",
        deadline=config.deadline or declared.vault.deadline,
        notify=report.say,
        warn=report.warn,
    )


def _hurry(client: VaultClient) -> None:
    """Leave what is under way a last moment, then end it. On a timer: the main thread may be blocked in it."""
    timer = threading.Timer(HURRY_SECONDS, client.transport.abort, [client.deadline])
    timer.daemon = True
    timer.start()


def _transport(config: Settings) -> Transport:
    return Transport(tls=config.tls, proxies=proxies(config))


def proxies(config: Settings) -> ProxySettings:
    """The proxies that the environment names."""
    return ProxySettings.from_mapping(config.proxies)


def _checkout(manifest_path: Path) -> Checkout:
    from ciplug.hosts.checkout import describe as describe_checkout

    return describe_checkout(manifest_path.absolute().parent)
