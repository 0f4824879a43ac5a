"""What it takes to bring a vault to what the manifest implies, and what of it is not ciplug's to change. No I/O."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal

from ciplug.frozen import frozen
from ciplug.policy.compare import place, policy_differences, rule
from ciplug.policy.compare_role import differences, show
from ciplug.policy.hcl import UnreadableError, read
from ciplug.policy.live import is_ours, key, marked_for, policies_of
from ciplug.policy.model import Policy, Role
from ciplug.vault.admin_auth import document

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ciplug.policy.live import Live
    from ciplug.policy.model import Implied
    from ciplug.vault.admin import StoredPolicy

Kind = Literal["create", "update", "keep", "foreign"]


@frozen
class Change:
    """What becomes of one policy or role. `diff` has a line for each thing that goes (``-``) or comes (``+``).

    `seen` is what the vault had when this was planned: nothing else is replaced.
    """

    kind: Kind
    item: Policy | Role
    reason: str = ""
    diff: tuple[str, ...] = ()
    seen: StoredPolicy | Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def what(self) -> str:
        """``policy`` or ``role``."""
        return "policy" if isinstance(self.item, Policy) else "role"

    @property
    def name(self) -> str:
        """What it is called in a line: ``shop-test`` or, with its mount, ``jwt/shop-test``."""
        return self.item.name if isinstance(self.item, Policy) else place(self.item)

    @property
    def writes(self) -> bool:
        """Whether the vault is to be written to."""
        return self.kind in {"create", "update"}


def plan(implied: Implied, live: Live) -> tuple[Change, ...]:
    """A change for each policy, then for each role: no role is ever there before its policy."""
    policies = {policy.name: _policy(policy, implied.roles, live) for policy in implied.policies}
    return (*policies.values(), *(_role(role, policies[role.policy], live) for role in implied.roles))


def _policy(policy: Policy, roles: Iterable[Role], live: Live) -> Change:
    stored = live.policies[policy.name]
    wanted = {rule(path, capabilities) for path, capabilities in policy.rules.items()}
    if stored is None:
        # Such a role would be given rights by whoever creates the policy, for whatever its own conditions are.
        waiting = [place(role) for role in roles if role.policy == policy.name and _names(role, live)]
        if waiting:
            reason = f"{', '.join(waiting)} would get its rights, and ciplug did not write that role"
            return Change(kind="foreign", item=policy, reason=reason)
        return Change(kind="create", item=policy, diff=_diff((), wanted))
    if not is_ours(policy, stored):
        return Change(kind="foreign", item=policy, reason=_stranger(stored.text))
    if not list(policy_differences(policy, stored.text)):
        return Change(kind="keep", item=policy, seen=stored)
    return Change(kind="update", item=policy, diff=_diff(_said(stored.text), wanted), seen=stored)


def _said(text: str) -> Iterator[str]:
    """What a live policy says, one line for each rule and for each thing that is none."""
    try:
        found = read(text)
    except UnreadableError as err:
        yield str(err)
        return
    yield from (rule(path, capabilities) for path, capabilities in found.rules.items())
    yield from found.others


def _role(role: Role, policy: Change, live: Live) -> Change:
    found = live.roles[key(role)]
    wanted = set(_lines(document(role.jwt)))
    if found is not None and policies_of(found) != (role.policy.lower(),):
        others = ", ".join(policies_of(found)) or "none"
        return Change(kind="foreign", item=role, reason=f"it does not give exactly the policy {role.policy}: {others}")
    if policy.kind == "foreign" or (found is not None and policy.seen is None):
        return Change(kind="foreign", item=role, reason=f"its policy {role.policy} is not ciplug's")
    if found is None:
        return Change(kind="create", item=role, diff=_diff((), wanted))
    if not list(differences(role.jwt, found)):
        return Change(kind="keep", item=role, seen=found)
    known = {name: found.get(name) for name in document(role.jwt)}
    return Change(kind="update", item=role, diff=_diff(_lines(known), wanted), seen=found)


def _names(role: Role, live: Live) -> bool:
    """Whether the live role names the policy already."""
    return role.policy.lower() in policies_of(live.roles[key(role)] or {})


def _stranger(text: str) -> str:
    project = marked_for(text)
    return "ciplug did not write it" if project is None else f"ciplug wrote it for the project {project}"


def _lines(fields: Mapping[str, Any]) -> Iterator[str]:
    """What a role has, one line for each field that is set, and one for each claim."""
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from (f"{name}.{inner} = {_shown(one)}" for inner, one in value.items())
        elif value:
            yield f"{name} = {_shown(value)}"


def _shown(value: object) -> str:
    """A list in one order, since none of them has a meaning by its order; one value alone as a list of one has it."""
    return ", ".join(sorted(map(show, value))) if isinstance(value, list | tuple) else show(value)


def _diff(before: Iterable[str], after: Iterable[str]) -> tuple[str, ...]:
    gone, come = set(before), set(after)
    return (*(f"- {line}" for line in sorted(gone - come)), *(f"+ {line}" for line in sorted(come - gone)))
