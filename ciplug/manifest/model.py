"""A manifest once it is known to be right: immutable, every name in it resolved to something that exists."""

from __future__ import annotations

from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ciplug.errors import UsageError
from ciplug.frozen import frozen
from ciplug.manifest.grammar import ENVIRONMENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.manifest.refs import Ref

Claim = str | int | bool
"""A value that a claim of an identity token is compared with, exactly."""

DEFAULT_AUTH_MOUNT = "jwt"
DEFAULT_KV_MOUNT = "secret"
DEFAULT_KV_VERSION = 2
DEFAULT_DEADLINE = 30.0
"""Seconds."""

MAX_DEADLINE = 600.0
"""Seconds; also what ``CIPLUG_DEADLINE`` may ask for at most."""


@frozen
class Vault:
    """Where the vault is and how it is laid out. `deadline` is in seconds; `addresses` have no trailing slash.

    `addresses` is empty where the manifest leaves them to the environment. `auth_mounts` is by host kind; `auth_mount`
    is for the kinds it does not name, empty where the manifest gives none. `issuers` and `issuer` are likewise the
    ``iss`` claims of their tokens, where they are not the usual ones.
    """

    addresses: tuple[str, ...] = ()
    namespace: str | None = None
    auth_mount: str = DEFAULT_AUTH_MOUNT
    auth_mounts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    issuer: str = ""
    issuers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    audience: str
    kv_mount: str = DEFAULT_KV_MOUNT
    kv_version: int = DEFAULT_KV_VERSION
    shared: tuple[str, ...] = ()
    deadline: float = DEFAULT_DEADLINE

    def auth_mount_for(self, kind: str) -> str:
        """The auth mount that jobs on a host of `kind` log in at; raises ``UsageError`` where there is none."""
        mount = self.auth_mounts.get(kind, self.auth_mount)
        if not mount:
            raise UsageError(
                f"vault.auth_mount names no mount for the host {kind}",
                hint=f'add {kind} = "MOUNT" to vault.auth_mount, or default = "MOUNT" for every host it does not name',
            )
        return mount


@frozen
class Project:
    """Whose jobs may log in. `name` is the first part of default role names, empty where nothing gives one."""

    name: str = ""
    github: str | None = None
    github_id: int | None = None
    gitlab: str | None = None
    gitlab_id: int | None = None
    jenkins: str | None = None


@frozen
class Environment:
    """A part of the KV engine below `path`, and the claims a job must have to use it: any one value for each claim."""

    name: str
    path: str
    only_if: Mapping[str, tuple[Claim, ...]] = field(default_factory=lambda: MappingProxyType({}))


@frozen
class SecretSpec:
    """One variable of the catalogue. `environments` is empty for all; `rotate_every` is in seconds."""

    name: str
    ref: Ref
    environments: tuple[str, ...] = ()
    owner: str = ""
    description: str = ""
    rotate_every: int | None = None
    as_file: bool = False
    base64: bool = False
    optional: bool = False

    def is_in(self, environment: str) -> bool:
        """Whether the variable exists in the environment of that name."""
        return not self.environments or environment in self.environments


@frozen
class Job:
    """What one CI job may have: names from the catalogue, in one of its environments, through one vault role.

    `role` may hold ``{environment}``: then there is a role for each. `ttl` is the life of its vault tokens in seconds,
    ``None`` for the usual one.
    """

    name: str
    environments: tuple[str, ...]
    role: str
    secrets: tuple[str, ...]
    ttl: int | None = None

    def role_in(self, environment: str) -> str:
        """The vault role with which the job reads from the environment of that name."""
        return self.role.replace(ENVIRONMENT, environment)


@frozen
class Target:
    """One place on a deploy platform. `token` says where the platform's API token is; `options` are for its adapter.

    `ttl` is as a job's.
    """

    name: str
    platform: str
    environment: str
    role: str
    token: Ref
    secrets: tuple[str, ...]
    ttl: int | None = None
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@frozen
class Manifest:
    """A whole ``ciplug.toml``. Mappings keep the order of the file; `source` is the file's name for messages."""

    version: int
    vault: Vault
    project: Project | None
    environments: Mapping[str, Environment]
    secrets: Mapping[str, SecretSpec]
    jobs: Mapping[str, Job]
    targets: Mapping[str, Target]
    source: str
