"""Where a target's ledger is kept: a record of the vault, written by check-and-set, and the key of its fingerprints."""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ciplug.errors import LedgerError, SyncError
from ciplug.sync.ledger import Ledger, dump, load
from ciplug.values import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from ciplug.vault.admin_kv import KvAdmin

HOLD_SECONDS: Final = 120.0
"""How long a sync that says nothing more is believed to be at work: one that crashed is in nobody's way for longer."""

_KEY_BYTES: Final = 32


class LedgerStore:
    """The ledger of one target, for one sync called `holder`: ``{mount}/{path}/.ciplug/{target}`` on a KV v2 mount."""

    def __init__(
        self,
        kv: KvAdmin,
        mount: str,
        path: str,
        target: str,
        *,
        holder: str,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._kv = kv
        self._mount = mount
        self._path = f"{path}/.ciplug/{target}"
        self._key_path = f"{path}/.ciplug/.key"
        self._holder = holder
        self._wall_clock = wall_clock
        self._version = 0

    def read(self, place: str) -> Ledger:
        """The ledger as it stands, empty where there is none or where it is of another place.

        ``LedgerError`` for one that cannot be used, ``SyncError`` while another sync is at work.
        """
        stored = self._kv.read(self._mount, self._path)
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
        """Write `ledger`, and that this sync is at work; to be repeated before ``HOLD_SECONDS`` are over."""
        self._write(replace(ledger, holder=self._holder, until=self._wall_clock() + HOLD_SECONDS))

    def release(self, ledger: Ledger) -> None:
        """Write `ledger` as the end of this sync."""
        self._write(replace(ledger, holder="", until=0.0))

    def key(self) -> Secret:
        """The key of the fingerprints, made when it is first asked for."""
        stored = self._kv.read(self._mount, self._key_path)
        if stored.data is None:
            made = base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()
            if self._kv.write_if(self._mount, self._key_path, {"key": made}, version=stored.version) is None:
                return self.key()  # somebody else has just made it
            return Secret(base64.b64decode(made))
        try:
            return Secret(base64.b64decode(stored.data["key"], validate=True))
        except (KeyError, TypeError, binascii.Error):
            raise LedgerError(  # without its cause, which may quote the key
                f"{self._mount}/{self._key_path} holds no key", hint="restore an older version of this record"
            ) from None

    def _write(self, ledger: Ledger) -> None:
        version = self._kv.write_if(self._mount, self._path, dump(ledger), version=self._version)
        if version is None:
            raise SyncError(
                "another sync has changed the ledger meanwhile", hint="run it again: it goes on where both have left it"
            )
        self._version = version
