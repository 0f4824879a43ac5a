"""A platform that is nothing but its rules, a ledger that dies with its process, and one sync of the two."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ciplug.conformance import MemoryLedger
from ciplug.sync.engine import carry_out, survey
from ciplug.sync.ledger import Ledger
from ciplug.values import Result, Secret, Variable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ciplug.sync.results import Outcome
    from ciplug.sync.store import NoLedger
    from ciplug.values import Batch

PLACE = "memory 1"


class Died(BaseException):
    """SIGKILL: nothing runs after it, so the keeper takes no more of what unwinding would still write."""


class Memory:
    """A platform: values by name with a stamp for each write. `shows` says whether it gives values back.

    It dies after `dies_after` calls, a variable's write being one, and `refuses` names. `misfits` have to be deleted
    before they can be written.
    """

    place = PLACE

    def __init__(self, values: Mapping[str, str] | None = None, *, shows: bool = True, echoes: bool = False) -> None:
        self.values = dict(values or {})
        self.stamps = dict.fromkeys(self.values, 0)
        self.writes = 0
        self.calls: list[str] = []
        self.shows = shows
        self.echoes = echoes
        self.dies_after: int | None = None
        self.keeper: Mortal | None = None
        self.refuses: set[str] = set()
        self.misfits: set[str] = set()

    def _call(self, what: str) -> None:
        if self.dies_after is not None and len(self.calls) >= self.dies_after:
            if self.keeper is not None:
                self.keeper.dead = True
            raise Died
        self.calls.append(what)

    def _variable(self, name: str) -> Variable:
        value = Secret(self.values[name]) if self.shows else None
        misfit = "of another type" if name in self.misfits else ""
        return Variable(name=name, id=f"id-{name}", value=value, stamp=str(self.stamps[name]), misfit=misfit)

    def read(self) -> Sequence[Variable]:
        self._call("read")
        return [self._variable(name) for name in self.values]

    def read_value(self, variable: Variable) -> Secret | None:
        raise AssertionError(variable.name)

    def problems(self, wanted: Mapping[str, Secret], held: Sequence[Variable]) -> Sequence[str]:
        return [f"{name}: reserved" for name in wanted if name == "RESERVED"]

    def apply(self, batch: Batch) -> Iterator[Result]:
        for name, value in batch.writes.items():
            if name in self.refuses:
                yield Result(name=name, problem="refused")
                continue
            if name in self.misfits:
                assert name in batch.replaced
                self._call(f"delete {name}")
                self.misfits.discard(name)
                del self.values[name]
            self._call(f"write {name}")
            self.put(name, value.reveal().decode())
            yield Result(name=name, seen=self._variable(name) if self.echoes else None)
        for variable in batch.deletes:
            self._call(f"delete {variable.name}")
            self.values.pop(variable.name, None)
            yield Result(name=variable.name)

    def put(self, name: str, value: str) -> None:
        self.writes += 1
        self.values[name], self.stamps[name] = value, self.writes


class Mortal(MemoryLedger):
    """Dead with its process: then it stores nothing any more."""

    def __init__(self) -> None:
        super().__init__(Ledger(place=PLACE))
        self.writes = 0
        self.dead = False

    def hold(self, ledger: Ledger) -> None:
        if not self.dead:
            super().hold(ledger)
            self.writes += 1


def sync(
    platform: Memory,
    keeper: Mortal | NoLedger,
    wanted: Mapping[str, str],
    *,
    prune: bool = False,
    adopt: frozenset[str] = frozenset(),
) -> Outcome:
    secrets = {name: Secret(value) for name, value in wanted.items()}
    return carry_out(survey(platform, secrets, keeper, prune=prune, adopt=adopt), platform, keeper)
