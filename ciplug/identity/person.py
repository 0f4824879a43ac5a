"""A person's own vault token, outside CI only: a static credential has no place in a job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ciplug.errors import IdentityError
from ciplug.values import Secret, VaultToken

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLES = ("BAO_TOKEN", "VAULT_TOKEN")
TOKEN_FILE = ".vault-token"  # noqa: S105  # a file name
_MAX = 8192


class PersonIdentity:
    """``BAO_TOKEN``, ``VAULT_TOKEN`` or ``~/.vault-token``, where ``bao login`` and ``vault login`` leave it."""

    name = "a vault login of yours"

    def __init__(self, env: Mapping[str, str], *, ci: bool) -> None:
        self._env = env
        self._ci = ci

    def identity(self, audience: str) -> VaultToken | None:
        """The token; ``None`` in CI and where there is none; ``IdentityError`` when it cannot be read or be a token."""
        del audience  # a vault token has none
        if self._ci:
            return None
        for variable in VARIABLES:
            if text := self._env.get(variable, "").strip():
                return _token(text, variable)
        return self._from_file()

    def _from_file(self) -> VaultToken | None:
        home = self._env.get("HOME")
        if not home:
            return None
        try:
            with (Path(home) / TOKEN_FILE).open("rb") as file:
                text = file.read(_MAX + 1).decode("ascii", errors="replace").strip()
        except (FileNotFoundError, NotADirectoryError):  # HOME=/dev/null is a usual way to have none
            return None
        except OSError as err:
            raise IdentityError(
                f"~/{TOKEN_FILE} cannot be read: {err.strerror}", hint="log in to the vault again"
            ) from err
        return _token(text, f"~/{TOKEN_FILE}") if text else None


def _token(text: str, source: str) -> VaultToken:
    if len(text) > _MAX or not text.isascii() or not text.isprintable() or " " in text:
        raise IdentityError(f"what {source} holds is not a vault token", hint="log in to the vault again")
    return VaultToken(token=Secret(text), source=source)
