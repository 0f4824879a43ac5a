"""The contract of ``ciplug.contracts.Platform`` as one class of tests. What each name says is the rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol

import pytest

from ciplug.conformance.changing import ChangingRules
from ciplug.conformance.desk import Desk
from ciplug.conformance.failing import FailingRules
from ciplug.conformance.racing import RacingRules
from ciplug.conformance.redeploying import RedeployingRules
from ciplug.conformance.refusing import RefusingRules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ciplug.conformance.bench import Bench
    from ciplug.conformance.clock import Clock


class MakesBench(Protocol):
    """How a contract makes its benches: a class of benches that takes the clock is one."""

    def __call__(self, clock: Clock, /) -> Bench:
        """A new bench, whose stand-in and everybody else live by `clock`."""


class PlatformContract(ChangingRules, RefusingRules, FailingRules, RacingRules, RedeployingRules):
    """All rules for adapters; a subclass whose name begins with ``Test`` says on which `bench` they are tested.

    Every test has desks of its own, each with a new bench.
    """

    bench: ClassVar[MakesBench]

    @pytest.fixture
    def opened(self) -> Iterator[list[Desk]]:
        """Every desk of the test so far, the last one first; all are closed when it ends."""
        desks: list[Desk] = []
        yield desks
        for desk in desks:
            desk.__exit__(None, None, None)

    @pytest.fixture
    def open_desk(self, opened: list[Desk]) -> Callable[[], Desk]:
        """A function that returns another desk with each call, for a test that begins anew more than once."""

        def open_one() -> Desk:
            opened.insert(0, Desk(type(self).bench).__enter__())
            return opened[0]

        return open_one

    @pytest.fixture
    def desk(self, open_desk: Callable[[], Desk]) -> Desk:
        """The desk of a test that needs no second one."""
        return open_desk()
