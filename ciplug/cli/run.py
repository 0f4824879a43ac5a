"""``ciplug run``: a command with the job's secrets in its environment, filtered output, and a dead credential after."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import click

from ciplug.cli.explaining import explained
from ciplug.cli.options import Seconds, of_a_job
from ciplug.cli.wiring import open_task, refuse_exposed
from ciplug.inject.child import GRACE, Child
from ciplug.inject.environment import child_environment, token_values
from ciplug.inject.files import secret_files
from ciplug.pipeline import deliver
from ciplug.redact import LiteralKernel, StreamFilter, forms

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from ciplug.cli.invocation import Invocation
    from ciplug.cli.wiring import Task
    from ciplug.pipeline import InHand


@click.command("run", context_settings={"allow_interspersed_args": False})
@of_a_job
@click.option(
    "--grace",
    metavar="SECONDS",
    type=Seconds(0, 3600),
    default=GRACE,
    show_default=True,
    help="Seconds from a forwarded SIGINT, SIGTERM, SIGHUP or SIGQUIT to SIGKILL for all of the command's processes.",
)
@click.option("--fetched", is_flag=True, help="Use what `ciplug fetch --to run` has fetched for this job.")
@click.argument("command_line", metavar="[--] COMMAND [ARG]...", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_obj
def command(
    invocation: Invocation,
    job: str | None,
    environment: str | None,
    grace: float,
    command_line: tuple[str, ...],
    *,
    fetched: bool,
) -> int:
    """Run COMMAND with the job's secrets, and hide every form of them in its output.

    The exit status is the command's own (128+n for a signal). 125: ciplug failed, and the command was not started or
    was ended; 126: it cannot be run; 127: it was not found.
    """
    with (
        open_task("run", invocation, job=job, environment=environment) as task,
        _fetched(task) if fetched else _fresh(task) as found,
    ):
        kernel = LiteralKernel(found.forms + forms(token_values(invocation.env, task.secret_zero)))
        invocation.report.warn_unmasked(found.too_short)
        with secret_files(found.values, invocation.env) as values:
            invocation.signals.check()
            child = Child(
                command_line,
                child_environment(invocation.env, values, known=task.manifest.secrets, secret_zero=task.secret_zero),
                stream_filter=lambda: StreamFilter(kernel),
                warn=invocation.report.warn,
                grace=grace,
                pending=lambda: invocation.signals.pending,
            )
            return child.run()


@contextmanager
def _fresh(task: Task) -> Iterator[InHand]:
    """What the vault gives. On a CI host leases are noted while they live: if ciplug is killed, `revoke` ends them."""
    refuse_exposed(task)
    note, found = "", None
    try:
        with explained(task) as steps, deliver(steps, task.grant) as found:
            if task.host.ci and found.leased:
                from ciplug.cli.keeping import note_session

                note = note_session(task, found)
            yield found
    finally:
        if note and found is not None and found.login.failure is None:
            task.store.forget(note)


def _fetched(task: Task) -> AbstractContextManager[InHand]:
    from ciplug.cli.keeping import fetched

    refuse_exposed(task)
    return nullcontext(fetched(task))
