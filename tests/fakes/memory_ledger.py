"""A ledger in memory, and a whole sync with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ciplug.sync.engine import carry_out, survey
from ciplug.sync.ledger import Ledger
from ciplug.values import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.contracts import Platform
    from ciplug.sync.engine import Outcome


class MemoryLedger:
    """Where the ledger of one target is kept from one sync to the next; ``ciplug.sync.engine.Keeps``."""

    blind = ""

    def __init__(self) -> None:
        self._ledger = Ledger()

    def read(self, place: str) -> Ledger:
        return self._ledger if self._ledger.place == place else Ledger(place=place)

    def hold(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def renew(self) -> None:
        """It is held for as long as it takes."""

    def release(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def key(self) -> Secret:
        return Secret("the key of the fingerprints")


def synced(platform: Platform, keeper: MemoryLedger, wanted: Mapping[str, str], *, prune: bool = False) -> Outcome:
    """One sync, as a run of ciplug does it: nothing is written where there are problems."""
    found = survey(platform, {name: Secret(value) for name, value in wanted.items()}, keeper, prune=prune)
    assert list(found.problems) == []
    return carry_out(found, platform, keeper, lambda _result: None)
