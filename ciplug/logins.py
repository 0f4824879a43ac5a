"""A session with its record: what is done with it is written to the audit log, and it is ended once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ciplug.errors import CiplugError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ciplug.audit import AuditLog, Context
    from ciplug.contracts import VaultSession


class Recorder:
    """Writes audit events in the context of this identity; gathers that context only when something is recorded."""

    def __init__(self, audit: AuditLog, context: Callable[[], Context]) -> None:
        self._audit = audit
        self._context = context() if audit.enabled else None

    def __call__(self, *events: Mapping[str, Any]) -> None:
        """Write `events`; ``AuditError`` where a required record cannot be."""
        if self._context is not None:
            self._audit.write(self._context, events)

    def failure(self, error: BaseException, *events: Mapping[str, Any]) -> None:
        """Record what did not succeed. The failure itself is already on its way out and comes first."""
        outcome = error.cause if isinstance(error, CiplugError) else "interrupted"
        try:
            self(*({"outcome": outcome, **event} for event in events))
        except CiplugError as err:
            error.add_note(str(err))


class LiveLogin:
    """A session with its record, ended once. What cannot be ended is a warning with its remaining life."""

    def __init__(self, session: VaultSession, record: Recorder, warn: Callable[[str], None]) -> None:
        self.session = session
        self.record = record
        self.kept = False
        self.failure: CiplugError | None = None
        self._warn = warn
        self._tried = False

    def keep(self) -> None:
        """Let the session outlive its block: someone else was told how to end it."""
        self.kept = True

    def end(self) -> None:
        """Revoke the session, unless that was tried already or it is a person's own."""
        if self._tried or not self.session.ours:
            return
        self._tried = True
        outcome = "ok"
        try:
            self.session.revoke()
        except CiplugError as err:
            self._warn(str(err))
            self.failure, outcome = err, err.cause
        self.record({"event": "revoke", "outcome": outcome})

    def end_behind(self, failure: BaseException) -> None:
        """End it behind `failure`, which stays the one that is reported."""
        try:
            self.end()
        except CiplugError as err:
            failure.add_note(str(err))
