"""What a real process looks like after it has prepared itself."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ciplug.process import prepare

ROOT = Path(__file__).parents[2]
REPORT = """
import json, os, resource, subprocess
from ciplug.process import prepare
prepare()
own = [os.readlink(f"/proc/self/fd/{number}") for number in (0, 1, 2)]
opened = os.open("/", os.O_RDONLY)
links = "found=$(readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2); echo \\"$found\\" >&9"
subprocess.run(["sh", "-c", links], pass_fds=[9], check=True)
with open(9, "a") as file:
    file.write(json.dumps({"own": own, "opened": opened, "core": resource.getrlimit(resource.RLIMIT_CORE)[0]}))
"""


def report(tmp_path: Path, redirections: str) -> dict[str, Any]:
    """What the process says of itself, and under "child" what its child has for standard streams."""
    out = tmp_path / "report"
    subprocess.run(
        ["sh", "-c", f'exec "$0" -c "$1" {redirections} 9>"$2"', sys.executable, REPORT, str(out)],
        check=True,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        timeout=30,
    )
    *child, own = out.read_text().splitlines()
    return {"child": child, **json.loads(own)}


@pytest.mark.parametrize(
    ("redirections", "closed"), [("<&-", [0]), (">&-", [1]), ("2>&-", [2]), ("<&- >&- 2>&-", [0, 1, 2])]
)
def test_closed_standard_streams_lead_nowhere_for_the_process_and_its_child(
    tmp_path: Path, redirections: str, closed: list[int]
) -> None:
    found = report(tmp_path, redirections)
    assert [found["own"][number] for number in closed] == [os.devnull] * len(closed)
    assert [found["child"][number] for number in closed] == [os.devnull] * len(closed)
    assert found["opened"] > 2


def test_open_standard_streams_are_left_alone(tmp_path: Path) -> None:
    found = report(tmp_path, f'<"{sys.executable}" >"$2.out" 2>"$2.err"')
    expected = [str(Path(sys.executable).resolve()), f"{tmp_path}/report.out", f"{tmp_path}/report.err"]
    assert found["child"] == found["own"] == expected


def test_there_is_no_core_dump(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    try:
        found = report(tmp_path, "")
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    assert found["core"] == 0


def test_in_this_process_too() -> None:
    before = resource.getrlimit(resource.RLIMIT_CORE)
    kept = os.dup(0)
    try:
        os.close(0)
        prepare()
        assert str(Path("/proc/self/fd/0").readlink()) == os.devnull
        assert os.get_inheritable(0)
        assert resource.getrlimit(resource.RLIMIT_CORE)[0] == 0
    finally:
        os.dup2(kept, 0)
        os.close(kept)
        resource.setrlimit(resource.RLIMIT_CORE, before)
