"""``ciplug check``: the manifest, offline."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ciplug import manifest, settings
from ciplug.cli.target_options import problems

if TYPE_CHECKING:
    from ciplug.cli.invocation import Invocation

_FORMAT = click.Choice(["text", "json"])


@click.command("check")
@click.option("--format", "output", type=_FORMAT, default="text", show_default=True, help="json: for programs.")
@click.option("--schema", is_flag=True, help="Print the manifest's JSON Schema, for editors, and end.")
@click.pass_obj
def command(invocation: Invocation, output: str, *, schema: bool) -> None:
    """Check the manifest without any network: every problem at once, with key and line."""
    if schema:
        invocation.report.show_document(manifest.schema())
        return
    path = settings.load(invocation.env, invocation.manifest).manifest
    try:
        found = manifest.load(path, problems)
    except manifest.ManifestProblems as err:
        if output == "json":
            listed = [
                {"line": item.line, "key": item.key, "message": item.message, "suggestion": item.suggestion}
                for item in err.problems
            ]
            invocation.report.show_document({"manifest": str(path), "ok": False, "problems": listed})
        raise
    counts = {
        "environments": len(found.environments),
        "secrets": len(found.secrets),
        "jobs": len(found.jobs),
        "targets": len(found.targets),
    }
    if output == "json":
        invocation.report.show_document({"manifest": str(path), "ok": True, "problems": [], **counts})
    else:
        click.echo(f"{path}: ok, " + ", ".join(f"{count} {name}" for name, count in counts.items()))
