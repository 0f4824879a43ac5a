"""What goes wrong: an error of the one kind, silent about values, and a next run that finishes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest

from ciplug.conformance.desk import BODY_SECRET
from ciplug.conformance.faults import Fault
from ciplug.conformance.rules import numbers, require
from ciplug.errors import CiplugError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ciplug.conformance.desk import Desk
    from ciplug.values import Result

    OpenDesk = Callable[[], Desk]

KEPT: Final = "k3pt-value-59d1c0aa"
BEFORE: Final = "b3fore-value-c1e8f27d"
AFTER: Final = "aft3r-value-06ab94e3"
THEIRS: Final = "th3ir-value-f4d7725c"

FAULTS: Final = {
    "lost once": Fault(kind="lose"),
    "cut short once": Fault(kind="cut"),
    "500 once": Fault(kind="answer", status=500),
    "503 once": Fault(kind="answer", status=503),
    "lost until the end": Fault(kind="lose", lasting=True),
    "cut short until the end": Fault(kind="cut", lasting=True),
    "500 until the end": Fault(kind="answer", status=500, lasting=True),
    "429 until the end": Fault(kind="answer", status=429, lasting=True),
    **{f"{status}": Fault(kind="answer", status=status, lasting=True) for status in (400, 401, 403, 409, 422)},
}
ANSWERS: Final[Mapping[str, bytes]] = {
    "another object": json.dumps({"surprise": BODY_SECRET}).encode(),
    "a list of text": json.dumps([BODY_SECRET]).encode(),
    "a list of lists": json.dumps([[BODY_SECRET]]).encode(),
    "text": json.dumps(BODY_SECRET).encode(),
    "a number": b"7",
    "null": b"null",
    "nothing": b"",
    "a page": f"<!doctype html><title>{BODY_SECRET}</title>".encode(),
    "no UTF-8": b'{"\xff": 1}',
}


class DiedError(BaseException):
    """Ends a run between two results, where a signal would."""


class FailingRules:
    """The rules for requests that fail, or of which nobody knows whether they were carried out."""

    @pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
    def test_whichever_request_fails_the_next_run_finishes_and_nothing_foreign_is_touched(
        self, open_desk: OpenDesk, fault: Fault
    ) -> None:
        """Each request in turn, of a run that creates, changes, replaces and deletes."""
        for number in numbers("requests"):
            desk = _begun(open_desk())
            if not _failed_and_finished(desk, fault, number, deletes=True):
                break

    def test_what_is_not_found_is_an_error_where_something_is_written(self, open_desk: OpenDesk) -> None:
        """A delete alone may take a 404 for success."""
        for number in numbers("requests"):
            desk = _begun(open_desk())
            fault = Fault(kind="answer", status=404, lasting=True)
            if not _failed_and_finished(desk, fault, number, deletes=False):
                break

    @pytest.mark.parametrize("status", [401, 403, 404, 500])
    def test_reading_what_cannot_be_read_is_an_error(self, desk: Desk, status: int) -> None:
        """An empty target instead would have everything created there."""
        self._refused(desk, Fault(kind="answer", status=status, body=_quoting(), lasting=True))

    @pytest.mark.parametrize("body", ANSWERS.values(), ids=ANSWERS)
    def test_an_answer_in_another_form_is_an_error(self, desk: Desk, body: bytes) -> None:
        """The status is 200, and the body a proxy's page or JSON that the platform never sends."""
        self._refused(desk, Fault(kind="answer", status=200, body=body, lasting=True))

    def test_a_token_that_is_not_valid_is_an_error_that_does_not_show_it(self, desk: Desk) -> None:
        """Reading with it raises a ``PlatformError``."""
        wrong = "a-wr0ng-token-e5a90d13"
        desk.shown.hide(wrong)
        self._raises(desk, lambda: desk.platform(wrong).read())

    def test_an_end_between_two_results_is_finished_by_the_next_run(self, open_desk: OpenDesk) -> None:
        """Each result in turn is the last one before a signal ends the run."""
        for number in numbers("results"):
            desk = _begun(open_desk())
            if not _died(desk, number):
                break
            desk.expect_others_untouched(desk.bench.misfits)
            desk.synced(_wanted(desk), adopt=desk.bench.misfits)

    def _refused(self, desk: Desk, fault: Fault) -> None:
        platform = desk.platform()
        desk.put("BY_HAND", THEIRS)
        with desk.line.broken(fault):
            self._raises(desk, lambda: desk.platform().read())
        desk.expect({})
        platform.read()

    def _raises(self, desk: Desk, call: Callable[[], object]) -> None:
        try:
            call()
        except CiplugError as error:
            desk.refusal(error)
        else:
            require(condition=False, rule="a reading that fails gives a result")


def _begun(desk: Desk) -> Desk:
    """`desk` after a first run, with one foreign variable made by hand."""
    desk.put("BY_HAND", THEIRS)
    desk.synced({"KEPT": KEPT, "CHANGED": BEFORE, "DELETED": BEFORE, "DELETED_TOO": BEFORE})
    return desk


def _wanted(desk: Desk, *, deletes: bool = True) -> dict[str, str]:
    wanted = {"KEPT": KEPT, "CHANGED": AFTER, "CREATED": AFTER}
    rest = dict.fromkeys(desk.bench.misfits, AFTER) if deletes else dict.fromkeys(["DELETED", "DELETED_TOO"], BEFORE)
    return wanted | rest


def _failed_and_finished(desk: Desk, fault: Fault, number: int, *, deletes: bool) -> bool:
    """Whether a run has had a request `number`, which fails; a second one without fault finishes."""
    wanted, adopt = _wanted(desk, deletes=deletes), desk.bench.misfits if deletes else ()
    nth = Fault(kind=fault.kind, status=fault.status, body=_quoting(), at=number, lasting=fault.lasting)
    with desk.line.broken(nth) as is_met:
        is_done = desk.attempt(wanted, adopt=adopt)
        met = is_met()
    desk.expect_others_untouched(adopt)
    if is_done:
        desk.expect(wanted)
    desk.synced(wanted, adopt=adopt)
    # What ciplug has forgotten that it made would now be left alone.
    desk.synced({**wanted, "CREATED": KEPT})
    return met


def _died(desk: Desk, number: int) -> bool:
    """Whether a run has had a result `number`, with which it ends."""
    left = number

    def tell(_result: Result) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise DiedError

    try:
        desk.sync(_wanted(desk), adopt=desk.bench.misfits, tell=tell)
    except DiedError:
        return True
    return False


def _quoting() -> bytes:
    """The body of an error that says too much, in the forms that errors have."""
    error = {"message": f"{BODY_SECRET} {AFTER}", "code": f"{BODY_SECRET} {AFTER}"}
    return json.dumps({**error, "error": error, "errors": [error], "id": BODY_SECRET}).encode()
