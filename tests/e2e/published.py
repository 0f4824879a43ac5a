"""ciplug's actions as the runner unpacks a tag of their repository, and what they install: all of it made once."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT: Final = Path(__file__).parents[2]
_LIMIT: Final = 300.0  # seconds for everything that the network takes part in


class Published(NamedTuple):
    """The directories: ciplug's repository, the packages of its lock, and a cache of act's with ciplug installed."""

    repository: Path
    wheels: Path
    cache: Path

    @property
    def tool_cache(self) -> Path:
        """Where act has it; for jobs to use, and for tests to copy."""
        return self.cache / "tool_cache"


@cache
def published() -> Published:
    """Those of this process, there until it ends: a job's time is not to depend on who comes first."""
    folder = Path(tempfile.mkdtemp(prefix="ciplug-actions-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    found = Published(_publish(folder / "ciplug"), _fetch(folder / "wheels"), folder / "act")
    env = {"RUNNER_TOOL_CACHE": str(found.tool_cache), "RUNNER_TEMP": str(folder)}
    env |= {"PATH": os.environ["PATH"], "HOME": str(folder)}
    env |= {name: str(folder / name.lower()) for name in ("GITHUB_PATH", "GITHUB_STATE")}
    _run([node(), str(found.repository / "actions" / "setup" / "main.js")], env | offline(found.wheels))
    return found


def offline(wheels: Path) -> dict[str, str]:
    """For a pip that reaches no index but the directory `wheels`."""
    return {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}


def node() -> str:
    """What runs JavaScript actions; the test fails where it is missing."""
    found = shutil.which("node")
    if not found:
        pytest.fail("node is missing: install Node.js 20 or newer")
    return found


def _publish(folder: Path) -> Path:
    """The working copy, as far as the actions are concerned."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("actions", "ciplug", "platforms"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    return folder


def _fetch(folder: Path) -> Path:
    """What the lock names, by a pip that knows the machine's index and mirrors."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--only-binary=:all:", "--require-hashes"]
    _run([*pip, "--dest", str(folder), "-r", str(ROOT / "actions" / "requirements.txt")], os.environ)
    return folder


def _run(command: list[str], env: Mapping[str, str]) -> None:
    done = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=_LIMIT)
    if done.returncode:
        pytest.fail(f"{command[1:4]} failed: {done.stdout.decode(errors='replace')}")
