"""What ciplug owns at one target, as it stood after the last sync. Kept in the vault; it holds no value.

A fingerprint is an HMAC under a key that lies in a record of its own: whoever has the ledger alone cannot try values.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from ciplug.errors import LedgerError
from ciplug.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.values import Secret

FORMAT: Final = 1


@frozen
class Entry:
    """One owned variable: the platform's id for it, the fingerprint of its value, and the platform's change stamp.

    `fingerprint` is empty while a write of unknown outcome is under way.
    """

    id: str = ""
    fingerprint: str = ""
    stamp: str = ""


@frozen
class Ledger:
    """Owned variables by name. `place` is where they are: another project's variables are none of this ledger's.

    While a sync is at work, `holder` says which, and `until` (epoch seconds) for how long it may be believed to be.
    `undeployed`: values were written, and no redeploy of ciplug's has succeeded since.
    """

    place: str = ""
    holder: str = ""
    until: float = 0.0
    undeployed: bool = False
    entries: Mapping[str, Entry] = field(default_factory=lambda: MappingProxyType({}))


def dump(ledger: Ledger) -> dict[str, Any]:
    """The ledger as the data of a KV record."""
    entries = {
        name: {"id": entry.id, "fingerprint": entry.fingerprint, "stamp": entry.stamp}
        for name, entry in sorted(ledger.entries.items())
    }
    return {
        "format": FORMAT,
        "place": ledger.place,
        "holder": ledger.holder,
        "until": ledger.until,
        "undeployed": ledger.undeployed,
        "variables": json.dumps(entries),
    }


def load(data: Mapping[str, Any]) -> Ledger:
    """The ledger in a KV record's data; ``LedgerError`` for one that is damaged, or a newer ciplug's."""
    number = data.get("format")
    if isinstance(number, int) and number > FORMAT:
        raise LedgerError(f"the ledger has format {number}, which a newer ciplug wrote", hint="use that ciplug")
    try:
        _same(number, FORMAT)
        entries = {str(name): Entry(**_texts(entry)) for name, entry in json.loads(data["variables"]).items()}
        return Ledger(
            place=_text(data["place"]),
            holder=_text(data["holder"]),
            until=float(data["until"]),
            undeployed=bool(data["undeployed"]),
            entries=MappingProxyType(entries),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as err:
        raise LedgerError(
            "the ledger is damaged", hint="restore an older version of its record in the vault, or remove it"
        ) from err


def fingerprint(key: Secret, place: str, name: str, value: Secret) -> str:
    """What the ledger says of `value`; of no use without `key`."""
    text = json.dumps([place, name]).encode() + b"\0" + value.reveal()
    return hmac.new(key.reveal(), text, hashlib.sha256).hexdigest()


def _same(found: object, wanted: int) -> None:
    if found != wanted:
        raise ValueError


def _texts(entry: Mapping[str, Any]) -> dict[str, str]:
    return {name: _text(value) for name, value in entry.items()}


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value
