from __future__ import annotations

import base64
import html
import json
import re
import shlex
import textwrap
from urllib.parse import quote, quote_plus

import pytest

from tests.leaks import assert_no_leak

SECRET = "pä55 w'\"ö<&>\\rd/$+?😀"
RAW = SECRET.encode()
MULTILINE = b"-----BEGIN KEY-----\nfirst line of it\nthe second line\n-----END KEY-----\n"


def wrapped(text: bytes, width: int) -> bytes:
    return b"\n".join(text[start : start + width] for start in range(0, len(text), width))


LEAKS = {
    "raw": RAW,
    "first half": RAW[: (len(RAW) + 1) // 2],
    "second half": RAW[-(len(RAW) + 1) // 2 :],
    "base64": base64.b64encode(RAW),
    "base64 shifted by one": base64.b64encode(b"u" + RAW + b"tail"),
    "base64 shifted by two": base64.b64encode(b"u:" + RAW + b"tail"),
    "base64 of a line": base64.b64encode(RAW + b"\n"),
    "base64 without padding": base64.b64encode(RAW).rstrip(b"="),
    "base64url": base64.urlsafe_b64encode(b"\xff\xfe" + RAW),
    "base64 wrapped": wrapped(base64.b64encode(RAW), 7).replace(b"\n", b"\r\n"),
    "hex": RAW.hex().encode(),
    "hex in capitals": RAW.hex().upper().encode(),
    "hex at an odd place": b"f" + RAW.hex().encode() + b"f",
    "hex wrapped": wrapped(RAW.hex().encode(), 5),
    "hex with colons": RAW.hex(":").encode(),
    "hex in words": RAW.hex(" ", 2).encode(),
    "percent-encoded": quote(SECRET, safe="").encode(),
    "percent-encoded in lower case": quote(SECRET, safe="").lower().encode(),
    "form-encoded": quote_plus(SECRET).encode(),
    "JSON": json.dumps(SECRET).encode(),
    "JSON in UTF-8": json.dumps(SECRET, ensure_ascii=False).encode(),
    "JSON safe in HTML": json.dumps(SECRET).replace("<", "\\u003c").replace("&", "\\u0026").encode(),
    "Python repr": repr(SECRET).encode(),
    "Python repr of bytes": repr(RAW).encode(),
    "single-quoted by shlex": shlex.quote(SECRET).encode(),
    "single-quoted with a backslash": RAW.replace(b"'", rb"'\''"),
    "backslashes before everything": re.sub(rb"([ '\"<&>\\$?])", rb"\\\1", RAW),
    "octal": b"".join(b"\\%03o" % code for code in RAW),
    "HTML": html.escape(SECRET).encode(),
    "XML": SECRET.replace("&", "&amp;").replace("<", "&lt;").replace("'", "&apos;").encode(),
}  # fmt: skip


@pytest.mark.parametrize("output", LEAKS.values(), ids=LEAKS)
def test_each_form_of_a_secret_is_found(output: bytes) -> None:
    with pytest.raises(AssertionError, match="secret 1 leaks"):
        assert_no_leak(b"$ run\n" + output + b"\nok\n", [b"another secret", RAW])


@pytest.mark.parametrize("line", MULTILINE.splitlines())
def test_one_line_of_a_secret_is_found(line: bytes) -> None:
    with pytest.raises(AssertionError, match=r"secret 0 leaks: line \d"):
        assert_no_leak(b"  " + line.strip(b"\n") + b"  \n", [MULTILINE])


def test_a_secret_written_with_crlf_is_found() -> None:
    with pytest.raises(AssertionError, match="the value"):
        assert_no_leak(b"a\r\nb\r\nc", [b"a\nb\nc"])


def test_a_secret_that_is_not_utf8_is_found_in_output_that_is_not_either() -> None:
    with pytest.raises(AssertionError, match="secret 0"):
        assert_no_leak(b"\xff" + bytes(range(200, 220)), [bytes(range(200, 220))])


@pytest.mark.parametrize("output", [SECRET, json.dumps(SECRET)])
def test_text_is_looked_at_like_bytes(output: str) -> None:
    with pytest.raises(AssertionError, match="secret 0"):
        assert_no_leak(output, [SECRET])


def test_the_message_does_not_repeat_the_secret() -> None:
    with pytest.raises(AssertionError) as failure:
        assert_no_leak(RAW, [RAW])
    assert "w'" not in str(failure.value)


def test_masked_output_passes() -> None:
    output = textwrap.dedent("""\
        $ curl -u deploy:*** https://example.org/?q=*** \\x2 \\u12 %zz &amp; deadbeef 00112233445566778899
        -----BEGIN
        {"password": "***", "digest": "dGhpcyBpcyBub3QgaXQ="}
    """)
    assert_no_leak(output, [SECRET, MULTILINE, b"postgres://app:hunter2@db/shop"])


def test_a_beginning_shorter_than_half_of_the_secret_passes() -> None:
    assert_no_leak(b"hunter2-***", [b"hunter2-hunter3-x"])


@pytest.mark.parametrize("secret", [b"", b"x", b"abc", b" abc\n", b"****"])
def test_what_cannot_be_masked_is_not_looked_for(secret: bytes) -> None:
    assert_no_leak(b"abc x ******", [secret])
