"""What a vault has beside what is implied: left over from an earlier manifest, or made by others with its rights."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ciplug.errors import DeniedError, MissingError
from ciplug.policy import mark
from ciplug.policy.hcl import UnreadableError, read
from ciplug.policy.live import LiveItem, policies_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ciplug.policy.live import Live
    from ciplug.policy.model import Implied
    from ciplug.vault.admin import Admin

    Others = Mapping[tuple[str, str], tuple[str, ...]]
    """The policies of each role that nothing implies, by mount and name."""


def look_beside(admin: Admin, implied: Implied, live: Live) -> Live:
    """`live` with what is beside it, as far as `admin`'s token may look; ``not_looked_at`` says how far."""
    unseen: list[str] = []
    others = _others(admin, implied, unseen)
    stale = _stale_as_far_as_seen(admin, implied, others, unseen)
    default = _default(admin, unseen)
    known = {policy.name.lower() for policy in implied.policies} | set(stale)
    left = {role for role, policies in others.items() if policies == (role[1],) and role[1] in known}
    return replace(
        live,
        left_over=_left_over(left, stale),
        unimplied=_giving(known, {role: given for role, given in others.items() if role not in left}),
        default=default,
        not_looked_at=(*live.not_looked_at, *unseen),
    )


def _others(admin: Admin, implied: Implied, unseen: list[str]) -> Others:
    """The roles that nothing implies, at the mounts of those that are implied and at all others."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    ours = {role.mount for role in implied.roles}
    for mount in [*sorted(ours), *_other_mounts(admin, ours, unseen)]:
        try:
            found |= _other_roles(admin, implied, mount)
        except DeniedError as err:
            unseen.append(f"other roles of auth/{mount} were not looked at: {err}")
        except MissingError:
            if mount in ours:
                raise  # and another one was deleted a moment ago
    return found


def _other_mounts(admin: Admin, ours: Iterable[str], unseen: list[str]) -> list[str]:
    try:
        return sorted(set(admin.jwt.mounts()) - set(ours))
    except DeniedError as err:
        unseen.append(f"other auth mounts were not looked at: {err}")
        return []


def _default(admin: Admin, unseen: list[str]) -> Mapping[str, frozenset[str]]:
    try:
        stored = admin.read_policy("default")
        return read(stored.text).rules if stored is not None else {}
    except (DeniedError, UnreadableError) as err:
        unseen.append(f"the policy default, which every token has, was not looked at: {err}")
        return {}


def _other_roles(admin: Admin, implied: Implied, mount: str) -> Others:
    ours = {role.jwt.name.lower() for role in implied.roles if role.mount == mount}
    names = [name for name in admin.jwt.roles(mount) if name not in ours]
    return {(mount, name): policies_of(admin.jwt.read_role(name, mount) or {}) for name in names}


def _stale_as_far_as_seen(admin: Admin, implied: Implied, others: Others, unseen: list[str]) -> list[str]:
    try:
        return _stale(admin, implied, others)
    except DeniedError as err:
        unseen.append(f"what is left over of policies was not looked for: {err}")
        return []


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
        if stored is not None and any(mark.is_own(policy, stored.text) for policy in implied.policies):
            found.append(name)
    return found


def _left_over(roles: Iterable[tuple[str, str]], policies: Iterable[str]) -> tuple[LiveItem, ...]:
    """Roles first: a policy that no role gives grants nothing."""
    return (
        *(LiveItem(what="role", name=name, mount=mount) for mount, name in sorted(roles)),
        *(LiveItem(what="policy", name=name) for name in policies),
    )


def _giving(known: Iterable[str], others: Others) -> Others:
    """Those of `others` that give a policy among `known`, with the ones that they give."""
    shared = {role: tuple(sorted(set(given) & set(known))) for role, given in others.items()}
    return {role: policies for role, policies in shared.items() if policies}
