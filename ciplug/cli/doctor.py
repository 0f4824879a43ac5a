"""``ciplug doctor``: why a job does not get its secrets, in one screen."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import click

from ciplug.cli.explaining import door_of
from ciplug.cli.options import of_a_job
from ciplug.cli.report import one_line
from ciplug.cli.wiring import open_task, proxies
from ciplug.doctor.case import Case
from ciplug.doctor.diagnosis import diagnose
from ciplug.errors import FindingsError, IdentityError
from ciplug.identity import variable
from ciplug.identity.person import PersonIdentity
from ciplug.net.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ciplug.cli.invocation import Invocation
    from ciplug.cli.wiring import Task
    from ciplug.doctor.finding import Finding
    from ciplug.values import VaultToken

FORMAT: Final = 1
"""Of the document for programs."""

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
    with open_task("doctor", invocation, job=job, environment=environment) as task, _case(task) as case:
        for finding in diagnose(case):
            findings.append(finding)
            if form == "text":
                _show(finding)
        if form == "json":
            invocation.report.show_document(_document(task, findings))
    failed = [finding for finding in findings if finding.state == "failed"]
    if failed:
        raise FindingsError(
            f"{len(failed)} problem{'s' if len(failed) > 1 else ''} found, first: {failed[0].check}",
            hint=failed[0].remedy.partition("\n")[0] or "see the lines above",
        )


@contextmanager
def _case(task: Task) -> Iterator[Case]:
    """The task as a case. An issuer may have a certificate of the vault's authority, or one that everybody trusts."""
    routes = proxies(task.settings)
    public = Transport(proxies=routes)
    try:
        yield Case(
            steps=task.steps,
            door=door_of(task),
            host=task.host,
            client=task.client,
            tls=task.settings.tls,
            proxies=routes,
            transports=(public, task.client.transport),
            seconds=task.settings.deadline or task.manifest.vault.deadline,
            variable=task.settings.id_token_variable or variable.DEFAULT,
            own=_own(task),
            allow_exposure=task.settings.allow_debug_trace,
        )
    finally:
        public.close()


def _own(task: Task) -> VaultToken | None:
    """A vault login of whoever asks, outside CI: their rights may reach further than the job's."""
    try:
        return PersonIdentity(task.settings.env, ci=task.host.ci).identity(task.steps.audience)
    except IdentityError:
        return None


def _document(task: Task, findings: Sequence[Finding]) -> dict[str, Any]:
    """What was found, for programs."""
    return {
        "format": FORMAT,
        "host": task.host.kind,
        "job": task.grant.job,
        "environment": task.grant.environment.name,
        "checks": [asdict(finding) for finding in findings],
    }


def _show(finding: Finding) -> None:
    click.echo(f"{_SIGNS[finding.state]} {one_line(f'{finding.check}: {finding.text}')}")
    arrow = "→"
    for line in finding.remedy.splitlines():
        click.echo(f"    {arrow} {one_line(line)}")
        arrow = " "
