"""What people and programs are shown of a sync: names and reasons, never a value. No I/O.

`clean` masks secrets in what did not come from the manifest: an adapter of somebody else's may put anything there.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ciplug.sync.plan import Change, Kind
    from ciplug.sync.status import TargetStatus

    Clean = Callable[[str], str]

FORMAT: Final = 1
"""Of the document for programs."""

HEADER: Final = ("target", "variable", "change", "reason", "outcome")

_SIGNS: Final[Mapping[Kind, str]] = {
    "create": "+",
    "update": "~",
    "replace": "~",
    "drift": "~",
    "delete": "-",
    "foreign": "!",
    "keep": "=",
}
_VERBS: Final[Mapping[Kind, str]] = {
    "create": "create",
    "update": "update",
    "replace": "replace",
    "drift": "repair",
    "delete": "delete",
}


def text(status: TargetStatus, clean: Clean) -> Iterator[str]:
    """The plan of one target, line by line; what is up to date is only counted."""
    yield f"{status.target} ({status.place or status.platform})"
    yield from (f"  error: {clean(str(error))}" for error in status.errors)
    yield from (f"  note: {clean(note)}" for note in status.notes)
    told = [change for change in status.changes if change.differs]
    width = max((len(change.name) for change in told), default=0)
    for change in told:
        yield f"  {_SIGNS[change.kind]} {change.kind:<7}  {change.name:<{width}}  {clean(_reason(change))}"
    if kept := len(status.changes) - len(told):
        yield f"  = {kept} up to date"
    yield from (f"  refused: {clean(problem)}" for problem in status.problems)


def counted(statuses: Sequence[TargetStatus]) -> str:
    """One line for all of them: ``2 to create, 1 to delete``."""
    counts = Counter(change.kind for status in statuses for change in status.changes if change.applies)
    words = [f"{count} to {_VERBS[kind]}" for kind, count in sorted(counts.items())]
    skipped = sum(bool(change.needs) for status in statuses for change in status.changes)
    words += [f"{skipped} skipped for want of an option"] if skipped else []
    unknown = sum(status.survey is None for status in statuses)
    words += [f"{unknown} target{'s' if unknown > 1 else ''} without a plan"] if unknown else []
    return ", ".join(words) or "nothing to do"


def rows(statuses: Sequence[TargetStatus], clean: Clean) -> Iterator[tuple[str, str, str, str, str]]:
    """The same as a table under ``HEADER``; a target without a difference has one row."""
    for status in statuses:
        told = [change for change in status.changes if change.differs]
        yield from ((status.target, "", "error", clean(str(error)), "") for error in status.errors)
        yield from ((status.target, "", "note", clean(note), "") for note in status.notes)
        yield from ((status.target, "", "refused", clean(problem), "") for problem in status.problems)
        if not told and not status.errors:
            yield status.target, "", "keep", f"all {len(status.changes)} up to date", ""
        for change in told:
            yield status.target, change.name, change.kind, clean(_reason(change)), _fate(status, change, clean)


def document(mode: str, statuses: Sequence[TargetStatus], clean: Clean) -> dict[str, Any]:
    """The same for programs; README has its keys."""
    return {"format": FORMAT, "mode": mode, "targets": [_target(status, clean) for status in statuses]}


def _target(status: TargetStatus, clean: Clean) -> dict[str, Any]:
    deployment = status.deployment
    return {
        "target": status.target,
        "platform": status.platform,
        "environment": status.environment,
        "place": status.place,
        "differs": status.differs,
        "changes": [
            {
                "kind": change.kind,
                "name": change.name,
                "reason": clean(change.reason),
                "needs": change.needs,
                "outcome": _fate(status, change, clean),
            }
            for change in status.changes
        ],
        "notes": [clean(note) for note in status.notes],
        "problems": [clean(problem) for problem in status.problems],
        "errors": [
            {"cause": error.cause, "message": clean(str(error)), "hint": clean(error.hint)} for error in status.errors
        ],
        "deployment": deployment
        and {"state": deployment.state, "detail": clean(deployment.detail), "address": clean(deployment.address)},
    }


def _fate(status: TargetStatus, change: Change, clean: Clean) -> str:
    """``done``, the reason why not, or nothing where nothing was to be done or nothing is known yet."""
    if change.name in {done.name for done in status.done}:
        return "done"
    return clean(status.failed.get(change.name, ""))


def _reason(change: Change) -> str:
    return f"{change.reason}; needs {change.needs}" if change.needs else change.reason
