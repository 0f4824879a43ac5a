"""The vault's own words, fit to be shown: on one line, not long, and without credentials."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ciplug.redact import LiteralKernel, forms, redact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ciplug.values import Secret

LONGEST: Final = 300
"""Characters that are quoted of a server's words."""

_READ: Final = 16_384
"""Characters of a server's words that are looked at: masking takes time, and an answer can have many megabytes."""

_TELLING: Final = 16
"""Bytes that a part of a token has at least to be told from other text."""

_CREDENTIAL: Final = (
    r"eyJ[\w-]{16,}+(?:\.[\w-]*+)*+|eyJ[\w-]++(?:\.[\w-]*+)++"  # a JWT, and what is left of one that was cut
    r"|\bhv[sbr]\.[\w-]+|\b[sbr]\.[A-Za-z0-9_-]{20,}"  # tokens of Vault, of OpenBao and of old Vaults
    r"|(?<=://)[^\s/@]+(?=@)"  # a database engine repeats its connection URL
)


def reason_in(body: Mapping[str, Any], conceal: tuple[Secret, ...]) -> str:
    """The ``errors`` of an answer, without `conceal`."""
    return quotable("; ".join(texts(body.get("errors"))), conceal=conceal) or "no reason given"


def quotable(text: str, longest: int = LONGEST, *, conceal: tuple[Secret, ...] = ()) -> str:
    """The first `longest` characters of a server's `text`, without `conceal` and what looks like a credential."""
    text = re.sub(_CREDENTIAL, "****", _without(_printable(_beginning(text)), conceal))
    return f"{text[:longest]}…" if len(text) > longest else text


def texts(value: object) -> list[str]:
    """The elements of a JSON list, each as text; of anything else none."""
    return list(map(str, value)) if isinstance(value, list) else []


def _beginning(text: str) -> str:
    """What is looked at of `text`, up to the last whole word: half of a credential could not be told from text."""
    return text if len(text) <= _READ else "".join(re.split(r"(\s)", text[:_READ])[:-1])


def _printable(text: str) -> str:
    """`text` on one line, with a space for whatever cannot be shown."""
    return "".join(char if char.isprintable() else " " for char in " ".join(text.split()))


def _without(text: str, conceal: tuple[Secret, ...]) -> str:
    """`text` without any form of `conceal`; what is too short to have forms is looked for as it is."""
    for secret in conceal:
        if shown := secret.reveal().decode("utf-8", "replace"):
            text = text.replace(shown, "****")
    kernel = LiteralKernel(forms(value for secret in conceal for value in _parts(secret.reveal())))
    return redact(text.encode("utf-8", "replace"), kernel).decode("utf-8", "replace")


def _parts(token: bytes) -> Iterator[bytes]:
    """A token, and each of its parts: whoever takes a JWT apart may repeat its payload or its signature alone."""
    yield token
    yield from (part for part in token.split(b".") if len(part) >= _TELLING)
