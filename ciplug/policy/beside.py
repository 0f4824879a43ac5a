"""What a vault has beside what is implied: left over from an earlier manifest, or made by others with its rights."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ciplug.errors import DeniedError, MissingError
from ciplug.policy.hcl import UnreadableError, read
from ciplug.policy.live import LeftOver, is_ours, policies_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ciplug.policy.live import Live
    from ciplug.policy.model import Implied
    from ciplug.vault.admin import Admin

    Others = Mapping[tuple[str, str], tuple[str, ...]]
    """The policies of each role that nothing implies, by mount and name."""


def look_beside(admin: Admin, implied: Implied, live: Live) -> Live:
    """`live` with what is left over and with strangers, as far as `admin`'s token may look; ``notes`` say how far."""
    notes: list[str] = []
    others: dict[tuple[str, str], tuple[str, ...]] = {}
    ours = {role.mount for role in implied.roles}
    for mount in [*sorted(ours), *_other_mounts(admin, ours, notes)]:
        try:
            others |= _other_roles(admin, implied, mount)
        except DeniedError as err:
            notes.append(f"other roles of auth/{mount} were not looked at: {err}")
        except MissingError:
            if mount in ours:
                raise  # and another one was deleted a moment ago
    stale: list[str] = []
    try:
        stale = _stale(admin, implied, others)
    except DeniedError as err:
        notes.append(f"what is left over of policies was not looked for: {err}")
    default = _default(admin, notes)
    known = {policy.name.lower() for policy in implied.policies} | set(stale)
    left = {role for role, policies in others.items() if policies == (role[1],) and role[1] in known}
    return replace(
        live,
        # Roles first: a policy that no role gives grants nothing.
        left_over=(
            *(LeftOver(what="role", name=name, mount=mount) for mount, name in sorted(left)),
            *(LeftOver(what="policy", name=name) for name in stale),
        ),
        strangers=_strangers({role: given for role, given in others.items() if role not in left}, known),
        default=default,
        notes=(*live.notes, *notes),
    )


def _other_mounts(admin: Admin, ours: Iterable[str], notes: list[str]) -> list[str]:
    try:
        return sorted(set(admin.jwt.mounts()) - set(ours))
    except DeniedError as err:
        notes.append(f"other auth mounts were not looked at: {err}")
        return []


def _default(admin: Admin, notes: list[str]) -> Mapping[str, frozenset[str]]:
    try:
        stored = admin.read_policy("default")
        return read(stored.text).rules if stored is not None else {}
    except (DeniedError, UnreadableError) as err:
        notes.append(f"the policy default, which every token has, was not looked at: {err}")
        return {}


def _other_roles(admin: Admin, implied: Implied, mount: str) -> Others:
    ours = {role.jwt.name.lower() for role in implied.roles if role.mount == mount}
    names = [name for name in admin.jwt.roles(mount) if name not in ours]
    return {(mount, name): policies_of(admin.jwt.read_role(name, mount) or {}) for name in names}


def _stale(admin: Admin, implied: Implied, others: Others) -> list[str]:
    """The policies that ciplug wrote for this project and that nothing implies any more.

    NOTE: only what a role gives, or what has a name of the same family, is read: a vault can have thousands of them.
    """
    wanted = {policy.name.lower() for policy in implied.policies}
    family = tuple({f"{name.partition('-')[0]}-" for name in wanted})
    given = {policy for policies in others.values() for policy in policies}
    found = []
    for name in sorted({name for name in admin.policies() if name.startswith(family) or name in given} - wanted):
        stored = admin.read_policy(name)
        if any(is_ours(policy, stored) for policy in implied.policies):
            found.append(name)
    return found


def _strangers(others: Others, known: Iterable[str]) -> dict[str, tuple[str, ...]]:
    shared = {f"{mount}/{name}": tuple(sorted(set(given) & set(known))) for (mount, name), given in others.items()}
    return {place: policies for place, policies in shared.items() if policies}
