"""The addresses of one vault, and how the one that answers is found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from ciplug.errors import CiplugError, SealedError, UnreachableError, UsageError, VaultError
from ciplug.frozen import frozen
from ciplug.net.origin import split
from ciplug.net.retry import Transient
from ciplug.vault.answer import Moved
from ciplug.vault.errors import LostAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ciplug.net.deadline import Deadline
    from ciplug.net.origin import Origin

T = TypeVar("T")

_RANK: Final[dict[type[CiplugError], int]] = {UnreachableError: 0, SealedError: 1}
"""How much an error tells of a vault; any other tells more."""


@frozen
class Address:
    """One address of the vault; `base` is a path before ``/v1`` where a gateway wants one."""

    origin: Origin
    base: str = ""

    def __str__(self) -> str:
        return f"{self.origin}{self.base}"


class Addresses:
    """Every address once; the one that answered last is asked first. Safe for use from several threads."""

    def __init__(self, urls: Sequence[str]) -> None:
        self.all = tuple(dict.fromkeys(_address(url) for url in urls))
        if not self.all:
            raise UsageError("no vault address", hint="set vault.address in the manifest, or VAULT_ADDR")
        self._preferred = self.all[0]

    def __iter__(self) -> Iterator[Address]:
        return iter(self.all)

    @property
    def origins(self) -> list[Origin]:
        """Where requests may go."""
        return [address.origin for address in self.all]

    def prefer(self, address: Address) -> None:
        """Ask `address` first from now on, as if it had answered last."""
        self._preferred = address

    def first_answer(self, ask: Callable[[Address, float | None], T], deadline: Deadline) -> T:
        """The answer of the first address that has one; each is asked at most once.

        `ask` is given the seconds that an attempt may take, ``None`` for all that are left, and raises ``Transient``
        for what another address may answer. If none does, one ``Transient`` stands for all.
        """
        waiting = sorted(self.all, key=lambda address: address != self._preferred)
        failed: list[Transient] = []
        while waiting and not (failed and deadline.expired):
            address = waiting.pop(0)
            try:
                return self._ask(ask, address, waiting, deadline)
            except Transient as again:
                if isinstance(again.error, VaultError) and again.after is not None:
                    # A rate limit is not to be walked around.
                    raise
                failed.append(again)
                if isinstance(again, Moved):
                    # The node that leads, if it is listed and was not asked yet in this round.
                    waiting = _beginning_at(again.to, waiting)
        raise _of_all(failed) from failed[-1].__cause__

    def _ask(
        self,
        ask: Callable[[Address, float | None], T],
        address: Address,
        waiting: Sequence[Address],
        deadline: Deadline,
    ) -> T:
        """The answer of `address`; one that hangs leaves time for those that are `waiting`."""
        share = deadline.remaining() / (1 + len(waiting)) if waiting else None
        try:
            answer = ask(address, share)
        except LostAnswerError:
            # Whoever asks again begins with another address.
            self.prefer(waiting[0] if waiting else address)
            raise
        self.prefer(address)
        return answer


def _address(url: str) -> Address:
    try:
        origin, base = split(url)
    except ValueError as err:
        # The address is not repeated: it may hold a password.
        raise UsageError(
            f"the vault address {err}", hint="write it as https://vault.example.com:8200 (vault.address, VAULT_ADDR)"
        ) from err
    return Address(origin=origin, base=base.rstrip("/"))


def _beginning_at(origin: Origin | None, addresses: Sequence[Address]) -> list[Address]:
    """`addresses` in their order, but those at `origin` before the others."""
    return sorted(addresses, key=lambda address: address.origin != origin)


def _of_all(failed: Sequence[Transient]) -> Transient:
    """One error for a round in which every address failed: the one that tells most, with the others named."""
    chosen = max(failed, key=lambda again: _RANK.get(type(again.error), 2))
    others = [str(again.error) for again in failed if again is not chosen]
    error = chosen.error
    if others:
        error = type(error)("; ".join([str(error), *others]), hint=error.hint)
    afters = [again.after for again in failed]
    return Transient(error, after=min((after for after in afters if after is not None), default=None))
