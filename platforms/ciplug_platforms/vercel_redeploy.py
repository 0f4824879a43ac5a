"""A new deployment of what was deployed last, and how it goes."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ciplug.errors import PlatformError
from ciplug.values import Deployment
from ciplug_platforms.answers import address, word
from ciplug_platforms.polling import followed
from ciplug_platforms.vercel_api import DEPLOYMENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ciplug.values import DeploymentState
    from ciplug_platforms.vercel_api import Api
    from ciplug_platforms.vercel_options import Options

_PAUSE_SECONDS: Final = 3.0
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,100}")
"""A project's: https://vercel.com/docs/projects/overview."""

_STATES: Final[Mapping[str, DeploymentState]] = {
    "QUEUED": "waiting",
    "INITIALIZING": "waiting",
    "BUILDING": "building",
    "READY": "ready",
    "ERROR": "failed",
    "CANCELED": "failed",
    "BLOCKED": "failed",
    "DELETED": "failed",
}


def redeploy(api: Api, options: Options, wait: Callable[[float], None]) -> Iterator[Deployment]:
    """Start it, and tell how it stands whenever that changes, until it is ready or has failed."""
    started = api.deploy(_body(_last(api, options), options))
    yield from followed(partial(next, _looks(api, started)), wait, _PAUSE_SECONDS)


def _looks(api: Api, started: Mapping[str, Any]) -> Iterator[Deployment]:
    """How it stands, first as the answer to its start shows it."""
    deployment_id = DEPLOYMENT.id(started.get("id"))
    yield _deployment(started)
    while True:
        yield _deployment(api.deployment(deployment_id))


def _last(api: Api, options: Options) -> Mapping[str, Any]:
    """The newest deployment that is ready at our place."""
    query = {"target": options.target} if options.target else {}
    if options.git_branch:
        query["branch"] = options.git_branch
    for each in api.deployments(query):
        # What is in a custom environment is listed as a preview is: without a target.
        custom = each.get("customEnvironment")
        environment = custom.get("id") if isinstance(custom, dict) else None
        if (environment or "") == options.custom_environment:
            return each
    raise PlatformError(
        f"Vercel: there is no deployment that could be repeated at {options.place}",
        hint="deploy the project once, then redeploy",
    )


def _body(last: Mapping[str, Any], options: Options) -> dict[str, object]:
    """Previews have no name: for them neither target nor environment is given."""
    aim = {"production": {"target": "production"}}.get(options.target, {})
    if options.custom_environment:
        aim = {"customEnvironmentSlugOrId": options.custom_environment}
    name = last.get("name")
    if not (isinstance(name, str) and _NAME.fullmatch(name)):
        raise DEPLOYMENT.malformed()
    return {
        # The id goes before the name, which the project may have lost since.
        "name": name,
        "project": options.project,
        "deploymentId": DEPLOYMENT.id(last.get("uid")),
        "meta": {"action": "redeploy"},
        **aim,
    }


def _deployment(found: Mapping[str, Any]) -> Deployment:
    detail = word(found.get("readyState"))
    return Deployment(state=_STATES.get(detail, "building"), detail=detail, address=address(found.get("url")))
