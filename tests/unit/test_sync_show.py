"""What people and programs are shown of a sync: every difference with its reason, and nothing of what is equal."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from ciplug.errors import PlatformError
from ciplug.sync.ledger import Ledger
from ciplug.sync.plan import Change, Target
from ciplug.sync.results import Outcome, Survey
from ciplug.sync.show import HEADER, counted, document, rows, text
from ciplug.sync.status import TargetStatus
from ciplug.values import Deployment, Secret
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from ciplug.sync.plan import Kind

VALUE = "the value that nobody sees"


def survey(*changes: Change, blind: str = "", problems: tuple[str, ...] = ()) -> Survey:
    wanted = {change.name: Secret(VALUE) for change in changes}
    target = Target(wanted=wanted, held={}, ledger=Ledger(), fingerprint=lambda _name, _value: VALUE, blind=blind)
    return Survey(target=target, changes=changes, problems=problems, before=Ledger())


def shown(*changes: Change, **known: Any) -> TargetStatus:
    found = survey(*changes, blind=known.pop("blind", ""), problems=known.pop("problems", ()))
    return TargetStatus(
        target="web", platform="vercel", environment="prod", place="vercel prj_1", survey=found, **known
    )


def plan(status: TargetStatus) -> list[str]:
    return list(text(status, str))


KEPT = Change(kind="keep", name="A", reason="as it is to be")
MADE = Change(kind="create", name="LONG_NAME", reason="not there")
GONE = Change(kind="delete", name="B", reason="no longer in the manifest", needs="--prune")
THEIRS = Change(kind="foreign", name="C", reason="it exists", needs="--adopt C")


def test_the_plan_names_what_differs_and_counts_the_rest() -> None:
    assert plan(shown(KEPT, MADE, GONE, THEIRS)) == [
        "web (vercel prj_1)",
        "  + create   LONG_NAME  not there",
        "  - delete   B          no longer in the manifest; needs --prune",
        "  ! foreign  C          it exists; needs --adopt C",
        "  = 1 up to date",
    ]


@pytest.mark.parametrize(
    ("kind", "sign"),
    [("create", "+"), ("update", "~"), ("replace", "~"), ("drift", "~"), ("delete", "-"), ("foreign", "!")],
)
def test_every_kind_has_its_sign(kind: Kind, sign: str) -> None:
    assert plan(shown(Change(kind=kind, name="A", reason="why")))[1] == f"  {sign} {kind:<7}  A  why"


def test_several_that_are_equal_are_one_line() -> None:
    assert plan(shown(KEPT, Change(kind="keep", name="Z", reason="x")))[1:] == ["  = 2 up to date"]


def test_a_target_of_which_nothing_is_known_does_not_pass_for_an_empty_one() -> None:
    unknown = TargetStatus(target="web", platform="vercel", environment="prod", errors=(PlatformError("no"),))
    assert plan(unknown) == ["web (vercel)", "  error: no"]
    assert unknown.differs
    assert plan(shown())[1:] == []


def test_the_error_of_a_target_that_could_not_be_looked_at_is_under_it_whatever_the_others_are() -> None:
    statuses = [
        shown(MADE),
        TargetStatus(target="api", platform="railway", environment="prod", errors=(PlatformError("it is down"),)),
    ]
    assert [line for status in statuses for line in plan(status)] == [
        "web (vercel prj_1)",
        "  + create   LONG_NAME  not there",
        "api (railway)",
        "  error: it is down",
    ]


def test_problems_and_the_missing_ledger_are_in_the_plan() -> None:
    lines = plan(shown(MADE, blind="no right to it", problems=("LONG_NAME: too long",)))
    assert lines[1] == "  note: no ledger: no right to it"
    assert lines[-1] == "  refused: LONG_NAME: too long"


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ((), "nothing to do"),
        ((KEPT,), "nothing to do"),
        ((MADE,), "1 to create"),
        ((MADE, GONE, THEIRS), "1 to create, 2 skipped for want of an option"),
        ((Change(kind="drift", name="D", reason="x"), MADE), "1 to create, 1 to repair"),
    ],
)
def test_all_of_it_is_one_line(changes: tuple[Change, ...], line: str) -> None:
    assert counted([shown(*changes)]) == line


def test_the_counts_are_of_all_targets() -> None:
    assert counted([shown(MADE), shown(MADE, KEPT)]) == "2 to create"


def test_the_table_has_a_row_for_each_difference_with_its_outcome() -> None:
    failed = MappingProxyType({"LONG_NAME": "refused"})
    update = Change(kind="update", name="U", reason="changed")
    table = list(rows([shown(KEPT, MADE, GONE, update, outcome=Outcome(done=(update,), failed=failed))], str))
    assert table == [
        ("web", "LONG_NAME", "create", "not there", "refused"),
        ("web", "B", "delete", "no longer in the manifest; needs --prune", ""),
        ("web", "U", "update", "changed", "done"),
    ]
    assert {len(row) for row in table} == {len(HEADER)}


def test_the_table_has_errors_and_targets_without_a_difference() -> None:
    error = TargetStatus(target="api", platform="railway", environment="prod", errors=(PlatformError("it is down"),))
    assert list(rows([shown(KEPT), error], str)) == [
        ("web", "", "keep", "all 1 up to date", ""),
        ("api", "", "error", "it is down", ""),
    ]


def test_the_document_grows_with_what_is_known() -> None:
    whole = document("check", [TargetStatus(target="web", platform="vercel", environment="prod")], str)
    assert (whole["format"], whole["mode"]) == (1, "check")
    [early] = whole["targets"]
    assert (early["differs"], early["changes"], early["errors"], early["deployment"]) == (True, [], [], None)
    outcome = Outcome(done=(MADE,), failed=MappingProxyType({"B": "refused"}))
    ready = Deployment(state="ready", detail="READY", address="https://x")
    known = shown(KEPT, MADE, GONE, outcome=outcome, deployment=ready, errors=(PlatformError("no", hint="again"),))
    [late] = document("apply", [known], str)["targets"]
    assert late["changes"][0] == {"kind": "keep", "name": "A", "reason": "as it is to be", "needs": "", "outcome": ""}
    assert [change["outcome"] for change in late["changes"]] == ["", "done", "refused"]
    assert late["deployment"] == {"state": "ready", "detail": "READY", "address": "https://x"}
    assert late["errors"] == [{"cause": "platform", "message": "no", "hint": "again"}]


def test_a_target_without_a_plan_is_counted_as_one() -> None:
    unknown = TargetStatus(target="web", platform="vercel", environment="prod")
    assert counted([unknown]) == "1 target without a plan"
    assert counted([shown(MADE), unknown, unknown]) == "1 to create, 2 targets without a plan"


def test_no_value_is_in_any_of_it() -> None:
    whole = shown(KEPT, MADE, GONE, blind="no right", outcome=Outcome(done=(MADE,)))
    shows = [*plan(whole), json.dumps(document("apply", [whole], str)), repr(list(rows([whole], str)))]
    assert_no_leak("\n".join([*shows, counted([whole])]), [VALUE])


def test_whatever_an_adapter_has_said_is_masked_everywhere() -> None:
    said = f"it has {VALUE} in it"
    quoting = Change(kind="replace", name="MADE", reason=said)
    whole = shown(
        quoting,
        blind=said,
        problems=(said,),
        outcome=Outcome(failed=MappingProxyType({"MADE": said})),
        errors=(PlatformError(said, hint=said),),
        deployment=Deployment(state="failed", detail=said, address=said),
    )
    shows = [
        *text(whole, masked),
        json.dumps(document("apply", [whole], masked)),
        repr(list(rows([whole], masked))),
    ]
    assert_no_leak("\n".join(shows), [VALUE])
    assert "it has *** in it" in shows[0] + shows[1]


WORDS = ("true", "null", "target", "create", "web", "production", "kind", "apply", "done", "error", "format")


def test_secrets_that_are_words_of_the_document_leave_its_keys_and_kinds_alone() -> None:
    def hidden(said: str) -> str:
        for word in WORDS:
            said = said.replace(word, "***")
        return said

    failing = Change(kind="update", name="target", reason="changed in production")
    whole = shown(
        MADE,
        failing,
        outcome=Outcome(done=(MADE,), failed=MappingProxyType({"target": "null: production"})),
        errors=(PlatformError("true", hint="null"),),
        deployment=Deployment(state="ready", detail="production"),
    )
    found = json.loads(json.dumps(document("apply", [whole], hidden)))
    plain = document("apply", [whole], str)
    [target], [known] = found["targets"], plain["targets"]
    assert (found["format"], found["mode"], target.keys()) == (1, "apply", known.keys())
    assert [target[key] for key in ("target", "platform", "environment", "differs")] == ["web", "vercel", "prod", True]
    assert [(each["kind"], each["name"]) for each in target["changes"]] == [
        ("create", "LONG_NAME"),
        ("update", "target"),
    ]
    assert [each["outcome"] for each in target["changes"]] == ["done", "***: ***"]
    assert [each["reason"] for each in target["changes"]] == ["not there", "changed in ***"]
    assert target["errors"] == [{"cause": "platform", "message": "***", "hint": "***"}]
    assert target["deployment"] == {"state": "ready", "detail": "***", "address": ""}


def masked(said: str) -> str:
    return said.replace(VALUE, "***")
