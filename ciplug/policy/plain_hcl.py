"""Policies that are written in the simplest way, as a vault's own ones are: read with no library."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

_GAP: Final = r"(?:[ \t\n]|(?:#|//)[^\n]*(?:\n|\Z))*+"
"""Blanks and comments of one line."""

_STRING: Final = r'"((?:[^"\\$%\n]|[$%](?!\{))*+)"'
"""A string without escapes and templates of HCL; those of a vault, ``{{identity.entity.id}}``, are plain text."""

_LIST: Final = rf"\[\s*+((?:{_STRING}\s*+,\s*+)*+(?:{_STRING}\s*+)?+)\]"
_RULE: Final = re.compile(
    rf"{_GAP}path[ \t\n]{_GAP}{_STRING}{_GAP}\{{{_GAP}(?:capabilities[ \t]*+=[ \t]*+{_LIST}{_GAP})?+\}}"
)
_LAST: Final = re.compile(_GAP)


def read_plain(text: str) -> Mapping[str, frozenset[str]] | None:
    """The capabilities by path that `text` allows, ``None`` where it says anything in another way.

    Whatever a reader of HCL could take for something else is another way: so far, all of them agree. A path on a line
    of its own is read as a vault does; other readers refuse it.
    """
    if not all(char.isprintable() or char in "\n\t" for char in text):
        return None
    rules: dict[str, frozenset[str]] = {}
    at = 0
    while found := _RULE.match(text, at):
        path, listed = found[1], found[2] or ""
        rules[path] = rules.get(path, frozenset()) | {word[1] for word in re.finditer(_STRING, listed)}
        at = found.end()
    return rules if _LAST.fullmatch(text, at) else None
