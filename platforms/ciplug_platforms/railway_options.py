"""What a target's ``options`` say for Railway."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ciplug.frozen import frozen
from ciplug_platforms.options import API_URL, Rule, check, one_of

if TYPE_CHECKING:
    from collections.abc import Mapping

_RAILWAY: Final = "https://backboard.railway.com"
_ID: Final = r"[\w-]+"

_RULES: Final[Mapping[str, Rule]] = {
    "project": Rule(words="an id: letters, digits, - and _", pattern=_ID, is_required=True),
    "environment": Rule(words="an id: letters, digits, - and _", pattern=_ID, is_required=True),
    "service": Rule(words="an id: letters, digits, - and _", pattern=_ID),
    "token_kind": one_of("workspace", "account", "project"),
    "references": Rule(words="true or false"),
    "api_url": API_URL,
}


@frozen
class Options:
    """The options of one target; `service` is empty for the variables that all services share."""

    project: str
    environment: str
    service: str = ""
    token_kind: str = "workspace"  # noqa: S105  # the kind, not a token
    references: bool = False
    api_url: str = _RAILWAY

    @property
    def where(self) -> dict[str, str]:
        """How the inputs of the API say it. Without a service the key is left out, not null."""
        service = {"serviceId": self.service} if self.service else {}
        return {"projectId": self.project, "environmentId": self.environment, **service}


def parsed(options: Mapping[str, Any]) -> Options:
    """The options, or ``UsageError`` with all that is wrong with them."""
    check("Railway", options, _RULES, example='project = "…", environment = "…", service = "…"')
    return Options(**options)
