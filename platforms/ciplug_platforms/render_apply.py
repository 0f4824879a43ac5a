"""Carrying out a batch at Render: all of a service in one call, or one call for each variable."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal

from ciplug.errors import PlatformError
from ciplug.frozen import frozen
from ciplug.values import Batch, Result
from ciplug_platforms.render_api import granted, is_name, refusal, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ciplug.contracts import Requests
    from ciplug.values import Secret, Variable
    from ciplug_platforms.render_api import Resource

_PAUSES_SECONDS: Final = (1.0, 2.0, 4.0, 8.0)
"""Between attempts to replace a set: each one reads it again first."""

_MOVED: Final = "it was changed at Render while this sync was on its way, and was left as it is: run the sync again"
_STAYED: Final = "Render still has it after it was deleted: run the sync again"
_ONE_REFUSED: Final = frozenset({400, 409, 422})
"""Statuses that are about one variable, where one is written; any other is about the whole target."""


@frozen
class _Work:
    """What of a batch is `settled` without a call, and the `rest`; `kept` is all that the rest leaves as it is."""

    settled: tuple[Result, ...]
    rest: Batch
    kept: tuple[Variable, ...]


class Applying:
    """One batch on its way. What is there is read right before: Render cannot be told "if nobody changed it"."""

    def __init__(
        self,
        batch: Batch,
        *,
        requests: Requests,
        resource: Resource,
        read: Callable[[], Sequence[Variable]],
        wait: Callable[[float], None],
    ) -> None:
        self._batch = batch
        self._requests = requests
        self._resource = resource
        self._read = read
        self._wait = wait

    def results(self) -> Iterator[Result]:
        """Every name of the batch once, as its call is done, with what Render's answer shows of it."""
        batch = self._batch
        for pause in (*_PAUSES_SECONDS, None):
            work = _compared(batch, self._read())
            yield from work.settled
            batch = work.rest
            if not batch.writes and not batch.deletes:
                return
            if self._resource.kind == "env_group" or not all(map(_can_be_sent_back, work.kept)):
                yield from self._one_by_one(batch)
                return
            outcome = self._replaced(work)
            if not isinstance(outcome, PlatformError):
                yield from outcome
                return
            if pause is None:
                raise outcome
            self._wait(pause)

    def _replaced(self, work: _Work) -> Sequence[Result] | PlatformError:
        """``PUT /services/{id}/env-vars``: the whole set. A passing failure comes back, for the set to be read again.

        NOTE: not repeatable, because somebody may have changed a variable before the repetition, which would undo that.
        """
        doing = f"writing the variables of {self._resource}"
        values = {each.name: each.value for each in work.kept if each.value is not None} | dict(work.rest.writes)
        document = [{"key": name, "value": value.reveal().decode()} for name, value in values.items()]
        try:
            reply = self._requests.request(
                "PUT", f"{self._resource.route}/env-vars", document=document, repeatable=False
            )
        except PlatformError as lost:
            return lost
        if reply.status >= 500 or reply.status == 409:
            return refusal(reply, self._resource, doing)
        there = shown(granted(reply, self._resource, doing))
        return _replacement(work.rest, there or {}, is_whole=there is not None and values.keys() <= there.keys())

    def _one_by_one(self, batch: Batch) -> Iterator[Result]:
        """``PUT`` and ``DELETE {resource}/env-vars/{key}``, each result as soon as its call is done."""
        for name, value in batch.writes.items():
            yield self._changed("PUT", name, {"value": value.reveal().decode()})
        for each in batch.deletes:
            yield self._changed("DELETE", each.name)

    def _changed(self, method: Literal["PUT", "DELETE"], name: str, document: object = None) -> Result:
        if not is_name(name):
            return Result(name=name, problem="Render has no such names")
        doing = f"changing {name} of {self._resource}"
        reply = self._requests.request(method, self._resource.variable(name), document=document)
        if reply.status in _ONE_REFUSED:
            return Result(name=name, problem=f"Render refused this change (status {reply.status})")
        if method == "DELETE":
            if reply.status != 404:  # what is gone already is deleted
                granted(reply, self._resource, doing)
            return Result(name=name, gone=reply.status == 404)
        there = shown(granted(reply, self._resource, doing)) or {}
        return Result(name=name, seen=there.get(name))


def _compared(batch: Batch, now: Sequence[Variable]) -> _Work:
    held, there = ({each.name: each for each in seen} for seen in (batch.held, now))
    wanted: dict[str, Secret | None] = {each.name: None for each in batch.deletes} | dict(batch.writes)
    settled: dict[str, Result] = {}
    for name, value in wanted.items():
        current = there.get(name)
        if current is None if value is None else current is not None and current.value == value:
            settled[name] = Result(name=name, seen=current, gone=current is None)
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


def _replacement(batch: Batch, there: Mapping[str, Variable], *, is_whole: bool) -> list[Result]:
    """What the answer to a replacement shows: `there`; what a part of the set leaves out may still be there."""
    writes = [Result(name=name, seen=there.get(name)) for name in batch.writes]
    deletes = [
        Result(name=each.name, problem=_STAYED) if each.name in there else Result(name=each.name, gone=is_whole)
        for each in batch.deletes
    ]
    return writes + deletes


def _can_be_sent_back(variable: Variable) -> bool:
    """Whether a replacement may hold it, as it is: it takes no empty value, and nothing that Render provides."""
    return bool(variable.value) and not variable.reserved
