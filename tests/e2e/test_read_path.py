"""What a job pays for: the modules that ``run`` and ``fetch`` import, and what a later step can see of them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ciplug.standins.claims import github_claims
from tests.e2e.outside import token_env

if TYPE_CHECKING:
    from ciplug.standins.issuer import Issuer
    from tests.e2e.conftest import MakesJobEnv, RunsCiplug
    from tests.e2e.project import Project

HEAVY = {"hvac", "httpx", "jwt", "git", "requests", "urllib3", "cryptography"}
"""Clients for everything a job does not do: whoever imports one of them is not on the read path."""

UNNEEDED = {"asyncio", "unittest", "multiprocessing", "sqlite3", "xml", "difflib", "email.mime", "urllib.request"}

WATCHED = {"PYTHONPROFILEIMPORTTIME": "1"}
"""Makes Python say on stderr what it imports."""


def imported(stderr: bytes) -> set[str]:
    lines = (line for line in stderr.decode().splitlines() if line.startswith("import time:"))
    return {line.rpartition("|")[2].strip() for line in lines}


@pytest.mark.parametrize(
    "args",
    [
        ("run", "--", "true"),
        ("fetch", "--to", "json"),
        ("fetch", "--to", "shell"),
        ("revoke",),
        ("check",),
        ("--help",),
    ],
    ids=" ".join,
)
def test_no_heavy_client_is_imported(
    project: Project, ciplug: RunsCiplug, job_env: MakesJobEnv, args: tuple[str, ...]
) -> None:
    done = ciplug(*args, env=job_env() | WATCHED)
    assert done.returncode == 0, done.stderr
    modules = imported(done.stderr)
    assert "ciplug.cli" in modules
    assert modules & HEAVY == set()
    assert modules & UNNEEDED == set()


def test_a_failure_imports_no_heavy_client_either(project: Project, ciplug: RunsCiplug, issuer: Issuer) -> None:
    done = ciplug("run", "--", "true", env=token_env(issuer, github_claims(repository="acme/fork")) | WATCHED)
    assert done.returncode == 125
    assert imported(done.stderr) & HEAVY == set()


def test_help_lists_every_command_and_imports_none(project: Project, ciplug: RunsCiplug) -> None:
    done = ciplug("--help", env=WATCHED)
    assert all(f"  {name}" in done.stdout.decode() for name in ("run", "fetch", "revoke", "pull", "check", "doctor"))
    assert {name for name in imported(done.stderr) if name.startswith("ciplug.cli.")} <= {
        "ciplug.cli.report",
        "ciplug.cli.invocation",
    }


def test_a_module_in_the_working_directory_is_not_what_ciplug_imports(
    project: Project, issuer: Issuer, tmp_path: Path
) -> None:
    """The installed script: a checkout must not be able to put its own code between the vault and the job."""
    for name in ("json", "ssl", "socket", "click", "ciplug", "sitecustomize"):
        (tmp_path / f"{name}.py").write_text("open('hijacked', 'w')\n")
    env = {"PATH": os.environ["PATH"]} | token_env(issuer, github_claims())
    script = Path(sys.executable).with_name("ciplug")
    done = subprocess.run([str(script), "run", "--", "echo", "fine"], env=env, cwd=tmp_path, capture_output=True)
    assert (done.returncode, done.stdout) == (0, b"fine\n"), done.stderr
    assert not (tmp_path / "hijacked").exists()
