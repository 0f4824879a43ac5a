"""The actions' installation of ciplug, from outside: node on their files, with a real pip and what the runner gives."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from tests.e2e.outside import eventually
from tests.e2e.published import ROOT, offline, published
from tests.e2e.runner_step import TOKEN, annotation, new_step
from tests.processes import kill_session

if TYPE_CHECKING:
    from types import ModuleType

    from tests.e2e.runner_step import Step

_LIMIT: Final = 120.0  # seconds for one installation on a busy machine


def test_setup_puts_ciplug_and_nothing_else_on_the_path(cached: Step) -> None:
    done = cached.run("setup/main.js")
    assert done.returncode == 0, done.stdout + done.stderr
    folder = Path(cached.file("GITHUB_PATH").decode().rstrip("\n"))
    assert [path.name for path in folder.iterdir()] == ["ciplug"]
    later = subprocess.run(["ciplug", "--version"], env={"PATH": f"{folder}:/bin:/usr/bin"}, capture_output=True)
    assert later.stdout == done.stdout
    assert later.stdout.startswith(b"ciplug ")


def test_a_job_cannot_make_its_own_modules_be_loaded(cached: Step, tmp_path: Path) -> None:
    (tmp_path / "click").mkdir()
    (tmp_path / "click" / "__init__.py").write_text("raise SystemExit('loaded')")
    shutil.copytree(tmp_path / "click", Path(cached.env["GITHUB_WORKSPACE"], "click"))
    assert cached.run("setup/main.js", PYTHONPATH=str(tmp_path)).returncode == 0
    folder = cached.file("GITHUB_PATH").decode().rstrip("\n")
    env = {"PATH": f"{folder}:/bin:/usr/bin", "PYTHONPATH": str(tmp_path)}
    later = subprocess.run(["ciplug", "check", "--help"], env=env, capture_output=True, cwd=tmp_path)
    assert later.returncode == 0, later.stderr


def test_what_is_installed_is_used_again(cached: Step) -> None:
    before = cached.installations
    done = cached.run("setup/main.js")
    assert done.returncode == 0
    assert done.stderr == b""
    assert cached.installations == before
    assert len(before) == 1


def test_pip_does_not_get_the_right_to_an_id_token(step: Step, tmp_path: Path) -> None:
    """The build of ciplug itself looks, and that is enough; nor is more than one package wanted for it."""
    copy, seen = tmp_path / "spied", tmp_path / "seen"
    shutil.copytree(step.repository, copy)
    (copy / "pyproject.toml").write_text('[build-system]\nrequires = []\nbuild-backend = "spy"\nbackend-path = ["."]\n')
    (copy / "spy.py").write_text(
        f"import json, os\njson.dump(dict(os.environ), open({str(seen)!r}, 'w'))\nbuild_wheel()"
    )
    [click] = re.findall(
        r"^click==.*?[^\\]$", (copy / "actions" / "requirements.txt").read_text(), re.DOTALL | re.MULTILINE
    )
    (copy / "actions" / "requirements.txt").write_text(click)
    done = step._replace(repository=copy).run("setup/main.js")
    assert "could not be installed from the checkout" in annotation(done)
    text = seen.read_text()
    assert TOKEN not in text
    assert "PIP_FIND_LINKS" in json.loads(text)
    assert not [name for name in json.loads(text) if name.startswith(("ACTIONS_", "GITHUB_", "VAULT_", "INPUT_"))]


@pytest.fixture(scope="session")
def installation() -> ModuleType:
    """The module itself, for what takes too long through the front door."""
    spec = importlib.util.spec_from_file_location(
        "installation", published().repository / "actions" / "installation.py"
    )
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["ciplug/errors.py", "pyproject.toml", "actions/requirements.txt"])
def test_a_checkout_with_other_sources_has_an_installation_of_its_own(installation: ModuleType, name: str) -> None:
    sources = installation._sources()
    assert installation._key(sources | {name: "0" * 64}) != installation._key(sources)
    assert name in sources


def test_another_python_has_an_installation_of_its_own(
    installation: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = installation._key({})
    monkeypatch.setattr(sys, "version", "3.11.99 (main)")
    assert installation._key({}) != before


def test_an_untouched_installation_has_no_flaw(cached: Step, installation: ModuleType) -> None:
    [folder] = cached.installations
    assert installation._flaw(folder, installation._sources()) == ""


@pytest.mark.parametrize(
    ("pattern", "content"),
    [
        ("venv/**/site-packages/ciplug/errors.py", b""),
        ("venv/**/ciplug/__pycache__/errors.*.pyc", b"other code"),
        ("venv/**/_cffi_backend*.so", b"\x7fELF"),
        ("venv/pyvenv.cfg", b"home = /tmp\n"),
        ("venv/**/click/core.py", None),
    ],
)
def test_any_changed_or_missing_file_is_a_flaw(
    cached: Step, installation: ModuleType, pattern: str, content: bytes | None
) -> None:
    [folder] = cached.installations
    path = next(folder.glob(pattern))
    path.unlink() if content is None else path.write_bytes(content)
    assert path.name in installation._flaw(folder, installation._sources())


def test_a_file_that_was_added_is_a_flaw(cached: Step, installation: ModuleType) -> None:
    [folder] = cached.installations
    packages = next(folder.glob("venv/**/site-packages"))
    (packages / "added.pth").write_text("import os\n")
    assert "added.pth" in installation._flaw(folder, installation._sources())


def test_a_link_that_was_moved_is_a_flaw(cached: Step, installation: ModuleType) -> None:
    [folder] = cached.installations
    python = folder / "venv" / "bin" / "python"
    python.unlink()
    python.symlink_to("/bin/sh")
    assert "bin/python" in installation._flaw(folder, installation._sources())


@pytest.mark.parametrize("contents", [None, b"", b"[]", b"5", b'{"venv": {}}', b'{"venv/pyvenv.cfg": '])
def test_an_installation_without_its_list_of_contents_is_flawed(
    cached: Step, installation: ModuleType, contents: bytes | None
) -> None:
    [folder] = cached.installations
    file = folder / "contents.json"
    file.unlink() if contents is None else file.write_bytes(contents)
    assert installation._flaw(folder, installation._sources())


def test_code_that_is_not_the_checkouts_is_a_flaw_even_when_it_is_in_the_list(
    cached: Step, installation: ModuleType
) -> None:
    [folder] = cached.installations
    next(folder.glob("venv/**/site-packages/ciplug/errors.py")).write_text("")
    (folder / "contents.json").write_text(json.dumps(installation._contents(folder)))
    assert installation._flaw(folder, installation._sources()) == "ciplug/errors.py is not the checkout's"


def test_two_runners_that_share_a_cache_both_get_a_whole_one(step: Step, tmp_path: Path) -> None:
    other = new_step(tmp_path / "other")
    other.env["RUNNER_TOOL_CACHE"] = step.env["RUNNER_TOOL_CACHE"]
    both = [
        subprocess.Popen(one.command("setup/main.js"), env=one.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for one in (step, other)
    ]
    for process in both:
        out, err = process.communicate(timeout=_LIMIT)
        assert process.returncode == 0, err
        assert out.startswith(b"ciplug ")
    assert len(step.installations) == 1


def halfway(step: Step) -> subprocess.Popen[bytes]:
    """An installation that has begun, in a session of its own."""
    process = subprocess.Popen(
        step.command("setup/main.js"),
        env=step.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    eventually(lambda: any((folder / "made/venv/bin/pip").exists() for folder in step.installations))
    return process


def test_an_installation_that_was_changed_is_made_anew_though_the_first_try_is_killed(cached: Step) -> None:
    online = cached._replace(env=cached.env | offline(published().wheels))
    [folder] = cached.installations
    changed = next(folder.glob("venv/**/click/core.py"))
    original = changed.read_bytes()
    changed.write_bytes(original + b"\n# changed\n")
    with halfway(online) as process:
        kill_session(process.pid)
    abandoned, kept = online.installations
    assert (abandoned.name[0], kept) == (".", folder)
    old = time.time() - 2 * 3600
    os.utime(abandoned, (old, old))
    done = online.run("setup/main.js")
    assert done.returncode == 0, done.stdout + done.stderr
    assert b"click/core.py was changed" in done.stderr
    assert changed.read_bytes() == original
    assert online.installations == [folder]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_installation_that_is_cancelled_cleans_up(step: Step, number: int) -> None:
    with halfway(step) as process:
        process.send_signal(number)
        assert process.wait(20) == 128 + number
        assert process.stdout
        assert process.stdout.read() == b""
    assert step.installations == []


def test_a_runner_without_an_index_is_told_what_to_do_and_nothing_is_left(step: Step) -> None:
    done = step.run("fetch/main.js", PIP_FIND_LINKS=step.env["RUNNER_TEMP"])
    assert done.returncode == 1
    assert "PIP_INDEX_URL" in annotation(done)
    assert b"No matching distribution" in done.stderr
    assert step.installations == []
    assert step.file("GITHUB_STATE") == step.file("GITHUB_ENV") == b""


def test_a_package_that_is_not_the_locked_one_is_refused(step: Step, tmp_path: Path) -> None:
    forged = tmp_path / "forged"
    shutil.copytree(published().wheels, forged)
    click = next(forged.glob("click-*"))
    click.write_bytes(click.read_bytes() + b"\0")
    done = step.run("setup/main.js", PIP_FIND_LINKS=str(forged))
    assert done.returncode == 1
    assert "pip could not install" in annotation(done)
    assert b"HASHES" in done.stderr
    assert step.installations == []


def test_a_tool_cache_that_cannot_be_written_is_passed_over(cached: Step) -> None:
    temp = Path(cached.env["RUNNER_TEMP"])
    Path(cached.env["RUNNER_TOOL_CACHE"], "ciplug").rename(temp / "ciplug")
    done = cached.run("setup/main.js", RUNNER_TOOL_CACHE="/proc/nowhere")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == b""


def test_an_incomplete_checkout_is_told_how_to_be_whole(step: Step, tmp_path: Path) -> None:
    shutil.copytree(step.repository / "actions", tmp_path / "part" / "actions")
    done = step._replace(repository=tmp_path / "part").run("fetch/main.js")
    assert done.returncode == 1
    assert "OWNER/REPOSITORY/actions/" in annotation(done)


def test_an_old_python_that_is_started_by_hand_says_what_it_needs() -> None:
    file = ROOT / "actions" / "install.py"
    code = f"import sys; sys.version_info = (3, 9, 2); exec(open({str(file)!r}).read())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True)
    assert done.returncode == 1
    assert "this is 3.9" in annotation(done)
