"""One ``ciplug sync`` from the manifest to its end: log in, plan, show, ask, apply, redeploy."""

from __future__ import annotations

import sys
from functools import partial
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
        declared, host = tasks[0].manifest, tasks[0].host
        targets = [declared.targets[task.grant.target] for task in tasks]
        refuse_unfit(targets)
        wish = Wish(seconds=choice.seconds, prune=choice.prune, adopt=choice.adopt, looks_only=choice.look)
        board = Board(targets)
        with board.published(invocation, host, json=choice.json):
            with in_sessions(tasks, wish, invocation) as syncs:
                board.hide(form for sync in syncs for form in sync.delivery.forms)
                going = _Run(invocation, choice, {sync.name: sync for sync in syncs}, board)
                going.plan()
                board.show_plan(invocation.report, json=choice.json)
                if choice.look:
                    _raise(findings(board.all) if choice.check else None)
                    return
                going.confirm(ci=host.ci)
                going.apply()
            if invocation.signals.pending is None:
                redeploy(invocation, going.syncs, board, asked=choice.redeploy)
            _raise(verdict(board.all, interrupted=invocation.signals.pending is not None))


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


class _Run:
    """The part of a sync that has its sessions."""

    def __init__(self, invocation: Invocation, choice: Choice, syncs: Mapping[str, TargetSync], board: Board) -> None:
        self._invocation = invocation
        self._choice = choice
        self._board = board
        self._surveys: dict[str, Survey] = {}
        self.syncs = syncs

    def plan(self) -> None:
        """Every target's survey; one that fails is on the board, and leaves the others alone."""
        self._surveys = {}
        found = phase(self.syncs, TargetSync.survey, self._invocation.signals)
        self._invocation.signals.check()
        for name, result in found.items():
            if isinstance(result, CiplugError):
                self._board.note(name, survey=None, errors=(result,))
            else:
                self._surveys[name] = result
                self._board.note(name, survey=result, errors=(), place=self.syncs[name].place)

    def confirm(self, *, ci: bool) -> None:
        """Return once what is planned may be done, as it was shown; else a ``CiplugError``."""
        _raise(unfit(self._board.all))
        if self._choice.yes or not self._board.writes:
            return
        if ci or not sys.stdin.isatty():
            raise UsageError(
                "nothing was written: changes want --yes where nobody can be asked",
                hint="add --yes, or look with --dry-run",
            )
        with self._invocation.signals.interruptible():
            agreed = click.confirm(f"{self._board.counted} - do it?", err=True)
        if not agreed:
            raise SyncError("nothing was written, as you wish", hint="run it again when you have made up your mind")
        # A person may take a while, so what was shown is looked at again.
        before = {shown.target: shown.changes for shown in self._board.all}
        self.plan()
        if before != {shown.target: shown.changes for shown in self._board.all}:
            raise SyncError("nothing was written: there was a change since the plan was shown", hint="run it again")

    def apply(self) -> None:
        """Carry it out at every target at once; what becomes of it is on the board and in the audit log."""
        syncs = {name: self.syncs[name] for name in self._surveys}
        queues = {name: sync.queue for name, sync in syncs.items()}
        try:
            found = phase(syncs, partial(self._carry_out, queues), self._invocation.signals, queues=queues)
        except Interrupted:
            found = {name: self._lost(name) for name in syncs}
        for name, result in found.items():
            if isinstance(result, CiplugError):
                self._board.note(name, errors=(result,))
            else:
                self._board.note(name, outcome=result, errors=result.errors)
        self._board.show_outcome(self._invocation.report)
        for name, sync in syncs.items():
            sync.delivery.login.record(*self._board.events(name))

    def _carry_out(self, queues: Mapping[str, str], sync: TargetSync) -> Outcome:
        """What was surveyed, looked at again behind another target of its queue, which may have changed it."""
        name = sync.name
        if next(each for each, queue in queues.items() if queue == queues[name]) == name:
            return sync.carry_out(self._surveys[name])
        found = sync.survey()
        agreed = {change.name for change in self._surveys[name].changes if change.applies}
        if strangers := sorted({change.name for change in found.changes if change.applies} - agreed):
            raise SyncError(
                f"nothing was written: there was a change since the plan was shown: {', '.join(strangers)}",
                hint="run it again",
            )
        return sync.carry_out(found)

    def _lost(self, name: str) -> Outcome:
        """What is known of a target whose thread was left behind."""
        touched = [change.name for change in self._surveys[name].changes if change.applies]
        if not touched:
            return Outcome()
        error = SyncError("it was interrupted while a request was under way", hint="run it again in two minutes")
        return Outcome(failed=dict.fromkeys(touched, "nobody waited for the answer"), errors=(error,))


def _raise(error: CiplugError | None) -> None:
    if error is not None:
        raise error
