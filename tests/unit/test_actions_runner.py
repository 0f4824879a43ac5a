"""The stand-in for GitHub's runner: it reads files, hides values and takes commands as the runner's source says."""

from __future__ import annotations

import json

import pytest

from ciplug.hosts import github
from tests.fakes.actions_runner import InvalidFileError, Runner, parse_env_file


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (b"", {}),
        (b"A=1\n\nB=2", {"A": "1", "B": "2"}),
        (b"A=b<<c\n", {"A": "b<<c"}),
        (b"A<<=\nx\n=\n", {"A": "x"}),
        (b"A<<E\nx\ny\nE\n", {"A": "x\ny"}),
        (b"A<<E\nE\n", {"A": ""}),
        (b"A<<E\n\nE\n", {"A": ""}),
        (b"A<<E\nx\n\nE\n", {"A": "x\n"}),
        (b"A<<E\n E\nE \nE", {"A": " E\nE "}),
        (b"A<<E\nx\r\nE\n", {"A": "x\r"}),
        (b"A=1\nA=2\n", {"A": "2"}),
        ("A=\u2028é\n".encode(), {"A": "\u2028é"}),
    ],
)
def test_the_runner_reads_files_as_its_source_says(text: bytes, values: dict[str, str]) -> None:
    assert parse_env_file(text) == values


@pytest.mark.parametrize("text", [b"A\n", b"A<<E\nx\n", b"A<<E\nx", b"<<E\nx\nE\n", b"A<<\nx\n\n", b"A<<E\nx\nE\r\n"])
def test_the_runner_fails_the_step_for_a_file_it_cannot_read(text: bytes) -> None:
    with pytest.raises(InvalidFileError):
        parse_env_file(text)


def test_the_runner_takes_a_carriage_return_for_part_of_the_line_end_on_windows_only() -> None:
    assert parse_env_file(b"A<<E\r\nx\r\nE\r\n", windows=True) == {"A": "x"}
    assert parse_env_file(b"A<<E\r\nx\r\nE\r\n") == {"A": "x\r"}


@pytest.mark.parametrize(
    ("secret", "printed"),
    [
        ("s3cret", "s3cret"),
        ("s3cret", json.dumps({"a": "s3cret"})),
        ("one\ntwo two", "two two"),
        ("s3cret!", "czNjcmV0IQ=="),
        ("s3cret!", "M2NyZXQh"),
        ('a"bcd', 'a\\"bcd'),
        ("it's so", "it''s so"),
        ("a b/c", "a%20b%2Fc"),
        ("a<b&c", "a&lt;b&amp;c"),
        ('"quoted text"', "quoted text"),
        ("partone&parttwo", "partone&"),
        ("partone&parttwo", "parttwo"),
        ("partone&+parttwo", "arttwo"),
        ("%25literal", "%25literal"),
    ],
)
def test_the_runner_hides_these_forms_by_itself(secret: str, printed: str) -> None:
    runner = Runner()
    assert runner.read(b"::add-mask::" + github.escape(secret.encode())) == ""
    assert "***" in runner.read(printed.encode())


@pytest.mark.parametrize("printed", ["czNjcmV0IQo=", "73336372657421", "S3CRET!", "s3 cret!"])
def test_the_runner_does_not_hide_these(printed: str) -> None:
    runner = Runner()
    runner.read(b"::add-mask::s3cret!")
    assert runner.read(printed.encode()) == printed


def test_the_runner_hides_nothing_that_was_printed_before() -> None:
    assert Runner().read(b"s3cret\n::add-mask::s3cret\ns3cret") == "s3cret\n***"


def test_the_runner_takes_an_unescaped_line_end_for_the_end_of_the_command() -> None:
    assert Runner().read(b"::add-mask::one1\ntwo2") == "two2"


def test_the_runner_takes_a_command_in_the_old_form_anywhere_in_a_line() -> None:
    runner = Runner()
    runner.read(b"text ##[add-mask]s3cret")
    assert runner.masks >= {"s3cret"}


def test_the_runner_merges_masks_that_touch() -> None:
    runner = Runner()
    runner.read(b"::add-mask::abcd\n::add-mask::cdef\n::add-mask::ghij")
    assert runner.read(b"-abcdefghij-") == "-***-"


def test_the_runner_shows_annotations_without_their_escapes() -> None:
    runner = Runner()
    runner.read(b"::error title=a%3A b::one%0Atwo 100%25")
    assert runner.annotations == [("error", {"title": "a: b"}, "one\ntwo 100%")]
