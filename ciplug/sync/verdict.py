"""How a sync ended, as one error or none: every variable that is not in sync, by target and name. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ciplug.errors import CiplugError, FindingsError, SyncError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ciplug.sync.status import TargetStatus

_AGAIN = "run it again: it goes on where this has ended"


def unfit(statuses: Sequence[TargetStatus]) -> SyncError | None:
    """Why nothing may be written: what platforms would not take, all of it."""
    problems = [f"{status.target}: {problem}" for status in statuses for problem in status.problems]
    if not problems:
        return None
    return SyncError("\n".join(problems), hint="correct these in the manifest or the vault; nothing was written")


def unplanned(statuses: Sequence[TargetStatus]) -> CiplugError | None:
    """The error of targets of which no plan could be made."""
    failed = [status for status in statuses if status.survey is None]
    return verdict(failed) if failed else None


def findings(statuses: Sequence[TargetStatus]) -> CiplugError | None:
    """What a check has found."""
    different = [status.target for status in statuses if status.differs]
    if not different:
        return None
    return FindingsError(
        f"not in sync with the vault: {', '.join(different)}", hint="run `ciplug sync` to see and change that"
    )


def verdict(statuses: Sequence[TargetStatus]) -> CiplugError | None:
    """``None`` where every target is in sync, else everything that is not.

    While no target has been written to, the status is that of the errors, where they agree; then it is incomplete.
    """
    lines = [line for status in statuses for line in _lines(status)]
    if not lines:
        return None
    errors = [error for status in statuses for error in status.errors]
    untouched = all(status.outcome is None or not (status.done or status.failed) for status in statuses)
    if untouched and len(errors) == len(lines) and len({error.exit_code for error in errors}) == 1:
        if len(errors) == 1 and len(statuses) == 1:
            return errors[0]
        return type(errors[0])("\n".join(lines), hint=errors[0].hint)
    return SyncError("\n".join(lines), hint=_hint(statuses, errors))


def _lines(status: TargetStatus) -> Iterator[str]:
    if status.outcome is not None:
        yield from (f"{status.target}: {name}: {reason}" for name, reason in status.failed.items())
        yield from (f"{status.target}: {change.name}: {change.reason}" for change in status.foreign)
    yield from (f"{status.target}: {error}" for error in status.errors)


def _hint(statuses: Sequence[TargetStatus], errors: Sequence[CiplugError]) -> str:
    needed = {change.needs for status in statuses for change in status.foreign if change.needs}
    if needed and not errors:
        return f"take over what is not ciplug's with {' '.join(sorted(needed))}, or leave it out of the target"
    return next((error.hint for error in errors if error.hint), _AGAIN)
