"""The route that creates variables, one or many, and updates those that are there already."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ciplug.standins.vercel import bodies, rules
from ciplug.standins.vercel.account import API_USER
from ciplug.standins.vercel.refused import RefusedError, as_json
from ciplug.standins.vercel.state import Change, Variable
from ciplug.standins.vercel.variables import with_fields

if TYPE_CHECKING:
    from ciplug.standins.loopback import Answer
    from ciplug.standins.vercel.account import Account
    from ciplug.standins.vercel.call import Call
    from ciplug.standins.vercel.state import Project, Type


def create(account: Account, call: Call, id_or_name: str) -> Answer:
    """``POST /v10/projects/{idOrName}/env``, ``created`` in the form of the body: an object or an array.

    Each variable stands for itself: those refused are in ``failed``, beside the error where none was created.
    """
    project = account.writable(id_or_name)
    body = bodies.parsed(call.request)
    wanted = [bodies.new_variable(each) for each in (body if isinstance(body, list) else [body])]
    created: list[dict[str, Any]] = []
    refused: list[RefusedError] = []
    failed: list[dict[str, Any]] = []
    for fields in wanted:
        try:
            created.append(account.shown(_put(account, project, fields, upsert=call.query.get("upsert") == "true")))
        except RefusedError as error:
            refused.append(error)
            failed.append({"error": _entry(account, error, fields)})
            account.changes.append(Change("failed", fields["key"], ""))
    if refused and not created:
        return refused[0].answer(failed=failed)
    return as_json({"created": created if isinstance(body, list) else created[0], "failed": failed}, status=201)


def _put(account: Account, project: Project, fields: dict[str, Any], *, upsert: bool) -> Variable:
    """The new variable, or the changed one where that is what it comes to."""
    variable = _new(account, fields)
    rivals = [each for each in project.seen(account.clock()) if each.clashes(variable)]
    same = next((each for each in rivals if each.gone_at is None and each.places() == variable.places()), None)
    if rivals and not (upsert and rivals == [same]):
        raise rules.conflict(variable, rivals[0], project)
    if same is None:
        rules.enforce(account, project, variable)
        return account.store(project, variable)
    rules.unless_owned(same)
    if same.type != variable.type:
        raise RefusedError("BAD_REQUEST", f"{variable.key} is there with another type", envVarKey=variable.key)
    changed = replace(same, value=variable.value, comment=fields.get("comment", same.comment))
    rules.enforce(account, project, changed)
    return account.store(project, changed)


def _new(account: Account, fields: dict[str, Any]) -> Variable:
    sealed = account.sensitive_only and "development" not in fields.get("target", ())
    kind: Type = "sensitive" if sealed and fields["type"] in {"plain", "encrypted"} else fields["type"]
    variable = Variable(
        id=secrets.token_urlsafe(12),
        key=fields["key"],
        value=fields["value"],
        type=kind,
        created_at=0,
        updated_at=0,
        updated_by=API_USER,
    )
    return with_fields(variable, fields)


def _entry(account: Account, refused: RefusedError, fields: dict[str, Any]) -> dict[str, Any]:
    """One error of ``failed``; the schema lets it quote the value, which it does where a test has ordered that."""
    quoted = {"value": fields["value"]} if fields["key"] in account.echoed else {}
    return {"action": "create", "key": fields["key"]} | refused.error() | quoted
