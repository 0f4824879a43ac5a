"""One ``ciplug sync`` from the manifest to its end: log in, plan, show, ask, apply, redeploy."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ciplug import manifest
from ciplug.cli.board import Board
from ciplug.cli.phases import phase
from ciplug.cli.redeploying import redeploy
from ciplug.cli.target_options import refuse_unfit
from ciplug.cli.target_sync import TargetSync, Wish, in_sessions
from ciplug.cli.wiring import open_tasks
from ciplug.errors import CiplugError, Interrupted, SyncError, UsageError
from ciplug.frozen import frozen
from ciplug.sync.engine import Outcome, Survey
from ciplug.sync.verdict import findings, unfit, verdict

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

    from ciplug.cli.invocation import Invocation
    from ciplug.manifest import JobGrant, Manifest


@frozen
class Choice:
    """What the command line says. `look`: nothing is written; `check`: and a difference is a failure."""

    targets: tuple[str, ...]
    look: bool
    check: bool
    prune: bool
    adopt: AbstractSet[str]
    redeploy: bool
    yes: bool
    seconds: float
    json: bool


def run(invocation: Invocation, choice: Choice) -> None:
    """Do it; a ``CiplugError`` says what is not as it is to be."""
    with open_tasks("sync", invocation, lambda _config, declared, _host: _grants(declared, choice)) as tasks:
        declared = tasks[0].manifest
        refuse_unfit(declared.targets[task.grant.target] for task in tasks)
        wish = Wish(seconds=choice.seconds, prune=choice.prune, adopt=choice.adopt, looks_only=choice.look)
        board = Board(declared.targets[task.grant.target] for task in tasks)
        with board.published(invocation, tasks[0].host, json=choice.json):
            with in_sessions(tasks, wish, invocation) as opened:
                syncs = {sync.name: sync for sync in opened}
                surveys = _plan(invocation, syncs, board)
                board.show_plan(invocation.report, json=choice.json)
                if choice.look:
                    _raise(findings(board.all) if choice.check else None)
                    return
                _confirm(invocation, choice, syncs, surveys, board, ci=tasks[0].host.ci)
                _apply(invocation, syncs, surveys, board)
            redeploy(invocation, syncs, board, asked=choice.redeploy)
            _raise(verdict(board.all))


def _grants(declared: Manifest, choice: Choice) -> list[JobGrant]:
    """What each target reads. ``UsageError`` for names that are none of theirs: a typo would go unnoticed."""
    if not declared.targets:
        raise UsageError(f"{declared.source} has no targets", hint="declare one in [targets]")
    grants = [manifest.grant_target(declared, name) for name in choice.targets or declared.targets]
    listed = {name for grant in grants for name in declared.targets[grant.target].secrets}
    if strangers := sorted(choice.adopt - listed):
        raise UsageError(
            f"--adopt: no target that is synced has {', '.join(strangers)}",
            hint="it takes names of the target's secrets",
        )
    return grants


def _plan(invocation: Invocation, syncs: Mapping[str, TargetSync], board: Board) -> dict[str, Survey]:
    """Every target's survey; one that fails is on the board, and leaves the others alone."""
    found = phase(syncs, TargetSync.survey, invocation.signals)
    invocation.signals.check()
    surveys = {}
    for name, result in found.items():
        if isinstance(result, CiplugError):
            board.note(name, errors=(result,))
        else:
            surveys[name] = result
            board.note(name, survey=result, place=syncs[name].place)
    return surveys


def _confirm(
    invocation: Invocation,
    choice: Choice,
    syncs: Mapping[str, TargetSync],
    surveys: dict[str, Survey],
    board: Board,
    *,
    ci: bool,
) -> None:
    """Return once what `surveys` say may be done, as they say it then; else a ``CiplugError``."""
    _raise(unfit(board.all))
    if choice.yes or not board.writes:
        return
    if ci or not sys.stdin.isatty():
        raise UsageError(
            "nothing was written: changes want --yes where nobody can be asked",
            hint="add --yes, or look with --dry-run",
        )
    with invocation.signals.interruptible():
        agreed = click.confirm(f"{board.counted} - do it?", err=True)
    if not agreed:
        raise SyncError("nothing was written, as you wish", hint="run it again when you have made up your mind")
    # A person may take a while, so what was shown is looked at again.
    before = {name: survey.changes for name, survey in surveys.items()}
    surveys |= _plan(invocation, {name: syncs[name] for name in surveys}, board)
    if before != {name: survey.changes for name, survey in surveys.items()}:
        raise SyncError("nothing was written: there was a change since the plan was shown", hint="run it again")


def _apply(
    invocation: Invocation, syncs: Mapping[str, TargetSync], surveys: Mapping[str, Survey], board: Board
) -> None:
    """Carry it out at every target at once; what becomes of it is on the board and in the audit log."""
    try:
        found = phase(
            {name: syncs[name] for name in surveys},
            lambda sync: sync.carry_out(surveys[sync.name]),
            invocation.signals,
            queues={name: syncs[name].queue for name in surveys},
        )
    except Interrupted:
        lost = SyncError("it was interrupted while a request was under way", hint="run it again in two minutes")
        found = dict.fromkeys(surveys, lost)
    for name, result in found.items():
        if isinstance(result, Outcome):
            board.note(name, outcome=result, errors=result.errors)
        else:
            board.note(name, errors=(result,))
    board.show_outcome(invocation.report)
    for name in found:
        syncs[name].delivery.login.record(*board.events(name))


def _raise(error: CiplugError | None) -> None:
    if error is not None:
        raise error
