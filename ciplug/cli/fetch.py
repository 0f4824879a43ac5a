"""``ciplug fetch``: the job's secrets for later steps, as text on stdout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ciplug import formats
from ciplug.cli import report
from ciplug.cli.keeping import keep_open
from ciplug.cli.options import of_a_job
from ciplug.cli.wiring import open_task
from ciplug.errors import HandOverError
from ciplug.inject.files import needs_files, place
from ciplug.pipeline import deliver
from ciplug.private import PrivateDirectory
from ciplug.process import write_all

if TYPE_CHECKING:
    from ciplug.cli.invocation import Invocation
    from ciplug.cli.wiring import Task
    from ciplug.pipeline import Delivery


@click.command("fetch")
@of_a_job
@click.option("--to", "layout", type=click.Choice(list(formats.FORMATS)), required=True, help="The form on stdout.")
@click.option(
    "--unmasked",
    is_flag=True,
    help="Accept that this CI host cannot be told to mask: every later step may print the values.",
)
@click.pass_obj
def command(invocation: Invocation, job: str | None, environment: str | None, layout: str, *, unmasked: bool) -> None:
    """Print the job's secrets for later steps. Prefer `ciplug run`, which hides them on every host.

    \b
    In a POSIX shell:  out="$(ciplug fetch --to shell)" && eval "$out"; unset out

    What stays open (leases, secret files) is ended by `ciplug revoke`.
    """  # noqa: D301  # \b is click's mark for a paragraph that is not to be refilled
    with open_task("fetch", invocation, job=job, environment=environment) as task:
        _refuse_early(task, invocation, unmasked=unmasked)
        with deliver(task.steps, task.grant) as found:
            _hand_over(task, found, layout)


def _refuse_early(task: Task, invocation: Invocation, *, unmasked: bool) -> None:
    """What is known to fail before anyone is asked for anything."""
    if 1 in invocation.missing:
        raise HandOverError("stdout is closed, and the values go there", hint="keep stdout open for the reader")
    if task.host.ci and not (task.host.masker or unmasked):
        raise HandOverError(
            f"{task.host.label} cannot be told to mask values for later steps",
            hint="use `ciplug run -- COMMAND`, or accept it with --unmasked",
        )


def _hand_over(task: Task, found: Delivery, layout: str) -> None:
    """Files, masks, the note of what stays open, and last the values; on any failure nothing of these stays.

    A signal may end the writing: a reader that does not read would otherwise hold the session open for ever.
    """
    directory = PrivateDirectory.create([task.store.private_root()]) if needs_files(found.values) else None
    kept = ""
    try:
        text = formats.FORMATS[layout](place(found.values, directory))
        if task.host.masker:
            report.warn_unmasked(found.too_short)
            spellings = [form.text for form in found.forms]
            with task.steps.signals.interruptible():
                task.host.masker(lambda data: write_all(2, data)).mask(spellings)
        kept = keep_open(task, found, directory)
        with task.steps.signals.interruptible():
            _write_values(text)
    except BaseException:
        if kept:
            task.store.forget(kept)
        if directory is not None:
            directory.remove()
        raise


def _write_values(text: bytes) -> None:
    try:
        write_all(1, text)
    except OSError as err:
        raise HandOverError(
            f"the values could not be written to stdout: {err.strerror}", hint="keep stdout open for the reader"
        ) from err
