"""All or nothing, for what a command makes one after the other."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ciplug.errors import CiplugError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def undoing() -> Iterator[list[Callable[[], object]]]:
    """A list for what takes back each thing that the block makes; if it fails, all is called, the last one first."""
    steps: list[Callable[[], object]] = []
    try:
        yield steps
    except BaseException as err:
        for step in reversed(steps):
            try:
                step()
            except CiplugError as stays:
                err.add_note(str(stays))
        raise
