"""The adapter for Render, through the real client, against Render's stand-in on loopback."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from openapi_core import OpenAPI
from openapi_core.testing import MockRequest

from ciplug.errors import PlatformError, UsageError
from ciplug.standins.loopback import Answer, LoopbackServer
from ciplug.standins.render import Change
from ciplug.values import Batch, Endpoint, Result, Secret, Variable
from ciplug_platforms.render import create
from tests.fakes.render_bench import (
    HOSTILE,
    NEWER,
    OURS,
    THEIRS,
    Bench,
    Clock,
    applied,
    batch,
    deployed,
    deployments,
    opened,
    refused,
    secrets,
)
from tests.leaks import assert_no_leak
from tests.specs import folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ciplug.http import Client
    from ciplug.standins.loopback import Request
    from ciplug.standins.render import Render


@pytest.fixture
def bench() -> Iterator[Bench]:
    with opened() as bench:
        yield bench


@pytest.fixture
def render(bench: Bench) -> Render:
    return bench.render


@pytest.fixture
def clock(bench: Bench) -> Clock:
    return bench.clock


def written(name: str, value: str = OURS) -> Result:
    """The result of a write that Render's own answer shows."""
    return Result(name=name, seen=Variable(name=name, value=Secret(value)))


A_SERVICE = "option service has to be a service's id, srv-... or crn-..."
OPTIONS = [
    ({}, ["option service is missing: a service's id", "or give env_group"]),
    ({"service": "srv-1", "env_group": "evg-1"}, ["option service cannot be given with option env_group"]),
    ({"service": "shop"}, [A_SERVICE]),
    ({"service": "evg-1"}, [A_SERVICE]),
    ({"service": "srv-1/../x"}, [A_SERVICE]),
    ({"service": "srv-1\n"}, [A_SERVICE]),
    ({"service": 7}, [A_SERVICE]),
    ({"service": None}, [A_SERVICE]),
    ({"service": ""}, [A_SERVICE]),
    ({"env_group": "srv-1"}, ["option env_group has to be an environment group's id, evg-..."]),
    ({"env_group": ["evg-1"]}, ["option env_group has to be"]),
    ({"service": "srv-1", "api_url": 7}, ["option api_url has to be an address"]),
    ({"service": "srv-1", "project": "p"}, ["option project is unknown; there are service, env_group, api_url"]),
    (
        {"sevice": "srv-1", "api_url": []},
        [
            "option sevice is unknown",
            "(did you mean service?)",
            "option service is missing",
            "option api_url has to be",
        ],
    ),
]


@pytest.mark.parametrize(("options", "said"), OPTIONS)
def test_wrong_options_are_all_named_at_once(options: dict[str, object], said: list[str]) -> None:
    def connect(*_args: object, **_options: object) -> Client:
        raise AssertionError("nothing is connected to for options that are wrong")

    with pytest.raises(UsageError) as err:
        create(options, connect, lambda _seconds: None)
    assert err.value.hint
    assert str(err.value).startswith("Render: option ")
    for words in said:
        assert words in str(err.value)


def test_an_address_that_is_not_safe_is_refused(bench: Bench) -> None:
    assert "api_url" in str(refused(lambda: bench.target(service="srv-1", api_url="http://api.render.test/v1")))


def test_the_address_is_the_vendors_unless_another_is_given() -> None:
    asked: list[Endpoint] = []
    connect: Any = asked.append
    for given in ({}, {"api_url": "https://x.test/v1/"}, {"api_url": "https://x.test"}):
        create({"service": "crn-1"} | given, connect, lambda _seconds: None)
    assert [each.base for each in asked] == ["https://api.render.com", "https://x.test", "https://x.test"]
    assert {each.label for each in asked} == {"Render"}


def test_the_place_is_the_id(bench: Bench, render: Render) -> None:
    service, group = render.add_service("shop"), render.add_group("shared")
    assert bench.target(service=service).place == f"render {service}"
    assert bench.target(env_group=group).place == f"render {group}"


@pytest.mark.parametrize(("count", "pages"), [(0, 1), (99, 1), (100, 2), (101, 2), (230, 3)])
def test_all_pages_of_a_service_are_read(bench: Bench, render: Render, count: int, pages: int) -> None:
    values = {f"K{index:03}": f"value-{index}" for index in range(count)}
    target = bench.target(service=render.add_service("shop", variables=values))
    assert {each.name: each.value for each in target.read()} == secrets(values)
    assert len(render.requests()) == pages


def test_a_group_is_read_at_once_with_its_values(bench: Bench, render: Render) -> None:
    target = bench.target(env_group=render.add_group("shared", variables={f"K{i:03}": THEIRS for i in range(130)}))
    seen = target.read()
    assert len(seen) == 130
    assert all(target.read_value(each) == Secret(THEIRS) for each in seen)
    assert len(render.requests()) == 1
    assert_no_leak(repr(seen), [THEIRS])


def test_a_services_groups_are_not_its_own(bench: Bench, render: Render) -> None:
    service = render.add_service("shop", variables={"A": "1"})
    render.add_group("shared", variables={"B": "2"}, services=[service])
    assert [each.name for each in bench.target(service=service).read()] == ["A"]


def test_what_render_provides_is_reserved(bench: Bench, render: Render) -> None:
    names = {"RENDER": "x", "RENDER_EXTERNAL_URL": "x", "IS_PULL_REQUEST": "x", "RENDERER": "x", "PORT": "1"}
    target = bench.target(service=render.add_service("shop", variables=names))
    assert {each.name for each in target.read() if each.reserved} == {
        "RENDER",
        "RENDER_EXTERNAL_URL",
        "IS_PULL_REQUEST",
    }


def test_a_value_that_is_no_text_is_not_known(bench: Bench) -> None:
    body = b'[{"envVar": {"key": "A", "value": "\\ud800"}, "cursor": "c"}]'
    with LoopbackServer(lambda _request: Answer(status=200, body=body)) as server:
        (seen,) = bench.target(service="srv-1", api_url=server.url).read()
    assert (seen.name, seen.value) == ("A", None)


FULL = json.dumps([{"envVar": {"key": f"K{i}", "value": OURS}, "cursor": "same"} for i in range(100)]).encode()

ODD_NAME = b'[{"envVar": {"key": "A\\u001b[2J", "value": "x"}, "cursor": "c"}]'


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"{}", b"[1]", b'[{"envVar": 1}]', b'[{"envVar": {"key": "A"}}]', b'"s3cret"', ODD_NAME, FULL],
)
@pytest.mark.parametrize("kind", ["service", "env_group"])
def test_an_answer_that_makes_no_sense_is_an_error(bench: Bench, kind: str, body: bytes) -> None:
    with LoopbackServer(lambda _request: Answer(status=200, body=body)) as server:
        target = bench.target(**{kind: "srv-1" if kind == "service" else "evg-1"}, api_url=server.url)
        assert refused(target.read, "not what its API describes").exit_code == 9


STATUSES = [
    (401, "the token is not valid"),
    (403, "the token may not do this: reading the variables of"),
    (404, "is not there, or the token cannot see it"),
    (409, "met another change"),
    (410, "is not there"),
    (418, "failed (status 418)"),
]


@pytest.mark.parametrize(("status", "said"), STATUSES)
@pytest.mark.parametrize("kind", ["service", "env_group"])
def test_a_refusal_says_what_to_do_and_nothing_of_renders_text(
    bench: Bench, render: Render, kind: str, status: int, said: str
) -> None:
    where = render.add_service("shop") if kind == "service" else render.add_group("shared")
    render.fail_next(status, body=json.dumps({"id": OURS, "message": f"bad value {NEWER}"}).encode())
    err = refused(bench.target(**{kind: where}).read, said)
    assert isinstance(err, PlatformError)


@pytest.mark.parametrize("kind", ["service", "env_group"])
@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "was refused"),
        (401, "the token is not valid"),
        (403, "may not do this"),
        (404, "not there"),
    ],
)
def test_a_write_that_is_refused_as_a_whole_changes_nothing(
    bench: Bench, render: Render, kind: str, status: int, said: str
) -> None:
    add = render.add_service if kind == "service" else render.add_group
    where = add("shop", variables={"THEIRS": THEIRS})
    target = bench.target(**{kind: where})
    work = batch(target, {"A": OURS})
    apply = target.apply(work)
    render.fail_next(200, body=_listing(render, where, kind))  # the read right before the write
    render.fail_next(status, body=json.dumps({"id": "x", "message": f"bad value {OURS}"}).encode())
    if kind == "env_group" and status == 400:
        assert "status 400" in next(apply).problem
    else:
        refused(lambda: next(apply), said)
    assert render.values(where) == {"THEIRS": THEIRS}
    assert render.changes() == ()


def _listing(render: Render, where: str, kind: str) -> bytes:
    shown = [{"key": name, "value": value} for name, value in render.values(where).items()]
    listed = [{"envVar": each, "cursor": str(index)} for index, each in enumerate(shown)]
    return json.dumps(listed if kind == "service" else {"envVars": shown}).encode()


def test_strangers_see_nothing(bench: Bench, render: Render) -> None:
    service = render.add_service("shop", variables={"A": OURS})
    refused(bench.target(service=service, token="rnd_nobody").read, "the token is not valid")
    refused(bench.target(service=service, token=render.add_token("tea-others")).read, f"service {service} is not there")
    refused(bench.target(service="srv-0").read, "service srv-0 is not there")
    refused(bench.target(env_group="evg-0").read, "env group evg-0 is not there")


@pytest.mark.parametrize("kind", ["service", "env_group"])
def test_a_mixed_batch_changes_what_it_names_and_keeps_the_rest(bench: Bench, render: Render, kind: str) -> None:
    before = {"THEIRS": THEIRS, "OLD": OURS, "CHANGED": OURS, "RENDERER": " ", "odd.name-1": "1"}
    where = (render.add_service if kind == "service" else render.add_group)("shop", variables=before)
    target = bench.target(**{kind: where})
    problems = applied(target, batch(target, {"NEW": NEWER, "CHANGED": NEWER} | HOSTILE, "OLD"))
    assert set(problems.values()) == {""}
    after = before | {"NEW": NEWER, "CHANGED": NEWER} | HOSTILE
    del after["OLD"]
    assert render.values(where) == after
    assert {each.name: each.value for each in target.read()} == secrets(after)


def test_what_is_there_already_is_shown_and_not_written(bench: Bench, render: Render) -> None:
    service = render.add_service("shop", variables={"A": OURS})
    target = bench.target(service=service)
    what = Batch(held=(), writes=secrets({"A": OURS}), deletes=(Variable(name="GONE"),))
    assert list(target.apply(what)) == [Result(name="GONE", gone=True), written("A")]
    assert render.changes() == ()


@pytest.mark.parametrize("kind", ["service", "env_group"])
def test_what_others_change_in_between_stays_as_they_want_it(bench: Bench, render: Render, kind: str) -> None:
    before = {"THEIRS": "a", "OURS": OURS, "OLD": OURS, "GONE": OURS, "LOST": OURS}
    where = (render.add_service if kind == "service" else render.add_group)("shop", variables=before)
    target = bench.target(**{kind: where})
    work = batch(target, {"OURS": NEWER, "NEW": NEWER, "FREE": NEWER, "LOST": NEWER}, "OLD", "GONE")
    for name in ("THEIRS", "NEW", "OLD"):
        render.set_variable(where, name, THEIRS)
    render.remove_variable(where, "GONE")
    render.remove_variable(where, "LOST")
    problems = applied(target, work)
    assert {name for name, problem in problems.items() if "changed at Render" in problem} == {"NEW", "OLD", "LOST"}
    assert {name for name, problem in problems.items() if not problem} == {"OURS", "FREE", "GONE"}
    assert render.values(where) == {"THEIRS": THEIRS, "OURS": NEWER, "NEW": THEIRS, "OLD": THEIRS, "FREE": NEWER}


@pytest.mark.parametrize("odd", [{"EMPTY": ""}, {"RENDER_X": "x"}])
def test_beside_a_variable_that_cannot_be_sent_back_changes_are_made_one_by_one(
    bench: Bench, render: Render, odd: dict[str, str]
) -> None:
    service = render.add_service("shop", variables={**odd, "OLD": OURS})
    target = bench.target(service=service)
    assert applied(target, batch(target, {"A": OURS, "a/b": OURS}, "OLD")) == {
        "A": "",
        "a/b": "Render has no such names",
        "OLD": "",
    }
    assert render.values(service) == {**odd, "A": OURS}


def test_a_group_gives_each_result_when_its_call_is_done(bench: Bench, render: Render) -> None:
    group = render.add_group("shared", variables={"OLD": OURS})
    target = bench.target(env_group=group)
    results = target.apply(batch(target, {"A": OURS, "B": OURS}, "OLD"))
    assert next(results) == written("A")
    assert render.values(group) == {"OLD": OURS, "A": OURS}
    assert next(results) == written("B")
    assert next(results) == Result(name="OLD")
    assert render.values(group) == {"A": OURS, "B": OURS}
    assert [change.where for change in render.changes()] == [group] * 3


def test_a_group_within_thirty_writes_a_minute_loses_nothing(bench: Bench, render: Render, clock: Clock) -> None:
    group = render.add_group("shared")
    target = bench.target(env_group=group)
    new = {f"K{index:02}": OURS for index in range(65)}
    assert set(applied(target, batch(target, new)).values()) == {""}
    assert render.values(group) == new
    assert 120 <= clock.passed() < 130


def test_a_limit_longer_than_the_deadline_names_what_was_done(bench: Bench, render: Render) -> None:
    group = render.add_group("shared")
    target = bench.target(env_group=group, seconds=30)
    results = target.apply(batch(target, {f"K{index:02}": OURS for index in range(40)}))
    done = [next(results).name for _ in range(30)]
    assert sorted(render.values(group)) == done
    refused(lambda: next(results), "answered 429", "asks to wait")


def test_a_limit_delays_the_replacement(bench: Bench, render: Render, clock: Clock) -> None:
    service = render.add_service("shop")
    target = bench.target(service=service)
    work = batch(target, {"A": OURS})
    render.fail_next(429, headers={"Ratelimit-Reset": "42"})
    assert applied(target, work) == {"A": ""}
    assert 42 <= clock.passed() <= 43


@pytest.mark.parametrize("kind", ["service", "env_group"])
@pytest.mark.parametrize("fault", ["drop_next", "cut_next"])
def test_a_read_whose_answer_is_lost_is_repeated(bench: Bench, render: Render, kind: str, fault: str) -> None:
    before = {"THEIRS": THEIRS, "OLD": OURS}
    where = (render.add_service if kind == "service" else render.add_group)("shop", variables=before)
    target = bench.target(**{kind: where})
    results = target.apply(batch(target, {"A": OURS}, "OLD"))
    getattr(render, fault)(times=2)
    assert [each.problem for each in results] == ["", ""]
    assert render.values(where) == {"THEIRS": THEIRS, "A": OURS}


def test_a_groups_write_whose_answer_is_lost_is_repeated(bench: Bench, render: Render) -> None:
    group = render.add_group("shared", variables={"THEIRS": THEIRS, "OLD": OURS, "LATER": OURS})
    target = bench.target(env_group=group)
    results = target.apply(batch(target, {"A": OURS, "B": OURS}, "OLD", "LATER"))
    assert next(results) == written("A")
    render.drop_next()
    assert next(results) == written("B")
    render.drop_next()
    assert next(results) == Result(name="OLD", gone=True)
    render.remove_variable(group, "LATER")
    assert next(results) == Result(name="LATER", gone=True)
    assert render.values(group) == {"THEIRS": THEIRS, "A": OURS, "B": OURS}


def test_a_group_that_is_gone_in_the_middle_is_an_error(bench: Bench, render: Render) -> None:
    target = bench.target(env_group=render.add_group("shared"))
    results = target.apply(batch(target, {"A": OURS, "B": OURS}))
    assert next(results) == written("A")
    render.fail_next(404)
    refused(lambda: next(results), "is not there, or the token cannot see it")


@pytest.mark.parametrize("name", [".", "..", "a/../..", "", "A?x=1", "A#b", "1ST"])
def test_no_name_leads_out_of_the_variables(bench: Bench, render: Render, name: str) -> None:
    group = render.add_group("shared", variables={"THEIRS": THEIRS, name: OURS})
    target = bench.target(env_group=group)
    assert applied(target, batch(target, {}, name)) == {name: "Render has no such names"}
    assert applied(target, batch(target, {name: NEWER})) == {name: "Render has no such names"}
    assert {asked.method for asked in render.requests()} == {"GET"}
    assert target.problems({name: Secret(OURS)}, ())


class Meanwhile:
    """A server before the stand-in's that has something happen right after the stand-in's first answer to a PUT."""

    def __init__(self, render: Render, happens: Any, status: int) -> None:
        self.render = render
        self.happens = happens
        self.status = status
        self.puts = 0

    def respond(self, request: Request) -> Answer:
        put = request.method == "PUT"
        self.puts += put
        if put and self.puts == 1:
            answer = Answer(status=self.status)
            if self.status < 400:  # carried out, and the answer lost
                self.render.handle(request)
                answer = Answer(status=200, body=b"[", missing=5)
            self.happens()
            return answer
        return self.render.handle(request)


@pytest.mark.parametrize("status", [200, 409, 500, 503])
def test_a_replacement_that_failed_is_made_anew_from_what_is_there_then(
    bench: Bench, render: Render, clock: Clock, status: int
) -> None:
    service = render.add_service("shop", variables={"THEIRS": "a", "OLD": OURS})
    between = Meanwhile(render, lambda: render.set_variable(service, "THEIRS", THEIRS), status)
    with LoopbackServer(between.respond) as server:
        target = bench.target(service=service, api_url=server.url)
        assert applied(target, batch(target, {"A": OURS}, "OLD")) == {"A": "", "OLD": ""}
    assert render.values(service) == {"THEIRS": THEIRS, "A": OURS}
    assert clock.slept == [1.0]
    assert between.puts == (1 if status == 200 else 2)


def test_a_replacement_that_keeps_failing_ends_and_the_next_run_finishes(bench: Bench, render: Render) -> None:
    service = render.add_service("shop", variables={"THEIRS": THEIRS})

    def broken(request: Request) -> Answer:
        return Answer(status=503) if request.method == "PUT" else render.handle(request)

    with LoopbackServer(broken) as server:
        target = bench.target(service=service, api_url=server.url)
        work = batch(target, {"A": OURS})
        refused(lambda: list(target.apply(work)), f"writing the variables of service {service} failed (status 503)")
    assert render.values(service) == {"THEIRS": THEIRS}
    target = bench.target(service=service)
    assert applied(target, batch(target, {"A": OURS})) == {"A": ""}
    assert render.values(service) == {"THEIRS": THEIRS, "A": OURS}


@pytest.mark.parametrize("kind", ["service", "env_group"])
def test_deletes_that_are_read_for_a_while_are_done(bench: Bench, render: Render, kind: str) -> None:
    render.delay_deletes(30)
    where = (render.add_service if kind == "service" else render.add_group)("shop", variables={"OLD": OURS})
    target = bench.target(**{kind: where})
    for _ in range(2):
        assert applied(target, batch(target, {}, "OLD")) == {"OLD": ""}
    assert render.values(where) == {}
    assert Change(where, (), ("OLD",)) in render.changes()


def test_problems_are_found_all_at_once(bench: Bench, render: Render) -> None:
    target = bench.target(service=render.add_service("shop"))
    wanted = {
        "GOOD": Secret(OURS),
        "RENDERER": Secret(OURS),
        "PORT": Secret("80"),
        "EMPTY": Secret(""),
        "BINARY": Secret(b"\xff\xfe\0"),
        "1ST": Secret(OURS),
        "RENDER": Secret(OURS),
        "RENDER_X": Secret(OURS),
        "IS_PULL_REQUEST": Secret(OURS),
        "NEXT_PUBLIC_KEY": Secret(OURS),
        "LARGE": Secret("x" * 131072),
        "FITS": Secret("x" * (131072 - len("FITS") - 2)),
    }
    found = target.problems(wanted, ())
    assert_no_leak("\n".join(found), [OURS])
    assert [line.partition(": ")[0] for line in found] == [
        "EMPTY", "BINARY", "BINARY", "1ST", "RENDER", "RENDER_X", "IS_PULL_REQUEST", "NEXT_PUBLIC_KEY", "LARGE",
    ]  # fmt: skip
    assert render.requests() == ()


@pytest.mark.parametrize("prefix", ["VITE_", "REACT_APP_", "NUXT_PUBLIC_", "GATSBY_", "PUBLIC_", "EXPO_PUBLIC_"])
def test_a_name_that_a_build_publishes_is_no_place_for_a_secret(bench: Bench, prefix: str) -> None:
    (line,) = bench.target(service="srv-1").problems({f"{prefix}KEY": Secret(OURS)}, ())
    assert line.startswith(f"{prefix}KEY: the prefix {prefix} ")


def test_the_total_counts_what_stays(bench: Bench) -> None:
    stays = [Variable(name=f"K{index}", value=Secret("x" * 100_000)) for index in range(20)]
    target = bench.target(service="srv-1")
    assert target.problems({"A": Secret("x" * 90_000)}, stays) == []
    (line,) = target.problems({"A": Secret("x" * 100_000)}, stays)
    assert "all variables together: 2100" in line
    assert target.problems({"K0": Secret("x" * 100_000)}, stays) == []


def test_nothing_the_adapter_holds_shows_a_value(bench: Bench, render: Render) -> None:
    target = bench.target(service=render.add_service("shop", variables={"A": OURS}))
    what = batch(target, {"A": NEWER})
    assert_no_leak(f"{target!r} {what!r} {vars(target)!r}", [OURS, NEWER, render.token])


def test_every_request_is_one_of_the_published_specification(bench: Bench, render: Render) -> None:
    specification = OpenAPI.from_dict(json.loads((folder() / "render-openapi.json").read_text(encoding="utf-8")))
    services = re.compile(r"/v1/services/srv-[0-9a-f]+")  # the one route that the extract of it leaves out
    sent: list[Request] = []

    def noting(request: Request) -> Answer:
        sent.append(request)
        return render.handle(request)

    service = deployed(bench, render)
    group = render.add_group("shared", variables={"OLD": OURS}, services=[service])
    with LoopbackServer(noting) as server:
        for kind, where in (("service", service), ("env_group", group)):
            render.set_variable(where, "OLD", OURS)
            target = bench.target(**{kind: where}, api_url=server.url)
            applied(target, batch(target, HOSTILE, "OLD"))
            assert deployments(target)[-1].state == "ready"
    shapes = {f"{request.method} {re.sub(r'(srv|evg|dep)-[0-9a-f]+', '*', request.target)}" for request in sent}
    assert len(shapes) > 10
    for request in sent:
        if not services.fullmatch(request.target):
            specification.validate_request(as_published(request))


def as_published(request: Request) -> MockRequest:
    parts = urlsplit(request.target)
    return MockRequest(
        "https://api.render.com",
        request.method.lower(),
        parts.path,
        args=dict(parse_qsl(parts.query)),
        headers=dict(request.headers),
        data=request.body,
        content_type=request.headers.get("content-type", ""),
    )
