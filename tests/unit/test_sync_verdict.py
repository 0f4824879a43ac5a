"""How a sync ends: as one error that names every variable that is not as it is to be, or as none."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from ciplug.errors import DeniedError, FindingsError, PlatformError, SyncError
from ciplug.sync.ledger import Ledger
from ciplug.sync.plan import Change, Target
from ciplug.sync.results import Outcome, Survey
from ciplug.sync.status import TargetStatus
from ciplug.sync.verdict import findings, unfit, unplanned, verdict
from ciplug.values import Deployment

if TYPE_CHECKING:
    from ciplug.errors import CiplugError

MADE = Change(kind="create", name="MADE", reason="not there")
KEPT = Change(kind="keep", name="KEPT", reason="as it is to be")
THEIRS = Change(kind="foreign", name="THEIRS", reason="it exists", needs="--adopt THEIRS")
TO_PRUNE = Change(kind="delete", name="OLD", reason="no longer in the manifest", needs="--prune")
DOWN = PlatformError("it is down", hint="run it again later")


def shown(*changes: Change, name: str = "web", problems: tuple[str, ...] = (), **known: Any) -> TargetStatus:
    target = Target(wanted={}, held={}, ledger=Ledger(), fingerprint=lambda _name, _value: "")
    survey = Survey(target=target, changes=changes, problems=problems, before=Ledger())
    return TargetStatus(target=name, platform="vercel", environment="prod", survey=survey, **known)


def lost(name: str = "web", error: CiplugError = DOWN) -> TargetStatus:
    """A target that could not be looked at."""
    return TargetStatus(target=name, platform="vercel", environment="prod", errors=(error,))


def partly(done: tuple[Change, ...] = (), *errors: CiplugError, **failed: str) -> dict[str, Any]:
    return {"outcome": Outcome(done=done, failed=MappingProxyType(failed), errors=errors), "errors": errors}


def test_what_is_done_is_no_error() -> None:
    assert verdict([shown(KEPT), shown(MADE, outcome=Outcome(done=(MADE,)))]) is None
    assert findings([shown(KEPT)]) is None
    assert unfit([shown(MADE)]) is None


def test_all_problems_of_all_targets_are_one_error() -> None:
    found = unfit([shown(MADE, problems=("A: no", "B: no")), shown(MADE, name="api", problems=("A: no",)), lost()])
    assert str(found) == "web: A: no\nweb: B: no\napi: A: no"
    assert isinstance(found, SyncError)


@pytest.mark.parametrize("change", [MADE, THEIRS, TO_PRUNE])
def test_any_difference_is_a_finding(change: Change) -> None:
    found = findings([shown(KEPT), shown(change, name="api")])
    assert isinstance(found, FindingsError)
    assert str(found).endswith(": api")


def test_a_look_that_failed_is_no_finding() -> None:
    assert unplanned([lost()]) is DOWN
    assert unplanned([shown(MADE)]) is None
    assert unplanned([lost(), shown(MADE, name="api")]) is DOWN


@pytest.mark.parametrize("error", [DOWN, DeniedError("no right")])
def test_of_one_target_of_which_nothing_was_done_it_is_the_error_itself(error: CiplugError) -> None:
    assert verdict([lost(error=error)]) is error
    assert verdict([shown(MADE, errors=(error,), outcome=Outcome())]) is error


def test_with_others_beside_it_it_is_named_by_its_target() -> None:
    found = verdict([lost("api"), shown(KEPT)])
    assert isinstance(found, PlatformError)
    assert (str(found), found.hint) == ("api: it is down", "run it again later")
    both = verdict([lost("api"), lost("web", DeniedError("no right"))])
    assert isinstance(both, SyncError)
    assert str(both) == "api: it is down\nweb: no right"
    done = shown(MADE, outcome=Outcome(done=(MADE,)))
    assert isinstance(verdict([lost("api"), done]), SyncError)


NOTHING_TO_DO = {"outcome": Outcome()}
DENIED = DeniedError("no right")
SKIPPED = partly((), MADE="refused (INVALID_VALUE)")

STATUSES: dict[str, tuple[list[TargetStatus], int]] = {
    "one, not to be looked at": ([lost()], 9),
    "one, before its first write": ([shown(MADE, errors=(DOWN,))], 9),
    "one, at its first write": ([shown(MADE, **partly((), DOWN, MADE="no answer has said that it was done"))], 10),
    "one, refused by name": ([shown(MADE, **SKIPPED)], 10),
    "one, the vault's": ([lost(error=DENIED)], 6),
    "one, a plan that is old": ([shown(MADE, errors=(SyncError("there was a change"),))], 10),
    "three, none to be looked at": ([lost("a"), lost("b"), lost("c")], 9),
    "three, two of them with nothing to do": ([lost("a"), shown(KEPT, **NOTHING_TO_DO), shown(**NOTHING_TO_DO)], 9),
    "three, one of them written to": ([lost("a"), shown(MADE, outcome=Outcome(done=(MADE,))), lost("c")], 10),
    "three, one of them asked in vain": ([lost("a"), lost("b"), shown(MADE, **SKIPPED)], 10),
    "three, of two kinds": ([lost("a"), lost("b", DENIED), lost("c")], 10),
    "three, one of them with foreign ones": ([lost("a"), lost("b"), shown(THEIRS, **NOTHING_TO_DO)], 10),
}


@pytest.mark.parametrize(("statuses", "status"), STATUSES.values(), ids=STATUSES)
def test_the_status_is_the_platform_s_only_where_nothing_was_written_and_nothing_else_is_wrong(
    statuses: list[TargetStatus], status: int
) -> None:
    found = verdict(statuses)
    assert found is not None
    assert found.exit_code == status


def test_with_a_redeploy_that_failed_it_is_incomplete() -> None:
    failed = shown(MADE, outcome=Outcome(done=(MADE,))).deployed(Deployment(state="failed"))
    found = verdict([failed.with_error(DOWN)])
    assert found is not None
    assert (found.exit_code, str(found).splitlines()[-1]) == (10, "web: it is down")


@pytest.mark.parametrize(
    "reason",
    [
        "it was written, and not read back",
        "it is refused (INVALID_VALUE)",
        "no answer has said that it was done",
    ],
)
def test_what_was_written_without_being_confirmed_is_named(reason: str) -> None:
    found = verdict([shown(MADE, **partly((), DOWN, MADE=reason))])
    assert isinstance(found, SyncError)
    assert str(found) == f"web: MADE: {reason}\nweb: it is down"


def test_what_was_done_in_part_names_the_rest() -> None:
    found = verdict([shown(MADE, KEPT, **partly((KEPT,), DOWN, MADE="no answer has said that it was done"))])
    assert isinstance(found, SyncError)
    assert str(found).splitlines()[0] == "web: MADE: no answer has said that it was done"


def test_what_is_foreign_is_named_with_the_option_that_takes_it_over() -> None:
    found = verdict([shown(THEIRS, MADE, outcome=Outcome(done=(MADE,)))])
    assert str(found) == "web: THEIRS: it exists"
    assert found is not None
    assert found.exit_code == 10
    assert "with --adopt THEIRS, or leave it out" in found.hint


def test_what_only_prune_would_delete_is_no_failure() -> None:
    assert verdict([shown(TO_PRUNE, outcome=Outcome())]) is None


def test_what_is_reserved_has_no_option_to_name() -> None:
    reserved = Change(kind="foreign", name="THEIRS", reason="an integration manages it")
    found = verdict([shown(reserved, outcome=Outcome())])
    assert found is not None
    assert "--adopt" not in found.hint


@pytest.mark.parametrize(
    ("deployment", "words"),
    [
        (Deployment(state="failed", detail="ERROR", address="https://x"), "is failed (ERROR): https://x"),
        (Deployment(state="failed"), "is failed (no reason given)"),
        (Deployment(state="building", detail="BUILDING"), "is building (BUILDING)"),
    ],
)
def test_a_deployment_that_is_not_ready_is_an_error_with_its_address(deployment: Deployment, words: str) -> None:
    done = shown(MADE, outcome=Outcome(done=(MADE,))).deployed(deployment)
    assert str(verdict([done])) == f"web: the new deployment {words}"


def test_a_deployment_that_is_ready_or_none_is_no_error() -> None:
    done = shown(MADE, outcome=Outcome(done=(MADE,)))
    assert verdict([done]) is None
    assert verdict([done.deployed(Deployment(state="ready"))]) is None


@pytest.mark.parametrize(
    ("status", "stale"),
    [
        (shown(MADE), False),
        (shown(MADE, outcome=Outcome(done=(MADE,))), True),
        (shown(KEPT, outcome=Outcome()), False),
        (shown(THEIRS, MADE, outcome=Outcome(done=(MADE,))), False),
        (shown(MADE, **partly((MADE,), DOWN)), False),
        (shown(MADE, KEPT, **partly((MADE,), KEPT="refused")), False),
        (lost(), False),
    ],
)
def test_only_what_is_in_sync_and_has_something_new_is_deployed(status: TargetStatus, stale: bool) -> None:  # a case
    assert status.stale is stale
