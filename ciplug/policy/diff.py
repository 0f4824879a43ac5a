"""What a change does to a policy or role, in lines: what goes (``-``) and what comes (``+``). No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ciplug.policy import mark
from ciplug.policy.compare_role import show
from ciplug.policy.hcl import UnreadableError, read, rule
from ciplug.vault.admin_auth import document

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from ciplug.policy.model import Policy, Role


def policy_diff(policy: Policy, stored: str | None, denied: Collection[str] = (), *, rules: bool = True) -> list[str]:
    """What writing `policy` with what is `denied` changes; its rules are left out where they stay as they are."""
    before, after = [], []
    if rules:
        before += _said(stored) if stored is not None else []
        after += _rules(policy, denied)
    if stored is not None and (known := mark.read(stored)) != mark.read(mark.write(policy)):
        before += [f"mark: {known}"] if known else []
        after.append(f"mark: {mark.project_of(policy)}")
    return _diff(before, after)


def role_diff(role: Role, live: Mapping[str, Any] | None, kept: Collection[str] = ()) -> list[str]:
    """What writing `role` changes; the fields in `kept` are not written."""
    wanted = {name: value for name, value in document(role.jwt).items() if name not in kept}
    found = {name: live.get(name) for name in wanted} if live is not None else {}
    return _diff(_lines(found), _lines(wanted))


def _rules(policy: Policy, denied: Iterable[str]) -> list[str]:
    """What a policy is to say, one line for each rule."""
    rules = {**policy.rules, **dict.fromkeys(denied, frozenset({"deny"}))}
    return [rule(path, capabilities) for path, capabilities in rules.items()]


def _said(text: str) -> list[str]:
    """What a live policy says, one line for each rule and for each thing that is none."""
    try:
        found = read(text)
    except UnreadableError as err:
        return [str(err)]
    return [*(rule(path, capabilities) for path, capabilities in found.rules.items()), *found.besides]


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


def _diff(before: Iterable[str], after: Iterable[str]) -> list[str]:
    gone, come = set(before), set(after)
    return [*(f"- {line}" for line in sorted(gone - come)), *(f"+ {line}" for line in sorted(come - gone))]
