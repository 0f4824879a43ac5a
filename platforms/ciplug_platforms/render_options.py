"""What a target's ``options`` say for Render."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ciplug.frozen import frozen
from ciplug_platforms.options import API_URL, Rule, check, one_needed
from ciplug_platforms.render_api import Resource

if TYPE_CHECKING:
    from collections.abc import Mapping

_RENDER: Final = "https://api.render.com"

_RULES: Final[Mapping[str, Rule]] = {
    "service": Rule(
        words="a service's id, srv-... or crn-..., as in the dashboard's address", pattern=r"(srv|crn)-[0-9a-z]+"
    ),
    "env_group": Rule(
        words="an environment group's id, evg-..., as in the dashboard's address", pattern=r"evg-[0-9a-z]+"
    ),
    "api_url": API_URL,
}


@frozen
class Options:
    """What has the variables, and the API's origin."""

    resource: Resource
    api_url: str


def parsed(options: Mapping[str, Any]) -> Options:
    """The options, or ``UsageError`` with all that is wrong with them."""
    more = one_needed(options, _RULES, "service", "env_group")
    check("Render", options, _RULES, more=more, example='service = "srv-…" } or { env_group = "evg-…"')
    if "service" in options:
        resource = Resource(kind="service", id=options["service"])
    else:
        resource = Resource(kind="env_group", id=options["env_group"])
    # The documented address ends in the version, which the routes here begin with.
    return Options(resource=resource, api_url=options.get("api_url", _RENDER).rstrip("/").removesuffix("/v1"))
