"""All that a user may get to see while a bench is at work, and none of what nobody may."""

from __future__ import annotations

import traceback
from functools import lru_cache
from typing import TYPE_CHECKING

from ciplug.conformance.rules import require
from ciplug.redact import LiteralKernel, forms, redact

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ciplug.errors import CiplugError

_WORTH_HALVING = 16


class Shown:
    """`texts` are all that were shown so far; each is checked for `secrets`, whole or half, in every form."""

    def __init__(self, *secrets: str | bytes) -> None:
        self.secrets: set[bytes] = set()
        self.texts: list[str] = []
        self.hide(*secrets)

    def hide(self, *secrets: str | bytes) -> None:
        """Add to what no text may show from now on."""
        self.secrets |= {each.encode() if isinstance(each, str) else each for each in secrets}

    def text(self, what: str, text: str) -> None:
        """Check `text` for secrets and keep it; `what` says in the broken rule where it comes from."""
        self.texts.append(text)
        data = text.encode("utf-8", "backslashreplace")
        is_silent = all(redact(data, _kernel(secret)) == data for secret in self.secrets)
        require(is_silent, f"{what} shows a value, the token or a text of the platform's")

    def objects(self, what: str, values: Sequence[object]) -> None:
        """Check and keep the ``repr`` of each of `values`."""
        self.text(f"the repr of {what}", "\n".join(map(repr, values)))

    def error(self, error: CiplugError) -> None:
        """Check and keep all that an error and its causes say: message, hint, notes and traceback."""
        notes = getattr(error, "__notes__", [])
        trace = "".join(traceback.format_exception(error))
        self.text(f"a {type(error).__name__}", "\n".join([str(error), repr(error), error.hint, *notes, trace]))


@lru_cache(maxsize=256)
def _kernel(secret: bytes) -> LiteralKernel:
    return LiteralKernel(forms(_parts(secret)))


def _parts(secret: bytes) -> Iterator[bytes]:
    yield secret
    if len(secret) >= _WORTH_HALVING:
        yield secret[: len(secret) // 2]
        yield secret[len(secret) // 2 :]
