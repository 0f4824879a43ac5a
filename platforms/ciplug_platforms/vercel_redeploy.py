"""A new deployment of what was deployed last, and how it goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from ciplug.errors import PlatformError
from ciplug.values import Deployment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ciplug_platforms.vercel_api import Api
    from ciplug_platforms.vercel_options import Options

State = Literal["waiting", "building", "ready", "failed"]

_POLL_SECONDS: Final = 3.0
_MOST_SECONDS: Final = 3600.0
"""Vercel ends a build after 45 minutes."""

_STATES: Final[Mapping[str, State]] = {
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
    last = _last(api, options)
    found = api.deploy(_body(last, options))
    told: Deployment | None = None
    for _ in range(int(_MOST_SECONDS / _POLL_SECONDS)):
        now = _progress(found)
        if now != told:
            yield now
        if now.state in {"ready", "failed"}:
            return
        told = now
        wait(_POLL_SECONDS)
        found = api.deployment(str(found.get("id", "")))
    raise PlatformError(
        f"Vercel: the deployment is not ready after {_MOST_SECONDS:.0f} s",
        hint=f"look at it: {_progress(found).address}",
    )


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
    return {
        # The id goes before the name, which the project may have lost since.
        "name": str(last.get("name", "")),
        "project": options.project,
        "deploymentId": str(last.get("uid", "")),
        "meta": {"action": "redeploy"},
        **aim,
    }


def _progress(found: Mapping[str, Any]) -> Deployment:
    detail = str(found.get("readyState", ""))
    host = found.get("url")
    address = f"https://{host}" if isinstance(host, str) and host else ""
    return Deployment(state=_STATES.get(detail, "building"), detail=detail, address=address)
