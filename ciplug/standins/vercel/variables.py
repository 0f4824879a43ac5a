"""The routes that read, edit and delete variables of a project."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ciplug.standins.vercel import bodies, rules
from ciplug.standins.vercel.call import paged
from ciplug.standins.vercel.refused import RefusedError, as_json

if TYPE_CHECKING:
    from ciplug.standins.loopback import Answer
    from ciplug.standins.vercel.account import Account
    from ciplug.standins.vercel.call import Call
    from ciplug.standins.vercel.state import Project, Variable


def list_all(account: Account, call: Call, id_or_name: str) -> Answer:
    """``GET /v10/projects/{idOrName}/env``; ``decrypt`` is let through and decrypts nothing (vercel/sdk#118)."""
    project = account.project(id_or_name)
    decrypt = call.query.get("decrypt", "false")
    if decrypt not in {"true", "false"}:
        raise RefusedError("bad_request", "`decrypt` should be true or false")
    chosen = [each for each in project.seen(account.clock()) if _is_asked_for(each, project, call)]
    page, pagination = paged(chosen, call)
    envs = [account.shown(project.variables[variable_id]) for variable_id in page]
    return as_json({"envs": envs, "pagination": pagination})


def read_one(account: Account, _: Call, id_or_name: str, variable_id: str) -> Answer:
    """``GET /v1/projects/{idOrName}/env/{id}``: in clear, unless it is sensitive."""
    return as_json(account.opened(account.project(id_or_name).held(variable_id)))


def edit(account: Account, call: Call, id_or_name: str, variable_id: str) -> Answer:
    """``PATCH /v9/projects/{idOrName}/env/{id}``: what is not named stays, the value too."""
    project = account.writable(id_or_name)
    fields = bodies.edited_variable(bodies.parsed(call.request))
    held = project.held(variable_id)
    rules.unless_owned(held)
    if fields.get("type", held.type) != held.type:
        raise RefusedError("BAD_REQUEST", "the type of a variable cannot be changed")
    if held.type == "sensitive" and "key" in fields:
        raise RefusedError("BAD_REQUEST", "a sensitive variable cannot be renamed")
    edited = with_fields(held, fields)
    rules.enforce(account, project, edited)
    for each in project.seen(account.clock()):
        if each.clashes(edited):
            raise rules.conflict(edited, each, project)
    return as_json(account.shown(account.store(project, edited)))


def delete_one(account: Account, call: Call, id_or_name: str, variable_id: str) -> Answer:
    """``DELETE /v9/projects/{idOrName}/env/{id}``; with ``customEnvironmentId`` from that environment only."""
    project = account.writable(id_or_name)
    held = project.held(variable_id)
    rules.unless_owned(held)
    environment = call.query.get("customEnvironmentId")
    if environment is not None and environment not in held.custom_environments:
        raise RefusedError("not_found", "the environment variable is not in that environment", status=404)
    kept = tuple(each for each in held.custom_environments if each != environment)
    if environment is not None and (kept or held.target):
        return as_json(account.shown(account.store(project, replace(held, custom_environments=kept))))
    account.erase(project, held)
    return as_json(account.shown(held))


def delete_many(account: Account, call: Call, id_or_name: str) -> Answer:
    """``DELETE /v1/projects/{idOrName}/env``; ids that are not there are passed over, and none is deleted twice."""
    project = account.writable(id_or_name)
    ids = dict.fromkeys(bodies.ids_to_delete(bodies.parsed(call.request)))
    found = [project.variables[each] for each in ids if each in project.variables]
    held = [each for each in found if each.gone_at is None]
    for each in held:
        rules.unless_owned(each)
    for each in held:
        account.erase(project, each)
    return as_json({"deleted": len(held), "ids": [each.id for each in held]})


def with_fields(variable: Variable, fields: dict[str, Any]) -> Variable:
    """`variable` with the `fields` of a body."""
    names = {"key": "key", "value": "value", "gitBranch": "git_branch", "comment": "comment"}
    changed = {name: fields[field] for field, name in names.items() if field in fields}
    if "target" in fields:
        changed |= {"target": tuple(dict.fromkeys(fields["target"])), "bare_target": False}
    if "customEnvironmentIds" in fields:
        changed["custom_environments"] = tuple(dict.fromkeys(fields["customEnvironmentIds"]))
    return replace(variable, **changed)


def _is_asked_for(variable: Variable, project: Project, call: Call) -> bool:
    environment = call.query.get("customEnvironmentId")
    slug = call.query.get("customEnvironmentSlug")
    slugs = {project.environments.get(each) for each in variable.custom_environments}
    return (
        ("gitBranch" not in call.query or call.query["gitBranch"] == variable.git_branch)
        and (environment is None or environment in variable.custom_environments)
        and (slug is None or slug in slugs)
    )
