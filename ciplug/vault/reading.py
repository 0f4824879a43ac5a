"""From a record to the route that reads it, and from the vault's answer to the record's contents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ciplug.errors import UsageError, VaultError
from ciplug.values import Contents, Lease

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.values import Record
    from ciplug.vault.answer import Answer


def quoted(path: str) -> str:
    """`path` for a URL, each segment on its own; ``UsageError`` for what a server might take for another path."""
    segments = path.strip("/").split("/")
    if any(segment in {"", ".", ".."} for segment in segments):
        raise UsageError(f"{path!r} is not a path in a vault", hint='segments are not empty, "." or ".."')
    return "/".join(quote(segment, safe="") for segment in segments)


def route(record: Record) -> str:
    """``/v1/{mount}/data/{path}[?version=N]`` in KV v2, ``/v1/{mount}/{path}`` in every other engine."""
    mount, path = quoted(record.mount), quoted(record.path)
    if record.engine != "kv2":
        return f"/v1/{mount}/{path}"
    query = f"?version={record.version}" if record.version is not None else ""
    return f"/v1/{mount}/data/{path}{query}"


def contents(record: Record, answer: Answer, ttl: float | None) -> Contents:
    """What `record` held. `ttl` is what the token has left, in seconds: no lease outlives it, whatever it says.

    ``VaultError`` where the answer is not the shape that the record's engine gives.
    """
    data = answer.body.get("data")
    if answer.body.get("wrap_info"):
        raise _odd(record, "the answer is response-wrapped", "do not set a wrapping TTL on the way to the vault")
    if record.engine == "kv2":
        return _versioned(record, data, answer.request_id)
    if not isinstance(data, dict):
        raise _odd(record, "the answer holds no data", "check that the path is one that can be read")
    return Contents(data=data, request_id=answer.request_id, lease=_lease(answer.body, ttl))


def _versioned(record: Record, data: Any, request_id: str) -> Contents:
    metadata = data.get("metadata") if isinstance(data, dict) else None
    if not isinstance(metadata, dict):
        # A KV v1 engine that happens to hold a record below data/.
        raise _odd(record, "the engine is not KV version 2", "set vault.kv_version = 1 in the manifest")
    # NOTE: deletion_time says nothing here. With delete_version_after a live version has one in the future, and what is
    # deleted is a 404.
    fields, version = data.get("data"), metadata.get("version")
    if not isinstance(fields, dict):
        raise _odd(record, "the version holds no data", "write a new version of the secret")
    return Contents(data=fields, request_id=request_id, version=version if isinstance(version, int) else None)


def _lease(body: Mapping[str, Any], ttl: float | None) -> Lease | None:
    lease_id, seconds = body.get("lease_id"), body.get("lease_duration")
    # KV v1 has a lease_duration, and no lease.
    if not isinstance(lease_id, str) or not lease_id:
        return None
    life = seconds if isinstance(seconds, int) else 0
    return Lease(
        id=lease_id,
        seconds=life if ttl is None else min(life, int(ttl)),
        renewable=body.get("renewable") is True,
    )


def _odd(record: Record, what: str, hint: str) -> VaultError:
    return VaultError(f"{record} cannot be read: {what}", hint=hint)
