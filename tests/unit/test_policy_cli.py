from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest

from ciplug.cli import run_command_line
from tests.fakes.policy_texts import POLICY, QUICK_START, ROLE, TERRAFORM, TEXT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "ciplug.toml").write_text(QUICK_START)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_options_it_prints_what_is_to_be_written(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["policy"]) == 0
    assert capfd.readouterr() == (TEXT, "")


def test_the_formats_are_for_programs_and_for_terraform(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["policy", "--format", "terraform"]) == 0
    assert capfd.readouterr().out == TERRAFORM
    assert run_command_line(["policy", "--format", "json"]) == 0
    assert [role["name"] for role in json.loads(capfd.readouterr().out)["roles"]] == ["shop-test"]


def test_the_namespace_of_the_manifest_is_used(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (project / "ciplug.toml").write_text(QUICK_START.replace("[vault]", '[vault]\nnamespace = "acme"'))
    assert run_command_line(["policy"]) == 0
    assert "# bao policy write -namespace=acme shop-test" in capfd.readouterr().out


def test_files_are_written_once_and_what_else_is_there_stays(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    foreign = project / "out" / "policies" / "other.hcl"
    foreign.parent.mkdir(parents=True)
    foreign.write_text("mine")
    assert run_command_line(["policy", "--output", "out"]) == 0
    assert capfd.readouterr() == ("", "ciplug: out: files written: 2\n")
    written = [project / "out/policies/shop-test.hcl", project / "out/roles/jwt/shop-test.json"]
    assert [path.read_text() for path in written] == [POLICY, ROLE]
    assert [stat.S_IMODE(path.stat().st_mode) for path in written] == [0o644, 0o644]
    before = [path.stat() for path in written]
    assert run_command_line(["policy", "--output", "out"]) == 0
    assert capfd.readouterr().err == "ciplug: out: up to date\n"
    assert [(path.stat().st_ino, path.stat().st_mtime_ns) for path in written] == [
        (each.st_ino, each.st_mtime_ns) for each in before
    ]
    assert foreign.read_text() == "mine"
    assert {path.name for path in (project / "out").rglob("*") if path.is_file()} == {
        "other.hcl",
        "shop-test.hcl",
        "shop-test.json",
    }


def test_only_the_file_that_differs_is_written_anew(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["policy", "--output", "out"]) == 0
    (project / "out/policies/shop-test.hcl").write_text('path "*" { capabilities = ["sudo"] }')
    capfd.readouterr()
    assert run_command_line(["policy", "--output", "out"]) == 0
    assert capfd.readouterr().err == "ciplug: out: files written: 1\n"
    assert (project / "out/policies/shop-test.hcl").read_text() == POLICY


def test_terraform_goes_to_one_file(project: Path) -> None:
    assert run_command_line(["policy", "--format", "terraform", "--output", "out"]) == 0
    assert [(path.name, path.read_text()) for path in (project / "out").iterdir()] == [("ciplug.tf", TERRAFORM)]


def test_a_link_in_the_way_is_replaced_and_not_followed(project: Path) -> None:
    (project / "out/policies").mkdir(parents=True)
    (project / "victim").write_text("safe")
    (project / "out/policies/shop-test.hcl").symlink_to(project / "victim")
    assert run_command_line(["policy", "--output", "out"]) == 0
    assert (project / "victim").read_text() == "safe"
    assert (project / "out/policies/shop-test.hcl").read_text() == POLICY


def test_what_cannot_be_written_is_named(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (project / "out").mkdir()
    (project / "out/policies").write_text("a file")
    assert run_command_line(["policy", "--output", "out"]) == 8
    assert "out/policies/shop-test.hcl could not be written: " in capfd.readouterr().err


def test_all_problems_are_listed_and_nothing_is_printed(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = QUICK_START.replace('github = "acme/shop"\ngithub_id = 74', 'name = "shop"')
    (project / "ciplug.toml").write_text(text.replace("[jobs.test]", '[jobs.test]\nrole = "root"'))
    assert run_command_line(["policy", "--output", "out"]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert not (project / "out").exists()
    assert [line.removeprefix("ciplug: ")[:24] for line in err.splitlines()] == [
        "jobs.test: a policy call",
        "[project] names no CI ho",
        "error: manifest: 2 probl",
    ]


def test_notes_are_for_people(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (project / "ciplug.toml").write_text(QUICK_START.replace("github_id = 74\n", ""))
    assert run_command_line(["policy", "--format", "json"]) == 0
    out, err = capfd.readouterr()
    assert err.startswith("ciplug: note: project.github is a name")
    assert json.loads(out)["notes"] == [err.strip().removeprefix("ciplug: note: ")]


@pytest.mark.parametrize(
    "arguments",
    [
        ["--check", "--apply"],
        ["--yes"],
        ["--role", "admin"],
        ["--adopt", "shop-test"],
        ["--check", "--adopt", "shop-test"],
        ["--check", "--output", "out"],
        ["--apply", "--format", "terraform"],
        ["--output", "out", "--format", "json"],
    ],
    ids=" ".join,
)
def test_options_that_contradict_each_other_are_refused(
    arguments: list[str], project: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(["policy", *arguments]) == 2
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("ciplug: error: usage: ")
    assert ". Next: " in err
    assert not (project / "out").exists()


def test_what_nothing_implies_cannot_be_taken_over(capfd: pytest.CaptureFixture[str]) -> None:
    """It is said before a vault is asked: this one does not exist."""
    arguments = ["--adopt", "shop-test", "--adopt", "shop-tset", "--adopt", "other"]
    assert run_command_line(["policy", "--apply", *arguments]) == 2
    said = "--adopt: nothing in the manifest implies other, shop-tset. Next: name one of shop-test"
    assert capfd.readouterr() == ("", f"ciplug: error: usage: {said}\n")


def test_it_needs_a_manifest(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (project / "ciplug.toml").unlink()
    assert run_command_line(["policy"]) == 2
    assert "there is no such file" in capfd.readouterr().err
