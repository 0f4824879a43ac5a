"""Render's rate limits: so many requests in each minute of the clock.

The windows are the clock's own minutes, and ``Ratelimit-Reset`` is what is left of one: seen in the recorded traffic
of https://github.com/render-oss/terraform-provider-render. https://api-docs.render.com/reference/rate-limiting says
that it is the epoch second at which the window ends.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final, Literal

from ciplug.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping

_WINDOW: Final = 60  # seconds


@frozen
class Turn:
    """Whether a request is within its limit, and the headers that say so."""

    granted: bool
    headers: Mapping[str, str]


class Limits:
    """Counts requests. `reset` is the form of ``Ratelimit-Reset``; `retry_after` whether a refusal has that header."""

    def __init__(self, clock: Callable[[], float], *, reset: Literal["seconds", "epoch"], retry_after: bool) -> None:
        self._clock = clock
        self._reset = reset
        self._retry_after = retry_after
        self._used: dict[Hashable, tuple[int, int]] = {}

    def take(self, bucket: Hashable, most: int) -> Turn:
        """One of the `most` requests a minute of `bucket`; a refused request takes none."""
        now = self._clock()
        window = math.floor(now / _WINDOW)
        counted, used = self._used.get(bucket, (window, 0))
        used = used if counted == window else 0
        granted = used < most
        self._used[bucket] = (window, used + granted)
        end = (window + 1) * _WINDOW
        left = math.ceil(end - now)
        headers = {
            "Ratelimit-Limit": str(most),
            "Ratelimit-Remaining": str(most - used - granted),
            "Ratelimit-Reset": str(end if self._reset == "epoch" else left),
        }
        if self._retry_after and not granted:
            headers["Retry-After"] = str(left)
        return Turn(granted=granted, headers=headers)
