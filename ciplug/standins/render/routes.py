"""What Render does on each route that ciplug may use. The base is ``/v1``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from ciplug.standins.loopback import Answer
from ciplug.standins.render.answers import RefusedError, as_json, cursor, limit, page
from ciplug.standins.render.deploys import mode_of
from ciplug.standins.render.state import Asking, Change, State
from ciplug.standins.render.variables import checked_key, given_value, given_variables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ciplug.standins.render.variables import Variable, Variables

Bucket = Literal["read", "write", "deploy"]
"""Which limit a request counts against."""


class Route(NamedTuple):
    """`handle` takes the state, the caller's workspace and the request; `query` has the names that it knows."""

    handle: Callable[[State, str, Asking], Answer]
    bucket: Bucket = "read"
    query: tuple[str, ...] = ()


def _read_service(state: State, workspace: str, asking: Asking) -> Answer:
    return as_json(200, state.service(asking.ids[0], workspace).as_json())


def _list_variables(state: State, workspace: str, asking: Asking) -> Answer:
    service = state.service(asking.ids[0], workspace)
    return as_json(200, _listed(service.id, page(service.id, service.variables.read(), asking.query)))


def _replace_variables(state: State, workspace: str, asking: Asking) -> Answer:
    service = state.service(asking.ids[0], workspace)
    given = given_variables(asking.json())
    removed = service.variables.replace(given, lag=state.delete_lag)
    state.changes.append(Change(service.id, tuple(given), removed))
    return as_json(200, _listed(service.id, service.variables.held()))


def _read_service_variable(state: State, workspace: str, asking: Asking) -> Answer:
    service = state.service(asking.ids[0], workspace)
    return as_json(200, _found(service.variables.read(), asking.ids[1]))


def _put_service_variable(state: State, workspace: str, asking: Asking) -> Answer:
    service = state.service(asking.ids[0], workspace)
    value = _put(state, service.id, service.variables, asking)
    return as_json(200, {"key": asking.ids[1], "value": value})


def _delete_service_variable(state: State, workspace: str, asking: Asking) -> Answer:
    service = state.service(asking.ids[0], workspace)
    return _delete(state, service.id, service.variables, asking)


def _list_groups(state: State, workspace: str, asking: Asking) -> Answer:
    if "cursor" in asking.query:
        raise RefusedError(400, "invalid cursor")  # the list of groups, alone among the lists, gives none away
    names = _wanted(asking.query, "name")
    groups = [
        group.as_meta()
        for group in state.groups.values()
        if group.workspace == workspace
        and (names is None or group.name in names)
        and workspace in (_wanted(asking.query, "ownerId") or (workspace,))
    ]
    return as_json(200, groups[: limit(asking.query)])


def _read_group(state: State, workspace: str, asking: Asking) -> Answer:
    return as_json(200, state.group(asking.ids[0], workspace).as_json())


def _read_group_variable(state: State, workspace: str, asking: Asking) -> Answer:
    group = state.group(asking.ids[0], workspace)
    return as_json(200, _found(group.variables.read(), asking.ids[1]))


def _put_group_variable(state: State, workspace: str, asking: Asking) -> Answer:
    group = state.group(asking.ids[0], workspace)
    _put(state, group.id, group.variables, asking)
    return as_json(200, group.as_json())


def _delete_group_variable(state: State, workspace: str, asking: Asking) -> Answer:
    group = state.group(asking.ids[0], workspace)
    return _delete(state, group.id, group.variables, asking)


def _make_deploy(state: State, workspace: str, asking: Asking) -> Answer:
    service = state.service(asking.ids[0], workspace)
    deploy = service.deploys.make(mode_of(asking.json()))
    waits = deploy.starts > state.clock()
    return Answer(status=202) if waits else as_json(201, service.deploys.as_json(deploy))


def _list_deploys(state: State, workspace: str, asking: Asking) -> Answer:
    service = state.service(asking.ids[0], workspace)
    shown = page(service.id, service.deploys.newest_first(), asking.query)
    return as_json(
        200, [{"deploy": service.deploys.as_json(each), "cursor": cursor(service.id, each.position)} for each in shown]
    )


def _read_deploy(state: State, workspace: str, asking: Asking) -> Answer:
    deploys = state.service(asking.ids[0], workspace).deploys
    return as_json(200, deploys.as_json(deploys.find(asking.ids[1])))


def _listed(where: str, variables: Iterable[Variable]) -> list[dict[str, object]]:
    return [{"envVar": each.as_json(), "cursor": cursor(where, each.position)} for each in variables]


def _found(variables: Iterable[Variable], key: str) -> dict[str, str]:
    for each in variables:
        if each.key == key:
            return each.as_json()
    raise RefusedError(404, "environment variable not found")


def _put(state: State, where: str, variables: Variables, asking: Asking) -> str:
    key = checked_key(asking.ids[1])
    value = given_value(asking.json())
    if key not in variables.swallowed:
        variables.put(key, value)
    state.changes.append(Change(where, (key,), ()))
    return value


def _delete(state: State, where: str, variables: Variables, asking: Asking) -> Answer:
    key = asking.ids[1]
    if key not in variables:
        raise RefusedError(404, "environment variable not found")
    if key not in variables.swallowed:
        variables.remove(key, lag=state.delete_lag)
    state.changes.append(Change(where, (), (key,)))
    return Answer(status=204)


def _wanted(query: Mapping[str, str], name: str) -> list[str] | None:
    return query[name].split(",") if name in query else None


_PAGED: Final = ("cursor", "limit")

ROUTES: Final = {
    "GET services/*": Route(_read_service),
    "GET services/*/env-vars": Route(_list_variables, query=_PAGED),
    "PUT services/*/env-vars": Route(_replace_variables, "write"),
    "GET services/*/env-vars/*": Route(_read_service_variable),
    "PUT services/*/env-vars/*": Route(_put_service_variable, "write"),
    "DELETE services/*/env-vars/*": Route(_delete_service_variable, "write"),
    "POST services/*/deploys": Route(_make_deploy, "deploy"),
    "GET services/*/deploys": Route(_list_deploys, query=_PAGED),
    "GET services/*/deploys/*": Route(_read_deploy),
    "GET env-groups": Route(_list_groups, query=(*_PAGED, "name", "ownerId")),
    "GET env-groups/*": Route(_read_group),
    "GET env-groups/*/env-vars/*": Route(_read_group_variable),
    "PUT env-groups/*/env-vars/*": Route(_put_group_variable, "write"),
    "DELETE env-groups/*/env-vars/*": Route(_delete_group_variable, "write"),
}
"""By method and path. A request for anything else is no request of Render's API as it is known here."""
