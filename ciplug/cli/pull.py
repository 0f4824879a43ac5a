"""``ciplug pull``: an environment's secrets in a ``.env`` file, for a person at a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ciplug import formats
from ciplug.cli.keeping import keep_open
from ciplug.cli.wiring import Task, open_task
from ciplug.errors import HandOverError, UsageError
from ciplug.hosts.checkout import unignored
from ciplug.pipeline import deliver
from ciplug.private import replace_file

if TYPE_CHECKING:
    from ciplug.cli.invocation import Invocation

MARK = b"# Written by `ciplug pull`: secrets, never to be committed. Changes here are lost.\n"


@click.command("pull")
@click.option("--job", metavar="JOB", help="Only what this job of the manifest is granted. Default: all secrets.")
@click.option(
    "--env", "environment", metavar="ENV", help="The environment, where the manifest has several. Default: CIPLUG_ENV."
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path(".env"),
    show_default=True,
    help="The file to write; git must ignore it.",
)
@click.pass_obj
def command(invocation: Invocation, job: str | None, environment: str | None, output: Path) -> None:
    """Write an environment's secrets to a .env file (0600), with a vault login of your own.

    Refused where git would take the file into a commit, and where a file of that name is not ciplug's.
    """
    _refuse_foreign(output)
    if unignored([output.absolute()]):
        raise HandOverError(
            f"git does not ignore {output}, so a commit could take the secrets along",
            hint=f'add "{output.name}" to .gitignore (and `git rm --cached {output.name}` if it is tracked)',
        )
    with open_task("pull", invocation, job=job, environment=environment, whole=True) as task:
        _refuse_files(task)
        with deliver(task.steps, task.grant) as found:
            values = {item.grant.name: item.value.reveal() for item in found.values}
            replace_file(output, MARK + formats.dotenv(values))
            invocation.report.say(
                f"{output}: {len(values)} secrets of {task.grant.environment.name}, readable by you alone"
            )
            if found.lease_seconds is not None:
                keep_open(task, found, None)
                invocation.report.warn(
                    f"leased secrets among them stop working in {found.lease_seconds} s; pull again then"
                )


def _refuse_foreign(output: Path) -> None:
    try:
        with output.open("rb") as file:
            ours = file.read(len(MARK)) == MARK
    except FileNotFoundError:
        return
    except OSError as err:
        raise HandOverError(f"{output} cannot be read: {err.strerror}", hint="choose another --output") from err
    if not ours:
        raise HandOverError(
            f"{output} is there and was not written by ciplug", hint="move it away, or choose another --output"
        )


def _refuse_files(task: Task) -> None:
    files = [item.name for item in task.grant.grants if item.as_file]
    if files:
        raise UsageError(
            f"secrets handed over as files have no place in a .env file: {', '.join(files)}",
            hint="use `ciplug run`, or --job with a job that has none of them",
        )
