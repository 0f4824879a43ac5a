"""People who change the target while a run is at work, and a platform whose lists are behind."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import pytest

from ciplug.conformance.rules import numbers, require
from ciplug.values import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ciplug.conformance.desk import Desk
    from ciplug.conformance.faults import Asked
    from ciplug.values import Reply

OLD: Final = "0ld-value-9be2670d"
NEW: Final = "n3w-value-51f8c3aa"
THEIRS: Final = "th3ir-value-e60d94b7"


class RacingRules:
    """The rules for what happens between a look and a write."""

    def test_what_somebody_makes_meanwhile_stays(self, desk: Desk) -> None:
        """After a survey, and before what it leads to is carried out."""
        desk.put("BY_HAND", OLD)
        desk.synced({"A": OLD, "B": OLD})
        outcome = desk.sync({"A": NEW}, meanwhile=lambda: _by_hand(desk))
        require(not outcome.errors and not outcome.failed, "somebody else's variables are in the way of ours")
        desk.expect({"A": NEW})

    def test_what_somebody_makes_between_two_requests_stays(self, open_desk: Callable[[], Desk]) -> None:
        """Before each request of a run in turn. It may be lost only between a look and the request right after it, for
        platforms that take nothing but whole sets.
        """
        wanted = {"KEPT": OLD, "CHANGED": NEW, "CREATED": NEW}
        for number in numbers("requests"):
            desk = open_desk()
            desk.put("BY_HAND", OLD)
            desk.synced({"KEPT": OLD, "CHANGED": OLD, "DELETED": OLD})
            moment = _Moment(number, partial(_by_hand, desk), looks=frozenset(_replies(desk)))
            with desk.line.answered(moment):
                is_done = desk.attempt(wanted)
            if moment.follows_a_look:
                _forget_what_is_lost(desk)
            desk.expect_others_untouched()
            if is_done:
                desk.expect(wanted)
            desk.synced(wanted)
            if not moment.is_over:
                break

    @pytest.mark.parametrize("wanted", [{"A": NEW, "B": OLD}, {"B": NEW}], ids=["changed", "deleted again"])
    def test_a_list_that_still_has_what_was_deleted_misleads_no_run_for_good(
        self, desk: Desk, wanted: Mapping[str, str]
    ) -> None:
        """Deletes are not everywhere at once: a run may still read what is gone, and change it or delete it again."""
        desk.synced({"A": OLD, "B": OLD})
        with _behind(desk):
            platform = desk.platform()
            desk.apply(platform, platform.read(), {}, deletes={"A"})
            is_done = desk.attempt(wanted)
        desk.expect_others_untouched()
        if is_done:
            desk.expect(wanted)
        desk.synced(wanted)


class _Moment:
    """Calls `act` right before request `number`; `looks` are the requests that only read."""

    def __init__(self, number: int, act: Callable[[], None], *, looks: frozenset[Asked]) -> None:
        self._left = number
        self._act = act
        self._looks = looks
        self._last: Asked | None = None
        self.follows_a_look = False

    @property
    def is_over(self) -> bool:
        """Whether there was such a request."""
        return self._left <= 0

    def __call__(self, asked: Asked, carry_out: Callable[[], Reply]) -> Reply:
        """The request's own reply."""
        self._left -= 1
        if self._left == 0:
            self.follows_a_look = self._last in self._looks
            self._act()
        self._last = asked
        return carry_out()


def _by_hand(desk: Desk) -> None:
    desk.put("MADE_MEANWHILE", THEIRS)
    desk.put("BY_HAND", THEIRS)


def _forget_what_is_lost(desk: Desk) -> None:
    """Expect from now on what is there of `_by_hand`'s changes, all of it or nothing."""
    there = desk.bench.stored()
    if "MADE_MEANWHILE" not in there and Secret(there["BY_HAND"]) == Secret(OLD):
        del desk.foreign["MADE_MEANWHILE"]
        desk.foreign["BY_HAND"] = OLD


def _replies(desk: Desk) -> Mapping[Asked, Reply]:
    """What reading the target asks, with the replies as they are now."""
    found: dict[Asked, Reply] = {}

    def keep(asked: Asked, carry_out: Callable[[], Reply]) -> Reply:
        return found.setdefault(asked, carry_out())

    with desk.line.answered(keep):
        desk.platform().read()
    return found


@contextmanager
def _behind(desk: Desk) -> Iterator[None]:
    """For the length of the block, reading the target gives what was there before it."""
    before = _replies(desk)
    with desk.line.answered(lambda asked, carry_out: before[asked] if asked in before else carry_out()):
        yield
