"""What a test puts into the stand-in, changes behind the API's back, and looks at."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from ciplug.standins.vercel.deployments import new_id, place_of
from ciplug.standins.vercel.state import Deployment, Project, Variable

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from ciplug.standins.vercel.account import Account
    from ciplug.standins.vercel.state import Type

_BY_HAND = "user_dashboard"


class Seeding:
    """The part of `Vercel` that is not its API. A project is named by its id or its name."""

    _account: Account
    _lock: threading.RLock

    def add_project(self, project_id: str, name: str) -> None:
        """An empty project."""
        with self._lock:
            self._account.projects[project_id] = Project(project_id, name)

    def add_custom_environment(self, project: str, environment_id: str, slug: str) -> None:
        """A custom environment of a project."""
        with self._lock:
            self._account.project(project).environments[environment_id] = slug

    def add_variable(
        self,
        project: str,
        key: str,
        value: str,
        *,
        type: Type = "encrypted",  # noqa: A002  # the vendor's word
        target: str | Sequence[str] = ("production",),
        git_branch: str | None = None,
        custom_environments: Sequence[str] = (),
        comment: str | None = None,
        configuration_id: str | None = None,
    ) -> str:
        """The id of a new variable, for which none of Vercel's rules is enforced.

        A `target` that is a string is answered as one.
        """
        with self._lock:
            now = self._account.stamp()
            variable = Variable(
                id=secrets.token_urlsafe(12),
                key=key,
                value=value,
                type=type,
                target=(target,) if isinstance(target, str) else tuple(target),
                bare_target=isinstance(target, str),
                git_branch=git_branch,
                custom_environments=tuple(custom_environments),
                comment=comment,
                configuration_id=configuration_id,
                created_at=now,
                updated_at=now,
                updated_by=_BY_HAND,
            )
            self._account.project(project).variables[variable.id] = variable
            return variable.id

    def change_variable(self, project: str, variable_id: str, value: str) -> None:
        """Another value, given by hand in the dashboard."""
        with self._lock:
            variables = self._account.project(project).variables
            changed = replace(variables[variable_id], value=value, updated_by=_BY_HAND)
            variables[variable_id] = replace(changed, updated_at=self._account.stamp())

    def remove_variable(self, project: str, variable_id: str) -> None:
        """A variable deleted by hand, seen at once."""
        with self._lock:
            del self._account.project(project).variables[variable_id]

    def variables(self, project: str) -> tuple[Variable, ...]:
        """What is truly stored, oldest first."""
        with self._lock:
            held = [each for each in self._account.project(project).variables.values() if each.gone_at is None]
        return tuple(sorted(held, key=lambda each: each.created_at))

    def add_deployment(
        self,
        project: str,
        *,
        target: str | None = "production",
        branch: str | None = None,
        environment: str | None = None,
    ) -> str:
        """The id of a deployment that is ready, built with the variables of now; `environment` is a custom one's id."""
        with self._lock:
            account, found = self._account, self._account.project(project)
            made = Deployment(
                id=new_id(),
                project=found.id,
                name=found.name,
                target=None if environment else target,
                custom_environment=environment,
                branch=branch,
                created_at=account.stamp(),
                queued=account.clock(),
                built=account.clock(),
                environment=found.environment(environment or place_of(target), branch),
            )
            found.deployments[made.id] = made
            return made.id

    def deployments(self, project: str) -> tuple[Deployment, ...]:
        """The deployments of a project, oldest first."""
        with self._lock:
            return tuple(self._account.project(project).deployments.values())

    def refuse(
        self, key: str, *, code: str = "INVALID_VALUE", message: str = "it was refused", quotes_value: bool = False
    ) -> None:
        """Refuse every write of the variable `key`, be it one of many; the answer may quote the value it refuses."""
        with self._lock:
            self._account.refusals[key] = (code, message)
            if quotes_value:
                self._account.echoed.add(key)

    def accept(self, key: str) -> None:
        """Take writes of the variable `key` again."""
        with self._lock:
            self._account.refusals.pop(key, None)
            self._account.echoed.discard(key)

    def delay_deletes(self, seconds: float) -> None:
        """From now on a deleted variable is listed, and in the way of a new one, for so many `seconds`."""
        with self._lock:
            self._account.delete_delay = seconds

    def keep_busy(self, project: str, *, times: int = 1) -> None:
        """Refuse the next `times` writes to a project, because another is under way."""
        with self._lock:
            self._account.project(project).busy = times

    def transfer(self, project: str, *, ended: bool = False) -> None:
        """Begin to transfer a project to another team, which locks it, or end it, after which it is not found."""
        with self._lock:
            found = self._account.project(project)
            found.transferring = True
            if ended:
                del self._account.projects[found.id]

    def demand_sensitive(self) -> None:
        """The team's policy: what is not for development becomes sensitive, and shares no record with it."""
        with self._lock:
            self._account.sensitive_only = True

    def show_sensitive_as(self, text: str) -> None:
        """List sensitive variables with `text` for a value; at first it is empty."""
        with self._lock:
            self._account.sensitive_value = text

    def build(self, *, queued: float = 1, building: float = 2, failing: int = 0) -> None:
        """New deployments wait and build for so many seconds, and the next `failing` ones end in ``ERROR``."""
        with self._lock:
            self._account.build_times = (queued, building)
            self._account.failing_builds = failing
