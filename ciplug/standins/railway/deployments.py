"""The deployments of services, whose status follows from the time that has passed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from ciplug.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

Outcome: TypeAlias = Literal["SUCCESS", "FAILED", "CRASHED", "SKIPPED", "NEEDS_APPROVAL", "SLEEPING", "REMOVED"]
"""What a deployment ends as."""


@frozen
class Deployment:
    """One deployment; it `lasts` some seconds and then is its `outcome`."""

    id: str
    environment: str
    service: str
    created: float
    lasts: float
    outcome: Outcome


class Deployments:
    """All deployments, oldest first; `lasts` and `outcome` are those of the ones still to come."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.lasts = 0.0
        self.outcome: Outcome = "SUCCESS"
        self._clock = clock
        self._all: list[Deployment] = []

    def start(self, environment: str, service: str) -> Deployment:
        """A new deployment."""
        one = Deployment(
            id=f"dep-{len(self._all) + 1}",
            environment=environment,
            service=service,
            created=self._clock(),
            lasts=self.lasts,
            outcome=self.outcome,
        )
        self._all.append(one)
        return one

    def of(self, environment: str | None, service: str | None) -> list[Deployment]:
        """Those of one environment and one service, or of all, newest first."""
        wanted = [one for one in self._all if environment in (None, one.environment) and service in (None, one.service)]
        return wanted[::-1]

    def status(self, one: Deployment) -> str:
        """How far it is: queued, building and deploying for a third of its time each; then as it ends."""
        age = self._clock() - one.created
        for third, status in enumerate(("QUEUED", "BUILDING", "DEPLOYING"), 1):
            if age < one.lasts * third / 3:
                return status
        return "REMOVED" if one.outcome == "SUCCESS" and self._is_replaced(one) else one.outcome

    def _is_replaced(self, one: Deployment) -> bool:
        later = self._all[self._all.index(one) + 1 :]
        now = self._clock()
        return any(
            (other.environment, other.service, other.outcome) == (one.environment, one.service, "SUCCESS")
            and now - other.created >= other.lasts
            for other in later
        )
