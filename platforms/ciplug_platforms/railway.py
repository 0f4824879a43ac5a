"""Railway: the variables of one service, or those that the services of an environment share.

Facts: https://docs.railway.com/integrations/api/manage-variables
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ciplug.values import Endpoint, Secret, Variable
from ciplug_platforms import railway_graphql as graphql
from ciplug_platforms import railway_options, railway_rules
from ciplug_platforms.answers import stamp
from ciplug_platforms.railway_apply import Applying
from ciplug_platforms.railway_deployments import Deployments
from ciplug_platforms.railway_graphql import ANSWER
from ciplug_platforms.railway_rules import OWN_PREFIX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ciplug.contracts import Connects, Platform, Requests
    from ciplug.values import Batch, Deployment, Result
    from ciplug_platforms.railway_options import Options


def create(options: Mapping[str, Any], connect: Connects, wait: Callable[[float], None]) -> Platform:
    """The target that `options` name; ``UsageError`` says all that is wrong with them."""
    chosen = railway_options.parsed(options)
    if chosen.token_kind == "project":  # noqa: S105  # the kind, not a token
        endpoint = Endpoint(label="Railway", base=chosen.api_url, header="Project-Access-Token", scheme="")
    else:
        endpoint = Endpoint(label="Railway", base=chosen.api_url)
    requests = connect(endpoint)
    return Service(chosen, requests, wait) if chosen.service else Variables(chosen, requests)


class Variables:
    """The variables of one service of an environment, or those that all of its services share."""

    def __init__(self, options: Options, requests: Requests) -> None:
        self._options = options
        self._requests = requests

    @property
    def place(self) -> str:
        """Project, environment and service by their ids, which renaming does not change."""
        where = f"service={self._options.service}" if self._options.service else "shared"
        return f"railway {self._options.project} {self._options.environment} {where}"

    def read(self) -> Sequence[Variable]:
        """Every variable but those that the platform itself provides. A sealed one comes without its value."""
        # Without a service the argument is left out, not null: that is what asks for the shared variables.
        service = {"service": self._options.service} if self._options.service else {}
        data = self._ask(graphql.READ, self._environment() | service)
        values = ANSWER.mapping(data.get("variables"))
        ours = (node for node in self._nodes(data) if node.get("serviceId") == service.get("service"))
        nodes = {ANSWER.name(node.get("name")): node for node in ours}
        return [
            _variable(name, value, nodes.get(name, {}))
            for name, value in values.items()
            if not name.startswith(OWN_PREFIX)
        ]

    def read_value(self, variable: Variable) -> Secret | None:
        """What ``read`` gave: a sealed value is never told."""
        return variable.value

    def problems(self, wanted: Mapping[str, Secret], held: Sequence[Variable]) -> Sequence[str]:  # noqa: ARG002  # no totals
        """What is wrong with each one; Railway documents no limit on all of them together."""
        return railway_rules.problems(wanted, references=self._options.references)

    def apply(self, batch: Batch) -> Iterator[Result]:
        """In one request where Railway takes it: the writes, with which nothing is deployed, and then the deletes."""
        return Applying(batch, requests=self._requests, where=self._options.where).results()

    def _nodes(self, data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Every variable of the environment, without its value, page after page from `data` on."""
        seen = set()
        while True:
            page = ANSWER.mapping(ANSWER.mapping(data.get("environment")).get("variables"))
            yield from graphql.nodes(page)
            info = ANSWER.mapping(page.get("pageInfo"))
            if not info.get("hasNextPage"):
                return
            after = info.get("endCursor")
            if not after or not isinstance(after, str) or after in seen:
                raise ANSWER.malformed()
            seen.add(after)
            data = self._ask(graphql.MORE, self._environment() | {"after": after})

    def _environment(self) -> dict[str, str]:
        return {"project": self._options.project, "environment": self._options.environment}

    def _ask(self, document: str, given: Mapping[str, Any]) -> Mapping[str, Any]:
        return graphql.ask(self._requests, document, given)


class Service(Variables):
    """The variables of one service, which have their effect from its next deployment on; `wait` sleeps between polls.

    What is shared has no deployment of its own, and so no such method.
    """

    def __init__(self, options: Options, requests: Requests, wait: Callable[[float], None]) -> None:
        super().__init__(options, requests)
        self._deployments = Deployments(options, requests, wait)

    def redeploy(self) -> Iterator[Deployment]:
        """Deploy the service's latest deployment anew, and how that goes."""
        return self._deployments.redeploy()


def _variable(name: str, value: object, node: Mapping[str, Any]) -> Variable:
    """A sealed one is told apart by its stamp alone: the moment of its last change, or a word that never changes."""
    if not (value is None or isinstance(value, str)):
        raise ANSWER.malformed()
    is_sealed = value is None or bool(node.get("isSealed"))
    # JSON may spell half a surrogate pair, of which an encoding error would quote all.
    content = None if is_sealed or value is None else Secret(value.encode("utf-8", "surrogatepass"))
    variable_id = ANSWER.id(node["id"]) if "id" in node else ""
    return Variable(
        name=ANSWER.name(name), id=variable_id, value=content, stamp=stamp(node.get("updatedAt")) or "sealed"
    )
