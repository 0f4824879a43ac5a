"""A new deployment of one service, and how it goes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ciplug.errors import PlatformError
from ciplug.values import Deployment
from ciplug_platforms import railway_graphql as graphql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ciplug.contracts import Requests
    from ciplug_platforms.railway_rules import Options

_PAUSE: Final = 5.0
_POLLS: Final = 360
"""Half an hour of pauses, in which a deployment has to end."""

_STATES: Final[Mapping[str, Any]] = {
    "BUILDING": "building",
    "DEPLOYING": "building",
    "INITIALIZING": "waiting",
    "QUEUED": "waiting",
    "WAITING": "waiting",
    "SUCCESS": "ready",
    "SLEEPING": "ready",  # it was deployed, and has had nothing to do since
    "CRASHED": "failed",
    "FAILED": "failed",
    "NEEDS_APPROVAL": "failed",  # it goes on only once a person says so
    "REMOVED": "failed",
    "REMOVING": "failed",
    "SKIPPED": "failed",
}
_HOST: Final = re.compile(r"(?:https://)?([A-Za-z0-9.-]+)/?", re.ASCII)


class Deployments:
    """Those of the service that `options` name; `wait` sleeps between two polls."""

    def __init__(self, options: Options, requests: Requests, wait: Callable[[float], None]) -> None:
        self._options = options
        self._requests = requests
        self._wait = wait

    def redeploy(self) -> Iterator[Deployment]:
        """Deploy the service's latest deployment anew, and follow the newest one from then on.

        Where somebody else starts another meanwhile, it has the new values as well, and is the one that counts.
        """
        before = self._newest()
        if before is None:
            raise PlatformError(
                "Railway: there is no deployment to repeat", hint="deploy the service once, then run it again"
            )
        given = {"environment": self._options.environment, "service": self._options.service}
        # Not repeatable: the second one would deploy twice.
        answer = graphql.ask(self._requests, graphql.REDEPLOY, given, repeatable=False)
        if answer.get("serviceInstanceRedeploy") is not True:
            raise PlatformError(
                f"Railway: redeploy: {graphql.NOT_DONE}", hint="look at the service in Railway's dashboard"
            )
        yield from self._followed(before["id"])

    def _followed(self, before: str) -> Iterator[Deployment]:
        """How the deployment after `before` stands, whenever that changes."""
        last = None
        for _ in range(_POLLS):
            node = self._newest()
            now = _deployment(node) if node and node["id"] != before else Deployment(state="waiting")
            if now != last:
                yield now
            if now.state in {"ready", "failed"}:
                return
            last = now
            self._wait(_PAUSE)
        raise PlatformError(
            f"Railway: the deployment has not ended after {_POLLS} polls",
            hint="it goes on without ciplug; look at the service in Railway's dashboard",
        )

    def _newest(self) -> Mapping[str, Any] | None:
        data = graphql.ask(self._requests, graphql.NEWEST, {"input": self._options.where})
        try:
            return next(({**edge["node"], "id": edge["node"]["id"]} for edge in data["deployments"]["edges"]), None)
        except (KeyError, TypeError):
            # Without a cause: it may quote the answer.
            raise graphql.unexpected() from None


def _deployment(node: Mapping[str, Any]) -> Deployment:
    status = str(node.get("status"))
    host = _HOST.fullmatch(str(node.get("url") or node.get("staticUrl") or ""))
    address = f"https://{host[1]}" if host else ""
    if status not in _STATES:
        return Deployment(state="waiting", detail="UNKNOWN", address=address)
    return Deployment(state=_STATES[status], detail=status, address=address)
