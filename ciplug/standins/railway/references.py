"""Railway's template syntax: values that name other variables, as ``${{NAME}}`` and ``${{shared.NAME}}`` do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_REFERENCE: Final = re.compile(r"\$\{\{\s*(?:([^{}]+?)\.)?(\w+)\s*\}\}", re.ASCII)
_DEEPEST: Final = 10  # a reference to itself has to end somewhere


def references(value: str) -> list[str]:
    """What `value` refers to, each once: ``["NAME", "shared.NAME"]``."""
    found = (f"{owner}.{name}" if owner else name for owner, name in _REFERENCE.findall(value))
    return list(dict.fromkeys(found))


def rendered(value: str, look_up: Callable[[str | None, str], tuple[str | None, str]], *, depth: int = 0) -> str:
    """`value` with its references replaced; one that leads nowhere becomes nothing.

    `look_up` gives, for an owner (``shared``, a service, or ``None`` for the value's own) and a name, the value's owner
    and its text.
    """
    if depth == _DEEPEST:
        return ""

    def replacement(match: re.Match[str]) -> str:
        owner, text = look_up(match[1], match[2])
        # What is found refers to its own neighbours.
        return rendered(text, lambda its, name: look_up(its or owner, name), depth=depth + 1)

    return _REFERENCE.sub(replacement, value)
