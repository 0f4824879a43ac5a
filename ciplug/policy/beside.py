"""What a vault has beside what is implied: left over from an earlier manifest, or made by others with its rights."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from ciplug.errors import DeniedError, MissingError
from ciplug.policy import mark
from ciplug.policy.hcl import Reading, UnreadableError, read
from ciplug.policy.live import CelRole, LiveItem, policies_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from ciplug.policy.live import Live
    from ciplug.policy.model import Implied
    from ciplug.vault.admin import Admin

    Others = Mapping[tuple[str, str], tuple[str, ...]]
    """The policies of each role that nothing implies, by mount and name."""


def look_beside(admin: Admin, implied: Implied, live: Live) -> Live:
    """`live` with what is beside it, as far as `admin`'s token may look; ``not_looked_at`` says how far."""
    unseen: list[str] = []
    mounts = _mounts(admin, implied, unseen)
    others = _others(admin, implied, mounts, unseen)
    stale = _stale(admin, implied, others, unseen)
    default = _default(admin, unseen)
    known = {policy.name.lower() for policy in implied.policies} | set(stale)
    left = {role for role, policies in others.items() if policies == (role[1],) and role[1] in known}
    return replace(
        live,
        left_over=_left_over(left, stale),
        unimplied=_giving(known, {role: given for role, given in others.items() if role not in left}),
        cel_roles=_cel_roles(admin, mounts, sorted(known), unseen),
        default=default.rules,
        default_unread=default.unread,
        not_looked_at=(*live.not_looked_at, *unseen),
    )


def _mounts(admin: Admin, implied: Implied, unseen: list[str]) -> Mapping[str, bool]:
    """Every mount that lets jobs in, the project's own first, with whether it is one of those."""
    ours = {role.mount for role in implied.roles}
    try:
        others = sorted(set(admin.jwt.mounts()) - ours)
    except DeniedError as err:
        unseen.append(f"other auth mounts were not looked at: {err}")
        others = []
    return dict.fromkeys(sorted(ours), True) | dict.fromkeys(others, False)


def _others(admin: Admin, implied: Implied, mounts: Mapping[str, bool], unseen: list[str]) -> Others:
    """The roles that nothing implies, at the mounts of those that are implied and at all others."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    for mount, is_ours in mounts.items():
        try:
            found |= _other_roles(admin, implied, mount)
        except DeniedError as err:
            unseen.append(f"other roles of auth/{mount} were not looked at: {err}")
        except MissingError:
            if is_ours:
                raise  # and another one was deleted a moment ago
    return found


def _cel_roles(admin: Admin, mounts: Iterable[str], policies: Sequence[str], unseen: list[str]) -> tuple[CelRole, ...]:
    """The roles whose programs name one of `policies`. What any other gives is told by running it alone."""
    found: list[CelRole] = []
    denied: dict[str, DeniedError] = {}
    for mount in mounts:
        try:
            found += [_cel_role(admin, mount, name, policies) for name in admin.jwt.cel_roles(mount)]
        except DeniedError as err:
            denied[f"auth/{mount}"] = err
    if denied:
        unseen.append(f"CEL roles of {', '.join(denied)} were not looked at: {next(iter(denied.values()))}")
    if others := [role.item.place for role in found if not role.named]:
        unseen.append(f"what a CEL role gives cannot be told where it names none of the policies: {', '.join(others)}")
    return tuple(role for role in found if role.named)


def _cel_role(admin: Admin, mount: str, name: str, policies: Sequence[str]) -> CelRole:
    text = json.dumps(admin.jwt.read_cel_role(name, mount) or {}, ensure_ascii=False).lower()
    named = tuple(policy for policy in policies if re.search(rf"(?<![\w.-]){re.escape(policy)}(?![\w.-])", text))
    return CelRole(item=LiveItem(what="role", name=name, mount=mount, is_cel=True), named=named)


def _default(admin: Admin, unseen: list[str]) -> Reading:
    """What the policy ``default`` says; whatever of it cannot be read may allow anything."""
    try:
        stored = admin.read_policy("default")
    except DeniedError as err:
        unseen.append(f"the policy default, which every token has, was not looked at: {err}")
        return Reading(rules={})
    try:
        return read(stored.text) if stored is not None else Reading(rules={})
    except UnreadableError as err:
        return Reading(rules={}, unread=(f"{err} ({err.hint})" if err.hint else str(err),))


def _other_roles(admin: Admin, implied: Implied, mount: str) -> Others:
    ours = {role.jwt.name.lower() for role in implied.roles if role.mount == mount}
    names = [name for name in admin.jwt.roles(mount) if name not in ours]
    return {(mount, name): policies_of(admin.jwt.read_role(name, mount) or {}) for name in names}


def _stale(admin: Admin, implied: Implied, others: Others, unseen: list[str]) -> list[str]:
    """The policies that ciplug wrote for this project and that nothing implies any more.

    NOTE: only what a role gives, or what has a name of the same family, is read: a vault can have thousands of them.
    """
    wanted = {policy.name.lower() for policy in implied.policies}
    given = {policy for policies in others.values() for policy in policies}
    found: list[str] = []
    try:
        for name in sorted(_candidates(admin, wanted, given, unseen) - wanted):
            stored = admin.read_policy(name)
            if stored is not None and any(mark.is_own(policy, stored.text) for policy in implied.policies):
                found.append(name)
    except DeniedError as err:
        unseen.append(f"not all policies were looked at for what is left over: {err}")
    return found


def _candidates(admin: Admin, wanted: Collection[str], given: Collection[str], unseen: list[str]) -> set[str]:
    """The names of the policies that may be left over: without the right to list them, those that roles give."""
    family = tuple({f"{name.partition('-')[0]}-" for name in wanted})
    try:
        return {name for name in admin.policies() if name.startswith(family) or name in given}
    except DeniedError as err:
        unseen.append(f"what is left over of policies that no role gives was not looked for: {err}")
        return {*given}


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
