"""Whole syncs with Vercel: how many requests they take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fakes.memory_ledger import MemoryLedger, synced
from tests.fakes.vercel_bench import OTHER, SECRET, Bench, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ENV = "/projects/prj_1/env"
LIST, UPSERT, DELETE = f"GET /v10{ENV}", f"POST /v10{ENV}", f"DELETE /v1{ENV}"
NEW = {f"NEW{index:03}": f"{SECRET}-{index}" for index in range(100)}
OLD = {f"OLD{index:02}": OTHER for index in range(20)}
KINDS = [{"type": "sensitive"}, {"type": "encrypted"}, {"target": "development"}]


@pytest.fixture
def bench() -> Iterator[Bench]:
    with opened() as bench:
        yield bench


def requests(bench: Bench, sync: Callable[[], object]) -> list[str]:
    before = len(bench.asked())
    sync()
    return bench.asked()[before:]


@pytest.mark.parametrize("options", KINDS)
def test_a_hundred_new_ones_and_twenty_prunes_are_four_requests(bench: Bench, options: dict[str, str]) -> None:
    target, keeper = bench.target(**options), MemoryLedger()
    synced(target, keeper, OLD)

    def sync() -> None:
        outcome = synced(target, keeper, NEW, prune=True)
        assert (len(outcome.done), dict(outcome.failed)) == (120, {})

    assert requests(bench, sync) == [LIST, UPSERT, DELETE, LIST]
    assert {name: value for (name, _), (_, value) in bench.stored().items()} == NEW


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize(("more", "pages"), [(0, 1), (1, 2), (150, 3)])
def test_what_is_unchanged_is_one_list_for_each_page_and_no_value_is_asked_for(
    bench: Bench, options: dict[str, str], more: int, pages: int
) -> None:
    target, keeper = bench.target(**options), MemoryLedger()
    synced(target, keeper, NEW)
    for number in range(more):
        bench.vercel.add_variable("shop", f"THEIRS{number}", OTHER)
    assert requests(bench, lambda: synced(target, keeper, NEW)) == [LIST] * pages


def test_only_values_that_were_changed_by_hand_are_asked_for(bench: Bench) -> None:
    target, keeper = bench.target(type="encrypted"), MemoryLedger()
    synced(target, keeper, NEW)
    ids = {each.key: each.id for each in bench.vercel.variables("shop")}
    bench.vercel.change_variable("shop", ids["NEW000"], OTHER)
    bench.vercel.change_variable("shop", ids["NEW001"], NEW["NEW001"])

    def sync() -> None:
        assert [(each.name, each.kind) for each in synced(target, keeper, NEW).done] == [("NEW000", "drift")]

    asked = [f"GET /v1{ENV}/{ids[name]}" for name in ("NEW000", "NEW001")]
    assert requests(bench, sync) == [LIST, *asked, UPSERT, LIST]
    assert requests(bench, lambda: synced(target, keeper, NEW)) == [LIST]
