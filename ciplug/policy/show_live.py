"""What people and programs are shown of a live vault's policies and roles: paths, claims and times. No I/O."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from ciplug.policy.compare import GRADES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ciplug.policy.compare import Finding
    from ciplug.policy.live import Live
    from ciplug.policy.plan import Change, Kind

FORMAT: Final = 1
"""Of the documents for programs."""

_SIGNS: Final[Mapping[Kind, str]] = {"create": "+", "update": "~", "keep": "=", "foreign": "!"}


def findings_text(findings: Iterable[Finding]) -> Iterator[str]:
    """A line for each finding: how it differs, of what, and how exactly."""
    for finding in findings:
        yield f"{finding.grade:<5}  {finding.what} {finding.name}: {finding.text}"


def findings_counted(findings: Sequence[Finding]) -> str:
    """One line for all of them: ``2 grant more, 1 less``."""
    counts = Counter(finding.grade for finding in findings)
    return ", ".join(f"{counts[grade]} {grade}" for grade in GRADES if counts[grade])


def findings_document(findings: Iterable[Finding], live: Live) -> dict[str, Any]:
    """The same for programs."""
    found = [
        {"grade": finding.grade, "what": finding.what, "name": finding.name, "text": finding.text}
        for finding in findings
    ]
    return {"format": FORMAT, "mode": "check", "findings": found, "notes": list(live.notes)}


def plan_text(changes: Sequence[Change], live: Live, namespace: str) -> Iterator[str]:
    """The plan, line by line; what is up to date is only counted, what is kept for a reason is told."""
    yield from (f"note: {note}" for note in live.notes)
    for change in changes:
        if change.kind != "keep" or change.reason:
            reason = f"  {change.reason}" if change.reason else ""
            yield f"{_SIGNS[change.kind]} {change.kind:<7}  {change.what} {change.name}{reason}"
            yield from (f"    {line}" for line in change.diff)
    if kept := sum(change.kind == "keep" and not change.reason for change in changes):
        yield f"= {kept} up to date"
    for name, policies in live.strangers.items():
        yield f"? stranger   role {name}: it also gives {', '.join(policies)}; nothing implies it"
    for item in live.left_over:
        yield f"? left over  {item.what} {item.place}: to delete it: {item.removal(namespace)}"


def plan_counted(changes: Iterable[Change]) -> str:
    """One line for all of it: ``2 to create, 1 to update``."""
    counts = Counter(change.kind for change in changes if change.writes)
    return ", ".join(f"{count} to {kind}" for kind, count in sorted(counts.items())) or "nothing to do"


def plan_document(changes: Iterable[Change], live: Live, namespace: str, done: Sequence[Change]) -> dict[str, Any]:
    """The same for programs, with what was done of it."""
    made = {(change.what, change.name) for change in done}
    planned = [
        {
            "kind": change.kind,
            "what": change.what,
            "name": change.name,
            "reason": change.reason,
            "diff": list(change.diff),
            "done": (change.what, change.name) in made,
        }
        for change in changes
    ]
    left = [{"what": item.what, "name": item.place, "removal": item.removal(namespace)} for item in live.left_over]
    strangers = [{"name": name, "policies": list(policies)} for name, policies in live.strangers.items()]
    found = {"changes": planned, "left_over": left, "strangers": strangers, "notes": list(live.notes)}
    return {"format": FORMAT, "mode": "apply", **found}
