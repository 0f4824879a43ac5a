"""The smallest deploy platform there can be, an adapter for it, and its bench: what a third party brings."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import quote, unquote

from ciplug.conformance import Bench, Clock
from ciplug.errors import PlatformError
from ciplug.standins.loopback import Answer
from ciplug.standins.vendor import Vendor
from ciplug.values import Deployment, Endpoint, Result, Secret, Variable, is_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import TracebackType

    from ciplug.contracts import Connects
    from ciplug.standins.loopback import Request
    from ciplug.values import Batch, Reply

TOKEN = "shelf-t0ken-6f1d"
HERE = "/shelves/1"


class Shelves(Vendor):
    """``GET /shelves/{id}``, ``PUT`` and ``DELETE /shelves/{id}/{name}``, ``POST /shelves/{id}/deploys``."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock=clock)
        self.held: dict[str, dict[str, tuple[str, float]]] = {
            "1": {"THEIRS": ("somebody-elses", 0.0)},
            "2": {"THEIRS": ("of-another-shelf", 0.0)},
        }

    def handle(self, request: Request) -> Answer:
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Answer(status=401, body=b"{}")
        _, _, shelf, *rest = (unquote(step) for step in request.target.split("/"))
        held = self.held[shelf]
        if request.method == "GET":
            items = [{"name": name, "value": value, "stamp": stamp} for name, (value, stamp) in held.items()]
            return Answer(status=200, body=json.dumps({"items": items}).encode())
        if request.method == "PUT":
            held[rest[0]] = (json.loads(request.body)["value"], self.clock())
        if request.method == "DELETE" and held.pop(rest[0], None) is None:
            return Answer(status=404, body=b"{}")
        return Answer(status=200, body=b'{"status": "live"}' if request.method == "POST" else b"{}")


class Shelf:
    """The adapter; each part of it that a broken one does differently is a method of its own."""

    def __init__(self, connect: Connects, wait: Callable[[float], None], url: str) -> None:
        self.requests = connect(Endpoint(label="Shelf", base=url))
        self.wait = wait

    @property
    def place(self) -> str:
        return "shelf 1"

    def read(self) -> Sequence[Variable]:
        document = self.granted(self.requests.request("GET", HERE))
        if not (isinstance(document, dict) and isinstance(document.get("items"), list)):
            raise PlatformError("Shelf: the answer is in another form", hint="check api_url")
        return [self.variable(each) for each in document["items"]]

    def variable(self, item: Mapping[str, Any]) -> Variable:
        return Variable(name=item["name"], readable=True, stamp=str(item["stamp"]))

    def read_value(self, variable: Variable) -> Secret | None:
        document = self.granted(self.requests.request("GET", HERE))
        return next((Secret(each["value"]) for each in document["items"] if each["name"] == variable.name), None)

    def problems(self, wanted: Mapping[str, Secret], held: Sequence[Variable]) -> Sequence[str]:
        bad = [name for name in wanted if not re.fullmatch(r"[A-Za-z_]\w{0,255}", name, re.ASCII)]
        unfit = [name for name, value in wanted.items() if not is_text(value.reveal()) or b"\0" in value.reveal()]
        return [*(f"{name}: the name is not allowed" for name in bad), *(f"{name}: no text" for name in unfit)]

    def apply(self, batch: Batch) -> Iterator[Result]:
        for name, value in batch.writes.items():
            yield self.write(name, value.reveal().decode())
        for variable in batch.deletes:
            yield self.delete(variable.name)

    def write(self, name: str, value: str) -> Result:
        self.granted(self.requests.request("PUT", f"{HERE}/{quote(name, safe='')}", document={"value": value}))
        return Result(name=name)

    def delete(self, name: str) -> Result:
        reply = self.requests.request("DELETE", f"{HERE}/{quote(name, safe='')}")
        if reply.status != 404:
            self.granted(reply)
        return Result(name=name)

    def redeploy(self) -> Iterator[Deployment]:
        yield Deployment(state="building")
        document = self.granted(self.requests.request("POST", f"{HERE}/deploys", document={}, repeatable=False))
        if not (isinstance(document, dict) and isinstance(document.get("status"), str)):
            raise PlatformError("Shelf: the answer is in another form", hint="check api_url")
        yield self.deployment(document["status"])

    def deployment(self, word: str) -> Deployment:
        return Deployment(state="ready" if word == "live" else "failed", detail=word)

    def granted(self, reply: Reply) -> Any:
        if not reply.ok:
            raise PlatformError(f"Shelf: answered {reply.status}", hint="check the token")
        return reply.document


class ShelfBench(Bench):
    """The first of two shelves; the second one is elsewhere."""

    adapter: ClassVar[type[Shelf]] = Shelf
    token = TOKEN

    def __init__(self, clock: Clock) -> None:
        self.shelves = Shelves(clock)

    @property
    def standin(self) -> Shelves:
        return self.shelves

    def __enter__(self) -> Self:
        self.shelves.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shelves.__exit__(kind, error, trace)

    def create(self, connect: Connects, wait: Callable[[float], None]) -> Shelf:
        return self.adapter(connect, wait, self.shelves.url)

    def put(self, name: str, value: str) -> None:
        self.shelves.held["1"][name] = (value, self.shelves.clock())

    def stored(self) -> dict[str, str]:
        return {name: value for name, (value, _) in self.shelves.held["1"].items()}

    def elsewhere(self) -> object:
        return dict(self.shelves.held["2"])
