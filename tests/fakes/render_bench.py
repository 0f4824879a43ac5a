"""Targets on Render's stand-in, made as the engine makes them, and what the adapter's tests ask of them."""

from __future__ import annotations

import re
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any, cast

import pytest

from ciplug.errors import CiplugError, PlatformError
from ciplug.standins.render import Render
from ciplug.values import Batch, Deployment, Endpoint, Secret
from ciplug_platforms.render import create
from tests.fakes.connecting import connecting
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ciplug.contracts import Platform, Redeploys
    from ciplug.http import Client
    from ciplug.standins.render.deploys import Deploy, Status
    from ciplug.values import Variable

NOW = 1_699_999_980.0
OURS = "0ur-s3cret-value"
NEWER = "n3wer-s3cret-value"
THEIRS = 'their "value"\n${{x}} \\ 🔑 %0A'
HOSTILE = {
    "NEWLINE": "first-line\nsecond-line\r\n",
    "QUOTES": 'it\'s "quoted" `here` \\n',
    "TEMPLATE": "${{ secrets.X }} $(id) ${HOME} %0A",
    "EMOJI": "🔑 schlüssel ключ",
    "LONG": "0123456789ab" * 5000,
    "ONE": "x",
    "BLANK": " ",
}


class Clock:
    """Time that passes only by sleeping, and what happens meanwhile."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def passed(self) -> float:
        return sum(self.slept)

    def __call__(self) -> float:
        return NOW + self.passed()


class Bench:
    """Targets of the stand-in, made as the engine makes them."""

    def __init__(self, render: Render, clock: Clock) -> None:
        self.render = render
        self.clock = clock
        self.clients: list[Client] = []

    def target(self, *, token: str = "", seconds: float = 600, **options: object) -> Platform:
        connected = connecting(
            token or self.render.token,
            clock=self.clock.passed,
            sleep=self.clock.sleep,
            seconds=seconds,
            wall_clock=self.clock,
        )

        def connect(endpoint: Endpoint) -> Client:
            self.clients.append(connected(endpoint))
            return self.clients[-1]

        def wait(pause: float) -> None:
            self.clock.sleep(pause)
            if self.clock.passed() >= seconds:
                raise PlatformError("it did not end in time", hint="give it a longer --deadline")

        return create({"api_url": self.render.api_url} | options, connect, wait)

    def deploys(self, service: str) -> list[Deploy]:
        """The service's deploys, newest first."""
        return self.render._state.services[service].deploys.newest_first()

    def made(self, service: str) -> Deploy:
        """Its newest deploy."""
        return self.deploys(service)[0]

    def build(self, service: str) -> None:
        """Start one by hand."""
        self.render.add_deploy(service)

    def asked(self) -> list[str]:
        """The requests so far, without ids and queries."""
        asked = (f"{each.method} {each.target.partition('?')[0]}" for each in self.render.requests())
        return [re.sub(r"/v1/|/(srv|evg|dep)-[0-9a-f]+", "", each) for each in asked]


@contextmanager
def opened() -> Iterator[Bench]:
    """A stand-in of its own, and no connection to it is left behind."""
    clock = Clock()
    with Render(clock=clock) as render:
        bench = Bench(render, clock)
        yield bench
        for client in bench.clients:
            client.__exit__(None, None, None)


def secrets(values: Mapping[str, str]) -> dict[str, Secret]:
    return {name: Secret(value) for name, value in values.items()}


def held(target: Platform) -> tuple[Variable, ...]:
    return tuple(target.read())


def batch(target: Platform, writes: Mapping[str, str], *deletes: str) -> Batch:
    seen = held(target)
    return Batch(held=seen, writes=secrets(writes), deletes=tuple(each for each in seen if each.name in deletes))


def applied(target: Platform, what: Batch) -> dict[str, str]:
    """The problems by name. Every name comes back once, and no value does."""
    results = list(target.apply(what))
    names = [each.name for each in results]
    assert sorted(names) == sorted({*what.writes, *(each.name for each in what.deletes)})
    assert_no_leak(repr(results), [OURS, NEWER, THEIRS, *HOSTILE.values()])
    return {each.name: each.problem for each in results}


def refused(call: Any, *said: str) -> CiplugError:
    with pytest.raises(CiplugError) as err:
        call()
    shown = f"{err.value} {err.value.hint} {err.value!r} {err.value.__cause__!r}"
    assert_no_leak(shown, [OURS, NEWER, THEIRS])
    assert err.value.hint
    assert "{" not in shown
    for words in said:
        assert words in str(err.value)
    return err.value


def deployments(target: Platform) -> list[Deployment]:
    seen = list(cast("Redeploys", target).redeploy())
    assert all(one != other for one, other in pairwise(seen))
    return seen


def deployed(bench: Bench, render: Render, *, end: Status = "live", name: str = "shop") -> str:
    """A service that was deployed once, whose next deploy comes to `end`."""
    service = render.add_service(name)
    bench.build(service)
    bench.clock.sleep(60)
    render.end_deploys(service, end)
    return service
