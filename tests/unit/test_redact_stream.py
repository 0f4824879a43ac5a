from __future__ import annotations

import base64
import itertools
import subprocess
import time
from random import Random
from urllib.parse import quote

import pytest

from ciplug.redact import MASK, QUIET, Form, LiteralKernel, StreamFilter, forms, redact
from tests.leaks import assert_no_leak

NINETY = b"Kq8-vT2xR7mW4zN9bY1cJ6hD3fG5sLpA0eUiOqXw_yEtZrMnBvCxQsWdFeRgThYjUkIlOpPaSsDdFfGgHhJjKkLl42"
PEM = b"-----BEGIN KEY-----\nMIIBVgIBADANBgkqhkiG9w0B\nAQEFAASCAUAwggE8AgEAAkEA\n-----END KEY-----\n"


def stream_of(*values: bytes) -> StreamFilter:
    return StreamFilter(LiteralKernel(forms(values)))


def stream_of_forms(*texts: bytes) -> StreamFilter:
    return StreamFilter(LiteralKernel([Form(text) for text in texts]))


def lines(text: bytes, width: int, end: bytes = b"\n") -> bytes:
    return b"".join(text[start : start + width] + end for start in range(0, len(text), width))


def shell(command: str, secret: bytes) -> bytes:
    return subprocess.run(
        ["sh", "-c", command], env={"PATH": "/usr/bin:/bin", "X": secret}, capture_output=True, check=True
    ).stdout


WHOLE = {
    "nothing": (b"", b""),
    "no secret": (b"all fine\n", b"all fine\n"),
    "secret": (b"token=hunter2!\n", b"token=***\n"),
    "twice": (b"hunter2! hunter2!", b"*** ***"),
    "touching": (b"hunter2!hunter2!", b"******"),
    "cut short at the end": (b"token=hunte", b"token=***"),
    "a little of it at the end": (b"token=hun", b"token=hun"),
    "base64": (b"aHVudGVyMiE= aHVudGVyMiE", b"*** ***"),
    "hex": (b"68756E7465723221", b"***"),
    "after other bytes in base64": (base64.b64encode(b"me:hunter2!\n"), b"bWU6***"),
    "binary around it": (b"\x00\xffhunter2!\xfe\n", b"\x00\xff***\xfe\n"),
}


@pytest.mark.parametrize(("data", "output"), WHOLE.values(), ids=WHOLE)
def test_a_whole_buffer(data: bytes, output: bytes) -> None:
    assert redact(data, LiteralKernel(forms([b"hunter2!"]))) == output


AWKWARD = {
    "newline": b"first line\nsecond line",
    "trailing newline": b"secret with its newline\n",
    "quotes": b'it\'s "so" `quoted`',
    "percent": b"100%0A%25 sure",
    "dollar": b"$HOME/${x}",
    "emoji": "pass😀word".encode(),
    "four bytes": b"q7Zk",
    "100 kB": bytes(Random(1).choices(b"abcdefghijklmnopqrstuvwxyz0123456789", k=100_000)),
    "one letter": b"x" * 2000,
    "not UTF-8": b"\xff\xfe\x80binary\x00",
    "self-overlapping": b"aaaaaaaa",
    "like a key": PEM,
    "asterisks": b"********",
}


@pytest.mark.parametrize("step", [1, 7, 65536])
@pytest.mark.parametrize("value", AWKWARD.values(), ids=AWKWARD)
def test_an_awkward_secret_does_not_get_through(value: bytes, step: int) -> None:
    core = value.strip()
    written = [value, base64.b64encode(value), value.hex().encode(), quote(value, safe="").encode()]
    data = b"> " + b"\n> ".join(written) + b"\n> " + core + core + b"\n"
    stream = stream_of(value)
    output = b"".join(stream.feed(data[start : start + step]) for start in range(0, len(data), step)) + stream.close()
    assert_no_leak(output, [value])
    assert output.startswith(b"> ***")
    assert output == redact(data, LiteralKernel(forms([value])))


def test_a_secret_that_begins_like_another_is_masked_to_its_end() -> None:
    stream = stream_of(b"hunter2", b"hunter2-and-more")
    assert stream.feed(b"a hunter2 and hunter2-and-more.") == b"a *** and ***."


def test_what_follows_a_secret_that_could_have_been_longer_is_written() -> None:
    stream = stream_of(b"hunter2", b"hunter2-and-more")
    assert stream.feed(b"hunter2-and-") == b""
    assert stream.feed(b"less\n") == b"***-and-less\n"


def test_overlapping_secrets_are_one_mask() -> None:
    assert redact(b"<abcdefghijkl>", LiteralKernel([Form(b"abcdefgh"), Form(b"ghijkl"), Form(b"ijkl")])) == b"<***>"


def test_a_mask_that_grows_is_written_once_and_takes_no_memory() -> None:
    stream = stream_of_forms(b"aaaa")
    output = b"".join(stream.feed(b"a" * 1000) for _ in range(1000)) + stream.feed(b"\n")
    assert output == b"***\n"


@pytest.mark.parametrize("line", [b"Building...\n", b"ends with s\n", b"ends with se\n", b"c2Vj\n"[1:], b"\r\n", b"\n"])
def test_a_line_comes_out_at_once(line: bytes) -> None:
    stream = stream_of(b"secret-value", b"another-secret")
    assert stream.feed(line) == line
    assert not stream.holding


def test_a_line_that_begins_a_secret_of_several_lines_is_held() -> None:
    stream = stream_of(PEM)
    assert stream.feed(b"key: -----BEGIN KEY-----\n") == b"key: "
    assert stream.holding
    assert stream.feed(PEM[20:] + b"done\n") == b"***\ndone\n"


def test_the_lines_of_a_secret_are_masked_one_by_one() -> None:
    output = redact(b"".join(b"| " + line + b"\r\n" for line in PEM.splitlines()), LiteralKernel(forms([PEM])))
    assert output == b"| ***\r\n" * 4


def test_without_forms_the_very_bytes_pass() -> None:
    stream = stream_of()
    chunk = b"0123456789" * 10
    assert stream.feed(chunk) is chunk
    assert (stream.flush(), stream.close(), stream.holding) == (b"", b"", False)


def test_nothing_in_nothing_out() -> None:
    stream = stream_of(b"secret-value")
    assert (stream.feed(b""), stream.flush(), stream.close()) == (b"", b"", b"")
    assert stream.feed(b"secret-val") == b""
    assert stream.feed(b"") == b""
    assert stream.feed(b"ue") == b"***"


def test_a_prompt_comes_out_with_the_flush() -> None:
    stream = stream_of(b"secret-value")
    assert stream.feed(b"Passwords") == b"Password"
    assert stream.holding
    assert stream.flush() == b"s"
    assert not stream.holding
    assert stream.flush() == b""


def test_the_rest_of_a_secret_is_masked_after_a_flush_in_its_beginning() -> None:
    stream = stream_of_forms(b"secret-value")
    assert stream.feed(b"secre") + stream.flush() == b"secre"
    assert stream.feed(b"t-value\n") == b"***\n"


def test_eight_bytes_of_a_secret_are_masked_by_a_flush_and_its_rest_goes_with_them() -> None:
    stream = stream_of_forms(b"secret-value-of-many-bytes")
    assert stream.feed(b"= secret-v") + stream.flush() == b"= ***"
    assert stream.feed(b"alue-of-") + stream.flush() + stream.feed(b"many-byte") == b""
    assert stream.feed(b"s and more") == b" and more"


def test_what_turns_out_to_be_no_secret_is_written_from_where_it_differs() -> None:
    stream = stream_of_forms(b"secret-value-of-many-bytes")
    assert stream.feed(b"secret-v") + stream.flush() == b"***"
    assert stream.feed(b"alue-of-") == b""
    assert stream.feed(b"manners, and secret-value-of-many-bytes\n") == b"ners, and ***\n"


def test_a_swallowed_beginning_may_lead_into_another_secret() -> None:
    stream = stream_of_forms(b"abcdefghijklmnop", b"ijklmnxyz")
    assert stream.feed(b"abcdefghijkl") + stream.flush() == b"***"
    assert stream.feed(b"mnxyz.") == b"."


def test_a_flush_masks_the_forms_that_lie_in_what_is_held() -> None:
    stream = stream_of_forms(b"abcdefghijklmnop", b"cdef", b"op-q-r-s-t-u-v")
    assert stream.feed(b"abcdefg") == b""
    assert stream.flush() == b"ab***g"
    assert stream.feed(b"hij!") == b"hij!"


def test_half_of_a_short_secret_is_masked_by_a_flush() -> None:
    stream = stream_of_forms(b"q7Zk")
    assert stream.feed(b"q") + stream.flush() == b"q"
    assert stream.feed(b"7") + stream.flush() == b"***"
    assert stream.feed(b"Zk\n") == b"\n"


def test_a_second_secret_after_a_flushed_mask_has_a_mask_of_its_own() -> None:
    stream = stream_of_forms(b"first-secret", b"second-secret")
    assert stream.feed(b"first-sec") + stream.flush() == b"***"
    assert stream.feed(b"retsecond-secret") == b"***"


@pytest.mark.parametrize("flush", [True, False])
@pytest.mark.parametrize("value", [b"q7Zk", b"hunter2", b"hunter2!", NINETY, b"x" * 50])
def test_byte_by_byte(value: bytes, *, flush: bool) -> None:
    stream = stream_of_forms(value)
    output = b""
    for place in range(len(value)):
        output += stream.feed(value[place : place + 1])
        output += stream.flush() if flush else b""
    output += stream.feed(b"\n") + stream.close()
    shown = value[: min(8, (len(value) + 1) // 2) - 1] if flush else b""
    assert output == shown + MASK + b"\n"


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_wrapped_base64_written_byte_by_byte_with_a_flush_after_each(end: bytes) -> None:
    stream = stream_of(NINETY)
    data = lines(base64.b64encode(NINETY), 64, end)
    output = b"".join(stream.feed(data[place : place + 1]) + stream.flush() for place in range(len(data)))
    assert output + stream.close() == data[:7] + MASK + end + MASK + end


def test_line_ends_behind_pieces_of_an_encoding_survive_a_flush() -> None:
    stream = StreamFilter(LiteralKernel([Form(b"abcdefghijklmnopqrstuvwxyz", wraps=True)]))
    assert stream.feed(b"> abcdefghij\n") == b"> "
    assert stream.flush() == b"***\n"
    assert stream.feed(b"klm\n") + stream.flush() == b"***\n"
    assert stream.feed(b"nop") + stream.feed(b"qrs\r") + stream.feed(b"\n") + stream.flush() == b"***\r\n"
    assert stream.feed(b"tuvwxyz\n") == b"***\n"


def test_a_masked_line_keeps_its_end_although_the_encoding_could_go_on() -> None:
    stream = stream_of(b"secret-value-of-many-bytes")
    encoded = base64.b64encode(b"secret-value-of-many-bytes").rstrip(b"=")
    assert stream.feed(encoded + b"\n") + stream.flush() == b"***\n"
    assert stream.feed(b"next line\n") == b"next line\n"


def test_a_long_break_ends_what_a_flush_has_begun_to_swallow() -> None:
    stream = StreamFilter(LiteralKernel([Form(b"abcdefghijklmnop", wraps=True)]))
    assert stream.feed(b"abcdefgh\n") + stream.flush() == b"***\n"
    assert stream.feed(b"\n" * 8) == b"\n" * 8
    assert stream.feed(b"ijkl\n") == b"ijkl\n"


def test_close_masks_what_tells_too_much_and_starts_anew() -> None:
    stream = stream_of_forms(b"secret-value")
    assert stream.feed(b"secret-va") + stream.close() == b"***"
    assert stream.feed(b"lue") + stream.close() == b"lue"


@pytest.mark.parametrize("width", [60, 64, 76])
@pytest.mark.parametrize("before", range(61))
def test_an_encoding_broken_into_lines_is_masked_wherever_the_break_falls(width: int, before: int) -> None:
    prefix = bytes(Random(before).choices(b"abcdefgh ", k=before))
    kernel = LiteralKernel(forms([NINETY]))
    for encoded in (base64.b64encode(prefix + NINETY + b"\n"), (prefix + NINETY + b"\n").hex().encode()):
        data = lines(encoded, width)
        output = redact(data, kernel)
        assert_no_leak(output, [NINETY])
        assert output.count(MASK) == 1
        stream = StreamFilter(kernel)
        assert b"".join([stream.feed(line) for line in data.splitlines(keepends=True)]) + stream.close() == output


SHELL = {
    "echo | base64": 'echo "$X" | base64',
    "printf | base64": 'printf %s "$X" | base64',
    "with a prefix": 'printf "user:%s" "$X" | base64',
    "with a prefix of two lines": 'printf "%060d%s" 0 "$X" | base64',
    "one line": 'echo "$X" | base64 -w0',
    "echo": 'echo "$X"',
    "environment": "env",
    "trace": 'exec 2>&1; set -x; : "$X"',
    "export": "export -p",
}


@pytest.mark.parametrize("value", [NINETY, b"it's a 'quoted' $secret", PEM, b"tail with quote''"], ids=range(4))
@pytest.mark.parametrize("command", SHELL.values(), ids=SHELL)
def test_what_real_programs_write_is_masked(command: str, value: bytes) -> None:
    written = shell(command, value)
    with pytest.raises(AssertionError, match="leaks"):
        assert_no_leak(written, [value])
    assert_no_leak(redact(written, LiteralKernel(forms([value]))), [value])


def test_a_large_secret_of_many_lines_in_large_pieces_is_quick() -> None:
    random = Random(3)
    value = b"".join(base64.b64encode(random.randbytes(48)) + b"\n" for _ in range(30_000))
    kernel = LiteralKernel(forms([value]))
    data = b"before\n" + value + b"after\n"
    stream = StreamFilter(kernel)
    started = time.perf_counter()
    output = b"".join([stream.feed(data[start : start + 65536]) for start in range(0, len(data), 65536)])
    assert output + stream.close() == b"before\n***\nafter\n"
    assert time.perf_counter() - started < 10  # a quarter of a second


def test_a_secret_of_100_kb_byte_by_byte_is_quick() -> None:
    stream = stream_of(AWKWARD["100 kB"])
    started = time.perf_counter()
    for place in range(100_000):
        stream.feed(AWKWARD["100 kB"][place : place + 1])
        stream.flush()
    assert stream.feed(b"\n") == b"\n"
    assert time.perf_counter() - started < 20  # a fifth of a second


def test_random_text_around_random_secrets_loses_nothing_else() -> None:
    random = Random(11)
    values = [bytes(random.choices(b"0123456789abcdef", k=24)) for _ in range(12)]
    pieces = list(itertools.chain.from_iterable((b"<%d>\n" % number, random.choice(values)) for number in range(300)))
    output = redact(b"".join(pieces), LiteralKernel(forms(values)))
    assert output == b"".join(b"<%d>\n***" % number for number in range(300))


def test_the_silence_timer_is_short() -> None:
    assert 0.005 <= QUIET <= 0.05
