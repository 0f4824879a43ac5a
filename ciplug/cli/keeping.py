"""What a command leaves open for later steps, noted for ``ciplug revoke``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ciplug.cli import report
from ciplug.sessions import OpenSession

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.cli.wiring import Task
    from ciplug.pipeline import Delivery
    from ciplug.private import PrivateDirectory


def keep_open(task: Task, found: Delivery, directory: PrivateDirectory | None) -> str:
    """Note what outlives this command for ``ciplug revoke``; the note's name, or an empty string if nothing does."""
    leased = found.lease_seconds is not None and found.session.ours
    if not leased and directory is None:
        return ""
    ttl = found.session.ttl_remaining() if leased else None
    name = task.store.add(
        OpenSession(
            addresses=[str(address) for address in task.client.addresses],
            namespace=task.client.namespace,
            token=found.session.token if leased else None,
            expires=0.0 if ttl is None else time.time() + ttl,
            directory=str(directory.path) if directory else "",
            context=_context(task, found),
        )
    )
    kept = " and ".join(what for what, is_kept in (("leases", leased), ("secret files", directory)) if is_kept)
    report.say(f"{kept} stay until `ciplug revoke`")
    if leased:
        found.login.keep()
    return name


def _context(task: Task, found: Delivery) -> Mapping[str, Mapping[str, Any]]:
    """Who opened the session and where, so that its end is recorded without asking for an identity again."""
    if not task.steps.audit.enabled:
        return {}
    context = task.steps.context(found.identity)
    return {"who": context.who, "where": context.where, "vault": context.vault}
