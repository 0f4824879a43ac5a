"""Jenkins: an ID token bound by ``withCredentials`` from the OpenID Connect provider plugin."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ciplug.identity.claims import id_token
from ciplug.identity.errors import UnrequestedError
from ciplug.identity.given import read_token
from ciplug.identity.variable import absent, names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.values import IdToken


class JenkinsIdentity:
    """A token bound by ``withCredentials``: ``string`` puts it into the variable, ``file`` a path to it."""

    name = "Jenkins"

    def __init__(self, env: Mapping[str, str], chosen: str) -> None:
        self._env = env
        self._chosen = chosen

    def identity(self, audience: str) -> IdToken | None:
        """The token; ``None`` off Jenkins; ``IdentityError`` when nothing is bound."""
        if not (self._env.get("JENKINS_URL") and self._env.get("BUILD_NUMBER")):
            return None
        candidates = names(self._chosen, audience)
        for variable in candidates:
            if text := self._env.get(variable):
                source = f"Jenkins ({variable})"
                return id_token(read_token(Path(text), variable) if _is_path(text) else text, source)
            if path := self._env.get(f"{variable}_FILE"):
                return id_token(read_token(Path(path), f"{variable}_FILE"), f"Jenkins ({variable}_FILE)")
        raise UnrequestedError(
            f"no identity token: JENKINS_URL is set but {absent(candidates)}",
            hint=f"wrap the step in withCredentials([string(credentialsId: '…', variable: '{candidates[0]}')]) "
            "with an OpenID Connect id token credential",
        )


def _is_path(text: str) -> bool:
    """Whether a bound variable holds a path: a JWT has neither slash nor backslash."""
    return "/" in text or "\\" in text
