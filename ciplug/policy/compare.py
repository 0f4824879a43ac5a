"""What a live vault grants beside what the manifest implies: more, less or other, each named. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ciplug.frozen import frozen
from ciplug.policy import mark
from ciplug.policy.acl import is_covered, is_pattern
from ciplug.policy.compare_default import default_differences
from ciplug.policy.compare_mount import mount_differences
from ciplug.policy.compare_role import differences
from ciplug.policy.difference import GRADES, Difference
from ciplug.policy.hcl import UnreadableError, read, render, rule
from ciplug.policy.live import issuer_of, key

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ciplug.policy.difference import Grade
    from ciplug.policy.live import Live
    from ciplug.policy.model import Implied, Policy, Role


@frozen
class LiveDifference:
    """One difference, and of what. `name` is a policy's, a role's with its mount (``jwt/shop-test``), or a mount's."""

    grade: Grade
    what: Literal["policy", "role", "mount"]
    name: str
    text: str


def compare(implied: Implied, live: Live) -> tuple[LiveDifference, ...]:
    """Every difference, the worst first, otherwise in the order of the manifest."""
    found = [*_beside(live)]
    for policy in implied.policies:
        stored = live.policies.get(policy.name)
        found += _named("policy", policy.name, _told(policy, stored.text if stored is not None else None))
        if stored is not None and not mark.is_own(policy, stored.text) and (other := mark.read(stored.text)):
            text = f"ciplug wrote it for another project, {other}"
            found.append(LiveDifference(grade="other", what="policy", name=policy.name, text=text))
    for role in implied.roles:
        found += _named("role", place(role), differences(role.jwt, live.roles.get(key(role))))
    found += [*_mounts(implied.roles, live), *_default(implied, live)]
    return tuple(sorted(found, key=lambda one: GRADES.index(one.grade)))


def _told(policy: Policy, text: str | None) -> Iterator[Difference]:
    """The differences that change what a job may do: to deny what nothing implies takes nothing from it."""
    found = policy_differences(policy, text)
    return (one for one in found if not one.narrows or one.about in policy.rules)


def place(role: Role) -> str:
    """What a role is called in a line: ``jwt/shop-test``."""
    return "/".join(key(role))


def policy_differences(policy: Policy, text: str | None) -> Iterator[Difference]:
    """How a live policy differs, each difference about one path; `text` is ``None`` where there is none."""
    if text is None:
        yield Difference(grade="less", text="it is not there")
        return
    if text == render(policy):
        return  # and nothing has to be installed that reads the policies of others
    try:
        found = read(text)
    except UnreadableError as err:
        yield Difference(grade="other", text=str(err))
        return
    yield from _rules(policy, found.rules)
    yield from (Difference(grade="other", text=f"it also says {other}") for other in found.besides)


def _rules(policy: Policy, rules: Mapping[str, frozenset[str]]) -> Iterator[Difference]:
    for path in sorted(rules.keys() | policy.rules.keys()):
        wanted, given = policy.rules.get(path, frozenset()), rules.get(path, frozenset())
        if path not in policy.rules and given != {"deny"}:
            text = f"{rule(path, given)} is not implied{_danger(path, given)}"
            yield Difference(grade="more", about=path, text=text)
        if "deny" in given - wanted:
            yield Difference(grade="less", about=path, text=f"{rule(path, given)} denies", narrows=True)
        elif path not in rules and not is_covered(path, wanted, rules):
            yield Difference(grade="less", about=path, text=f"{rule(path, wanted)} is missing")
        elif path in rules and path in policy.rules:
            yield from _capabilities(path, wanted, given)


def _capabilities(path: str, wanted: frozenset[str], given: frozenset[str]) -> Iterator[Difference]:
    if more := given - wanted:
        text = f'path "{path}" also allows {", ".join(sorted(more))}{_danger("", more)}'
        yield Difference(grade="more", about=path, text=text)
    if less := wanted - given:
        yield Difference(grade="less", about=path, text=f'path "{path}" does not allow {", ".join(sorted(less))}')


def _danger(path: str, capabilities: frozenset[str]) -> str:
    """What is worth a word of its own."""
    words = ["a wildcard: it matches other records too"] if is_pattern(path) else []
    words += ["sudo opens what is closed to everyone else"] if "sudo" in capabilities else []
    return f" ({'; '.join(words)})" if words else ""


def _beside(live: Live) -> Iterator[LiveDifference]:
    for item in live.left_over:
        text = "it is left over: nothing implies it any more"
        yield LiveDifference(grade="more", what=item.what, name=item.place, text=text)
    for (mount, name), policies in live.unimplied.items():
        text = f"it gives {', '.join(policies)}; nothing implies it"
        yield LiveDifference(grade="more", what="role", name=f"{mount}/{name}", text=text)
    for role in live.cel_roles:
        yield LiveDifference(grade="more", what="role", name=role.item.place, text=role.text)


def _default(implied: Implied, live: Live) -> Iterator[LiveDifference]:
    """What every token may do that is to be one job's alone, and what of it cannot be told."""
    yield from _named("policy", "default", default_differences(implied, live.default))
    for why in live.default_unread:
        text = f"every token has it, and what it allows cannot be told: {why}"
        yield LiveDifference(grade="other", what="policy", name="default", text=text)


def _mounts(roles: Iterable[Role], live: Live) -> Iterator[LiveDifference]:
    """How the auth mounts of `roles` differ, of those whose configuration was read."""
    for mount, role in {role.mount: role for role in roles}.items():
        if mount in live.configs:
            found = mount_differences(role.host, issuer_of(role), live.configs[mount] or {})
            yield from _named("mount", mount, found)


def _named(
    what: Literal["policy", "role", "mount"], name: str, found: Iterable[Difference]
) -> Iterator[LiveDifference]:
    return (LiveDifference(grade=one.grade, what=what, name=name, text=one.text) for one in found)
