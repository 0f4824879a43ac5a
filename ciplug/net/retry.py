"""What is tried again, after how long, and when to stop. Pure: the clock, the sleep and the dice are handed in."""

from __future__ import annotations

import random
import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from ciplug.errors import CiplugError
    from ciplug.net.deadline import Deadline

T = TypeVar("T")

_FIRST_CEILING = 0.1
_LAST_CEILING = 2.0
_NOTHING_LEFT = 0.05
"""Seconds. Less time than this is not worth another attempt."""
_PASSING = frozenset({408, 412, 429})
"""Besides 5xx: request timeout, a standby that lags behind its leader (Vault's 412), rate limit."""


class Transient(Exception):  # noqa: N818 - it carries an error to `retry` and is none to anyone else
    """Raised by an attempt that may succeed if repeated. `after` is what the server asked to wait, in seconds."""

    def __init__(self, error: CiplugError, *, after: float | None = None) -> None:
        super().__init__(str(error))
        self.error = error
        self.after = after


def retry(
    attempt: Callable[[], T],
    deadline: Deadline,
    *,
    sleep: Callable[[float], None] | None = None,
    dice: Callable[[], float] = random.random,
    on_retry: Callable[[CiplugError], None] | None = None,
) -> T:
    """What `attempt` returns, tried again for as long as it raises ``Transient`` and `deadline` has time.

    Then the last error is raised. `on_retry` is told of each error before the wait. The wait grows from at most 0.1 s
    to at most 2 s and is spread evenly below that, so that many jobs do not come back at the same moment.
    """
    tries = 0
    while True:
        try:
            return attempt()
        except Transient as again:
            error, after = again.error, again.after
            cause = again.__cause__
        remaining = deadline.remaining()
        if after is not None and after >= remaining > 0:
            raise _too_long(error, after, remaining) from cause
        if remaining < _NOTHING_LEFT:
            raise error from cause
        if on_retry is not None:
            on_retry(error)
        (sleep or deadline.sleep)(_pause(tries, after, remaining, dice()))
        if deadline.expired:
            raise error from cause
        tries += 1


def is_passing(status: int) -> bool:
    """Whether an answer with `status` may be another one a moment later; never for 400, 403 or 404."""
    return status in _PASSING or 500 <= status < 600


def retry_after(value: str | None, *, wall_clock: Callable[[], float] = time.time) -> float | None:
    """Seconds that a ``Retry-After`` header asks for (seconds or a date); ``None`` where it says nothing usable."""
    if not value:
        return None
    if value.isascii() and value.isdigit() and len(value) < 10:
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - wall_clock())
    except (ValueError, OverflowError):
        return None


def _pause(tries: int, after: float | None, remaining: float, roll: float) -> float:
    if after is not None:
        # OpenBao rounds Retry-After down: a wait of exactly that long may end up to one second early.
        return min(after + roll, (after + remaining) / 2)
    ceiling = min(_LAST_CEILING, _FIRST_CEILING * 2.0 ** min(tries, 10))
    # Half of what remains at most, so that the last wait leaves time for a last attempt.
    return min(roll * ceiling, remaining / 2)


def _too_long(error: CiplugError, after: float, remaining: float) -> CiplugError:
    return type(error)(f"{error} (it asks to wait {after:.0f} s, and only {remaining:.0f} s are left)", hint=error.hint)
