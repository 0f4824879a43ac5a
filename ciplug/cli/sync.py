"""``ciplug sync``: deploy platforms brought to what the vault holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import click

from ciplug.cli.options import Seconds
from ciplug.cli.sync_run import run
from ciplug.errors import UsageError
from ciplug.sync.choice import Choice

if TYPE_CHECKING:
    from ciplug.cli.invocation import Invocation

DEADLINE: Final = 300.0
"""Enough for a few hundred variables of a Render group, at the 30 writes a minute that Render allows."""

REDEPLOY_DEADLINE: Final = 3600.0
"""Vercel ends a build after 45 minutes."""


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
    type=Seconds(1, 3600),
    default=DEADLINE,
    show_default=True,
    help="Seconds for all requests to one target's platform, what its rate limits make them wait included.",
)
@click.option(
    "--redeploy-deadline",
    metavar="SECONDS",
    type=Seconds(1, 6 * 3600),
    default=REDEPLOY_DEADLINE,
    show_default=True,
    help="Seconds that a new deployment may take.",
)
@click.option(
    "--format",
    "output",
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
    redeploy_deadline: float,
    output: str,
) -> None:
    """Make the variables on deploy platforms what the vault has: plan, apply, verify. Default: all targets.

    Touches only what ciplug made itself. Exit status 9 where a platform refused and nothing was written, 10 where a
    target is not in sync afterwards: what was done and what was not is named, and the next run finishes it.
    """
    if check and dry_run:
        raise UsageError("--check and --dry-run are two ways to look", hint="choose one of them")
    choice = Choice(
        targets=tuple(dict.fromkeys(targets)),
        mode="check" if check else "dry-run" if dry_run else "apply",
        prune=prune,
        adopt=frozenset(adopt),
        asks=not yes,
        redeploys=redeploy,
        seconds=deadline,
        redeploy_seconds=redeploy_deadline,
    )
    run(invocation, choice, as_json=output == "json")
