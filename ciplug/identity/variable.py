"""Hosts that put a ready token into a variable: GitLab CI (``id_tokens``) and Jenkins (a credential binding)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ciplug.errors import IdentityError
from ciplug.identity.claims import id_token
from ciplug.identity.given import read_token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.values import IdToken

DEFAULT = "VAULT_ID_TOKEN"
"""The name that both hosts' own documentation uses for a token meant for the vault."""


def fallback_name(audience: str) -> str:
    """The name generic OIDC libraries look for: the audience in capitals, all else an underscore, ``_ID_TOKEN``."""
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in audience.upper()) + "_ID_TOKEN"


def names(chosen: str, audience: str) -> tuple[str, ...]:
    """The variables that may hold the token, in order: the chosen one alone, else the default and the fallback."""
    return (chosen,) if chosen else (DEFAULT, fallback_name(audience))


class GitLabIdentity:
    """The job's ``id_tokens`` variable. Present tokens live as long as the job may run; absent ones cannot be made."""

    name = "GitLab CI"

    def __init__(self, env: Mapping[str, str], chosen: str) -> None:
        self._env = env
        self._chosen = chosen

    def identity(self, audience: str) -> IdToken | None:
        """The token; ``None`` off GitLab CI; ``IdentityError`` when the job has no such variable."""
        if self._env.get("GITLAB_CI") != "true":
            return None
        candidates = names(self._chosen, audience)
        for variable in candidates:
            if text := self._env.get(variable):
                return id_token(text, f"GitLab CI ({variable})")
        raise IdentityError(
            f"no identity token: GITLAB_CI is set but {' and '.join(candidates)} {_is_are(candidates)} not",
            hint=f'add to the job  id_tokens: {{ {candidates[0]}: {{ aud: "{audience}" }} }}  '
            "(if it is there, GitLab could not sign the token)",
        )


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
        raise IdentityError(
            f"no identity token: JENKINS_URL is set but {' and '.join(candidates)} {_is_are(candidates)} not",
            hint=f"wrap the step in withCredentials([string(credentialsId: '…', variable: '{candidates[0]}')]) "
            "with an OpenID Connect id token credential",
        )


def _is_path(text: str) -> bool:
    """Whether a bound variable holds a path: a JWT has neither slash nor backslash."""
    return "/" in text or "\\" in text


def _is_are(candidates: tuple[str, ...]) -> str:
    return "is" if len(candidates) == 1 else "are"
