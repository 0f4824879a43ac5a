"""Redeploying a service on Railway, against its stand-in and against answers that are none of Railway's."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from ciplug.contracts import Redeploys
from ciplug.errors import PlatformError
from ciplug.standins.loopback import Answer, LoopbackServer
from ciplug.standins.railway import Railway
from ciplug.values import Deployment, Endpoint
from ciplug_platforms.railway import create
from tests.fakes.connecting import connecting
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ciplug.contracts import Requests
    from ciplug.http import Client
    from ciplug.standins.loopback import Request
    from ciplug.values import Reply

START = 1_800_000_000.0
SECONDS = 3600.0
WEB = {"project": "prj", "environment": "env", "service": "svc"}


class Watched:
    """A real client, and what is told beforehand of each document that it sends."""

    def __init__(self, client: Client, tell: Callable[[Any], object]) -> None:
        self._client = client
        self._tell = tell

    def request(self, method: str, path: str, **given: Any) -> Reply:
        self._tell(given["document"])
        return self._client.request(method, path, **given)


class World:
    """A running Railway, services on it, and a clock that goes only while they sleep."""

    def __init__(self, stack: ExitStack) -> None:
        self.slept: list[float] = []
        self.railway = stack.enter_context(Railway(clock=self.now))
        self.railway.add_environment("env", project="prj", services={"svc": "web"})
        self.about_to_send: Callable[[Any], object] = lambda _: None
        self._token = self.railway.workspace_token("acme")
        self._stack = stack

    def now(self) -> float:
        return START + sum(self.slept)

    def wait(self, seconds: float) -> None:
        """An adapter's own pause; as in a sync, ``PlatformError`` once there is no time left."""
        self.slept.append(seconds)
        if sum(self.slept) >= SECONDS:
            raise PlatformError("it did not end in time", hint="give it a longer --deadline")

    def target(self, **options: Any) -> Any:
        return create({"api_url": self.railway.url} | (options or WEB), self._connect, self.wait)

    def answered(self, *documents: object) -> Any:
        """A service whose platform gives these answers, the last one for ever."""
        left = [json.dumps(document).encode() for document in documents]

        def respond(_: Request) -> Answer:
            return Answer(status=200, body=left.pop(0) if len(left) > 1 else left[0])

        server = self._stack.enter_context(LoopbackServer(respond))
        return self.target(**WEB, api_url=server.url)

    def _connect(self, endpoint: Endpoint) -> Requests:
        connect = connecting(self._token, clock=self.now, sleep=self.slept.append, seconds=SECONDS)
        return Watched(self._stack.enter_context(connect(endpoint)), self.about_to_send)


@pytest.fixture
def world() -> Iterator[World]:
    with ExitStack() as stack:
        yield World(stack)


def test_a_redeploy_is_followed_until_it_is_ready(world: World) -> None:
    world.railway.deploy_as("SUCCESS", lasts=30)
    seen = list(world.target().redeploy())
    address = "https://web-production.up.railway.app"
    assert seen == [
        Deployment(state="waiting", detail="QUEUED", address=address),
        Deployment(state="building", detail="BUILDING", address=address),
        Deployment(state="building", detail="DEPLOYING", address=address),
        Deployment(state="ready", detail="SUCCESS", address=address),
    ]
    assert len(world.railway.deployments("env", "svc")) == 2
    assert 30 <= sum(world.slept) <= 40


@pytest.mark.parametrize("outcome", ["FAILED", "CRASHED", "SKIPPED", "NEEDS_APPROVAL"])
def test_a_redeploy_that_comes_to_nothing_has_failed(world: World, outcome: Any) -> None:
    world.railway.deploy_as(outcome, lasts=3)
    last = list(world.target().redeploy())[-1]
    assert (last.state, last.detail) == ("failed", outcome)


def test_a_service_that_sleeps_after_its_deployment_is_ready(world: World) -> None:
    world.railway.deploy_as("SLEEPING")
    assert [each.state for each in world.target().redeploy()] == ["ready"]


def test_a_deployment_that_does_not_end_is_followed_as_long_as_there_is_time(world: World) -> None:
    world.railway.deploy_as("SUCCESS", lasts=36_000)
    with pytest.raises(PlatformError, match="did not end in time"):
        list(world.target().redeploy())
    assert sum(world.slept) == SECONDS
    assert len(world.railway.deployments("env", "svc")) == 2


def test_without_a_deployment_there_is_nothing_to_repeat(world: World) -> None:
    world.railway.add_environment("new", project="prj", services={"svc-3": "api"}, deployed=False)
    with pytest.raises(PlatformError, match="no deployment to repeat") as caught:
        next(world.target(project="prj", environment="new", service="svc-3").redeploy())
    assert "deploy the service once" in caught.value.hint
    assert world.railway.deployments("new", "svc-3") == ()


def test_only_a_service_can_be_redeployed(world: World) -> None:
    assert isinstance(world.target(), Redeploys)
    assert not isinstance(world.target(project="prj", environment="env"), Redeploys)


def test_a_redeploy_whose_answer_is_lost_is_not_started_twice(world: World) -> None:
    world.about_to_send = lambda document: world.railway.drop_next() if "Redeploy" in document["query"] else None
    with pytest.raises(PlatformError) as caught:
        list(world.target().redeploy())
    assert caught.value.hint
    assert len(world.railway.deployments("env", "svc")) == 2


@pytest.mark.parametrize(
    "document",
    [
        {"data": {}},
        {"data": {"deployments": {"edges": ["hunter22"]}}},
        {"data": {"deployments": {"edges": [{"node": {"status": "hunter22"}}]}}},
        {"data": {"deployments": {"edges": [{"node": {"id": "hunter22/../x"}}]}}},
    ],
)
def test_a_deployment_that_is_not_railway_s_is_an_error_that_quotes_nothing(world: World, document: object) -> None:
    with pytest.raises(PlatformError, match="not what its API describes") as caught:
        next(world.answered(document).redeploy())
    assert_no_leak(f"{caught.value!r} {caught.value.hint}", ["hunter22"])


def test_a_redeploy_that_is_answered_false_was_not_started(world: World) -> None:
    newest = {"data": {"deployments": {"edges": [{"node": {"id": "d1", "status": "SUCCESS"}}]}}}
    with pytest.raises(PlatformError, match="not done"):
        next(world.answered(newest, {"data": {"serviceInstanceRedeploy": False}}).redeploy())


@pytest.mark.parametrize(
    ("status", "url", "seen"),
    [
        ("SOMETHING_NEW", "web.up.railway.app", ("building", "SOMETHING_NEW", "https://web.up.railway.app")),
        (["SUCCESS"], "https://web.up.railway.app/", ("building", "", "https://web.up.railway.app")),
        ("it is hunter22", "web.up.railway.app", ("building", "", "https://web.up.railway.app")),
        ("BUILDING", "javascript:alert(1)", ("building", "BUILDING", "")),
        ("BUILDING", "host\x1b[31m", ("building", "BUILDING", "")),
        ("BUILDING", 7, ("building", "BUILDING", "")),
    ],
)
def test_a_state_that_is_not_known_is_a_step_and_what_does_not_fit_is_left_out(
    world: World, status: object, url: object, seen: tuple[str, str, str]
) -> None:
    def newest(name: str, status: object) -> dict[str, Any]:
        node = {"id": name, "status": status, "url": url, "staticUrl": None}
        return {"data": {"deployments": {"edges": [{"node": node}]}}}

    started = {"data": {"serviceInstanceRedeploy": True}}
    target = world.answered(newest("d1", "SUCCESS"), started, newest("d1", "SUCCESS"), newest("d2", status))
    steps = target.redeploy()
    assert next(steps) == Deployment(state="waiting")
    step = next(steps)
    assert (step.state, step.detail, step.address) == seen
