"""Reading, and changing exactly what was asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ciplug.conformance.rules import require
from ciplug.values import Batch, Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.conformance.desk import Desk

OLD: Final = "0ld-value-4c7a91be"
NEW: Final = "n3w-value-d20f66a8"
THEIRS: Final = "th3ir-value-83b1e5d9"
MANY: Final = 120
"""More than a page of a list, and than a rate limit's writes in a minute, usually have."""


class ChangingRules:
    """The rules for ``place``, ``read``, ``read_value`` and ``apply`` where nothing goes wrong."""

    def test_reading_gives_every_variable_once_and_changes_nothing(self, desk: Desk) -> None:
        """Values that are given are the right ones; what a person has not made is reserved."""
        desk.put("BY_HAND", THEIRS)
        platform = desk.platform()
        seen = list(platform.read())
        desk.shown.objects("variables", seen)
        names = [each.name for each in seen]
        require(len(names) == len(set(names)), "a name is read twice")
        require(desk.foreign.keys() <= set(names), f"not read: {', '.join(sorted(desk.foreign.keys() - set(names)))}")
        for each in seen:
            value = platform.read_value(each) if each.readable and each.value is None else each.value
            stored = desk.foreign.get(each.name)
            require(stored is not None or each.reserved, f"{each.name} is read, is not there, and is not reserved")
            require(
                stored is None or value is None or value == Secret(stored), f"{each.name} is read with another value"
            )
        desk.expect({})

    def test_the_place_is_text_and_stays_the_same(self, desk: Desk) -> None:
        """It is the same for another adapter of the same target, and after writes."""
        platform = desk.platform()
        place = platform.place
        require(place.strip(), "the place is empty")
        desk.apply(platform, platform.read(), {"NEW": NEW})
        require(platform.place == place, "the place has changed with a write")
        require(desk.platform().place == place, "the place is another one for another object")
        desk.shown.text("the place", place)

    def test_a_batch_changes_exactly_what_it_names(self, desk: Desk) -> None:
        """Created, changed, replaced and deleted at once; one of the names begins with another."""
        made = {"CHANGED": OLD, "REPLACED": OLD, "DELETED": OLD, "DELETED_NOT": OLD}
        desk.put("BY_HAND", THEIRS)
        platform = desk.platform()
        desk.apply(platform, platform.read(), made)
        desk.expect(made)
        platform = desk.platform()
        writes = {"CHANGED": NEW, "CHANGED_NOT_BUT_MADE": f"{NEW}-and-more", "REPLACED": NEW}
        desk.apply(platform, platform.read(), writes, replaced={"REPLACED"}, deletes={"DELETED"})
        desk.expect({**writes, "DELETED_NOT": OLD})

    def test_each_kind_of_change_may_come_alone(self, desk: Desk) -> None:
        """A batch may have only a create, only a change, only a replacement or only a delete."""
        for writes, replaced, deletes in (
            ({"A": OLD}, set[str](), set[str]()),
            ({"A": NEW}, set[str](), set[str]()),
            ({"A": OLD}, {"A"}, set[str]()),
            ({}, set[str](), {"A"}),
        ):
            platform = desk.platform()
            desk.apply(platform, platform.read(), writes, replaced=replaced, deletes=deletes)
            desk.expect(writes)

    def test_one_object_carries_out_one_batch_after_the_other(self, desk: Desk) -> None:
        """``read`` and ``apply`` may be called more than once, and do not go by what they found the first time."""
        platform = desk.platform()
        for wanted in ({"A": OLD, "B": OLD}, {"A": NEW, "B": OLD}):
            desk.apply(platform, platform.read(), wanted)
            desk.expect(wanted)
        desk.apply(platform, platform.read(), {}, deletes={"A", "B"})
        desk.expect({})

    def test_what_is_gone_already_counts_as_deleted(self, desk: Desk) -> None:
        """Deleting two variables of which one is gone succeeds, and so does deleting the only one."""
        for names in (("A", "B"), ("A",)):
            made = dict.fromkeys(names, OLD)
            platform = desk.platform()
            desk.apply(platform, platform.read(), made)
            held = tuple(desk.platform().read())
            other = desk.platform()
            desk.apply(other, other.read(), {}, deletes={"A"})
            late = desk.platform()
            late.read()
            desk.apply(late, held, {}, deletes=set(names))
            desk.expect({})

    def test_a_batch_applied_twice_leaves_what_it_has_left_once(self, desk: Desk) -> None:
        """The second time is what a run does after an answer that was lost."""
        for _ in range(2):
            platform = desk.platform()
            desk.apply(platform, platform.read(), {"A": NEW, "B": OLD})
            desk.expect({"A": NEW, "B": OLD})

    def test_an_empty_batch_has_no_results_and_changes_nothing(self, desk: Desk) -> None:
        """``apply`` has to accept it all the same."""
        desk.put("BY_HAND", THEIRS)
        platform = desk.platform()
        results = list(platform.apply(Batch(held=tuple(platform.read()), writes={})))
        require(not results, "an empty batch has results")
        desk.expect({})

    def test_a_second_run_finds_nothing_to_do(self, desk: Desk) -> None:
        """Id, value and stamp that it reads are those that ``seen`` or the reading after the write has given."""
        wanted = {"A": OLD, "B": f"{OLD}-b"}
        desk.synced(wanted)
        ledger = desk.keeper.ledger
        outcome = desk.synced(wanted)
        changes = ", ".join(f"{change.name}: {change.kind}, {change.reason}" for change in outcome.done)
        require(not outcome.done, f"a second run changes what the first one has left: {changes}")
        require(desk.keeper.ledger == ledger, "a second run finds other ids or stamps than the first one has left")

    def test_a_run_brings_new_changes_old_and_takes_away_what_is_no_longer_wanted(self, desk: Desk) -> None:
        """Each run creates, changes and deletes owned variables, and the one by hand stays."""
        desk.put("BY_HAND", THEIRS)
        for wanted in ({"A": OLD, "B": OLD}, {"A": NEW, "C": NEW}, {"C": NEW}, {}):
            desk.synced(wanted)

    def test_what_ciplug_did_not_make_is_left_alone(self, desk: Desk) -> None:
        """A wanted name that exists already is skipped, and the others are written."""
        desk.put("BY_HAND", THEIRS)
        outcome = desk.sync({"BY_HAND": NEW, "A": NEW})
        require([change.name for change in outcome.done] == ["A"], "another than the one free name was changed")
        desk.expect({"A": NEW, "BY_HAND": THEIRS})

    def test_what_was_changed_by_hand_is_repaired(self, desk: Desk) -> None:
        """The change is found by the value or, where that cannot be read, by the stamp."""
        desk.synced({"A": OLD, "B": OLD})
        desk.put("A", THEIRS, ours=True)
        desk.synced({"A": OLD, "B": OLD})

    def test_what_was_removed_comes_back(self, desk: Desk) -> None:
        """A run creates it again, although the ledger has the id of the old one."""
        desk.synced({"A": OLD, "B": OLD})
        platform = desk.platform()
        desk.apply(platform, platform.read(), {}, deletes={"A"})
        desk.synced({"A": OLD, "B": OLD})

    def test_what_is_adopted_becomes_ours_at_this_place_alone(self, desk: Desk) -> None:
        """One that is shared with other places, or of another type, is replaced; the other places keep theirs."""
        desk.put("BY_HAND", THEIRS)
        wanted = dict.fromkeys(["BY_HAND", *desk.bench.misfits], NEW)
        desk.synced(wanted, adopt=wanted)
        for name in wanted:
            del desk.foreign[name]
        desk.synced(wanted)
        desk.synced({})

    def test_many_variables_are_all_there_and_all_read(self, desk: Desk) -> None:
        """Whatever pages, parts and rate limits the platform has."""
        wanted: Mapping[str, str] = {f"MANY_{number:03}": f"{OLD}-{number:03}" for number in range(MANY)}
        desk.synced(wanted)
        desk.synced({"MANY_000": NEW})
