"""What somebody outside sees of one ciplug: its last line, what it leaves in the vault and on disk, its processes."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from tests.e2e.project import AUDIENCE
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ciplug.standins.issuer import Issuer
    from tests.e2e.example_vault import ExampleVault
    from tests.e2e.project import Project

PATIENCE = 20.0
"""Seconds until an event that does not come fails the test: far more than any of them takes on a busy machine."""


def eventually(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Return once `condition` holds; for what happens in another process and gives no sign of it."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {condition}"
        time.sleep(0.01)


def command_line(*args: str) -> list[str]:
    return [sys.executable, "-m", "ciplug", *args]


@contextmanager
def started(
    *args: str,
    env: Mapping[str, str],
    cwd: Path,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.PIPE,
    stderr: int | IO[bytes] = subprocess.PIPE,
) -> Iterator[subprocess.Popen[bytes]]:
    """A ciplug that runs beside the test, in a session of its own, and is killed with the block if it has not ended."""
    with subprocess.Popen(
        command_line(*args),
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": str(cwd)} | dict(env),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def token_env(issuer: Issuer, claims: Mapping[str, object], **options: object) -> dict[str, str]:
    """An environment that hands over an ID token with `claims`; `options` are those of ``Issuer.mint``."""
    minted = issuer.mint(claims, **({"audience": AUDIENCE} | options))  # type: ignore[arg-type]
    return {"CIPLUG_ID_TOKEN": minted, "CIPLUG_JOB": "test"}


def assert_refused(
    done: subprocess.CompletedProcess[bytes],
    status: int,
    cause: str,
    *words: str,
    env: Mapping[str, str],
    project: Project,
) -> None:
    """It ended with `status`, nothing on stdout, and a last line with the cause and all `words`; no secret anywhere."""
    text = done.stderr.decode()
    last = text.rstrip("\n").rpartition("\n")[2]
    assert done.returncode == status, text
    assert done.stdout == b""
    assert last.startswith(f"ciplug: error: {cause}: "), text
    assert not [word for word in words if word not in text], text
    assert "Traceback" not in text
    assert_no_leak(done.stdout + done.stderr, credentials(project, env))
    assert b"eyJ" not in done.stderr


def credentials(project: Project, env: Mapping[str, str] | None = None) -> list[str]:
    """Everything that no output may show: the project's values, and what `env` has to prove an identity with."""
    zero = ("CIPLUG_ID_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "VAULT_TOKEN", "BAO_TOKEN", "VAULT_ID_TOKEN")
    proofs = [value for name in zero if (value := (env or {}).get(name))]
    return [*(value for values in project.values.values() for value in values.values()), *proofs]


@contextmanager
def nothing_left(project: Project | ExampleVault, *directories: Path | str) -> Iterator[None]:
    """After the block no vault token is alive that was not before, and `directories` hold the same files.

    The vault ends a token's leases, and then its accessor, a moment after it has answered the revocation.
    """
    tokens, files = set(project.admin.accessors()), listing(*directories)
    yield
    eventually(lambda: set(project.admin.accessors()) <= tokens)
    assert listing(*directories) == files


@contextmanager
def one_token_left(project: Project) -> Iterator[None]:
    """After the block exactly one vault token is alive that was not before."""
    before = set(project.admin.accessors())
    yield
    assert len(set(project.admin.accessors()) - before) == 1


def masks(stderr: bytes) -> list[bytes]:
    """The values that GitHub's runner would take from the output, undone as it undoes them."""
    lines = (line.removeprefix(b"::add-mask::") for line in stderr.splitlines() if line.startswith(b"::add-mask::"))
    return [line.replace(b"%0D", b"\r").replace(b"%0A", b"\n").replace(b"%25", b"%") for line in lines]


def note(env: Mapping[str, str]) -> Path:
    """The one note of an open session of a job on GitHub Actions."""
    [path] = Path(env["RUNNER_TEMP"], "ciplug").glob("*.json")
    return path


def listing(*directories: Path | str) -> set[tuple[str, str]]:
    """Every file and directory below `directories`, with its mode."""
    found = (path for directory in directories for path in Path(directory).rglob("*"))
    return {(str(path), stat.filemode(path.lstat().st_mode)) for path in found}


def wait_for_file(path: Path) -> str:
    """The first line of `path`, once it is complete."""
    eventually(lambda: path.exists() and path.read_text().endswith("\n"))
    return path.read_text().strip()
