"""What owns variables at Render: services and environment groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

from ciplug.frozen import frozen
from ciplug.standins.render.answers import timestamp

if TYPE_CHECKING:
    from ciplug.standins.render.deploys import Deploys
    from ciplug.standins.render.variables import Variables

ServiceType = Literal["web_service", "private_service", "background_worker", "cron_job", "static_site"]

_SHORT_TYPES: Final[dict[ServiceType, str]] = {
    "web_service": "web",
    "private_service": "pserv",
    "background_worker": "worker",
    "cron_job": "cron",
    "static_site": "static",
}


@frozen
class Service:
    """A service of a workspace, with the deploys that it has had."""

    id: str
    name: str
    workspace: str
    type: ServiceType
    created: float
    variables: Variables
    deploys: Deploys

    def as_json(self) -> dict[str, object]:
        """As Render shows it; its variables are asked for separately."""
        return {
            "id": self.id,
            "name": self.name,
            "ownerId": self.workspace,
            "type": self.type,
            "slug": self.name,
            "autoDeploy": "no",
            "notifyOnFail": "default",
            "rootDir": "",
            "suspended": "not_suspended",
            "suspenders": [],
            "createdAt": timestamp(self.created),
            "updatedAt": timestamp(self.created),
            "dashboardUrl": f"https://dashboard.render.com/{_SHORT_TYPES[self.type]}/{self.id}",
            "serviceDetails": {"url": f"https://{self.name}.onrender.com"},
        }

    def as_link(self) -> dict[str, str]:
        """As a group shows a service that is linked to it."""
        return {"id": self.id, "name": self.name, "type": _SHORT_TYPES[self.type]}


@frozen
class Group:
    """An environment group of a workspace, and the services that are linked to it."""

    id: str
    name: str
    workspace: str
    created: float
    variables: Variables
    services: tuple[Service, ...]

    def as_meta(self) -> dict[str, object]:
        """As Render shows it in a list: without its variables."""
        return {
            "id": self.id,
            "name": self.name,
            "ownerId": self.workspace,
            "createdAt": timestamp(self.created),
            "updatedAt": timestamp(self.created),
            "serviceLinks": [service.as_link() for service in self.services],
        }

    def as_json(self) -> dict[str, object]:
        """As Render shows it alone: with all variables, on no pages, and without secret files, for it has none."""
        shown = [variable.as_json() for variable in self.variables.read()]
        return self.as_meta() | {"envVars": shown, "secretFiles": []}
