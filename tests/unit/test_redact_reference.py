"""The filter against a reference that tries every form at every place, on inputs made to collide."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ciplug.redact import MASK, Form, LiteralKernel, StreamFilter, forms, redact
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from random import Random

Span = tuple[int, int]
Case = tuple[list[Form], bytes]

LITERAL = st.lists(st.sampled_from(b"aaabb\n"), min_size=4, max_size=24).map(lambda text: Form(bytes(text)))
WRAPPING = st.lists(st.sampled_from(b"ab"), min_size=4, max_size=24).map(lambda text: Form(bytes(text), wraps=True))
FORMS = st.lists(LITERAL | WRAPPING, max_size=6)
TEXT = st.lists(
    st.sampled_from([b"a", b"a", b"b", b"b", b"ab", b"\n", b"\r\n", b"\n" * 8, b"\n" * 9, b"x"]), max_size=60
)


def places(form: Form, data: bytes, start: int) -> list[int]:
    """The offsets of the bytes of `data` that follow `form` from `start` on."""
    found: list[int] = []
    breaks = 0
    for offset in range(start, len(data)):
        if form.wraps and found and data[offset] in b"\r\n" and len(found) < len(form.text):
            breaks += 1
            if breaks > 8:
                break
        elif len(found) < len(form.text) and data[offset] == form.text[len(found)]:
            found.append(offset)
            breaks = 0
        else:
            break
    return found


def first_that_counts(found: list[int], end: int) -> int:
    """Where a match begins that loses what precedes a line break in its first three characters."""
    following = [*found[1:4], end][: min(3, len(found))]
    late = [after for before, after in zip(found, following, strict=False) if after != before + 1]
    return late[-1] if late else found[0]


def all_places(chosen: list[Form], data: bytes) -> list[tuple[Form, list[int]]]:
    pairs = itertools.product(chosen, range(len(data)))
    return [(form, found) for form, start in pairs if (found := places(form, data, start))]


def goes_on(form: Form, found: list[int], data: bytes) -> bool:
    rest = data[found[-1] + 1 :]
    return len(found) < len(form.text) and (rest == b"" or (form.wraps and not rest.strip(b"\r\n") and len(rest) <= 8))


def reference_spans(chosen: list[Form], data: bytes) -> list[Span]:
    whole = [found for form, found in all_places(chosen, data) if len(found) == len(form.text)]
    return union([(first_that_counts(found, found[-1] + 1), found[-1] + 1) for found in whole])


def union(spans: list[Span]) -> list[Span]:
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start < joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def reference(chosen: list[Form], data: bytes) -> bytes:
    open_ends = [
        (first_that_counts(found, len(data)), found[-1] + 1)
        for form, found in all_places(chosen, data)
        if goes_on(form, found, data) and len(found) >= min(8, (len(form.text) + 1) // 2)
    ]
    output, done = b"", 0
    for start, end in union(reference_spans(chosen, data) + [span for span in open_ends if span[0] < span[1]]):
        output += data[done:start] + MASK
        done = end
    return output + data[done:]


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in cuts)})
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@st.composite
def texts_with(draw: st.DrawFn, chosen: list[Form]) -> bytes:
    """Texts in which whole forms, beginnings of forms and single letters meet."""
    pieces = draw(TEXT)
    for form in draw(st.lists(st.sampled_from(chosen), max_size=4)) if chosen else []:
        text = form.text[: draw(st.integers(1, len(form.text)))]
        if draw(st.booleans()):
            text = text[:5] + b"\n" + text[5:]
        pieces.insert(draw(st.integers(0, len(pieces))), text)
    return b"".join(pieces)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    chosen = draw(FORMS)
    return chosen, draw(texts_with(chosen))


@settings(max_examples=400, deadline=None)
@given(cases())
@example(([Form(b"aaaa")], b"aaaaaaaaaaaab"))
@example(([Form(b"abcabc"), Form(b"cabx")], b"abcabcabcabxabcabc"))
@example(([Form(b"abab", wraps=True)], b"ab\nab\r\nabxa\nb\na\nb"))
def test_spans_are_the_union_of_all_occurrences(case: Case) -> None:
    chosen, data = case
    assert LiteralKernel(chosen).spans(data) == reference_spans(chosen, data)


@settings(max_examples=400, deadline=None)
@given(cases())
def test_the_first_thing_to_hold_is_the_first_open_beginning(case: Case) -> None:
    chosen, data = case
    expected = [
        first_that_counts(found, len(data)) for form, found in all_places(chosen, data) if goes_on(form, found, data)
    ]
    found = [candidate.hold for candidate in LiteralKernel(chosen).candidates(data)]
    assert found == sorted(found)
    assert found[:1] == sorted(expected)[:1]


@settings(max_examples=600, deadline=None)
@given(cases(), st.lists(st.integers(0, 10_000), max_size=12))
def test_the_output_does_not_depend_on_the_pieces(case: Case, cuts: list[int]) -> None:
    chosen, data = case
    stream = StreamFilter(LiteralKernel(chosen))
    output = b"".join([stream.feed(piece) for piece in cut(data, cuts)]) + stream.close()
    assert output == reference(chosen, data)


@settings(max_examples=300, deadline=None)
@given(cases())
def test_one_byte_at_a_time_gives_what_one_piece_gives(case: Case) -> None:
    chosen, data = case
    kernel = LiteralKernel(chosen)
    stream = StreamFilter(kernel)
    assert b"".join([stream.feed(data[i : i + 1]) for i in range(len(data))]) + stream.close() == redact(data, kernel)
    assert redact(data, kernel) == reference(chosen, data)


@settings(max_examples=300, deadline=None)
@given(cases(), st.lists(st.integers(0, 10_000), max_size=12), st.lists(st.booleans(), min_size=1))
def test_a_flush_leaves_nothing_held_and_adds_no_text(case: Case, cuts: list[int], flushes: list[bool]) -> None:
    chosen, data = case
    stream = StreamFilter(LiteralKernel(chosen))
    output = b""
    for piece, flush in zip(cut(data, cuts), itertools.cycle(flushes), strict=False):
        output += stream.feed(piece)
        if flush:
            output += stream.flush()
            assert not stream.holding
    output += stream.close()
    shown = iter(data)
    assert all(byte in shown for byte in output.replace(b"*", b""))


@settings(max_examples=300, deadline=None)
@given(
    st.binary(min_size=4, max_size=40).filter(lambda value: len(value.strip()) >= 4 and b"*" not in value),
    st.lists(st.booleans(), min_size=1, max_size=20),
)
def test_flushing_shows_less_than_eight_bytes_and_less_than_half_of_a_secret(value: bytes, flushes: list[bool]) -> None:
    core = value.strip()
    stream = StreamFilter(LiteralKernel([Form(core)]))
    output = b"> "
    for place, flush in zip(range(len(core)), itertools.cycle(flushes), strict=False):
        output += stream.feed(core[place : place + 1]) + (stream.flush() if flush else b"")
    output += stream.feed(b"\n") + stream.close()
    shown = output.removeprefix(b"> ").split(MASK)[0]
    assert output == b"> " + shown + MASK + b"\n"
    assert core.startswith(shown)
    assert len(shown) < min(8, len(core) / 2)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from(b"abcdefghijklmnopqrstuvwxyz0123456789 '$<%"), min_size=4, max_size=40, unique=True).map(
        bytes
    ),
    st.data(),
    st.lists(st.booleans(), min_size=1, max_size=20),
)
def test_flushing_shows_as_little_of_every_other_form(value: bytes, data: st.DataObject, flushes: list[bool]) -> None:
    chosen = forms([value]) or (Form(b"secret"),)
    written = data.draw(st.sampled_from(chosen)).text
    stream = StreamFilter(LiteralKernel(chosen))
    output = b""
    for place, flush in zip(range(len(written)), itertools.cycle(flushes), strict=False):
        output += stream.feed(written[place : place + 1]) + (stream.flush() if flush else b"")
    shown = (output + stream.close()).split(MASK)
    assert len(shown) > 1
    assert len(b"".join(shown)) < min(8, len(written) / 2)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.binary(min_size=12, max_size=40), min_size=1, max_size=3),
    st.data(),
    st.lists(st.integers(0, 10_000), max_size=8),
)
def test_no_form_of_a_secret_is_left_in_the_output(values: list[bytes], data: st.DataObject, cuts: list[int]) -> None:
    chosen = forms(values)
    blank = st.sampled_from([b" ", b"\n", b"; "])
    written = st.sampled_from([form.text for form in chosen] or [b"nothing"])
    text = b"".join(part for pair in data.draw(st.lists(st.tuples(blank, written), max_size=6)) for part in pair)
    stream = StreamFilter(LiteralKernel(chosen))
    output = b"".join([stream.feed(piece) for piece in cut(text, cuts)]) + stream.close()
    assert [form for form in chosen if form.text in output and form.text.strip(b"*")] == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.text("abcdefghijk", min_size=12, max_size=30), min_size=1, max_size=3), st.randoms())
def test_an_independent_look_at_the_output_agrees(values: list[str], random: Random) -> None:
    secrets = [value.encode() for value in values]
    chosen = forms(secrets)
    text = b"\n".join(random.sample([form.text for form in chosen], k=min(12, len(chosen))))
    assert_no_leak(redact(text + b"\n", LiteralKernel(chosen)), secrets)
