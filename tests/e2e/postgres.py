"""A real PostgreSQL for the length of a ``with`` block: on loopback, with its data in a directory of its own."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from ciplug.values import Secret

if TYPE_CHECKING:
    from types import TracebackType

_START_SECONDS: Final = 30.0
_INITDB_OPTIONS: Final = ("--auth=scram-sha-256", "--no-sync", "--encoding=UTF8", "--locale=C")
_SERVER_OPTIONS: Final = ("-c", "fsync=off", "-c", "shared_buffers=16MB")
_UNPRIVILEGED: Final = ("postgres", "nobody")


class Postgres:
    """A running server. `server` is its ``host:port/database``, and `username` with `password` its superuser."""

    username: Final = "ciplug_admin"

    def __init__(self) -> None:
        self.password = Secret(secrets.token_urlsafe(18))
        self._binaries = _binaries()
        self._as_user = _unprivileged()
        self._process: subprocess.Popen[bytes] | None = None
        self._directory: Path | None = None
        self.port = 0

    @property
    def server(self) -> str:
        return f"127.0.0.1:{self.port}/postgres"

    def __enter__(self) -> Self:
        try:
            # Not pytest's own directory: that one is closed to the user the server has to run as.
            self._directory = Path(tempfile.mkdtemp(prefix="ciplug-postgres-"))
            if self._as_user:
                os.chown(self._directory, self._as_user["user"], self._as_user["group"])
            self._initialise(self._directory)
            self._start(self._directory)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        process, self._process = self._process, None
        directory, self._directory = self._directory, None
        try:
            if process is not None:
                process.send_signal(signal.SIGINT)  # its fast shutdown: clients are cut off
                with suppress(subprocess.TimeoutExpired):
                    process.wait(10)
        finally:
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
            if directory is not None:
                shutil.rmtree(directory, ignore_errors=True)

    def query(self, sql: str, *, username: str | None = None, password: str | None = None) -> list[str]:
        """The lines that `sql` gives, as the superuser or as another; ``CalledProcessError`` if it is refused."""
        done = self._run(
            ["psql", "-XAtq", "-h", "127.0.0.1", "-v", "ON_ERROR_STOP=1", "-c", sql],
            env={
                "PGPORT": str(self.port),
                "PGDATABASE": "postgres",
                "PGUSER": username or self.username,
                "PGPASSWORD": password or self.password.reveal().decode(),
                "PGCONNECT_TIMEOUT": "5",
            },
        )
        return done.stdout.splitlines()

    def roles(self) -> set[str]:
        """The names of all roles that can log in, but the superuser's own."""
        return set(self.query("SELECT rolname FROM pg_roles WHERE rolcanlogin")) - {self.username}

    def _initialise(self, directory: Path) -> None:
        passwords = directory / "password"
        passwords.write_bytes(self.password.reveal())
        if self._as_user:
            os.chown(passwords, self._as_user["user"], self._as_user["group"])
        self._run(
            ["initdb", "-D", str(directory / "data"), "-U", self.username, f"--pwfile={passwords}", *_INITDB_OPTIONS]
        )

    def _start(self, directory: Path) -> None:
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            self.port = held.getsockname()[1]
        program, options = str(self._binaries / "postgres"), ("-k", str(directory), *_SERVER_OPTIONS)
        with (directory / "server.log").open("wb") as log:
            self._process = subprocess.Popen(
                [program, "-D", str(directory / "data"), "-h", "127.0.0.1", "-p", str(self.port), *options],
                env={},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                start_new_session=True,
                **self._as_user,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{(directory / 'server.log').read_text()}")

    def _answers(self) -> bool:
        with suppress(subprocess.CalledProcessError):
            return self.query("SELECT 1") == ["1"]
        return False

    def _run(self, command: list[str], env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        path = str(self._binaries / command[0])
        return subprocess.run(
            [path, *command[1:]],
            env=env or {},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
            cwd="/",
            **self._as_user,
        )


def _binaries() -> Path:
    """The newest installation that Debian has, or wherever ``postgres`` is on the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    on_path = shutil.which("postgres")
    if not found and on_path is None:
        raise FileNotFoundError("no PostgreSQL server found; install it: apt-get install postgresql")
    return found[-1].parent if found else Path(str(on_path)).parent


def _unprivileged() -> dict[str, Any]:
    """How to start a process as somebody else than root, whom PostgreSQL refuses; nothing for any other user."""
    if os.geteuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = next(known[name] for name in _UNPRIVILEGED if name in known)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
