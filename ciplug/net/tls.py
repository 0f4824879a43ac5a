"""How a server proves who it is, and how this side does where the server asks. Verification cannot be switched off."""

from __future__ import annotations

import ssl
from functools import cache
from pathlib import Path

from ciplug.errors import UsageError
from ciplug.frozen import frozen


@frozen
class TlsSettings:
    """Paths of PEM files, and the name to ask for instead of the address's own host; empty where unset.

    A CA file or directory replaces the system's CAs, as in the ``vault`` and ``bao`` commands.
    """

    ca_file: str = ""
    ca_path: str = ""
    client_cert: str = ""
    client_key: str = ""
    server_name: str = ""

    def context(self) -> ssl.SSLContext:
        """A verifying client context; ``UsageError`` names the setting and the file that cannot be used."""
        # NOTE: not ssl.create_default_context, which would write session keys to the file that SSLKEYLOGFILE names.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.ca_file:
            _trust(context, Path(self.ca_file), "VAULT_CACERT")
        for path in _directory(self.ca_path):
            _trust(context, path, "VAULT_CAPATH")
        if not self.ca_file and not self.ca_path:
            context.load_default_certs()
        self._present(context)
        return context

    def _present(self, context: ssl.SSLContext) -> None:
        if self.client_key and not self.client_cert:
            raise UsageError("VAULT_CLIENT_KEY is set but VAULT_CLIENT_CERT is not", hint="set both, or neither")
        if not self.client_cert:
            return
        key = self.client_key or None
        _check_readable(Path(self.client_cert), "VAULT_CLIENT_CERT")
        if key:
            _check_readable(Path(key), "VAULT_CLIENT_KEY")
        try:
            # The empty password keeps OpenSSL from asking for one on the terminal.
            context.load_cert_chain(self.client_cert, key, password="")
        except (ssl.SSLError, OSError, ValueError) as err:
            raise UsageError(
                f"{self.client_cert} (VAULT_CLIENT_CERT) and {key or 'the key in it'} (VAULT_CLIENT_KEY) are not a "
                "certificate and its unencrypted key in PEM form",
                hint="both settings hold paths of PEM files; BAO_CLIENT_CERT and BAO_CLIENT_KEY are read as well",
            ) from err


@cache
def system_context() -> ssl.SSLContext:
    """The context that trusts the system's CAs, one for the whole process: to read them takes longer than a request."""
    return TlsSettings().context()


def _directory(ca_path: str) -> list[Path]:
    """Every file in `ca_path`: Vault loads them all, where OpenSSL would look only for names that are hashes."""
    if not ca_path:
        return []
    try:
        files = sorted(path for path in Path(ca_path).iterdir() if path.is_file())
    except OSError as err:
        raise _unreadable(Path(ca_path), "VAULT_CAPATH", err) from err
    if not files:
        raise UsageError(f"{ca_path} (VAULT_CAPATH) holds no file", hint="put the CA's certificate there as a PEM file")
    return files


def _trust(context: ssl.SSLContext, path: Path, setting: str) -> None:
    _check_readable(path, setting)
    try:
        context.load_verify_locations(cafile=path)
    except (ssl.SSLError, OSError) as err:
        raise UsageError(
            f"{path} ({setting}) holds no CA certificate in PEM form",
            hint=f"{setting} and its BAO_ twin want -----BEGIN CERTIFICATE----- blocks",
        ) from err


def _check_readable(path: Path, setting: str) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as err:
        raise _unreadable(path, setting, err) from err


def _unreadable(path: Path, setting: str, err: OSError) -> UsageError:
    reason = (err.strerror or "unreadable").lower()
    return UsageError(f"{path} ({setting}) cannot be read: {reason}", hint=f"check {setting} and its BAO_ twin")
