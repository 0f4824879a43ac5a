"""Secrets as text for later steps: POSIX shell, JSON, dotenv. A value that a format cannot carry exactly is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ciplug.errors import HandOverError
from ciplug.values import is_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_PLAIN = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_./:@%+,-")


def shell(values: Mapping[str, bytes]) -> bytes:
    """``export NAME='…'`` lines for ``eval``, understood by every POSIX shell."""
    _refuse(values, lambda value: "holds a NUL byte" if b"\0" in value else "", "a shell")
    return b"".join(
        b"export " + name.encode() + b"='" + value.replace(b"'", b"'\\''") + b"'\n" for name, value in values.items()
    )


def as_json(values: Mapping[str, bytes]) -> bytes:
    """One JSON object, name to value, on one line."""
    _refuse(values, lambda value: "" if is_text(value) else "is not UTF-8 text", "JSON")
    return json.dumps({name: value.decode() for name, value in values.items()}).encode() + b"\n"


def dotenv(values: Mapping[str, bytes]) -> bytes:
    """``NAME=…`` lines that POSIX shells, python-dotenv, Node and Docker Compose read to the same value.

    The dialects differ in escapes and expansion, so a value that needs either is refused instead of guessed.
    """
    _refuse(values, _dotenv_problem, "a .env file")
    return b"".join(name.encode() + b"=" + _dotenv_quoted(value) + b"\n" for name, value in values.items())


FORMATS: Mapping[str, Callable[[Mapping[str, bytes]], bytes]] = {"shell": shell, "json": as_json, "dotenv": dotenv}
"""Renderers by the name that ``--to`` takes."""


def _refuse(values: Mapping[str, bytes], problem: Callable[[bytes], str], what: str) -> None:
    problems = [f"{name} {found}" for name, value in values.items() if (found := problem(value))]
    if problems:
        raise HandOverError(
            f"{what} cannot carry these values exactly: {'; '.join(problems)}",
            hint='use `ciplug run`, or hand the secret over as a file: as = "file" in the manifest',
        )


def _dotenv_problem(value: bytes) -> str:
    if not is_text(value):
        return "is not UTF-8 text"
    if b"\0" in value or b"\r" in value:
        return "holds a NUL or carriage return"
    if b"${" in value:
        return "holds ${, which some readers expand"
    if b"\\\\" in value or value.endswith(b"\\") or (b"\\" in value and b"'" in value):
        return "holds backslashes that readers understand differently"
    if b"'" in value and set(value) & set(b'"$`\\!\n'):
        return "holds a single quote together with characters that need one"
    return ""


def _dotenv_quoted(value: bytes) -> bytes:
    if _PLAIN.issuperset(value):
        return value
    quote = b'"' if b"'" in value else b"'"
    return quote + value + quote
