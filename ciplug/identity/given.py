"""Tokens that are handed over ready-made: in a variable or a file named by ciplug, whoever issued them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ciplug.errors import IdentityError
from ciplug.identity.claims import MAX_TOKEN, id_token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.values import IdToken

VARIABLE = "CIPLUG_ID_TOKEN"
FILE_VARIABLE = "CIPLUG_ID_TOKEN_FILE"


class GivenIdentity:
    """``CIPLUG_ID_TOKEN`` or the file that ``CIPLUG_ID_TOKEN_FILE`` names; explicit, so it is asked first."""

    name = VARIABLE

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env

    def identity(self, audience: str) -> IdToken | None:
        """The token; ``None`` when neither variable is set."""
        del audience  # chosen by whoever made the token
        if VARIABLE in self._env:
            return id_token(self._env[VARIABLE], VARIABLE)
        if path := self._env.get(FILE_VARIABLE):
            return id_token(read_token(Path(path), FILE_VARIABLE), FILE_VARIABLE)
        return None


def read_token(path: Path, source: str) -> str:
    """The text of a token file, at most as long as a token can be; ``IdentityError`` when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_TOKEN + 1).decode("ascii", errors="replace")
    except OSError as err:
        raise IdentityError(
            f"the token file that {source} names cannot be read: {path}: {err.strerror}",
            hint="check the path, and that this user may read the file",
        ) from err
