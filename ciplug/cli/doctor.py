"""``ciplug doctor``: why a job does not get its secrets, in one screen."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ciplug.cli.options import of_a_job
from ciplug.cli.report import one_line
from ciplug.cli.wiring import open_task
from ciplug.doctor import diagnose
from ciplug.errors import FindingsError

if TYPE_CHECKING:
    from ciplug.cli.invocation import Invocation
    from ciplug.doctor import Finding

_SIGNS = {"ok": "✓", "failed": "✗", "note": "•"}


@click.command("doctor")
@of_a_job
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="json: for programs.",
)
@click.pass_obj
def command(invocation: Invocation, job: str | None, environment: str | None, form: str) -> None:
    """Try every step from the identity to the secrets, and say what to do about the one that fails.

    Reads the job's secrets and releases them again; nothing is handed over. Exit status 20 when something is wrong.
    """
    findings = []
    with open_task("doctor", invocation, job=job, environment=environment) as task:
        for finding in diagnose(
            task.steps, task.grant, task.host, task.client, allow_exposure=task.settings.allow_debug_trace
        ):
            findings.append(finding)
            if form == "text":
                _show(finding)
    if form == "json":
        click.echo(json.dumps([asdict(finding) for finding in findings]))
    failed = [finding for finding in findings if finding.state == "failed"]
    if failed:
        raise FindingsError(
            f"{len(failed)} of {len(findings)} checks failed, first: {failed[0].check}",
            hint=failed[0].remedy or "see the lines above",
        )


def _show(finding: Finding) -> None:
    click.echo(f"{_SIGNS[finding.state]} {finding.check}: {one_line(finding.text)}")
    if finding.remedy:
        click.echo(f"    → {one_line(finding.remedy)}")
