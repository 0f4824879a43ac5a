"""Redeploys at Render, through the real client, against Render's stand-in on loopback."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

import pytest

from ciplug.standins.loopback import Answer, LoopbackServer
from tests.fakes.render_bench import OURS, Bench, Clock, deployed, deployments, opened, refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ciplug.contracts import Redeploys
    from ciplug.standins.loopback import Request
    from ciplug.standins.render import Render
    from ciplug.standins.render.deploys import Status


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


PAGE = "https://dashboard.render.com/web"


def test_a_redeploy_repeats_the_last_build_until_it_is_live(bench: Bench, render: Render) -> None:
    service = deployed(bench, render)
    seen = deployments(bench.target(service=service))
    assert [each.state for each in seen] == ["waiting", "ready"]
    assert seen[-1].detail == "live"
    assert seen[-1].address.startswith(f"{PAGE}/{service}/deploys/dep-")
    assert [path for path in bench.asked() if path.startswith("POST")] == ["POST services/deploys"]
    assert bench.made(service).steps == ("created", "update_in_progress", "live")


@pytest.mark.parametrize("end", ["build_failed", "update_failed", "pre_deploy_failed", "canceled"])
def test_a_redeploy_that_fails_says_so(bench: Bench, render: Render, end: Status) -> None:
    seen = deployments(bench.target(service=deployed(bench, render, end=end)))
    assert (seen[-1].state, seen[-1].detail) == ("failed", end)


def test_a_redeploy_that_is_queued_is_found_in_the_list(bench: Bench, render: Render) -> None:
    service = deployed(bench, render)
    bench.build(service)
    seen = deployments(bench.target(service=service))
    assert (seen[0].state, seen[0].address) == ("waiting", f"{PAGE}/{service}")
    assert seen[-1].state == "ready"
    assert seen[-1].address.endswith(bench.made(service).id)


def test_a_redeploy_that_is_queued_is_not_taken_for_a_later_one(bench: Bench, render: Render) -> None:
    service = deployed(bench, render)
    bench.build(service)
    redeploy = cast("Redeploys", bench.target(service=service)).redeploy()
    assert next(redeploy).state == "waiting"
    ours = bench.made(service).id
    bench.build(service)
    assert {each.address for each in redeploy} == {f"{PAGE}/{service}/deploys/{ours}"}


def test_a_redeploy_that_a_later_one_replaced_is_ready(bench: Bench, render: Render) -> None:
    service = deployed(bench, render)
    redeploy = cast("Redeploys", bench.target(service=service)).redeploy()
    assert next(redeploy).state == "waiting"
    bench.build(service)
    bench.clock.sleep(60)
    assert [each.detail for each in redeploy] == ["deactivated"]


def test_where_nothing_was_deployed_there_is_nothing_to_repeat(bench: Bench, render: Render) -> None:
    service = render.add_service("shop")
    refused(lambda: deployments(bench.target(service=service)), f"no deployment of service {service} to repeat")
    assert {asked.method for asked in render.requests()} == {"GET"}


def test_a_redeploy_that_does_not_end_is_followed_as_long_as_there_is_time(
    bench: Bench, render: Render, clock: Clock
) -> None:
    service = deployed(bench, render, end="update_in_progress")
    refused(lambda: deployments(bench.target(service=service, seconds=999)), "did not end in time")
    assert 999 <= clock.passed() < 1100


@pytest.mark.parametrize(
    ("status", "state", "detail"),
    [("some_new_step", "building", "some_new_step"), ("<b>0ur-s3cret-value", "building", ""), (7, "building", "")],
)
def test_a_state_that_is_not_known_is_a_step_and_one_that_does_not_fit_is_left_out(
    bench: Bench, render: Render, status: object, state: str, detail: str
) -> None:
    service = deployed(bench, render)
    answer = Answer(status=201, body=json.dumps({"id": "dep-1", "status": status}).encode())

    def odd(request: Request) -> Answer:
        return answer if request.method == "POST" else render.handle(request)

    with LoopbackServer(odd) as server:
        seen = next(cast("Redeploys", bench.target(service=service, api_url=server.url)).redeploy())
    assert (seen.state, seen.detail) == (state, detail)


@pytest.mark.parametrize("deploy", [{}, {"id": 7}, {"id": "dep-1/../x"}, "dep-1"])
def test_a_deploy_without_a_usable_id_is_an_error(bench: Bench, render: Render, deploy: object) -> None:
    service = deployed(bench, render)
    answer = Answer(status=201, body=json.dumps(deploy).encode())

    def odd(request: Request) -> Answer:
        return answer if request.method == "POST" else render.handle(request)

    with LoopbackServer(odd) as server:
        refused(lambda: deployments(bench.target(service=service, api_url=server.url)), "not what its API describes")


def test_a_deploy_that_may_have_started_is_not_started_again(bench: Bench, render: Render) -> None:
    service = deployed(bench, render)

    def losing(request: Request) -> Answer:
        answer = render.handle(request)
        return Answer(status=201, body=b"{", missing=3) if request.method == "POST" else answer

    with LoopbackServer(losing) as server:
        refused(lambda: deployments(bench.target(service=service, api_url=server.url)), "cut short")
    assert len(bench.deploys(service)) == 2


@pytest.mark.parametrize(
    ("status", "said"), [(401, "token is not valid"), (400, "refused"), (503, "failed (status 503)")]
)
def test_a_deploy_that_is_refused_says_why(bench: Bench, render: Render, status: int, said: str) -> None:
    service = deployed(bench, render)

    def refusing(request: Request) -> Answer:
        return Answer(status=status, body=OURS.encode()) if request.method == "POST" else render.handle(request)

    with LoopbackServer(refusing) as server:
        refused(lambda: deployments(bench.target(service=service, api_url=server.url)), said)
    assert len(bench.deploys(service)) == 1


def test_a_service_whose_page_is_not_told_is_deployed_all_the_same(bench: Bench, render: Render) -> None:
    service = deployed(bench, render)

    def without_page(request: Request) -> Answer:
        return Answer(status=403) if request.target == f"/v1/services/{service}" else render.handle(request)

    with LoopbackServer(without_page) as server:
        seen = deployments(bench.target(service=service, api_url=server.url))
    assert (seen[-1].state, seen[-1].address) == ("ready", "")


def test_a_groups_redeploy_is_that_of_its_services(bench: Bench, render: Render) -> None:
    shop, worker, new = deployed(bench, render), deployed(bench, render, name="worker"), render.add_service("new")
    group = render.add_group("shared", services=[shop, worker, new])
    bench.build(worker)
    seen = deployments(bench.target(env_group=group))
    assert [each.state for each in seen[:-1]].count("ready") == 0
    assert (seen[-1].state, seen[-1].detail) == ("ready", f"{shop} live, {worker} live")
    assert [len(bench.deploys(each)) for each in (shop, worker, new)] == [2, 3, 0]


def test_a_groups_redeploy_fails_with_any_of_its_services(bench: Bench, render: Render) -> None:
    shop, worker = deployed(bench, render), deployed(bench, render, end="update_failed", name="worker")
    seen = deployments(bench.target(env_group=render.add_group("shared", services=[shop, worker])))
    assert (seen[-1].state, seen[-1].detail) == ("failed", f"{shop} live, {worker} update_failed")
    assert seen[-1].address.endswith(bench.made(worker).id)


def test_a_group_that_no_service_is_linked_to_has_nothing_to_deploy(bench: Bench, render: Render) -> None:
    group = render.add_group("shared")
    err = refused(lambda: deployments(bench.target(env_group=group)), f"no service is linked to env group {group}")
    assert "--redeploy" in err.hint
