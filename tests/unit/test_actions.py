"""The actions as files, and what ciplug tells GitHub's runner, checked against the runner's own rules."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import tomllib
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ciplug.hosts import github
from ciplug.redact.forms import forms, hideable
from tests.fakes.actions_runner import Runner
from tests.leaks import assert_no_leak

ROOT: Final = Path(__file__).parents[2]
ACTIONS: Final = ROOT / "actions"
NAMES: Final = ("fetch", "setup")
SCRIPTS: Final = sorted(ACTIONS.rglob("*.js"))
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def action(name: str) -> dict[str, Any]:
    return yaml.safe_load((ACTIONS / name / "action.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", NAMES)
def test_an_action_says_what_it_is(name: str) -> None:
    assert {"name", "description", "author", "branding"} <= action(name).keys()
    assert action(name)["branding"].keys() == {"icon", "color"}


@pytest.mark.parametrize("name", NAMES)
def test_an_action_runs_on_the_runners_current_node(name: str) -> None:
    assert action(name)["runs"]["using"] == "node24"


@pytest.mark.parametrize("name", NAMES)
def test_an_actions_files_are_there(name: str) -> None:
    runs = action(name)["runs"]
    assert [file for key in ("main", "post") if (file := runs.get(key)) and not (ACTIONS / name / file).is_file()] == []


def test_fetch_ends_whatever_the_job_did() -> None:
    assert action("fetch")["runs"]["post"] == "post.js"
    assert action("fetch")["runs"]["post-if"] == "always()"


def test_every_input_is_described_and_none_is_required() -> None:
    inputs = action("fetch")["inputs"]
    assert [name for name, one in inputs.items() if not one.get("description", "").endswith((".", ")."))] == []
    assert [name for name, one in inputs.items() if one["required"]] == []  # the runner would not enforce it
    assert "inputs" not in action("setup")


def test_the_inputs_are_those_that_are_read() -> None:
    tree = ast.parse((ACTIONS / "step.py").read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    read = {getattr(node.args[1], "value", None) for node in calls if node.func.id in {"_option", "_boolean", "_input"}}
    assert read - {None} == action("fetch")["inputs"].keys()


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.relative_to(ACTIONS).as_posix())
def test_javascript_has_no_dependency_and_fits_on_a_screen(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    loaded = re.findall(r"require\(\s*(.*?)\s*\)", text)
    assert [name for name in loaded if not name.startswith(("'node:", "'../start'"))] == []
    assert "import" not in text.replace("'import sys;", "")
    assert len(text.splitlines()) < 60


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.relative_to(ACTIONS).as_posix())
def test_javascript_is_well_formed_and_starts_no_shell(script: Path) -> None:
    node = shutil.which("node")
    assert node, "node is missing: install Node.js 20 or newer"
    assert subprocess.run([node, "--check", str(script)], capture_output=True).returncode == 0
    assert not re.search(r"shell\s*:|exec\(|execSync", script.read_text(encoding="utf-8"))


def test_the_first_python_file_is_valid_in_a_python_that_is_too_old() -> None:
    source = (ACTIONS / "install.py").read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 4))
    assert not re.search(r"""\bf['"]""", source)


def locked() -> dict[str, tuple[Requirement, list[str]]]:
    text = (ACTIONS / "requirements.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    found = {}
    for line in text.splitlines():
        if line.strip() and not line.strip().startswith("#"):
            head, *hashes = line.split(" --hash=")
            requirement = Requirement(head.strip())
            found[canonicalize_name(requirement.name)] = (requirement, [one.strip() for one in hashes])
    return found


def test_each_locked_package_has_one_version_and_its_hashes() -> None:
    for requirement, hashes in locked().values():
        assert [one.operator for one in requirement.specifier] == ["=="], requirement
        assert hashes, requirement
        assert [one for one in hashes if not re.fullmatch(r"sha256:[0-9a-f]{64}", one)] == []


@pytest.mark.parametrize("wanted", [*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"]])
def test_what_the_project_depends_on_is_locked_at_a_version_it_takes(wanted: str) -> None:
    requirement = Requirement(wanted)
    lock, _ = locked()[canonicalize_name(requirement.name)]
    [pin] = lock.specifier
    assert requirement.specifier.contains(pin.version)
    assert lock.marker is None


def test_an_extras_dependencies_are_locked_too() -> None:
    assert "cryptography" in locked()


def test_the_lock_names_no_index_and_no_path() -> None:
    text = (ACTIONS / "requirements.txt").read_text(encoding="utf-8")
    assert not re.search(r"^\s*-|://|file:|/home|/root|/work|/tmp", text.replace(" --hash=", ""), re.MULTILINE)


def test_the_lock_says_how_it_is_made() -> None:
    top = (ACTIONS / "requirements.txt").read_text(encoding="utf-8").splitlines()[:2]
    assert all(line.startswith("#") for line in top)
    assert "make lock" in top[1]
    assert "--universal --generate-hashes" in (ROOT / "Makefile").read_text(encoding="utf-8")


COUNTED: Final = (".js", ".yml", ".groovy")
UNCOUNTED: Final = {".py", ".txt"}
"""Python, the lock that pip reads, and the help that Jenkins shows."""


def test_the_adapters_are_thin_outside_of_python() -> None:
    files = [
        path for folder in ("actions", "gitlab", "jenkins") for path in (ROOT / folder).rglob("*") if path.is_file()
    ]
    files = [path for path in files if "__pycache__" not in path.parts and path.suffix not in UNCOUNTED]
    assert {path.suffix for path in files} <= set(COUNTED)
    assert 0 < sum(len(path.read_text(encoding="utf-8").splitlines()) for path in files) < 400


values = st.text(
    st.characters(codec="utf-8", exclude_characters="\0") | st.sampled_from(list("\n\r%:=<#[]{}\"'& ")), max_size=60
)


def masked(*secrets: bytes) -> Runner:
    """A runner that has been told of all forms of `secrets`, as `ciplug fetch` does; it has shown nothing of it."""
    runner = Runner()
    told = bytearray()
    github.ActionsMasker(told.extend).mask(form.text for form in forms(secrets))
    assert runner.read(bytes(told)).strip() == ""
    return runner


@given(values)
def test_no_value_is_readable_where_it_is_printed_raw(value: str) -> None:
    raw = value.encode()
    if hideable(raw) and all(len(line.strip()) >= 4 for line in raw.splitlines() if line.strip()):
        assert_no_leak(masked(raw).read(b"x " + raw + b" y"), [raw])


@pytest.mark.parametrize(
    "secret",
    [
        *(
            "p%0Ass%25word",
            "::add-mask::nothing",
            "##[group]secret",
            "qu\"o'te&d <b>",
            "tr\u00e4umerei",
            "a\\b\\c$d`e`",
        ),
        "-----BEGIN KEY-----\nMIIabc+/def\n-----END KEY-----\n",
    ],
)
def test_awkward_secrets_are_hidden_in_every_form(secret: str) -> None:
    raw = secret.encode()
    runner = masked(raw)
    for form in forms([raw]):
        assert_no_leak(runner.read(b"[" + form.text + b"]"), [raw])


def test_a_value_with_short_lines_does_not_blank_the_log() -> None:
    runner = masked(b'{\n  "key": "s3cret-value"\n}')
    assert runner.read(b"f() { return 1 }") == "f() { return 1 }"
    assert "s3cret-value" not in runner.read(b'  "key": "s3cret-value"')
