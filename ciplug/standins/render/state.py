"""What Render holds, and what is asked of it, once both are understood."""

from __future__ import annotations

import json
from dataclasses import field
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from ciplug.frozen import frozen
from ciplug.standins.render.answers import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ciplug.standins.loopback import Request
    from ciplug.standins.render.owners import Group, Service

_BASE = "/v1/"


class Change(NamedTuple):
    """One write that was carried out: the names that it gave a value, and those that it took away."""

    where: str
    written: tuple[str, ...]
    removed: tuple[str, ...]


class State:
    """All workspaces' services and groups, by id, and every change that came through the API."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.services: dict[str, Service] = {}
        self.groups: dict[str, Group] = {}
        self.changes: list[Change] = []
        self.delete_lag = 0.0

    def service(self, wanted: str, workspace: str) -> Service:
        """The service with that id, if it is the workspace's."""
        found = self.services.get(wanted)
        if found is None or found.workspace != workspace:
            raise RefusedError(404, "service not found")
        return found

    def group(self, wanted: str, workspace: str) -> Group:
        """The group with that id, if it is the workspace's."""
        found = self.groups.get(wanted)
        if found is None or found.workspace != workspace:
            raise RefusedError(404, "environment group not found")
        return found


@frozen
class Asking:
    """A request: `route` is its method and its path with a star for each of the `ids` in it."""

    route: str
    ids: tuple[str, ...]
    query: Mapping[str, str]
    is_json: bool
    body: bytes = field(repr=False)

    def json(self) -> object:
        """What the body says."""
        if not self.is_json:
            raise RefusedError(400, "the body must be application/json")
        try:
            return json.loads(self.body)
        except ValueError:
            raise RefusedError(400, "the body is not JSON") from None  # the cause has the body


def understood(request: Request) -> Asking:
    """What `request` asks for; nothing is looked up yet."""
    parts = urlsplit(request.target)
    steps = parts.path.removeprefix(_BASE).split("/") if parts.path.startswith(_BASE) else [parts.path]
    shape = "/".join("*" if index % 2 and step else step for index, step in enumerate(steps))
    return Asking(
        route=f"{request.method} {shape}",
        ids=tuple(unquote(step) for step in steps[1::2]),
        query=dict(parse_qsl(parts.query, keep_blank_values=True)),
        is_json=request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json",
        body=request.body,
    )
