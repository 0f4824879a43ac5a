"""``ciplug policy``: the vault's policies and roles that the manifest implies, written out."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ciplug import manifest, settings
from ciplug.errors import HandOverError, ManifestError, UsageError
from ciplug.policy import render
from ciplug.policy.deriving import derive

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ciplug.cli.invocation import Invocation
    from ciplug.cli.report import Report
    from ciplug.manifest import Manifest
    from ciplug.policy.model import Implied

TERRAFORM_FILE = "ciplug.tf"

_FORMATS = {"text": render.text, "json": render.document, "terraform": render.terraform}


@click.command("policy")
@click.option(
    "--check",
    is_flag=True,
    help="Compare with the vault: exit status 20 where it grants more, less or other than the manifest needs.",
)
@click.option("--apply", is_flag=True, help="Change the vault to what the manifest needs: shows the plan, and asks.")
@click.option(
    "--adopt",
    metavar="NAME",
    multiple=True,
    help="With --apply: take over the policy NAME, and the role, although ciplug did not write them.",
)
@click.option("--yes", is_flag=True, help="With --apply: do not ask.")
@click.option("--role", default="", metavar="ROLE", help="With --check or --apply in CI: the vault role to log in to.")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Write files to DIR instead: policies/NAME.hcl and roles/MOUNT/NAME.json, or ciplug.tf.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(list(_FORMATS)),
    default="text",
    show_default=True,
    help="json: for programs. terraform: for the provider hashicorp/vault.",
)
@click.pass_obj
def command(
    invocation: Invocation,
    *,
    check: bool,
    apply: bool,
    adopt: tuple[str, ...],
    yes: bool,
    role: str,
    output: Path | None,
    form: str,
) -> None:
    """Print a policy and a JWT role for each job and target: exactly its rights, for exactly its tokens.

    Without --check and --apply no vault is asked, and nothing is changed.
    """
    if check and apply:
        raise UsageError("--check only looks and --apply changes", hint="choose one of them")
    if adopt and not apply:
        raise UsageError("--adopt takes something over, and nothing is changed", hint="add --apply")
    if check or apply:
        _refuse_files(output, form)
        implied = _implied(_declared(invocation), invocation.report)
        taken = _adopted(adopt, implied)
        _live(invocation, implied, apply=apply, adopt=taken, yes=yes, role=role, as_json=form == "json")
    elif yes or role:
        raise UsageError("--yes and --role are for a vault, and none is asked", hint="add --check or --apply")
    else:
        _hand_out(invocation, output, form)


def _adopted(names: Iterable[str], implied: Implied) -> frozenset[str]:
    """The policies that are meant, in lower case as the vault has them."""
    meant = frozenset(name.lower() for name in names)
    known = [policy.name for policy in implied.policies]
    if unknown := sorted(meant - {*known}):
        hint = f"name one of {', '.join(known)}" if known else ""
        raise UsageError(f"--adopt: nothing in the manifest implies {', '.join(unknown)}", hint=hint)
    return meant


def _refuse_files(output: Path | None, form: str) -> None:
    if output is not None or form == "terraform":
        raise UsageError("--check and --apply ask a vault, and write no files", hint="leave out --output and terraform")


def _declared(invocation: Invocation) -> Manifest:
    return manifest.load(settings.load(invocation.env, invocation.manifest).manifest)


def _implied(declared: Manifest, report: Report) -> Implied:
    """What the manifest implies, once its notes are said; ``ManifestError`` where something is in the way."""
    implied = derive(declared)
    for note in implied.notes:
        report.say(f"note: {note}")
    if implied.problems:
        raise ManifestError("\n".join(implied.problems), hint="mend the manifest, then run `ciplug policy` again")
    return implied


def _live(
    invocation: Invocation,
    implied: Implied,
    *,
    apply: bool,
    adopt: frozenset[str],
    yes: bool,
    role: str,
    as_json: bool,
) -> None:
    from ciplug.cli import policy_live

    if apply:
        policy_live.apply(invocation, implied, adopt=adopt, yes=yes, role=role, as_json=as_json)
    else:
        policy_live.check(invocation, implied, role=role, as_json=as_json)


def _hand_out(invocation: Invocation, output: Path | None, form: str) -> None:
    """Everything on stdout, or in files of the directory `output`."""
    if output is not None and form == "json":
        raise UsageError("--output writes a file for each policy and role", hint="leave out --format json")
    declared = _declared(invocation)
    implied = _implied(declared, invocation.report)
    shown = _FORMATS[form](implied, declared.vault.namespace or "")
    if output is None:
        click.echo(shown, nl=False)
        return
    written = _write(output, {TERRAFORM_FILE: shown} if form == "terraform" else render.files(implied))
    invocation.report.say(f"{output}: files written: {written}" if written else f"{output}: up to date")


def _write(directory: Path, texts: dict[str, str]) -> int:
    """Write what differs, each file in one step; how many that were. What else is there stays."""
    written = 0
    for name, text in texts.items():
        path = directory / name
        try:
            written += _replace(path, text.encode())
        except OSError as err:
            raise HandOverError(
                f"{path} could not be written: {err.strerror}", hint="check the directory's rights"
            ) from err
    return written


def _replace(path: Path, content: bytes) -> bool:
    """Whether `path` had to be written anew, with mode 0644."""
    if path.is_file() and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
    try:
        with temporary.open("xb") as file:
            file.write(content)
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return True
