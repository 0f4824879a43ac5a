"""Whole syncs with Render: how many requests they take, and what its answers to writes are believed."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from ciplug.standins.loopback import Answer, LoopbackServer
from ciplug.values import Result, Secret, Variable
from tests.fakes.memory_ledger import MemoryLedger, synced
from tests.fakes.render_bench import NEWER, OURS, THEIRS, Bench, applied, batch, opened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ciplug.contracts import Platform
    from ciplug.standins.loopback import Request
    from ciplug.standins.render import Render

LIST, REPLACE = "GET services/env-vars", "PUT services/env-vars"
GROUP, SET_ONE, DELETE_ONE = "GET env-groups", "PUT env-groups/env-vars", "DELETE env-groups/env-vars"
NEW = {f"NEW{index:03}": f"{NEWER}-{index}" for index in range(100)}
OLD = {f"OLD{index:02}": OURS for index in range(20)}


@pytest.fixture
def bench() -> Iterator[Bench]:
    with opened() as bench:
        yield bench


@pytest.fixture
def render(bench: Bench) -> Render:
    return bench.render


def requests(bench: Bench, sync: Callable[[], object]) -> list[str]:
    """What it asks, without the names of single variables."""
    before = len(bench.asked())
    sync()
    return [re.sub(r"/env-vars/.*", "/env-vars", asked) for asked in bench.asked()[before:]]


def owned(bench: Bench, values: dict[str, str], **place: str) -> tuple[Platform, MemoryLedger]:
    """A target after a first sync of these."""
    target, keeper = bench.target(**place), MemoryLedger()
    assert not synced(target, keeper, values).failed
    return target, keeper


def test_a_hundred_new_ones_and_twenty_prunes_are_three_requests(bench: Bench, render: Render) -> None:
    service = render.add_service("shop", variables={"THEIRS": THEIRS})
    target, keeper = owned(bench, OLD, service=service)

    def sync() -> None:
        outcome = synced(target, keeper, NEW, prune=True)
        assert (len(outcome.done), dict(outcome.failed)) == (120, {})

    assert requests(bench, sync) == [LIST, LIST, REPLACE]
    assert render.values(service) == {"THEIRS": THEIRS} | NEW


@pytest.mark.parametrize(("count", "reads"), [(99, 1), (100, 2)])
def test_what_is_unchanged_is_only_read(bench: Bench, render: Render, count: int, reads: int) -> None:
    values = dict(list(NEW.items())[:count])
    target, keeper = owned(bench, values, service=render.add_service("shop"))
    assert requests(bench, lambda: synced(target, keeper, values)) == [LIST] * reads


def test_a_group_has_a_request_for_each_change_and_its_deletes_are_read_back(bench: Bench, render: Render) -> None:
    old, new = (dict.fromkeys(names, OURS) for names in (["A", "B"], ["C", "D", "E"]))
    target, keeper = owned(bench, old, env_group=render.add_group("shared", variables={"THEIRS": THEIRS}))
    asked = requests(bench, lambda: synced(target, keeper, new, prune=True))
    assert asked == [GROUP] * 2 + [SET_ONE] * 3 + [DELETE_ONE] * 2 + [GROUP]
    assert requests(bench, lambda: synced(target, keeper, new, prune=True)) == [GROUP]


def test_a_write_whose_answer_was_lost_is_shown_by_the_read_that_follows(bench: Bench, render: Render) -> None:
    service = render.add_service("shop")
    asked: list[str] = []

    def losing(request: Request) -> Answer:
        asked.append(request.method)
        answer = render.handle(request)
        return Answer(status=200, body=b"[", missing=5) if request.method == "PUT" else answer

    with LoopbackServer(losing) as server:
        outcome = synced(bench.target(service=service, api_url=server.url), MemoryLedger(), {"A": OURS})
    assert asked == ["GET", "GET", "PUT", "GET"]
    assert ([each.name for each in outcome.done], dict(outcome.failed)) == (["A"], {})


def test_a_replacement_shows_all_that_it_wrote(bench: Bench, render: Render) -> None:
    target = bench.target(service=render.add_service("shop", variables={"OLD": OURS, "A": OURS}))
    assert list(target.apply(batch(target, {"A": NEWER, "B": OURS}, "OLD"))) == [
        Result(name="A", seen=Variable(name="A", value=Secret(NEWER))),
        Result(name="B", seen=Variable(name="B", value=Secret(OURS))),
        Result(name="OLD", gone=True),
    ]


def test_what_render_only_says_it_has_written_is_found_out(bench: Bench, render: Render) -> None:
    service = render.add_service("shop")
    target, keeper = owned(bench, {"A": OURS, "B": OURS, "OLD": OURS}, service=service)
    for name in ("A", "OLD"):
        render.swallow(service, name)
    outcome = synced(target, keeper, {"A": NEWER, "B": NEWER}, prune=True)
    assert [each.name for each in outcome.done] == ["B"]
    assert dict(outcome.failed) == {
        "A": "it has another value after it was written",
        "OLD": "Render still has it after it was deleted: run the sync again",
    }
    assert render.values(service) == {"A": OURS, "B": NEWER, "OLD": OURS}


def test_what_a_replacement_does_not_show_is_read_once_more(bench: Bench, render: Render) -> None:
    service = render.add_service("shop")
    render.swallow(service, "A")

    def sync() -> None:
        outcome = synced(bench.target(service=service), MemoryLedger(), {"A": OURS, "B": OURS})
        assert dict(outcome.failed) == {"A": "it is not there after it was written"}

    assert requests(bench, sync) == [LIST, LIST, REPLACE, LIST]


NO_ANSWERS = [
    "null",
    "{}",
    "[1]",
    '"s3cret"',
    '{"message": "done"}',
    '[{"key": "A", "value": "x"}]',
    '[{"envVar": {"key": "A"}}]',
    '[{"envVar": {"key": "A", "value": 7}}, {"envVar": {"key": "B", "value": "x"}}]',
    '{"envVars": {"A": "x"}}',
    '{"envVars": [{"key": "A"}]}',
    '{"key": "OTHER", "value": "x"}',
    '{"key": ["A"], "value": "x"}',
    "",
]
"""Bodies of a 200 that do not show what was written, of any kind of resource."""


@pytest.mark.parametrize("body", NO_ANSWERS)
@pytest.mark.parametrize("kind", ["service", "env_group"])
def test_an_answer_that_shows_nothing_of_a_write_is_no_failure(
    bench: Bench, render: Render, kind: str, body: str
) -> None:
    where = (render.add_service if kind == "service" else render.add_group)("shop", variables={"OLD": OURS})

    def odd(request: Request) -> Answer:
        answer = render.handle(request)
        return Answer(status=200, body=body.encode()) if request.method == "PUT" else answer

    with LoopbackServer(odd) as server:
        target = bench.target(**{kind: where}, api_url=server.url)
        assert list(target.apply(batch(target, {"A": OURS}, "OLD"))) == [Result(name="A"), Result(name="OLD")]
        assert render.values(where) == {"A": OURS}
        outcome = synced(target, MemoryLedger(), {"A": OURS, "B": NEWER})
    assert [each.name for each in outcome.done] == ["B"]
    assert dict(outcome.failed) == {}


def test_a_part_of_the_set_confirms_what_it_shows(bench: Bench, render: Render) -> None:
    service = render.add_service("shop")

    def in_part(request: Request) -> Answer:
        answer = render.handle(request)
        if request.method == "GET":
            return answer
        return Answer(status=200, body=json.dumps(json.loads(answer.body)[:1]).encode())

    with LoopbackServer(in_part) as server:
        target = bench.target(service=service, api_url=server.url)
        shown = {each.name: each.seen is not None for each in target.apply(batch(target, {"A": OURS, "B": OURS}))}
    assert shown == {"A": True, "B": False}


def test_a_part_of_the_set_does_not_show_that_what_it_leaves_out_is_gone(bench: Bench, render: Render) -> None:
    service = render.add_service("shop", variables={"A": OURS, "B": OURS, "OLD": OURS})

    def in_part(request: Request) -> Answer:
        answer = render.handle(request)
        if request.method == "GET":
            return answer
        return Answer(status=200, body=json.dumps(json.loads(answer.body)[:1]).encode())

    with LoopbackServer(in_part) as server:
        target = bench.target(service=service, api_url=server.url)
        assert list(target.apply(batch(target, {}, "OLD"))) == [Result(name="OLD")]


def test_a_single_change_shows_what_it_wrote(bench: Bench, render: Render) -> None:
    service = render.add_service("shop", variables={"EMPTY": ""})  # what cannot be sent back forbids a replacement
    group = render.add_group("shared", variables={"EMPTY": "", "B": NEWER})
    for place in ({"service": service}, {"env_group": group}):
        target = bench.target(**place)
        (result,) = target.apply(batch(target, {"A": OURS}))
        assert result == Result(name="A", seen=Variable(name="A", value=Secret(OURS)))


def test_a_single_change_that_was_not_made_is_found_out(bench: Bench, render: Render) -> None:
    group = render.add_group("shared")
    target, keeper = owned(bench, {"A": OURS}, env_group=group)
    for name in ("A", "B"):
        render.swallow(group, name)
    assert dict(synced(target, keeper, {"A": NEWER, "B": NEWER}).failed) == {
        "A": "it has another value after it was written",
        "B": "it is not there after it was written",
    }


def test_a_delete_that_readers_see_late_is_no_problem_of_a_replacement(bench: Bench, render: Render) -> None:
    render.delay_deletes(30)
    target = bench.target(service=render.add_service("shop", variables={"OLD": OURS}))
    assert applied(target, batch(target, {"A": OURS}, "OLD")) == {"A": "", "OLD": ""}
