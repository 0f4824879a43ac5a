"""The deploys of one service, which go their way by the clock alone."""

from __future__ import annotations

import math
import secrets
from typing import TYPE_CHECKING, Final, Literal

from ciplug.frozen import frozen
from ciplug.standins.render.answers import RefusedError, timestamp

if TYPE_CHECKING:
    from collections.abc import Callable

Mode = Literal["build_and_deploy", "deploy_only"]
Status = Literal[
    "created",
    "queued",
    "build_in_progress",
    "update_in_progress",
    "live",
    "deactivated",
    "build_failed",
    "update_failed",
    "canceled",
    "pre_deploy_in_progress",
    "pre_deploy_failed",
]

_FINISHED: Final = frozenset({"live", "deactivated", "build_failed", "update_failed", "canceled", "pre_deploy_failed"})
_PACE: Final = 2  # seconds from one status to the next
_BUILD_ONLY: Final = ("commitId", "imageUrl", "clearCache")  # contradicts a deploy of what is built already


@frozen
class Deploy:
    """One deploy: it is queued until `starts`, and then passes through `steps`, one every two seconds."""

    id: str
    position: int
    created: float
    starts: float
    steps: tuple[Status, ...]

    @property
    def ends(self) -> float:
        """When it is finished: never, where its last step is no end."""
        return self.starts + _PACE * (len(self.steps) - 1) if self.steps[-1] in _FINISHED else math.inf

    def status(self, now: float) -> Status:
        """What it is at, by itself; a later deploy that is live deactivates it."""
        if now < self.starts:
            return "queued"
        return self.steps[min(int((now - self.starts) / _PACE), len(self.steps) - 1)]


class Deploys:
    """A service's deploys. `ends_with` is the last status of those that are made from now on."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._all: list[Deploy] = []
        self.ends_with: Status = "live"

    def make(self, mode: Mode) -> Deploy:
        """A new deploy. It is queued while another one is on its way."""
        now = self._clock()
        free = max((each.ends for each in self._all), default=now)
        deploy = Deploy(
            id=f"dep-{secrets.token_hex(10)}",
            position=-len(self._all),  # lists begin with the newest
            created=now,
            starts=max(now, free),
            steps=_steps(mode, self.ends_with),
        )
        self._all.append(deploy)
        return deploy

    def newest_first(self) -> list[Deploy]:
        """All of them."""
        return self._all[::-1]

    def find(self, wanted: str) -> Deploy:
        """The one with that id."""
        for each in self._all:
            if each.id == wanted:
                return each
        raise RefusedError(404, "deploy not found")

    def as_json(self, deploy: Deploy) -> dict[str, object]:
        """As Render shows it now."""
        now = self._clock()
        status = self._status(deploy, now)
        changed = deploy.created if now < deploy.starts else min(now, deploy.ends)
        shown: dict[str, object] = {
            "id": deploy.id,
            "commit": {"id": "0" * 40, "message": "Open the shop", "createdAt": timestamp(0)},
            "status": status,
            "trigger": "api",
            "createdAt": timestamp(deploy.created),
            "updatedAt": timestamp(changed),
        }
        if now >= deploy.starts:
            shown["startedAt"] = timestamp(deploy.starts)
        if status in _FINISHED:
            shown["finishedAt"] = timestamp(deploy.ends)
        return shown

    def _status(self, deploy: Deploy, now: float) -> Status:
        own = deploy.status(now)
        later = (each for each in self._all if each.position < deploy.position)
        return "deactivated" if own == "live" and any(each.status(now) == "live" for each in later) else own


def mode_of(body: object) -> Mode:
    """The mode that the body of a request for a deploy asks for. The published schema does not have it yet."""
    if not isinstance(body, dict):
        raise RefusedError(400, "an object was expected")
    mode = body.get("deployMode", "build_and_deploy")
    if mode not in ("build_and_deploy", "deploy_only"):
        raise RefusedError(400, "deployMode must be build_and_deploy or deploy_only")
    if body.get("clearCache", "clear") not in ("clear", "do_not_clear"):
        raise RefusedError(400, "clearCache must be clear or do_not_clear")
    if not all(isinstance(body.get(name, ""), str) for name in ("commitId", "imageUrl")):
        raise RefusedError(400, "commitId and imageUrl must be strings")
    if mode == "build_and_deploy":
        return "build_and_deploy"
    if any(name in body for name in _BUILD_ONLY):
        raise RefusedError(400, f"deploy_only goes without {', '.join(_BUILD_ONLY)}")
    return "deploy_only"


def _steps(mode: Mode, end: Status) -> tuple[Status, ...]:
    building: tuple[Status, ...] = ("build_in_progress",) if mode == "build_and_deploy" else ()
    updating: dict[Status, tuple[Status, ...]] = {"build_failed": (), "pre_deploy_failed": ("pre_deploy_in_progress",)}
    return ("created", *building, *updating.get(end, ("update_in_progress",)), end)
