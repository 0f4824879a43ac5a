"""One ``ciplug sync`` from the manifest to its end: log in, plan, show, ask, apply, redeploy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ciplug import manifest
from ciplug.cli.asking import agreed, can_ask
from ciplug.cli.board import Board
from ciplug.cli.redeploying import redeploy
from ciplug.cli.sync_sessions import InSession, in_sessions
from ciplug.cli.target_options import refuse_unfit
from ciplug.cli.wiring import open_tasks
from ciplug.errors import CiplugError, SyncError, UsageError
from ciplug.sync.results import Outcome
from ciplug.sync.store import HOLD_SECONDS
from ciplug.sync.target_sync import TargetSync
from ciplug.sync.together import FaultError, followers, phase
from ciplug.sync.verdict import findings, unfit, unplanned, verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ciplug.cli.invocation import Invocation
    from ciplug.manifest import JobGrant, Manifest
    from ciplug.sync.choice import Choice
    from ciplug.sync.results import Survey
    from ciplug.sync.status import TargetStatus


def run(invocation: Invocation, choice: Choice, *, as_json: bool) -> None:
    """Do it; a ``CiplugError`` says what is not in sync."""
    with open_tasks("sync", invocation, lambda _config, declared, _host: _grants(declared, choice)) as tasks:
        declared, host = tasks[0].manifest, tasks[0].host
        targets = [declared.targets[task.grant.target] for task in tasks]
        refuse_unfit(targets)
        board = Board(targets)
        with board.published(invocation, host, mode=choice.mode, as_json=as_json):
            with in_sessions(tasks, choice, invocation.report.say) as sessions:
                invocation.report.hide([form for session in sessions for form in session.forms])
                going = _Run(invocation, sessions, board)
                going.plan()
                if not as_json:
                    board.show_plan(invocation.report)
                if not choice.writes:
                    _raise(unplanned(board.all) or (findings(board.all) if choice.mode == "check" else None))
                    return
                _raise(unfit(board.all))
                if choice.asks and board.writes:
                    going.confirm(possible=can_ask() and not host.ci and not as_json)
                going.apply()
            if invocation.signals.pending is None:
                redeploy(invocation, going.syncs, board, asked=choice.redeploys)
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


class _Run:
    """The part of a sync that has its sessions."""

    def __init__(self, invocation: Invocation, sessions: Sequence[InSession], board: Board) -> None:
        self._invocation = invocation
        self._sessions = {session.sync.name: session for session in sessions}
        self._board = board
        self._surveys: dict[str, Survey] = {}
        self.syncs = {name: session.sync for name, session in self._sessions.items()}

    def plan(self) -> None:
        """Every target's survey; one that fails is on the board, and leaves the others alone."""
        self._surveys = {}
        found = phase(self.syncs, TargetSync.survey, self._invocation.signals)
        self._invocation.signals.check()
        for name, result in found.items():
            if isinstance(result, CiplugError):
                self._board[name] = self._board[name].unplanned(result)
            else:
                self._surveys[name] = result
                self._board[name] = self._board[name].planned(result, self.syncs[name].place)

    def confirm(self, *, possible: bool) -> None:
        """Return once a person has agreed to what was shown, and that is still what would be done."""
        if not possible:
            raise UsageError(
                "nothing was written: changes want --yes where nobody can be asked",
                hint="add --yes, or look with --dry-run",
            )
        with self._invocation.signals.interruptible():
            is_agreed = agreed(f"{self._board.counted} - do it? [y/N]: ")
        if not is_agreed:
            raise SyncError("nothing was written, as you wish", hint="run it again when you have made up your mind")
        # A person may take a while, so what was shown is looked at again.
        before = self._surveys
        self.plan()
        _raise(unplanned([self._board[name] for name in before]))
        if any(before[name].changes != survey.changes for name, survey in self._surveys.items() if name in before):
            raise SyncError("nothing was written: there was a change since the plan was shown", hint="run it again")

    def apply(self) -> None:
        """Carry it out at every target at once; what becomes of it is on the board and in the audit log."""
        syncs = {name: self.syncs[name] for name in self._surveys}
        queues = {name: sync.queue for name, sync in syncs.items()}
        behind = followers(queues)
        found = phase(
            syncs,
            # A target behind another one of its queue is looked at again: that one may have changed it.
            lambda sync: sync.carry_out(self._surveys[sync.name], again=sync.name in behind),
            self._invocation.signals,
            queues=queues,
        )
        for name in syncs:
            self._board[name] = self._applied(name, found.get(name))
        self._board.show_outcome(self._invocation.report)
        for name in syncs:
            self._sessions[name].record(*self._board.events(name))

    def _applied(self, name: str, result: tuple[Survey, Outcome] | CiplugError | None) -> TargetStatus:
        """The target's status with what became of it; there is no `result` where its thread was left behind."""
        status, survey = self._board[name], self._surveys[name]
        if isinstance(result, tuple):
            return status.applied(*result)
        touched = [change.name for change in survey.changes if change.applies]
        is_unknown = self.syncs[name].at_work and (result is None or isinstance(result, FaultError))
        if is_unknown and touched:
            reason = "nobody waited for the answer" if result is None else "it may have been written"
            error = result or SyncError(
                "it was interrupted while a request was under way", hint=f"run it again in {HOLD_SECONDS:.0f} s"
            )
            return status.applied(survey, Outcome(failed=dict.fromkeys(touched, reason), errors=(error,)))
        if result is None and touched:
            result = SyncError("it was interrupted before anything was written", hint="run it again")
        return status.with_error(result) if result is not None else status


def _raise(error: CiplugError | None) -> None:
    if error is not None:
        raise error
