"""The demo keeps its word, and stops where it would not."""

from __future__ import annotations

import base64
import os
from typing import TYPE_CHECKING

import pytest

from ciplug.cli import run_command_line
from ciplug.demo.platforms import by_hand
from ciplug.demo.shell import COLUMNS, DemoFailedError, folded, shows
from ciplug.demo.story import open_demo
from ciplug.demo.vault import DemoValues

if TYPE_CHECKING:
    from collections.abc import Callable

    from ciplug.demo.story import Demo


def test_demo_keeps_its_word(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["demo"]) == 0
    out = capfd.readouterr().out
    assert out.count("✓") >= 30
    assert [shape for shape in ("npm_", "sk_live_", "postgres:", "vcp_", "rnd_", "by-hand-") if shape in out] == []
    assert [line for line in out.splitlines() if len(line) > COLUMNS] == []


def give_another_value(demo: Demo) -> None:
    (demo.shell.folder / "leaky.sh").write_text("echo another >digest")


def hide_what_is_printed(demo: Demo) -> None:
    demo.shell.hidden.append("connecting")


def ignore_a_write(demo: Demo) -> None:
    demo.platforms.railway.ignore_variable("STRIPE_SECRET_KEY")


def fail_to_deploy(demo: Demo) -> None:
    demo.platforms.railway.deploy_as("FAILED")


def expect_what_nobody_made(demo: Demo) -> None:
    demo.platforms.theirs["jobs"]["NOBODYS"] = by_hand()


@pytest.mark.parametrize(
    ("spoil", "claim"),
    [
        (give_another_value, "the script had the real value"),
        (hide_what_is_printed, "no form of any secret"),
        (ignore_a_write, "exit status 0"),
        (fail_to_deploy, "exit status 0"),
        (expect_what_nobody_made, "each platform has exactly"),
    ],
)
def test_demo_stops_where_it_would_lie(spoil: Callable[[Demo], None], claim: str) -> None:
    told: list[str] = []
    with open_demo(os.environ, told.append) as demo:
        spoil(demo)
        with pytest.raises(DemoFailedError, match=f"not so: {claim}"):
            demo.tell()
    assert told[-1].startswith("  ")
    assert not any("Every credential is dead" in line for line in told)


def test_demo_does_not_show_what_leaks() -> None:
    told: list[str] = []
    with open_demo(os.environ, told.append) as demo:
        hide_what_is_printed(demo)
        with pytest.raises(DemoFailedError):
            demo.tell()
    job = told[told.index("\nA job runs a script that leaks: the log stays clean") :]
    assert [line for line in job if "connecting" in line or "  | " in line] == []


@pytest.mark.parametrize("before", ["", "a", "ab"])
def test_demo_sees_a_leak_without_the_filters_help(before: str) -> None:
    value = DemoValues.random().dev_database.encode()
    encoded = base64.encodebytes(before.encode() + value + b"\n")
    assert all(shows(output, value) for output in (b"x" + value, value.hex().encode(), encoded))
    assert not shows(b"connecting to ***\n" + base64.encodebytes(b"something else, and long enough"), value)


def test_a_line_that_fits_is_shown_as_it_is() -> None:
    line = "  + create   DATABASE_URL       not there".ljust(COLUMNS - 5) + "."
    assert folded(line) == f"  | {line}"


def test_a_longer_line_is_folded_between_words() -> None:
    line = " ".join(["a well-known word"] * 20)
    shown = folded(line).splitlines()
    assert len(shown) > 1
    assert all(len(each) <= COLUMNS and each.startswith("  | ") for each in shown)
    assert " ".join(each.removeprefix("  |").strip() for each in shown) == line


def test_a_word_that_is_longer_than_a_line_stays_whole() -> None:
    address = "https://vault.acme.dev/" + "a" * COLUMNS
    assert folded(f"look at {address}").split()[-1] == address
