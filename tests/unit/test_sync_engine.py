"""A sync on a platform that is nothing but its rules: it ends where it should, whatever it meets."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ciplug.errors import PlatformError, SyncError
from ciplug.sync.engine import carry_out, survey
from ciplug.sync.ledger import Entry, Ledger, fingerprint
from ciplug.sync.plan import Target, owns
from ciplug.sync.store import NoLedger
from ciplug.values import Secret
from tests.fakes.memory_platform import PLACE, Died, Memory, Mortal, sync
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ciplug.values import Batch, Result


@pytest.mark.parametrize("shows", [True, False])
@pytest.mark.parametrize("echoes", [True, False])
def test_what_is_wanted_is_there_and_a_second_run_writes_nothing(shows: bool, echoes: bool) -> None:
    platform, keeper = Memory(shows=shows, echoes=echoes), Mortal()
    outcome = sync(platform, keeper, {"A": "1", "B": "2"})
    assert [change.name for change in outcome.done] == ["A", "B"]
    assert platform.values == {"A": "1", "B": "2"}
    assert platform.calls.count("read") == (1 if echoes else 2)
    platform.calls.clear()
    writes = keeper.writes
    assert sync(platform, keeper, {"A": "1", "B": "2"}).done == ()
    assert (platform.calls, keeper.writes) == (["read"], writes)


@pytest.mark.parametrize("shows", [True, False])
def test_drift_is_repaired(shows: bool) -> None:
    platform, keeper = Memory(shows=shows), Mortal()
    sync(platform, keeper, {"A": "1", "B": "2"})
    platform.put("A", "by hand")
    del platform.values["B"]
    outcome = sync(platform, keeper, {"A": "1", "B": "2"})
    assert [(change.name, change.kind) for change in outcome.done] == [("A", "drift"), ("B", "create")]
    assert platform.values == {"A": "1", "B": "2"}


def test_what_is_refused_is_named_and_is_not_owned() -> None:
    platform, keeper = Memory(), Mortal()
    platform.refuses = {"A"}
    outcome = sync(platform, keeper, {"A": "1", "B": "2"})
    assert (dict(outcome.failed), set(keeper.ledger.entries)) == ({"A": "refused"}, {"B"})
    platform.values["A"] = "somebody else's"
    platform.stamps["A"] = 9
    platform.refuses = set()
    sync(platform, keeper, {"A": "1", "B": "2"})
    assert platform.values["A"] == "somebody else's"


def test_pruning_deletes_what_is_owned_and_nothing_else() -> None:
    platform, keeper = Memory({"THEIRS": "x"}), Mortal()
    sync(platform, keeper, {"A": "1", "B": "2"})
    sync(platform, keeper, {"A": "1"})
    assert platform.values == {"THEIRS": "x", "A": "1", "B": "2"}
    sync(platform, keeper, {"A": "1"}, prune=True)
    assert platform.values == {"THEIRS": "x", "A": "1"}
    assert set(keeper.ledger.entries) == {"A"}


def test_what_is_taken_over_as_it_is_is_owned_without_a_write() -> None:
    platform, keeper = Memory({"A": "1"}), Mortal()
    assert sync(platform, keeper, {"A": "1"}, adopt=frozenset({"A"})).done == ()
    assert platform.writes == 0
    assert set(keeper.ledger.entries) == {"A"}


def test_problems_are_found_before_anything_is_written() -> None:
    platform, keeper = Memory(), Mortal()
    found = survey(platform, {"RESERVED": Secret("x"), "A": Secret("1")}, keeper)
    assert list(found.problems) == ["RESERVED: reserved"]
    with pytest.raises(SyncError, match="RESERVED"):
        carry_out(found, platform, keeper, lambda _result: None)
    assert (platform.writes, keeper.writes) == (0, 0)


class Lossy(Memory):
    """Says that it has written, and has not, or something else."""

    def put(self, name: str, value: str) -> None:
        if name == "GONE":
            self.values.pop(name, None)
        else:
            super().put(name, "something else" if name == "OTHER" else value)


def test_a_platform_that_only_says_so_is_found_out() -> None:
    platform, keeper = Lossy(), Mortal()
    outcome = sync(platform, keeper, {"OTHER": "1", "A": "1"})
    assert dict(outcome.failed) == {"OTHER": "it has another value after it was written"}
    platform = Lossy({"GONE": "x"})
    outcome = sync(platform, Mortal(), {"GONE": "1"}, adopt=frozenset({"GONE"}))
    assert dict(outcome.failed) == {"GONE": "it is not there after it was written"}


class Silent(Memory):
    """Stops in the middle without a word, or with an error."""

    fails = False

    def apply(self, batch: Batch) -> Iterator[Result]:
        for number, result in enumerate(super().apply(batch)):
            if number == 1:
                if self.fails:
                    raise PlatformError("answered 500", hint="run it again")
                return
            yield result


def test_what_was_not_confirmed_is_not_called_done() -> None:
    platform, keeper = Silent(), Mortal()
    outcome = sync(platform, keeper, {"A": "1", "B": "2", "C": "3"})
    assert [change.name for change in outcome.done] == ["A"]
    assert set(outcome.failed) == {"B", "C"}
    platform.fails = True
    outcome = sync(platform, Mortal(), {"A": "x", "B": "y", "C": "z"}, adopt=frozenset("ABC"))
    assert [str(error) for error in outcome.errors] == ["answered 500"]
    assert (outcome.done, set(outcome.failed)) == ((), {"A", "B", "C"})


def test_nothing_secret_is_in_what_is_shown_of_a_sync() -> None:
    platform, keeper = Memory({"A": "0ld-s3cret"}), Mortal()
    found = survey(platform, {"A": Secret("n3w-s3cret")}, keeper, adopt=frozenset({"A"}))
    outcome = carry_out(found, platform, keeper, lambda _result: None)
    assert_no_leak(repr((found, outcome, keeper.ledger)), ["0ld-s3cret", "n3w-s3cret", keeper.key().reveal()])


def tables(*, least: int = 0, most: int = 4) -> st.SearchStrategy[dict[str, str]]:
    return st.dictionaries(st.sampled_from("ABCD"), st.sampled_from(["1", "2", "3"]), min_size=least, max_size=most)


@settings(max_examples=300)
@given(
    theirs=tables(most=1),
    first=tables(most=2),
    second=tables(least=2),
    by_hand=tables(most=2),
    shows=st.booleans(),
    echoes=st.booleans(),
    prune=st.booleans(),
    dies_after=st.integers(0, 8),
)
def test_after_a_death_at_any_call_the_next_run_finishes_and_nothing_foreign_has_changed(
    theirs: dict[str, str],
    first: dict[str, str],
    second: dict[str, str],
    by_hand: dict[str, str],
    shows: bool,
    echoes: bool,
    prune: bool,
    dies_after: int,
) -> None:
    platform, keeper = Memory(theirs, shows=shows, echoes=echoes), Mortal()
    sync(platform, keeper, first)
    for name, value in by_hand.items():
        if name in keeper.ledger.entries:
            platform.put(name, value)
    platform.dies_after, platform.keeper = len(platform.calls) + dies_after, keeper
    with suppress(Died):
        sync(platform, keeper, second, prune=prune)
    platform.dies_after, keeper.dead = None, False

    last = sync(platform, keeper, second, prune=prune)
    again = sync(platform, keeper, second, prune=prune)

    assert not last.failed
    assert second.keys() - theirs.keys() <= keeper.ledger.entries.keys()
    assert again.done == ()
    assert {name: platform.values[name] for name in theirs} == theirs
    assert all(platform.values[name] == value for name, value in second.items() if name not in theirs)
    if prune:
        assert platform.values.keys() == theirs.keys() | second.keys()


@st.composite
def entries(draw: st.DrawFn) -> dict[str, Entry]:
    """What some ledger says of some names: true, outdated, or written by a sync that died in the middle."""
    keeper = Mortal()
    found = {}
    for name in draw(st.sets(st.sampled_from("ABCD"))):
        value = Secret(draw(st.sampled_from(["1", "2", "3"])))
        mark = draw(st.sampled_from(["", fingerprint(keeper.key(), PLACE, name, value)]))
        found[name] = Entry(
            id=draw(st.sampled_from(["", f"id-{name}", "id-other"])),
            fingerprint=mark,
            stamp=draw(st.sampled_from(["", "0", "1", "99"])),
            pending=draw(st.sampled_from(["", "create", "write"])),
        )
    return found


def owned(platform: Memory, keeper: Mortal) -> set[str]:
    """What is ciplug's of what is there."""
    held = {variable.name: variable for variable in platform.read()}
    target = Target(
        wanted={},
        held=held,
        ledger=keeper.ledger,
        fingerprint=lambda name, value: fingerprint(keeper.key(), PLACE, name, value),
    )
    return {name for name in held if owns(target, name)}


@settings(max_examples=400)
@given(
    state=tables(),
    misfits=st.sets(st.sampled_from("ABCD")),
    ledger=entries(),
    wanted=tables(),
    adopt=st.frozensets(st.sampled_from("ABCD")),
    shows=st.booleans(),
    echoes=st.booleans(),
    prune=st.booleans(),
    dies_after=st.integers(0, 12),
)
def test_from_any_state_and_any_ledger_a_sync_ends_where_it_should(
    state: dict[str, str],
    misfits: set[str],
    ledger: dict[str, Entry],
    wanted: dict[str, str],
    adopt: frozenset[str],
    shows: bool,
    echoes: bool,
    prune: bool,
    dies_after: int,
) -> None:
    platform, keeper = Memory(state, shows=shows, echoes=echoes), Mortal()
    platform.misfits = misfits & state.keys()
    keeper.ledger = Ledger(place=PLACE, entries=ledger)
    mine = owned(platform, keeper) | (adopt & wanted.keys())
    foreign = {name: value for name, value in state.items() if name not in mine}
    platform.calls.clear()

    platform.dies_after, platform.keeper = dies_after, keeper
    with suppress(Died):
        sync(platform, keeper, wanted, prune=prune, adopt=adopt)
    platform.dies_after, keeper.dead = None, False
    last = sync(platform, keeper, wanted, prune=prune, adopt=adopt)
    writes = platform.writes

    assert not last.failed
    # A write-only value that the ledger knows nothing true of can be wrong only if id, stamp and fingerprint all match.
    ours = {name: value for name, value in wanted.items() if name not in foreign}
    assert {name: platform.values[name] for name in foreign} == foreign
    if shows:
        assert {name: platform.values[name] for name in ours} == ours
    assert ours.keys() <= platform.values.keys()
    if prune:
        assert platform.values.keys() == foreign.keys() | ours.keys()
    assert not foreign.keys() & keeper.ledger.entries.keys()
    assert not [name for name in ours if keeper.ledger.entries[name].pending]
    sync(platform, keeper, wanted, prune=prune, adopt=adopt)
    assert platform.writes == writes


@settings(max_examples=200)
@given(state=tables(), wanted=tables(), adopt=st.frozensets(st.sampled_from("ABCD")), shows=st.booleans())
def test_without_a_ledger_nothing_is_lost_and_nothing_of_others_is_touched(
    state: dict[str, str], wanted: dict[str, str], adopt: frozenset[str], shows: bool
) -> None:
    platform, keeper = Memory(state, shows=shows), NoLedger("the role may not write it")
    sync(platform, keeper, wanted, prune=True, adopt=adopt)
    expected = state | {name: value for name, value in wanted.items() if name not in state or name in adopt}
    assert platform.values == expected
    changes = survey(platform, {name: Secret(value) for name, value in wanted.items()}, keeper, prune=True).changes
    as_it_is = {change.name for change in changes if change.kind == "keep"}
    assert as_it_is == ({name for name, value in wanted.items() if expected[name] == value} if shows else set())
