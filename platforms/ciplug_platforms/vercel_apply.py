"""Carrying out a batch: one upsert, one delete, one edit per variable that is shared, a second upsert where needed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ciplug.values import Result
from ciplug_platforms.vercel_api import MOST_IDS, code, code_of, failures, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ciplug.values import Batch, Reply, Secret, Variable
    from ciplug_platforms.vercel_api import Api
    from ciplug_platforms.vercel_held import Listed
    from ciplug_platforms.vercel_options import Options

_CHUNK_VARIABLES: Final = 50
"""Where Vercel finds the whole too many; it documents no number."""

_CONFLICT_PAUSES_SECONDS: Final = (1.0, 2.0, 4.0, 8.0)
_CONFLICT: Final = "ENV_CONFLICT"
_ROOM: Final = frozenset({"BAD_REQUEST", "MAX_ENVS_EXCEEDED"})
"""Refusals, for size or number, that a delete may cure."""

_WORDS: Final[Mapping[str, str]] = {
    _CONFLICT: "another variable of this name is in the way",
    "FORBIDDEN": "the token may not change it, or an integration manages it",
    "MAX_ENVS_EXCEEDED": "the project has as many variables as it may have",
    "RESERVED_ENV_VARIABLE": "the name is reserved",
    "KEY_RESERVED": "the name is reserved",
    "INVALID_KEY": "the name is not allowed",
    "KEY_INVALID_CHARACTERS": "the name is not allowed",
    "KEY_INVALID_LENGTH": "the name is too long",
    "INVALID_VALUE": "the value is not allowed",
    "VALUE_INVALID_LENGTH": "the value is too long",
}


class Applying:
    """One batch on its way. `listed` is by id; ids that were deleted go into `deleted`."""

    def __init__(
        self,
        batch: Batch,
        *,
        api: Api,
        options: Options,
        listed: Mapping[str, Listed],
        deleted: set[str],
        wait: Callable[[float], None],
    ) -> None:
        self._batch = batch
        self._api = api
        self._options = options
        self._listed = listed
        self._deleted = deleted
        self._wait = wait
        self._later: dict[str, Secret] = {}

    def results(self) -> Iterator[Result]:
        """Every name of the batch once, as its last call is done.

        New and changed values come before deletes: whoever builds in between has too much, not too little.
        """
        batch = self._batch
        held = {each.name: each for each in batch.held}
        gone = {each.name: each for each in batch.deletes}
        replaced = {name: held[name] for name in batch.writes if name in batch.replaced and name in held}
        frees = bool(gone or replaced)
        first = {name: value for name, value in batch.writes.items() if name not in replaced}
        yield from self._write(first, {_CONFLICT, *_ROOM} if frees else {_CONFLICT})
        for name in replaced:
            self._later[name] = batch.writes[name]
        yield from self._take_out(gone, replaced)
        yield from self._delete(gone, replaced)
        yield from self._finish()

    def _finish(self) -> Iterator[Result]:
        """What a delete was in the way of. Deletes are seen with a delay (vercel/terraform-provider-vercel#306)."""
        for seconds in (*_CONFLICT_PAUSES_SECONDS, None):
            pending, self._later = self._later, {}
            yield from self._write(pending, {_CONFLICT} if seconds is not None else set())
            if not self._later:
                return
            if seconds is not None:
                self._wait(seconds)

    def _write(self, values: Mapping[str, Secret], again: set[str]) -> Iterator[Result]:
        """Upsert `values`, in one call if it takes them; what is refused with a code in `again` is kept for later."""
        if not values:
            return
        bodies: list[Mapping[str, object]] = [
            {"key": name, "value": value.reveal().decode(), **self._options.fields} for name, value in values.items()
        ]
        reply = self._api.upsert(bodies)
        failed = failures(reply)
        if not reply.ok and not failed:
            if code_of(reply) != "TOO_MANY_KEYS" or len(values) <= _CHUNK_VARIABLES:
                raise refusal(reply)
            names = list(values)
            for start in range(0, len(names), _CHUNK_VARIABLES):
                yield from self._write({name: values[name] for name in names[start : start + _CHUNK_VARIABLES]}, again)
            return
        outcome = _Outcome(reply, self._options.type)
        for name, value in values.items():
            if outcome.code_of(name) in again:
                self._later[name] = value
            else:
                yield Result(name=name, problem=outcome.problem(name))

    def _take_out(self, gone: dict[str, Variable], replaced: dict[str, Variable]) -> Iterator[Result]:
        """Take the shared ones of `gone` and `replaced` out of our place, and nothing else, and forget them there.

        ``PATCH`` with neither key nor value: the others keep both.
        """
        for group in (replaced, gone):
            for name, variable in list(group.items()):
                listed = self._listed.get(variable.id)
                if listed is None or not listed.shared:
                    continue
                del group[name]
                reply = self._api.edit(variable.id, listed.without(self._options.environment))
                if reply.status in {401, 403, 409}:
                    raise refusal(reply)
                problem = "" if reply.ok or reply.status == 404 else _words(code_of(reply), "it was not taken out")
                if problem:
                    self._later.pop(name, None)
                if problem or group is gone:
                    yield Result(name=name, problem=problem)

    def _delete(self, gone: dict[str, Variable], replaced: dict[str, Variable]) -> Iterator[Result]:
        variables = [*replaced.values(), *gone.values()]
        for start in range(0, len(variables), MOST_IDS):
            some = variables[start : start + MOST_IDS]
            told = self._api.delete([each.id for each in some])
            # Lists have what was deleted for some time; of an id that the answer leaves out they are believed.
            self._deleted.update(told)
            yield from (Result(name=each.name, gone=each.id in told) for each in some if each.name in gone)


class _Outcome:
    """What the answer to an upsert says of each name."""

    def __init__(self, reply: Reply, kind: str) -> None:
        document = reply.document if isinstance(reply.document, dict) else {}
        created = document.get("created")
        items: list[Any] = created if isinstance(created, list) else [created]
        self._created = {
            item["key"]: item for item in items if isinstance(item, dict) and isinstance(item.get("key"), str)
        }
        self._failed: dict[str, str] = {}
        self._nameless = ""
        self._kind = kind
        # A success may come without ``created``; then all that did not fail is there.
        self._is_told = not reply.ok or created is not None
        for error in failures(reply) or ():
            name = error.get("envVarKey") or error.get("key")
            if isinstance(name, str):
                self._failed[name] = code(error) or "NO_CODE"
            else:
                self._nameless = code(error) or "NO_CODE"

    def code_of(self, name: str) -> str:
        """Why `name` was refused; empty where it was not."""
        return self._failed.get(name, "")

    def problem(self, name: str) -> str:
        """The same in words."""
        if name in self._failed:
            return _words(self._failed[name], "Vercel refused it")
        if name in self._created:
            kind = self._created[name].get("type")
            if kind == "sensitive" and self._kind != "sensitive":
                return "the team's policy made it sensitive; set the option type to sensitive"
            return ""
        if self._nameless:
            return _words(self._nameless, "Vercel refused some variables without their names, perhaps this one")
        return "Vercel's answer does not say what became of it" if self._is_told else ""


def _words(reason: str, otherwise: str) -> str:
    return f"{_WORDS.get(reason, otherwise)} ({reason or 'no code'})"
