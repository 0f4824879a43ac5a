"""Redeploys, of targets that have them."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import pytest

from ciplug.conformance.desk import BODY_SECRET
from ciplug.conformance.faults import Fault
from ciplug.conformance.rules import numbers, require
from ciplug.contracts import Redeploys
from ciplug.errors import CiplugError
from ciplug.values import Deployment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ciplug.conformance.desk import Desk
    from ciplug.conformance.faults import Answers, Asked
    from ciplug.values import Reply

OURS: Final = "0ur-value-31c5ae08"
BODY: Final = f'{{"message": "{OURS} {BODY_SECRET}"}}'.encode()
FAULTS: Final[Mapping[str, Fault]] = {
    "500": Fault(kind="answer", status=500, body=BODY, lasting=True),
    "404": Fault(kind="answer", status=404, body=BODY, lasting=True),
    "another form": Fault(kind="answer", status=200, body=BODY, lasting=True),
    "lost": Fault(kind="lose", lasting=True),
}
STATES: Final = frozenset({"waiting", "building", "ready", "failed"})
WORDS: Final = ("ERROR", "FAILED", "build_failed", "a_word_of_tomorrow")
"""How platforms say that a deployment has failed, and what none of them says today."""


class RedeployingRules:
    """The rules for ``redeploy``."""

    def test_a_target_has_redeploys_or_has_no_such_method(self, desk: Desk) -> None:
        """A method that would only raise is worse than none."""
        has = isinstance(desk.platform(), Redeploys)
        require(has == desk.bench.redeploys, f"the bench says redeploys = {desk.bench.redeploys}, the adapter {has}")

    def test_a_redeploy_ends_ready_or_failed_and_changes_no_variable(self, desk: Desk) -> None:
        """Until then it tells each change once."""
        desk.synced({"A": OURS})
        told = list(_redeployed(desk))
        if desk.bench.redeploys:
            require(told, "a redeploy tells nothing")
            ends = [each.state in {"ready", "failed"} for each in told]
            require(ends[-1], "a redeploy ends neither ready nor failed")
            require(not any(ends[:-1]), "a redeploy goes on after its end")
            require(all(one != other for one, other in pairwise(told)), "a redeploy tells twice how it stands")
        desk.expect({"A": OURS})

    @pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
    def test_a_redeploy_that_meets_a_fault_is_an_error_and_changes_no_variable(
        self, open_desk: Callable[[], Desk], fault: Fault
    ) -> None:
        """At each of its requests; nor is it ready, as no answer can have said so."""
        for number in numbers("requests"):
            desk = open_desk()
            desk.synced({"A": OURS})
            with desk.line.broken(replace(fault, at=number)) as is_met:
                told = _attempted(desk)
                met = is_met()
            desk.expect({"A": OURS})
            if not met:
                break
            require(not _is_ready(told), "a redeploy is said to be ready, though its requests fail")

    @pytest.mark.parametrize("word", WORDS)
    def test_a_deployment_that_does_not_become_ready_is_not_said_to_be(
        self, open_desk: Callable[[], Desk], word: str
    ) -> None:
        """Where the platform's answers said that it is, they say `word` instead."""
        told = list(_redeployed(open_desk()))
        if _is_ready(told) and told[-1].detail:
            instead = _Instead(told[-1].detail, word)
            ended = _attempted(open_desk(), instead)
            is_false = instead.is_said and _is_ready(ended)
            require(not is_false, "a deployment that has not become ready is said to be")


class _Instead:
    """Replies in which every text that is `old` is `new`."""

    def __init__(self, old: str, new: str) -> None:
        self._old = old
        self._new = new
        self.is_said = False

    def __call__(self, _asked: Asked, carry_out: Callable[[], Reply]) -> Reply:
        """The reply to a request that is carried out, with `new` for `old`."""
        reply = carry_out()
        return replace(reply, document=self._replaced(reply.document))

    def _replaced(self, document: Any) -> Any:
        if isinstance(document, dict):
            return {name: self._replaced(value) for name, value in document.items()}
        if isinstance(document, list):
            return [self._replaced(value) for value in document]
        if document != self._old:
            return document
        self.is_said = True
        return self._new


def _is_ready(told: Sequence[Deployment]) -> bool:
    return bool(told) and told[-1].state == "ready"


def _redeployed(desk: Desk, answers: Answers | None = None) -> Iterator[Deployment]:
    """All that a redeploy tells, none where there is no such method.

    With `answers`, it has the replies to all that is asked after the first deployment was told.
    """
    platform = desk.platform()
    if not isinstance(platform, Redeploys):
        return
    with ExitStack() as stack:
        for number, each in enumerate(platform.redeploy()):
            desk.shown.objects("a deployment", [each])
            require(isinstance(each, Deployment), "a redeploy tells what is no Deployment")
            require(each.state in STATES, "a redeploy tells of a state that there is not")
            if answers is not None and not number:
                stack.enter_context(desk.line.answered(answers))
            yield each


def _attempted(desk: Desk, answers: Answers | None = None) -> Sequence[Deployment]:
    """The same of a redeploy that may end as an error."""
    told: list[Deployment] = []
    try:
        told.extend(_redeployed(desk, answers))
    except CiplugError as error:
        desk.refusal(error)
    return told
