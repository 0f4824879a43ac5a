"""The README tells the truth: the demo's output, and what a new user would copy from it."""

from __future__ import annotations

import re
import signal
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from ciplug import errors, manifest
from tests.e2e.outside import eventually, started

if TYPE_CHECKING:
    from tests.e2e.conftest import RunsCiplug

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    return [text for name, text in fenced if name == language]


def test_demo_prints_what_the_readme_shows(ciplug: RunsCiplug) -> None:
    done = ciplug("demo")
    assert done.returncode == 0, done.stdout + done.stderr
    told = re.sub(r"\(\d+ s\)\n", "", done.stdout.decode())
    shown = next(block for block in blocks("") if "OpenBao" in block)
    assert told.strip() == shown.strip()


def test_demo_leaves_nothing_on_disk(ciplug: RunsCiplug, tmp_path: Path) -> None:
    done = ciplug("demo", env={"TMPDIR": str(tmp_path)})
    assert done.returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_manifest_of_the_quick_start_is_valid() -> None:
    (text,) = blocks("toml")
    parsed = manifest.parse(text, "README.md")
    assert parsed.jobs["test"].role == "shop-test"
    assert tomllib.loads(text)["version"] == parsed.version


def test_exit_codes_are_those_of_the_error_classes() -> None:
    documented = {int(code) for code in re.findall(r"^\| (\d+) \| ", README, flags=re.MULTILINE)}
    classes = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, errors.CiplugError)]
    assert documented == {0} | {cls.exit_code for cls in classes}


def test_every_command_is_documented(ciplug: RunsCiplug) -> None:
    listed = re.findall(r"^  (\w+) {2,}", ciplug("--help").stdout.decode(), flags=re.MULTILINE)
    assert listed
    assert [name for name in listed if f"| `ciplug {name}" not in README] == []


def test_an_interrupted_demo_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C as a terminal sends it: to the demo, while its server runs in a session of its own."""
    with started("demo", env={"TMPDIR": str(tmp_path)}, cwd=tmp_path) as demo:
        assert demo.stdout is not None
        demo.stdout.readline()
        servers = [int(path.name) for path in Path("/proc").glob("[0-9]*") if runs(path, str(tmp_path))]
        assert servers
        demo.send_signal(signal.SIGINT)
        assert demo.wait(20) == 130
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in servers))
    assert list(tmp_path.iterdir()) == []


def runs(process: Path, word: str) -> bool:
    """Whether `process` is a server that was started with `word` on its command line."""
    try:
        return word.encode() in (process / "cmdline").read_bytes() and b"server" in (process / "cmdline").read_bytes()
    except OSError:
        return False
