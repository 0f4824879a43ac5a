"""``ciplug check``: the manifest offline, for people and for programs."""

from __future__ import annotations

import json
import os
import subprocess
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import jsonschema
import pytest

from tests.e2e.outside import assert_refused, command_line

if TYPE_CHECKING:
    from tests.e2e.conftest import RunsCiplug
    from tests.e2e.project import Project

BROKEN = """\
version = 1
[vault]
audience = "a"
[environments.dev]
path = "../dev"
[secrets.PATH]
ref = "a"
[jobs.test]
environment = "def"
secrets = ["NOTHING"]
"""


def test_a_good_manifest_is_counted_without_any_request(project: Project, ciplug: RunsCiplug) -> None:
    mark = project.bao.mark()
    done = ciplug("check")
    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout == b"ciplug.toml: ok, 2 environments, 3 secrets, 2 jobs, 0 targets\n"
    told = json.loads(ciplug("check", "--format", "json").stdout)
    assert (told["ok"], told["problems"], told["secrets"]) == (True, [], 3)
    assert project.bao.requests_since(mark) == []


def test_all_problems_are_told_at_once_with_line_and_key(ciplug: RunsCiplug, tmp_path: Path) -> None:
    (tmp_path / "ciplug.toml").write_text(BROKEN)
    done = ciplug("check")
    assert (done.returncode, done.stdout) == (2, b"")
    lines = done.stderr.decode().splitlines()
    assert lines[-1].startswith("ciplug: error: manifest: ")
    text = "\n".join(lines)
    assert [
        word for word in (":5: environments.dev.path", ":6: secrets.PATH", ":7: ", ":9: ", ":10: ") if word not in text
    ] == []


def test_a_program_gets_the_problems_as_json_on_stdout(ciplug: RunsCiplug, tmp_path: Path) -> None:
    (tmp_path / "ciplug.toml").write_text(BROKEN)
    done = ciplug("check", "--format", "json")
    assert done.returncode == 2
    told = json.loads(done.stdout)
    assert told["ok"] is False
    assert {(item["line"], item["key"]) for item in told["problems"]} >= {
        (5, "environments.dev.path"),
        (6, "secrets.PATH"),
    }


def test_another_file_is_checked_where_one_is_named(ciplug: RunsCiplug, project: Project, tmp_path: Path) -> None:
    project.manifest.rename(tmp_path / "other.toml")
    assert ciplug("--manifest", "other.toml", "check").stdout.startswith(b"other.toml: ok")
    assert ciplug("check", env={"CIPLUG_MANIFEST": "other.toml"}).stdout.startswith(b"other.toml: ok")
    assert_refused(ciplug("check"), 2, "manifest", "ciplug.toml", env={}, project=project)


def test_the_schema_takes_what_check_takes(project: Project, ciplug: RunsCiplug) -> None:
    schema = json.loads(ciplug("check", "--schema").stdout)
    validator = jsonschema.Draft202012Validator(schema)
    assert list(validator.iter_errors(tomllib.loads(project.manifest.read_text()))) == []
    assert list(validator.iter_errors(tomllib.loads(BROKEN)))


def test_counts_that_cannot_be_written_are_a_failure_without_a_traceback(project: Project, tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command_line("check"), env={"PATH": os.environ["PATH"]}, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE
        )
    assert done.returncode != 0
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr


@pytest.mark.parametrize("arguments", [["check"], ["check", "--format", "json"], ["--help"]])
def test_an_answer_that_cannot_be_written_is_a_failure(project: Project, arguments: list[str]) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command_line(*arguments), cwd=project.directory, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 8
    assert b"ciplug: error: hand-over: the output could not be written" in done.stderr
