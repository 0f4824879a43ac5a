"""All that is known of one target while a sync goes on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ciplug.errors import SyncError
from ciplug.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ciplug.errors import CiplugError
    from ciplug.sync.plan import Change
    from ciplug.sync.results import Outcome, Survey
    from ciplug.values import Deployment


@frozen
class TargetStatus:
    """What has not come yet is ``None``; `errors` are what kept the target from being in sync."""

    target: str
    platform: str
    environment: str
    place: str = ""
    survey: Survey | None = None
    outcome: Outcome | None = None
    deployment: Deployment | None = None
    errors: tuple[CiplugError, ...] = ()

    @property
    def changes(self) -> Sequence[Change]:
        """The plan, empty where there is none."""
        return self.survey.changes if self.survey is not None else ()

    @property
    def problems(self) -> Sequence[str]:
        """Why the platform would not take the values."""
        return self.survey.problems if self.survey is not None else ()

    @property
    def notes(self) -> list[str]:
        """What the plan cannot know, and why."""
        if self.survey is None or not self.survey.target.blind:
            return []
        return [
            f"no ledger: {self.survey.target.blind}",
            "nothing is pruned and drift of values that cannot be read is not seen, because both need the ledger",
        ]

    @property
    def differs(self) -> bool:
        """Whether the platform is not known to hold what the vault has."""
        return self.survey is None or any(change.differs for change in self.changes)

    @property
    def foreign(self) -> list[Change]:
        """Wanted variables that are somebody else's."""
        return [change for change in self.changes if change.kind == "foreign"]

    @property
    def done(self) -> Sequence[Change]:
        """What was done and confirmed, empty as long as nothing is known of it."""
        return self.outcome.done if self.outcome is not None else ()

    @property
    def failed(self) -> Mapping[str, str]:
        """What was to be done and was not, or not confirmed, with the reason."""
        return self.outcome.failed if self.outcome is not None else {}

    @property
    def stale(self) -> bool:
        """Whether the target holds what it should, and no deployment has that yet."""
        if self.survey is None or self.outcome is None or self.failed or self.errors or self.foreign:
            return False
        return bool(self.done) or self.survey.before.undeployed

    def planned(self, survey: Survey, place: str) -> TargetStatus:
        """With a plan."""
        return replace(self, survey=survey, place=place, errors=())

    def applied(self, survey: Survey, outcome: Outcome) -> TargetStatus:
        """With what became of `survey`."""
        return replace(self, survey=survey, outcome=outcome, errors=(*self.errors, *outcome.errors))

    def with_error(self, error: CiplugError) -> TargetStatus:
        """With one thing more that went wrong."""
        return replace(self, errors=(*self.errors, error))

    def unplanned(self, error: CiplugError) -> TargetStatus:
        """Without a plan, because of `error`."""
        return replace(self, survey=None, errors=(error,))

    def deployed(self, deployment: Deployment) -> TargetStatus:
        """With how its redeploy has ended."""
        status = replace(self, deployment=deployment)
        if deployment.state == "ready":
            return status
        where = f": {deployment.address}" if deployment.address else ""
        failure = SyncError(
            f"the new deployment is {deployment.state} ({deployment.detail or 'no reason given'}){where}",
            hint="the values are written; fix the deployment, then run it again with --redeploy",
        )
        return status.with_error(failure)
