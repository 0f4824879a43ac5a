"""Redeploys on Vercel against its stand-in; every request is held to Vercel's own specification."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest

from ciplug.contracts import Redeploys
from tests.fakes.vercel_bench import SECRET, Bench, opened, refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ciplug.values import Deployment
    from ciplug_platforms import vercel as adapter


@pytest.fixture
def bench() -> Iterator[Bench]:
    with opened() as bench:
        yield bench


def progress(bench: Bench, target: adapter.Deployed) -> list[tuple[str, str]]:
    found = list(target.redeploy())
    bench.shown += map(repr, found)
    assert all(each.address.startswith("https://shop-") for each in found)
    return [(each.state, each.detail) for each in found]


def test_a_redeploy_repeats_the_last_one_until_it_is_ready(bench: Bench) -> None:
    bench.vercel.add_deployment("shop")
    bench.vercel.add_deployment("shop", target=None)
    bench.apply(bench.target(), {"A": SECRET})
    bench.vercel.build(queued=20, building=30)
    assert progress(bench, bench.deployed()) == [("waiting", "QUEUED"), ("building", "BUILDING"), ("ready", "READY")]
    made = bench.vercel.deployments("shop")[-1]
    assert (made.target, made.environment["A"], made.meta) == ("production", SECRET, {"action": "redeploy"})


def test_a_project_renamed_since_is_deployed_all_the_same(bench: Bench) -> None:
    bench.vercel.add_deployment("shop")
    bench.vercel._account.project("prj_1").name = "store"
    assert list(bench.deployed().redeploy())[-1].state == "ready"


def test_a_redeploy_that_fails_ends_so(bench: Bench) -> None:
    bench.vercel.add_deployment("shop")
    bench.vercel.build(queued=0, building=1, failing=1)
    assert progress(bench, bench.deployed()) == [("building", "BUILDING"), ("failed", "ERROR")]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"target": "preview"}, (None, None, "y")),
        ({"target": "preview", "git_branch": "x"}, (None, None, "x")),
        ({"custom_environment": "env_qa"}, (None, "env_qa", None)),
    ],
)
def test_a_redeploy_is_of_the_place(bench: Bench, options: dict[str, str], expected: tuple[object, ...]) -> None:
    bench.vercel.add_deployment("shop", environment="env_qa")
    for branch in ("x", "y"):
        bench.vercel.add_deployment("shop", target=None, branch=branch)
    bench.vercel.add_deployment("shop", environment="env_qa")
    bench.vercel.add_deployment("shop", target="production")
    assert progress(bench, bench.deployed(**options))[-1] == ("ready", "READY")
    made = bench.vercel.deployments("shop")[-1]
    assert (made.target, made.custom_environment, made.branch) == expected


@pytest.mark.parametrize(
    "options", [{}, {"target": "preview"}, {"target": "preview", "git_branch": "z"}, {"custom_environment": "env_qa"}]
)
def test_without_a_deployment_to_repeat_there_is_a_remedy(bench: Bench, options: dict[str, str]) -> None:
    target = bench.deployed(**options)
    error = refused(bench, lambda: list(target.redeploy()))
    assert target.place in str(error)
    assert "deploy the project once" in error.hint


@pytest.mark.parametrize(
    ("options", "deployed"),
    [
        ({}, True),
        ({"target": "preview"}, True),
        ({"target": "preview", "git_branch": "x"}, True),
        ({"custom_environment": "env_qa"}, True),
        ({"target": "development"}, False),
        ({"target": "development", "type": "plain"}, False),
    ],
)
def test_there_is_a_redeploy_where_deployments_use_the_variables(
    bench: Bench, options: dict[str, str], deployed: bool
) -> None:
    assert isinstance(bench.target(**options), Redeploys) is deployed


def test_a_deployment_that_is_never_ready_is_followed_as_long_as_there_is_time(bench: Bench) -> None:
    bench.vercel.add_deployment("shop")
    bench.vercel.build(queued=0, building=100_000)
    bench.seconds = 900
    assert "did not end in time" in str(refused(bench, lambda: list(bench.deployed().redeploy())))
    assert sum(bench.clock.waits) == 900


STARTED: Final[dict[str, object]] = {"id": "dpl_1", "readyState": "READY", "url": "shop-1.vercel.app"}
LAST: Final[dict[str, object]] = {"uid": "dpl_0", "name": "shop"}


def answered(bench: Bench, last: dict[str, object], started: dict[str, object]) -> Iterator[Deployment]:
    """A redeploy of `last`, whose start is answered with `started`."""
    for document in ({"deployments": [last]}, started):
        bench.vercel.fail_next(200, body=json.dumps(document).encode())
    return bench.deployed().redeploy()


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, ("ready", "READY", "https://shop-1.vercel.app")),
        ({"readyState": "SOME_NEW_STEP"}, ("building", "SOME_NEW_STEP", "https://shop-1.vercel.app")),
        ({"readyState": f"<{SECRET}>"}, ("building", "", "https://shop-1.vercel.app")),
        ({"readyState": ["READY"]}, ("building", "", "https://shop-1.vercel.app")),
        ({"url": f"javascript:{SECRET}"}, ("ready", "READY", "")),
        ({"url": f"user:{SECRET}@host"}, ("ready", "READY", "")),
        ({"url": "host\x1b[31m"}, ("ready", "READY", "")),
        ({"url": None}, ("ready", "READY", "")),
    ],
)
def test_a_state_that_is_not_known_is_a_step_and_what_does_not_fit_is_left_out(
    bench: Bench, changed: dict[str, object], expected: tuple[str, str, str]
) -> None:
    seen = next(answered(bench, LAST, STARTED | changed))
    bench.shown.append(repr(seen))
    assert (seen.state, seen.detail, seen.address) == expected


@pytest.mark.parametrize("changed", [{"uid": f"../{SECRET}"}, {"uid": None}, {"name": 7}, {"name": f"a\n{SECRET}"}])
def test_a_deployment_to_repeat_that_cannot_be_used_is_a_malformed_answer(
    bench: Bench, changed: dict[str, object]
) -> None:
    steps = answered(bench, LAST | changed, STARTED)
    assert "not what its API describes" in str(refused(bench, lambda: next(steps)))
    assert not any(each.startswith("POST") for each in bench.asked())


@pytest.mark.parametrize("found", [None, "", 7, f"../{SECRET}"])
def test_a_deployment_without_a_usable_id_is_a_malformed_answer(bench: Bench, found: object) -> None:
    steps = answered(bench, LAST, STARTED | {"id": found})
    assert "not what its API describes" in str(refused(bench, lambda: next(steps)))


def test_a_redeploy_whose_answer_is_lost_is_not_started_twice(bench: Bench) -> None:
    bench.vercel.add_deployment("shop")
    bench.vercel.drop_after = "/v6/deployments"
    assert "POST /v13/deployments" in str(refused(bench, lambda: list(bench.deployed().redeploy())))
    assert len(bench.vercel.deployments("shop")) == 2
