"""Who asks, and whether they may: Railway's kinds of tokens, and its limits on how often."""

from __future__ import annotations

import math
import secrets
from typing import TYPE_CHECKING, Final

from ciplug.frozen import frozen
from ciplug.standins.railway.execution import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.standins.railway.variables import Environment

_HOUR: Final = 3600


@frozen
class Caller:
    """Whoever a token stands for: `workspace` or `environment` narrow what it may touch. An account has neither."""

    workspace: str = ""
    environment: Environment | None = None
    token_id: str = ""

    def may(self, environment: Environment) -> bool:
        """Whether this token reaches `environment`."""
        if self.environment is not None:
            return self.environment.id == environment.id
        return self.workspace in ("", environment.workspace)


class Access:
    """The tokens that are known; project tokens go in another header than the rest."""

    def __init__(self) -> None:
        self._bearers: dict[str, Caller] = {}
        self._projects: dict[str, Caller] = {}

    def bearer(self, workspace: str = "") -> str:
        """A new token of an account or, with `workspace`, of that workspace."""
        token = secrets.token_hex(18)
        self._bearers[token] = Caller(workspace=workspace)
        return token

    def project(self, environment: Environment) -> str:
        """A new project token, for one environment."""
        token = secrets.token_hex(18)
        self._projects[token] = Caller(environment=environment, token_id=f"pt-{len(self._projects) + 1}")
        return token

    def revoke(self, token: str) -> None:
        """Forget a token."""
        self._bearers.pop(token, None)
        self._projects.pop(token, None)

    def caller(self, headers: Mapping[str, str]) -> Caller | None:
        """Who asks; ``None`` for nobody that is known, and for one who gives two tokens."""
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        project = headers.get("project-access-token")
        if project is not None:
            return None if bearer else self._projects.get(project)
        return self._bearers.get(bearer) if scheme.lower() == "bearer" else None


def authorized(caller: Caller | None) -> Caller:
    """`caller`, if it is somebody."""
    if caller is None:
        raise RefusedError("Not Authorized")
    return caller


class RateLimit:
    """So many requests an hour, counted from the first one, and so many in one second."""

    def __init__(self, per_hour: int, per_second: int) -> None:
        self.per_hour = per_hour
        self.per_second = per_second
        self._since = -math.inf
        self._count = 0
        self._latest: list[float] = []

    def headers(self, now: float) -> dict[str, str]:
        """Count one request, and give the headers of its answer; with ``Retry-After`` among them it is one too many."""
        if now >= self._since + _HOUR:
            self._since, self._count = now, 0
        self._latest = [at for at in self._latest if now - at < 1]
        reset = self._since + _HOUR
        wait = reset - now if self._count >= self.per_hour else float(len(self._latest) >= self.per_second)
        if not wait:
            self._count += 1
            self._latest.append(now)
        if wait:
            return exhausted(self.per_hour, reset, wait)
        return _headers(self.per_hour, self.per_hour - self._count, reset)


def exhausted(limit: int, reset: float, wait: float | None) -> dict[str, str]:
    """The headers of an answer to one request too many; `wait` is in seconds, and ``None`` leaves it out."""
    found = _headers(limit, 0, reset)
    return found if wait is None else found | {"Retry-After": str(math.ceil(wait))}


def _headers(limit: int, remaining: int, reset: float) -> dict[str, str]:
    return {
        "X-RateLimit-Limit": str(limit),
        "X-RateLimit-Remaining": str(remaining),
        "X-RateLimit-Reset": str(math.ceil(reset)),  # epoch seconds: the documentation does not say
    }
