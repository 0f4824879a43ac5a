"""Which function answers which route, what its query may have, and which bucket it is counted in."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from ciplug.standins.vercel import creating, deployments, variables
from ciplug.standins.vercel.limits import DELETING, PROJECTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from ciplug.standins.loopback import Answer, Request


class UnknownRouteError(LookupError):
    """A method and path that the stand-in does not have; the message is both."""


class Route(NamedTuple):
    """One route; `handler` is called with the account, the call and the parts that `path` captures."""

    method: str
    path: re.Pattern[str]
    handler: Callable[..., Answer]
    query: frozenset[str] = frozenset()
    bucket: str = PROJECTS


def route_of(request: Request) -> tuple[Route, tuple[str, ...]]:
    """The route of `request`, and the captured parts of its path."""
    path = urlsplit(request.target).path
    for route in _ROUTES:
        match = route.path.fullmatch(path)
        if match is not None and request.method == route.method:
            return route, tuple(unquote(part) for part in match.groups())
    raise UnknownRouteError(f"{request.method} {path}")


def _path(template: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\{\w+\}", "([^/]+)", template))


_LISTED: Final = frozenset({"limit", "until"})
_ROUTES: Final = (
    Route(
        "GET",
        _path("/v10/projects/{idOrName}/env"),
        variables.list_all,
        _LISTED | {"gitBranch", "decrypt", "source", "customEnvironmentId", "customEnvironmentSlug"},
    ),
    Route("POST", _path("/v10/projects/{idOrName}/env"), creating.create, frozenset({"upsert"})),
    Route("PATCH", _path("/v9/projects/{idOrName}/env/{id}"), variables.edit),
    Route(
        "DELETE",
        _path("/v9/projects/{idOrName}/env/{id}"),
        variables.delete_one,
        frozenset({"customEnvironmentId"}),
        DELETING,
    ),
    Route("DELETE", _path("/v1/projects/{idOrName}/env"), variables.delete_many, bucket=DELETING),
    Route("GET", _path("/v1/projects/{idOrName}/env/{id}"), variables.read_one),
    Route(
        "GET",
        _path("/v6/deployments"),
        deployments.list_all,
        _LISTED | {"projectId", "target", "state", "branch", "app"},
        "deployments",
    ),
    Route(
        "POST",
        _path("/v13/deployments"),
        deployments.create,
        frozenset({"forceNew", "skipAutoDetectionConfirmation"}),
        "deployments",
    ),
    Route("GET", _path("/v13/deployments/{idOrUrl}"), deployments.read_one, bucket="deployments"),
)
