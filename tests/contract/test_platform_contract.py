"""The contract suite itself: it passes what keeps the rules, and each broken rule fails the test that is about it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from ciplug.conformance import PlatformContract
from ciplug.conformance.rules import BrokenRuleError, numbers
from tests.fakes import broken_shelves
from tests.fakes.shelf import Shelf, ShelfBench

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
FILE = Path(broken_shelves.__file__).relative_to(ROOT)
BATCH = "test_a_batch_changes_exactly_what_it_names"
VALUE = "test_a_value_arrives_byte_for_byte_or_is_refused_beforehand"
READ = "test_reading_gives_every_variable_once_and_changes_nothing"
FAULT = "test_whichever_request_fails_the_next_run_finishes_and_nothing_foreign_is_touched"
UNREADABLE = "test_reading_what_cannot_be_read_is_an_error"
REDEPLOY = "test_a_redeploy_ends_ready_or_failed_and_changes_no_variable"
BROKEN = {
    "LosesAResult": (BATCH, "no result for"),
    "RepeatsAResult": (BATCH, "a second result"),
    "ReadsTooLittle": ("test_many_variables_are_all_there_and_all_read", "not read back|not there after"),
    "ReadsTwice": (READ, "a name is read twice"),
    "ReadsOtherValues": (READ, "is read with another value"),
    "OverwritesForeign": (BATCH, "foreign variables were changed|not the value that should be there"),
    "PutsBackWhatItHadRead": ("test_what_somebody_makes_meanwhile_stays", "not there: MADE_MEANWHILE"),
    "TakesAwayWhatItHasNotRead": (
        "test_what_somebody_makes_between_two_requests_stays",
        "changed or removed: MADE_MEANWHILE",
    ),
    "BelievesItsList": (
        "test_a_list_that_still_has_what_was_deleted_misleads_no_run_for_good",
        "A is said to be done, and is not",
    ),
    "DeletesElsewhere": ("test_what_is_gone_already_counts_as_deleted", "variables of another place were changed"),
    "SaysDone": (BATCH, "is said to be done, and is not"),
    "FindsGoneAProblem": ("test_what_is_gone_already_counts_as_deleted", "answered 404"),
    "StripsValues": (f"{VALUE}[blanks around]", "is said to be done, and is not"),
    "QuotesTheValue": (f"{FAULT}[500 until the end]", "a PlatformError shows a value"),
    "QuotesTheValueInAResult": (f"{FAULT}[500 until the end]", "a result shows a value"),
    "QuotesTheAnswer": (f"{FAULT}[400]", "a PlatformError shows a value"),
    "QuotesTheAnswerInItsCause": (UNREADABLE, "a PlatformError shows a value"),
    "GivesNoHint": (UNREADABLE, "an error has no hint"),
    "RaisesAnotherError": (UNREADABLE, "a UsageError is raised instead of a PlatformError"),
    "RaisesNoErrorOfOurs": ("test_an_answer_in_another_form_is_an_error", "KeyError|TypeError"),
    "ReadsAFailureAsEmpty": (UNREADABLE, "a reading that fails gives a result"),
    "TakesALostAnswerForARefusal": (f"{FAULT}[lost until the end]", "not the value that should be there: CREATED"),
    "TakesAnyAnswerForSuccess": (f"{FAULT}[400]", "is said to be done, and is not"),
    "TellsOneProblemAtATime": ("test_all_problems_come_at_once", "is refused only if it is alone"),
    "QuotesTheValueInAProblem": (f"{VALUE}[a NUL]", "a problem shows a value"),
    "FindsNoProblem": ("test_names_that_the_platform_keeps_are_refused", "'' is not refused"),
    "FindsProblemsByTrying": ("test_ordinary_names_and_values_are_not_refused", "by asking the platform"),
    "SeesAnotherStamp": ("test_a_second_run_finds_nothing_to_do", "other ids or stamps"),
    "HasNoStamps": ("test_a_second_run_finds_nothing_to_do", "a second run changes what the first one has left"),
    "MovesAbout": ("test_the_place_is_text_and_stays_the_same", "the place"),
    "ShowsItsToken": (READ, "the repr of the adapter shows"),
    "RedeploysForEver": (REDEPLOY, "a redeploy ends neither ready nor failed"),
    "RedeploysWithChanges": (REDEPLOY, "there, but should not be: DEPLOYED"),
    "RedeploysInAStateOfItsOwn": (REDEPLOY, "a state that there is not"),
    "TellsARedeployTwice": (REDEPLOY, "tells twice how it stands"),
    "IsReadyWhateverItIsTold": (
        "test_a_deployment_that_does_not_become_ready_is_not_said_to_be",
        "that has not become ready is said to be",
    ),
    "IsReadyUnheard": (
        "test_a_redeploy_that_meets_a_fault_is_an_error_and_changes_no_variable[500]",
        "said to be ready, though its requests fail",
    ),
    "RedeploysOnlyToRaise": ("test_a_target_has_redeploys_or_has_no_such_method", "the adapter True"),
}


class TestWhatKeepsTheRules(PlatformContract):
    bench = ShelfBench


@pytest.fixture(scope="module")
def failures(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """What pytest says of each broken adapter's one test, by the adapter's name; of many cases, all of it."""
    report = tmp_path_factory.mktemp("broken") / "report.xml"
    wanted = [f"{FILE}::Test{name}::{test}" for name, (test, _) in BROKEN.items()]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junit-xml={report}", *wanted]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    found: dict[str, str] = {}
    for case in ET.parse(report).iter("testcase"):
        name = case.attrib["classname"].rpartition(".")[2].removeprefix("Test")
        found[name] = found.get(name, "") + "".join(each.text or "" for each in case.iter("failure"))
    return found


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_found_and_named(failures: Mapping[str, str], name: str) -> None:
    words = BROKEN[name][1].split("|")
    assert any(each in failures[name] for each in words), failures[name][-2000:] or "it has passed"


def test_every_broken_adapter_is_put_through_it() -> None:
    assert {each.__name__ for each in Shelf.__subclasses__()} == BROKEN.keys()


def test_a_contract_of_which_nobody_has_said_the_bench_has_none() -> None:
    with pytest.raises(AttributeError, match="bench"):
        _ = PlatformContract.bench


def test_a_run_that_does_not_come_to_an_end_is_a_broken_rule() -> None:
    with pytest.raises(BrokenRuleError, match="more and more requests"):
        list(numbers("requests"))
