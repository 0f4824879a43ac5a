"""``ciplug fetch``: the job's secrets for later steps, in the way of the host or of whoever reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ciplug.cli.destinations import AUTO, NAMES, choose
from ciplug.cli.explaining import explained
from ciplug.cli.options import of_a_job
from ciplug.cli.wiring import open_task, refuse_exposed
from ciplug.pipeline import deliver

if TYPE_CHECKING:
    from ciplug.cli.invocation import Invocation


@click.command("fetch")
@of_a_job
@click.option(
    "--to",
    "destination",
    type=click.Choice(NAMES),
    default=AUTO,
    show_default=True,
    help="auto: the host's own way. github: later steps' environment. run: `ciplug run --fetched`. filtered-shell: code"
    " for a POSIX shell. jenkins: for the shared library. Else text on stdout.",
)
@click.option("--outputs", is_flag=True, help="With --to github: as outputs of this step as well.")
@click.option(
    "--unmasked",
    is_flag=True,
    help="Accept that this CI host cannot be told to mask: every later step may print the values.",
)
@click.pass_obj
def command(
    invocation: Invocation,
    job: str | None,
    environment: str | None,
    destination: str,
    *,
    outputs: bool,
    unmasked: bool,
) -> None:
    """Hand the job's secrets to later steps. Prefer `ciplug run`, which hides them on every host.

    \b
    In a POSIX shell:  out="$(ciplug fetch --to shell)" && eval "$out"; unset out

    What stays open (leases, secret files) is ended by `ciplug revoke`.
    """  # noqa: D301  # \b is click's mark for a paragraph that is not to be refilled
    with open_task("fetch", invocation, job=job, environment=environment) as task:
        refuse_exposed(task)
        chosen = choose(destination, task, outputs=outputs, unmasked=unmasked)
        chosen.refuse(task, invocation)
        with explained(task) as steps, deliver(steps, task.grant) as found:
            chosen.hand_over(task, invocation, found)
