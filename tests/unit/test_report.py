"""What people are told, on stderr and where the host shows it: cause and remedy, on one line, and nothing else."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciplug.cli.report import Report, one_line
from ciplug.errors import CiplugError, HandOverError, IdentityError, Interrupted, ManifestError, MissingError
from ciplug.hosts.github import annotation
from ciplug.redact import forms
from tests.fakes.actions_runner import Runner
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Callable


def shown(act: Callable[[Report], object], *, host: bool = True) -> str:
    """All of stderr after `act` had a report."""
    raw = io.BytesIO()
    stderr = io.TextIOWrapper(raw, encoding="utf-8", errors="backslashreplace", write_through=True)
    with contextlib.redirect_stderr(stderr):
        act(Report(annotation if host else None))
    return raw.getvalue().decode()


def annotations(text: str) -> list[tuple[str, dict[str, str], str]]:
    """What the runner makes of `text`."""
    runner = Runner()
    runner.read(text.encode())
    return runner.annotations


def test_a_failure_is_an_annotation_and_then_the_last_line() -> None:
    text = shown(lambda report: report.failure(MissingError("no field url.", hint="write it")))
    assert text.splitlines()[-1] == "ciplug: error: missing: no field url. Next: write it"
    assert text.count("\n") == 2
    assert annotations(text) == [("error", {"title": "ciplug: missing"}, "no field url. Next: write it")]


def test_elsewhere_there_is_the_line_alone() -> None:
    text = shown(lambda report: report.failure(MissingError("no field url", hint="write it")), host=False)
    assert text == "ciplug: error: missing: no field url. Next: write it\n"
    assert shown(lambda report: report.warn("odd"), host=False) == "ciplug: warning: odd\n"


def test_several_problems_are_listed_in_the_log_and_all_are_in_the_annotation() -> None:
    text = shown(lambda report: report.failure(ManifestError("a.b is odd\nc.d is missing", hint="mend both")))
    assert [line for line in text.splitlines() if line.startswith("ciplug: ")] == [
        "ciplug: a.b is odd",
        "ciplug: c.d is missing",
        "ciplug: error: manifest: 2 problems, listed above. Next: mend both",
    ]
    assert annotations(text) == [
        ("error", {"title": "ciplug: manifest"}, "a.b is odd; c.d is missing. Next: mend both"),
    ]


def test_warnings_and_the_notes_of_a_failure_are_annotations_too() -> None:
    error = HandOverError("the disk is full", hint="make room")
    error.add_note("the token lives for up to 60 s")
    text = shown(lambda report: (report.warn_unmasked(["PIN", "ID"]), report.failure(error)))
    assert annotations(text) == [
        ("warning", {"title": "ciplug"}, "too short to be hidden in the output: PIN, ID"),
        ("warning", {"title": "ciplug"}, "the token lives for up to 60 s"),
        ("error", {"title": "ciplug: hand-over"}, "the disk is full. Next: make room"),
    ]
    assert "ciplug: warning: the token lives for up to 60 s\n" in text
    assert text.endswith("ciplug: error: hand-over: the disk is full. Next: make room\n")


def test_nobody_is_warned_of_no_secret() -> None:
    assert shown(lambda report: report.warn_unmasked([])) == ""


def test_what_is_only_said_is_no_annotation() -> None:
    assert shown(lambda report: report.say("leases stay")) == "ciplug: leases stay\n"


HOSTILE = [
    "two\nlines",
    "::stop-commands::x",
    "\n::add-mask::x",
    "\r\n::error::y",
    "##[add-mask]x",
    "####[error]x",
    "#\x00#[error]x",
    "100%0A::error::z",
    "%25%0D",
    "a,b:c=d;e]f",
    "\x1b[31m\u202e",
    "lone \udc80 surrogate",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_in_a_message_is_a_command_or_another_line(text: str) -> None:
    """A claim, a path or a job's name may hold anything."""
    output = shown(lambda report: (report.warn(text), report.failure(IdentityError("who", hint=text))))
    runner = Runner()
    log = runner.read(output.encode())
    assert [level for level, _, _ in runner.annotations] == ["warning", "error"]
    assert runner.annotations[0][2] == one_line(text)
    assert runner.annotations[1][2].endswith(f". Next: {one_line(text)}")
    assert runner.masks == set()
    assert "##[" not in output
    assert all(line.startswith(("ciplug: ", "::warning title=", "::error title=")) for line in log.splitlines())


ANY = st.characters(exclude_categories=["Cs"], exclude_characters=";")
"""A semicolon separates properties in the old form of commands."""


@given(st.text(ANY), st.text(ANY))
def test_the_runner_reads_back_title_and_message_whatever_they_hold(title: str, message: str) -> None:
    line = annotation("error", title, message)
    assert "\n" not in line
    assert "\r" not in line
    runner = Runner()
    runner.read(line.encode())
    assert runner.annotations == [("error", {"title": title}, message)]


@pytest.mark.parametrize(
    ("title", "written"),
    [("a:b", "a%3Ab"), ("a,b", "a%2Cb"), ("100%", "100%25"), ("%3A", "%253A"), ("a\nb\rc", "a%0Ab%0Dc")],
)
def test_what_ends_a_property_is_escaped_in_a_title(title: str, written: str) -> None:
    assert annotation("warning", title, "a:b,c") == f"::warning title={written}::a:b,c"


def test_a_wrong_command_line_is_an_annotation() -> None:
    error = click.UsageError("No such option: --nonsense")
    text = shown(lambda report: report.usage(error))
    assert annotations(text) == [("error", {"title": "ciplug: usage"}, "No such option: --nonsense")]
    assert text.endswith("ciplug: error: usage: No such option: --nonsense\n")


def test_a_signal_is_an_annotation_and_its_status() -> None:
    statuses: list[int] = []
    text = shown(lambda report: statuses.append(report.interrupted(Interrupted(signal.SIGTERM))))
    assert statuses == [143]
    [(level, properties, message)] = annotations(text)
    assert (level, properties) == ("error", {"title": "ciplug: interrupted"})
    assert message.startswith("SIGTERM. Next: ")


def test_a_bug_shows_its_place_and_never_its_message() -> None:
    def act(report: Report) -> None:
        try:
            raise ValueError("s3cr3t-value in a bug")  # noqa: TRY301  # it needs a traceback
        except ValueError as err:
            report.unforeseen(err)

    text = shown(act)
    assert_no_leak(text, ["s3cr3t-value in a bug"])
    assert "test_report.py:" in text
    assert [(level, message.partition(".")[0]) for level, _, message in annotations(text)] == [("error", "ValueError")]


@pytest.mark.parametrize("gone", ["closed", "full", "no reader"])
def test_a_stderr_that_is_gone_changes_nothing(gone: str) -> None:
    """The status is still the cause's: there is nobody to be told, and that is no failure of its own."""
    script = (
        "import sys\n"
        "from ciplug.cli.report import Report\n"
        "from ciplug.errors import MissingError\n"
        "from ciplug.hosts.github import annotation\n"
        "report = Report(annotation)\n"
        "report.warn('w')\n"
        "report.failure(MissingError('m', hint='h'))\n"
        "sys.exit(7)\n"
    )
    reading, writing = os.pipe()
    os.close(reading)
    with open("/dev/full", "wb") as full:  # noqa: PTH123  # a device, opened for its errors
        stderr = {"closed": None, "full": full, "no reader": writing}[gone]
        shell = ["sh", "-c", 'exec "$@" 2>&-', "sh"] if gone == "closed" else []
        done = subprocess.run([*shell, sys.executable, "-c", script], stderr=stderr, stdout=subprocess.PIPE, timeout=20)
    os.close(writing)
    assert (done.returncode, done.stdout) == (7, b"")


@pytest.mark.parametrize("cause", sorted({one.cause for one in CiplugError.__subclasses__()}))
def test_every_cause_is_a_title_of_its_own(cause: str) -> None:
    [kind] = [one for one in CiplugError.__subclasses__() if one.cause == cause]
    [(_, properties, _)] = annotations(shown(lambda report: report.failure(kind("what", hint="next"))))
    assert properties == {"title": f"ciplug: {cause}"}


def test_a_document_is_data_and_nothing_that_a_host_takes_for_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "##[add-mask]x\n::error::y\r##[##[\u2028é"
    Report().show_document({"a": [hostile], hostile: "::debug::"})
    out = capsys.readouterr().out
    assert json.loads(out) == {"a": [hostile], hostile: "::debug::"}
    assert "##[" not in out
    assert [line for line in out.splitlines() if line.lstrip().startswith("::")] == []


def test_a_document_is_cleaned_in_its_texts_and_keeps_its_keys() -> None:
    report = Report()
    report.hide(forms([b'a "secret"\nof two lines', b"kind"]))
    found = report.cleaned({"kind": ['it is a "secret"\nof two lines', 1, None, {"kind": True}]})
    assert found == {"kind": ["it is ***", 1, None, {"kind": True}]}
