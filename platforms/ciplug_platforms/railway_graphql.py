"""What is asked of Railway's API, and what its errors mean: GraphQL, whose failures mostly come with status 200."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ciplug.errors import PlatformError
from ciplug.frozen import frozen
from ciplug_platforms.answers import Shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ciplug.contracts import Requests
    from ciplug.values import Reply

PATH: Final = "/graphql/v2"
ANSWER: Final = Shape(about="Railway")

READ: Final = """query ($project: String!, $environment: String!, $service: String) {
  variables(projectId: $project, environmentId: $environment, serviceId: $service, unrendered: true)
  environment(id: $environment, projectId: $project) {
    variables { edges { node { id name isSealed serviceId updatedAt } } pageInfo { hasNextPage endCursor } }
  }
}"""
"""The values as they are stored (references unresolved, sealed ones null), and the first page of the sealed flags."""

MORE: Final = """query ($project: String!, $environment: String!, $after: String!) {
  environment(id: $environment, projectId: $project) {
    variables(after: $after) {
      edges { node { id name isSealed serviceId updatedAt } } pageInfo { hasNextPage endCursor }
    }
  }
}"""
"""A further page of the sealed flags, which are those of all services of the environment."""

UPSERT: Final = "upsert"
"""The alias of the upsert among changes."""

NOT_DONE: Final = "the platform answered that it was not done"
"""What it means where a mutation is answered without an error, and not with ``true``."""

REDEPLOY: Final = """mutation ($environment: String!, $service: String!) {
  serviceInstanceRedeploy(environmentId: $environment, serviceId: $service)
}"""

NEWEST: Final = """query ($input: DeploymentListInput!) {
  deployments(first: 1, input: $input) { edges { node { id status url staticUrl } } }
}"""


def changes(aliases: Iterable[str]) -> str:
    """The document of the changes of these `aliases`, carried out in order: ``upsert`` writes, any other is a delete.

    The input of each is the variable of that name: ``$upsert``, ``$d0``, ``$d1`` …
    """
    kinds = {alias: "variableCollectionUpsert" if alias == UPSERT else "variableDelete" for alias in aliases}
    declared = ", ".join(f"${alias}: {kind[0].upper()}{kind[1:]}Input!" for alias, kind in kinds.items())
    fields = " ".join(f"{alias}: {kind}(input: ${alias})" for alias, kind in kinds.items())
    return f"mutation ({declared}) {{ {fields} }}"


class RefusedError(PlatformError):
    """An error in GraphQL's shape. `words` are ours; `field` is the alias that it is about, empty where it says none.

    `whole`: the same would be said of anything else that is asked. `absent`: the variable itself is not there.
    """

    def __init__(self, refusal: _Refusal, *, code: str = "", field: str = "") -> None:
        self.words = refusal.words + (f" ({code})" if code else "")
        super().__init__(f"Railway: {self.words}", hint=refusal.hint)
        self.field = field
        self.whole = refusal.whole
        self.absent = refusal.absent


@frozen
class _Refusal:
    pattern: str
    words: str
    hint: str
    whole: bool = True
    absent: bool = False


_TOKEN: Final = _Refusal(
    # The API says the same of a dead token, of one without the right, and of a place that is not there.
    pattern="not authori[sz]ed|unauthori[sz]ed|unauthenticated|forbidden|project token not found",
    words="the token is not valid, or may not use this project and environment, or they are not there",
    hint="check the options project, environment and token_kind, and what the token in the vault is for",
)
_OTHER: Final = _Refusal(
    pattern="",
    words="it was refused, for a reason that is not shown because it may quote a value",
    hint="look at the project in Railway's dashboard and run it again",
    whole=False,
)
_REFUSALS: Final = (
    _TOKEN,
    _Refusal(
        pattern="two.?factor authentication",
        words="two-factor authentication is required of the token's owner",
        hint="turn it on for that account, or use a token of the workspace",
    ),
    _Refusal(
        pattern="too many requests|rate.?limit",
        words="too many requests were made with this token",
        hint="run it again later",
    ),
    _Refusal(
        pattern="variable.*not found",
        words="the variable is not there",
        hint="run it again",
        whole=False,
        absent=True,
    ),
    _Refusal(
        pattern="deployment.*not found",
        words="there is no deployment to repeat",
        hint="deploy the service once, then run it again with --redeploy",
    ),
    _Refusal(
        pattern="(project|environment|service|service ?instance).*not found",
        words="the project, the environment or the service is not there, or the token cannot see it",
        hint="check the options project, environment and service: they are ids, not names",
    ),
    _Refusal(
        pattern="syntax error|cannot query field|unknown (argument|type)|is not defined by|of required type",
        words="the API does not know this request",
        hint="check api_url, and whether there is a newer ciplug",
    ),
)
_CODES: Final = frozenset(
    {
        "BAD_USER_INPUT",
        "FORBIDDEN",
        "GRAPHQL_PARSE_FAILED",
        "GRAPHQL_VALIDATION_FAILED",
        "INTERNAL_SERVER_ERROR",
        "UNAUTHENTICATED",
    }
)
"""The usual codes of GraphQL servers. Railway documents none, and an unknown one might be anything."""


def ask(requests: Requests, document: str, given: Mapping[str, Any], *, repeatable: bool = True) -> Mapping[str, Any]:
    """The data of the answer. ``RefusedError`` for an error in it, ``PlatformError`` for an answer that is no GraphQL.

    ``POST /graphql/v2``
    """
    reply = requests.request("POST", PATH, document={"query": document, "variables": given}, repeatable=repeatable)
    if reply.status in {401, 403}:
        raise RefusedError(_TOKEN)
    if error := _error(reply):
        raise error
    if not reply.ok:
        raise PlatformError(
            f"Railway: POST {PATH}: answered {reply.status}", hint="check api_url, or run it again later"
        )
    return ANSWER.mapping(ANSWER.mapping(reply.document).get("data"))


def nodes(connection: object) -> Iterator[Mapping[str, Any]]:
    """What is listed in one page of a connection: the node of each edge."""
    for edge in ANSWER.listing(ANSWER.mapping(connection).get("edges")):
        yield ANSWER.mapping(ANSWER.mapping(edge).get("node"))


def _error(reply: Reply) -> RefusedError | None:
    """The first error of an answer, by its message, because there are no codes to rely on."""
    errors = reply.document.get("errors") if isinstance(reply.document, dict) else None
    if not errors:
        return None
    first = errors[0] if isinstance(errors, list) and isinstance(errors[0], dict) else {}
    message = str(first.get("message", ""))
    refusal = next((one for one in _REFUSALS if re.search(one.pattern, message, re.IGNORECASE | re.DOTALL)), _OTHER)
    extensions, path = first.get("extensions"), first.get("path")
    code = extensions.get("code") if isinstance(extensions, dict) else ""
    return RefusedError(
        refusal,
        code=code if isinstance(code, str) and code in _CODES else "",
        field=path[0] if isinstance(path, list) and path and isinstance(path[0], str) else "",
    )
