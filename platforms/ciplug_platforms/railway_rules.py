"""What cannot be a variable on Railway, said before anything is written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ciplug_platforms.variable_rules import too_long, unfit_anywhere

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ciplug.values import Secret

OWN_PREFIX: Final = "RAILWAY_"
"""Names that the platform gives or takes as settings: a variable of such a name is stored, and may never count.

https://docs.railway.com/reference/variables
"""

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def problems(wanted: Mapping[str, Secret], *, references: bool) -> list[str]:
    """All of them, as ``NAME: why``; Railway documents no limit on sizes. `references`: ``${{`` in a value is meant."""
    return [f"{name}: {why}" for name, value in wanted.items() for why in _unfit(name, value, references=references)]


def _unfit(name: str, value: Secret, *, references: bool) -> Iterator[str]:
    if not _NAME.fullmatch(name):
        yield "a name on Railway has letters, digits and _, and begins with no digit"
    if name.startswith(OWN_PREFIX):
        yield f"names with {OWN_PREFIX} are Railway's own"
    yield from unfit_anywhere(name, value)
    yield from too_long(name, value)
    if b"${{" in value.reveal() and not references:
        yield "its value has ${{ in it, which Railway replaces; set the option references = true if that is meant"
