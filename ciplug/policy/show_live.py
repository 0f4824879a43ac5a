"""What people and programs are shown of a live vault's policies and roles: paths, claims and times. No I/O."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from ciplug.policy.difference import GRADES
from ciplug.policy.model import Role

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ciplug.policy.compare import LiveDifference
    from ciplug.policy.live import Live
    from ciplug.policy.model import Implied
    from ciplug.policy.plan import Change, Kind

FORMAT: Final = 1
"""Of the documents for programs."""

_SIGNS: Final[Mapping[Kind, str]] = {"create": "+", "update": "~", "keep": "=", "foreign": "!"}


def findings_text(found: Iterable[LiveDifference]) -> Iterator[str]:
    """A line for each difference: how it differs, of what, and how exactly."""
    for one in found:
        yield f"{one.grade:<5}  {one.what} {one.name}: {one.text}"


def findings_counted(found: Sequence[LiveDifference]) -> str:
    """One line for all of them: ``2 more, 1 less``."""
    counts = Counter(one.grade for one in found)
    return ", ".join(f"{counts[grade]} {grade}" for grade in GRADES if counts[grade])


def findings_document(
    found: Iterable[LiveDifference], implied: Implied, live: Live, planned: Iterable[Change]
) -> dict[str, Any]:
    """The same for programs, with what of it an ``--apply`` would leave alone."""
    findings = [{"grade": one.grade, "what": one.what, "name": one.name, "text": one.text} for one in found]
    alone = [_planned(change) for change in left_alone(planned)]
    return {"format": FORMAT, "mode": "check", "findings": findings, "left_alone": alone, **_notes(implied, live)}


def left_alone(changes: Iterable[Change]) -> list[Change]:
    """What an ``--apply`` does not touch, without the roles of a policy that is among it."""
    foreign = [change for change in changes if change.kind == "foreign"]
    policies = {change.name for change in foreign if change.what == "policy"}
    return [one for one in foreign if not (isinstance(one.item, Role) and one.item.policy in policies)]


def left_alone_text(changes: Iterable[Change]) -> Iterator[str]:
    """A line for each of `left_alone`, with how to go on."""
    for change in left_alone(changes):
        yield f"{change.what} {change.name}: {change.reason}, so --apply leaves it alone; to go on: {change.remedy}"


def plan_text(changes: Sequence[Change], live: Live) -> Iterator[str]:
    """The plan, line by line; what is up to date is only counted, what is kept for a reason is told."""
    for change in changes:
        if change.kind != "keep" or change.reason:
            reason = f"  {change.reason}" if change.reason else ""
            yield f"{_SIGNS[change.kind]} {change.kind:<7}  {change.what} {change.name}{reason}"
            yield from (f"    {line}" for line in change.diff)
        if change.remedy:
            yield f"    to go on: {change.remedy}"
    if kept := sum(change.kind == "keep" and not change.reason for change in changes):
        yield f"= {kept} up to date"
    for (mount, name), policies in live.unimplied.items():
        yield f"? unimplied  role {mount}/{name}: it gives {', '.join(policies)}; nothing implies it"
    for cel in live.cel_roles:
        yield f"? unimplied  role {cel.item.place}: {cel.text}"
    for item in live.left_over:
        yield f"? left over  {item.what} {item.place}: to delete it: {item.removal(live.namespace)}"


def plan_counted(changes: Iterable[Change]) -> str:
    """One line for all of it: ``2 to create, 1 to update, 1 left alone``."""
    counts = Counter(change.kind for change in changes)
    words: Mapping[Kind, str] = {"create": "to create", "update": "to update", "foreign": "left alone"}
    return ", ".join(f"{counts[kind]} {word}" for kind, word in words.items() if counts[kind]) or "nothing to do"


def plan_document(changes: Iterable[Change], implied: Implied, live: Live, done: Sequence[Change]) -> dict[str, Any]:
    """The same for programs, with what was done of it."""
    made = {(change.what, change.name) for change in done}
    planned = [_planned(change) | {"done": (change.what, change.name) in made} for change in changes]
    left = [{"what": one.what, "name": one.place, "removal": one.removal(live.namespace)} for one in live.left_over]
    roles = [{"name": "/".join(role), "policies": list(policies)} for role, policies in live.unimplied.items()]
    roles += [{"name": cel.item.place, "policies": list(cel.named)} for cel in live.cel_roles]
    found = {"changes": planned, "left_over": left, "unimplied": roles, **_notes(implied, live)}
    return {"format": FORMAT, "mode": "apply", **found}


def _planned(change: Change) -> dict[str, Any]:
    words = {"kind": change.kind, "what": change.what, "name": change.name}
    return words | {"reason": change.reason, "remedy": change.remedy, "diff": list(change.diff)}


def _notes(implied: Implied, live: Live) -> dict[str, list[str]]:
    return {"notes": list(implied.notes), "not_looked_at": list(live.not_looked_at)}
