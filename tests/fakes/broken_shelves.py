"""Adapters that each break one rule; the contract suite has to find every one. Run by tests/contract."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

from ciplug.conformance import PlatformContract
from ciplug.errors import PlatformError, UsageError
from ciplug.values import Deployment, Result, Secret, Variable
from tests.fakes.shelf import Shelf, ShelfBench

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ciplug.values import Batch, Reply

NUMBERS = count()


class LosesAResult(Shelf):
    def apply(self, batch: Batch) -> Iterator[Result]:
        yield from list(super().apply(batch))[1:]


class RepeatsAResult(Shelf):
    def apply(self, batch: Batch) -> Iterator[Result]:
        for result in super().apply(batch):
            yield from (result, result)


class ReadsTooLittle(Shelf):
    def read(self) -> Sequence[Variable]:
        return super().read()[:100]


class ReadsTwice(Shelf):
    def read(self) -> Sequence[Variable]:
        return [*super().read(), *super().read()]


class ReadsOtherValues(Shelf):
    def read_value(self, variable: Variable) -> Secret | None:
        return Secret("another")


class OverwritesForeign(Shelf):
    def apply(self, batch: Batch) -> Iterator[Result]:
        for each in batch.held:
            self.write(each.name, "default")
        return super().apply(batch)


class PutsBackWhatItHadRead(Shelf):
    """As an adapter does that replaces the whole set by what was held and what is new."""

    def apply(self, batch: Batch) -> Iterator[Result]:
        known = {each.name for each in batch.held} | batch.writes.keys()
        for each in super().read():
            if each.name not in known:
                self.delete(each.name)
        return super().apply(batch)


class TakesAwayWhatItHasNotRead(Shelf):
    """As one does that reads first and replaces the whole set in the end."""

    def apply(self, batch: Batch) -> Iterator[Result]:
        known = {each.name for each in super().read()} | batch.writes.keys()
        yield from super().apply(batch)
        for each in super().read():
            if each.name not in known:
                self.delete(each.name)


class BelievesItsList(Shelf):
    """What is in the list is replaced, and what is gone at that moment is taken for somebody else's doing."""

    def write(self, name: str, value: str) -> Result:
        listed = any(each.name == name for each in super().read())
        if listed and self.requests.request("DELETE", f"/shelves/1/{name}").status == 404:
            return Result(name=name)
        return super().write(name, value)


class DeletesElsewhere(Shelf):
    def delete(self, name: str) -> Result:
        self.requests.request("DELETE", f"/shelves/2/{'THEIRS' if name.startswith('A') else name}")
        return super().delete(name)


class SaysDone(Shelf):
    def write(self, name: str, value: str) -> Result:
        return Result(name=name)


class FindsGoneAProblem(Shelf):
    def delete(self, name: str) -> Result:
        self.granted(self.requests.request("DELETE", f"/shelves/1/{name}"))
        return Result(name=name)


class StripsValues(Shelf):
    def write(self, name: str, value: str) -> Result:
        return super().write(name, value.strip())


class QuotesTheValue(Shelf):
    def write(self, name: str, value: str) -> Result:
        try:
            return super().write(name, value)
        except PlatformError as error:
            raise PlatformError(f"{error}: {name}={value!r}", hint="look") from None


class QuotesTheValueInAResult(Shelf):
    def write(self, name: str, value: str) -> Result:
        try:
            return super().write(name, value)
        except PlatformError:
            return Result(name=name, problem=f"{value[: len(value) // 2]}… was refused")


class QuotesTheAnswer(Shelf):
    def granted(self, reply: Reply) -> Any:
        if not reply.ok:
            raise PlatformError(f"Shelf: {reply.document}", hint="check the token")
        return reply.document


class QuotesTheAnswerInItsCause(Shelf):
    def granted(self, reply: Reply) -> Any:
        try:
            return super().granted(reply)
        except PlatformError as error:
            raise error from ValueError(f"{reply.document}")


class GivesNoHint(Shelf):
    def granted(self, reply: Reply) -> Any:
        if not reply.ok:
            raise PlatformError("no")
        return reply.document


class RaisesAnotherError(Shelf):
    def granted(self, reply: Reply) -> Any:
        if not reply.ok:
            raise UsageError("no", hint="no")
        return reply.document


class RaisesNoErrorOfOurs(Shelf):
    def read(self) -> Sequence[Variable]:
        return [self.variable(each) for each in self.requests.request("GET", "/shelves/1").document["items"]]


class ReadsAFailureAsEmpty(Shelf):
    def read(self) -> Sequence[Variable]:
        try:
            return super().read()
        except PlatformError:
            return []


class TakesALostAnswerForARefusal(Shelf):
    """What was written after all is then nobody's."""

    def write(self, name: str, value: str) -> Result:
        try:
            return super().write(name, value)
        except PlatformError:
            return Result(name=name, problem="it was refused")


class TakesAnyAnswerForSuccess(Shelf):
    def write(self, name: str, value: str) -> Result:
        self.requests.request("PUT", f"/shelves/1/{name}", document={"value": value})
        return Result(name=name)


class TellsOneProblemAtATime(Shelf):
    def problems(self, wanted: Mapping[str, Secret], held: Sequence[Variable]) -> Sequence[str]:
        return super().problems(wanted, held)[:1]


class QuotesTheValueInAProblem(Shelf):
    def problems(self, wanted: Mapping[str, Secret], held: Sequence[Variable]) -> Sequence[str]:
        return [f"{each}: {wanted[each.partition(':')[0]].reveal()!r}" for each in super().problems(wanted, held)]


class FindsNoProblem(Shelf):
    def problems(self, wanted: Mapping[str, Secret], held: Sequence[Variable]) -> Sequence[str]:
        return []


class FindsProblemsByTrying(Shelf):
    def problems(self, wanted: Mapping[str, Secret], held: Sequence[Variable]) -> Sequence[str]:
        self.read()
        return super().problems(wanted, held)


class SeesAnotherStamp(Shelf):
    def write(self, name: str, value: str) -> Result:
        return replace(super().write(name, value), seen=Variable(name=name, stamp="now", readable=True))


class HasNoStamps(Shelf):
    def variable(self, item: Mapping[str, Any]) -> Variable:
        return Variable(name=item["name"])


class MovesAbout(Shelf):
    @property
    def place(self) -> str:
        return f"shelf {next(NUMBERS)}"


class ShowsItsToken(Shelf):
    def __repr__(self) -> str:
        return "Shelf(token='shelf-t0ken-6f1d')"


class RedeploysForEver(Shelf):
    def redeploy(self) -> Iterator[Deployment]:
        yield Deployment(state="building")


class RedeploysWithChanges(Shelf):
    def redeploy(self) -> Iterator[Deployment]:
        self.write("DEPLOYED", "yes")
        yield Deployment(state="ready")


class RedeploysInAStateOfItsOwn(Shelf):
    def redeploy(self) -> Iterator[Deployment]:
        yield Deployment(state="done")


class TellsARedeployTwice(Shelf):
    def redeploy(self) -> Iterator[Deployment]:
        yield Deployment(state="building")
        yield from super().redeploy()


class IsReadyWhateverItIsTold(Shelf):
    def deployment(self, word: str) -> Deployment:
        return Deployment(state="ready", detail=word)


class IsReadyUnheard(Shelf):
    def redeploy(self) -> Iterator[Deployment]:
        self.requests.request("POST", "/shelves/1/deploys", document={}, repeatable=False)
        yield Deployment(state="ready")


class RedeploysOnlyToRaise(Shelf):
    def redeploy(self) -> Iterator[Deployment]:
        raise PlatformError("there is none", hint="leave it out")


for _adapter in Shelf.__subclasses__():
    _differs = {"adapter": _adapter, "redeploys": _adapter is not RedeploysOnlyToRaise}
    _bench = type(f"{_adapter.__name__}Bench", (ShelfBench,), _differs)
    globals()[f"Test{_adapter.__name__}"] = type(f"Test{_adapter.__name__}", (PlatformContract,), {"bench": _bench})
