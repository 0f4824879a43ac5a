"""How many requests Vercel takes in a window of time, and how it says that there were too many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ciplug.standins.vercel.refused import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.standins.loopback import Answer

DELETING: Final = "api-projects-environment-variable-delete"
PROJECTS: Final = "api-projects"


class Limit(NamedTuple):
    """`total` requests in `window` seconds."""

    total: int
    window: float = 60


OBSERVED: Final[Mapping[str, Limit]] = {DELETING: Limit(60), PROJECTS: Limit(120)}
"""Vercel publishes no numbers: these are what others ran into (phasehq/console#679, HiDeoo/vercel-env-push#22)."""


class Buckets:
    """Requests counted by bucket, in windows that begin with a bucket's first request."""

    def __init__(self, limits: Mapping[str, Limit]) -> None:
        self.limits = dict(limits)
        self._windows: dict[str, tuple[float, int]] = {}

    def take(self, bucket: str, now: float) -> dict[str, str]:
        """Count one request and give back the headers of its answer; one too many is refused."""
        limit = self.limits.get(bucket)
        if limit is None:
            return {}
        began, used = self._windows.get(bucket, (now, 0))
        if now >= began + limit.window:
            began, used = now, 0
        reset = int(began + limit.window)
        if used >= limit.total:
            raise rate_limited(bucket, limit.total, reset)
        self._windows[bucket] = (began, used + 1)
        return headers(limit.total, limit.total - used - 1, reset)


def rate_limited(bucket: str, total: int, reset: int) -> RefusedError:
    """The refusal of one request too many; `reset` is in epoch seconds."""
    limit = {"total": total, "remaining": 0, "reset": reset}
    message = f"Too many requests - try again later (more than {total}, bucket {bucket})"
    return RefusedError("rate_limited", message, status=429, name=bucket, limit=limit)


def headers(total: int, remaining: int, reset: int) -> dict[str, str]:
    """The rate-limit headers of an answer; `reset` is in epoch seconds."""
    counts = {"Limit": total, "Remaining": remaining, "Reset": reset}
    return {f"X-RateLimit-{name}": str(count) for name, count in counts.items()}


def retry_after(answer: Answer, seconds: float) -> dict[str, str]:
    """The headers of a 429 `answer`, with how many whole `seconds` to wait."""
    return {**answer.headers, "Retry-After": str(max(1, round(seconds)))}
