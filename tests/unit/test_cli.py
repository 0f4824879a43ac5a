"""The command line's frame: help, usage errors, exit codes, the one last line on stderr."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ciplug import cli
from ciplug.cli import run_command_line
from ciplug.cli.report import Report
from ciplug.errors import CiplugError, Interrupted, MissingError

if TYPE_CHECKING:
    from pathlib import Path

MANIFEST = """\
version = 1
[vault]
address = "http://127.0.0.1:1"
audience = "https://vault.acme.dev"
[project]
github = "acme/shop"
[environments.dev]
path = "app/dev"
[environments.prod]
path = "app/prod"
[secrets.TOKEN]
ref = "db#url"
[jobs.test]
environment = "dev"
secrets = ["TOKEN"]
[jobs.both]
environment = ["dev", "prod"]
secrets = ["TOKEN"]
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "ciplug.toml").write_text(MANIFEST)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CIPLUG_DEADLINE", "0.3")
    return tmp_path


def last_line(capfd: pytest.CaptureFixture[str]) -> str:
    out, err = capfd.readouterr()
    assert out == ""
    return err.splitlines()[-1]


def test_help_lists_every_command_without_importing_one(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["--help"]) == 0
    shown = capfd.readouterr().out
    assert all(f"\n  {name} " in shown for name in cli.COMMANDS)


def test_no_arguments_show_the_help(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_command_line([]) == 2
    assert "Commands:" in capfd.readouterr().err


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_has_help(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_command_line([name, "--help"]) == 0
    assert "Usage: ciplug" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "cause"),
    [
        (["nonsense"], 2, "usage: No such command"),
        (["check", "--nonsense"], 2, "usage: No such option"),
        (["run"], 125, "usage: Missing argument"),
        (["run", "--job", "nope", "--", "true"], 125, "usage: ciplug.toml has no job"),
        (["run", "--", "true"], 125, "usage: no job is chosen"),
        (["fetch", "--job", "test"], 2, "usage: this terminal has no way"),
        (["fetch", "--job", "nope", "--to", "json"], 2, "usage: ciplug.toml has no job"),
        (["fetch", "--job", "both", "--to", "json"], 2, "usage: "),
        (["fetch", "--job", "test", "--to", "json"], 3, "identity: "),
        (["run", "--job", "test", "--", "true"], 125, "identity: "),
        (["pull", "--env", "nope"], 2, "usage: "),
        (["--manifest", "gone.toml", "check"], 2, "manifest: "),
    ],
)
def test_failure_is_one_last_line_and_one_status(
    arguments: list[str], status: int, cause: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(arguments) == status
    line = last_line(capfd)
    assert line.startswith(f"ciplug: error: {cause}")
    assert ". Next: " in line


def test_job_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("CIPLUG_JOB", "nope")
    assert run_command_line(["run", "--", "true"]) == 125
    assert 'no job "nope"' in last_line(capfd)


def test_unreachable_vault_is_told_apart(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("VAULT_TOKEN", "hvs.someone")
    assert run_command_line(["fetch", "--job", "test", "--to", "json"]) == 5
    assert last_line(capfd).startswith("ciplug: error: unreachable: ")


@pytest.mark.parametrize(
    ("variable", "value"),
    [("CIPLUG_DEADLINE", "soon"), ("CIPLUG_AUDIT_REQUIRED", "perhaps"), ("VAULT_ADDR", "ftp://x")],
)
def test_unusable_setting_is_named(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, value)
    assert run_command_line(["fetch", "--job", "test", "--to", "json"]) == 2
    assert variable in last_line(capfd)


def test_check_counts_what_is_there(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["check"]) == 0
    assert "ok, 2 environments, 1 secrets, 2 jobs, 0 targets" in capfd.readouterr().out


def test_check_for_programs(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["check", "--format", "json"]) == 0
    assert json.loads(capfd.readouterr().out)["ok"] is True
    (project / "ciplug.toml").write_text(MANIFEST.replace("kv_mount", "").replace("secrets = [", "secretz = ["))
    assert run_command_line(["check", "--format", "json"]) == 2
    problems = json.loads(capfd.readouterr().out)["problems"]
    assert {problem["suggestion"] for problem in problems} == {"secrets", None}


def test_check_lists_every_problem(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (project / "ciplug.toml").write_text(MANIFEST.replace("secrets = [", "secretz = ["))
    assert run_command_line(["check"]) == 2
    lines = capfd.readouterr().err.splitlines()
    assert sum("ciplug.toml:" in line for line in lines) >= 2
    assert lines[-1].startswith("ciplug: error: manifest: ")


def test_check_prints_the_schema(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["check", "--schema"]) == 0
    assert json.loads(capfd.readouterr().out)["$schema"].startswith("https://json-schema.org/")


def test_unforeseen_error_shows_its_place_and_no_text(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("hunter2-in-a-message")

    monkeypatch.setattr("ciplug.cli.check.settings.load", broken)
    assert run_command_line(["check"]) == 1
    out, err = capfd.readouterr()
    assert "hunter2" not in out + err
    assert "test_cli.py:" in err
    assert err.splitlines()[-1].startswith("ciplug: error: unforeseen: RuntimeError")


@pytest.mark.parametrize(
    ("error", "status"), [(Interrupted(15), 143), (KeyboardInterrupt(), 130), (Interrupted(2), 130)]
)
def test_signal_is_the_status(
    error: BaseException, status: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def interrupted(*_: object) -> None:
        raise error

    monkeypatch.setattr("ciplug.cli.check.settings.load", interrupted)
    assert run_command_line(["check"]) == status
    assert "Traceback" not in capfd.readouterr().err


def test_message_is_one_printable_line(capfd: pytest.CaptureFixture[str]) -> None:
    Report().failure(CiplugError("a\x1b[31m\r::add-mask::x ##[group]y", hint="do"))
    line = last_line(capfd)
    assert line == "ciplug: error: unforeseen: a [31m ::add-mask::x ## [group]y. Next: do"


def test_notes_are_warnings_before_the_last_line(capfd: pytest.CaptureFixture[str]) -> None:
    error = MissingError("gone", hint="write it")
    error.add_note("the audit record could not be written")
    Report().failure(error)
    err = capfd.readouterr().err.splitlines()
    assert err[0] == "ciplug: warning: the audit record could not be written"
    assert err[1] == "ciplug: error: missing: gone. Next: write it"


def test_revoke_with_nothing_open_is_fine(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["revoke"]) == 0
    assert capfd.readouterr() == ("", "")
