"""``ciplug fetch``: the job's secrets for later steps, in the way of the host or of whoever reads them."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import click

from ciplug import formats
from ciplug.cli import filtered
from ciplug.cli.destinations import automatic, choose
from ciplug.cli.keeping import keep_open, undoing
from ciplug.cli.options import of_a_job
from ciplug.cli.wiring import open_task
from ciplug.errors import HandOverError
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
    type=click.Choice([AUTO, "github", "jenkins", "run", filtered.NAME, *formats.FORMATS]),
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
        if destination == filtered.NAME:
            filtered.refuse(task, invocation)
            with deliver(task.steps, task.grant) as found:
                filtered.hand_over(task, invocation, found)
            return
        name = automatic(task) if destination == AUTO else destination
        chosen = choose(name, outputs=outputs, unmasked=unmasked)
        chosen.refuse(task, invocation)
        if chosen.masks and task.host.masker:
            _refuse_unheard(task)
        with deliver(task.steps, task.grant) as found:
            _hand_over(task, invocation, found, chosen)


def _refuse_unheard(task: Task) -> None:
    """A closed stderr is ``/dev/null`` by now; a file would hold every value in clear, and nothing would be masked."""
    kind = os.fstat(2).st_mode
    if stat.S_ISREG(kind) or (stat.S_ISCHR(kind) and not os.isatty(2)):
        raise HandOverError(
            f"stderr does not lead to {task.host.label}, which would read there what to mask",
            hint="keep the step's stderr open and unredirected",
        )


def _hand_over(task: Task, invocation: Invocation, found: Delivery, destination: Destination) -> None:
    """Files, masks, the note of what stays open, and last the values; on any failure nothing of these stays."""
    with undoing() as undo:
        directory = PrivateDirectory.create([task.store.private_root()]) if _places_files(found, destination) else None
        if directory is not None:
            undo.append(directory.remove)
        write = destination.prepare(task, found, place(found.values, directory))
        _tell_what_to_mask(task, invocation, found, destination)
        note = keep_open(task, found, directory, values=destination.keeps)
        if note:
            undo.append(lambda: task.store.forget(note))
        write()
    if note:
        invocation.report.say(f"{_kept(found, destination)} stay until `ciplug revoke`")


def _tell_what_to_mask(task: Task, invocation: Invocation, found: Delivery, destination: Destination) -> None:
    masker = task.host.masker if destination.masks else None
    if masker or destination.brings_masks:
        invocation.report.warn_unmasked(found.too_short)
    if masker:
        with task.steps.signals.interruptible():
            masker(lambda data: write_all(2, data)).mask(form.text for form in found.forms)


def _places_files(found: Delivery, destination: Destination) -> bool:
    """Whether later steps find secret files; each ``ciplug run --fetched`` makes its own."""
    return needs_files(found.values) and not destination.keeps


def _kept(found: Delivery, destination: Destination) -> str:
    kinds = {
        "leases": found.lease_seconds is not None and found.session.ours,
        "secret files": _places_files(found, destination),
        "the secrets, for `ciplug run --fetched`,": destination.keeps,
    }
    return " and ".join(kind for kind, is_kept in kinds.items() if is_kept)
