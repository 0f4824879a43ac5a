"""What is known of a sync, as it is put on stdout, in the audit log and on the summary page."""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import TYPE_CHECKING

from ciplug.cli.board import Board
from ciplug.cli.invocation import Invocation
from ciplug.cli.report import Report
from ciplug.errors import PlatformError
from ciplug.hosts import detect
from ciplug.manifest.model import Target as Declared
from ciplug.redact import forms
from ciplug.signals import Signals
from ciplug.sync.ledger import Ledger
from ciplug.sync.plan import Change, Target
from ciplug.sync.results import Outcome, Survey
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SECRET = "hunter2-and-a-half"


def board(*names: str) -> Board:
    return Board(
        Declared(name=name, platform="other", environment="prod", role="r", token=None, secrets=(), options={})
        for name in names
    )


def survey(*changes: Change, problems: tuple[str, ...] = ()) -> Survey:
    target = Target(wanted={}, held={}, ledger=Ledger(), fingerprint=lambda _name, _value: "")
    return Survey(target=target, changes=changes, problems=problems, before=Ledger())


MADE = Change(kind="create", name="MADE", reason="not there")
GONE = Change(kind="delete", name="GONE", reason="no longer in the manifest")
WAITS = Change(kind="delete", name="WAITS", reason="no longer in the manifest", needs="--prune")


def published(filled: Board, page: Path, report: Report, *, as_json: bool = False) -> str:
    env = {"GITHUB_ACTIONS": "true", "CI": "true", "GITHUB_STEP_SUMMARY": str(page)}
    page.touch()
    invocation = Invocation(env=env, signals=Signals(), report=report)
    with filled.published(invocation, detect(env), mode="apply", as_json=as_json):
        pass
    return page.read_text()


def test_only_what_was_or_may_have_been_written_is_an_event() -> None:
    filled = board("web")
    filled["web"] = filled["web"].planned(survey(MADE, GONE, WAITS), "other 1")
    assert list(filled.events("web")) == []
    filled["web"] = filled["web"].applied(
        survey(MADE, GONE, WAITS), Outcome(done=(MADE,), failed=MappingProxyType({"GONE": "refused"}))
    )
    found = [(event["event"], event["name"], event["outcome"]) for event in filled.events("web")]
    assert found == [("write", "MADE", "ok"), ("delete", "GONE", "failed")]


def test_what_waits_for_an_option_is_not_written() -> None:
    filled = board("web", "api")
    filled["web"] = filled["web"].planned(survey(WAITS), "other 1")
    assert not filled.writes
    filled["api"] = filled["api"].planned(survey(MADE), "other 1")
    assert filled.writes
    assert filled.counted == "1 to create, 1 skipped for want of an option"


def test_a_line_of_the_plan_is_one_line_whatever_an_adapter_says(capsys: pytest.CaptureFixture[str]) -> None:
    filled = board("web")
    filled["web"] = filled["web"].planned(
        survey(MADE, problems=("MADE: no\n::warning::look\r##[error]here",)), "other 1"
    )
    filled.show_plan(Report())
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2] == "  refused: MADE: no ::warning::look ## [error]here"
    assert not [line for line in lines if line.startswith("::")]


def test_a_secret_that_an_adapter_quotes_is_hidden_on_the_page_and_in_the_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled = board("web")
    report = Report()
    report.hide(forms([SECRET.encode()]))
    filled["web"] = filled["web"].planned(survey(MADE), "other 1").with_error(PlatformError(f"it has {SECRET} in it"))
    page = published(filled, tmp_path / "page", report, as_json=True)
    shown = capsys.readouterr().out
    assert json.loads(shown)["targets"][0]["errors"][0]["message"] == "it has *** in it"
    assert "it has &#42;&#42;&#42; in it" in page
    assert_no_leak(page + shown, [SECRET])


def test_a_sync_that_has_not_looked_yet_leaves_no_page_and_no_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert published(board("web"), tmp_path / "page", Report(), as_json=True) == ""
    assert capsys.readouterr().out == ""


def test_a_page_that_cannot_be_written_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filled = board("web")
    filled["web"] = filled["web"].planned(survey(MADE), "other 1")
    env = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "no" / "page")}
    with filled.published(
        Invocation(env=env, signals=Signals(), report=Report()), detect(env), mode="apply", as_json=False
    ):
        pass
    assert "warning: the file of GITHUB_STEP_SUMMARY cannot be written" in capsys.readouterr().err
