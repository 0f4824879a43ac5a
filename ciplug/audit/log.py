"""The audit log's lines and its sink: a file or stderr.

Who (issuer, subject, actor, run), what (record, version, field and variable names), where (host, environment,
repository, commit), when (UTC, milliseconds), and the vault's request id, under which the vault's own audit log has the
same event. Never a value, nor a hash of one.
"""

from __future__ import annotations

import errno
import json
import os
import select
import time
from typing import TYPE_CHECKING, Any

from ciplug.errors import AuditError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ciplug.audit.context import Context

STDERR = "stderr"
_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK
"""Without waiting: a pipe that nobody reads must not hold a session open."""

_PATIENCE = 2.0
"""Seconds that a slow reader of a pipe is given."""


class AuditLog:
    """The sink that ``CIPLUG_AUDIT`` names: ``stderr``, a file (created 0600, appended), or nothing.

    Where the log is required, a line that cannot be written raises ``AuditError``; else `warn` is told once.
    """

    def __init__(
        self,
        sink: str,
        *,
        required: bool,
        warn: Callable[[str], None],
        clock: Callable[[], float] = time.time,
        version: str = "",
    ) -> None:
        if required and not sink:
            raise AuditError(
                "an audit log is required and CIPLUG_AUDIT names none", hint="set CIPLUG_AUDIT to a file or to stderr"
            )
        self._sink = sink
        self._required = required
        self._warn = warn
        self._clock = clock
        self._version = version
        self._warned = False

    @property
    def enabled(self) -> bool:
        """Whether anything is written at all, so that facts need not be gathered for nothing."""
        return bool(self._sink)

    def write(self, context: Context, events: Sequence[Mapping[str, Any]]) -> None:
        """Append one line per event; ``AuditError`` where the log is required and a line could not be written."""
        if not (self._sink and events):
            return
        lines = [self._line(context, event) for event in events]
        try:
            self._append(lines)
        except OSError as err:
            message = f"the audit record could not be written to {self._sink}: {err.strerror}"
            if self._required:
                raise AuditError(message, hint="make room or mend the path") from err
            if not self._warned:
                self._warned = True
                self._warn(message)

    def _line(self, context: Context, event: Mapping[str, Any]) -> bytes:
        entry = {
            "time": timestamp(self._clock()),
            **event,
            "command": context.command,
            "who": context.who,
            "where": context.where,
            "vault": {**context.vault, **event.get("vault", {})},
            "ciplug": self._version,
        }
        line = json.dumps(entry, separators=(",", ":"), default=str)
        # A CI host reads a command from this wherever it stands in a line; in JSON it only stands in strings.
        return line.replace("##[", "#\\u0023[").encode() + b"\n"

    def _append(self, lines: Sequence[bytes]) -> None:
        """Each line in a write of its own, so that the lines of concurrent jobs do not mix in a pipe either."""
        until = time.monotonic() + _PATIENCE
        descriptor = os.dup(2) if self._sink == STDERR else os.open(self._sink, _APPEND, 0o600)
        try:
            for line in lines:
                _write(descriptor, line, until)
        finally:
            os.close(descriptor)


def _write(descriptor: int, line: bytes, until: float) -> None:
    """One line, in one ``write`` where there is room for it; ``OSError`` where nobody made room until then."""
    ready = select.poll()
    ready.register(descriptor, select.POLLOUT)
    view = memoryview(line)
    while view:
        if not ready.poll(max(0.0, until - time.monotonic()) * 1000):
            raise BlockingIOError(errno.EAGAIN, "nobody reads it")
        view = view[os.write(descriptor, view) :]


def timestamp(seconds: float) -> str:
    """RFC 3339 in UTC with milliseconds."""
    millis = round(seconds * 1000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(millis // 1000)) + f".{millis % 1000:03d}Z"
