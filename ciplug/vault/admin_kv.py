"""Key/value engines as an administrator sets them up and fills them."""

from __future__ import annotations

import time
from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote

from ciplug.errors import DeniedError, VaultError
from ciplug.frozen import frozen
from ciplug.vault.admin_route import route

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


_UPGRADE_SECONDS = 10.0
"""How long a new engine may take to be ready."""
_LAG_SECONDS = 10.0
"""How long a node may know of fewer versions than this side: nearly nine seconds while a cluster elects a leader."""
_PAUSE_SECONDS = 0.05
_CHANGED = "check-and-set parameter did not match"
"""What tells a check that fails from every other 400."""


@frozen
class Stored:
    """A record as it is stored. `version` is 0 where it never was, `data` is ``None`` where it is not (any more)."""

    data: Mapping[str, Any] | None = field(repr=False)
    version: int


class KvAdmin:
    """The verbs of KV v1 and v2, on mounts given by name."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def mount(self, mount: str, *, version: Literal[1, 2] = 2) -> None:
        """Mount a new engine (``POST /v1/sys/mounts/{mount}``), ready to be written when this returns."""
        with route(f"POST /v1/sys/mounts/{mount}"):
            self._client.sys.enable_secrets_engine("kv", path=mount, options={"version": str(version)})
        if version == 2:
            self._await_upgrade(mount)

    def _await_upgrade(self, mount: str) -> None:
        """``GET /v1/{mount}/config`` until it answers: a new v2 engine says 400 ("Upgrading …") for a moment."""
        until = time.monotonic() + _UPGRADE_SECONDS
        while True:
            try:
                with route(f"GET /v1/{mount}/config"):
                    self._client.secrets.kv.v2.read_configuration(mount_point=mount)
            except VaultError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.02)
            else:
                return

    def write(self, mount: str, path: str, data: Mapping[str, object]) -> int:
        """Write a record on a v2 mount and give its new version (``POST /v1/{mount}/data/{path}``)."""
        line = f"POST /v1/{mount}/data/{path}"
        with route(line):
            answer = self._client.secrets.kv.v2.create_or_update_secret(path, dict(data), mount_point=mount)
        return _version(line, answer)

    def read(self, mount: str, path: str) -> Stored:
        """The newest version of a v2 record (``GET /v1/{mount}/data/{path}``).

        ``VaultError`` for a mount that is no v2 engine. A v1 engine says of an absent record what a v2 engine says, so
        the mount is looked up then, as far as the token may (``GET /v1/sys/internal/ui/mounts/{mount}``).
        """
        from hvac.exceptions import InvalidPath

        line = f"GET /v1/{mount}/data/{path}"
        with route(line):
            try:
                answer = self._client.secrets.kv.v2.read_secret_version(
                    path, mount_point=mount, raise_on_deleted_version=False
                )
            except InvalidPath as err:
                if err.errors:
                    raise  # there is no such mount, or no such namespace
                # A version that was destroyed is told apart from none by what the 404 says of it.
                answer = err.json
        match answer:
            case {"data": {"data": None | dict() as data, "metadata": {"version": int(version)}}}:
                return Stored(data=data, version=version)
            case {"errors": []}:
                self._check_versioned(mount)
                return Stored(data=None, version=0)
        raise _unversioned(line)

    def _check_versioned(self, mount: str) -> None:
        line = f"GET /v1/sys/internal/ui/mounts/{mount}"
        try:
            with route(line):
                answer = self._client.adapter.get(f"/v1/sys/internal/ui/mounts/{quote(mount)}")
        except DeniedError:
            return  # who may not look finds out when the write is answered
        match answer:
            case {"data": {"options": {"version": "2"}}}:
                return
        raise _unversioned(line)

    def write_if(self, mount: str, path: str, data: Mapping[str, object], *, version: int) -> int | None:
        """Write a v2 record if its newest version is still `version`, 0 for none; the new one, ``None`` if it is not.

        The route is ``POST /v1/{mount}/data/{path}`` with check-and-set. A record that has become exactly `data` in
        one step counts as written: it is what is there after a write that was repeated because its answer was lost.
        """
        until = time.monotonic() + _LAG_SECONDS
        while (written := self._write_checked(mount, path, data, version)) is None:
            stored = self.read(mount, path)
            if stored.version > version or time.monotonic() > until:
                return stored.version if stored == Stored(data=dict(data), version=version + 1) else None
            # NOTE: a standby checks against its own copy, and only then passes the write on to the leader.
            time.sleep(_PAUSE_SECONDS)
        return written

    def _write_checked(self, mount: str, path: str, data: Mapping[str, object], version: int) -> int | None:
        from hvac.exceptions import InvalidRequest

        line = f"POST /v1/{mount}/data/{path}"
        with route(line):
            try:
                answer = self._client.secrets.kv.v2.create_or_update_secret(
                    path, dict(data), cas=version, mount_point=mount
                )
            except InvalidRequest as err:
                if any(_CHANGED in text for text in err.errors or ()):
                    return None
                raise
        return _version(line, answer)

    def write_v1(self, mount: str, path: str, data: Mapping[str, object]) -> None:
        """Write a record on a v1 mount (``POST /v1/{mount}/{path}``)."""
        with route(f"POST /v1/{mount}/{path}"):
            self._client.secrets.kv.v1.create_or_update_secret(path, dict(data), method="POST", mount_point=mount)

    def delete(self, mount: str, path: str, versions: Sequence[int]) -> None:
        """Delete versions of a v2 record, so that they could be brought back (``POST /v1/{mount}/delete/{path}``)."""
        with route(f"POST /v1/{mount}/delete/{path}"):
            self._client.secrets.kv.v2.delete_secret_versions(path, list(versions), mount_point=mount)

    def destroy(self, mount: str, path: str, versions: Sequence[int]) -> None:
        """Destroy versions of a v2 record for good (``POST /v1/{mount}/destroy/{path}``)."""
        with route(f"POST /v1/{mount}/destroy/{path}"):
            self._client.secrets.kv.v2.destroy_secret_versions(path, list(versions), mount_point=mount)


def _version(line: str, answer: object) -> int:
    """The version that a write made."""
    match answer:
        case {"data": {"version": int(version)}}:
            return version
    raise _unversioned(line)


def _unversioned(line: str) -> VaultError:
    return VaultError(
        f"{line}: this is not what a KV version 2 engine answers",
        hint="name a KV version 2 mount: version 1 keeps no versions to check a write against",
    )
