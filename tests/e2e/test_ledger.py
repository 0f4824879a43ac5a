"""The ledger in a real vault: check-and-set, two syncs at once, a crash, and its key."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from ciplug.errors import DeniedError, LedgerError, SyncError
from ciplug.sync.ledger import Entry, Ledger
from ciplug.sync.store import HOLD_SECONDS, LedgerStore, Records
from ciplug.vault.admin import Admin

if TYPE_CHECKING:
    from ciplug.standins.openbao import OpenBao
    from tests.e2e.project import Project

OWNED = MappingProxyType({"A": Entry(id="env_1", fingerprint="f" * 64, stamp="17")})
PATH = "app/prod/.ciplug/web"


class Clock:
    now = 1_763_900_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def records(project: Project) -> Records:
    return Records(mount=project.kv_mount, path="app/prod", target="web")


def store(project: Project, clock: Clock, holder: str = "run 1") -> LedgerStore:
    return LedgerStore(project.admin.kv, records(project), holder=holder, wall_clock=clock)


def test_what_is_released_is_read_again(project: Project, clock: Clock) -> None:
    first = store(project, clock)
    ledger = first.read("prj_1")
    assert ledger == Ledger(place="prj_1")
    first.hold(ledger)
    first.release(Ledger(place="prj_1", entries=OWNED))
    assert store(project, clock, "run 2").read("prj_1") == Ledger(place="prj_1", entries=OWNED)


def test_another_place_has_nothing_that_is_owned(project: Project, clock: Clock) -> None:
    first = store(project, clock)
    first.read("prj_1")
    first.release(Ledger(place="prj_1", entries=OWNED))
    assert store(project, clock).read("prj_2") == Ledger(place="prj_2")


def test_the_second_of_two_syncs_stops_and_says_why(project: Project, clock: Clock) -> None:
    first = store(project, clock, "run 1")
    first.hold(first.read("prj_1"))
    with pytest.raises(SyncError, match="run 1") as stopped:
        store(project, clock, "run 2").read("prj_1")
    assert stopped.value.exit_code == 10
    assert "120 s" in stopped.value.hint


def test_after_a_crash_the_next_one_goes_on_with_what_was_written(project: Project, clock: Clock) -> None:
    crashed = store(project, clock, "run 1")
    crashed.read("prj_1")
    crashed.hold(Ledger(place="prj_1", entries=OWNED))
    clock.now += HOLD_SECONDS + 1
    after = store(project, clock, "run 2")
    ledger = after.read("prj_1")
    assert ledger.entries == OWNED
    after.hold(ledger)
    with pytest.raises(SyncError, match="another sync has changed the ledger"):
        crashed.hold(ledger)


def test_of_two_that_begin_together_one_stops(project: Project, clock: Clock) -> None:
    one, other = store(project, clock, "run 1"), store(project, clock, "run 2")
    ledgers = one.read("prj_1"), other.read("prj_1")
    one.hold(ledgers[0])
    with pytest.raises(SyncError, match="another sync"):
        other.hold(ledgers[1])


def test_a_ledger_that_was_removed_is_begun_anew(project: Project, clock: Clock) -> None:
    first = store(project, clock)
    first.read("prj_1")
    first.release(Ledger(place="prj_1", entries=OWNED))
    project.admin.kv.delete(project.kv_mount, PATH, [1])
    again = store(project, clock)
    assert again.read("prj_1") == Ledger(place="prj_1")
    again.release(Ledger(place="prj_1", entries=OWNED))


def test_a_ledger_that_was_edited_by_hand_is_refused(project: Project, clock: Clock) -> None:
    project.put(PATH, {"format": 1, "variables": "{"})
    with pytest.raises(LedgerError, match="damaged"):
        store(project, clock).read("prj_1")


def test_there_is_one_key_and_it_stays(project: Project, clock: Clock) -> None:
    key = store(project, clock).key()
    assert key == store(project, clock, "run 2").key()
    assert len(key.reveal()) == 32


@pytest.mark.parametrize("data", [{}, {"key": 3}, {"key": "not base64!"}])
def test_a_key_that_was_damaged_is_refused(project: Project, clock: Clock, data: dict[str, object]) -> None:
    project.put("app/prod/.ciplug/.key", data)
    with pytest.raises(LedgerError, match="holds no key"):
        store(project, clock).key()


def test_without_the_right_to_it_the_vault_s_refusal_is_told(project: Project, bao: OpenBao, clock: Clock) -> None:
    token = project.admin.create_token(policies=["default"])
    with Admin(bao.address, token) as limited:
        kept = LedgerStore(limited.kv, records(project), holder="run 1", wall_clock=clock)
        with pytest.raises(DeniedError):
            kept.read("prj_1")
