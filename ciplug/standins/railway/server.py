"""Railway's API on loopback: ``POST /graphql/v2``, and the methods by which a test seeds, watches and disturbs it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlsplit

from ciplug.standins.loopback import Answer
from ciplug.standins.railway.access import Access, RateLimit, exhausted
from ciplug.standins.railway.deployments import Deployment, Deployments, Outcome
from ciplug.standins.railway.document import parsed
from ciplug.standins.railway.execution import RefusedError, executed, problems
from ciplug.standins.railway.inputs import variables
from ciplug.standins.railway.resolvers import View
from ciplug.standins.railway.schema import RAILWAY
from ciplug.standins.railway.tokens import DocumentError
from ciplug.standins.railway.variables import Environment, Place, Variables
from ciplug.standins.vendor import Vendor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ciplug.standins.loopback import Request
    from ciplug.standins.railway.document import Operation

PATH: Final = "/graphql/v2"
_KEYS: Final = frozenset({"query", "variables", "operationName", "extensions"})


class Operated(NamedTuple):
    """One operation: the root `fields` it asked for, the `names` of variables it wanted to write, and how it ended.

    `message` is the vendor's error, empty for none.
    """

    kind: str
    fields: tuple[str, ...]
    names: tuple[str, ...]
    message: str


class Railway(Vendor):
    """Railway for the length of a ``with`` block; its `endpoint` is what a client posts to.

    A caller may send `per_hour` and `per_second` requests. `page` is the most that one page of a list holds;
    `invalid_status` is the HTTP status for operations that the schema does not allow, which is not documented.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        per_hour: int = 10_000,
        per_second: int = 50,
        page: int = 100,
        invalid_status: int = 200,
    ) -> None:
        super().__init__(clock=clock)
        self.page = page
        self.invalid_status = invalid_status
        self._access = Access()
        self._environments: dict[str, Environment] = {}
        self._variables = Variables(clock)
        self._deployments = Deployments(clock)
        self._limits: dict[str, RateLimit] = {}
        self._rates = per_hour, per_second
        self._operated: list[Operated] = []

    @property
    def endpoint(self) -> str:
        """The URL to post to."""
        return self.url + PATH

    def add_environment(
        self,
        environment: str,
        *,
        project: str,
        services: Mapping[str, str],
        name: str = "production",
        workspace: str = "acme",
        deployed: bool = True,
    ) -> None:
        """Make an environment of a project, with `services` (names by ids), each `deployed` once or never."""
        made = Environment(id=environment, name=name, project=project, workspace=workspace, services=dict(services))
        with self._lock:
            self._environments[environment] = made
            for service in services if deployed else ():
                self._deployments.start(environment, service)

    def account_token(self) -> str:
        """A new token for ``Authorization: Bearer`` that may do everything."""
        with self._lock:
            return self._access.bearer()

    def workspace_token(self, workspace: str) -> str:
        """A new token for ``Authorization: Bearer`` that reaches one workspace."""
        with self._lock:
            return self._access.bearer(workspace)

    def project_token(self, environment: str) -> str:
        """A new token for ``Project-Access-Token`` that reaches one environment."""
        with self._lock:
            return self._access.project(self._environments[environment])

    def revoke_token(self, token: str) -> None:
        """Let a token be unknown from now on."""
        with self._lock:
            self._access.revoke(token)

    def put(
        self, environment: str, values: Mapping[str, str], *, service: str | None = None, sealed: bool = False
    ) -> None:
        """Make or change variables as a person would in the dashboard; nothing is deployed."""
        with self._lock:
            for name, value in values.items():
                self._variables.store(self._place(environment, service), name, value, sealed=sealed)

    def remove(self, environment: str, *names: str, service: str | None = None) -> None:
        """Take variables away as a person would."""
        with self._lock:
            for name in names:
                self._variables.delete(self._place(environment, service), name)

    def held(self, environment: str, *, service: str | None = None) -> dict[str, str]:
        """What is stored, sealed values too, as it was written."""
        with self._lock:
            return {name: row.value for name, row in self._variables.rows(self._place(environment, service)).items()}

    def deployments(self, environment: str, service: str) -> tuple[Deployment, ...]:
        """The deployments of a service, newest first."""
        with self._lock:
            return tuple(self._deployments.of(environment, service))

    def operations(self) -> tuple[Operated, ...]:
        """What was asked in documents that could be read, oldest first."""
        with self._lock:
            return tuple(self._operated)

    def deploy_as(self, outcome: Outcome, *, lasts: float = 0) -> None:
        """Let the deployments to come take `lasts` seconds and end as `outcome`."""
        with self._lock:
            self._deployments.outcome, self._deployments.lasts = outcome, lasts

    def delay_deletes(self, seconds: float) -> None:
        """Let deletes from now on show only after so long."""
        with self._lock:
            self._variables.delete_lag = seconds

    def refuse_variable(self, name: str, message: str = "Problem processing request") -> None:
        """Refuse every write of this variable, and with it the rest of its collection or of its request."""
        with self._lock:
            self._variables.refused[name] = message

    def ignore_variable(self, name: str) -> None:
        """Answer every write of this variable with success, and do nothing."""
        with self._lock:
            self._variables.ignored.add(name)

    def accept_variables(self) -> None:
        """End `refuse_variable` and `ignore_variable`."""
        with self._lock:
            self._variables.refused.clear()
            self._variables.ignored.clear()

    def limit_next(self, retry_after: int | None = 1, *, times: int = 1) -> None:
        """Answer the next requests with 429, as one does who has asked too often; ``None`` leaves out for how long."""
        headers = exhausted(self._rates[0], self.clock() + (retry_after or 0), retry_after)
        self.fail_next(429, times=times, headers=headers, body=_body({"errors": [{"message": "Too Many Requests"}]}))

    def refuse_next(self, message: str, *, status: int = 200, times: int = 1) -> None:
        """Answer the next requests with an error in GraphQL's shape, whatever they ask for."""
        self.fail_next(status, times=times, body=_body({"errors": [{"message": message}], "data": None}))

    def handle(self, request: Request) -> Answer:
        """``POST /graphql/v2``; 404 for any other path and 405 for any other method."""
        if urlsplit(request.target).path != PATH:
            return _errors(404, "Not Found")
        if request.method != "POST":
            return _errors(405, "Method Not Allowed")
        caller = request.headers.get("project-access-token") or request.headers.get("authorization", "")
        headers = self._limits.setdefault(caller, RateLimit(*self._rates)).headers(self.clock())
        if "Retry-After" in headers:
            return _errors(429, "Too Many Requests", headers=headers)
        status, document = self._answered(request)
        return Answer(status=status, body=_body(document), headers=headers)

    def _answered(self, request: Request) -> tuple[int, dict[str, object]]:
        body = _asked(request)
        if body is None:
            return 400, {"errors": [{"message": "Bad Request"}]}
        try:
            operation = parsed(body["query"])
        except DocumentError as error:
            return 400, {"errors": [{"message": str(error)}]}
        given, wrong = variables(RAILWAY, operation, body.get("variables") or {})
        wrong = problems(RAILWAY, operation) or wrong
        if body.get("operationName") not in (None, operation.name):
            wrong = ["Unknown operation named in operationName."]
        if wrong:
            return self.invalid_status, {"errors": [{"message": one} for one in wrong]}
        return 200, self._carried_out(request, operation, given)

    def _carried_out(self, request: Request, operation: Operation, given: Mapping[str, object]) -> dict[str, object]:
        view = View(
            caller=self._access.caller(request.headers),
            environments=self._environments,
            variables=self._variables,
            deployments=self._deployments,
            page=self.page,
            written=[],
        )
        message = ""
        try:
            return {"data": executed(RAILWAY, operation, given, view.resolvers())}
        except RefusedError as refused:
            message = str(refused)
            return {"errors": [{"message": message, "path": list(refused.path)}], "data": None}
        finally:
            fields = tuple(field.name for field in operation.selections)
            self._operated.append(Operated(operation.kind, fields, tuple(view.written), message))

    def _place(self, environment: str, service: str | None) -> Place:
        return Place(self._environments[environment], service)


def _asked(request: Request) -> dict[str, Any] | None:
    """The request's body, if it is one that GraphQL over HTTP allows."""
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        return None
    try:
        body = json.loads(request.body)
    except ValueError:
        return None
    if not isinstance(body, dict) or not body.keys() <= _KEYS or not isinstance(body.get("query"), str):
        return None
    return body if isinstance(body.get("variables"), dict | None) else None


def _body(document: Mapping[str, object]) -> bytes:
    return json.dumps(document).encode()


def _errors(status: int, message: str, *, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status=status, body=_body({"errors": [{"message": message}]}), headers=headers or {})
