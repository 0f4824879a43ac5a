"""Render: the variables of one service, replaced all at once, or of one environment group, changed one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ciplug.errors import PlatformError
from ciplug.values import Endpoint
from ciplug_platforms import render_deploys, render_options, render_rules
from ciplug_platforms.render_api import Resource, granted, items, shape, variables
from ciplug_platforms.render_apply import Applying

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ciplug.contracts import Connects, Platform, Requests
    from ciplug.values import Batch, Deployment, Result, Secret, Variable

_PAGE_ITEMS: Final = 100
"""The most that Render gives: https://api-docs.render.com/reference/pagination."""


def create(options: Mapping[str, Any], connect: Connects, wait: Callable[[float], None]) -> Platform:
    """The target that `options` name; ``UsageError`` says all that is wrong with them."""
    chosen = render_options.parsed(options)
    return Render(chosen.resource, connect(Endpoint(label="Render", base=chosen.api_url)), wait)


class Render:
    """One target at Render, whose API lists every value in clear."""

    def __init__(self, resource: Resource, requests: Requests, wait: Callable[[float], None]) -> None:
        self._resource = resource
        self._requests = requests
        self._wait = wait

    @property
    def place(self) -> str:
        """``render srv-…``: ids are Render's own, whatever the service's name becomes."""
        return f"render {self._resource.id}"

    def read(self) -> Sequence[Variable]:
        """Every variable of the service itself, or of the group; the groups that a service is linked to are not it."""
        doing = f"reading the variables of {self._resource}"
        shown = self._pages(doing) if self._resource.kind == "service" else self._group(doing).get("envVars")
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
        return Applying(
            batch, requests=self._requests, resource=self._resource, read=self.read, wait=self._wait
        ).results()

    def redeploy(self) -> Iterator[Deployment]:
        """Deploy the service's last build again; of a group, that of every service that is linked to it."""
        services = [self._resource] if self._resource.kind == "service" else self._linked()
        return render_deploys.redeploy(self._requests, self._resource, services, self._wait)

    def _pages(self, doing: str) -> list[Any]:
        """``GET /services/{id}/env-vars``"""
        shown: list[Any] = []
        cursors: list[str] = []
        while True:
            query = {"limit": str(_PAGE_ITEMS)} | ({"cursor": cursors[-1]} if cursors else {})
            reply = self._requests.request("GET", f"{self._resource.route}/env-vars", query=query)
            page = items(granted(reply, self._resource, doing), "envVar", doing)
            shown += [each["envVar"] for each in page]
            if len(page) < _PAGE_ITEMS:
                return shown
            following = page[-1].get("cursor")
            if not isinstance(following, str) or following in cursors:
                raise shape(doing).malformed()
            cursors.append(following)

    def _group(self, doing: str) -> Mapping[str, Any]:
        """``GET /env-groups/{id}``"""
        reply = self._requests.request("GET", self._resource.route)
        return shape(doing).mapping(granted(reply, self._resource, doing))

    def _linked(self) -> list[Resource]:
        doing = f"reading the services of {self._resource}"
        expected = shape(doing)
        links = expected.listing(self._group(doing).get("serviceLinks"))
        if not links:
            raise PlatformError(
                f"Render: no service is linked to {self._resource}, so there is nothing to deploy",
                hint="link a service to it at Render, or leave out --redeploy",
            )
        return [Resource(kind="service", id=expected.id(expected.mapping(link).get("id"))) for link in links]
