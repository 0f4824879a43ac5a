"""What ciplug owns at one target, as it stood after the last sync. Kept in the vault; it holds no value.

A fingerprint is an HMAC under a key that lies in a record of its own: whoever has the ledger alone cannot try values,
and cannot change what it says.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

from ciplug.errors import LedgerError
from ciplug.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.values import Secret

FORMAT: Final = 1
_RESTORE: Final = "restore an older version of its record in the vault, or remove it and take over names with --adopt"


@frozen
class Entry:
    """One owned variable: the platform's id for it, the fingerprint of its value, and the platform's change stamp.

    `pending`: a write of unknown outcome, after which the value is to have this fingerprint. With ``create`` nothing
    was there before, so that it may be somebody else's by now.
    """

    id: str = ""
    fingerprint: str = ""
    stamp: str = ""
    pending: Literal["", "create", "write"] = ""


@frozen
class Ledger:
    """Owned variables by name. `place` is where they are: another project's variables are none of this ledger's.

    `undeployed`: something was written there, and no redeploy of ciplug's has succeeded since.
    """

    place: str = ""
    undeployed: bool = False
    entries: Mapping[str, Entry] = field(default_factory=lambda: MappingProxyType({}))


@frozen
class Book:
    """All that one target's record holds: a ledger for each place the target ever was at.

    While a sync is at work, `holder` says which, and `until` (epoch seconds) for how long it may be believed to be.
    """

    holder: str = ""
    until: float = 0.0
    ledgers: Mapping[str, Ledger] = field(default_factory=lambda: MappingProxyType({}))


class Keeps(Protocol):
    """Where the ledger is kept; ``ciplug.sync.store`` has them."""

    @property
    def blind(self) -> str:
        """Why no ledger can be kept; empty where one is."""

    def read(self, place: str) -> Ledger:
        """The ledger as it stands."""

    def hold(self, ledger: Ledger) -> None:
        """Write it, and that this sync is at work."""

    def renew(self) -> None:
        """Say again that it is, once the last time is a while ago."""

    def release(self, ledger: Ledger) -> None:
        """Write it as the end of this sync."""

    def key(self) -> Secret:
        """The key of its fingerprints."""


def dump(book: Book, key: Secret) -> dict[str, Any]:
    """The book as the data of a KV record, sealed with `key`."""
    places = {place: _dumped(ledger) for place, ledger in book.ledgers.items() if ledger.entries or ledger.undeployed}
    text = json.dumps(places, sort_keys=True)
    return {
        "format": FORMAT,
        "holder": book.holder,
        "until": book.until,
        "places": text,
        "seal": _digest(key, b"places", text.encode()),
    }


def load(data: Mapping[str, Any], key: Secret) -> Book:
    """The book in a KV record's data; ``LedgerError`` for one that is damaged, a stranger's, or a newer ciplug's."""
    number = data.get("format")
    if isinstance(number, int) and number > FORMAT:
        raise LedgerError(f"the ledger has format {number}, which a newer ciplug wrote", hint="use that ciplug")
    try:
        _same(number, FORMAT)
        text = _text(data["places"])
        sealed = hmac.compare_digest(_text(data["seal"]), _digest(key, b"places", text.encode()))
        ledgers = {place: _loaded(place, each) for place, each in json.loads(text).items()} if sealed else {}
        book = Book(holder=_text(data["holder"]), until=float(data["until"]), ledgers=MappingProxyType(ledgers))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as err:
        raise LedgerError("the ledger is damaged", hint=_RESTORE) from err
    if not sealed:
        raise LedgerError("the ledger was not written by ciplug, or its key is another one", hint=_RESTORE)
    return book


def fingerprint(key: Secret, place: str, name: str, value: Secret) -> str:
    """What the ledger says of `value`; of no use without `key`."""
    return _digest(key, json.dumps([place, name]).encode(), value.reveal())


def _digest(key: Secret, about: bytes, content: bytes) -> str:
    return hmac.new(key.reveal(), about + b"\0" + content, hashlib.sha256).hexdigest()


def _dumped(ledger: Ledger) -> dict[str, Any]:
    entries = {
        name: {"id": entry.id, "fingerprint": entry.fingerprint, "stamp": entry.stamp, "pending": entry.pending}
        for name, entry in ledger.entries.items()
    }
    return {"undeployed": ledger.undeployed, "variables": entries}


def _loaded(place: str, data: Mapping[str, Any]) -> Ledger:
    entries = {name: Entry(**entry) for name, entry in data["variables"].items()}
    return Ledger(place=place, undeployed=bool(data["undeployed"]), entries=MappingProxyType(entries))


def _same(found: object, wanted: int) -> None:
    if found != wanted:
        raise ValueError


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
