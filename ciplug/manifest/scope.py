"""How far a ref reaches: the record it means in an environment, and no way out of that environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ciplug.errors import ManifestError
from ciplug.manifest.grammar import VAULT_MOUNTS
from ciplug.values import Record

if TYPE_CHECKING:
    from ciplug.manifest.model import Environment, Vault
    from ciplug.manifest.refs import Ref
    from ciplug.values import Engine


def resolve(ref: Ref, vault: Vault, environment: Environment) -> Record:
    """The record that `ref` means in `environment`; raises ``ManifestError`` where it would leave its scope."""
    problem = scope_problem(ref, vault)
    if problem:
        raise ManifestError(f"{ref}: {problem}")
    if ref.mount is not None:
        return Record(mount=ref.mount, path=ref.path, engine="other")
    path = ref.path if ref.from_root else f"{environment.path}/{ref.path}"
    engine: Engine = "kv2" if vault.kv_version == 2 else "kv1"
    return Record(mount=vault.kv_mount, path=path, engine=engine, version=ref.version)


def scope_problem(ref: Ref, vault: Vault) -> str | None:
    """Why `ref` may not be used with `vault`: it leaves its environment, or asks the KV engine for what it has not."""
    if ref.mount is not None:
        return _engine_problem(ref.mount, ref.path, vault.kv_mount)
    if ref.from_root and not any(is_within(ref.path, shared) for shared in vault.shared):
        return "must be inside one of vault.shared: // may not reach into environments"
    if ref.version is not None and vault.kv_version == 1:
        return "must not pin a version: kv_version = 1 keeps none"
    return None


def is_within(path: str, parent: str) -> bool:
    """Whether `path` is `parent` or below it, by whole segments."""
    return path == parent or path.startswith(f"{parent}/")


def _engine_problem(mount: str, path: str, kv_mount: str) -> str | None:
    # Compared as one path: with kv_mount = "team/kv", the ref team:kv/data/x would address the KV engine as well.
    if is_within(f"{mount}/{path}", kv_mount):
        return "must not name the KV mount: write the path alone, relative to the environment"
    if mount == "identity" and path.startswith("oidc/token/"):
        return None
    # Any segment: a mount may be preceded by the path of a namespace, as in acme/sys.
    if any(segment in VAULT_MOUNTS for segment in mount.split("/")):
        own = ", ".join(VAULT_MOUNTS)
        return f"must not name one of the vault's own mounts: {own} (but for identity:oidc/token/)"
    return None
