"""The files of a step: read back exactly by the runner's rules, written all or none, and a summary that stays text."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciplug.errors import HandOverError
from ciplug.hosts.github_files import ENV, append, entries, summary, writable
from ciplug.values import Delivered, Grant, Record, Secret
from tests.fakes.actions_runner import parse_env_file
from tests.leaks import assert_no_leak

HOSTILE = {
    "empty": "",
    "lines": "first line\nsecond line",
    "newline at the end": "hunter2-and-more\n",
    "only newlines": "\n\n\n",
    "carriage returns": "a\r\nb\rc\r",
    "a heredoc of its own": "X<<EOF\nLD_PRELOAD=/tmp/x.so\nEOF",
    "text like the delimiter": "ciplug_\nciplug_0123456789abcdef0123456789abcdef\nPATH=/tmp",
    "an assignment": "BASH_ENV=/tmp/x",
    "percent": "%0A%0D%25",
    "commands": "::add-mask::x\n::stop-commands::y\n##[set-env name=X;]z",
    "emoji": "пароль-🔑",
    "separators that are no line ends": "a\u2028b\x0bc\x0cd\x85e",
    "100 kB": "x" * 100_000,
}

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
LIKE_THE_GRAMMAR = st.lists(st.sampled_from(["\n", "\r", "=", "<<", "X", "ciplug_", "EOF", " "])).map("".join)


def nothing() -> None:
    """A last word that has no objection."""


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_the_runner_reads_back_exactly_what_was_written(value: str) -> None:
    values = {"BEFORE": b"one", "DATABASE_URL": value.encode(), "AFTER": b"two"}
    assert parse_env_file(entries(values)) == {"BEFORE": "one", "DATABASE_URL": value, "AFTER": "two"}


@given(st.dictionaries(st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True), TEXT | LIKE_THE_GRAMMAR))
def test_any_text_under_any_name_is_read_back(values: dict[str, str]) -> None:
    assert parse_env_file(entries({name: value.encode() for name, value in values.items()})) == values


def test_no_value_can_know_the_delimiter() -> None:
    """One that has read an earlier file still sets no variable of its own."""
    earlier = entries({"A": b"x"}).splitlines()[-1]
    values = {"A": b"x\n" + earlier + b"\nLD_PRELOAD<<" + earlier + b"\ny"}
    again = entries(values)
    assert again.splitlines()[-1] != earlier
    assert parse_env_file(again) == {"A": values["A"].decode()}


def test_binary_values_are_refused_by_name_and_all_at_once() -> None:
    values = {"KEY": b"\xff\xfehidden-bytes", "URL": b"text", "CERT": b"hidden-\x80"}
    with pytest.raises(HandOverError, match="UTF-8 text only: KEY, CERT") as refused:
        entries(values)
    assert 'as = "file"' in refused.value.hint
    assert_no_leak(str(refused.value), [b"hidden-bytes", b"hidden-"])


@pytest.mark.parametrize("path", ["", "missing", "folder", "pipe"])
def test_what_is_no_file_of_the_runner_is_refused_by_its_variable(tmp_path: Path, path: str) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(HandOverError, match=ENV) as refused:
        writable({ENV: str(tmp_path / path) if path else ""}, ENV)
    assert refused.value.hint
    assert not (tmp_path / "missing").exists()


def test_the_runner_s_own_file_is_taken(tmp_path: Path) -> None:
    (tmp_path / "env").touch()
    assert writable({ENV: str(tmp_path / "env")}, ENV) == tmp_path / "env"


@pytest.mark.parametrize(
    ("there", "then"),
    [(b"", b"N=1\n"), (b"A=b\n", b"A=b\nN=1\n"), (b"A=b", b"A=b\nN=1\n"), (b"A<<E\nx\nE", b"A<<E\nx\nE\nN=1\n")],
)
def test_what_is_added_begins_on_a_line_of_its_own(tmp_path: Path, there: bytes, then: bytes) -> None:
    """Otherwise the last entry of a program that left its line open would swallow the first of ours."""
    (tmp_path / "env").write_bytes(there)
    append([(tmp_path / "env", b"N=1\n")], nothing)
    assert (tmp_path / "env").read_bytes() == then


@pytest.mark.parametrize("trouble", ["full", "gone", "folder"])
def test_a_file_that_fails_takes_the_others_back_byte_for_byte(tmp_path: Path, trouble: str) -> None:
    first, third = tmp_path / "env", tmp_path / "summary"
    first.write_bytes(b"A=b\nhalf a line")
    third.write_bytes(b"")
    second = {"full": Path("/dev/full"), "gone": tmp_path / "no" / "file", "folder": tmp_path}[trouble]
    with pytest.raises(HandOverError, match="could not be written") as refused:
        append([(first, b"S=secret-text\n"), (second, b"S=secret-text\n"), (third, b"x")], nothing)
    assert (first.read_bytes(), third.read_bytes()) == (b"A=b\nhalf a line", b"")
    assert not hasattr(refused.value, "__notes__")
    assert_no_leak(str(refused.value), ["secret-text"])


def test_a_disk_that_takes_a_part_keeps_none_of_it(tmp_path: Path) -> None:
    """The kernel writes up to the limit and says so; only the next write is an error."""
    file = tmp_path / "env"
    file.write_bytes(b"A=b\n")
    script = (
        "import resource, signal, sys\n"
        "from pathlib import Path\n"
        "from ciplug.hosts.github_files import append\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "append([(Path(sys.argv[1]), b'x' * 5000)], lambda: None)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(file)], capture_output=True, timeout=20)
    assert b"HandOverError: a file of this step could not be written: File too large" in done.stderr
    assert file.read_bytes() == b"A=b\n"


def test_the_last_word_takes_everything_back(tmp_path: Path) -> None:
    """A signal that arrived while the files were written: the caller raises for it."""
    files = [tmp_path / "env", tmp_path / "output"]
    for file in files:
        file.write_bytes(b"A=b\n")
    seen = []

    def stop() -> None:
        seen.extend(file.read_bytes() for file in files)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        append([(file, b"N=1\n") for file in files], stop)
    assert seen == [b"A=b\nN=1\n"] * 2
    assert [file.read_bytes() for file in files] == [b"A=b\n"] * 2


def test_what_cannot_be_taken_back_is_said(tmp_path: Path) -> None:
    """The file is swapped for a folder in between."""
    file = tmp_path / "env"
    file.write_bytes(b"")

    def swap() -> None:
        file.unlink()
        file.mkdir()
        raise OSError(5, "Input/output error")

    with pytest.raises(HandOverError, match="Input/output error") as refused:
        append([(file, b"N=1\n")], swap)
    [note] = refused.value.__notes__
    assert note.startswith("what was written to env could not be taken back: ")


MARKUP = [
    "<img src=x onerror=alert(1)>",
    "a | b | c",
    "`code` **bold** _it_ ~~no~~",
    "[click](https://evil.example)",
    "![x](https://evil.example/p.png)",
    "&lt;b&gt;",
    "\\| back\\slash",
    "# heading",
    "@octocat #74",
    "two\nlines\r\nthree | cells",
    "\x1b[31mred \u202eback",
]


def fetched(owner: str) -> Delivered:
    record = Record(mount="secret", path="app/dev/db", engine="kv2", version=None)
    grant = Grant(name="DATABASE_URL", record=record, pointer=("url",), owner=owner)
    return Delivered(grant=grant, value=Secret("s3cr3t-value"), version=3)


@pytest.mark.parametrize("text", MARKUP)
def test_a_cell_shows_its_text_and_nothing_else(text: str) -> None:
    lines = summary("test", "dev", [fetched(text)]).decode().splitlines()
    assert lines[:3] == [
        "### ciplug: secrets of job test in environment dev",
        "",
        "| name | record | version | owner | as |",
    ]
    [row] = lines[4:-1]
    name, record, version, owner, kind = re.fullmatch(r"\|" + r" ([^|]*) \|" * 5, row).groups()  # type: ignore[union-attr]  # it must match
    assert (name, record, version, kind) == ("DATABASE&#95;URL", "secret/app/dev/db", "3", "variable")
    assert not set("<>`*_[]\\|~!@") & set(owner)
    assert html.unescape(owner) == "".join(char if char.isprintable() else " " for char in text)
    assert_no_leak(row, ["s3cr3t-value"])


@pytest.mark.parametrize("job", ["build <b>x</b>", "a `b` [c](d)", "x\n| y |"])
def test_a_title_shows_its_text_as_well(job: str) -> None:
    """The name of a job may hold anything printable."""
    title, blank, *_ = summary(job, "dev", []).decode().splitlines()
    assert blank == ""
    assert not set("<>`*_[]|") & set(title)
    assert html.unescape(title) == f"### ciplug: secrets of job {job} in environment dev".replace("\n", " ")


def test_what_another_step_adds_is_no_row_of_the_table() -> None:
    assert summary("test", "dev", [fetched("")]).endswith(b" |\n\n")
