"""What the environment says: ``CIPLUG_*``, Vault's and OpenBao's own variables, and proxies.

The only module that reads ``os.environ``; everything else is handed the mapping or the parsed ``Settings``.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING

from ciplug.errors import UsageError
from ciplug.frozen import frozen
from ciplug.manifest import MAX_DEADLINE
from ciplug.net.tls import TlsSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

MANIFEST = "ciplug.toml"
_COERCED = frozenset({"C.UTF-8", "C.utf8", "UTF-8"})
_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})


@frozen
class Settings:
    """The parsed environment. `env` is the whole of it and is left out of every representation."""

    env: Mapping[str, str] = field(repr=False)
    manifest: Path
    job: str
    environment: str
    addresses: tuple[str, ...]
    namespace: str
    tls: TlsSettings
    proxies: Mapping[str, str] = field(repr=False)
    deadline: float | None
    audit: str
    audit_required: bool
    state_dir: str
    id_token_variable: str
    allow_debug_trace: bool


def environment() -> dict[str, str]:
    """A copy of the process environment, as it was handed to ciplug.

    In the C locale Python sets ``LC_CTYPE`` for itself and its children (PEP 538); a command is not to notice that it
    runs behind Python.
    """
    env = dict(os.environ)
    if env.get("LC_CTYPE") in _COERCED:
        with suppress(OSError):  # where there is no /proc, the variable stays
            if b"\0LC_CTYPE=" not in b"\0" + Path("/proc/self/environ").read_bytes():
                del env["LC_CTYPE"]
    return env


def load(env: Mapping[str, str], manifest: str = "") -> Settings:
    """Settings from `env`, with `manifest` before its own; ``UsageError`` names the variable that cannot be used."""
    return Settings(
        env=env,
        manifest=Path(manifest or env.get("CIPLUG_MANIFEST") or MANIFEST),
        job=env.get("CIPLUG_JOB", ""),
        environment=env.get("CIPLUG_ENV", ""),
        addresses=tuple(part.strip() for part in _vault(env, "ADDR").split(",") if part.strip()),
        namespace=_vault(env, "NAMESPACE"),
        tls=TlsSettings(
            ca_file=_vault(env, "CACERT"),
            ca_path=_vault(env, "CAPATH"),
            client_cert=_vault(env, "CLIENT_CERT"),
            client_key=_vault(env, "CLIENT_KEY"),
            server_name=_vault(env, "TLS_SERVER_NAME"),
        ),
        proxies={
            name: env.get(name) or env.get(name.upper(), "") for name in ("https_proxy", "http_proxy", "no_proxy")
        },
        deadline=_deadline(env),
        audit=env.get("CIPLUG_AUDIT", ""),
        audit_required=flag(env, "CIPLUG_AUDIT_REQUIRED"),
        state_dir=env.get("CIPLUG_STATE_DIR", ""),
        id_token_variable=env.get("CIPLUG_ID_TOKEN_VARIABLE", ""),
        allow_debug_trace=flag(env, "CIPLUG_ALLOW_DEBUG_TRACE"),
    )


def flag(env: Mapping[str, str], name: str) -> bool:
    """A variable read as a boolean; ``UsageError`` for anything but the usual words."""
    value = env.get(name, "").strip().lower()
    if value not in _TRUE | _FALSE:
        raise UsageError(f"{name} is neither true nor false", hint=f"set {name} to true or false, or unset it")
    return value in _TRUE


def _vault(env: Mapping[str, str], name: str) -> str:
    """OpenBao's spelling before Vault's, as the ``bao`` command has it."""
    return env.get(f"BAO_{name}", "").strip() or env.get(f"VAULT_{name}", "").strip()


def _deadline(env: Mapping[str, str]) -> float | None:
    text = env.get("CIPLUG_DEADLINE", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 < seconds <= MAX_DEADLINE:
        raise UsageError(
            f"CIPLUG_DEADLINE is not a number of seconds between 0 and {MAX_DEADLINE:g}",
            hint="for example CIPLUG_DEADLINE=30",
        )
    return seconds
