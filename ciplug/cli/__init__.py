"""The command line: one small module per command, loaded when that command runs; every end becomes a status."""

from __future__ import annotations

import errno
import importlib
from typing import TYPE_CHECKING

import click

from ciplug import __version__, hosts, process, settings
from ciplug.cli.invocation import Invocation
from ciplug.cli.report import Report
from ciplug.errors import CiplugError, CommandError, HandOverError, Interrupted
from ciplug.signals import Signals

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "run": "run a command with the job's secrets in its environment, and filter its output",
    "fetch": "hand the job's secrets to later steps",
    "revoke": "end what a fetch left open",
    "pull": "write an environment's secrets to a .env file, for a person",
    "sync": "make the variables on deploy platforms match the vault",
    "policy": "write the vault's policies and roles that the manifest implies; compare, or apply them",
    "check": "check the manifest, offline",
    "doctor": "find out why a job does not get its secrets",
    "demo": "see it all against a local OpenBao, with no account anywhere",
}
"""Every command with its line in ``--help``, so that showing help imports none of them."""

OWN_FAILURE_OF_RUN = 125
"""``run`` passes on its child's status, so a failure of its own has one status, as in ``env`` and ``docker run``."""

_GONE = frozenset({errno.ENOSPC, errno.EBADF, errno.EIO})
"""Errors of writing to stdout: no room, not open for writing."""


class LazyGroup(click.Group):
    """The commands by name; a command's module is imported when it is about to run."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of the table above."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, or ``None`` for a name that is not in the table."""
        if cmd_name not in COMMANDS:
            return None
        if ctx.obj is not None:  # completion has none
            ctx.obj.command = cmd_name
        command: click.Command = importlib.import_module(f"ciplug.cli.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table itself, without importing a command."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="ciplug", message="%(prog)s %(version)s")
@click.option("--manifest", metavar="FILE", help="The manifest. Default: CIPLUG_MANIFEST, then ciplug.toml.")
@click.pass_context
def group(ctx: click.Context, manifest: str | None) -> None:
    """One manifest, every pipeline: short-lived, per-job secrets from Vault or OpenBao.

    stdout is for data, stderr for people. Exit codes: 0 ok, 1 unforeseen, 2 usage or manifest, 3 identity, 4 vault
    error, 5 vault not reachable, 6 denied, 7 secret missing, 8 not masked or handed over, 9 platform refused, 10 sync
    incomplete, 11 audit, 20 findings. `run` passes on the command's status; its own failures are 125, 126 (not
    runnable) and 127 (not found).
    """
    ctx.obj.manifest = manifest or ""


def run_command_line(arguments: Sequence[str]) -> int:
    """Run one command; the exit status, one per cause (see ``ciplug.errors``)."""
    missing = process.prepare()
    with Signals() as signals:
        env = settings.environment()
        report = Report(hosts.detect(env).annotation)
        invocation = Invocation(env=env, signals=signals, report=report, missing=missing)
        try:
            status = group.main(args=list(arguments), prog_name="ciplug", standalone_mode=False, obj=invocation)
            signals.check()
        except BaseException as err:  # noqa: BLE001  # the one broad except: whatever it is, no value may be shown
            return _status(report, err, OWN_FAILURE_OF_RUN if invocation.command == "run" else None)
    return status if isinstance(status, int) else 0


def _status(report: Report, err: BaseException, own: int | None) -> int:
    """The exit status for `err`, reported on stderr; `own` stands for every failure but the command's and a signal."""
    match err:
        case Interrupted():
            return report.interrupted(err)
        case KeyboardInterrupt() | click.Abort():
            return 130
        case CiplugError():
            report.failure(err)
            return err.status if isinstance(err, CommandError) else own or err.exit_code
        case SystemExit():  # click's way to say that stdout has no reader any more
            return own or HandOverError.exit_code
        case OSError() if err.errno in _GONE:
            report.failure(HandOverError(f"the output could not be written: {err.strerror}", hint="make room for it"))
            return own or HandOverError.exit_code
        case click.exceptions.NoArgsIsHelpError():
            err.show()
            return 2
        case click.ClickException():
            report.usage(err)
            return own or 2
        case _:
            report.unforeseen(err)
            return own or 1
