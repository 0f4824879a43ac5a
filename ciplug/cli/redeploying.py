"""``--redeploy``: new deployments for the targets that have new values, and the ledger's note that they have them."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ciplug import manifest
from ciplug.cli.phases import phase
from ciplug.cli.progress import progress
from ciplug.cli.target_sync import open_ledger
from ciplug.cli.wiring import open_tasks
from ciplug.errors import CiplugError
from ciplug.pipeline import identified, logged_in
from ciplug.sync.verdict import failed_deployment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.cli.board import Board
    from ciplug.cli.invocation import Invocation
    from ciplug.cli.target_sync import TargetSync


def redeploy(invocation: Invocation, syncs: Mapping[str, TargetSync], board: Board, *, asked: bool) -> None:
    """Deploy what has values that no deployment has yet; how that ends is on the board.

    A target that is not as it is to be is left alone: its deployment would have a part of the values.
    """
    stale = {name: sync for name, sync in syncs.items() if _is_stale(board, name)}
    deployed = {name: sync for name, sync in stale.items() if sync.redeploys}
    for name in sorted(stale):
        if name not in deployed and asked:
            invocation.report.say(f"{name}: it has no deployments of its own; deploy what uses its variables")
        elif name in deployed and not asked and board[name].done:
            invocation.report.say(f"{name}: the change arrives with the next deployment; --redeploy starts one")
    if not (asked and deployed):
        return
    _follow(invocation, deployed, board)
    invocation.signals.check()
    ready = [name for name in deployed if (found := board[name].deployment) is not None and found.state == "ready"]
    _note_deployed(invocation, {name: deployed[name].place for name in ready})


def _is_stale(board: Board, name: str) -> bool:
    shown = board[name]
    if shown.survey is None or shown.outcome is None or shown.outcome.failed or shown.errors:
        return False
    return bool(shown.done) or shown.survey.before.undeployed


def _follow(invocation: Invocation, syncs: Mapping[str, TargetSync], board: Board) -> None:
    with progress(list(syncs), invocation.report.say, bar=sys.stderr.isatty()) as shown:
        found = phase(
            syncs, lambda sync: sync.redeploy(partial(shown.tell, sync.name)), invocation.signals, show=shown.show
        )
    for name, result in found.items():
        if isinstance(result, CiplugError):
            board.note(name, errors=(result,))
            continue
        board.note(name, deployment=result)
        if failure := failed_deployment(board[name]):
            board.note(name, errors=(failure,))


def _note_deployed(invocation: Invocation, places: Mapping[str, str]) -> None:
    """Write to the ledgers that the values are deployed, in sessions of their own: the sync's have ended long ago."""

    def granted(_config: object, declared: manifest.Manifest, _host: object) -> list[manifest.JobGrant]:
        return [manifest.grant_target(declared, name) for name in places]

    with open_tasks("sync", invocation, granted) as tasks:
        for task in tasks:
            try:
                with (
                    logged_in(task.steps, task.grant, identified(task.steps, task.grant)) as login,
                    open_ledger(task, login.session.token) as keeper,
                ):
                    ledger = keeper.read(places[task.grant.target])
                    keeper.release(replace(ledger, undeployed=False))
            except CiplugError as err:
                invocation.report.warn(f"{task.grant.target}: the next --redeploy will deploy it once more: {err}")
