"""What the login may do on every record, asked in one request, and what allows what it may not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ciplug.policy.hcl import rule
from ciplug.policy.rights import READ, rule_path
from ciplug.values import IdToken
from ciplug.vault.inspect import LOOK_SECONDS, capabilities

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ciplug.doctor.case import Door
    from ciplug.values import Grant, Identity, Secret
    from ciplug.vault.client import VaultClient

_ENOUGH = {"read", "root", "sudo"}


def denied(client: VaultClient, token: Secret, grants: Iterable[Grant]) -> Mapping[str, str]:
    """The paths that `token` may not read, as a policy names them, by the record that is there."""
    paths = {str(item.record): rule_path(item.record) for item in grants}
    allowed = capabilities(client, token, list(dict.fromkeys(paths.values())), seconds=LOOK_SECONDS)
    return {record: path for record, path in paths.items() if not _ENOUGH.intersection(allowed[path])}


def remedy(paths: Iterable[str], door: Door, identity: Identity, shown: int) -> Sequence[str]:
    """How to let the login read `paths`: what to do, then the first `shown` lines of a policy for that."""
    wanted = list(dict.fromkeys(paths))
    job = isinstance(identity, IdToken)
    holder = f"role {door.role}" if job else "your own vault login"
    first = "run `ciplug policy --apply`, or " if job and door.implied else ""
    more = len(wanted) - shown
    whole = ", which `ciplug policy` prints" if door.implied else " in the same way"
    return (
        f"{first}add to a policy of {holder} what it lacks",
        *(rule(path, READ) for path in wanted[:shown]),
        *([f"and {more} more{whole}"] if more > 0 else []),
    )
