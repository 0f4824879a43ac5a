"""What a ``ciplug fetch`` leaves open until the job ends: a session with leases, secret files, secrets for ``run``.

Each is one 0600 JSON file in a directory of this user, so that ``ciplug revoke`` can end it from another process, and
so that two fetches never write the same file. It holds a vault token, and the secrets that were fetched for
``ciplug run --fetched``, in memory where there is tmpfs, for at most the length of the job; on a CI host, in the host's
temporary directory.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import time
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ciplug.errors import HandOverError
from ciplug.frozen import frozen
from ciplug.private import PrivateDirectory, own_directory, write_file
from ciplug.values import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ciplug.hosts.facts import Host


_CONTEXT = ("who", "where", "vault")
"""The parts of an audit context that a note keeps; a newer ciplug's others are passed over."""


@frozen
class OpenSession:
    """What one fetch left open. `token` is ``None`` when only files are left, or the token is a person's own.

    `expires` is in epoch seconds, 0 where the token's life is not known; `context` is who opened it and where, for the
    audit log. `values` are the secrets kept for later runs of `job` in `environment`, by variable; ``None``
    where none were to be kept.
    """

    addresses: Sequence[str]
    namespace: str
    token: Secret | None = field(repr=False)
    expires: float
    directory: str = ""
    context: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    job: str = ""
    environment: str = ""
    values: Mapping[str, Secret] | None = None


class SessionStore:
    """The open sessions of one job (or of one manifest, at a terminal) below `root`."""

    def __init__(self, root: Path, host: Host, manifest: Path) -> None:
        self._root = root
        # The temporary directory tells the legs of a matrix apart: each has a runner of its own.
        key = json.dumps([host.kind, host.run, host.job, host.temp, str(manifest.absolute())])
        self._key = hashlib.sha256(key.encode()).hexdigest()[:16]

    def private_root(self) -> Path:
        """The directory itself, made if need be and checked to be this user's alone; ``HandOverError`` otherwise."""
        return own_directory(self._root)

    def add(self, session: OpenSession) -> str:
        """Keep `session`; the name to load or forget it by. ``HandOverError`` when it cannot be kept."""
        token = session.token.reveal().decode("ascii") if session.token else None
        entry = {
            "addresses": list(session.addresses),
            "namespace": session.namespace,
            "token": token,
            "expires": session.expires,
            "directory": session.directory,
            "context": session.context,
            "job": session.job,
            "environment": session.environment,
            "values": None if session.values is None else _spelt(session.values),
        }
        name = f"{self._key}-{time.time_ns()}-{os.urandom(4).hex()}.json"
        write_file(self.private_root() / name, json.dumps(entry).encode())
        return name

    def names(self) -> list[str]:
        """The files of this job's open sessions, oldest first; empty when none was ever kept."""
        if not self._root.is_dir():
            return []
        self.private_root()
        return sorted(path.name for path in self._root.glob(f"{self._key}-*.json"))

    def load(self, name: str) -> OpenSession:
        """The session in the file `name`; ``HandOverError`` when the file was damaged."""
        try:
            entry = json.loads((self._root / name).read_bytes())
            return OpenSession(
                addresses=tuple(map(str, entry["addresses"])),
                namespace=str(entry["namespace"]),
                token=Secret(entry["token"]) if entry["token"] else None,
                expires=float(entry["expires"]),
                directory=os.fspath(entry["directory"]),
                context={name: dict(facts) for name, facts in entry["context"].items() if name in _CONTEXT},
                job=str(entry["job"]),
                environment=str(entry["environment"]),
                values=None if entry["values"] is None else _read(entry["values"]),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            # Without its cause: a JSON error carries the document, and with it the token.
            raise HandOverError(
                f"the open session {self._root / name} cannot be read", hint="it ends by itself when its TTL is over"
            ) from None

    def fetched(self, job: str, environment: str) -> OpenSession | None:
        """The newest session with secrets kept for runs of `job` in `environment`; ``None`` where there is none."""
        sessions = map(self.load, reversed(self.names()))
        return next(
            (one for one in sessions if one.values is not None and (one.job, one.environment) == (job, environment)),
            None,
        )

    def remove_files(self, session: OpenSession) -> None:
        """Remove the secret files of `session`; ``HandOverError`` when they cannot be."""
        if session.directory:
            PrivateDirectory(Path(session.directory)).remove()

    def forget(self, name: str) -> None:
        """Remove the note of an open session; what is gone already is fine, ``HandOverError`` where it stays."""
        try:
            (self._root / name).unlink(missing_ok=True)
        except OSError as err:
            raise HandOverError(
                f"the note {self._root / name} could not be removed: {err.strerror}", hint="remove it by hand"
            ) from err


def _spelt(values: Mapping[str, Secret]) -> dict[str, str]:
    return {name: base64.b64encode(value.reveal()).decode() for name, value in values.items()}


def _read(entry: Mapping[str, str]) -> dict[str, Secret]:
    """What `_spelt` wrote; ``ValueError`` for text that is damaged."""
    return {name: Secret(base64.b64decode(text, validate=True)) for name, text in entry.items()}
