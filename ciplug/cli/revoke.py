"""``ciplug revoke``: end what a ``fetch`` or ``pull`` of this job left open. Safe twice."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from ciplug import settings
from ciplug.cli import report
from ciplug.cli.wiring import open_store, revoke_session
from ciplug.errors import CiplugError

if TYPE_CHECKING:
    from ciplug.cli.invocation import Invocation
    from ciplug.sessions import SessionStore


@click.command("revoke")
@click.pass_obj
def command(invocation: Invocation) -> None:
    """End the leases and sessions, and remove the secret files, that `ciplug fetch` left for later steps.

    A session that cannot be ended is reported with its remaining life and kept for another try.
    """
    found = settings.load(invocation.env)
    store = open_store(found)
    failures: list[CiplugError] = []
    with invocation.signals.shielded():
        for name in store.names():
            try:
                _end(store, name, found)
            except CiplugError as err:
                failures.append(err)
    for failure in failures[:-1]:
        report.warn(str(failure))
    if failures:
        raise failures[-1]


def _end(store: SessionStore, name: str, found: settings.Settings) -> None:
    session = store.load(name)
    store.remove_files(session)
    expired = 0 < session.expires < time.time()
    if session.token is not None and not expired:
        revoke_session(found, session, session.token)
    store.forget(name)
