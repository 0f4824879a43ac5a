"""Options that several commands take, in one wording."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable


def of_a_job(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--job`` and ``--env``: which job, and in which of its environments."""
    job = click.option(
        "--job", metavar="JOB", help="A job of the manifest. Default: CIPLUG_JOB, then the CI host's job name."
    )
    environment = click.option(
        "--env", "environment", metavar="ENV", help="The environment, where the job has several. Default: CIPLUG_ENV."
    )
    return job(environment(command))
