"""What it takes to bring a vault to what the manifest implies, and what of it is not ciplug's to change. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import TYPE_CHECKING, Any, Literal

from ciplug.frozen import frozen
from ciplug.policy import mark, reasons
from ciplug.policy.compare import place, policy_differences
from ciplug.policy.compare_role import differences
from ciplug.policy.diff import policy_diff, role_diff
from ciplug.policy.halves import first_half
from ciplug.policy.hcl import reads_whole
from ciplug.policy.live import LiveItem, key, policies_of
from ciplug.policy.model import Policy, Role
from ciplug.vault.admin import StoredPolicy

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from collections.abc import Set as AbstractSet

    from ciplug.policy.difference import Difference
    from ciplug.policy.live import Live
    from ciplug.policy.model import Implied

Kind = Literal["create", "update", "keep", "foreign"]


@frozen
class Change:
    """What becomes of one policy or role. `diff` has a line for each thing that goes (``-``) or comes (``+``).

    `seen` is what the vault had when this was planned: nothing else is replaced. `keeps` are the fields of a role that
    a write leaves as they are, or the paths that a policy denies and goes on denying. `remedy` says how to go on with
    what is foreign. `half` is what of a policy is written before all else, see `ciplug.policy.halves`; a change that
    `is_half` is that first writing.
    """

    kind: Kind
    item: Policy | Role
    reason: str = ""
    remedy: str = ""
    diff: tuple[str, ...] = ()
    seen: StoredPolicy | Mapping[str, Any] | None = field(default=None, repr=False)
    keeps: tuple[str, ...] = ()
    half: Policy | None = field(default=None, repr=False)
    is_half: bool = False

    @property
    def what(self) -> Literal["policy", "role"]:
        """Which of the two it is."""
        return "policy" if isinstance(self.item, Policy) else "role"

    @property
    def name(self) -> str:
        """What it is called in a line: ``shop-test`` or, with its mount, ``jwt/shop-test``."""
        return self.item.name if isinstance(self.item, Policy) else place(self.item)

    @property
    def writes(self) -> bool:
        """Whether the vault is to be written to."""
        return self.kind in {"create", "update"}


def plan(implied: Implied, live: Live, *, adopt: AbstractSet[str] = frozenset()) -> tuple[Change, ...]:
    """A change for each policy and role, in an order in which a run that ends half way has given nobody too much.

    What only takes rights away comes first, then the roles that give one of the policies already, so that none of them
    gets more rights under its old conditions; the other roles come last, so that none gives a policy that is not yet as
    implied. A policy that loses and gains while such a role changes has a `half` that comes before all of it. A role of
    a policy that is left alone becomes tighter at most: its old rights come under no new conditions. In `adopt` are the
    names of policies that ciplug takes over although it did not write them, with their roles.
    """
    left: set[tuple[str, str]] = set()
    while True:
        policies = {policy.name: _policy(policy, implied.roles, live, adopt, left) for policy in implied.policies}
        roles = [_role(role, policies[role.policy], live, is_adopted=role.policy in adopt) for role in implied.roles]
        # A role that is left alone after all goes on giving what it gives, which may keep another policy from it.
        foreign = {key(role) for role, change in zip(implied.roles, roles, strict=True) if change.kind == "foreign"}
        if foreign <= left:
            break
        left |= foreign
    names = {name.lower() for name in policies}
    changing = {role.policy for role, change in zip(implied.roles, roles, strict=True) if _turn(change, names) == 1}
    written = [_halved(change) if name in changing else change for name, change in policies.items()]
    return tuple(sorted([*written, *roles], key=lambda change: _turn(change, names)))


def _halved(change: Change) -> Change:
    """`change` of a policy that gains something, with its `half` where it loses something as well."""
    stored = change.seen
    if change.kind != "update" or not isinstance(change.item, Policy) or not isinstance(stored, StoredPolicy):
        return change
    gains = _widens(change.item, stored)
    return replace(change, half=first_half(change.item, stored.text)) if gains else change


def _turn(change: Change, names: AbstractSet[str]) -> int:
    if isinstance(change.item, Role):
        given = policies_of(change.seen) if isinstance(change.seen, Mapping) else ()
        return 3 if change.kind != "update" or names.isdisjoint(given) else 1
    stored = change.seen
    if change.kind == "update" and isinstance(stored, StoredPolicy) and not _widens(change.item, stored):
        return 0
    return 2


def _policy(
    policy: Policy,
    roles: Iterable[Role],
    live: Live,
    adopt: AbstractSet[str],
    left: AbstractSet[tuple[str, str]],
) -> Change:
    stored = live.policies[policy.name]
    is_own = stored is not None and mark.is_own(policy, stored.text)
    if stored is not None and not is_own and (policy.name not in adopt or mark.read(stored.text)):
        return _of_others(policy, stored, live)
    waiting = [role for role in roles if _waits(role, policy, live, adopt, left)]
    if (waiting or _others(policy, live)) and (stored is None or _widens(policy, stored)):
        return _withheld(policy, waiting, live, seen=stored if is_own else None)
    if stored is None:
        return Change(kind="create", item=policy, diff=tuple(policy_diff(policy, None)))
    return _rewritten(policy, stored)


def _of_others(policy: Policy, stored: StoredPolicy, live: Live) -> Change:
    """A policy of the same name that ciplug did not write for this project."""
    item = LiveItem(what="policy", name=policy.name)
    if (project := mark.read(stored.text)) is None:
        reason, remedy = "ciplug did not write it", reasons.remedy(live, [item], adopt=[policy.name])
    else:
        reason = f"ciplug wrote it for the project {project}, and --adopt takes over nothing of another project's"
        remedy = f"give {policy.owner} another role in the manifest, or {reasons.remedy(live, [item])}"
    return Change(kind="foreign", item=policy, reason=reason, remedy=remedy)


def _rewritten(policy: Policy, stored: StoredPolicy) -> Change:
    """A policy as it is to be: what somebody denies by it stays, since that never grants anything."""
    found = list(policy_differences(policy, stored.text))
    denied = {one.about: one.text for one in found if one.narrows}
    diff = policy_diff(policy, stored.text, denied, rules=len(denied) < len(found))
    taken = "" if mark.read(stored.text) else "taken over: ciplug did not write it"
    is_new = len(denied) < len(found) or diff
    # Reading takes long, and whatever cannot be read is a difference of the grade "other".
    is_whole = all(one.grade != "other" for one in found) or reads_whole(stored.text)
    unread = "" if is_whole else reasons.UNREAD
    return Change(
        kind="update" if is_new else "keep",
        item=policy,
        reason=reasons.joined(taken, reasons.narrower(denied.values()), unread),
        diff=tuple(diff),
        seen=stored,
        keeps=tuple(denied),
    )


def _widens(policy: Policy, stored: StoredPolicy) -> bool:
    """Whether the stored policy allows less than `policy`, or what it allows cannot be told."""
    return any(one.grade != "more" for one in policy_differences(policy, stored.text) if not one.narrows)


def _withheld(policy: Policy, waiting: Sequence[Role], live: Live, *, seen: StoredPolicy | None) -> Change:
    """A policy whose new rights would go to roles that give it, whatever the conditions of those are."""
    others = _others(policy, live)
    items = [*map(_item, waiting), *others]
    names = ", ".join(item.place for item in items)
    return Change(
        kind="foreign",
        item=policy,
        reason=f"{names} would get its rights, and ciplug did not write that role",
        remedy=reasons.remedy(live, items, adopt=() if others else {role.policy: None for role in waiting}),
        seen=seen,
    )


def _waits(role: Role, policy: Policy, live: Live, adopt: AbstractSet[str], left: AbstractSet[tuple[str, str]]) -> bool:
    """Whether what is there of `role` gives the policy, and is neither ciplug's nor about to be."""
    given = policies_of(live.roles[key(role)] or {})
    is_its_own = role.policy == policy.name
    is_taken = role.policy in adopt and (is_its_own or key(role) not in left)
    is_written = is_its_own and live.policies[policy.name] is not None and len(given) == 1
    return policy.name.lower() in given and not is_taken and not is_written


def _others(policy: Policy, live: Live) -> list[LiveItem]:
    """The roles of other names that give the policy; one that is left over has conditions that nothing implies.

    A CEL role is among them where its program names the policy. One that does not could put the name together, but were
    it enough that there is one, whoever may write such roles could keep every project of the vault from being mended.
    """
    name = policy.name.lower()
    unimplied = [
        LiveItem(what="role", name=role, mount=mount)
        for (mount, role), policies in live.unimplied.items()
        if name in policies
    ]
    left_over = [one for one in live.left_over if one.what == "role" and one.name == name]
    return [*unimplied, *left_over, *(role.item for role in live.cel_roles if name in role.named)]


def _role(role: Role, policy: Change, live: Live, *, is_adopted: bool) -> Change:
    found = live.roles[key(role)]
    is_own = found is None or policies_of(found) == (role.policy.lower(),)
    if found is not None and not is_own and not is_adopted:
        remedy = reasons.remedy(live, [_item(role)], adopt=[role.policy])
        return Change(kind="foreign", item=role, reason=reasons.gives(role, policies_of(found)), remedy=remedy)
    if policy.kind == "foreign" and (policy.seen is None or found is None or not _is_tighter(role, found)):
        why = "left alone" if policy.seen is not None else "not ciplug's"
        return Change(kind="foreign", item=role, reason=f"its policy {role.policy} is {why}", remedy=policy.remedy)
    if found is None:
        return Change(kind="create", item=role, diff=tuple(role_diff(role, None)))
    return _mended(role, found, "" if is_own else f"taken over: {reasons.gives(role, policies_of(found))}")


def _is_tighter(role: Role, found: Mapping[str, Any]) -> bool:
    """Whether `role` lets in nobody whom the live one does not, for no longer and with nothing else.

    So only where all that differs is too much. What narrows stays as it is, and a role without differences is kept.
    """
    return all(one.grade == "more" for one in differences(role.jwt, found) if not one.narrows)


def _mended(role: Role, found: Mapping[str, Any], taken: str) -> Change:
    """A role as it is to be: what only narrows it stays."""
    differing: list[Difference] = list(differences(role.jwt, found))
    narrower = {one.about: one.text for one in differing if one.narrows}
    reason = reasons.joined(taken, reasons.narrower(narrower.values()))
    if len(narrower) == len(differing):
        return Change(kind="keep", item=role, reason=reason, seen=found)
    diff = tuple(role_diff(role, found, narrower))
    return Change(kind="update", item=role, reason=reason, diff=diff, seen=found, keeps=tuple(narrower))


def _item(role: Role) -> LiveItem:
    return LiveItem(what="role", name=role.jwt.name, mount=role.mount)
