"""Each format, read back by those who read it: shells, python-dotenv, a JSON parser."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import traceback
from typing import TYPE_CHECKING

import pytest
from dotenv import dotenv_values
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ciplug.errors import HandOverError
from ciplug.formats import FORMATS, as_json, dotenv, shell
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from pathlib import Path

SHELLS = [found for name in ("sh", "bash", "dash") if (found := shutil.which(name))]
AWKWARD = [
    b"plain",
    b"",
    b" leading and trailing ",
    b"two\nlines\n",
    b"\n",
    b"\t",
    b"it's",
    b"'",
    b"''''",
    b'say "hi"',
    b"$HOME $(id) `id` ${PATH}",
    b"a\\nb",
    b"\\",
    b"\\\\",
    b"'\"$`\\!\n",
    b"#comment",
    b"a #b",
    b"a=b",
    b"-n",
    b"~",
    b"~root",
    b"*",
    b"%0A",
    b"!history",
    b"export X=1; rm -rf /",
    b"caf\xc3\xa9 \xf0\x9f\x92\xa9",
    b"\xff\xfe binary",
    b"\xef\xbb\xbfbom",
    b"cr\rlf\r\n",
    b"\x1b[31m",
    b"\x0b\x0c\x1c\x85",
    "\u2028\u0085".encode(),
    b"x" * 100_000,
]
few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
names = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
tricky = st.text(st.sampled_from("ab $`'\"\\{}!#\n\t=~*;&|%é"), max_size=12).map(str.encode)


def as_shells_read_it(text: bytes, name: str, program: str, tmp_path: Path) -> bytes:
    file = tmp_path / "values"
    file.write_bytes(text)
    script = f'. "$1" && printf %s "${name}"'
    return subprocess.run([program, "-c", script, "sh", str(file)], check=True, capture_output=True, env={}).stdout


def evaluated(text: bytes, name: str, program: str, tmp_path: Path) -> bytes:
    """What a child of a shell sees that evaluated `text` in the way that `ciplug fetch --help` names."""
    file = tmp_path / "values"
    file.write_bytes(text)
    script = f'out="$(cat "$1")" && eval "$out"; unset out; exec env -0 | grep -z "^{name}="'
    done = subprocess.run(
        [program, "-c", script, "sh", str(file)], check=True, capture_output=True, env={"PATH": "/usr/bin:/bin"}
    )
    return done.stdout.removesuffix(b"\0").partition(b"=")[2]


@pytest.mark.parametrize("program", SHELLS)
@pytest.mark.parametrize("value", AWKWARD)
def test_a_shell_reads_the_shell_format_back(value: bytes, program: str, tmp_path: Path) -> None:
    assert as_shells_read_it(shell({"NAME": value}), "NAME", program, tmp_path) == value
    assert evaluated(shell({"NAME": value}), "NAME", program, tmp_path) == value


@few
@given(value=st.one_of(tricky, st.binary(max_size=40)).map(lambda value: value.replace(b"\0", b"")))
def test_a_shell_reads_any_value_without_nul_back(value: bytes, tmp_path: Path) -> None:
    assert as_shells_read_it(shell({"NAME": value}), "NAME", "sh", tmp_path) == value


def test_several_values_do_not_run_into_each_other(tmp_path: Path) -> None:
    text = shell({"A": b"1'\n", "B": b"export A=2", "C": b""})
    assert [as_shells_read_it(text, name, "sh", tmp_path) for name in "ABC"] == [b"1'\n", b"export A=2", b""]


@few
@given(values=st.dictionaries(names, st.text(st.characters(exclude_categories=["Cs"])).map(str.encode), max_size=5))
def test_json_holds_every_text(values: dict[str, bytes]) -> None:
    text = as_json(values)
    assert json.loads(text) == {name: value.decode() for name, value in values.items()}
    assert text.count(b"\n") == 1
    assert text.isascii()


def read_everywhere(value: bytes, tmp_path: Path) -> None:
    """A .env file that is not refused is read to the same value by all its readers."""
    text = dotenv({"FIRST": b"x", "NAME": value, "LAST": b"y"})
    file = tmp_path / "read.env"
    file.write_bytes(text)
    expected = {"FIRST": "x", "NAME": value.decode(), "LAST": "y"}
    assert dotenv_values(file) == expected
    assert dotenv_values(stream=io.StringIO(text.decode()), interpolate=False) == expected
    assert as_shells_read_it(text, "NAME", "sh", tmp_path) == value


REFUSED_DOTENV = [
    b"\xff",
    b"a\0b",
    b"cr\r",
    b"${HOME}",
    b"\\\\",
    b"end\\",
    b"\\'",
    b"'\"",
    b"it's $5",
    b"it's `x`",
    b"it's!",
    b"it's\n",
]


@pytest.mark.parametrize("value", [value for value in AWKWARD if len(value) < 1000])
def test_awkward_values_are_refused_or_read_to_the_same_value(value: bytes, tmp_path: Path) -> None:
    try:
        dotenv({"NAME": value})
    except HandOverError:
        return
    read_everywhere(value, tmp_path)


@pytest.mark.parametrize(
    "value",
    [b"plain", b"", b" x ", b"a#b", b"# x", b"it's", b'say "hi"', b"$HOME `id`", b"a\\nb", b"two\nlines", b"=", b"~/x",
     b"caf\xc3\xa9", b"postgres://me:p@h:5432/db?x=1", b"-----BEGIN KEY-----\nabc\n-----END KEY-----\n"],
)  # fmt: skip
def test_usual_values_are_not_refused(value: bytes, tmp_path: Path) -> None:
    read_everywhere(value, tmp_path)


@few
@given(value=tricky)
def test_any_value_is_refused_or_read_to_the_same_value(value: bytes, tmp_path: Path) -> None:
    try:
        dotenv({"NAME": value})
    except HandOverError:
        return
    read_everywhere(value, tmp_path)


@few
@given(value=st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map(str.encode))
def test_any_text_is_refused_or_read_to_the_same_value(value: bytes, tmp_path: Path) -> None:
    try:
        dotenv({"NAME": value})
    except HandOverError:
        return
    read_everywhere(value, tmp_path)


@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("shell", b"a\0b"),
        ("json", b"\xff"),
        ("json", b"\xed\xa0\x80"),
        *(("dotenv", value) for value in REFUSED_DOTENV),
    ],
)
def test_what_a_format_cannot_carry_is_refused_by_name_and_never_shown(form: str, value: bytes) -> None:
    value = b"s3cr3t-" + value if form != "dotenv" else value
    with pytest.raises(HandOverError, match="BAD") as refused:
        FORMATS[form]({"GOOD": b"plain", "BAD": value, "ALSO_BAD": value})
    assert "ALSO_BAD" in str(refused.value)
    assert "GOOD" not in str(refused.value)
    assert "as = " in refused.value.hint
    assert_no_leak("".join(traceback.format_exception(refused.value)), [value] if form != "dotenv" else [])


@pytest.mark.parametrize("form", FORMATS)
def test_nothing_to_hand_over_is_not_an_error(form: str) -> None:
    assert FORMATS[form]({}).strip() in (b"", b"{}")
