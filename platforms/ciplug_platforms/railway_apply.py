"""Carrying out a batch: one request with the upsert and the deletes behind it, and smaller ones where it is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ciplug.values import Result
from ciplug_platforms import railway_graphql as graphql
from ciplug_platforms.railway_graphql import NOT_DONE, UPSERT, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ciplug.contracts import Requests
    from ciplug.values import Batch

_CHUNK_DELETES: Final = 100
"""In one request; how many Railway would take is not documented."""

_MOST_REFUSED_REQUESTS: Final = 16
"""After that many nothing more is tried: it is not single variables that are to blame."""


class Applying:
    """One batch on its way; `where` is what every input says of the place."""

    def __init__(self, batch: Batch, *, requests: Requests, where: Mapping[str, str]) -> None:
        self._values = batch.writes
        self._requests = requests
        self._where = where
        self._parts = [list(batch.writes)] if batch.writes else []
        self._left = [variable.name for variable in batch.deletes]
        self._refused_writes = 0
        self._refused_deletes = 0

    def results(self) -> Iterator[Result]:
        """Every name of the batch once, as soon as it is known what became of it.

        Writes come first: a delete may start a deployment, and no option keeps it from that; so it has the new values.
        """
        if self._parts and self._left:
            yield from self._asked(self._parts.pop(), self._next_deletes())
        while self._parts:
            yield from self._asked(self._parts.pop(0), {})
        while self._left:
            yield from self._asked([], self._next_deletes())

    def _next_deletes(self) -> dict[str, str]:
        """Names by their aliases, in order."""
        return {f"d{index}": name for index, name in enumerate(self._left[:_CHUNK_DELETES])}

    def _asked(self, names: Sequence[str], gone: Mapping[str, str]) -> Iterator[Result]:
        """What one request tells of the writes `names` and the deletes `gone`; the others are kept for a further one.

        Railway does one field after the other, of the upsert all or nothing, and stops at the first that it refuses.
        """
        inputs = self._inputs(names, gone)
        try:
            data = graphql.ask(self._requests, graphql.changes(inputs), inputs)
        except RefusedError as error:
            yield from self._refused(error, names, gone)
        else:
            yield from (Result(name=name, problem=_problem(data, UPSERT)) for name in names)
            yield from (Result(name=name, problem=_problem(data, alias)) for alias, name in gone.items())
            del self._left[: len(gone)]

    def _inputs(self, names: Sequence[str], gone: Mapping[str, str]) -> dict[str, Any]:
        """The input of each field by its alias. With `replace`, the upsert would take away all others."""
        deletes = {alias: {**self._where, "name": name} for alias, name in gone.items()}
        if not names:
            return deletes
        variables = {name: self._values[name].reveal().decode() for name in names}
        return {UPSERT: {**self._where, "variables": variables, "replace": False, "skipDeploys": True}} | deletes

    def _refused(self, error: RefusedError, names: Sequence[str], gone: Mapping[str, str]) -> Iterator[Result]:
        if error.field in gone:
            yield from (Result(name=name) for name in names)
            yield from self._delete_refused(error, gone)
        elif names and gone and error.field != UPSERT:
            # It may be about either: each is asked for by itself, and tells.
            if error.whole:
                raise error
            self._parts.append(list(names))
        elif names:
            yield from self._write_refused(error, names)
        else:
            yield from self._delete_refused(error, gone)

    def _write_refused(self, error: RefusedError, names: Sequence[str]) -> Iterator[Result]:
        """Nothing of it was done; it is halved to find the culprit."""
        if error.whole:
            raise error
        self._refused_writes += 1
        if len(names) > 1 and self._refused_writes < _MOST_REFUSED_REQUESTS:
            middle = len(names) // 2
            self._parts[:0] = [list(names[:middle]), list(names[middle:])]
            return
        problem = error.words if len(names) == 1 else f"{error.words}; {len(names)} were refused together"
        yield from (Result(name=name, problem=problem) for name in names)

    def _delete_refused(self, error: RefusedError, gone: Mapping[str, str]) -> Iterator[Result]:
        """Those before the refused one are done, and those behind it are not."""
        self._refused_deletes += not error.absent
        alone = error.field in gone and self._refused_deletes < _MOST_REFUSED_REQUESTS
        done = list(gone).index(error.field) if error.field in gone else 0
        yield from (Result(name=name) for name in self._left[:done])
        if error.whole:
            raise error
        # Without its field an error tells nothing of the others, and asking again would find the same.
        blamed = self._left[done : done + 1] if alone else self._left[done:]
        yield from (Result(name=name, problem="" if alone and error.absent else error.words) for name in blamed)
        del self._left[: done + len(blamed)]


def _problem(data: Mapping[str, Any], alias: str) -> str:
    return "" if data.get(alias) is True else NOT_DONE
