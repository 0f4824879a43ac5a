from __future__ import annotations

import base64
import html
import json
import re
import shlex
import time
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciplug.redact import MIN_LENGTH, Form, LiteralKernel, forms, hideable, redact


def texts(*values: bytes) -> set[bytes]:
    return {form.text for form in forms(values)}


SPELLINGS = {
    "the value": (b"s3cr3t!", b"s3cr3t!"),
    "without the whitespace around it": (b" \ts3cr3t!\r\n", b"s3cr3t!"),
    "first line": (b"line one\r\n  line two\n\nxyz\n", b"line one"),
    "indented line": (b"line one\r\n  line two\n\nxyz\n", b"line two"),
    "all lines": (b"line one\r\n  line two\n\nxyz\n", b"line one\r\n  line two\n\nxyz"),
    "percent-encoded": (b"a/b c+d~e(f)*'!%0A", b"a%2Fb%20c%2Bd~e%28f%29%2A%27%21%250A"),
    "percent-encoded, lower case": (b"a/b c+d~e(f)*'!%0A", b"a%2fb%20c%2bd~e%28f%29%2a%27%21%250A"),
    "percent-encoded path": (b"a/b c+d", b"a/b%20c%2Bd"),
    "percent-encoded path, lower case": (b"a/b c+d", b"a/b%20c%2bd"),
    "query": (b"a/b c+d", b"a%2Fb+c%2Bd"),
    "query, lower case": (b"a/b c+d", b"a%2fb+c%2bd"),
    "HTML form": (b"a b*c~d", b"a+b*c%7Ed"),
    "encodeURIComponent": (b"a/b c(d)*'!~", b"a%2Fb%20c(d)*'!~"),
    "encodeURI": (b"https://u:p$@h/?a=[1]", b"https://u:p$@h/?a=%5B1%5D"),
    "percent-encoded bytes": (b"\xff\x00abc", b"%FF%00abc"),
    "JSON": ('é"\\/\n<&>'.encode(), b'\\u00e9\\"\\\\/\\n<&>'),
    "JSON in UTF-8": ('é"\\/\n<&>'.encode(), 'é\\"\\\\/\\n<&>'.encode()),
    "JSON with slashes escaped": (b"https://x/y", b"https:\\/\\/x\\/y"),
    "JSON from Go": (b"a<b>&c\n", b"a\\u003cb\\u003e\\u0026c"),
    "JSON from Go in UTF-8": ("é<b>\u2028".encode() + b"z", "é\\u003cb\\u003e\\u2028z".encode()),
    "JSON emoji": ("key😀".encode(), b"key\\ud83d\\ude00"),
    "shell, quotes closed and opened again": (b"it's", rb"it'\''s"),
    "shell, quotes in quotes": (b"it's", b"it'\"'\"'s"),
    "shell, a run of quotes as dash writes it": (b"it''s'", b"it'\"''\"'s'\"'\""[:-1]),
    "shell, quotes first as dash writes it": (b"'its", b"'\"'\"'its"),
    "shell, double-quoted": (b'a"b$c`d\\e f', b'a\\"b\\$c\\`d\\\\e f'),
    "shell, printf %q": (b"a b'c\"d$e&f!g\\", rb"a\ b\'c\"d\$e\&f\!g\\"),
    "shell, printf %q of globs and lists": (b"(a)*,;<>?[b]^`{|}", rb"\(a\)\*\,\;\<\>\?\[b\]\^\`\{\|\}"),
    "shell, printf %q of a hash": (b"#a#b", b"\\#a#b"),
    "shell, printf %q of a tilde": (b"~a~b=~c:~d", b"\\~a~b=\\~c:\\~d"),
    "shell, ANSI-C": (b"a\nb\tc'd\\e\x1bf\x01g", b"a\\nb\\tc\\'d\\\\e\\Ef\\001g"),
    "shell, ANSI-C in UTF-8": ("é\nxy".encode(), "é\\nxy".encode()),
    "shell, ANSI-C in octal": ("é\nxy".encode(), b"\\303\\251\\nxy"),
    "XML": (b"a<b>&\"'", b"a&lt;b&gt;&amp;&quot;&apos;"),
    "HTML": (b"a<b>&\"'", b"a&lt;b&gt;&amp;&quot;&#39;"),
    "HTML from Go": (b"a<b>&\"'", b"a&lt;b&gt;&amp;&#34;&#39;"),
    "XML text": (b"a<b>&\"'", b"a&lt;b&gt;&amp;\"'"),
    "Python": ("é\n'\"\x00".encode(), "é\\n\\'\"\\x00".encode()),
    "Python bytes": (b"\xff\n\x00a", b"\\xff\\n\\x00a"),
    "base64": (b"hello", b"aGVsbG8="),
    "base64 without padding": (b"hello", b"aGVsbG8"),
    "base64 with any end": (b"hello", b"aGVsbG"),
    "base64 after one byte": (b"hello", b"hlbGxv"),
    "base64 after two bytes": (b"hello", b"oZWxsb"),
    "base64 of a line": (b"hello", b"aGVsbG8K"),
    "base64 with the whitespace of the value": (b"hello \n", b"aGVsbG8gCg=="),
    "base64url": (b"\xfb\xef\xff\xfe", b"--___g=="),
    "hex": (b"\xfe\x01ab", b"fe016162"),
    "hex in capitals": (b"\xfe\x01ab", b"FE016162"),
}  # fmt: skip


@pytest.mark.parametrize(("value", "form"), SPELLINGS.values(), ids=SPELLINGS)
def test_each_spelling_is_a_form(value: bytes, form: bytes) -> None:
    assert form in texts(value)


AWKWARD = {
    "newline": b"first\nsecond",
    "quotes": b'it\'s "so" `quoted`',
    "percent": b"100%0A%25",
    "dollar": b"$HOME ${x}",
    "emoji": "p😀ss".encode(),
    "brackets": b'{"a": "<b>&</b>"}',
}


@pytest.mark.parametrize("value", AWKWARD.values(), ids=AWKWARD)
def test_what_the_real_encoders_write_contains_a_form(value: bytes) -> None:
    text = value.decode()
    written = {
        json.dumps(text),
        json.dumps(text, ensure_ascii=False),
        ascii(text),
        quote(text, safe=""),
        quote(text),
        quote_plus(text),
        shlex.quote(text),
        html.escape(text),
        repr(text),
        repr(value),
        value.hex(),
        base64.b64encode(value).decode(),
    }
    known = texts(value)
    assert [line for line in written if not ({line.encode(), line.encode()[1:-1], line.encode()[2:-1]} & known)] == []


@pytest.mark.parametrize("value", [b"", b"1", b"abc", b"  abc \n", b"\n\n\n\n\n", "é1".encode()])
def test_a_value_shorter_than_four_bytes_has_no_form(value: bytes) -> None:
    assert not hideable(value)
    assert forms([value, b""]) == ()


@pytest.mark.parametrize("value", [b"abcd", b"\nabcd\n", "😀".encode(), b"\x00\xff\xfe\x80"])
def test_a_value_of_four_bytes_is_hideable(value: bytes) -> None:
    assert hideable(value)
    assert value.strip() in texts(value)


def test_short_lines_are_no_forms() -> None:
    assert {form for form in texts(b'{\n"a": "bcd"\n}\n') if b":" in form and form.isascii()} >= {b'"a": "bcd"'}
    assert not {b"{", b"}"} & texts(b'{\n"a": "bcd"\n}\n')


def test_only_base64_and_hex_wrap() -> None:
    wrapping = {form.text for form in forms([b"hello world"]) if form.wraps}
    literal = {form.text for form in forms([b"hello world"]) if not form.wraps}
    assert b"68656c6c6f20776f726c64" in wrapping
    assert b"aGVsbG8gd29ybGQ=" in wrapping
    assert {b"hello world", b"hello%20world"} <= literal


def test_a_form_that_is_both_literal_and_an_encoding_wraps() -> None:
    assert [form.wraps for form in forms([b"68656c6c6f", b"hello"]) if form.text == b"68656c6c6f"] == [True]


def test_a_value_that_is_not_utf8_keeps_its_byte_forms() -> None:
    known = texts(b"\xff\xfe'<\x80")
    assert {b"\xff\xfe'<\x80", b"%FF%FE%27%3C%80", b"\xff\xfe'\\''<\x80", b"fffe273c80", b"//4nPIA="} <= known


def test_a_form_tells_nothing_when_shown() -> None:
    assert "hunter2" not in repr(forms([b"hunter2"])) + f"{Form(b'hunter2')}{Form(b'hunter2')!s}"


def test_equal_forms_of_different_values_are_kept_once() -> None:
    known = [form.text for form in forms([b"secret", b"secret\n", b"secret"])]
    assert len(known) == len(set(known))


@given(st.lists(st.binary(max_size=40), max_size=4))
def test_forms_are_unique_long_enough_and_begin_and_end_with_no_whitespace(values: list[bytes]) -> None:
    known = forms(values)
    assert len({form.text for form in known}) == len(known)
    assert all(len(form.text) >= MIN_LENGTH for form in known)
    assert all(form.text == form.text.strip() for form in known)
    assert {value.strip() for value in values if hideable(value)} <= {form.text for form in known}
    assert not any(re.search(rb"[\r\n]", form.text) for form in known if form.wraps)


@given(st.binary(min_size=4, max_size=60).filter(hideable), st.binary(max_size=5), st.binary(max_size=5))
def test_base64_of_a_text_with_the_value_shows_less_than_one_byte_at_each_end(
    value: bytes, before: bytes, after: bytes
) -> None:
    core = value.strip()
    encoded = base64.b64encode(before + core + after)
    first_bit, last_bit = 8 * len(before), 8 * (len(before) + len(core))
    hidden = [
        (6 * place, 6 * (place + len(form.text)))
        for form in forms([value])
        for place in range(len(encoded))
        if form.wraps and encoded.startswith(form.text, place)
    ]
    assert any(low < first_bit + 6 and high > last_bit - 6 for low, high in hidden)


def test_a_large_value_of_many_lines_is_quick() -> None:
    value = b"".join(base64.b64encode(index.to_bytes(48, "big")) + b"\n" for index in range(1_000_000, 1_030_000))
    started = time.perf_counter()
    known = forms([value])
    assert time.perf_counter() - started < 10  # about half a second; the limit only tells it from a quadratic one
    assert len(known) > 30_000


def test_python_prints_what_is_not_utf8_with_surrogates() -> None:
    value = b"caf\xff-and-a-password"
    seen = value.decode(errors="surrogateescape")
    texts = {form.text for form in forms([value])}
    assert {json.dumps(seen)[1:-1].encode(), ascii(seen)[1:-1].encode()} <= texts


@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize("value", AWKWARD.values(), ids=AWKWARD)
def test_a_document_in_a_field_of_a_structured_log_is_known(value: bytes, ascii_only: bool) -> None:
    inner = json.dumps({"secret": value.decode()}, ensure_ascii=ascii_only)
    line = json.dumps({"message": inner}, ensure_ascii=ascii_only).encode()
    assert redact(line, LiteralKernel(forms([value]))) == b'{"message": "{\\"secret\\": \\"***\\"}"}'
