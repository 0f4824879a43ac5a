"""Commands of ``bao`` to paste, each in the namespace of the vault that was looked at."""

from __future__ import annotations

import json
from shlex import quote


def bao(verb: str, *words: str, namespace: str = "") -> str:
    """The command ``bao`` `verb` (``policy delete``) with `words`, each of them quoted for the shell."""
    chosen = (f"-namespace={namespace}",) if namespace else ()
    return " ".join((f"bao {verb}", *(quote(printable(word)) for word in (*chosen, *words))))


def printable(text: str) -> str:
    """`text` as it is, or as JSON where a CI host or a terminal could take it for something else than text."""
    return text if text.isprintable() else json.dumps(text)
