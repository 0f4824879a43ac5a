"""Options that several commands take, in one wording."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable


class Seconds(click.FloatRange):
    """A number of seconds between two others."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """The number; click's own range lets ``nan`` pass, which no clock ever reaches."""
        number: float = super().convert(value, param, ctx)
        if math.isnan(number):
            self.fail(f"{value!r} is not a number of seconds", param, ctx)
        return number


def of_a_job(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--job`` and ``--env``: which job, and in which of its environments."""
    job = click.option(
        "--job", metavar="JOB", help="A job of the manifest. Default: CIPLUG_JOB, then the CI host's job name."
    )
    environment = click.option(
        "--env", "environment", metavar="ENV", help="The environment, where the job has several. Default: CIPLUG_ENV."
    )
    return job(environment(command))
