"""A secret that is not in the vault: the command that writes it, which takes the value from its standard input."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ciplug.identity.claims import listed
from ciplug.policy.commands import bao

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ciplug.errors import MissingError
    from ciplug.values import Grant


_SHOWN: Final = 5
"""Secrets in one line of a job's log."""


def remedies(error: MissingError, grants: Iterable[Grant], namespace: str) -> Sequence[str]:
    """One line for each of the first secrets that `error` says are missing, or the error's own hint."""
    found = [line for item in grants if (line := _remedy(item, str(error), namespace))]
    more = len(found) - _SHOWN
    return [*found[:_SHOWN], *([f"and {more} more in the same way"] if more > 0 else [])] or [error.hint]


def told(error: MissingError) -> str:
    """What is missing, of many secrets only the first ones."""
    return listed(str(error).split("; "), "; ", _SHOWN)


def _remedy(grant: Grant, text: str, namespace: str) -> str:
    """How to write what is missing of `grant`; empty where `text` does not say that it is."""
    named = re.search(rf"(?:^|; ){re.escape(grant.name)}: ([^;]*)", text)
    record = grant.record
    if named is None or record.version is not None or record.engine == "other" or len(grant.pointer) > 1:
        return ""
    if "was deleted" in named[1] or "was destroyed" in named[1]:
        return ""
    field = grant.pointer[0]
    # `put` writes the whole record anew, and KV v1 has nothing else.
    there = "does not exist" not in named[1]
    if there and record.engine == "kv1":
        return ""
    verb = "patch" if there else "put"
    owner = f" (ask {grant.owner})" if grant.owner else ""
    command = bao(f"kv {verb}", f"-mount={record.mount}", record.path, f"{field}=-", namespace=namespace)
    return f"write it{owner}, the value on stdin: {command}; or correct the ref of {grant.name} in the manifest"
