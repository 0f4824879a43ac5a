"""A plan carried out: each policy and role that is ciplug's to write, as long as it is still what was planned for."""

from __future__ import annotations

from dataclasses import replace
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

    What has a half is yielded for that first, as a change that ``is_half``. ``PolicyError`` where there is something
    else by now than what was planned for. The next run finishes what is left.
    """
    left: dict[str, StoredPolicy] = {}
    for change in changes:
        if change.half is not None:
            half = replace(change, item=change.half, half=None, is_half=True)
            left[change.name] = _begin(admin, half)
            yield half
    for change in changes:
        if change.writes:
            seen = change.seen if change.half is None else left[change.name]
            if not _write(admin, replace(change, seen=seen)):
                raise _changed(change)
            yield change


def _begin(admin: Admin, half: Change) -> StoredPolicy:
    """Write the half of a policy, and what the vault has of it then."""
    if not _write(admin, half):
        raise _changed(half)
    stored = admin.read_policy(half.name)
    if stored is None or stored.text != _text(half):
        raise _changed(half)
    return stored


def _write(admin: Admin, change: Change) -> bool:
    """Write it, if it is still as it was seen."""
    if isinstance(change.item, Policy):
        seen = change.seen if isinstance(change.seen, StoredPolicy) else None
        return admin.write_policy_if(change.item.name, _text(change), seen=seen)
    role: Role = change.item
    # NOTE: roles have no check-and-set; this look just before leaves open the time that one request takes.
    if admin.jwt.read_role(role.jwt.name, role.mount) != change.seen:
        return False
    admin.jwt.write_role(role.jwt, role.mount, leave=change.keeps)
    return True


def _text(change: Change) -> str:
    return render(change.item, denied=change.keeps) if isinstance(change.item, Policy) else ""


def _changed(change: Change) -> PolicyError:
    return PolicyError(
        f"{change.what} {change.name} has changed since the plan was made, so it was left alone", hint="run it again"
    )
