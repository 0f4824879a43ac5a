from __future__ import annotations

import time
from random import Random

import pytest

from ciplug.redact import Form, LiteralKernel
from ciplug.redact.kernel import merged, reach

MANY = 400


def occurrences(form: bytes, data: bytes) -> list[tuple[int, int]]:
    found = []
    start = data.find(form)
    while start >= 0:
        found.append((start, start + len(form)))
        start = data.find(form, start + 1)
    return found


def words(random: Random, count: int, shortest: int, longest: int, letters: bytes = b"abcd") -> list[bytes]:
    return [bytes(random.choices(letters, k=random.randint(shortest, longest))) for _ in range(count)]


SPANS = {
    "none": ([Form(b"abcd")], b"abc dabc", []),
    "one": ([Form(b"abcd")], b"xabcdx", [(1, 5)]),
    "overlapping": ([Form(b"abcd"), Form(b"cdef")], b"abcdef", [(0, 6)]),
    "touching": ([Form(b"abcd"), Form(b"efgh")], b"abcdefgh", [(0, 4), (4, 8)]),
    "self-overlapping": ([Form(b"aaaa")], b"aaaaaaa aaa aaaa", [(0, 7), (12, 16)]),
    "self-overlapping by half": ([Form(b"abcabc")], b"abcabcabcabcab", [(0, 12)]),
    "one a prefix of another": ([Form(b"abcd"), Form(b"abcdefgh")], b"abcdefgh abcdefg", [(0, 8), (9, 13)]),
    "one inside another": ([Form(b"cdef"), Form(b"abcdefgh")], b"abcdefgh cdef", [(0, 8), (9, 13)]),
    "with a line end of its own": ([Form(b"ab\ncd")], b"ab\ncd ab\r\ncd", [(0, 5)]),
    "no line break in a literal form": ([Form(b"abcdef")], b"abcd\nef", []),
    "wrapped": ([Form(b"abcdefgh", wraps=True)], b"x\nabcd\nef\r\ngh\n", [(2, 13)]),
    "wrapped after each letter": ([Form(b"abcdef", wraps=True)], b"a\nb\nc\nd\ne\nf", [(6, 11)]),
    "wrapped early": ([Form(b"abcdefgh", wraps=True)], b"abc\ndefgh", [(4, 9)]),
    "wrapped with the longest break": ([Form(b"abcdefgh", wraps=True)], b"abcd" + b"\r\n" * 4 + b"efgh", [(0, 16)]),
    "wrapped with too long a break": ([Form(b"abcdefgh", wraps=True)], b"abcd" + b"\n" * 9 + b"efgh", []),
    "after a run of line ends": ([Form(b"abcd", wraps=True)], b"\n" * 40 + b"abcd", [(40, 44)]),
    "literal and wrapped": ([Form(b"xab"), Form(b"abcdef", wraps=True)], b"xabcd\nef", [(1, 8)]),
    "binary": ([Form(b"\x00\xff\x00\xff")], b"\x00\xff\x00\xff\x00", [(0, 4)]),
}  # fmt: skip


@pytest.mark.parametrize(("chosen", "data", "spans"), SPANS.values(), ids=SPANS)
def test_spans(chosen: list[Form], data: bytes, spans: list[tuple[int, int]]) -> None:
    assert LiteralKernel(chosen).spans(data) == spans


@pytest.mark.parametrize(("shortest", "longest"), [(4, 7), (8, 12), (4, 30), (1000, 1100)])
def test_many_forms_are_found_like_few(shortest: int, longest: int) -> None:
    random = Random(longest)
    chosen = sorted(set(words(random, MANY, shortest, longest)))
    pieces = random.choices(chosen, k=60) + words(random, 60, 1, longest)
    random.shuffle(pieces)
    data = b"\xff".join(pieces) + b"".join(pieces)
    expected = merged([span for form in chosen for span in occurrences(form, data)])
    assert LiteralKernel([Form(text) for text in chosen]).spans(data) == expected
    assert expected
    assert LiteralKernel([Form(text) for text in chosen]).spans(b"nothing of it here") == []


def test_many_forms_that_wrap_are_found() -> None:
    chosen = sorted(set(words(Random(5), MANY, 12, 20, b"abcdefgh")))
    data = b"\n".join(b"--" + text[:5] + b"\n" + text[5:9] + b"\r\n" + text[9:] for text in chosen)
    found = LiteralKernel([Form(text, wraps=True) for text in chosen]).spans(data)
    assert [data[start:end].replace(b"\r", b"").replace(b"\n", b"") for start, end in found] == chosen


CANDIDATES = {
    "nothing": (b"abcd", b"xyz", None),
    "empty": (b"abcd", b"", None),
    "one byte": (b"abcdefgh", b"xa", (1, 1)),
    "nearly all": (b"abcdefgh", b"xabcdefg", (1, 7)),
    "whole": (b"abcdefgh", b"xabcdefgh", None),
    "whole, and the beginning of another": (b"abcdabcd", b"abcdabcd", (4, 4)),
    "long": (b"0123456789abcdef", b"x0123456789abc", (1, 13)),
    "very long": (b"0123456789abcdef" * 100, b"x" + (b"0123456789abcdef" * 100)[:1500], (1, 1500)),
    "very long, only its beginning": (b"0123456789abcdef" * 100, b"0123456789ab0123", (12, 4)),
    "very long, after a false start": (b"0123456789" * 200 + b"z", b"0123456789" * 2 + b"y0123456789", (21, 10)),
}


@pytest.mark.parametrize("wraps", [False, True])
@pytest.mark.parametrize(("form", "data", "expected"), CANDIDATES.values(), ids=CANDIDATES)
def test_the_first_candidate(form: bytes, data: bytes, expected: tuple[int, int] | None, *, wraps: bool) -> None:
    found = LiteralKernel([Form(form, wraps)]).candidates(data)
    assert [(candidate.hold, candidate.matched) for candidate in found[:1]] == ([expected] if expected else [])


LINE_ENDS = {
    "one character before a line end is not waited for": (b"xa\n", (3, 1, 1)),
    "nor are three": (b"xabc\r\n", (6, 1, 3)),
    "four are": (b"xabcd\n", (1, 1, 4)),
    "a character behind a weak line end is": (b"xab\nc", (4, 1, 3)),
    "many behind many": (b"xab\r\ncdef\ng\n", (5, 1, 7)),
}


@pytest.mark.parametrize(("data", "expected"), LINE_ENDS.values(), ids=LINE_ENDS)
def test_a_line_end_in_a_candidate_that_wraps(data: bytes, expected: tuple[int, int, int]) -> None:
    first, *_ = LiteralKernel([Form(b"abcdefghijkl", wraps=True)]).candidates(data)
    assert (first.hold, first.context, first.matched) == expected


def test_a_candidate_ends_at_a_long_run_of_line_ends() -> None:
    kernel = LiteralKernel([Form(b"abcdefghijkl", wraps=True)])
    assert kernel.candidates(b"abcdefgh" + b"\n" * 8)
    assert not kernel.candidates(b"abcdefgh" + b"\n" * 9)


def test_many_forms_with_one_beginning_make_one_candidate() -> None:
    chosen = [Form(b"export VARIABLE_%04d=" % number) for number in range(1000)]
    found = LiteralKernel(chosen).candidates(b"x\nexport VARIABLE_0")
    assert [(candidate.hold, candidate.matched) for candidate in found[:1]] == [(2, 17)]


@pytest.mark.parametrize(
    ("length", "matched", "telling"),
    [
        (4, 1, False),
        (4, 2, True),
        (5, 2, False),
        (5, 3, True),
        (16, 7, False),
        (16, 8, True),
        (9, 4, False),
        (9, 5, True),
    ],
)
def test_half_of_a_form_or_eight_bytes_are_telling(length: int, matched: int, *, telling: bool) -> None:
    text = bytes(range(65, 65 + length))
    first, *_ = LiteralKernel([Form(text)]).candidates(text[:matched])
    assert first.telling is telling


def test_the_shortest_form_decides_what_is_telling() -> None:
    first, *_ = LiteralKernel([Form(b"abcdefghijklmn"), Form(b"abcd")]).candidates(b"ab")
    assert first.telling


REACHES = {
    "to the end of the data": (Form(b"abcdefgh"), b"abcdef", (6, True)),
    "to where it differs": (Form(b"abcdefgh"), b"abcdxf", (4, False)),
    "to its own end": (Form(b"abcd"), b"abcdef", (4, False)),
    "to its own end and the data's": (Form(b"abcd"), b"abcd", (4, False)),
    "over line ends": (Form(b"abcdefgh", wraps=True), b"abcd\nefx", (7, False)),
    "over line ends, and more may come": (Form(b"abcdefgh", wraps=True), b"abcd\nef\n", (7, True)),
    "to its own end before line ends": (Form(b"abcdef", wraps=True), b"abcd\nef\n", (7, False)),
    "up to a long run of line ends": (Form(b"abcdefgh", wraps=True), b"abcd" + b"\n" * 9 + b"ef", (4, False)),
}


@pytest.mark.parametrize(("form", "data", "expected"), REACHES.values(), ids=REACHES)
def test_how_far_data_follows_a_form(form: Form, data: bytes, expected: tuple[int, bool]) -> None:
    end, goes_on = reach(b"--" + data, 2, form)
    assert (end - 2, goes_on) == expected


def test_no_forms_find_nothing() -> None:
    kernel = LiteralKernel([])
    assert (kernel.spans(b"anything"), kernel.candidates(b"anything")) == ([], [])


@pytest.mark.parametrize("wraps", [False, True])
def test_text_that_repeats_itself_is_not_quadratic(*, wraps: bool) -> None:
    kernel = LiteralKernel([Form(b"x" * 300_000, wraps)])
    started = time.perf_counter()
    assert kernel.spans(b"x" * 500_000 + b"y") == [(0, 500_000)]
    assert kernel.candidates(b"x" * 500_000 + b"y") == []
    assert time.perf_counter() - started < 20  # a third of a second; hours if every place were searched from anew
