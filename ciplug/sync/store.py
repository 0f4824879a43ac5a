"""Where a target's ledger is kept: a record of the vault, written by check-and-set, and the key of its fingerprints."""

from __future__ import annotations

import base64
import secrets
import time
from typing import TYPE_CHECKING, Final

from ciplug.errors import CiplugError, LedgerError, SyncError
from ciplug.frozen import frozen
from ciplug.sync.ledger import Book, Ledger, dump, load
from ciplug.values import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from ciplug.vault.admin_kv import KvAdmin

HOLD_SECONDS: Final = 120.0
"""How long a sync that says nothing more is believed to be at work: one that crashed is in nobody's way for longer."""

_RENEWED_AFTER: Final = HOLD_SECONDS / 3
_SKEW_SECONDS: Final = 60.0
"""What the clocks of two machines may differ by. A hold that seems to last longer than that allows is no sync's."""

_KEY_BYTES: Final = 32


@frozen
class LedgerPaths:
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
    """The ledger at `paths`, for one sync called `holder`. With `looks_only` nothing is written, not even a key."""

    def __init__(
        self,
        kv: KvAdmin,
        paths: LedgerPaths,
        *,
        holder: str,
        looks_only: bool = False,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._kv = kv
        self._paths = paths
        self._holder = holder
        self._looks_only = looks_only
        self._wall_clock = wall_clock
        self._version = 0
        self._book = Book()
        self._held = Ledger()
        self._key: Secret | None = None

    @property
    def blind(self) -> str:
        """Nothing is in the way of keeping one."""
        return ""

    def read(self, place: str) -> Ledger:
        """The ledger as it stands, empty where there is none of this place.

        ``LedgerError`` for one that cannot be used, ``SyncError`` while another sync is at work.
        """
        stored = self._kv.read(self._paths.mount, self._paths.ledger)
        self._version = stored.version
        self._book = Book() if stored.data is None else load(stored.data, self.key())
        left = self._book.until - self._wall_clock()
        if self._book.holder not in {"", self._holder} and 0 < left <= HOLD_SECONDS + _SKEW_SECONDS:
            raise SyncError(
                f"another sync is at work here: {self._book.holder}",
                hint=f"wait for it; if it has crashed, this is free again in {left:.0f} s",
            )
        return self._book.ledgers.get(place, Ledger(place=place))

    def hold(self, ledger: Ledger) -> None:
        """Write `ledger`, and that this sync is at work for the next ``HOLD_SECONDS``."""
        self._write(ledger, self._holder, self._wall_clock() + HOLD_SECONDS)
        self._held = ledger

    def renew(self) -> None:
        """Prolong the hold, where a third of it is over. While some of it is left, a vault that fails is forgiven."""
        left = self._book.until - self._wall_clock()
        if not self._book.holder or left >= HOLD_SECONDS - _RENEWED_AFTER:
            return
        try:
            self.hold(self._held)
        except SyncError:
            raise
        except CiplugError:
            if left < _RENEWED_AFTER:
                raise

    def release(self, ledger: Ledger) -> None:
        """Write `ledger` as the end of this sync."""
        self._write(ledger, "", 0.0)

    def key(self) -> Secret:
        """The key of fingerprints and seal, made when it is first asked for."""
        if self._key is None:
            self._key = self._read_key()
        return self._key

    def _read_key(self) -> Secret:
        mount, path = self._paths.mount, self._paths.key
        stored = self._kv.read(mount, path)
        if stored.data is None:
            made = base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode()
            if not self._looks_only and self._kv.write_if(mount, path, {"key": made}, version=stored.version) is None:
                return self._read_key()  # somebody else has just made it
            return Secret(base64.b64decode(made))
        try:
            key = base64.b64decode(stored.data["key"], validate=True)
        except (KeyError, TypeError, ValueError):
            key = b""  # no cause is passed on: it may quote the key
        if len(key) != _KEY_BYTES:
            raise LedgerError(f"{mount}/{path} holds no key", hint="restore an older version of this record")
        return Secret(key)

    def _write(self, ledger: Ledger, holder: str, until: float) -> None:
        if self._looks_only:
            return
        book = Book(holder=holder, until=until, ledgers={**self._book.ledgers, ledger.place: ledger})
        version = self._kv.write_if(
            self._paths.mount, self._paths.ledger, dump(book, self.key()), version=self._version
        )
        if version is None:
            raise SyncError(
                "another sync has changed the ledger meanwhile", hint="run it again: it goes on where both have left it"
            )
        self._book, self._version = book, version


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
