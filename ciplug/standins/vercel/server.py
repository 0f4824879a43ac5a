"""The stand-in's server: who may ask what, how often, and what a test can seed, order and look at."""

from __future__ import annotations

import json
import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ciplug.standins.vendor import Vendor
from ciplug.standins.vercel.account import Account
from ciplug.standins.vercel.call import call_of
from ciplug.standins.vercel.limits import OBSERVED, Buckets, headers, rate_limited, retry_after
from ciplug.standins.vercel.refused import RefusedError
from ciplug.standins.vercel.routes import UnknownRouteError, route_of
from ciplug.standins.vercel.seeding import Seeding

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from ciplug.standins.loopback import Answer, Request
    from ciplug.standins.vercel.limits import Limit
    from ciplug.standins.vercel.routes import Route
    from ciplug.standins.vercel.state import Change

_SCHEME: Final = "bearer"


class Vercel(Seeding, Vendor):
    """Vercel for one team, whose `token` is the only one; `limits` are by bucket, and none where there are none.

    A route that it does not have is answered with 404 and, when the ``with`` block ends, raised.
    """

    def __init__(
        self,
        *,
        token: str,
        team: str = "team_acme",
        slug: str = "acme",
        limits: Mapping[str, Limit] = OBSERVED,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(clock=clock)
        self._account = Account(team=team, slug=slug, clock=clock)
        self._token = token
        self._buckets = Buckets(limits)
        self._unknown: list[str] = []
        self._delays: list[float] = []
        self._paddings: list[int] = []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        if error is None and self._unknown:
            raise UnknownRouteError(f"Vercel has no {', no '.join(self._unknown)}")

    def changes(self) -> tuple[Change, ...]:
        """What requests did to variables so far, by name, oldest first."""
        with self._lock:
            return tuple(self._account.changes)

    def refuse_next(
        self,
        status: int,
        code: str = "internal_server_error",
        *,
        times: int = 1,
        advice: Mapping[str, str] | None = None,
    ) -> None:
        """Answer the next `times` requests with an error in Vercel's form, with `advice` for headers."""
        answer = RefusedError(code, "it was ordered", status=status).answer()
        self.fail_next(status, times=times, headers=advice, body=answer.body)

    def limit_next(self, *, times: int = 1, seconds: float = 30, advised: bool = True) -> None:
        """Answer the next `times` requests with 429, which says to come back in so many `seconds`.

        It is always in the body; with `advised` there are the headers as well.
        """
        reset = int(self.clock() + seconds)
        answer = rate_limited("api-projects", 120, reset).answer()
        beside = retry_after(answer, seconds) | headers(120, 0, reset) if advised else {}
        self.fail_next(429, times=times, headers=beside, body=answer.body)

    def slow_next(self, seconds: float, *, times: int = 1) -> None:
        """Take so many real `seconds` for each of the next `times` requests, whatever the clock says."""
        with self._lock:
            self._delays += [seconds] * times

    def pad_next(self, size: int, *, times: int = 1) -> None:
        """Make the answers to the next `times` requests `size` bytes long, with spaces after the JSON."""
        with self._lock:
            self._paddings += [size] * times

    def handle(self, request: Request) -> Answer:
        """The vendor's answer."""
        answer = self._answer(request)
        if self._delays:
            time.sleep(self._delays.pop(0))
        size = self._paddings.pop(0) if self._paddings else 0
        return replace(answer, body=answer.body.ljust(size))

    def _answer(self, request: Request) -> Answer:
        beside: dict[str, str] = {}
        try:
            route, found = route_of(request)
            self._authenticate(request)
            beside = self._count(route)
            call = call_of(request, route.query)
            self._scope(call.query)
            answer = route.handler(self._account, call, *found)
        except UnknownRouteError as error:
            self._unknown.append(str(error))
            answer = RefusedError("not_found", "the resource was not found", status=404).answer()
        except RefusedError as refused:
            answer = refused.answer()
            if refused.status == 429:
                beside = self._waiting(answer)
        return replace(answer, headers=beside)

    def _authenticate(self, request: Request) -> None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != _SCHEME or not given:
            raise RefusedError("unauthorized", "the request has no token", status=401)
        if not secrets.compare_digest(given.encode(), self._token.encode()):
            raise RefusedError("forbidden", "the token is not valid", status=403, invalidToken=True)

    def _scope(self, query: Mapping[str, str]) -> None:
        """The token is good for one team, and a request without a team is one for the user's own account."""
        given = (query.get("teamId", self._account.team), query.get("slug", self._account.slug))
        if given != (self._account.team, self._account.slug) or not query.keys() & {"teamId", "slug"}:
            raise RefusedError("forbidden", "the token is not one for that scope", status=403)

    def _count(self, route: Route) -> dict[str, str]:
        return self._buckets.take(route.bucket, self.clock())

    def _waiting(self, answer: Answer) -> dict[str, str]:
        limit = json.loads(answer.body)["error"]["limit"]
        return retry_after(answer, limit["reset"] - self.clock()) | headers(limit["total"], 0, limit["reset"])
