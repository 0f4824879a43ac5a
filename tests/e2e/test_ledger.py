"""The ledger in a real vault: check-and-set, two syncs at once, a crash, and its key."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from ciplug.conformance import Clock
from ciplug.errors import DeniedError, LedgerError, SyncError
from ciplug.sync.ledger import Entry, Ledger
from ciplug.sync.store import HOLD_SECONDS, LedgerPaths, LedgerStore
from ciplug.vault.admin import Admin

if TYPE_CHECKING:
    from ciplug.standins.openbao import OpenBao
    from tests.e2e.project import Project

OWNED = MappingProxyType({"A": Entry(id="env_1", fingerprint="f" * 64, stamp="17")})
MINE = Ledger(place="prj_1", entries=OWNED)
PATH = "app/prod/.ciplug/web"


@pytest.fixture
def clock() -> Clock:
    return Clock()


def paths(project: Project) -> LedgerPaths:
    return LedgerPaths(mount=project.kv_mount, path="app/prod", target="web")


def store(project: Project, clock: Clock, holder: str = "run 1", *, looks_only: bool = False) -> LedgerStore:
    return LedgerStore(project.admin.kv, paths(project), holder=holder, looks_only=looks_only, wall_clock=clock)


def kept(project: Project, clock: Clock, ledger: Ledger = MINE) -> None:
    """`ledger`, as an earlier sync has left it."""
    earlier = store(project, clock, "run 0")
    earlier.read(ledger.place)
    earlier.release(ledger)


def test_what_is_released_is_read_again(project: Project, clock: Clock) -> None:
    first = store(project, clock)
    ledger = first.read("prj_1")
    assert ledger == Ledger(place="prj_1")
    first.hold(ledger)
    first.release(MINE)
    assert store(project, clock, "run 2").read("prj_1") == MINE


def test_each_place_that_a_target_was_at_keeps_its_own(project: Project, clock: Clock) -> None:
    kept(project, clock)
    moved = store(project, clock, "run 2")
    assert moved.read("prj_2") == Ledger(place="prj_2")
    moved.release(Ledger(place="prj_2", entries={"B": Entry(id="env_2")}))
    assert store(project, clock).read("prj_1") == MINE
    assert store(project, clock).read("prj_2").entries.keys() == {"B"}


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
    crashed.hold(MINE)
    clock.wait(HOLD_SECONDS + 1)
    after = store(project, clock, "run 2")
    ledger = after.read("prj_1")
    assert ledger.entries == OWNED
    after.hold(ledger)
    with pytest.raises(SyncError, match="another sync has changed the ledger"):
        crashed.hold(ledger)


def test_a_hold_is_prolonged_before_it_is_over_and_not_at_every_turn(project: Project, clock: Clock) -> None:
    first = store(project, clock, "run 1")
    first.renew()
    first.hold(first.read("prj_1"))
    versions = []
    for _ in range(4):
        clock.wait(HOLD_SECONDS / 4)
        first.renew()
        versions.append(project.admin.kv.read(project.kv_mount, PATH).version)
    assert versions == [1, 2, 2, 3]
    with pytest.raises(SyncError, match="run 1"):
        store(project, clock, "run 2").read("prj_1")


def test_a_vault_that_fails_is_forgiven_while_much_of_the_hold_is_left(project: Project, clock: Clock) -> None:
    first = store(project, clock, "run 1")
    first.hold(first.read("prj_1"))
    policy = project.admin.create_token(policies=["default"])
    with Admin(project.bao.address, policy) as nobody:
        first._kv = nobody.kv
        clock.wait(HOLD_SECONDS / 2)
        first.renew()
        clock.wait(HOLD_SECONDS / 4)
        with pytest.raises(DeniedError):
            first.renew()


def test_a_hold_that_no_sync_can_have_asked_for_is_not_believed(project: Project, clock: Clock) -> None:
    kept(project, clock)
    for until in (1e300, clock() + 10 * HOLD_SECONDS):
        data = project.admin.kv.read(project.kv_mount, PATH).data
        project.put(PATH, {**(data or {}), "holder": "somebody", "until": until})
        assert store(project, clock).read("prj_1") == MINE


def test_of_two_that_begin_together_one_stops(project: Project, clock: Clock) -> None:
    one, other = store(project, clock, "run 1"), store(project, clock, "run 2")
    ledgers = one.read("prj_1"), other.read("prj_1")
    one.hold(ledgers[0])
    with pytest.raises(SyncError, match="another sync"):
        other.hold(ledgers[1])


def test_a_ledger_that_was_removed_is_begun_anew(project: Project, clock: Clock) -> None:
    kept(project, clock)
    project.admin.kv.delete(project.kv_mount, PATH, [1])
    again = store(project, clock)
    assert again.read("prj_1") == Ledger(place="prj_1")
    again.release(MINE)


def test_a_ledger_that_was_edited_by_hand_is_refused(project: Project, clock: Clock) -> None:
    project.put(PATH, {"format": 1, "places": "{"})
    with pytest.raises(LedgerError, match="damaged"):
        store(project, clock).read("prj_1")


def test_a_look_writes_neither_a_ledger_nor_a_key(project: Project, clock: Clock) -> None:
    looking = store(project, clock, looks_only=True)
    ledger = looking.read("prj_1")
    assert len(looking.key().reveal()) == 32
    looking.hold(ledger)
    looking.release(MINE)
    for path in (PATH, "app/prod/.ciplug/.key"):
        assert project.admin.kv.read(project.kv_mount, path).version == 0


def test_there_is_one_key_and_it_stays(project: Project, clock: Clock) -> None:
    key = store(project, clock).key()
    assert key == store(project, clock, "run 2").key()
    assert len(key.reveal()) == 32


@pytest.mark.parametrize("data", [{}, {"key": 3}, {"key": "not base64!"}, {"key": ""}, {"key": "AAAA"}, {"key": "é"}])
def test_a_key_that_was_damaged_is_refused(project: Project, clock: Clock, data: dict[str, object]) -> None:
    project.put("app/prod/.ciplug/.key", data)
    with pytest.raises(LedgerError, match="holds no key"):
        store(project, clock).key()


def test_without_the_right_to_it_the_vault_s_refusal_is_told(project: Project, bao: OpenBao, clock: Clock) -> None:
    token = project.admin.create_token(policies=["default"])
    with Admin(bao.address, token) as limited:
        denied = LedgerStore(limited.kv, paths(project), holder="run 1", wall_clock=clock)
        with pytest.raises(DeniedError):
            denied.read("prj_1")
