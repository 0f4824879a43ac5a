"""The team that a token of the stand-in belongs to: its projects, its clock and its rules."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from ciplug.standins.vercel.refused import RefusedError
from ciplug.standins.vercel.state import Change, Project, Variable

if TYPE_CHECKING:
    from collections.abc import Callable

    from ciplug.standins.vercel.state import Deployment

API_USER: Final = "user_api"
"""Who a change through the API is stamped with."""


class Account:
    """All that the routes share; `clock` gives epoch seconds."""

    def __init__(self, *, team: str, slug: str, clock: Callable[[], float]) -> None:
        self.team = team
        self.slug = slug
        self.clock = clock
        self.projects: dict[str, Project] = {}
        self.changes: list[Change] = []
        self.refusals: dict[str, tuple[str, str]] = {}
        self.echoed: set[str] = set()
        self.delete_delay = 0.0
        self.sensitive_value = ""
        self.sensitive_only = False
        self.build_times = (1.0, 2.0)
        self.failing_builds = 0
        self._stamped = 0
        self._key = secrets.token_bytes(32)

    def stamp(self) -> int:
        """Now in milliseconds, and later than every stamp before, so that paging by time misses nothing."""
        self._stamped = max(int(self.clock() * 1000), self._stamped + 1)
        return self._stamped

    def project(self, id_or_name: str) -> Project:
        """The project of that id or name."""
        for project in self.projects.values():
            if id_or_name in (project.id, project.name):
                return project
        raise RefusedError("not_found", "the project was not found", status=404)

    def writable(self, id_or_name: str) -> Project:
        """The same, unless its variables cannot be changed now."""
        project = self.project(id_or_name)
        if project.transferring:
            raise RefusedError("conflict", "the project is being transferred", status=409)
        if project.busy:
            project.busy -= 1
            raise RefusedError("BAD_REQUEST", "an ongoing env update is already happening")
        return project

    def deployment(self, id_or_url: str) -> Deployment:
        """The deployment of that id or host name."""
        for project in self.projects.values():
            for each in project.deployments.values():
                if id_or_url in (each.id, each.url()):
                    return each
        raise RefusedError("not_found", "the deployment was not found", status=404)

    def store(self, project: Project, variable: Variable) -> Variable:
        """Write `variable`, stamped, and note the change."""
        now = self.stamp()
        is_new = variable.id not in project.variables
        created = now if is_new else variable.created_at
        kept = replace(variable, created_at=created, updated_at=now, updated_by=API_USER)
        project.variables[kept.id] = kept
        self.changes.append(Change("created" if is_new else "updated", kept.key, kept.id))
        return kept

    def erase(self, project: Project, variable: Variable) -> None:
        """Delete `variable`, which lists show for as long as deletes take to be seen."""
        if self.delete_delay:
            project.variables[variable.id] = replace(variable, gone_at=self.clock() + self.delete_delay)
        else:
            del project.variables[variable.id]
        self.changes.append(Change("deleted", variable.key, variable.id))

    def shown(self, variable: Variable) -> dict[str, Any]:
        """How lists and answers to writes show `variable`: only a plain value can be read."""
        values = {"plain": variable.value, "encrypted": self._sealed(variable), "sensitive": self.sensitive_value}
        return described(variable) | {"value": values.get(variable.type, ""), "decrypted": variable.type == "plain"}

    def opened(self, variable: Variable) -> dict[str, Any]:
        """How the route for one variable shows it: in clear, but without a value where it is sensitive."""
        if variable.type == "sensitive":
            return described(variable) | {"decrypted": False}
        return described(variable) | {"value": variable.value, "decrypted": True}

    def _sealed(self, variable: Variable) -> str:
        """Text like Vercel's ciphertext, another one for each change; no value can be had from it."""
        content = f"{variable.id} {variable.updated_at} {variable.value}".encode()
        envelope = {"v": "v2", "c": hmac.new(self._key, content, hashlib.sha512).hexdigest(), "i": variable.updated_at}
        return base64.b64encode(json.dumps(envelope).encode()).decode()


def described(variable: Variable) -> dict[str, Any]:
    """All but the value."""
    shown = {
        "id": variable.id,
        "key": variable.key,
        "type": variable.type,
        "target": variable.target[0] if variable.bare_target else list(variable.target),
        "customEnvironmentIds": list(variable.custom_environments),
        "configurationId": variable.configuration_id,
        "createdAt": variable.created_at,
        "updatedAt": variable.updated_at,
        "createdBy": API_USER,
        "updatedBy": variable.updated_by,
        "system": variable.type == "system",
    }
    optional = {"gitBranch": variable.git_branch, "comment": variable.comment}
    return shown | {name: text for name, text in optional.items() if text is not None}
