"""What it takes to run a CI host's emulator, whichever it is: a repository, an end in time, a look at its processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.contract.pipelines import Ran

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

LIMIT: Final = 60.0
"""Seconds for one pipeline."""

LOCK: Final = """\
find . -path ./.gitlab-ci-local -prune -o -exec chmod a-w {} +
if touch left-behind 2>/dev/null; then echo "this directory can still be written"; exit 1; fi
"""
"""A script after which nothing in its directory can be written; but an emulator's own notes there can."""


def commit(checkout: Path, *, remote: str) -> None:
    """Make `checkout` a repository of one commit. The emulators take a job's repository from its remote."""
    env = {"PATH": os.environ["PATH"], "HOME": str(checkout.parent), "GIT_CONFIG_NOSYSTEM": "1"}
    person = ("-c", "user.name=Sam Sample", "-c", "user.email=sam@acme.dev")
    for arguments in (
        ("init", "--quiet", "--initial-branch=main"),
        ("remote", "add", "origin", remote),
        ("add", "--all"),
        (*person, "commit", "--quiet", "--allow-empty", "--message=All of it"),
    ):
        subprocess.run(["git", *arguments], cwd=checkout, env=env, check=True, timeout=LIMIT)


def path_without_ciplug() -> str:
    """The test's own PATH, without the directories that have one."""
    return os.pathsep.join(part for part in os.environ["PATH"].split(os.pathsep) if not Path(part, "ciplug").exists())


def emulate(
    command: Sequence[str],
    *,
    checkout: Path,
    env: Mapping[str, str],
    cancel: Callable[[int], None],
    cancel_at: Path | None = None,
    read_only: bool = False,
) -> Ran:
    """Run the emulator in `checkout` to its end; once `cancel_at` exists, `cancel` is called with its process.

    With `read_only` file modes hold for its jobs, whoever runs the tests.
    """
    log = checkout.parent / "log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [*(held_by_modes() if read_only else []), *command],
            cwd=checkout,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        status = _wait(process, cancel, cancel_at, log)
    return Ran(ok=status == 0, log=log.read_bytes())


def held_by_modes() -> list[str]:
    """What a command is put behind, for file modes to hold for it: they do for all but root."""
    if os.geteuid():
        return []
    if not shutil.which("setpriv"):
        pytest.fail("setpriv is missing: install util-linux, or run the tests as another user than root")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"]


def _wait(process: subprocess.Popen[bytes], cancel: Callable[[int], None], cancel_at: Path | None, log: Path) -> int:
    deadline = time.monotonic() + LIMIT
    while process.poll() is None:
        if cancel_at is not None and cancel_at.exists():
            cancel(process.pid)
            cancel_at = None
        if time.monotonic() > deadline:
            for pid in (*descendants(process.pid), process.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            process.wait()
            pytest.fail(f"the pipeline did not end within {LIMIT:g} s: {log.read_text(errors='replace')}")
        time.sleep(0.02)
    return process.returncode


def descendants(pid: int) -> list[int]:
    """Every process that `pid` has started, or that one of those has."""
    return [each for child in children(pid) for each in (child, *descendants(child))]


def children(parent: int) -> list[int]:
    """The processes that `parent` has started and not outlived, from the kernel's table."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):
            if int((entry / "stat").read_text(errors="replace").rpartition(")")[2].split()[1]) == parent:
                found.append(int(entry.name))
    return found
