"""What the stand-in remembers: projects with their variables and deployments."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Literal, NamedTuple

from ciplug.frozen import frozen
from ciplug.standins.vercel.refused import RefusedError

if TYPE_CHECKING:
    from collections.abc import Mapping

Type = Literal["plain", "encrypted", "sensitive", "system"]
State = Literal["QUEUED", "BUILDING", "READY", "ERROR"]


class Change(NamedTuple):
    """One variable that a request wrote, or tried to."""

    what: Literal["created", "updated", "deleted", "failed"]
    key: str
    id: str


@frozen
class Variable:
    """One variable as it is stored; times are in epoch milliseconds, `gone_at` in epoch seconds.

    A deleted one is listed, and in the way of a new one, until `gone_at`.
    """

    id: str
    key: str
    value: str = field(repr=False)
    type: Type
    target: tuple[str, ...] = ()
    git_branch: str | None = None
    custom_environments: tuple[str, ...] = ()
    comment: str | None = None
    configuration_id: str | None = None
    created_at: int
    updated_at: int
    updated_by: str
    bare_target: bool = False
    """Whether its single target is answered as a string, as old records are."""
    gone_at: float | None = None

    def places(self) -> frozenset[str]:
        """The environments, Vercel's own and custom ones, that have it."""
        return frozenset(self.target) | frozenset(self.custom_environments)

    def clashes(self, other: Variable) -> bool:
        """Whether some environment would have both."""
        same = (self.key, self.git_branch) == (other.key, other.git_branch)
        return same and self.id != other.id and not self.places().isdisjoint(other.places())


@frozen
class Deployment:
    """One deployment; `environment` is what it was built with. `queued` and `built` are epoch seconds."""

    id: str
    project: str
    name: str
    target: str | None
    """``production`` or ``staging``, or nothing for a preview or a custom environment."""
    custom_environment: str | None = None
    branch: str | None = None
    created_at: int
    queued: float
    built: float
    outcome: Literal["READY", "ERROR"] = "READY"
    meta: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(repr=False)

    def url(self) -> str:
        """Its host name."""
        return f"{self.name}-{self.id.removeprefix('dpl_').lower()}.vercel.app"

    def state(self, now: float) -> State:
        """How far it is."""
        if now < self.queued:
            return "QUEUED"
        return "BUILDING" if now < self.built else self.outcome


class Project:
    """One project. `environments` are the slugs of its custom environments by their ids."""

    def __init__(self, id: str, name: str) -> None:  # noqa: A002  # the vendor's word
        self.id = id
        self.name = name
        self.environments: dict[str, str] = {}
        self.variables: dict[str, Variable] = {}
        self.deployments: dict[str, Deployment] = {}
        self.transferring = False
        self.busy = 0

    def seen(self, now: float) -> list[Variable]:
        """The variables that a list shows, newest first."""
        shown = (each for each in self.variables.values() if each.gone_at is None or now < each.gone_at)
        return sorted(shown, key=lambda each: each.created_at, reverse=True)

    def held(self, variable_id: str) -> Variable:
        """The variable with that id."""
        found = self.variables.get(variable_id)
        if found is None or found.gone_at is not None:
            raise RefusedError("not_found", "the environment variable was not found", status=404)
        return found

    def environment(self, place: str, branch: str | None, *, but: str = "") -> dict[str, str]:
        """What a build in the environment `place` gets; the variables of a branch go before those of all.

        The variable with the id `but` is left out.
        """
        held = (each for each in self.variables.values() if each.gone_at is None and each.id != but)
        present = [each for each in held if place in each.places()]
        chosen = [each for each in present if each.git_branch is None]
        chosen += [each for each in present if branch is not None and each.git_branch == branch]
        return {each.key: each.value for each in chosen}
