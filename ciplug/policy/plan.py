"""What it takes to bring a vault to what the manifest implies, and what of it is not ciplug's to change. No I/O."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal

from ciplug.frozen import frozen
from ciplug.policy.compare import denials, place, policy_differences, rule
from ciplug.policy.compare_role import differences, narrowings, show
from ciplug.policy.hcl import UnreadableError, read
from ciplug.policy.live import is_ours, key, marked_for, policies_of
from ciplug.policy.model import Policy, Role
from ciplug.vault.admin import StoredPolicy
from ciplug.vault.admin_auth import document

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ciplug.policy.live import Live
    from ciplug.policy.model import Implied

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
    """A change for each policy and role, in an order in which a run that ends half way has given nobody too much.

    What only takes rights away comes first, then the roles that are there, so that none of them gets more rights under
    its old conditions; new roles come last, so that none is there before its policy.
    """
    policies = {policy.name: _policy(policy, implied.roles, live) for policy in implied.policies}
    changes = [*policies.values(), *(_role(role, policies[role.policy], live) for role in implied.roles)]
    return tuple(sorted(changes, key=_turn))


def _turn(change: Change) -> int:
    if isinstance(change.item, Role):
        return 1 if change.kind == "update" else 3
    stored = change.seen
    if change.kind == "update" and isinstance(stored, StoredPolicy) and not _widens(change.item, stored):
        return 0
    return 2


def _policy(policy: Policy, roles: Iterable[Role], live: Live) -> Change:
    stored = live.policies[policy.name]
    wanted = {rule(path, capabilities) for path, capabilities in policy.rules.items()}
    if stored is not None and not is_ours(policy, stored):
        return Change(kind="foreign", item=policy, reason=_stranger(stored.text))
    found = [text for _, text in policy_differences(policy, stored.text)] if stored is not None else []
    narrower = [text for text in found if stored is not None and text in denials(stored.text)]
    if narrower and len(narrower) == len(found):
        return Change(kind="keep", item=policy, reason=_narrower(narrower), seen=stored)
    # Such a role would be given rights by whoever writes the policy, for whatever its own conditions are.
    waiting = [*_waiting(policy, roles, live), *_others(policy, live)]
    if waiting and (stored is None or _widens(policy, stored)):
        reason = f"{', '.join(waiting)} would get its rights, and ciplug did not write that role"
        return Change(kind="foreign", item=policy, reason=reason, seen=stored)
    if stored is None:
        return Change(kind="create", item=policy, diff=_diff((), wanted))
    if found:
        diff = _diff(_said(stored.text), wanted)
        return Change(kind="update", item=policy, reason=_dropped(narrower), diff=diff, seen=stored)
    if (project := marked_for(stored.text)) != policy.project_line:
        # Its mark is what the next run knows it by, when the project has moved on.
        marks = ([f"mark: {project}"], [f"mark: {policy.project_line}"])
        return Change(kind="update", item=policy, diff=_diff(*marks), seen=stored)
    return Change(kind="keep", item=policy, seen=stored)


def _widens(policy: Policy, stored: StoredPolicy) -> bool:
    """Whether the stored policy allows less than `policy`, or what it allows cannot be told."""
    return any(grade != "more" for grade, _ in policy_differences(policy, stored.text))


def _waiting(policy: Policy, roles: Iterable[Role], live: Live) -> Iterator[str]:
    """The roles of the implied names that give the policy, and that ciplug did not write."""
    for role in roles:
        given = policies_of(live.roles[key(role)] or {})
        is_mine = live.policies[policy.name] is not None and given == (policy.name.lower(),)
        if role.policy == policy.name and policy.name.lower() in given and not is_mine:
            yield place(role)


def _others(policy: Policy, live: Live) -> Iterator[str]:
    """The roles of other names that give the policy; one that is left over has conditions that nothing implies."""
    yield from (name for name, policies in live.strangers.items() if policy.name.lower() in policies)
    yield from (one.place for one in live.left_over if one.what == "role" and one.name == policy.name.lower())


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
    if policy.seen is None and (policy.kind == "foreign" or found is not None):
        return Change(kind="foreign", item=role, reason=f"its policy {role.policy} is not ciplug's")
    if found is None:
        return Change(kind="create", item=role, diff=_diff((), wanted))
    narrower = narrowings(role.jwt, found)
    if len(narrower) == len(list(differences(role.jwt, found))):
        return Change(kind="keep", item=role, reason=_narrower(narrower) if narrower else "", seen=found)
    known = {name: found.get(name) for name in document(role.jwt)}
    diff = _diff(_lines(known), wanted)
    return Change(kind="update", item=role, reason=_dropped(narrower), diff=diff, seen=found)


def _narrower(texts: Iterable[str]) -> str:
    """Why something stays that lets in less than is implied: somebody may have had a reason."""
    return f"narrower than implied: {'; '.join(texts)} (delete it to have it made anew)"


def _dropped(texts: Sequence[str]) -> str:
    return f"drops what was narrower: {'; '.join(texts)}" if texts else ""


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
