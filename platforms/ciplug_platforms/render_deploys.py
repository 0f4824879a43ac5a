"""Deploys of Render's services: what was built last goes out again, with the variables as they are now."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from ciplug.errors import PlatformError
from ciplug.frozen import frozen
from ciplug.values import Deployment
from ciplug_platforms.answers import address, word
from ciplug_platforms.polling import followed
from ciplug_platforms.render_api import granted, items, shape

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from ciplug.contracts import Requests
    from ciplug.values import DeploymentState
    from ciplug_platforms.render_api import Resource

_STATES: Final[Mapping[str, DeploymentState]] = {
    "created": "waiting",
    "queued": "waiting",
    "live": "ready",
    "deactivated": "ready",  # it was live until a later one, which has the new values as well
    "build_failed": "failed",
    "update_failed": "failed",
    "pre_deploy_failed": "failed",
    "canceled": "failed",
}
"""What Render's words mean here; all others are steps on the way."""

_PAUSE_SECONDS: Final = 5.0
_KNOWN_DEPLOYS: Final = "20"
"""Of the newest: one that waits for its id is among them."""


@frozen
class _Run:
    """A deploy of `service`; its `id` is empty until Render tells it, and `known` are the deploys before it."""

    service: Resource
    known: frozenset[str]
    id: str = ""
    word: str = "queued"
    page: str = ""

    @property
    def state(self) -> DeploymentState:
        return _STATES.get(self.word, "building")

    @property
    def ended(self) -> bool:
        return self.state in ("ready", "failed")

    @property
    def address(self) -> str:
        return f"{self.page}/deploys/{self.id}" if self.page and self.id else self.page


def redeploy(
    requests: Requests, resource: Resource, services: Sequence[Resource], wait: Callable[[float], None]
) -> Iterator[Deployment]:
    """Start a deploy of each of `services` that was deployed before, and tell how they go whenever that changes.

    They are one deployment: ready once all are, failed once all have ended and one did not become live.
    """
    runs = [run for service in services if (run := _started(requests, service)) is not None]
    if not runs:
        raise PlatformError(
            f"Render: there is no deployment of {resource} to repeat",
            hint="deploy it once at Render; that deployment will have the new values",
        )
    yield from followed(partial(next, _looks(requests, runs)), wait, _PAUSE_SECONDS)


def _looks(requests: Requests, runs: Sequence[_Run]) -> Iterator[Deployment]:
    """How they stand, first as the answers to their start show it."""
    while True:
        yield _together(runs)
        runs = [run if run.ended else _looked_at(requests, run) for run in runs]


def _started(requests: Requests, service: Resource) -> _Run | None:
    """``POST /services/{id}/deploys``; ``None`` for a service that was never deployed.

    ``deploy_only`` takes the last build as it is: by default Render would build the branch's latest commit.
    """
    known = frozenset(each["id"] for each in _newest(requests, service))
    if not known:
        return None
    doing = f"deploying {service}"
    reply = requests.request(
        "POST", f"{service.route}/deploys", document={"deployMode": "deploy_only"}, repeatable=False
    )
    document = granted(reply, service, doing)
    run = _Run(service=service, known=known, page=_page(requests, service))
    # 202 for one that has to wait comes without a body.
    return run if document is None else _shown(run, document)


def _newest(requests: Requests, service: Resource) -> list[Mapping[str, Any]]:
    """``GET /services/{id}/deploys``, newest first; each has an id."""
    doing = f"reading the deploys of {service}"
    reply = requests.request("GET", f"{service.route}/deploys", query={"limit": _KNOWN_DEPLOYS})
    found = [each["deploy"] for each in items(granted(reply, service, doing), "deploy", doing)]
    for each in found:
        shape(doing).id(each.get("id"))
    return found


def _looked_at(requests: Requests, run: _Run) -> _Run:
    """``GET /services/{id}/deploys/{deployId}``; one without an id is the first that the list did not have before."""
    if not run.id:
        later = [each for each in _newest(requests, run.service) if each["id"] not in run.known]
        return _shown(run, later[-1]) if later else run
    doing = f"reading a deploy of {run.service}"
    return _shown(run, granted(requests.request("GET", f"{run.service.route}/deploys/{run.id}"), run.service, doing))


def _shown(run: _Run, deploy: object) -> _Run:
    expected = shape(f"reading a deploy of {run.service}")
    found = expected.mapping(deploy)
    return replace(run, id=expected.id(found.get("id")), word=word(found.get("status")))


def _page(requests: Requests, service: Resource) -> str:
    """``GET /services/{id}``: its page in the dashboard; empty where Render does not tell, as nothing depends on it."""
    document = requests.request("GET", service.route).document
    return address(document.get("dashboardUrl")) if isinstance(document, dict) else ""


def _together(runs: Sequence[_Run]) -> Deployment:
    detail = runs[0].word if len(runs) == 1 else ", ".join(f"{run.service.id} {run.word}".rstrip() for run in runs)
    shown = next((run for run in runs if run.state == "failed"), runs[0])
    return Deployment(state=_overall({run.state for run in runs}), detail=detail, address=shown.address)


def _overall(states: AbstractSet[DeploymentState]) -> DeploymentState:
    if states <= {"ready", "failed"}:
        return "failed" if "failed" in states else "ready"
    return "waiting" if states == {"waiting"} else "building"
