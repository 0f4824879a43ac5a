"""GitLab CI: the ID token that ``id_tokens`` puts into a variable of the job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ciplug.identity.claims import id_token
from ciplug.identity.errors import UnrequestedError
from ciplug.identity.variable import absent, names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.values import IdToken


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
        raise UnrequestedError(
            f"no identity token: GITLAB_CI is set but {absent(candidates)}",
            hint=f'add to the job  id_tokens: {{ {candidates[0]}: {{ aud: "{audience}" }} }}  '
            "(if it is there, GitLab could not sign the token)",
        )
