"""One target in one sync: when it is looked at anew, and the time that it and its redeploy have."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from ciplug.conformance import Clock
from ciplug.errors import PlatformError, SyncError
from ciplug.manifest.model import Target
from ciplug.manifest.refs import Ref
from ciplug.net.proxy import ProxySettings
from ciplug.standins.loopback import Answer
from ciplug.standins.vendor import Vendor
from ciplug.sync.choice import Choice
from ciplug.sync.target_sync import FRESH_SECONDS, TargetSync
from ciplug.values import Deployment, Endpoint, Secret
from tests.fakes.memory_platform import Memory, Mortal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ciplug.contracts import Connects, Requests
    from ciplug.standins.loopback import Request
    from ciplug.values import Batch, Result, Variable


class Timed(Memory):
    """Waits before it writes, `pause` seconds long, and asks `requests` whatever it is told to ask."""

    queue = "everybody's"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.wait: Callable[[float], None] = lambda _seconds: None
        self.pause = 0.0
        self.url = ""
        self.requests: Requests | None = None

    def read(self) -> Sequence[Variable]:
        if self.requests is not None:
            self.requests.request("GET", "/variables")
        return super().read()

    def apply(self, batch: Batch) -> Iterator[Result]:
        self.wait(self.pause)
        yield from super().apply(batch)


class Deployed(Timed):
    """Has deployments of its own."""

    def redeploy(self) -> Iterator[Deployment]:
        yield Deployment(state="building")
        self.wait(self.pause)
        yield Deployment(state="ready", detail="live")


def create(options: Mapping[str, Any], connect: Connects, wait: Callable[[float], None]) -> Memory:
    """What the entry point of this test's platform names: the platform that the options hold."""
    platform: Timed = options["platform"]
    platform.wait = wait
    if platform.url:
        platform.requests = connect(Endpoint(label="Memory", base=platform.url))
    return platform


@pytest.fixture(autouse=True)
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that has the adapter ``memory``."""
    info = tmp_path / "ciplug_memory-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ciplug-memory\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[ciplug.platforms]\nmemory = {__name__}:create\n")
    monkeypatch.syspath_prepend(tmp_path)


def target_sync(
    platform: Memory,
    keeper: Mortal,
    *,
    wanted: Mapping[str, str] = MappingProxyType({"A": "1"}),
    life: float | None = None,
    clock: Clock | None = None,
    **choice: Any,
) -> TargetSync:
    declared = Target(
        name="web",
        platform="memory",
        environment="prod",
        role="shop-web",
        token=Ref.parse("//common/memory#token"),
        secrets=tuple(wanted),
        options={"platform": platform},
    )
    return TargetSync(
        declared,
        {name: Secret(value) for name, value in wanted.items()},
        Secret("memory-t0ken"),
        keeper,
        Choice(asks=False, **choice),
        proxies=ProxySettings(),
        life=lambda: life,
        notify=lambda _message: None,
        clock=clock or Clock(),
    )


@pytest.mark.parametrize(("age", "looks"), [(0.0, 1), (FRESH_SECONDS, 1), (FRESH_SECONDS + 0.1, 2)])
def test_a_plan_is_made_again_only_where_it_is_old(age: float, looks: int) -> None:
    platform, clock = Timed(echoes=True), Clock()
    sync = target_sync(platform, Mortal(), clock=clock)
    found = sync.survey()
    clock.wait(age)
    sync.carry_out(found)
    assert platform.calls.count("read") == looks
    assert platform.values == {"A": "1"}


@pytest.mark.parametrize("how", ["old", "behind another"])
@pytest.mark.parametrize("shows", [True, False])
def test_what_somebody_makes_after_the_plan_is_theirs(how: str, shows: bool) -> None:
    platform, clock = Timed(shows=shows), Clock()
    sync = target_sync(platform, Mortal(), wanted={"A": "1", "B": "2"}, clock=clock)
    found = sync.survey()
    platform.put("A", "made by somebody")
    if how == "old":
        clock.wait(FRESH_SECONDS + 1)
    found, outcome = sync.carry_out(found, again=how != "old")
    assert platform.values == {"A": "made by somebody", "B": "2"}
    assert [(change.name, change.kind) for change in found.changes] == [("A", "foreign"), ("B", "create")]
    assert [change.name for change in outcome.done] == ["B"]


def test_what_was_not_to_be_written_when_it_was_agreed_to_is_not_written() -> None:
    platform, keeper, clock = Timed(), Mortal(), Clock()
    first = target_sync(platform, keeper, wanted={"A": "1"})
    first.carry_out(first.survey())
    sync = target_sync(platform, keeper, wanted={"A": "1", "B": "2"}, clock=clock)
    found = sync.survey()
    platform.put("A", "changed by somebody")
    clock.wait(FRESH_SECONDS + 1)
    with pytest.raises(SyncError, match=r"nothing was written: there was a change since the plan was made: A$"):
        sync.carry_out(found)
    assert platform.values == {"A": "changed by somebody"}
    assert not sync.at_work


def test_it_is_at_work_once_it_may_have_written() -> None:
    sync = target_sync(Timed(), Mortal())
    found = sync.survey()
    assert not sync.at_work
    sync.carry_out(found)
    assert sync.at_work


LIVES = {
    "without an end": (None, 0.05, "0 s", "longer --deadline"),
    "longer than needed": (3600.0, 0.05, "0 s", "longer --deadline"),
    "shorter": (10.5, 300.0, "1 s", "raise token_ttl on the target's role"),
    "over": (-5.0, 300.0, "1 s", "raise token_ttl on the target's role"),
}


@pytest.mark.parametrize(("life", "seconds", "words", "hint"), LIVES.values(), ids=LIVES)
def test_it_has_the_time_that_its_session_lives_and_says_how_there_is_more(
    life: float | None, seconds: float, words: str, hint: str
) -> None:
    platform = Timed()
    platform.pause = 60
    sync = target_sync(platform, Mortal(), life=life, seconds=seconds)
    _, outcome = sync.carry_out(sync.survey())
    [error] = outcome.errors
    assert isinstance(error, PlatformError)
    assert str(error) == f"it did not end within {words}"
    assert hint in error.hint
    assert platform.values == {}


class Down(Vendor):
    """Answers whatever it is asked with 503."""

    def handle(self, request: Request) -> Answer:
        del request
        return Answer(status=503, body=b"{}")


@pytest.fixture
def down() -> Iterator[Down]:
    with Down() as vendor:
        yield vendor


@pytest.mark.parametrize(
    ("life", "seconds", "hint"), [(10.2, 300.0, "raise token_ttl"), (None, 0.5, "longer --deadline")]
)
def test_requests_that_run_out_of_time_say_the_same(down: Down, life: float | None, seconds: float, hint: str) -> None:
    platform = Timed()
    platform.url = down.url
    sync = target_sync(platform, Mortal(), life=life, seconds=seconds)
    with pytest.raises(PlatformError, match="answered 503") as failed:
        sync.survey()
    sync.close()
    assert hint in failed.value.hint


def test_after_an_interrupt_nothing_is_asked_and_no_wait_goes_on(down: Down) -> None:
    platform = Timed()
    platform.pause = 60
    sync = target_sync(platform, Mortal())
    found = sync.survey()
    sync.interrupt()
    _, outcome = sync.carry_out(found)
    assert [str(error) for error in outcome.errors] == ["it was interrupted"]
    platform.url = down.url
    with pytest.raises(PlatformError, match="not asked, interrupted") as failed:
        sync.survey()
    sync.close()
    assert failed.value.hint.startswith("run it again: it goes on")
    assert down.requests() == ()


def test_a_redeploy_tells_every_step_and_how_it_ended() -> None:
    sync = target_sync(Deployed(), Mortal())
    sync.survey()
    told: list[str] = []
    last = sync.redeploy(lambda step: told.append(step.state))
    assert (told, last.state, last.detail) == (["building", "ready"], "ready", "live")
    assert sync.redeploys


def test_a_redeploy_has_time_of_its_own() -> None:
    platform = Deployed()
    platform.pause = 60
    sync = target_sync(platform, Mortal(), redeploy_seconds=0.05)
    with pytest.raises(PlatformError, match="did not end within 0 s") as failed:
        sync.redeploy(lambda _step: None)
    assert "longer --redeploy-deadline" in failed.value.hint


class Mute(Timed):
    """Says nothing of its deployment."""

    def redeploy(self) -> Iterator[Deployment]:
        return iter(())


def test_an_adapter_that_does_not_say_how_it_went_has_failed() -> None:
    assert target_sync(Mute(), Mortal()).redeploy(lambda _step: None).state == "failed"


def test_place_queue_and_redeploys_are_the_adapter_s_own() -> None:
    sync = target_sync(Timed(), Mortal())
    assert sync.place == ""
    sync.survey()
    assert (sync.place, sync.queue, sync.redeploys) == ("memory 1", "everybody's", False)


def test_it_is_surveyed_first() -> None:
    sync = target_sync(Timed(), Mortal())
    found = sync.survey()
    with pytest.raises(TypeError):
        target_sync(Timed(), Mortal(), clock=Clock(0.0)).carry_out(found)
