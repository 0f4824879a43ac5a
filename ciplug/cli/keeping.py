"""What a command leaves open for later steps: noted for ``ciplug revoke``, used by ``run --fetched``, ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ciplug.audit import Context
from ciplug.cli.wiring import open_audit, open_store, revoke_session
from ciplug.errors import CiplugError, HandOverError
from ciplug.pipeline import InHand
from ciplug.sessions import OpenSession
from ciplug.values import Delivered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ciplug.cli.wiring import Task
    from ciplug.pipeline import Delivery
    from ciplug.private import PrivateDirectory
    from ciplug.settings import Settings


def keep_open(task: Task, found: Delivery, directory: PrivateDirectory | None, *, values: bool = False) -> str:
    """Note what outlives this command, with `values` the secrets too; the note's name, or empty if nothing does."""
    leased = found.lease_seconds is not None and found.session.ours
    if not (leased or directory or values):
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
            job=task.grant.job or "",
            environment=task.grant.environment.name,
            values={item.grant.name: item.value for item in found.values} if values else {},
        )
    )
    if leased:
        found.login.keep()
    return name


def fetched(task: Task) -> InHand:
    """The secrets that ``fetch --to run`` has kept for this job; ``HandOverError`` where it has not, or not these."""
    session = task.store.fetched(task.grant.job or "", task.grant.environment.name)
    if session is None:
        raise HandOverError(
            f"nothing was fetched for job {task.grant.job} in environment {task.grant.environment.name}",
            hint="run `ciplug fetch --to run` first, in the same job; it is over once `ciplug revoke` has run",
        )
    values = tuple(
        Delivered(grant=grant, value=session.values[grant.name])
        for grant in task.grant.grants
        if grant.name in session.values
    )
    absent = [one.name for one in task.grant.grants if one.name not in session.values and not one.optional]
    if absent:
        raise HandOverError(
            f"the manifest has changed since the fetch: {', '.join(absent)}",
            hint="fetch again: `ciplug fetch --to run`",
        )
    return InHand(values=values, credentials=(session.token,) if session.token else ())


def end(name: str, config: Settings, warn: Callable[[str], None]) -> None:
    """End what the note `name` tells of: its files, its token, and last the note; ``CiplugError`` for what stays."""
    store = open_store(config)
    session = store.load(name)
    store.remove_files(session)
    expired = 0 < session.expires < time.time()
    if session.token is None or expired:
        store.forget(name)
        return
    try:
        revoke_session(config, session, session.token)
    except CiplugError as err:
        try:
            _record(config, session, err.cause, warn)
        except CiplugError as lost:
            err.add_note(str(lost))
        raise
    store.forget(name)
    _record(config, session, "ok", warn)


def _record(config: Settings, session: OpenSession, outcome: str, warn: Callable[[str], None]) -> None:
    context = Context(command="revoke", **session.context)
    open_audit(config, warn).write(context, [{"event": "revoke", "outcome": outcome}])


def _context(task: Task, found: Delivery) -> Mapping[str, Mapping[str, Any]]:
    """Who opened the session and where, so that its end is recorded without asking for an identity again."""
    if not task.steps.audit.enabled:
        return {}
    context = task.steps.context(found.identity)
    return {"who": context.who, "where": context.where, "vault": context.vault}
