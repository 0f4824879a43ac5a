"""A plan carried out: each policy and role that is ciplug's to write, as long as it is still what was planned for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ciplug.errors import PolicyError
from ciplug.policy.hcl import render
from ciplug.policy.model import Policy
from ciplug.vault.admin import StoredPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ciplug.policy.model import Role
    from ciplug.policy.plan import Change
    from ciplug.vault.admin import Admin


def carry_out(admin: Admin, changes: Sequence[Change]) -> Iterator[Change]:
    """Make the changes in their order and yield each once it is made, so that a failure leaves none half known.

    ``PolicyError`` where there is something else by now than what was planned for. The next run finishes what is left.
    """
    for change in changes:
        if change.writes and not _write(admin, change):
            raise PolicyError(
                f"{change.what} {change.name} has changed since the plan was made, so it was left alone",
                hint="run it again",
            )
        if change.writes:
            yield change


def _write(admin: Admin, change: Change) -> bool:
    """Write it, if it is still as it was seen."""
    if isinstance(change.item, Policy):
        seen = change.seen if isinstance(change.seen, StoredPolicy) else None
        return admin.write_policy_if(change.item.name, render(change.item, denied=change.keeps), seen=seen)
    role: Role = change.item
    # NOTE: roles have no check-and-set; this look just before leaves open the time that one request takes.
    if admin.jwt.read_role(role.jwt.name, role.mount) != change.seen:
        return False
    admin.jwt.write_role(role.jwt, role.mount, leave=change.keeps)
    return True
