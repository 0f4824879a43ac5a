"""``ciplug fetch --to filtered-shell``: the job's own shell, with the secrets in it and its output filtered.

For hosts that cannot mask. The shell evaluates what is printed: it redirects its output into a filtering process that
is waiting for it by then, and only then takes the secrets in.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ciplug.cli.handover import to_stdout
from ciplug.cli.keeping import finish, keep_open
from ciplug.cli.undoing import undoing
from ciplug.errors import CiplugError, UsageError
from ciplug.inject import lock, redirect, tap
from ciplug.inject.environment import refuse_unfit, token_values, withheld
from ciplug.inject.files import needs_files, place
from ciplug.private import PrivateDirectory, roots
from ciplug.process import SHELL_STDOUT
from ciplug.redact import LiteralKernel, StreamFilter, forms

if TYPE_CHECKING:
    from ciplug.cli.invocation import Invocation
    from ciplug.cli.wiring import Task
    from ciplug.pipeline import Delivery

NAME = "filtered-shell"

_USE = '{ code="$(ciplug fetch --to filtered-shell)"; } 3>&1 || exit; eval "$code"'


def refuse(_task: Task, invocation: Invocation) -> None:
    """What is known to fail before anyone is asked for anything."""
    if SHELL_STDOUT in invocation.missing:
        raise UsageError(f"descriptor {SHELL_STDOUT} is not the shell's own stdout", hint=f"use it as in: {_USE}")
    if 1 in invocation.missing or os.isatty(1):
        raise UsageError("stdout is not read by a shell", hint=f"use it as in: {_USE}")


def hand_over(task: Task, invocation: Invocation, found: Delivery) -> None:
    """Start the filter, and print what makes the shell use it; on any failure nothing of it stays.

    NOTE: it returns twice, here and, when the shell is over, in the filtering process, which ends as any command does.
    """
    with undoing() as undo:
        directory = PrivateDirectory.create(roots(task.settings.env))
        undo.append(directory.remove)
        _write_environment(task, found, directory)
        invocation.report.warn_unmasked(found.too_short)
        note = keep_open(task, found, directory)
        undo.append(lambda: task.store.forget(note))
        task.steps.signals.check()
        opened = tap.prepare(directory.path, stdout=SHELL_STDOUT, stderr=2)
        if opened.detach() == 0:
            _filter(task, invocation, found, opened, note)
            return
        undo.append(lambda: lock.stop(directory.path, lock.PATIENCE, task.steps.signals.sleep))
        to_stdout(task, redirect.code(directory.path, _ending(task)))


def _write_environment(task: Task, found: Delivery, directory: PrivateDirectory) -> None:
    files = PrivateDirectory.create([directory.path]) if needs_files(found.values) else None
    values = place(found.values, files)
    refuse_unfit(values)
    dropped = withheld(task.manifest.secrets, task.secret_zero).intersection(task.settings.env)
    directory.write("env", redirect.environment(values, dropped))


def _filter(task: Task, invocation: Invocation, found: Delivery, opened: tap.Tap, note: str) -> None:
    """The life of the filtering process. Its stderr is the shell's, and it has no other way to say anything."""
    hidden = forms(token_values(task.settings.env, task.secret_zero))
    kernel = LiteralKernel(found.forms + hidden)
    lost = opened.serve(lambda: StreamFilter(kernel))
    if lost is not None:
        invocation.report.warn(f"a part of the job's output is lost: {lost.strerror}")
    try:
        finish(note, task.settings, invocation.report.warn)
    except CiplugError as err:
        invocation.report.warn_of(err)


def _ending(task: Task) -> list[str]:
    """The command with which the shell ends the filter, the same whatever the job's script has set by then."""
    ours = Path(sys.argv[0])
    program = [str(ours.absolute())] if ours.suffix == ".pyz" else ["-P", "-m", "ciplug"]
    manifest = str(task.settings.manifest.absolute())
    state = f"CIPLUG_STATE_DIR={task.store.private_root().absolute()}"
    python = [f"{name}={task.settings.env.get(name, '')}" for name in ("PYTHONPATH", "PYTHONHOME")]
    return ["/usr/bin/env", state, *python, sys.executable, *program, "--manifest", manifest, "revoke", "--best-effort"]
