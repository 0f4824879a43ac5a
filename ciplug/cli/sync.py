"""``ciplug sync``: deploy platforms brought to what the vault holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from ciplug.cli.sync_run import Choice, run

if TYPE_CHECKING:
    from ciplug.cli.invocation import Invocation

DEADLINE: Final = 300.0
"""Seconds; the longest a rate limit of the three vendors lasts for a few hundred variables, with room to spare."""


@click.command("sync")
@click.argument("targets", metavar="[TARGET]...", nargs=-1)
@click.option("--check", is_flag=True, help="Only look: exit status 20 where anything differs.")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@click.option("--prune", is_flag=True, help="Delete what ciplug once wrote there and the manifest no longer lists.")
@click.option("--adopt", metavar="NAME", multiple=True, help="Take over this variable, which somebody else made.")
@click.option("--redeploy", is_flag=True, help="Deploy again what has new values, and wait for it.")
@click.option("--yes", is_flag=True, help="Do not ask. Needed where nobody can be asked, as in CI.")
@click.option(
    "--deadline",
    metavar="SECONDS",
    type=click.FloatRange(1, 3600),
    default=DEADLINE,
    show_default=True,
    help="Seconds for all requests to one target's platform, what its rate limits make them wait included.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: for programs.",
)
@click.pass_obj
def command(
    invocation: Invocation,
    targets: tuple[str, ...],
    *,
    check: bool,
    dry_run: bool,
    prune: bool,
    adopt: tuple[str, ...],
    redeploy: bool,
    yes: bool,
    deadline: float,
    form: str,
) -> None:
    """Bring deploy platforms to what the vault holds: plan, apply, verify. Default: all targets of the manifest.

    Touches only what ciplug wrote itself. Exit status 9 where a platform refused, 10 where a target is not as it is to
    be afterwards: what was done and what was not is named, and the next run finishes it.
    """
    choice = Choice(
        targets=tuple(dict.fromkeys(targets)),
        look=check or dry_run,
        check=check,
        prune=prune,
        adopt=frozenset(adopt),
        redeploy=redeploy,
        yes=yes,
        seconds=deadline,
        json=form == "json",
    )
    run(invocation, choice)
