"""Render: the variables of one service, replaced all at once, or of one environment group, changed one by one."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Literal

from ciplug.errors import PlatformError, UsageError
from ciplug.frozen import frozen
from ciplug.values import Batch, Result
from ciplug_platforms import render_deploys, render_rules
from ciplug_platforms.render_api import Owner, granted, identifier, is_name, items, malformed, refusal, variable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ciplug.contracts import Connects, Platform, Requests
    from ciplug.values import Deployment, Secret, Variable

_API: Final = "https://api.render.com"
_PAGE: Final = 100  # the most that Render gives
_PAUSES: Final = (1.0, 2.0, 4.0, 8.0)
"""Seconds between attempts to replace a set: each one reads it again first."""

_MOVED: Final = "it was changed at Render while this sync was on its way, and was left as it is: run the sync again"
_IDS: Final = {"service": r"(srv|crn)-[0-9a-z]+", "env_group": r"evg-[0-9a-z]+"}
_FORMS: Final = {"service": "srv-… or crn-…", "env_group": "evg-…"}
_ONE_REFUSED: Final = frozenset({400, 409, 422})
"""Statuses that are about one variable, where one is written; any other is about the whole target."""


def create(options: Mapping[str, Any], connect: Connects, wait: Callable[[float], None]) -> Platform:
    """The target that `options` name: ``service`` or ``env_group``, and maybe ``api_url``; else ``UsageError``."""
    if found := list(_option_problems(options)):
        raise UsageError("; ".join(found), hint="see the options of Render targets in platforms/README.md")
    owner = (
        Owner(kind="service", id=options["service"])
        if "service" in options
        else Owner(kind="env_group", id=options["env_group"])
    )
    # The documented address ends in the version, which the routes here begin with.
    origin = options.get("api_url", _API).rstrip("/").removesuffix("/v1")
    return Render(owner, connect("Render", origin), wait)


def _option_problems(options: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(set(options) - {"service", "env_group", "api_url"}):
        yield f"option {name}: unknown; there are api_url, env_group and service"
    if ("service" in options) == ("env_group" in options):
        yield "option service: exactly one of service and env_group is needed"
    for name, form in _IDS.items():
        given = options.get(name, "")
        if name in options and not (isinstance(given, str) and re.fullmatch(form, given)):
            yield f"option {name}: an id of Render is needed, {_FORMS[name]}, as in the dashboard's address"
    if not isinstance(options.get("api_url", _API), str):
        yield "option api_url: a text is needed, https://…"


@frozen
class _Work:
    """What of a batch is `settled` without a call, and the `rest`; `kept` is all that the rest leaves as it is."""

    settled: tuple[Result, ...]
    rest: Batch
    kept: tuple[Variable, ...]


class Render:
    """One target at Render. Its API has no way to say "if nobody changed it": what is written was read right before."""

    def __init__(self, owner: Owner, requests: Requests, wait: Callable[[float], None]) -> None:
        self._owner = owner
        self._requests = requests
        self._wait = wait

    @property
    def place(self) -> str:
        """``render srv-…``: ids are Render's own, whatever the service's name becomes."""
        return f"render {self._owner.id}"

    def read(self) -> Sequence[Variable]:
        """Every variable of the service itself, or of the group; the groups that a service is linked to are not it."""
        doing = f"reading the variables of {self._owner}"
        shown = self._pages(doing) if self._owner.kind == "service" else self._group(doing).get("envVars")
        if not isinstance(shown, list):
            raise malformed(doing)
        # By name: a page that shifted while it was read may show one twice.
        return list({found.name: found for found in (variable(each, doing) for each in shown)}.values())

    def value(self, variable: Variable) -> Secret | None:
        """What came with it: Render gives every value when it lists them."""
        return variable.value

    def problems(self, wanted: Mapping[str, Secret], held: Sequence[Variable]) -> Sequence[str]:
        """Why these values cannot all be there."""
        return render_rules.problems(wanted, held)

    def apply(self, batch: Batch) -> Iterator[Result]:
        """Compare what is there now with what was held, and do what is left: one PUT for all of a service.

        A variable of the batch that somebody changed in between is left alone, and its result says so.
        """
        for pause in (*_PAUSES, None):
            work = _compared(batch, self.read())
            yield from work.settled
            batch = work.rest
            names = [*batch.writes, *(each.name for each in batch.deletes)]
            if not names:
                return
            if self._owner.kind == "env_group" or not all(map(_can_be_sent_back, work.kept)):
                yield from self._one_by_one(batch)
                return
            failure = self._replace_all(work)
            if failure is None:
                yield from (Result(name=name) for name in names)
                return
            if pause is None:
                raise failure
            self._wait(pause)

    def redeploy(self) -> Iterator[Deployment]:
        """Deploy the service's last build again; of a group, that of every service that is linked to it."""
        services = [self._owner] if self._owner.kind == "service" else self._linked()
        return render_deploys.redeploy(self._requests, self._owner, services, self._wait)

    def _pages(self, doing: str) -> list[Any]:
        """``GET /services/{id}/env-vars``"""
        shown: list[Any] = []
        cursors: list[str] = []
        while True:
            query = {"limit": str(_PAGE)} | ({"cursor": cursors[-1]} if cursors else {})
            reply = self._requests.request("GET", f"{self._owner.route}/env-vars", query=query)
            page = items(granted(reply, self._owner, doing), "envVar", doing)
            shown += [each["envVar"] for each in page]
            if len(page) < _PAGE:
                return shown
            following = page[-1].get("cursor")
            if not isinstance(following, str) or following in cursors:
                raise malformed(doing)
            cursors.append(following)

    def _group(self, doing: str) -> dict[str, Any]:
        """``GET /env-groups/{id}``"""
        document = granted(self._requests.request("GET", self._owner.route), self._owner, doing)
        if not isinstance(document, dict):
            raise malformed(doing)
        return document

    def _linked(self) -> list[Owner]:
        doing = f"reading the services of {self._owner}"
        links = self._group(doing).get("serviceLinks")
        if not isinstance(links, list):
            raise malformed(doing)
        if not links:
            raise PlatformError(
                f"Render: no service is linked to {self._owner}, so there is nothing to deploy",
                hint="link a service to it at Render, or leave out --redeploy",
            )
        return [Owner(kind="service", id=identifier(link, doing)) for link in links]

    def _replace_all(self, work: _Work) -> PlatformError | None:
        """``PUT /services/{id}/env-vars``: the whole set. A passing failure comes back, for the set to be read again.

        NOTE: not repeatable, because somebody may have changed a variable before the repetition, which would undo that.
        """
        doing = f"writing the variables of {self._owner}"
        values = {each.name: each.value for each in work.kept if each.value is not None} | dict(work.rest.writes)
        document = [{"key": name, "value": _text(name, value)} for name, value in values.items()]
        try:
            reply = self._requests.request("PUT", f"{self._owner.route}/env-vars", document=document, repeatable=False)
        except PlatformError as lost:
            return lost
        if reply.status >= 500 or reply.status == 409:
            return refusal(reply, self._owner, doing)
        granted(reply, self._owner, doing)
        return None

    def _one_by_one(self, batch: Batch) -> Iterator[Result]:
        """``PUT`` and ``DELETE {owner}/env-vars/{key}``, each result as soon as its call is done."""
        for name, value in batch.writes.items():
            yield self._changed("PUT", name, {"value": _text(name, value)})
        for each in batch.deletes:
            yield self._changed("DELETE", each.name)

    def _changed(self, method: Literal["PUT", "DELETE"], name: str, document: object = None) -> Result:
        if not is_name(name):
            return Result(name=name, problem="Render has no such names")
        reply = self._requests.request(method, self._owner.variable(name), document=document)
        if reply.status in _ONE_REFUSED:
            return Result(name=name, problem=f"Render refused this change (status {reply.status})")
        if not (method == "DELETE" and reply.status == 404):  # what is gone already is deleted
            granted(reply, self._owner, f"changing {name} of {self._owner}")
        return Result(name=name)


def _compared(batch: Batch, now: Sequence[Variable]) -> _Work:
    held, there = ({each.name: each for each in seen} for seen in (batch.held, now))
    wanted: dict[str, Secret | None] = {each.name: None for each in batch.deletes} | dict(batch.writes)
    settled: dict[str, Result] = {}
    for name, value in wanted.items():
        current = there.get(name)
        if current is None if value is None else current is not None and current.value == value:
            settled[name] = Result(name=name)
        elif current != held.get(name):
            settled[name] = Result(name=name, problem=_MOVED)
    rest = replace(
        batch,
        writes={name: value for name, value in batch.writes.items() if name not in settled},
        deletes=tuple(each for each in batch.deletes if each.name not in settled and each.name not in batch.writes),
    )
    gone = {each.name for each in rest.deletes}
    kept = tuple(each for each in now if each.name not in gone and each.name not in rest.writes)
    return _Work(settled=tuple(settled.values()), rest=rest, kept=kept)


def _can_be_sent_back(variable: Variable) -> bool:
    """Whether a replacement may hold it, as it is: it takes no empty value, and nothing that Render provides."""
    return bool(variable.value) and not variable.reserved


def _text(name: str, value: Secret) -> str:
    try:
        return value.reveal().decode()
    except UnicodeDecodeError:
        # Without the cause, which has the value.
        raise PlatformError(f"Render: {name} is not UTF-8 text", hint="keep it as base64 in the vault") from None
