"""What each field of the two root types does: one request's caller against what the platform holds."""

from __future__ import annotations

from dataclasses import field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ciplug.frozen import frozen
from ciplug.standins.railway.access import authorized
from ciplug.standins.railway.execution import RefusedError
from ciplug.standins.railway.paging import connection
from ciplug.standins.railway.references import references
from ciplug.standins.railway.variables import Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.standins.railway.access import Caller
    from ciplug.standins.railway.deployments import Deployment, Deployments
    from ciplug.standins.railway.execution import Resolvers
    from ciplug.standins.railway.variables import Environment, Row, Variables


@frozen
class View:
    """The platform as one request sees it; `written` collects the names of the variables that it wants to write."""

    caller: Caller | None
    environments: Mapping[str, Environment]
    variables: Variables = field(repr=False)
    deployments: Deployments = field(repr=False)
    page: int
    written: list[str]

    def resolvers(self) -> Resolvers:
        """Those of both root types; no field is in both."""
        return {
            "deployments": self._deployments,
            "environment": self._environment,
            "projectToken": self._project_token,
            "serviceInstanceRedeploy": self._redeploy,
            "variableCollectionUpsert": self._upsert_all,
            "variableDelete": self._delete,
            "variableUpsert": self._upsert,
            "variables": self._variables,
        }

    def _project_token(self, _arguments: Mapping[str, Any]) -> object:
        if self.caller is None or self.caller.environment is None:
            raise RefusedError("Project Token not found")
        environment = self.caller.environment
        token = {"id": self.caller.token_id, "name": "ciplug"}
        return token | {"projectId": environment.project, "environmentId": environment.id}

    def _variables(self, arguments: Mapping[str, Any]) -> object:
        return self.variables.shown(self._place(arguments), unrendered=bool(arguments.get("unrendered")))

    def _environment(self, arguments: Mapping[str, Any]) -> object:
        environment = self._reached(arguments["id"], arguments.get("projectId"))
        places = [Place(environment, service) for service in (None, *environment.services)]
        nodes = [_variable(place, row) for place in places for row in self.variables.rows(place).values()]
        nodes.sort(key=lambda node: int(str(node["id"]).removeprefix("var-")))
        return {
            "id": environment.id,
            "name": environment.name,
            "projectId": environment.project,
            "variables": lambda paging: connection(nodes, paging, self.page),
        }

    def _deployments(self, arguments: Mapping[str, Any]) -> object:
        wanted = arguments["input"]
        if not wanted.get("environmentId"):
            raise RefusedError("Not Authorized")  # the API may list a whole project; ciplug never asks for one
        place = self._place(wanted)
        found = self.deployments.of(place.environment.id, place.service)
        return connection([self._deployment(place.environment, one) for one in found], arguments, self.page)

    def _upsert_all(self, arguments: Mapping[str, Any]) -> object:
        wanted = arguments["input"]
        self.written.extend(wanted["variables"])
        place = self._place(wanted)
        self.variables.upsert(place, wanted["variables"], replace=bool(wanted["replace"]))
        return self._wrote(place, skip=bool(wanted["skipDeploys"]))

    def _upsert(self, arguments: Mapping[str, Any]) -> object:
        wanted = arguments["input"]
        self.written.append(wanted["name"])
        place = self._place(wanted)
        self.variables.upsert(place, {wanted["name"]: wanted["value"]}, replace=False)
        return self._wrote(place, skip=bool(wanted["skipDeploys"]))

    def _delete(self, arguments: Mapping[str, Any]) -> object:
        wanted = arguments["input"]
        self.written.append(wanted["name"])
        place = self._place(wanted)
        self.variables.delete(place, wanted["name"])
        return self._wrote(place, skip=False)

    def _redeploy(self, arguments: Mapping[str, Any]) -> object:
        place = self._place(arguments)
        if not self.deployments.of(*place.key):
            raise RefusedError("Deployment not found")
        self.deployments.start(place.environment.id, arguments["serviceId"])
        return True

    def _wrote(self, place: Place, *, skip: bool) -> bool:
        affected = self.variables.users_of_shared(place.environment) if place.service is None else [place.service]
        for service in [] if skip else affected:
            self.deployments.start(place.environment.id, service)
        return True

    def _place(self, arguments: Mapping[str, Any]) -> Place:
        environment = self._reached(arguments["environmentId"], arguments.get("projectId"))
        service = arguments.get("serviceId")
        if service is not None and service not in environment.services:
            raise RefusedError("Service not found")
        return Place(environment, service)

    def _reached(self, environment_id: str, project: str | None) -> Environment:
        """The environment, if it is there, of that project and within the token's reach; the vendor tells no more."""
        caller = authorized(self.caller)
        environment = self.environments.get(environment_id)
        if environment is None or project not in (None, environment.project) or not caller.may(environment):
            raise RefusedError("Not Authorized")
        return environment

    def _deployment(self, environment: Environment, one: Deployment) -> dict[str, object]:
        host = f"{environment.services[one.service]}-{environment.name}.up.railway.app"
        return {
            "createdAt": _time(one.created),
            "environmentId": environment.id,
            "id": one.id,
            "projectId": environment.project,
            "serviceId": one.service,
            "staticUrl": host,
            "status": self.deployments.status(one),
            "url": host if self.deployments.status(one) == "SUCCESS" else None,
        }


def _variable(place: Place, row: Row) -> dict[str, object]:
    return {
        "createdAt": _time(row.created),
        "environmentId": place.environment.id,
        "id": row.id,
        "isSealed": row.sealed,
        "name": row.name,
        "references": [] if row.sealed else references(row.value),
        "serviceId": place.service,
        "updatedAt": _time(row.updated),
    }


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
