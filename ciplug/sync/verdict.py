"""How a sync ended, as one error or none: every variable that is not as it is to be, by target and name. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ciplug.errors import CiplugError, FindingsError, PlatformError, SyncError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ciplug.sync.show import Shown

_UNANSWERED = "no answer has said that it was done"
"""What an outcome says of a variable of which the platform has told nothing."""

_AGAIN = "run it again: it goes on where this has ended"


def unfit(everything: Sequence[Shown]) -> SyncError | None:
    """Why nothing may be written: what platforms would not take, all of it."""
    problems = [
        f"{shown.target}: {problem}" for shown in everything if shown.survey for problem in shown.survey.problems
    ]
    if not problems:
        return None
    return SyncError("\n".join(problems), hint="correct these in the manifest or the vault; nothing was written")


def findings(everything: Sequence[Shown]) -> CiplugError | None:
    """What a look without a touch has found."""
    if any(shown.errors for shown in everything):
        return verdict(everything)
    different = [shown.target for shown in everything if shown.differs]
    if not different:
        return None
    return FindingsError(
        f"not as the manifest and the vault have it: {', '.join(different)}", hint="run `ciplug sync` to change that"
    )


def verdict(everything: Sequence[Shown], *, interrupted: bool = False) -> CiplugError | None:
    """``None`` where every target is as it is to be, the one error of a target of which nothing was done, else all.

    `interrupted`: a signal ended it, so that everything it left undone is named.
    """
    lines = [line for shown in everything for line in _lines(shown)]
    if not lines:
        return None
    errors = [error for shown in everything for error in shown.errors]
    told = interrupted or any(_is_touched(shown) for shown in everything)
    if len(everything) == 1 and len(errors) == 1 and (len(lines) == 1 or not told):
        return errors[0]
    return SyncError("\n".join(lines), hint=_hint(everything, errors))


def _is_touched(shown: Shown) -> bool:
    """Whether anything is known to have been written, be it only in part or without being confirmed."""
    reasons = shown.outcome.failed.values() if shown.outcome is not None else ()
    return bool(shown.done) or any(reason != _UNANSWERED for reason in reasons)


def _lines(shown: Shown) -> Iterator[str]:
    if shown.outcome is not None:
        yield from (f"{shown.target}: {name}: {reason}" for name, reason in shown.outcome.failed.items())
    foreign = (change for change in shown.changes if change.kind == "foreign" and shown.outcome is not None)
    yield from (f"{shown.target}: {change.name}: {change.reason}" for change in foreign)
    yield from (f"{shown.target}: {error}" for error in shown.errors)


def _hint(everything: Sequence[Shown], errors: Sequence[CiplugError]) -> str:
    needed = {change.needs for shown in everything for change in shown.changes if change.kind == "foreign"} - {""}
    if needed and not errors:
        return f"take over what is not ciplug's with {' '.join(sorted(needed))}, or leave it out of the target"
    return next((error.hint for error in errors if error.hint), _AGAIN)


def failed_deployment(shown: Shown) -> PlatformError | None:
    """The error for a deployment that did not become ready."""
    if shown.deployment is None or shown.deployment.state == "ready":
        return None
    where = f": {shown.deployment.address}" if shown.deployment.address else ""
    return PlatformError(
        f"the new deployment is {shown.deployment.state} ({shown.deployment.detail or 'no reason given'}){where}",
        hint="the values are written; mend the deployment, then run it again with --redeploy",
    )
