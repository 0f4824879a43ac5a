"""Railway: the variables of one service, or those that the services of an environment share.

Facts: https://docs.railway.com/integrations/api/manage-variables
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ciplug.errors import PlatformError
from ciplug.values import Deployment, Result, Secret, Variable, is_text
from ciplug_platforms import railway_graphql as graphql
from ciplug_platforms.railway_graphql import RefusedError
from ciplug_platforms.railway_rules import OWN_PREFIX, Options, parsed, why_not

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ciplug.contracts import Connects, Platform, Requests
    from ciplug.values import Batch

_TOGETHER: Final = 100
"""Deletes in one request; how many Railway would take is not documented."""

_MOST_REFUSED: Final = 16
"""Refused requests after which nothing more is tried: it is not single variables that are to blame."""

_PAUSE: Final = 5.0
_POLLS: Final = 360
"""Half an hour of pauses, in which a deployment has to end."""

_NOT_DONE: Final = "the platform answered that it was not done"
_STATES: Final[Mapping[str, Any]] = {
    "BUILDING": "building",
    "DEPLOYING": "building",
    "INITIALIZING": "waiting",
    "QUEUED": "waiting",
    "WAITING": "waiting",
    "SUCCESS": "ready",
    "SLEEPING": "ready",  # it was deployed, and has had nothing to do since
    "CRASHED": "failed",
    "FAILED": "failed",
    "NEEDS_APPROVAL": "failed",  # it goes on only once a person says so
    "REMOVED": "failed",
    "REMOVING": "failed",
    "SKIPPED": "failed",
}
_HOST: Final = re.compile(r"(?:https://)?([A-Za-z0-9.-]+)/?", re.ASCII)


def create(options: Mapping[str, Any], connect: Connects, wait: Callable[[float], None]) -> Platform:
    """The target that `options` describe; ``UsageError`` where they do not. Nothing is asked of Railway yet."""
    target = parsed(options)
    if target.token_kind == "project":  # noqa: S105  # the kind, not a token
        requests = connect("Railway", target.api_url, header="Project-Access-Token", scheme="")
    else:
        requests = connect("Railway", target.api_url)
    return Railway(target, requests, wait)


class Railway:
    """One service of one environment, or what the services of it share; `wait` sleeps between two polls."""

    def __init__(self, options: Options, requests: Requests, wait: Callable[[float], None]) -> None:
        self._options = options
        self._requests = requests
        self._wait = wait
        self._place = {"projectId": options.project, "environmentId": options.environment}
        if options.service:
            self._place["serviceId"] = options.service

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
        try:
            nodes = {node["name"]: node for node in self._nodes(data) if node["serviceId"] == service.get("service")}
            held = {name: value for name, value in data["variables"].items() if not name.startswith(OWN_PREFIX)}
            return [_variable(name, value, nodes.get(name, {})) for name, value in held.items()]
        except (AttributeError, KeyError, TypeError):
            # Without a cause: it may quote the answer.
            raise graphql.unexpected() from None

    def value(self, variable: Variable) -> Secret | None:
        """What ``read`` gave: a sealed value is never told."""
        return variable.value

    def problems(self, wanted: Mapping[str, Secret], held: Sequence[Variable]) -> Sequence[str]:  # noqa: ARG002  # no totals
        """What is wrong with each one; Railway documents no limit on all of them together."""
        references = self._options.references
        return [
            f"{name}: {why}" for name, value in wanted.items() for why in why_not(name, value, references=references)
        ]

    def apply(self, batch: Batch) -> Iterator[Result]:
        """Writes first: a delete may start a deployment, which then has the new values."""
        texts = [name for name, value in batch.writes.items() if is_text(value.reveal())]
        yield from (Result(name=name, problem="not UTF-8 text") for name in batch.writes if name not in texts)
        yield from self._write(texts, batch.writes)
        yield from self._delete([variable.name for variable in batch.deletes])

    def redeploy(self) -> Iterator[Deployment]:
        """Deploy the service's latest deployment anew, and follow the newest one from then on.

        Where somebody else starts another meanwhile, it has the new values as well, and is the one that counts.
        """
        if not self._options.service:
            raise PlatformError(
                "Railway: shared variables have no deployment of their own",
                hint="redeploy the targets of the services that use them, or run it without --redeploy",
            )
        before = self._newest()
        if before is None:
            raise PlatformError(
                "Railway: there is no deployment to repeat", hint="deploy the service once, then run it again"
            )
        given = {"environment": self._options.environment, "service": self._options.service}
        # Not repeatable: the second one would deploy twice.
        if self._ask(graphql.REDEPLOY, given, repeatable=False).get("serviceInstanceRedeploy") is not True:
            raise PlatformError(f"Railway: redeploy: {_NOT_DONE}", hint="look at the service in Railway's dashboard")
        yield from self._followed(before["id"])

    def _followed(self, before: str) -> Iterator[Deployment]:
        """How the deployment after `before` stands, whenever that changes."""
        last = None
        for _ in range(_POLLS):
            node = self._newest()
            now = _deployment(node) if node and node["id"] != before else Deployment(state="waiting")
            if now != last:
                yield now
            if now.state in {"ready", "failed"}:
                return
            last = now
            self._wait(_PAUSE)
        raise PlatformError(
            f"Railway: the deployment has not ended after {_POLLS} polls",
            hint="it goes on without ciplug; look at the service in Railway's dashboard",
        )

    def _write(self, names: Sequence[str], values: Mapping[str, Secret]) -> Iterator[Result]:
        """All in one request, of which Railway stores all or nothing; a refused one is halved to find the culprit."""
        parts, refused = [names] if names else [], 0
        while parts:
            part = parts.pop(0)
            try:
                problem = self._upsert({name: values[name] for name in part})
            except RefusedError as error:
                refused += 1
                if error.whole:
                    raise
                if len(part) > 1 and refused < _MOST_REFUSED:
                    parts[:0] = [part[: len(part) // 2], part[len(part) // 2 :]]
                    continue
                problem = error.words if len(part) == 1 else f"{error.words}; {len(part)} were refused together"
            yield from (Result(name=name, problem=problem) for name in part)

    def _upsert(self, values: Mapping[str, Secret]) -> str:
        """Why Railway did not do it, empty where it did. With `replace` it would take away all others."""
        variables = {name: value.reveal().decode() for name, value in values.items()}
        wanted = self._place | {"variables": variables, "replace": False, "skipDeploys": True}
        return "" if self._ask(graphql.WRITE, {"input": wanted}).get("variableCollectionUpsert") is True else _NOT_DONE

    def _delete(self, names: Sequence[str]) -> Iterator[Result]:
        """All in one request, of which Railway does one after the other and stops at the first that it refuses."""
        refused = 0
        while names:
            part = names[:_TOGETHER]
            inputs = {f"d{index}": self._place | {"name": name} for index, name in enumerate(part)}
            try:
                data = self._ask(graphql.deletes(len(part)), inputs)
            except RefusedError as error:
                refused += not error.absent
                alone = error.field in inputs and refused < _MOST_REFUSED
                done = list(inputs).index(error.field) if error.field in inputs else 0
                yield from (Result(name=name) for name in part[:done])
                if error.whole:
                    raise
                # Without its field an error tells nothing of the others, and asking again would find the same.
                blamed = names[done : done + 1] if alone else names[done:]
                yield from (Result(name=name, problem="" if alone and error.absent else error.words) for name in blamed)
                names = names[done + len(blamed) :]
            else:
                done_all = zip(part, map(data.get, inputs), strict=True)
                yield from (Result(name=name, problem="" if done is True else _NOT_DONE) for name, done in done_all)
                names = names[len(part) :]

    def _nodes(self, data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Every variable of the environment, without its value, page after page from `data` on."""
        seen = set()
        while True:
            page = data["environment"]["variables"]
            yield from (edge["node"] for edge in page["edges"])
            after = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                return
            if not after or after in seen:
                raise graphql.unexpected()
            seen.add(after)
            data = self._ask(graphql.MORE, self._environment() | {"after": after})

    def _newest(self) -> Mapping[str, Any] | None:
        data = self._ask(graphql.NEWEST, {"input": self._place})
        try:
            return next(({**edge["node"], "id": edge["node"]["id"]} for edge in data["deployments"]["edges"]), None)
        except (KeyError, TypeError):
            # Without a cause: it may quote the answer.
            raise graphql.unexpected() from None

    def _environment(self) -> dict[str, str]:
        return {"project": self._options.project, "environment": self._options.environment}

    def _ask(self, document: str, given: Mapping[str, Any], *, repeatable: bool = True) -> Mapping[str, Any]:
        return graphql.ask(self._requests, document, given, repeatable=repeatable)


def _variable(name: str, value: str | None, node: Mapping[str, Any]) -> Variable:
    """A sealed one is told apart by its stamp alone: the moment of its last change, or a word that never changes."""
    hidden = value is None or bool(node.get("isSealed"))
    # JSON may spell half a surrogate pair, of which an encoding error would quote all.
    content = None if hidden or value is None else Secret(value.encode("utf-8", "surrogatepass"))
    stamp = str(node.get("updatedAt") or "sealed")
    return Variable(name=name, id=str(node.get("id", "")), value=content, stamp=stamp)


def _deployment(node: Mapping[str, Any]) -> Deployment:
    status = str(node.get("status"))
    host = _HOST.fullmatch(str(node.get("url") or node.get("staticUrl") or ""))
    address = f"https://{host[1]}" if host else ""
    if status not in _STATES:
        return Deployment(state="waiting", detail="UNKNOWN", address=address)
    return Deployment(state=_STATES[status], detail=status, address=address)
