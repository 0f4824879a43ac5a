"""Targets on Vercel's stand-in, made as the engine makes them; every request is held to Vercel's own specification."""

from __future__ import annotations

import functools
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import parse_qsl, urlsplit

import pytest
from openapi_core import OpenAPI
from openapi_core.testing import MockRequest

from ciplug.errors import PlatformError
from ciplug.standins.vercel import Vercel
from ciplug.values import Batch, Endpoint, Secret
from ciplug_platforms import vercel as adapter
from tests import specs
from tests.fakes.connecting import connecting
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ciplug.contracts import Requests
    from ciplug.http import Client
    from ciplug.standins.loopback import Answer, Request

TOKEN: Final = "vcp_token-of-the-team"
SECRET: Final = "s3cret-value-one"
OTHER: Final = "an0ther-value-two"


class Clock:
    """Epoch seconds that pass only by waiting."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def __call__(self) -> float:
        return 1_790_000_000.0 + sum(self.waits)


class Watched(Vercel):
    """The stand-in, which also keeps the body of each request, so that the tests can check them."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(token=TOKEN, team="team_9", slug="acme", clock=clock)
        self.received: list[Request] = []
        self.drop_after = ""

    def handle(self, request: Request) -> Answer:
        """The stand-in's answer; the one to the request after `drop_after` will be lost."""
        self.received.append(request)
        if self.drop_after and self.drop_after in request.target:
            self.drop_next()
        return super().handle(request)


class Bench:
    """One target after the other on one stand-in, and the lines that a user would see."""

    def __init__(self, vercel: Watched, clock: Clock) -> None:
        self.vercel = vercel
        self.clock = clock
        self.seconds = 600.0
        self.shown: list[str] = []
        self._clients: list[Client] = []

    def wait(self, seconds: float) -> None:
        """An adapter's own pause; as in a sync, ``PlatformError`` once there is no time left."""
        self.clock.waits.append(seconds)
        if sum(self.clock.waits) >= self.seconds:
            raise PlatformError("it did not end in time", hint="give it a longer --deadline")

    def connect(self, endpoint: Endpoint, *, token: str = TOKEN) -> Requests:
        made = connecting(
            token,
            clock=self.clock,
            sleep=self.clock.waits.append,
            seconds=self.seconds,
            notify=self.shown.append,
        )(endpoint)
        self._clients.append(made)
        return made

    def target(self, token: str = TOKEN, **options: str) -> adapter.Vercel:
        chosen = {**({} if "custom_environment" in options else {"target": "production"}), **options}
        whole = {"project": "prj_1", "team": "team_9", "api_url": self.vercel.url, **chosen}
        made = adapter.create(whole, functools.partial(self.connect, token=token), self.wait)
        assert isinstance(made, adapter.Vercel)
        return made

    def deployed(self, **options: str) -> adapter.Deployed:
        """A target that can be deployed again."""
        made = self.target(**options)
        assert isinstance(made, adapter.Deployed)
        return made

    def apply(
        self,
        target: adapter.Vercel,
        writes: Mapping[str, str] | None = None,
        *,
        replaced: Sequence[str] = (),
        deletes: Sequence[str] = (),
    ) -> dict[str, str]:
        """Each name with its problem, after a fresh read, as the engine does it."""
        results = list(target.apply(self.batch(target, writes, replaced=replaced, deletes=deletes)))
        self.shown += map(repr, results)
        assert len({each.name for each in results}) == len(results)
        return {each.name: each.problem for each in results}

    def batch(
        self,
        target: adapter.Vercel,
        writes: Mapping[str, str] | None = None,
        *,
        replaced: Sequence[str] = (),
        deletes: Sequence[str] = (),
    ) -> Batch:
        held = tuple(target.read())
        self.shown += map(repr, held)
        return Batch(
            held=held,
            writes={name: Secret(value) for name, value in (writes or {}).items()},
            replaced=frozenset(replaced),
            deletes=tuple(each for each in held if each.name in deletes),
        )

    def stored(self) -> dict[tuple[str, tuple[str, ...]], tuple[str, str]]:
        """Type and value by name and places."""
        return {
            (each.key, tuple(sorted(each.places()))): (each.type, each.value) for each in self.vercel.variables("shop")
        }

    def asked(self) -> list[str]:
        return [f"{each.method} {urlsplit(each.target).path}" for each in self.vercel.requests()]

    def close(self) -> None:
        for client in self._clients:
            client.__exit__(None, None, None)


@contextmanager
def opened() -> Iterator[Bench]:
    """A stand-in with the project ``shop``; in the end, what it was sent and what a user would see are checked."""
    clock = Clock()
    with Watched(clock) as vercel:
        vercel.add_project("prj_1", "shop")
        vercel.add_custom_environment("prj_1", "env_qa", "qa")
        bench = Bench(vercel, clock)
        yield bench
        bench.close()
    assert_no_leak("\n".join(bench.shown), [SECRET, OTHER, TOKEN])
    for request in vercel.received:
        check(request)


@functools.cache
def specification() -> OpenAPI:
    return OpenAPI.from_dict(cast("Any", json.loads((specs.folder() / "vercel-openapi.json").read_text())))


def check(request: Request) -> None:
    """What is sent is what Vercel's specification has."""
    parts = urlsplit(request.target)
    query = dict(parse_qsl(parts.query))
    asked = MockRequest(
        "https://api.vercel.com",
        request.method.lower(),
        parts.path,
        args=query,
        headers=dict(request.headers),
        data=request.body or None,
        content_type=request.headers.get("content-type", "application/json"),
    )
    specification().validate_request(asked)


def refused(bench: Bench, call: Callable[[], object]) -> PlatformError:
    with pytest.raises(PlatformError) as err:
        call()
    assert err.value.hint
    bench.shown.append(f"{err.value!r} {err.value.hint} {err.value.__cause__!r} {err.value.__context__!r}")
    return err.value
