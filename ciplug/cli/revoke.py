"""``ciplug revoke``: end what a ``fetch`` or ``pull`` of this job left open. Safe twice."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from ciplug import settings
from ciplug.audit import Context
from ciplug.cli import report
from ciplug.cli.wiring import open_audit, open_store, revoke_session
from ciplug.errors import CiplugError

if TYPE_CHECKING:
    from ciplug.cli.invocation import Invocation
    from ciplug.sessions import OpenSession, SessionStore
    from ciplug.settings import Settings


@click.command("revoke")
@click.pass_obj
def command(invocation: Invocation) -> None:
    """End the leases and sessions, and remove the secret files, that `ciplug fetch` left for later steps.

    A session that cannot be ended is reported with its remaining life and kept for another try.
    """
    config = settings.load(invocation.env, invocation.manifest)
    store = open_store(config)
    failures: list[CiplugError] = []
    with invocation.signals.shielded():
        for name in store.names():
            try:
                _end(store, name, config)
            except CiplugError as err:
                failures.append(err)
    for failure in failures[:-1]:
        for message in (*getattr(failure, "__notes__", ()), str(failure)):
            report.warn(message)
    if failures:
        raise failures[-1]


def _end(store: SessionStore, name: str, config: Settings) -> None:
    """End one open session: its files, its token, and last the note of it."""
    session = store.load(name)
    store.remove_files(session)
    expired = 0 < session.expires < time.time()
    if session.token is not None and not expired:
        try:
            revoke_session(config, session, session.token)
        except CiplugError as err:
            try:
                _record(config, session, err.cause)
            except CiplugError as lost:
                err.add_note(str(lost))
            raise
        store.forget(name)
        _record(config, session, "ok")
    else:
        store.forget(name)


def _record(config: Settings, session: OpenSession, outcome: str) -> None:
    context = Context(command="revoke", **session.context)
    open_audit(config).write(context, [{"event": "revoke", "outcome": outcome}])
