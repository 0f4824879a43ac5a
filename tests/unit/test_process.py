"""What a real process looks like after it has prepared itself."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REPORT = """
import os, resource, subprocess, sys
from ciplug.process import prepare
prepare()
own = [os.readlink(f"/proc/self/fd/{number}") for number in (0, 1, 2)]
child = subprocess.run(["sh", "-c", "readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2 >&9"], pass_fds=[9])
with open(9, "w") as report:
    report.write(f"{own} {os.open('/', os.O_RDONLY)} {resource.getrlimit(resource.RLIMIT_CORE)[0]} {child.returncode}")
"""


def report(tmp_path: Path, redirections: str) -> tuple[list[str], str]:
    """What the child saw of its standard streams, and what the process says of itself."""
    out = tmp_path / "report"
    subprocess.run(
        ["sh", "-c", f'exec "$0" -c "$1" {redirections} 9>"$2"', sys.executable, REPORT, str(out)],
        check=True,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        timeout=30,
    )
    *child, own = out.read_text().splitlines()
    return child, own


@pytest.mark.parametrize("redirections", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_lead_nowhere_for_the_process_and_its_child(tmp_path: Path, redirections: str) -> None:
    child, own = report(tmp_path, redirections)
    closed = [number for number, sign in enumerate(("<&-", " >&-", "2>&-")) if sign in f" {redirections}"]
    assert len(child) == 3
    for number in closed:
        assert child[number] == "/dev/null"
        assert own.split("] ")[0].strip("[").split(", ")[number] == "'/dev/null'"
    next_descriptor = int(own.split("] ")[1].split()[0])
    assert next_descriptor > 2


def test_open_standard_streams_are_left_alone(tmp_path: Path) -> None:
    child, _ = report(tmp_path, f'<"{sys.executable}" >"$2.out" 2>"$2.err"')
    assert child == [str(Path(sys.executable).resolve()), f"{tmp_path}/report.out", f"{tmp_path}/report.err"]


def test_there_is_no_core_dump(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    try:
        _, own = report(tmp_path, "")
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    assert own.split("] ")[1].split()[1] == "0"


def test_in_this_process_too(capfd: pytest.CaptureFixture[str]) -> None:
    from ciplug.process import prepare

    before = resource.getrlimit(resource.RLIMIT_CORE)
    kept = os.dup(0)
    try:
        os.close(0)
        prepare()
        assert os.readlink("/proc/self/fd/0") == os.devnull
        assert os.get_inheritable(0)
        assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0
    finally:
        os.dup2(kept, 0)
        os.close(kept)
        resource.setrlimit(resource.RLIMIT_CORE, before)
