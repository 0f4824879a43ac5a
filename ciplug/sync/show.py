"""What people and programs are shown of plans and outcomes: names and reasons, never a value. No I/O."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from ciplug.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ciplug.errors import CiplugError
    from ciplug.sync.engine import Outcome, Survey
    from ciplug.sync.plan import Change, Kind
    from ciplug.values import Deployment

_SIGNS: Final[Mapping[Kind, str]] = {
    "create": "+",
    "update": "~",
    "replace": "~",
    "drift": "~",
    "delete": "-",
    "foreign": "!",
    "keep": "=",
}
HEADER: Final = ("target", "variable", "change", "reason", "outcome")


@frozen
class Shown:
    """All that is known of one target so far; what has not come yet is ``None``."""

    target: str
    platform: str
    environment: str
    place: str = ""
    survey: Survey | None = None
    outcome: Outcome | None = None
    deployment: Deployment | None = None
    errors: tuple[CiplugError, ...] = ()

    @property
    def changes(self) -> Sequence[Change]:
        """The plan, empty where there is none."""
        return self.survey.changes if self.survey is not None else ()

    @property
    def done(self) -> Sequence[Change]:
        """What was done, empty as long as nothing is known of it."""
        return self.outcome.done if self.outcome is not None else ()

    @property
    def differs(self) -> bool:
        """Whether the platform is not known to be as the manifest and the vault have it."""
        return self.survey is None or any(change.differs for change in self.changes)

    @property
    def notes(self) -> list[str]:
        """What the plan cannot know, and why."""
        if self.survey is None or not self.survey.target.blind:
            return []
        return [
            f"no ledger: {self.survey.target.blind}",
            "nothing is pruned and drift of values that cannot be read is not seen, because both need the ledger",
        ]


def text(shown: Shown) -> Iterator[str]:
    """The plan of one target, line by line; what is as it is to be is only counted."""
    yield f"{shown.target} ({shown.place or shown.platform})"
    if shown.survey is None:
        yield "  ? it is not known what is there"
    yield from (f"  {note}" for note in shown.notes)
    told = [change for change in shown.changes if change.differs]
    width = max((len(change.name) for change in told), default=0)
    for change in told:
        yield f"  {_SIGNS[change.kind]} {change.kind:<7}  {change.name:<{width}}  {_reason(change)}"
    if kept := len(shown.changes) - len(told):
        yield f"  = {kept} as {'they are' if kept > 1 else 'it is'} to be"
    if not shown.changes and shown.survey is not None:
        yield "  = nothing is there to be kept"
    if shown.survey is not None:
        yield from (f"  cannot be: {problem}" for problem in shown.survey.problems)


def counted(everything: Sequence[Shown]) -> str:
    """One line for all of them: ``2 to create, 1 to delete``."""
    counts = Counter(change.kind for shown in everything for change in shown.changes if change.applies)
    waiting = sum(bool(change.needs) for shown in everything for change in shown.changes)
    words = [f"{count} to {kind}" for kind, count in sorted(counts.items())]
    words += [f"{waiting} waiting for an option"] if waiting else []
    return ", ".join(words).replace("to drift", "to repair") or "nothing to do"


def rows(everything: Sequence[Shown]) -> Iterator[tuple[str, str, str, str, str]]:
    """The same as a table under ``HEADER``; a target without a difference has one row."""
    for shown in everything:
        told = [change for change in shown.changes if change.differs]
        yield from ((shown.target, "", "error", str(error), "") for error in shown.errors)
        if not told and not shown.errors:
            yield shown.target, "", "keep", f"all {len(shown.changes)} as they are to be", ""
        yield from (
            (shown.target, change.name, change.kind, _reason(change), _outcome(shown, change)) for change in told
        )


def document(shown: Shown) -> dict[str, Any]:
    """The same for programs."""
    found: dict[str, Any] = {
        "target": shown.target,
        "platform": shown.platform,
        "environment": shown.environment,
        "place": shown.place,
        "differs": shown.differs,
        "changes": [
            {"kind": change.kind, "name": change.name, "reason": change.reason, "needs": change.needs}
            for change in shown.changes
        ],
        "notes": shown.notes,
        "problems": list(shown.survey.problems) if shown.survey is not None else [],
    }
    found["errors"] = [{"cause": error.cause, "message": str(error), "hint": error.hint} for error in shown.errors]
    if shown.outcome is not None:
        found["done"] = [change.name for change in shown.outcome.done]
        found["failed"] = dict(shown.outcome.failed)
    if shown.deployment is not None:
        deployment = shown.deployment
        found["deployment"] = {
            "state": deployment.state,
            "detail": deployment.detail,
            "address": deployment.address,
        }
    return found


def _outcome(shown: Shown, change: Change) -> str:
    if shown.outcome is None or not change.applies:
        return ""
    return shown.outcome.failed.get(change.name, "done")


def _reason(change: Change) -> str:
    return f"{change.reason}; needs {change.needs}" if change.needs else change.reason
