"""``ciplug fetch``: the job's secrets for later steps, as text on stdout."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from ciplug import formats
from ciplug.cli.keeping import keep_open
from ciplug.cli.wiring import open_task
from ciplug.errors import HandOverError
from ciplug.hosts.github import ActionsMasker
from ciplug.inject.files import needs_files, place
from ciplug.pipeline import deliver
from ciplug.private import PrivateDirectory
from ciplug.redact import forms

if TYPE_CHECKING:
    from ciplug.cli.invocation import Invocation
    from ciplug.cli.wiring import Task
    from ciplug.pipeline import Delivery


@click.command("fetch")
@click.option("--job", metavar="JOB", help="A job of the manifest. Default: CIPLUG_JOB, then the CI host's job name.")
@click.option("--env", "environment", metavar="ENV", help="The environment, where the job has several.")
@click.option("--to", "form", type=click.Choice(list(formats.FORMATS)), required=True, help="The form on stdout.")
@click.option(
    "--unmasked",
    is_flag=True,
    help="Accept that this CI host cannot be told to mask: every later step may print the values.",
)
@click.pass_obj
def command(invocation: Invocation, job: str | None, environment: str | None, form: str, *, unmasked: bool) -> None:
    """Print the job's secrets for later steps. Prefer `ciplug run`, which hides them on every host.

    \b
    In a POSIX shell:  out="$(ciplug fetch --to shell)" && eval "$out"; unset out

    What stays open (leases, secret files) is ended by `ciplug revoke`.
    """  # noqa: D301  # \b is click's mark for a paragraph that is not to be refilled
    with open_task("fetch", invocation, job=job, environment=environment) as task:
        if task.host.ci and not (task.host.masks or unmasked):
            raise HandOverError(
                f"{task.host.label} cannot be told to mask values for later steps",
                hint="use `ciplug run -- COMMAND`, or accept it with --unmasked",
            )
        with deliver(task.steps, task.grant) as found:
            _hand_over(task, found, form)


def _hand_over(task: Task, found: Delivery, form: str) -> None:
    """Files, masks, the note of what stays open, and last the values; on any failure nothing of these stays.

    A signal may end the writing: a reader that does not read would otherwise hold the session open for ever.
    """
    directory = PrivateDirectory.create([task.store.private_root()]) if needs_files(found.values) else None
    kept = ""
    try:
        text = formats.FORMATS[form](place(found.values, directory))
        if task.host.masks:
            lines = [form.text for form in forms(secret.reveal() for secret in found.to_mask)]
            with task.steps.signals.interruptible():
                ActionsMasker(lambda data: write_all(2, data)).mask(lines)
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


def write_all(descriptor: int, data: bytes) -> None:
    """Write `data` without a buffer of ours in which a copy would stay; ``OSError`` when the reader is gone."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
