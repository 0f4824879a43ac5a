"""A job's steps, with each failure that ``ciplug doctor`` knows about explained as it would explain it."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from ciplug.errors import DeniedError, IdentityError, MissingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ciplug.cli.wiring import Task
    from ciplug.contracts import VaultSession
    from ciplug.doctor.case import Door
    from ciplug.pipeline import Steps
    from ciplug.values import Contents, Identity, Record, Secret


@contextmanager
def explained(task: Task) -> Iterator[Steps]:
    """The task's steps, for a block in which errors of identity, of rights and of what is missing are explained."""
    seen: list[Identity] = []

    def log_in(identity: Identity, role: str) -> VaultSession:
        seen.append(identity)
        return _Explaining(task.steps.login(identity, role), task, identity)

    try:
        yield replace(task.steps, login=log_in)
    except (IdentityError, DeniedError, MissingError) as err:
        from ciplug.doctor.explain import explain

        explain(err, door_of(task), seen[-1] if seen else None)
        raise


class _Explaining:
    """A session that says of a refused read what else it may not read."""

    def __init__(self, session: VaultSession, task: Task, identity: Identity) -> None:
        self._session = session
        self._task = task
        self._identity = identity

    @property
    def token(self) -> Secret:
        """The vault token, as the session has it."""
        return self._session.token

    @property
    def request_id(self) -> str:
        """Under which the vault's audit log has the login."""
        return self._session.request_id

    @property
    def ours(self) -> bool:
        """Whether `revoke` still has anything to end."""
        return self._session.ours

    def ttl_remaining(self) -> float | None:
        """Seconds that the token has left; ``None`` where its life is not known."""
        return self._session.ttl_remaining()

    def read(self, records: Sequence[Record]) -> Mapping[Record, Contents | MissingError]:
        """Every record, as the session reads it; a ``DeniedError`` names every other one that may not be read."""
        try:
            found = self._session.read(records)
        except DeniedError as err:
            from ciplug.doctor.explain import explain_denial

            explain_denial(err, door_of(self._task), self._task.client, self._session.token, self._identity)
            raise
        wanted = (grant.record for grant in self._task.grant.grants if not grant.optional)
        if not any(isinstance(found[record], MissingError) for record in wanted if record in found):
            return found
        from ciplug.doctor.explain import explained_absences

        return explained_absences(found, self._task.client, self._session.token)

    def revoke(self) -> None:
        """End the session in the vault."""
        self._session.revoke()


def door_of(task: Task) -> Door:
    """Where and as what the task's job logs in."""
    from ciplug.doctor.case import Door

    return Door(manifest=task.manifest, grant=task.grant, kind=task.host.kind, namespace=task.client.namespace)
