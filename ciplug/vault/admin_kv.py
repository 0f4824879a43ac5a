"""Key/value engines as an administrator sets them up and fills them."""

from __future__ import annotations

import time
from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal

from ciplug.errors import VaultError
from ciplug.frozen import frozen
from ciplug.vault.admin_route import route

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


_UPGRADE_SECONDS = 10.0
"""How long a new engine may take to be ready."""


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
        with route(f"POST /v1/{mount}/data/{path}"):
            answer = self._client.secrets.kv.v2.create_or_update_secret(path, dict(data), mount_point=mount)
        return int(answer["data"]["version"])

    def read(self, mount: str, path: str) -> Stored:
        """The newest version of a v2 record (``GET /v1/{mount}/data/{path}``)."""
        with route(f"GET /v1/{mount}/data/{path}"):
            try:
                answer = self._client.secrets.kv.v2.read_secret_version(
                    path, mount_point=mount, raise_on_deleted_version=False
                )
            except self._missing():
                return Stored(data=None, version=0)
        return Stored(data=answer["data"]["data"], version=int(answer["data"]["metadata"]["version"]))

    def write_if(self, mount: str, path: str, data: Mapping[str, object], *, version: int) -> int | None:
        """Write a v2 record if its newest version is still `version`, 0 for none; the new one, ``None`` if it is not.

        The route is ``POST /v1/{mount}/data/{path}`` with check-and-set.
        """
        try:
            with route(f"POST /v1/{mount}/data/{path}"):
                answer = self._client.secrets.kv.v2.create_or_update_secret(
                    path, dict(data), cas=version, mount_point=mount
                )
        except VaultError:
            # A check that fails is a 400 as well, told apart by its text alone.
            if self.read(mount, path).version != version:
                return None
            raise
        return int(answer["data"]["version"])

    @staticmethod
    def _missing() -> type[Exception]:
        from hvac.exceptions import InvalidPath

        missing: type[Exception] = InvalidPath
        return missing

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
