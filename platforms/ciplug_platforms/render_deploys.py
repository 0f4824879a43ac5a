"""Deploys of Render's services: what was built last goes out again, with the variables as they are now."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

from ciplug.errors import PlatformError
from ciplug.frozen import frozen
from ciplug.values import Deployment
from ciplug_platforms.render_api import granted, identifier, items, malformed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ciplug.contracts import Requests
    from ciplug_platforms.render_api import Owner

_State = Literal["waiting", "building", "ready", "failed"]

_STATES: Final[dict[str, _State]] = {
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

_PACE: Final = 5.0
_LONGEST: Final = 3600.0
"""Seconds from one look to the next, and until a deployment that does not end is no longer waited for."""


@frozen
class _Run:
    """A deploy of `service`; its `id` is empty until Render tells it, and `known` are the deploys before it."""

    service: Owner
    known: frozenset[str]
    id: str = ""
    word: str = "queued"
    page: str = ""

    @property
    def state(self) -> _State:
        return _STATES.get(self.word, "building")

    @property
    def ended(self) -> bool:
        return self.state in ("ready", "failed")

    @property
    def address(self) -> str:
        return f"{self.page}/deploys/{self.id}" if self.page and self.id else self.page


def redeploy(
    requests: Requests, owner: Owner, services: Sequence[Owner], wait: Callable[[float], None]
) -> Iterator[Deployment]:
    """Start a deploy of each of `services` that was deployed before, and tell how they go whenever that changes.

    They are one deployment: ready once all are, failed once all have ended and one did not become live.
    """
    runs = [run for service in services if (run := _started(requests, service)) is not None]
    if not runs:
        raise PlatformError(
            f"Render: there is no deployment of {owner} to repeat",
            hint="deploy it once at Render; that deployment will have the new values",
        )
    told: Deployment | None = None
    for _ in range(int(_LONGEST / _PACE)):
        now = _together(runs)
        if now != told:
            yield now
        if now.state in ("ready", "failed"):
            return
        told = now
        wait(_PACE)
        runs = [run if run.ended else _looked_at(requests, run) for run in runs]
    raise PlatformError(
        f"Render: the deployment of {owner} did not end in {_LONGEST / 60:.0f} minutes", hint="look at it at Render"
    )


def _started(requests: Requests, service: Owner) -> _Run | None:
    """``POST /services/{id}/deploys``; ``None`` for a service that was never deployed.

    ``deploy_only`` takes the last build as it is: by default Render would build the branch's latest commit.
    """
    known = frozenset(identifier(each, "reading deploys") for each in _newest(requests, service))
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


def _newest(requests: Requests, service: Owner) -> list[dict[str, Any]]:
    """``GET /services/{id}/deploys``, newest first"""
    doing = f"reading the deploys of {service}"
    reply = requests.request("GET", f"{service.route}/deploys", query={"limit": "20"})
    return [each["deploy"] for each in items(granted(reply, service, doing), "deploy", doing)]


def _looked_at(requests: Requests, run: _Run) -> _Run:
    """``GET /services/{id}/deploys/{deployId}``; one without an id is the first that the list did not have before."""
    if not run.id:
        later = [each for each in _newest(requests, run.service) if each.get("id") not in run.known]
        return _shown(run, later[-1]) if later else run
    doing = f"reading a deploy of {run.service}"
    return _shown(run, granted(requests.request("GET", f"{run.service.route}/deploys/{run.id}"), run.service, doing))


def _shown(run: _Run, deploy: Any) -> _Run:
    doing = f"reading a deploy of {run.service}"
    found = identifier(deploy, doing)
    word = deploy.get("status")
    if not (isinstance(word, str) and re.fullmatch(r"[a-z_]{1,40}", word)):
        raise malformed(doing)
    return replace(run, id=found, word=word)


def _page(requests: Requests, service: Owner) -> str:
    """``GET /services/{id}``: its page in the dashboard; empty where Render does not tell, as nothing depends on it."""
    document = requests.request("GET", service.route).document
    found = document.get("dashboardUrl") if isinstance(document, dict) else None
    return found if isinstance(found, str) and re.fullmatch(r"https://[!-~]{1,200}", found) else ""


def _together(runs: Sequence[_Run]) -> Deployment:
    detail = runs[0].word if len(runs) == 1 else ", ".join(f"{run.service.id} {run.word}" for run in runs)
    shown = next((run for run in runs if run.state == "failed"), runs[0])
    return Deployment(state=_overall({run.state for run in runs}), detail=detail, address=shown.address)


def _overall(states: set[_State]) -> _State:
    if states <= {"ready", "failed"}:
        return "failed" if "failed" in states else "ready"
    return "waiting" if states == {"waiting"} else "building"
