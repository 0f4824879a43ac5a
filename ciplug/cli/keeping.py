"""What a command leaves open for later steps: noted for ``ciplug revoke``, used by ``run --fetched``, ended."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ciplug.audit import Context
from ciplug.cli.wiring import open_audit, open_store, revoke_session
from ciplug.errors import CiplugError, HandOverError
from ciplug.inject import lock
from ciplug.pipeline import InHand
from ciplug.sessions import OpenSession
from ciplug.values import Delivered

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ciplug.cli.invocation import Invocation
    from ciplug.cli.wiring import Task
    from ciplug.pipeline import Delivery
    from ciplug.private import PrivateDirectory
    from ciplug.sessions import SessionStore
    from ciplug.settings import Settings


def keep_open(task: Task, found: Delivery, directory: PrivateDirectory | None, *, values: bool = False) -> str:
    """Note what outlives this command, with `values` the secrets too; the note's name, or empty if nothing does."""
    if not (found.leased or directory or values):
        return ""
    name = note_session(task, found, directory, values=values)
    if found.leased:
        found.login.keep()
    return name


def note_session(
    task: Task, found: Delivery, directory: PrivateDirectory | None = None, *, values: bool = False
) -> str:
    """Note what is open, for `ciplug revoke`; the note's name."""
    ttl = found.session.ttl_remaining() if found.leased else None
    return task.store.add(
        OpenSession(
            addresses=[str(address) for address in task.client.addresses],
            namespace=task.client.namespace,
            token=found.session.token if found.leased else None,
            expires=0.0 if ttl is None else time.time() + ttl,
            directory=str(directory.path) if directory else "",
            context=_context(task, found),
            job=task.grant.job or "",
            environment=task.grant.environment.name,
            values={item.grant.name: item.value for item in found.values} if values else None,
        )
    )


def fetched(task: Task) -> InHand:
    """The secrets that ``fetch --to run`` has kept for this job; ``HandOverError`` where it has not, or not these."""
    session = task.store.fetched(task.grant.job or "", task.grant.environment.name)
    if session is None:
        raise HandOverError(
            f"nothing was fetched for job {task.grant.job} in environment {task.grant.environment.name}",
            hint="run `ciplug fetch --to run` first, in the same job; it is over once `ciplug revoke` has run",
        )
    if _is_over(session):
        raise HandOverError("what was fetched has ended with its session", hint=_AGAIN)
    kept = session.values or {}
    values = tuple(Delivered(grant=grant, value=kept[grant.name]) for grant in task.grant.grants if grant.name in kept)
    absent = [one.name for one in task.grant.grants if one.name not in kept and not one.optional]
    if absent:
        raise HandOverError(
            f"the manifest has changed since the fetch: {', '.join(absent)}",
            hint=_AGAIN,
        )
    return InHand(values=values, credentials=(session.token,) if session.token else ())


_AGAIN = "fetch again: `ciplug fetch --to run`"


def end(name: str, config: Settings, invocation: Invocation) -> None:
    """End what the note `name` tells of, the filter of a shell first; ``CiplugError`` for what stays."""
    session = open_store(config).load(name)
    if session.directory and not lock.stop(Path(session.directory), lock.PATIENCE, invocation.signals.sleep):
        invocation.report.warn("the filter of the job's shell does not end")
    finish(name, config, invocation.report.warn)


def finish(name: str, config: Settings, warn: Callable[[str], None]) -> None:
    """End the files, the token and last the note; all of it may be gone already, by the filter's own end."""
    store = open_store(config)
    if name not in store.names():
        return
    session = store.load(name)
    stays = _files_that_stay(store, session)
    try:
        ended = _end_token(config, session, warn)
        if stays is None:
            store.forget(name)
        if ended:
            _record(config, session, "ok", warn)
    except CiplugError as err:
        if stays is not None:
            err.add_note(str(stays))
        raise
    if stays is not None:
        raise stays


def _files_that_stay(store: SessionStore, session: OpenSession) -> CiplugError | None:
    """Why they do. A step of another user may have left something among them; the token has to die all the same."""
    try:
        store.remove_files(session)
    except CiplugError as err:
        return err
    return None


def _end_token(config: Settings, session: OpenSession, warn: Callable[[str], None]) -> bool:
    """Whether there was anything to revoke; it is dead when this returns."""
    if session.token is None or _is_over(session):
        return False
    try:
        revoke_session(config, session, session.token)
    except CiplugError as err:
        try:
            _record(config, session, err.cause, warn)
        except CiplugError as lost:
            err.add_note(str(lost))
        raise
    return True


def _is_over(session: OpenSession) -> bool:
    return 0 < session.expires < time.time()


def _record(config: Settings, session: OpenSession, outcome: str, warn: Callable[[str], None]) -> None:
    context = Context(command="revoke", **session.context)
    open_audit(config, warn).write(context, [{"event": "revoke", "outcome": outcome}])


def _context(task: Task, found: Delivery) -> Mapping[str, Mapping[str, Any]]:
    """Who opened the session and where, so that its end is recorded without asking for an identity again."""
    if not task.steps.audit.enabled:
        return {}
    context = task.steps.context(found.identity)
    return {"who": context.who, "where": context.where, "vault": context.vault}
