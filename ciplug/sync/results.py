"""What a look at a target finds, and what became of it: the two values that travel through a sync."""

from __future__ import annotations

from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING

from ciplug.frozen import frozen
from ciplug.sync.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ciplug.errors import CiplugError
    from ciplug.sync.plan import Change, Target


@frozen
class Survey:
    """What was found at a target, and what would be done: nothing has been written yet.

    `before` is the ledger as it has to be once this is known: without what is gone, with what was found as wanted.
    """

    target: Target
    changes: Sequence[Change]
    problems: Sequence[str]
    before: Ledger


@frozen
class Outcome:
    """What became of a survey. `failed` has the reason by name; `done` are changes that the platform confirmed.

    `errors` are what ended it early, and what kept the ledger from being written. `ledger` is the one that it left.
    """

    done: tuple[Change, ...] = ()
    failed: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    errors: tuple[CiplugError, ...] = ()
    ledger: Ledger = Ledger()
