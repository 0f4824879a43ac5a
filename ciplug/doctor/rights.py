"""What the login may do on every record, asked in one request, and the policy's line where it may not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ciplug.vault.inspect import capabilities
from ciplug.vault.reading import route

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ciplug.doctor.case import Door
    from ciplug.values import Grant, Secret
    from ciplug.vault.client import VaultClient

_ENOUGH = {"read", "root", "sudo"}


def denied(client: VaultClient, token: Secret, grants: Iterable[Grant]) -> Mapping[str, str]:
    """The paths that `token` may not read, by the record that is there."""
    paths = {str(item.record): route(item.record).removeprefix("/v1/").partition("?")[0] for item in grants}
    allowed = capabilities(client, token, list(paths.values()))
    return {record: path for record, path in paths.items() if not _ENOUGH.intersection(allowed[path])}


def remedy(path: str, door: Door, *, job: bool) -> str:
    """The line for a policy; of the job's role, or of a person's own login."""
    holder = f"role {door.role} (or run `ciplug policy --apply`)" if job else "your own vault login"
    return f"add to a policy of {holder}:  {line(path)}"


def line(path: str) -> str:
    """What a policy says to allow reading at `path`."""
    return f'path "{path}" {{ capabilities = ["read"] }}'
