"""Who may ask Render for what, and what a test may tell it beforehand."""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

from ciplug.standins.render.answers import RefusedError, as_error
from ciplug.standins.render.deploys import Deploys
from ciplug.standins.render.limits import Limits
from ciplug.standins.render.owners import Group, Service
from ciplug.standins.render.routes import ROUTES
from ciplug.standins.render.state import State, understood
from ciplug.standins.render.variables import Variables
from ciplug.standins.vendor import Vendor

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from ciplug.standins.loopback import Answer, Request
    from ciplug.standins.render.deploys import Status
    from ciplug.standins.render.limits import Turn
    from ciplug.standins.render.owners import ServiceType
    from ciplug.standins.render.routes import Bucket, Route
    from ciplug.standins.render.state import Asking, Change

_UNKNOWN: Final = 501
"""The status for what this stand-in does not know: 404 would pass for a variable that is already gone."""


class Render(Vendor):
    """Render's API, for one workspace unless a test adds tokens and services of others. `token` may do everything.

    Limits are requests in a minute: of one token, and for deploys of one service. `reset` is the form of
    ``Ratelimit-Reset``; without `retry_after`, it is all that a refused client is told.
    """

    workspace: Final = "tea-shop"

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        reset: Literal["seconds", "epoch"] = "seconds",
        retry_after: bool = True,
        reads: int = 400,
        writes: int = 30,
        deploys: int = 10,
    ) -> None:
        super().__init__(clock=clock)
        self._state = State(clock)
        self._limits = Limits(clock, reset=reset, retry_after=retry_after)
        self._most: dict[Bucket, int] = {"read": reads, "write": writes, "deploy": deploys}
        self._workspaces: dict[str, str] = {}
        self.token = self.add_token()

    @property
    def api_url(self) -> str:
        """The base of all routes, as a target's ``api_url``."""
        return f"{self.url}/v1"

    def add_token(self, workspace: str = workspace) -> str:
        """A new API key that reaches what is the workspace's."""
        token = f"rnd_{secrets.token_hex(16)}"
        with self._lock:
            self._workspaces[token] = workspace
        return token

    def revoke_token(self, token: str) -> None:
        """Have nobody come in with `token` any more."""
        with self._lock:
            del self._workspaces[token]

    def add_service(
        self,
        name: str,
        *,
        variables: Mapping[str, str] | None = None,
        kind: ServiceType = "web_service",
        workspace: str = workspace,
    ) -> str:
        """A new service; its id."""
        service = Service(
            id=f"srv-{secrets.token_hex(10)}",
            name=name,
            workspace=workspace,
            type=kind,
            created=self.clock(),
            variables=Variables(variables or {}, self.clock),
            deploys=Deploys(self.clock),
        )
        with self._lock:
            self._state.services[service.id] = service
        return service.id

    def add_deploy(self, service: str) -> None:
        """A first deploy of a service, as somebody starts it in the dashboard."""
        with self._lock:
            self._state.services[service].deploys.make("build_and_deploy")

    def add_group(
        self,
        name: str,
        *,
        variables: Mapping[str, str] | None = None,
        services: Sequence[str] = (),
        workspace: str = workspace,
    ) -> str:
        """A new environment group that is linked to `services`, given by their ids; its id."""
        group = Group(
            id=f"evg-{secrets.token_hex(10)}",
            name=name,
            workspace=workspace,
            created=self.clock(),
            variables=Variables(variables or {}, self.clock),
            services=tuple(self._state.services[each] for each in services),
        )
        with self._lock:
            self._state.groups[group.id] = group
        return group.id

    def values(self, where: str) -> dict[str, str]:
        """What a service or group has, whatever readers see yet."""
        with self._lock:
            return {each.key: each.value for each in self._variables(where).held()}

    def set_variable(self, where: str, key: str, value: str) -> None:
        """Set one by hand, as somebody at the dashboard does."""
        with self._lock:
            self._variables(where).put(key, value)

    def remove_variable(self, where: str, key: str) -> None:
        """Remove one by hand; everyone sees that at once."""
        with self._lock:
            self._variables(where).remove(key, lag=0)

    def changes(self) -> tuple[Change, ...]:
        """Every write that was carried out, oldest first; those by hand are not among them."""
        with self._lock:
            return tuple(self._state.changes)

    def swallow(self, where: str, key: str) -> None:
        """From now on, answer writes of that variable with success, and leave it as it is."""
        with self._lock:
            self._variables(where).swallowed.add(key)

    def delay_deletes(self, seconds: float) -> None:
        """From now on, what is removed is read for `seconds` more; it cannot be removed again, though."""
        with self._lock:
            self._state.delete_lag = seconds

    def end_deploys(self, service: str, status: Status) -> None:
        """Have the next deploys of that service come to `status`, and stay there if it is no end of a deploy."""
        with self._lock:
            self._state.services[service].deploys.ends_with = status

    def fail_next(
        self, status: int, *, times: int = 1, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> None:
        """As any vendor's; without a `body`, an error of Render's own form."""
        shown = as_error(status, "ordered by the test").body if body is None else body
        super().fail_next(status, times=times, headers=headers, body=shown)

    def handle(self, request: Request) -> Answer:
        """Render's answer: to strangers first, then to whoever is too fast, and then to what was asked."""
        asking = understood(request)
        route = ROUTES.get(asking.route)
        if route is None or not set(asking.query) <= set(route.query):
            return as_error(_UNKNOWN, "the stand-in has no such route, or does not know a name in its query")
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        workspace = self._workspaces.get(token)
        if scheme.lower() != "bearer" or workspace is None:
            return as_error(401, "Unauthorized")
        turn = self._turn(route, token, asking)
        answer = self._carried_out(route, workspace, asking) if turn.granted else as_error(429, "rate limit exceeded")
        return replace(answer, headers=turn.headers)

    def _turn(self, route: Route, token: str, asking: Asking) -> Turn:
        bucket: Hashable = asking.ids[0] if route.bucket == "deploy" else (token, route.bucket)
        return self._limits.take(bucket, self._most[route.bucket])

    def _carried_out(self, route: Route, workspace: str, asking: Asking) -> Answer:
        try:
            return route.handle(self._state, workspace, asking)
        except RefusedError as refused:
            return as_error(refused.status, refused.message)

    def _variables(self, where: str) -> Variables:
        owners = self._state.services | self._state.groups
        return owners[where].variables
