"""The one assertion that no output gives a secret away, in any form. Shares nothing with what does the masking.

It decodes the output in every way it knows and looks for the secret in each result, where the masking encodes the
secret and looks for the forms in the output.
"""

from __future__ import annotations

import base64
import html
import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SHORTEST = 4
_SIMPLE_ESCAPES = dict(zip(b"nrtbfvaeE", b"\n\r\t\b\f\v\a\x1b\x1b", strict=True))
_ESCAPE = re.compile(rb"\\(u[0-9a-fA-F]{4}(?:\\u[dD][c-fC-F][0-9a-fA-F]{2})?|x[0-9a-fA-F]{2}|[0-7]{3}|.)", re.DOTALL)


def assert_no_leak(output: bytes | str, secrets: Iterable[bytes | str]) -> None:
    """Fail if any of `secrets`, one of its lines, or its first or second half is readable in `output`.

    The message names the secret by its position. Whitespace around a secret is not part of it. What no masking can
    hide is not looked for: secrets and lines of less than 4 bytes, and those made of asterisks only.
    """
    views = dict(_views(_to_bytes(output)))
    for index, secret in enumerate(secrets):
        for part, text in _parts(_to_bytes(secret).strip()):
            for view, seen in views.items():
                if text in seen:
                    raise AssertionError(f"secret {index} leaks: {part} is readable in the {view}")


def _to_bytes(text: bytes | str) -> bytes:
    return text.encode() if isinstance(text, str) else bytes(text)


def _parts(core: bytes) -> Iterator[tuple[str, bytes]]:
    half = max(_SHORTEST, (len(core) + 1) // 2)
    parts = [("the value", core), ("its first half", core[:half]), ("its second half", core[-half:])]
    parts += [(f"line {number}", line.strip()) for number, line in enumerate(re.split(rb"[\r\n]+", core), 1)]
    for name, text in parts:
        if len(text) >= _SHORTEST and text.strip(b"*"):
            yield name, text


def _views(output: bytes) -> Iterator[tuple[str, bytes]]:
    yield "output", output
    yield "output with LF line ends", output.replace(b"\r\n", b"\n")
    yield "percent-decoded output", unquote_to_bytes(output)
    yield "form-decoded output", unquote_to_bytes(output.replace(b"+", b" "))
    yield "JSON-unescaped output", _unescaped(output)
    yield "output without backslashes", re.sub(rb"\\(.)", rb"\1", output, flags=re.DOTALL)
    yield "shell-unquoted output", re.sub(rb"'\\''|'\"('+)\"'?", lambda quote: quote[1] or b"'", output)
    yield (
        "HTML-unescaped output",
        html.unescape(output.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape"),
    )
    for name, text in (("output", output), ("output without whitespace", re.sub(rb"\s", b"", output))):
        yield f"base64-decoded {name}", b"\n".join(_base64_decoded(text))
        yield f"hex-decoded {name}", b"\n".join(_hex_decoded(text))
    yield "hex-decoded output without separators", b"\n".join(_hex_decoded(re.sub(rb"[\s:]|\\x", b"", output)))


def _unescaped(output: bytes) -> bytes:
    def plain(escape: re.Match[bytes]) -> bytes:
        code = escape[1]
        if code[:1] == b"u" and len(code) > 1:
            units = bytes.fromhex(code.replace(b"\\u", b"").lstrip(b"u").decode())
            return units.decode("utf-16-be", "replace").encode()
        if code[:1] == b"x" and len(code) > 1:
            return bytes.fromhex(code[1:].decode())
        if code.isdigit() and len(code) == 3:
            return bytes([int(code, 8) & 255])
        return bytes([_SIMPLE_ESCAPES.get(code[0], code[0])])

    return _ESCAPE.sub(plain, output)


def _base64_decoded(output: bytes) -> Iterator[bytes]:
    standard = output.replace(b"-", b"+").replace(b"_", b"/")
    for run in re.findall(rb"[A-Za-z0-9+/]{4,}", standard):
        for offset in range(4):
            whole = run[offset:]
            yield base64.b64decode(whole + b"A" * (-len(whole) % 4))


def _hex_decoded(output: bytes) -> Iterator[bytes]:
    for run in re.findall(rb"[0-9a-fA-F]{8,}", output):
        for offset in range(2):
            digits = run[offset:]
            yield bytes.fromhex(digits[: len(digits) // 2 * 2].decode())
