"""Secrets that are handed over as files: a private directory that lives exactly as long as its user."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ciplug.private import PrivateDirectory, roots

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ciplug.values import Delivered


def place(values: Sequence[Delivered], directory: PrivateDirectory | None) -> dict[str, bytes]:
    """What each variable holds: the value itself, or the path of its 0600 file in `directory`."""
    placed: dict[str, bytes] = {}
    for item in values:
        name, value = item.grant.name, item.value.reveal()
        if item.grant.as_file and directory is not None:
            value = os.fsencode(directory.write(name, value))
        placed[name] = value
    return placed


def needs_files(values: Sequence[Delivered]) -> bool:
    """Whether any secret is handed over as a file."""
    return any(item.grant.as_file for item in values)


@contextmanager
def secret_files(values: Sequence[Delivered], env: Mapping[str, str]) -> Iterator[dict[str, bytes]]:
    """The variables of `values` for the block; the files behind some of them are gone when it ends."""
    if not needs_files(values):
        yield place(values, None)
        return
    directory = PrivateDirectory.create(roots(env))
    try:
        yield place(values, directory)
    finally:
        directory.remove()
