"""One target, brought to what the manifest and the vault say: survey, apply, verify; the ledger before and after.

Whatever ends it in between, the ledger has named every variable that may have been written by then, so that the next
run knows it as owned and finishes. Nothing here prints, and nothing knows of other targets.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ciplug.errors import SyncError
from ciplug.sync.ledger import fingerprint
from ciplug.sync.plan import WRITES, Target, owns, plan, unsure
from ciplug.sync.results import Outcome, Survey
from ciplug.sync.run import Run, entry_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from collections.abc import Set as AbstractSet

    from ciplug.contracts import Platform
    from ciplug.sync.ledger import Keeps, Ledger
    from ciplug.values import Result, Secret


def survey(
    platform: Platform,
    wanted: Mapping[str, Secret],
    keeper: Keeps,
    *,
    listed: AbstractSet[str] = frozenset(),
    prune: bool = False,
    adopt: AbstractSet[str] = frozenset(),
) -> Survey:
    """What is at the target against what is `wanted` there; `listed` are all names that the manifest has for it."""
    ledger, key = keeper.read(platform.place), keeper.key()
    target = Target(
        wanted=wanted,
        held={variable.name: variable for variable in platform.read()},
        ledger=ledger,
        fingerprint=lambda name, value: fingerprint(key, platform.place, name, value),
        listed=listed,
        blind=keeper.blind,
    )
    if asked := unsure(target):
        known = {variable.name: replace(variable, value=platform.read_value(variable)) for variable in asked}
        target = replace(target, held={**target.held, **known})
    changes = plan(target, prune=prune, adopt=adopt)
    written = {change.name: wanted[change.name] for change in changes if change.applies and change.kind in WRITES}
    problems = platform.problems(written, tuple(target.held.values())) if written else ()
    kept = {change.name for change in changes if change.kind == "keep"} & (ledger.entries.keys() | adopt)
    return Survey(target=target, changes=changes, problems=problems, before=_confirmed(target, kept))


def carry_out(
    found: Survey, platform: Platform, keeper: Keeps, tell: Callable[[Result], None] = lambda _result: None
) -> Outcome:
    """Do what the survey says; `tell` hears of every variable as it is done.

    Nothing is written, neither there nor to the ledger, where nothing differs. Raises only what keeps it from
    beginning (``SyncError`` for problems, and while another sync is at work); what ends it later is in the outcome.
    """
    if found.problems:
        raise SyncError("; ".join(found.problems), hint="correct these first; nothing was written")
    work = {change.name: change for change in found.changes if change.applies}
    if not work:
        if found.before != found.target.ledger:
            keeper.release(found.before)
        return Outcome(ledger=found.before)
    run = Run(found, platform, work)
    keeper.hold(run.announced())
    try:
        with run.errors_noted():
            run.apply(tell, keeper)
            run.verify()
        run.settle()
    finally:
        with run.errors_noted():
            keeper.release(run.ledger())
    return run.outcome()


def _confirmed(target: Target, kept: AbstractSet[str]) -> Ledger:
    """The ledger without what is gone or not ciplug's, and with what was found to be as it is to be."""
    there = {
        name: entry
        for name, entry in target.ledger.entries.items()
        if (name in target.held or name in target.wanted) and owns(target, name)
    }
    confirmed = {name: entry_of(target, name, target.held[name]) for name in kept}
    return replace(target.ledger, entries={**there, **confirmed})
