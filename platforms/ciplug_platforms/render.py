"""Render: the variables of one service, replaced all at once, or of one environment group, changed one by one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ciplug.errors import PlatformError, UsageError
from ciplug.values import Endpoint
from ciplug_platforms import render_deploys, render_rules
from ciplug_platforms.render_api import Owner, granted, identifier, items, malformed, variables
from ciplug_platforms.render_apply import Application

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ciplug.contracts import Connects, Platform, Requests
    from ciplug.values import Batch, Deployment, Result, Secret, Variable

_API: Final = "https://api.render.com"
_PAGE: Final = 100  # the most that Render gives
_IDS: Final = {"service": r"(srv|crn)-[0-9a-z]+", "env_group": r"evg-[0-9a-z]+"}
_FORMS: Final = {"service": "srv-… or crn-…", "env_group": "evg-…"}


def create(options: Mapping[str, Any], connect: Connects, wait: Callable[[float], None]) -> Platform:
    """The target that `options` name: ``service`` or ``env_group``, and maybe ``api_url``; else ``UsageError``."""
    if found := list(_option_problems(options)):
        raise UsageError(
            "; ".join(found), hint='for example options = { service = "srv-…" } or { env_group = "evg-…" }'
        )
    owner = (
        Owner(kind="service", id=options["service"])
        if "service" in options
        else Owner(kind="env_group", id=options["env_group"])
    )
    # The documented address ends in the version, which the routes here begin with.
    origin = options.get("api_url", _API).rstrip("/").removesuffix("/v1")
    return Render(owner, connect(Endpoint(label="Render", base=origin)), wait)


def _option_problems(options: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(set(options) - {"service", "env_group", "api_url"}):
        yield f"option {name}: unknown; there are api_url, env_group and service"
    if ("service" in options) == ("env_group" in options):
        yield "option service: exactly one of service and env_group is needed"
    for name, form in _IDS.items():
        given = options.get(name, "")
        if name in options and not (isinstance(given, str) and re.fullmatch(form, given)):
            yield f"option {name}: an id of Render is needed, {_FORMS[name]}, as in the dashboard's address"
    if not isinstance(options.get("api_url", _API), str):
        yield "option api_url: a text is needed, https://…"


class Render:
    """One target at Render, whose API lists every value in clear."""

    def __init__(self, owner: Owner, requests: Requests, wait: Callable[[float], None]) -> None:
        self._owner = owner
        self._requests = requests
        self._wait = wait

    @property
    def place(self) -> str:
        """``render srv-…``: ids are Render's own, whatever the service's name becomes."""
        return f"render {self._owner.id}"

    def read(self) -> Sequence[Variable]:
        """Every variable of the service itself, or of the group; the groups that a service is linked to are not it."""
        doing = f"reading the variables of {self._owner}"
        shown = self._pages(doing) if self._owner.kind == "service" else self._group(doing).get("envVars")
        return list(variables(shown, doing).values())

    def read_value(self, variable: Variable) -> Secret | None:
        """What came with it: Render gives every value when it lists them."""
        return variable.value

    def problems(self, wanted: Mapping[str, Secret], held: Sequence[Variable]) -> Sequence[str]:
        """Why these values cannot all be there."""
        return render_rules.problems(wanted, held)

    def apply(self, batch: Batch) -> Iterator[Result]:
        """Compare what is there now with what was held, and do what is left: one PUT for all of a service.

        A variable of the batch that somebody changed in between is left alone, and its result says so.
        """
        return Application(batch, requests=self._requests, owner=self._owner, read=self.read, wait=self._wait).results()

    def redeploy(self) -> Iterator[Deployment]:
        """Deploy the service's last build again; of a group, that of every service that is linked to it."""
        services = [self._owner] if self._owner.kind == "service" else self._linked()
        return render_deploys.redeploy(self._requests, self._owner, services, self._wait)

    def _pages(self, doing: str) -> list[Any]:
        """``GET /services/{id}/env-vars``"""
        shown: list[Any] = []
        cursors: list[str] = []
        while True:
            query = {"limit": str(_PAGE)} | ({"cursor": cursors[-1]} if cursors else {})
            reply = self._requests.request("GET", f"{self._owner.route}/env-vars", query=query)
            page = items(granted(reply, self._owner, doing), "envVar", doing)
            shown += [each["envVar"] for each in page]
            if len(page) < _PAGE:
                return shown
            following = page[-1].get("cursor")
            if not isinstance(following, str) or following in cursors:
                raise malformed(doing)
            cursors.append(following)

    def _group(self, doing: str) -> dict[str, Any]:
        """``GET /env-groups/{id}``"""
        document = granted(self._requests.request("GET", self._owner.route), self._owner, doing)
        if not isinstance(document, dict):
            raise malformed(doing)
        return document

    def _linked(self) -> list[Owner]:
        doing = f"reading the services of {self._owner}"
        links = self._group(doing).get("serviceLinks")
        if not isinstance(links, list):
            raise malformed(doing)
        if not links:
            raise PlatformError(
                f"Render: no service is linked to {self._owner}, so there is nothing to deploy",
                hint="link a service to it at Render, or leave out --redeploy",
            )
        return [Owner(kind="service", id=identifier(link, doing)) for link in links]
