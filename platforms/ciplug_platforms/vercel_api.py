"""Vercel's routes, as far as one project's variables and deployments need them, and its errors in our words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from ciplug.errors import PlatformError
from ciplug.values import Endpoint
from ciplug_platforms.answers import Shape, number

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ciplug.contracts import Connects
    from ciplug.values import Reply
    from ciplug_platforms.vercel_options import Options

LIST: Final = Shape(about="Vercel: the list of variables")
DEPLOYMENT: Final = Shape(about="Vercel: a deployment")
_DEPLOYMENTS: Final = Shape(about="Vercel: the list of deployments")
_VARIABLE: Final = Shape(about="Vercel: a variable")

MOST_IDS: Final = 1000
"""In one delete, as the specification has it: https://openapi.vercel.sh/."""

_PAGE_ITEMS: Final = "100"
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z_]{0,63}")
_BUSY_PAUSES_SECONDS: Final = (1.0, 2.0, 4.0)

_MEANINGS: Final[Mapping[int, tuple[str, str]]] = {
    401: ("the token is not valid", "give the target a token that is valid for the team"),
    403: (
        "the token is not valid, or may not do this in that team and project",
        "check the token, its scope and the options team and project",
    ),
    404: (
        "the project is not there, or the token cannot see it",
        "check the options project, team and custom_environment",
    ),
    409: ("the project is being transferred to another team", "run it again when the transfer is over"),
}


class Api:
    """The routes of one project. What is not a success raises ``PlatformError`` unless a method says otherwise."""

    def __init__(self, options: Options, connect: Connects, wait: Callable[[float], None]) -> None:
        self._requests = connect(Endpoint(label="Vercel", base=options.api_url, reset=_reset))
        self._scope = options.scope
        self._project = options.project
        self._wait = wait

    def variables(self) -> list[Mapping[str, Any]]:
        """``GET /v10/projects/{id}/env``, all pages: every variable of the project."""
        found: dict[str, Mapping[str, Any]] = {}
        query = {"limit": _PAGE_ITEMS}
        while True:
            answer = LIST.mapping(self._fetched(f"/v10/projects/{self._project}/env", query))
            # A project with a single variable may be answered with it alone.
            page = answer.get("envs", [answer] if "key" in answer else None)
            items = [LIST.mapping(each) for each in LIST.listing(page)]
            before = len(found)
            found |= {LIST.id(each.get("id")): each for each in items}
            following = _following(answer)
            # A page that brings nothing new would come again for ever.
            if following is None or len(found) == before:
                return list(found.values())
            query = {"limit": _PAGE_ITEMS, "until": following}

    def variable(self, variable_id: str) -> Mapping[str, Any]:
        """``GET /v1/projects/{id}/env/{id}``: with its value, where it can be read; nothing where it is gone."""
        reply = self._call("GET", self._one("v1", variable_id))
        if reply.status == 404:
            return {}
        return _VARIABLE.mapping(_success(reply).document)

    def upsert(self, bodies: list[Mapping[str, object]]) -> Reply:
        """``POST /v10/projects/{id}/env?upsert=true``, whatever its status."""
        return self._unless_busy("POST", f"/v10/projects/{self._project}/env", bodies, {"upsert": "true"})

    def edit(self, variable_id: str, fields: Mapping[str, object]) -> Reply:
        """``PATCH /v9/projects/{id}/env/{id}``, whatever its status; what is not in `fields` stays."""
        return self._unless_busy("PATCH", self._one("v9", variable_id), fields)

    def delete(self, ids: list[str]) -> set[str]:
        """``DELETE /v1/projects/{id}/env``: those of at most `MOST_IDS` that it deleted, as far as the answer tells."""
        reply = _success(self._unless_busy("DELETE", f"/v1/projects/{self._project}/env", {"ids": ids}))
        told = reply.document.get("ids") if isinstance(reply.document, dict) else None
        return {each for each in told if isinstance(each, str)} if isinstance(told, list) else set()

    def deployments(self, query: Mapping[str, str]) -> list[Mapping[str, Any]]:
        """``GET /v6/deployments``, newest first, one page of those that are ready."""
        asked = {"projectId": self._project, "state": "READY", "limit": _PAGE_ITEMS, **query}
        answer = _DEPLOYMENTS.mapping(self._fetched("/v6/deployments", asked))
        return [_DEPLOYMENTS.mapping(each) for each in _DEPLOYMENTS.listing(answer.get("deployments"))]

    def deploy(self, body: Mapping[str, object]) -> Mapping[str, Any]:
        """``POST /v13/deployments?forceNew=1``; not repeated where it may have been carried out."""
        reply = self._call("POST", "/v13/deployments", {"forceNew": "1"}, body, repeatable=False)
        return DEPLOYMENT.mapping(_success(reply).document)

    def deployment(self, deployment_id: str) -> Mapping[str, Any]:
        """``GET /v13/deployments/{id}``."""
        return DEPLOYMENT.mapping(self._fetched(f"/v13/deployments/{deployment_id}", {}))

    def _one(self, version: str, variable_id: str) -> str:
        return f"/{version}/projects/{self._project}/env/{quote(variable_id, safe='')}"

    def _fetched(self, path: str, query: Mapping[str, str]) -> Any:
        return _success(self._call("GET", path, query)).document

    def _unless_busy(self, method: str, path: str, document: object, query: Mapping[str, str] | None = None) -> Reply:
        """The answer, asked for again while another write may be under way.

        Vercel refuses that with a BAD_REQUEST, which only its message, in no fixed words, tells from lasting ones.
        """
        reply = self._call(method, path, query, document)
        for seconds in _BUSY_PAUSES_SECONDS:
            if not (reply.status == 400 and code_of(reply) == "BAD_REQUEST" and failures(reply) is None):
                break
            self._wait(seconds)
            reply = self._call(method, path, query, document)
        return reply

    def _call(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        document: object = None,
        *,
        repeatable: bool = True,
    ) -> Reply:
        whole = {**self._scope, **(query or {})}
        return self._requests.request(method, path, query=whole, document=document, repeatable=repeatable)


def code_of(reply: Reply) -> str:
    """Vercel's code for what is wrong, in capitals; empty where the answer has none."""
    return code(reply.document.get("error")) if isinstance(reply.document, dict) else ""


def code(error: object) -> str:
    """The code of one error object; the CLI compares them without regard to case. Never any other text of it."""
    found = error.get("code") if isinstance(error, dict) else None
    return found.upper() if isinstance(found, str) and _CODE.fullmatch(found) else ""


def failures(reply: Reply) -> list[Mapping[str, Any]] | None:
    """The errors of single variables that an answer, even a 201, may carry; ``None`` where it has no such list."""
    listed = reply.document.get("failed") if isinstance(reply.document, dict) else None
    if not isinstance(listed, list):
        return None
    errors = [each.get("error") if isinstance(each, dict) else None for each in listed]
    return [error if isinstance(error, dict) else {} for error in errors]


def refusal(reply: Reply) -> PlatformError:
    """The error for a call that was refused as a whole."""
    words, hint = _MEANINGS.get(reply.status, ("the request was refused", "run it again; if it stays, report the code"))
    named = ", ".join(part for part in (str(reply.status), code_of(reply)) if part)
    return PlatformError(f"Vercel: {words} ({named})", hint=hint)


def _success(reply: Reply) -> Reply:
    if not reply.ok:
        raise refusal(reply)
    return reply


def _following(answer: Mapping[str, Any]) -> str | None:
    """What the next page is asked for with; ``None`` for the last one."""
    pagination = answer.get("pagination")
    following = None if pagination is None else LIST.mapping(pagination).get("next")
    return None if following is None else LIST.id(str(following))


def _reset(document: Any) -> float | None:
    """When a 429 says to come back, in epoch seconds: ``error.limit.reset``."""
    for name in ("error", "limit", "reset"):
        document = document.get(name) if isinstance(document, dict) else None
    return number(document)
