"""What a vault has beside what is implied: left over from an earlier manifest, or made by others with its rights."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from ciplug.errors import DeniedError, MissingError
from ciplug.frozen import frozen
from ciplug.policy import mark
from ciplug.policy.hcl import Reading, UnreadableError, read
from ciplug.policy.live import CelRole, LiveItem, policies_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from ciplug.policy.live import Live
    from ciplug.policy.model import Implied
    from ciplug.vault.admin import Admin

    Others = Mapping[tuple[str, str], "_Given"]
    """What each role gives that nothing implies, by mount and name."""

    Tunes = Mapping[str, Mapping[str, Any]]
    """How each mount that takes JSON web tokens is tuned, by its name."""


_ACTION: Final = re.compile(r"\{\{.*?\}\}", re.DOTALL)
_CHOOSING: Final = re.compile(r"\{\{-?\s*(if|range|with|block|define)\b")
"""The actions after which text may be left out."""


@frozen
class _Given:
    """What a role gives: the policies that it names, and the `templates` into which the vault fills claims."""

    policies: tuple[str, ...]
    templates: tuple[str, ...] = ()

    def among(self, known: Iterable[str]) -> tuple[str, ...]:
        """Those of the policies `known` that the role gives, or that it names in a template or fits with one."""
        return tuple(
            name for name in sorted(known) if name in self.policies or any(_fits(name, one) for one in self.templates)
        )


def look_beside(admin: Admin, implied: Implied, live: Live) -> Live:
    """`live` with what is beside it, as far as `admin`'s token may look; ``not_looked_at`` says how far."""
    unseen: list[str] = []
    tunes = _tunes(admin, unseen)
    mounts = _mounts(implied, tunes)
    others = _others(admin, implied, mounts, unseen)
    stale = _stale(admin, implied, others, unseen)
    default = _default(admin, unseen)
    known = {policy.name.lower() for policy in implied.policies} | set(stale)
    own = known - _of_others(implied, live)
    left = {role for role, given in others.items() if given == _Given(policies=(role[1],)) and role[1] in own}
    unimplied = {role: given.among(known) for role, given in others.items() if role not in left}
    unseen += _untold(others, unimplied)
    return replace(
        live,
        configs=_tuned(implied, live, tunes),
        left_over=_left_over(left, stale),
        unimplied={role: policies for role, policies in unimplied.items() if policies},
        cel_roles=_cel_roles(admin, mounts, sorted(known), unseen),
        default=default.rules,
        default_unread=default.unread,
        not_looked_at=(*live.not_looked_at, *unseen),
    )


def _of_others(implied: Implied, live: Live) -> set[str]:
    """The policies of implied names that ciplug did not write for this project; nor are roles that give them its."""
    stored = ((policy, live.policies.get(policy.name)) for policy in implied.policies)
    return {policy.name.lower() for policy, found in stored if found and not mark.is_own(policy, found.text)}


def _tunes(admin: Admin, unseen: list[str]) -> Tunes:
    try:
        return admin.jwt.mounts()
    except DeniedError as err:
        unseen.append(f"other auth mounts were not looked at: {err}")
        return {}


def _mounts(implied: Implied, tunes: Tunes) -> Mapping[str, bool]:
    """Every mount that lets jobs in, the project's own first, with whether it is one of those."""
    ours = {role.mount for role in implied.roles}
    return dict.fromkeys(sorted(ours), True) | dict.fromkeys(sorted(tunes.keys() - ours), False)


def _tuned(implied: Implied, live: Live, tunes: Tunes) -> Mapping[str, Mapping[str, Any] | None]:
    """The configurations of the project's own mounts, with how each is tuned and the longest life of a token there."""
    configs = dict(live.configs)
    for role in implied.roles:
        if config := configs.get(role.mount):
            longest = max(other.jwt.ttl for other in implied.roles if other.mount == role.mount)
            configs[role.mount] = {**config, "tune": {**tunes.get(role.mount, {}), "role_ttl": longest}}
    return configs


def _others(admin: Admin, implied: Implied, mounts: Mapping[str, bool], unseen: list[str]) -> Others:
    """The roles that nothing implies, at the mounts of those that are implied and at all others."""
    found: dict[tuple[str, str], _Given] = {}
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
    named = tuple(policy for policy in policies if _names(policy, text))
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
    return {(mount, name): _given(admin.jwt.read_role(name, mount) or {}) for name in names}


def _given(role: Mapping[str, Any]) -> _Given:
    """What a live role gives. Only OpenBao's have templates, and without their field ``{{`` means nothing."""
    policies = policies_of(role)
    templates = tuple(name for name in policies if "{{" in name and role.get("token_policies_template_claims"))
    return _Given(policies=tuple(name for name in policies if name not in templates), templates=templates)


def _names(policy: str, text: str) -> bool:
    return re.search(rf"(?<![\w.-]){re.escape(policy)}(?![\w.-])", text) is not None


def _fits(policy: str, template: str) -> bool:
    """Whether `template` names `policy`, or can become its name; claims may fill in anything."""
    literals = _literals(template)
    can_become = any(literals) and re.fullmatch(".*".join(map(re.escape, literals)), policy) is not None
    return can_become or _names(policy, template)


def _literals(template: str) -> list[str]:
    """What stands around the actions of `template`, in lower case as a live role's policies are.

    Empty where it may be left out, or where it cannot be told whether it is an action's.
    Source: https://pkg.go.dev/text/template
    """
    literals = [part.strip() for part in _ACTION.split(template)]
    if _CHOOSING.search(template):
        literals[1:-1] = [""]
    return ["" if "}}" in part else part for part in literals]


def _untold(others: Others, unimplied: Mapping[tuple[str, str], tuple[str, ...]]) -> list[str]:
    """A note of the roles with templates that may give anything, and name nothing."""
    found = [
        "/".join(role)
        for role, given in others.items()
        if not unimplied.get(role) and not all(any(_literals(one)) for one in given.templates)
    ]
    what = "what a role gives cannot be told where claims are all of a policy's name"
    return [f"{what}: {', '.join(found)}"] if found else []


def _stale(admin: Admin, implied: Implied, others: Others, unseen: list[str]) -> list[str]:
    """The policies that ciplug wrote for this project and that nothing implies any more.

    NOTE: only what a role gives, or what has a name of the same family, is read: a vault can have thousands of them.
    """
    wanted = {policy.name.lower() for policy in implied.policies}
    given = {policy for role in others.values() for policy in role.policies}
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
