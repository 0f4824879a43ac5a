"""A new deployment of one service, and how it goes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ciplug.errors import PlatformError
from ciplug.values import Deployment
from ciplug_platforms import railway_graphql as graphql
from ciplug_platforms.answers import address, word
from ciplug_platforms.polling import followed
from ciplug_platforms.railway_graphql import ANSWER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ciplug.contracts import Requests
    from ciplug.values import DeploymentState
    from ciplug_platforms.railway_options import Options

_PAUSE_SECONDS: Final = 5.0

_STATES: Final[Mapping[str, DeploymentState]] = {
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


class Deployments:
    """Those of the service that `options` name; `wait` sleeps between two looks."""

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
        yield from followed(partial(self._look, before["id"]), self._wait, _PAUSE_SECONDS)

    def _look(self, before: str) -> Deployment:
        """How the deployment after `before` stands."""
        node = self._newest()
        if node is None or node["id"] == before:
            return Deployment(state="waiting")
        detail = word(node.get("status"))
        seen = address(node.get("url") or node.get("staticUrl"))
        return Deployment(state=_STATES.get(detail, "building"), detail=detail, address=seen)

    def _newest(self) -> Mapping[str, Any] | None:
        """The service's newest deployment, which has an id; ``None`` where there is none."""
        data = graphql.ask(self._requests, graphql.NEWEST, {"input": self._options.where})
        node = next(graphql.nodes(data.get("deployments")), None)
        if node is not None:
            ANSWER.id(node.get("id"))
        return node
