"""What is owned after an application that went wrong, and what a platform is not believed about what it did."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ciplug.errors import PlatformError, UnansweredError
from ciplug.sync.engine import carry_out, survey
from ciplug.sync.ledger import Book, dump, load
from ciplug.values import Result, Secret
from tests.fakes.memory_platform import Memory, Mortal, sync

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ciplug.errors import CiplugError
    from ciplug.values import Batch, Variable


class Failing(Memory):
    """Answers a whole batch with `error`, carried out or not, until that is ``None``."""

    error: CiplugError | None = None
    carries_out = False

    def apply(self, batch: Batch) -> Iterator[Result]:
        results = list(super().apply(batch)) if self.carries_out or self.error is None else []
        if self.error is not None:
            raise self.error
        yield from results


def fates(platform: Memory, keeper: Mortal, wanted: Mapping[str, str], *, prune: bool = False) -> dict[str, str]:
    """What the next sync would do, by name."""
    secrets = {name: Secret(value) for name, value in wanted.items()}
    return {change.name: change.kind for change in survey(platform, secrets, keeper, prune=prune).changes}


@pytest.mark.parametrize("shows", [True, False])
def test_after_a_refusal_of_the_whole_batch_what_somebody_then_makes_is_theirs(shows: bool) -> None:
    platform, keeper = Failing(shows=shows), Mortal()
    platform.error = PlatformError("answered 403")
    outcome = sync(platform, keeper, {"A": "1", "B": "2"})
    assert (outcome.done, set(outcome.failed), keeper.ledger.entries) == ((), {"A", "B"}, {})
    platform.error = None
    platform.put("A", "made by somebody")
    sync(platform, keeper, {"A": "1", "B": "2"}, prune=True)
    assert platform.values == {"A": "made by somebody", "B": "2"}
    sync(platform, keeper, {"B": "2"}, prune=True)
    assert platform.values == {"A": "made by somebody", "B": "2"}


def test_what_stood_there_before_a_refusal_stays_owned() -> None:
    platform, keeper = Failing(), Mortal()
    sync(platform, keeper, {"A": "1", "OLD": "x"})
    platform.error = PlatformError("answered 400")
    sync(platform, keeper, {"A": "2", "B": "3"}, prune=True)
    assert keeper.ledger.entries.keys() == {"A", "OLD"}
    platform.error = None
    sync(platform, keeper, {"A": "2", "B": "3"}, prune=True)
    assert platform.values == {"A": "2", "B": "3"}


@pytest.mark.parametrize("shows", [True, False])
@pytest.mark.parametrize("carries_out", [True, False])
def test_a_create_whose_answer_was_lost_stays_owned_and_the_next_run_finishes(shows: bool, carries_out: bool) -> None:
    platform, keeper = Failing(shows=shows), Mortal()
    platform.error, platform.carries_out = UnansweredError("no answer in time"), carries_out
    sync(platform, keeper, {"A": "1"})
    assert keeper.ledger.entries["A"].pending == "create"
    platform.error = None
    assert sync(platform, keeper, {"A": "1"}).failed == {}
    assert platform.values == {"A": "1"}
    assert keeper.ledger.entries["A"].pending == ""
    assert fates(platform, keeper, {"A": "1"}) == {"A": "keep"}


def test_a_create_whose_answer_was_lost_is_somebody_else_s_where_another_value_is_there() -> None:
    platform, keeper = Failing(), Mortal()
    platform.error = UnansweredError("no answer in time")
    sync(platform, keeper, {"A": "1"})
    platform.error = None
    platform.put("A", "made by somebody")
    assert fates(platform, keeper, {"A": "1"}) == {"A": "foreign"}
    assert fates(platform, keeper, {}, prune=True) == {}


def test_after_a_refusal_that_nobody_can_look_behind_everything_stays_owned() -> None:
    platform, keeper = Failing(), Mortal()
    platform.error = PlatformError("answered 403")
    found = survey(platform, {"A": Secret("1")}, keeper)
    platform.read = lambda: (_ for _ in ()).throw(PlatformError("down"))  # type: ignore[method-assign]  # from now on
    outcome = carry_out(found, platform, keeper)
    assert str(outcome.errors[0]) == "answered 403"
    assert keeper.ledger.entries["A"].pending == "create"


class Swallowing(Memory):
    """Says that it has written and deleted, and does nothing while it `swallows`."""

    swallows = True

    def apply(self, batch: Batch) -> Iterator[Result]:
        if not self.swallows:
            yield from super().apply(batch)
            return
        yield from (Result(name=name) for name in (*batch.writes, *(each.name for each in batch.deletes)))


def settled(**values: str) -> tuple[Swallowing, Mortal]:
    platform, keeper = Swallowing(shows=False), Mortal()
    platform.swallows = False
    sync(platform, keeper, values)
    platform.swallows = True
    return platform, keeper


def test_what_was_made_and_not_read_back_stays_owned_whatever_it_holds() -> None:
    platform, keeper = Talkative(), Mortal()
    platform.first = False
    sync(platform, keeper, {"A": "1"})
    platform.put("A", "changed by somebody")
    assert fates(platform, keeper, {"A": "1"}) == {"A": "update"}


def test_an_update_without_any_trace_is_not_believed_and_is_repeated() -> None:
    platform, keeper = settled(A="1")
    outcome = sync(platform, keeper, {"A": "2"})
    assert dict(outcome.failed) == {"A": "the platform shows no sign that it was written"}
    assert fates(platform, keeper, {"A": "2"}) == {"A": "update"}
    platform.swallows = False
    assert sync(platform, keeper, {"A": "2"}).failed == {}
    assert platform.values == {"A": "2"}


def test_a_repair_without_any_trace_is_not_believed() -> None:
    platform, keeper = settled(A="1")
    platform.put("A", "changed by somebody")
    assert dict(sync(platform, keeper, {"A": "1"}).failed) == {"A": "the platform shows no sign that it was written"}


def test_a_delete_that_the_answer_does_not_show_is_looked_after() -> None:
    platform, keeper = settled(A="1", B="2")
    outcome = sync(platform, keeper, {"A": "1"}, prune=True)
    assert dict(outcome.failed) == {"B": "it is still there after it was deleted"}
    assert keeper.ledger.entries.keys() == {"A", "B"}
    platform.swallows = False
    sync(platform, keeper, {"A": "1"}, prune=True)
    assert (platform.values, keeper.ledger.entries.keys()) == ({"A": "1"}, {"A"})


class Telling(Memory):
    """Shows in its answers what it deleted."""

    def apply(self, batch: Batch) -> Iterator[Result]:
        for result in super().apply(batch):
            yield replace(result, gone=result.name in {each.name for each in batch.deletes})


def test_a_delete_that_the_answer_shows_is_not_read_back() -> None:
    platform, keeper = Telling(), Mortal()
    sync(platform, keeper, {"A": "1"})
    platform.calls.clear()
    assert sync(platform, keeper, {}, prune=True).failed == {}
    assert platform.calls == ["read", "delete A"]


class Talkative(Memory):
    """Tells of what it was not asked for, before or after what it was asked for."""

    first = True

    def apply(self, batch: Batch) -> Iterator[Result]:
        if self.first:
            yield Result(name="SOMEBODY_S")
        yield from super().apply(batch)
        yield Result(name="SOMEBODY_S")


@pytest.mark.parametrize("first", [True, False])
def test_an_adapter_that_tells_of_what_it_was_not_asked_for_is_stopped_and_that_is_not_owned(first: bool) -> None:
    platform, keeper = Talkative({"SOMEBODY_S": "x"}), Mortal()
    platform.first = first
    outcome = sync(platform, keeper, {"A": "1"})
    assert [str(error) for error in outcome.errors] == [
        "its adapter tells of SOMEBODY_S, which it was not asked for",
    ]
    assert keeper.ledger.entries.keys() == (set() if first else {"A"})
    assert platform.values["SOMEBODY_S"] == "x"
    assert set(outcome.failed) == {"A"}


class Numbered(Memory):
    """Its ids and stamps are numbers, as an adapter may hand them on from JSON."""

    def _variable(self, name: str) -> Variable:
        plain = super()._variable(name)
        return replace(plain, id=ord(name), stamp=int(plain.stamp))  # type: ignore[arg-type]  # what it does wrong


@pytest.mark.parametrize("echoes", [True, False])
def test_ids_and_stamps_that_are_numbers_are_kept_as_text_and_known_again(echoes: bool) -> None:
    platform, keeper = Numbered(shows=False, echoes=echoes), Mortal()
    sync(platform, keeper, {"A": "1"})
    assert (keeper.ledger.entries["A"].id, keeper.ledger.entries["A"].stamp) == ("65", "1")
    book = Book(ledgers={keeper.ledger.place: keeper.ledger})
    assert load(dump(book, keeper.key()), keeper.key()) == book
    assert fates(platform, keeper, {"A": "1"}) == {"A": "keep"}
    platform.put("A", "changed by somebody")
    assert fates(platform, keeper, {"A": "1"}) == {"A": "drift"}


class Breaking(Memory):
    """Has a bug that shows after its first write."""

    bug: Callable[[], BaseException] = ValueError

    def apply(self, batch: Batch) -> Iterator[Result]:
        yield next(iter(super().apply(batch)))
        raise self.bug()


@pytest.mark.parametrize("bug", [ValueError, RecursionError, SystemExit])
def test_a_bug_in_the_middle_leaves_a_ledger_with_which_the_next_run_finishes(bug: type[BaseException]) -> None:
    platform, keeper = Breaking(), Mortal()
    platform.bug = bug
    with pytest.raises(bug):
        sync(platform, keeper, {"A": "1", "B": "2"})
    assert {name: entry.pending for name, entry in keeper.ledger.entries.items()} == {"A": "write", "B": "create"}
    healed = Memory(platform.values)
    sync(healed, keeper, {"A": "1", "B": "2"})
    assert healed.values == {"A": "1", "B": "2"}
