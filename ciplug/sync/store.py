"""Where a target's ledger is kept: a record of the vault, written by check-and-set, and the key of its fingerprints."""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ciplug.errors import LedgerError, SyncError
from ciplug.frozen import frozen
from ciplug.sync.ledger import Ledger, dump, load
from ciplug.values import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from ciplug.vault.admin_kv import KvAdmin

HOLD_SECONDS: Final = 120.0
"""How long a sync that says nothing more is believed to be at work: one that crashed is in nobody's way for longer."""

_RENEWED_AFTER: Final = HOLD_SECONDS / 3
_KEY_BYTES: Final = 32


@frozen
class Records:
    """Where the ledger of `target` is in the KV v2 engine at `mount`, for the environment at `path`.

    The key is one for all targets of the environment.
    """

    mount: str
    path: str
    target: str

    @property
    def ledger(self) -> str:
        """The ledger's path below the mount."""
        return f"{self.path}/.ciplug/{self.target}"

    @property
    def key(self) -> str:
        """The key's path below the mount."""
        return f"{self.path}/.ciplug/.key"


class LedgerStore:
    """The ledger at `records`, for one sync called `holder`. With `looks_only` nothing is written, not even a key."""

    def __init__(
        self,
        kv: KvAdmin,
        records: Records,
        *,
        holder: str,
        looks_only: bool = False,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._kv = kv
        self._records = records
        self._holder = holder
        self._looks_only = looks_only
        self._wall_clock = wall_clock
        self._version = 0
        self._held = Ledger()

    @property
    def blind(self) -> str:
        """Nothing is in the way of keeping one."""
        return ""

    def read(self, place: str) -> Ledger:
        """The ledger as it stands, empty where there is none or where it is of another place.

        ``LedgerError`` for one that cannot be used, ``SyncError`` while another sync is at work.
        """
        stored = self._kv.read(self._records.mount, self._records.ledger)
        self._version = stored.version
        ledger = Ledger(place=place) if stored.data is None else load(stored.data)
        left = ledger.until - self._wall_clock()
        if ledger.holder and ledger.holder != self._holder and left > 0:
            raise SyncError(
                f"another sync is at work here: {ledger.holder}",
                hint=f"wait for it; if it has crashed, this is free again in {left:.0f} s",
            )
        return ledger if ledger.place == place else Ledger(place=place)

    def hold(self, ledger: Ledger) -> None:
        """Write `ledger`, and that this sync is at work for the next ``HOLD_SECONDS``."""
        self._held = replace(ledger, holder=self._holder, until=self._wall_clock() + HOLD_SECONDS)
        self._write(self._held)

    def renew(self) -> None:
        """Prolong the hold, where a third of it is over."""
        if self._held.holder and self._held.until - self._wall_clock() < HOLD_SECONDS - _RENEWED_AFTER:
            self.hold(self._held)

    def release(self, ledger: Ledger) -> None:
        """Write `ledger` as the end of this sync."""
        self._held = Ledger()
        self._write(replace(ledger, holder="", until=0.0))

    def key(self) -> Secret:
        """The key of the fingerprints, made when it is first asked for."""
        mount, path = self._records.mount, self._records.key
        stored = self._kv.read(mount, path)
        if stored.data is None:
            made = base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()
            if not self._looks_only and self._kv.write_if(mount, path, {"key": made}, version=stored.version) is None:
                return self.key()  # somebody else has just made it
            return Secret(base64.b64decode(made))
        try:
            return Secret(base64.b64decode(stored.data["key"], validate=True))
        except (KeyError, TypeError, binascii.Error):
            raise LedgerError(  # without its cause, which may quote the key
                f"{mount}/{path} holds no key", hint="restore an older version of this record"
            ) from None

    def _write(self, ledger: Ledger) -> None:
        if self._looks_only:
            return
        version = self._kv.write_if(self._records.mount, self._records.ledger, dump(ledger), version=self._version)
        if version is None:
            raise SyncError(
                "another sync has changed the ledger meanwhile", hint="run it again: it goes on where both have left it"
            )
        self._version = version


class NoLedger:
    """What a sync keeps where there can be no ledger: nothing. `blind` says why."""

    def __init__(self, blind: str) -> None:
        self.blind = blind

    def read(self, place: str) -> Ledger:
        """An empty one: nothing is known as ciplug's own."""
        return Ledger(place=place)

    def hold(self, ledger: Ledger) -> None:
        """Nothing is written."""

    def renew(self) -> None:
        """Nothing is held."""

    def release(self, ledger: Ledger) -> None:
        """Nothing is written."""

    def key(self) -> Secret:
        """A key for this sync alone."""
        return Secret(secrets.token_bytes(_KEY_BYTES))
