"""What is known of a sync, as it is put on stdout, in the audit log and on the summary page."""

from __future__ import annotations

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
from ciplug.sync.engine import Outcome, Survey
from ciplug.sync.ledger import Ledger
from ciplug.sync.plan import Change, Target
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


def published(filled: Board, page: Path, *, json: bool = False) -> str:
    env = {"GITHUB_ACTIONS": "true", "CI": "true", "GITHUB_STEP_SUMMARY": str(page)}
    page.touch()
    invocation = Invocation(env=env, signals=Signals(), report=Report())
    with filled.published(invocation, detect(env), json=json):
        pass
    return page.read_text()


def test_only_what_was_or_may_have_been_written_is_an_event() -> None:
    filled = board("web")
    filled.note("web", place="other 1", survey=survey(MADE, GONE, WAITS))
    assert list(filled.events("web")) == []
    filled.note("web", outcome=Outcome(done=(MADE,), failed=MappingProxyType({"GONE": "refused"})))
    found = [(event["event"], event["name"], event["outcome"]) for event in filled.events("web")]
    assert found == [("write", "MADE", "ok"), ("delete", "GONE", "failed")]


def test_what_waits_for_an_option_is_not_written() -> None:
    filled = board("web", "api")
    filled.note("web", survey=survey(WAITS))
    assert not filled.writes
    filled.note("api", survey=survey(MADE))
    assert filled.writes
    assert filled.counted == "1 to create, 1 waiting for an option"


def test_a_line_of_the_plan_is_one_line_whatever_an_adapter_says(capsys: pytest.CaptureFixture[str]) -> None:
    filled = board("web")
    filled.note("web", survey=survey(MADE, problems=("MADE: no\n::warning::look\r##[error]here",)))
    filled.show_plan(Report(), json=False)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2] == "  cannot be: MADE: no ::warning::look ## [error]here"
    assert not [line for line in lines if line.startswith("::")]


def test_programs_get_no_plan_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    filled = board("web")
    filled.note("web", survey=survey(MADE))
    filled.show_plan(Report(), json=True)
    assert capsys.readouterr().out == ""


def test_a_secret_that_an_adapter_quotes_is_hidden_on_the_page(tmp_path: Path) -> None:
    filled = board("web")
    filled.hide(forms([SECRET.encode()]))
    filled.note("web", survey=survey(MADE), errors=(PlatformError(f"it has {SECRET} in it"),))
    page = published(filled, tmp_path / "page")
    assert "it has &#42;&#42;&#42; in it" in page
    assert_no_leak(page, [SECRET])


def test_a_sync_that_has_not_looked_yet_leaves_no_page(tmp_path: Path) -> None:
    assert published(board("web"), tmp_path / "page") == ""


def test_a_page_that_cannot_be_written_is_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filled = board("web")
    filled.note("web", survey=survey(MADE))
    env = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "no" / "page")}
    with filled.published(Invocation(env=env, signals=Signals(), report=Report()), detect(env), json=False):
        pass
    assert "warning: the file of GITHUB_STEP_SUMMARY cannot be written" in capsys.readouterr().err
