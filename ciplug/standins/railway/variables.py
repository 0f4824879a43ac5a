"""The variables that the platform holds, by environment and service, and what it does to them behind one's back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ciplug.frozen import frozen
from ciplug.standins.railway.execution import RefusedError
from ciplug.standins.railway.references import references, rendered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


@frozen
class Environment:
    """One environment of a project; `services` has names by their ids."""

    id: str
    name: str
    project: str
    workspace: str
    services: Mapping[str, str]


class Place(NamedTuple):
    """Where variables are: at one service of an environment, or shared by all of it."""

    environment: Environment
    service: str | None

    @property
    def key(self) -> tuple[str, str | None]:
        """What tells places apart."""
        return self.environment.id, self.service


@dataclass(slots=True, kw_only=True)
class Row:
    """A variable as stored. One that is `gone` at some time is there until then."""

    id: str
    name: str
    value: str = field(repr=False)
    sealed: bool
    created: float
    updated: float
    gone: float | None = None


class Variables:
    """All variables. `refused` names get an error with its message, `ignored` ones are taken and not stored."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.refused: dict[str, str] = {}
        self.ignored: set[str] = set()
        self.delete_lag = 0.0
        self._clock = clock
        self._rows: dict[tuple[str, str | None], dict[str, Row]] = {}
        self._made = 0

    def rows(self, place: Place) -> dict[str, Row]:
        """What is there, as of now."""
        now = self._clock()
        held = self._rows.get(place.key, {})
        return {name: row for name, row in held.items() if row.gone is None or row.gone > now}

    def store(self, place: Place, name: str, value: str, *, sealed: bool = False) -> None:
        """Make or change one variable; once sealed it stays so."""
        now = self._clock()
        old = self.rows(place).get(name)
        if old is None:
            self._made += 1
            old = Row(id=f"var-{self._made}", name=name, value="", sealed=False, created=now, updated=now)
            self._rows.setdefault(place.key, {})[name] = old
        old.value, old.updated, old.gone = value, now, None
        old.sealed = old.sealed or sealed

    def upsert(self, place: Place, values: Mapping[str, object], *, replace: bool) -> None:
        """Make or change several, or none of them; with `replace`, all others go."""
        for name, value in values.items():
            self._admit(name)
            if not isinstance(value, str):
                raise RefusedError(f"Variable {name}: value must be a string, not null or another type")
        if replace:
            for name in self.rows(place).keys() - values.keys():
                self._remove(place, name)
        for name, value in values.items():
            if name not in self.ignored:
                self.store(place, name, str(value))

    def delete(self, place: Place, name: str) -> None:
        """Take one away, which shows only after `delete_lag` seconds. One that is not there is no error."""
        self._admit(name)
        self._remove(place, name)

    def shown(self, place: Place, *, unrendered: bool) -> dict[str, str | None]:
        """What reading gives: no sealed value, references replaced unless `unrendered`, provided ones on top."""
        found: dict[str, str | None] = {}
        for name, row in self.rows(place).items():
            text = row.value if unrendered else rendered(row.value, self._look_up(place))
            found[name] = None if row.sealed else text
        return found | _provided(place)

    def users_of_shared(self, environment: Environment) -> Iterator[str]:
        """The services that refer to a shared variable."""
        for service in environment.services:
            values = (row.value for row in self.rows(Place(environment, service)).values())
            if any(one.startswith("shared.") for value in values for one in references(value)):
                yield service

    def _admit(self, name: str) -> None:
        if not name:
            raise RefusedError("Variable name must not be empty")
        if name in self.refused:
            raise RefusedError(self.refused[name])

    def _remove(self, place: Place, name: str) -> None:
        row = self.rows(place).get(name)
        if row is not None and name not in self.ignored and row.gone is None:
            row.gone = self._clock() + self.delete_lag

    def _look_up(self, place: Place) -> Callable[[str | None, str], tuple[str | None, str]]:
        own = "shared" if place.service is None else place.environment.services[place.service]
        ids = {name: service for service, name in place.environment.services.items()}

        def look_up(owner: str | None, name: str) -> tuple[str | None, str]:
            whose = owner or own
            if whose != "shared" and whose not in ids:
                return whose, ""
            at = Place(place.environment, ids.get(whose))
            row = self.rows(at).get(name)
            # A sealed value is never shown, through no reference either.
            text = _provided(at).get(name) or ("" if row is None or row.sealed else row.value)
            return whose, text

        return look_up


def _provided(place: Place) -> dict[str, str]:
    """What the platform itself gives each service; a variable of the same name is stored and never counts."""
    environment, service = place
    if service is None:
        return {}
    return {
        "RAILWAY_ENVIRONMENT_ID": environment.id,
        "RAILWAY_ENVIRONMENT_NAME": environment.name,
        "RAILWAY_PROJECT_ID": environment.project,
        "RAILWAY_SERVICE_ID": service,
        "RAILWAY_SERVICE_NAME": environment.services[service],
    }
