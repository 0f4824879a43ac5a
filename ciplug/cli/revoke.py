"""``ciplug revoke``: end what a ``fetch`` or ``pull`` of this job left open. Safe twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ciplug import settings
from ciplug.cli.keeping import end
from ciplug.cli.wiring import open_store
from ciplug.errors import CiplugError

if TYPE_CHECKING:
    from ciplug.cli.invocation import Invocation


@click.command("revoke")
@click.option(
    "--best-effort",
    is_flag=True,
    help="End with status 0 even where something could not be ended: it stays a warning, and the job its own outcome.",
)
@click.pass_obj
def command(invocation: Invocation, *, best_effort: bool) -> None:
    """End the leases and sessions, and remove the secret files, that `ciplug fetch` left for later steps.

    A session that cannot be ended is reported with its remaining life and kept for another try.
    """
    failures = _end_all(invocation)
    last = failures.pop() if failures and not best_effort else None
    for failure in failures:
        invocation.report.warn_of(failure)
    if last is not None:
        raise last


def _end_all(invocation: Invocation) -> list[CiplugError]:
    """What could not be ended; where the notes themselves cannot be found, that."""
    failures: list[CiplugError] = []
    with invocation.signals.shielded():
        try:
            config = settings.load(invocation.env, invocation.manifest)
            names = open_store(config).names()
        except CiplugError as err:
            return [err]
        for name in reversed(names):  # a second filter writes into the first one's
            try:
                end(name, config, invocation)
            except CiplugError as err:
                failures.append(err)
    return failures
