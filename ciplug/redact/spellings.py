"""How quoting and escaping tools write a value into a log, each without the quotes it puts around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")

# What some programs write instead of the percent-encoding that RFC 3986 asks for.
_URL_STYLES = (
    {b"/": b"/"},  # Python's quote()
    {b" ": b"+"},  # quote_plus(), Go's QueryEscape
    {b" ": b"+", b"*": b"*", b"~": b"%7E"},  # HTML forms, Java's URLEncoder
    {bytes([code]): bytes([code]) for code in b"!'()*"},  # JavaScript's encodeURIComponent()
    {bytes([code]): bytes([code]) for code in b"!'()*;,/?:@&=+$#"},  # encodeURI()
)

# bash's `printf %q` for text without control characters, and its $'…' for text with some (bash 5.2, lib/sh/shquote.c).
_BACKSLASHED = frozenset(b" !\"$&'()*,;<>?[\\]^`{|}")
_ANSI_C = {7: b"\\a", 8: b"\\b", 9: b"\\t", 10: b"\\n", 11: b"\\v", 12: b"\\f", 13: b"\\r", 27: b"\\E"}

_FEW = 24
"""Up to so many different bytes to escape, one ``bytes.replace`` each is faster than a look at every byte."""

_QUOTES_IN_MARKUP = (
    (b'"', b"'"),
    (b"&quot;", b"'"),
    (b"&quot;", b"&#x27;"),  # Python's html.escape()
    (b"&quot;", b"&#39;"),
    (b"&quot;", b"&apos;"),
    (b"&#34;", b"&#39;"),  # Go's html.EscapeString()
)


def spellings(value: bytes) -> Iterator[bytes]:
    """`value` as URL encoders, JSON writers, shells, XML and HTML writers and Python's repr spell it; with duplicates.

    What needs text (JSON, repr) has a value that is not UTF-8 as Python reads it from the environment, with a surrogate
    for each byte that is none.
    """
    yield from _percent(value)
    yield from _shell(value)
    yield from _markup(value)
    yield repr(value)[2:-1].encode()
    try:
        text = value.decode()
    except UnicodeDecodeError:
        text = value.decode(errors="surrogateescape")
        yield _as_json(text, ascii_only=True).encode()
    else:
        yield repr(text)[1:-1].encode()
        yield from _json(text)
    yield ascii(text)[1:-1].encode()


def _percent(value: bytes) -> Iterator[bytes]:
    for upper in (True, False):
        codes = [b"%%%02X" % code if upper else b"%%%02x" % code for code in range(256)]
        strict = _by_table([bytes([code]) if code in _UNRESERVED else codes[code] for code in range(256)], value)
        yield strict
        for style in _URL_STYLES:
            text = strict
            for char, written in style.items():
                before = char if char[0] in _UNRESERVED else codes[char[0]]
                text = text.replace(before, written if upper else written.lower())
            yield text


def _as_json(text: str, *, ascii_only: bool) -> str:
    import json

    return json.dumps(text, ensure_ascii=ascii_only)[1:-1]


def _json(text: str) -> Iterator[bytes]:
    for ascii_only in (True, False):
        plain = _as_json(text, ascii_only=ascii_only)
        yield plain.encode()
        yield _as_json(plain, ascii_only=ascii_only).encode()  # a document in a field of a structured log
        yield plain.replace("/", "\\/").encode()
        for char in "<>&\u2028\u2029":  # Go's encoding/json, and what is safe inside HTML
            plain = plain.replace(char, f"\\u{ord(char):04x}")
        yield plain.encode()
        yield plain.replace("/", "\\/").encode()


def _shell(value: bytes) -> Iterator[bytes]:
    yield value.replace(b"'", rb"'\''")
    yield value.replace(b"'", b"'\"'\"'")
    yield _dash_quoted(value)
    yield _escaped(b'\\"$`', value)
    yield _backslashed(value)
    ansi = _ANSI_C | {code: b"\\" + bytes([code]) for code in b"\\'"}
    octal = [b"\\%03o" % code if code < 32 or code > 126 else bytes([code]) for code in range(256)]
    yield _by_table([ansi.get(code, octal[code]) for code in range(256)], value)
    # In a UTF-8 locale bash leaves what it can print.
    yield _by_table([ansi.get(code, octal[code] if code < 128 else bytes([code])) for code in range(256)], value)


def _dash_quoted(value: bytes) -> bytes:
    """`value` as dash's ``set -x`` and ``export -p`` quote it: '…' for text, "…" around each run of single quotes."""
    first, *others = value.split(b"'")
    quoted, run = [b"'" + first + b"'"], b""
    for part in others:
        run += b"'"
        if part:
            quoted += [b'"' + run + b'"', b"'" + part + b"'"]
            run = b""
    if run:
        quoted.append(b'"' + run + b'"')
    return b"".join(quoted)[1:-1]


def _backslashed(value: bytes) -> bytes:
    text = _escaped(_BACKSLASHED, value).replace(b"=~", b"=\\~").replace(b":~", b":\\~")
    return b"\\" + text if value[:1] in {b"#", b"~"} else text


def _escaped(specials: Iterable[int], value: bytes) -> bytes:
    special = frozenset(specials)
    return _by_table([b"\\" + bytes([code]) if code in special else bytes([code]) for code in range(256)], value)


def _markup(value: bytes) -> Iterator[bytes]:
    text = value.replace(b"&", b"&amp;").replace(b"<", b"&lt;").replace(b">", b"&gt;")
    for double, single in _QUOTES_IN_MARKUP:
        yield text.replace(b'"', double).replace(b"'", single)


def _by_table(table: list[bytes], value: bytes) -> bytes:
    """`value` with each byte replaced by what stands for it in `table`."""
    changed = [code for code in set(value) if len(table[code]) > 1]
    if len(changed) > _FEW:
        return b"".join(map(table.__getitem__, value))
    # The escape characters first, so that those which the other replacements bring in are not escaped again.
    for code in sorted(changed, key=lambda code: code not in b"\\%"):
        value = value.replace(bytes([code]), table[code])
    return value
