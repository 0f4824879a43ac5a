"""The routes that find deployments, deploy again and tell how far that is."""

from __future__ import annotations

import secrets
import string
from typing import TYPE_CHECKING, Any, Final

from ciplug.standins.vercel import bodies
from ciplug.standins.vercel.account import API_USER
from ciplug.standins.vercel.call import paged
from ciplug.standins.vercel.refused import RefusedError, as_json
from ciplug.standins.vercel.state import Deployment

if TYPE_CHECKING:
    from ciplug.standins.loopback import Answer
    from ciplug.standins.vercel.account import Account
    from ciplug.standins.vercel.call import Call
    from ciplug.standins.vercel.state import Project

_ALPHABET: Final = string.ascii_letters + string.digits
_TARGETS: Final = (None, "production", "staging")


def new_id() -> str:
    """An id for a deployment."""
    return "dpl_" + "".join(secrets.choice(_ALPHABET) for _ in range(28))


def place_of(target: str | None) -> str:
    """The environment whose variables a deployment to `target` gets."""
    return "production" if target == "production" else "preview"


def list_all(account: Account, call: Call) -> Answer:
    """``GET /v6/deployments``, newest first; ``target=preview`` are those with no target."""
    projects = list(account.projects.values())
    if "projectId" in call.query:
        projects = [account.project(call.query["projectId"])]
    every = [each for project in projects for each in project.deployments.values()]
    chosen = [each for each in every if _is_asked_for(each, call, account.clock())]
    chosen.sort(key=lambda each: each.created_at, reverse=True)
    page, pagination = paged(chosen, call)
    listed = [_listed(account, account.deployment(each)) for each in page]
    return as_json({"deployments": listed, "pagination": pagination})


def read_one(account: Account, _: Call, id_or_url: str) -> Answer:
    """``GET /v13/deployments/{idOrUrl}``."""
    return as_json(_whole(account, account.deployment(id_or_url)))


def create(account: Account, call: Call) -> Answer:
    """``POST /v13/deployments``: the deployment that the body names again, with the variables of now.

    Without ``forceNew=1`` the one that is there is answered, and nothing is built.
    """
    force = call.query.get("forceNew", "0")
    if force not in {"0", "1"}:
        raise RefusedError("bad_request", "`forceNew` should be 0 or 1")
    fields = bodies.new_deployment(bodies.parsed(call.request))
    last = account.deployment(fields["deploymentId"])
    project = account.project(last.project)
    if project.transferring:
        raise RefusedError("conflict", "the project is being transferred", status=409)
    if fields.get("project", fields["name"]) not in {project.name, project.id}:
        raise RefusedError("bad_request", "the deployment is one of another project")
    if force == "0":
        return as_json(_whole(account, last))
    made = _again(account, project, last, fields)
    project.deployments[made.id] = made
    return as_json(_whole(account, made))


def _again(account: Account, project: Project, last: Deployment, fields: dict[str, Any]) -> Deployment:
    target, custom = _aim(project, fields)
    queued, building = account.build_times
    fails = account.failing_builds > 0
    account.failing_builds -= fails
    return Deployment(
        id=new_id(),
        project=project.id,
        name=project.name,
        target=target,
        custom_environment=custom,
        branch=last.branch,
        created_at=account.stamp(),
        queued=account.clock() + queued,
        built=account.clock() + queued + building,
        outcome="ERROR" if fails else "READY",
        meta=fields.get("meta", {}),
        environment=project.environment(custom or place_of(target), last.branch),
    )


def _aim(project: Project, fields: dict[str, Any]) -> tuple[str | None, str | None]:
    """The target and the custom environment that a body names; none of both is a preview, which has no name."""
    target = fields.get("target")
    wanted = fields.get("customEnvironmentSlugOrId", target)
    if wanted == target and target in _TARGETS:
        return target, None
    for environment, slug in project.environments.items():
        if wanted in (environment, slug):
            return None, environment
    raise RefusedError("not_found", "the project has no such custom environment", status=404)


def _is_asked_for(deployment: Deployment, call: Call, now: float) -> bool:
    query = call.query
    target = "preview" if deployment.target is None else deployment.target
    states = query.get("state", "").split(",")
    return (
        query.get("target", target) == target
        and ("state" not in query or deployment.state(now) in states)
        and query.get("branch", deployment.branch) == deployment.branch
        and query.get("app", deployment.name) == deployment.name
    )


def _shared(account: Account, deployment: Deployment) -> dict[str, Any]:
    """What both answers say of a deployment."""
    state = deployment.state(account.clock())
    shown: dict[str, Any] = {
        "name": deployment.name,
        "projectId": deployment.project,
        "url": deployment.url(),
        "type": "LAMBDAS",
        "creator": {"uid": API_USER},
        "inspectorUrl": f"https://vercel.com/{account.slug}/{deployment.name}/{deployment.id}",
        "createdAt": deployment.created_at,
        "readyState": state,
        "target": deployment.target,
        "meta": dict(deployment.meta),
    }
    if deployment.custom_environment is not None:
        shown["customEnvironment"] = {"id": deployment.custom_environment}
    if state == "ERROR":
        shown |= {"errorCode": "BUILD_FAILED", "errorMessage": "the build command ended with 1"}
    return shown


def _listed(account: Account, deployment: Deployment) -> dict[str, Any]:
    shown = _shared(account, deployment)
    return shown | {"uid": deployment.id, "created": deployment.created_at, "state": shown["readyState"]}


def _whole(account: Account, deployment: Deployment) -> dict[str, Any]:
    shown = _shared(account, deployment)
    ended = shown["readyState"] in {"READY", "ERROR"}
    return shown | {
        "id": deployment.id,
        "status": shown["readyState"],
        "version": 2,
        "plan": "pro",
        "public": False,
        "ownerId": account.team,
        "createdIn": "iad1",
        "regions": ["iad1"],
        "routes": [],
        "env": sorted(deployment.environment),
        "build": {"env": []},
        "projectSettings": {},
        "bootedAt": int(deployment.queued * 1000),
        "buildingAt": int(deployment.queued * 1000),
        "buildSkipped": False,
        "aliasAssigned": shown["readyState"] == "READY",
        "isInConcurrentBuildsQueue": False,
        "isInSystemBuildsQueue": False,
        **({"ready": int(deployment.built * 1000)} if ended else {}),
    }
