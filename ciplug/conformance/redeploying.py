"""Redeploys, of targets that have them."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Final

from ciplug.conformance.faults import Fault
from ciplug.conformance.rules import require
from ciplug.contracts import Redeploys
from ciplug.errors import CiplugError
from ciplug.values import Deployment

if TYPE_CHECKING:
    from collections.abc import Callable

    from ciplug.conformance.desk import Desk

_OURS: Final = "0ur-value-31c5ae08"
_MOST_REQUESTS: Final = 200


class RedeployingRules:
    """The rules for ``redeploy``."""

    def test_a_target_has_redeploys_or_has_no_such_method(self, desk: Desk) -> None:
        """One that would only raise is none."""
        has = isinstance(desk.platform(), Redeploys)
        require(has == desk.bench.redeploys, f"the bench says redeploys = {desk.bench.redeploys}, the adapter {has}")

    def test_a_redeploy_ends_ready_or_failed_and_changes_no_variable(self, desk: Desk) -> None:
        """And tells how it goes until then."""
        desk.synced({"A": _OURS})
        platform = desk.platform()
        if isinstance(platform, Redeploys):
            told = list(platform.redeploy())
            desk.shown.objects("deployments", told)
            require(told and all(isinstance(each, Deployment) for each in told), "a redeploy tells nothing")
            ends = [each.state in {"ready", "failed"} for each in told]
            require(ends[-1], "a redeploy ends neither ready nor failed")
            require(not any(ends[:-1]), "a redeploy goes on after its end")
        desk.expect({"A": _OURS})

    def test_a_redeploy_that_meets_a_fault_is_an_error_and_changes_no_variable(
        self, open_desk: Callable[[], Desk]
    ) -> None:
        """With each of its requests."""
        for number in count(1):
            desk = open_desk()
            desk.synced({"A": _OURS})
            fault = Fault(kind="answer", body=b'{"message": "0ur-value-31c5ae08"}', at=number, lasting=True)
            with desk.line.broken(fault) as is_met:
                _run(desk)
                met = is_met()
            desk.expect({"A": _OURS})
            if not met:
                break
            require(number < _MOST_REQUESTS, "a redeploy makes more and more requests")


def _run(desk: Desk) -> None:
    platform = desk.platform()
    try:
        told = list(platform.redeploy()) if isinstance(platform, Redeploys) else []
    except CiplugError as error:
        desk.refusal(error)
    else:
        desk.shown.objects("deployments", told)
