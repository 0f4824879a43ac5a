"""A ledger in memory, for tests that sync more than once."""

from __future__ import annotations

from ciplug.sync.ledger import Ledger
from ciplug.values import Secret


class MemoryLedger:
    """A ``ciplug.sync.ledger.Keeps`` of one target. `ledger` is what it holds: what ciplug owns before the first sync,
    nothing by default.
    """

    blind = ""

    def __init__(self, ledger: Ledger | None = None) -> None:
        self.ledger = Ledger() if ledger is None else ledger

    def read(self, place: str) -> Ledger:
        """The ledger; an empty one where it is of another place."""
        return self.ledger if self.ledger.place == place else Ledger(place=place)

    def hold(self, ledger: Ledger) -> None:
        """Store `ledger`; no other sync can be at work here."""
        self.ledger = ledger

    def renew(self) -> None:
        """Do nothing: this hold does not end by itself."""

    def release(self, ledger: Ledger) -> None:
        """Store `ledger`, in the same way as ``hold``."""
        self.hold(ledger)

    def key(self) -> Secret:
        """The key of the fingerprints, the same one in every test."""
        return Secret("the key of a ledger that is gone with its test")
