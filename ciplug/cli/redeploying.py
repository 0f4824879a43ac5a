"""``--redeploy``: new deployments for the targets that have new values, and the ledger's note that they have them."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from ciplug.cli.progress import progress
from ciplug.cli.sync_sessions import note_deployed
from ciplug.errors import CiplugError
from ciplug.sync.together import phase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.cli.board import Board
    from ciplug.cli.invocation import Invocation
    from ciplug.sync.target_sync import TargetSync


def redeploy(invocation: Invocation, syncs: Mapping[str, TargetSync], board: Board, *, asked: bool) -> None:
    """Deploy what has values that no deployment has yet; how that ends is on the board.

    A target that is not in sync is left alone: its deployment would have a part of the values.
    """
    stale = {name: sync for name, sync in syncs.items() if board[name].stale}
    deployed = {name: sync for name, sync in stale.items() if sync.redeploys}
    for name in stale:
        if name not in deployed and asked:
            invocation.report.say(f"{name}: it has no deployments of its own; deploy what uses its variables")
        elif name in deployed and not asked and board[name].done:
            invocation.report.say(f"{name}: the change arrives with the next deployment; --redeploy starts one")
    if not (asked and deployed):
        return
    _follow(invocation, deployed, board)
    invocation.signals.check()
    ready = (board[name] for name in deployed if not board[name].errors)
    note_deployed(invocation, {status.target: status.outcome.ledger for status in ready if status.outcome is not None})


def _follow(invocation: Invocation, syncs: Mapping[str, TargetSync], board: Board) -> None:
    with progress(list(syncs), invocation.report.say, bar=sys.stderr.isatty()) as shown:
        found = phase(
            syncs, lambda sync: sync.redeploy(partial(shown.tell, sync.name)), invocation.signals, show=shown.show
        )
    for name, result in found.items():
        board[name] = (
            board[name].with_error(result) if isinstance(result, CiplugError) else board[name].deployed(result)
        )
