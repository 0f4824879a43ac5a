"""``ciplug fetch``: the job's secrets for later steps, in the way of the host or of whoever reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ciplug import formats
from ciplug.cli.destinations import automatic, choose
from ciplug.cli.keeping import keep_open
from ciplug.cli.options import of_a_job
from ciplug.cli.wiring import open_task
from ciplug.inject.files import needs_files, place
from ciplug.pipeline import deliver
from ciplug.private import PrivateDirectory
from ciplug.process import write_all

if TYPE_CHECKING:
    from ciplug.cli.destinations import Destination
    from ciplug.cli.invocation import Invocation
    from ciplug.cli.wiring import Task
    from ciplug.pipeline import Delivery

AUTO = "auto"


@click.command("fetch")
@of_a_job
@click.option(
    "--to",
    "destination",
    type=click.Choice([AUTO, "github", "jenkins", "run", *formats.FORMATS]),
    default=AUTO,
    show_default=True,
    help="auto: the host's own way. github: later steps' environment. run: `ciplug run --fetched`. jenkins: for the"
    " shared library. Else text on stdout.",
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
        name = automatic(task) if destination == AUTO else destination
        chosen = choose(name, outputs=outputs, unmasked=unmasked)
        chosen.refuse(task, invocation)
        with deliver(task.steps, task.grant) as found:
            _hand_over(task, invocation, found, chosen)


def _hand_over(task: Task, invocation: Invocation, found: Delivery, destination: Destination) -> None:
    """Files, masks, the note of what stays open, and last the values; on any failure nothing of these stays.

    A signal may end the writing: a reader that does not read would otherwise hold the session open for ever.
    """
    directory = PrivateDirectory.create([task.store.private_root()]) if needs_files(found.values) else None
    note = ""
    try:
        write = destination.prepare(task, found, place(found.values, directory))
        if destination.masks and task.host.masker:
            invocation.report.warn_unmasked(found.too_short)
            with task.steps.signals.interruptible():
                task.host.masker(lambda data: write_all(2, data)).mask(form.text for form in found.forms)
        note = keep_open(task, found, directory, values=destination.keeps)
        with task.steps.signals.interruptible():
            write()
    except BaseException:
        if note:
            task.store.forget(note)
        if directory is not None:
            directory.remove()
        raise
    if note:
        invocation.report.say(f"{_kept(found, destination)} stay until `ciplug revoke`")


def _kept(found: Delivery, destination: Destination) -> str:
    kinds = {
        "leases": found.lease_seconds is not None and found.session.ours,
        "secret files": needs_files(found.values),
        "the secrets, for `ciplug run --fetched`,": destination.keeps,
    }
    return " and ".join(kind for kind, is_kept in kinds.items() if is_kept)
