"""Sketches of manifests, each with what it is to grant: worked out here, without ciplug's own reading."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Condition = dict[str, dict[str, tuple[str | int, ...]]]
"""By host, the claims that its tokens must have, any one value of each. A host that is not in it has no role."""

AUDIENCE: Final = "https://vault.acme.dev"
IDENTITIES: Final = {"github": "acme/shop", "gitlab": "acme/shop", "jenkins": "https://ci.acme.dev/job/shop/"}
IDS: Final = {"github": 74, "gitlab": 20}
HOSTS: Final = tuple(IDENTITIES)

TOKENS: Final = ("//platforms/vercel", "tokens/vercel")
"""Where the tokens of targets are, as refs without their field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    name: str
    path: str
    condition: Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """`place` is a ref without its field; `environments` is empty for all."""

    name: str
    place: str
    environments: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A job, or a target where there is a `token`. `role` is as in the manifest."""

    name: str
    environments: tuple[Environment, ...]
    role: str
    variables: tuple[Variable, ...]
    token: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A role that is to be: whose tokens it takes, and the paths of the vault's API that it reads or keeps."""

    role: str
    condition: Condition
    reads: frozenset[str]
    keeps: frozenset[str] = frozenset()

    @property
    def own(self) -> frozenset[str]:
        return self.reads | self.keeps

    @property
    def rights(self) -> dict[str, frozenset[str]]:
        """By path, as the vault calls them."""
        keeping = frozenset({"create", "read", "update"})
        return dict.fromkeys(self.reads, frozenset({"read"})) | dict.fromkeys(self.keeps, keeping)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sketch:
    """A manifest for the KV engine ``kv``, another one, ``engine``, and an auth mount for each host, ``jwt-<host>``."""

    hosts: tuple[str, ...]
    has_ids: bool
    kv_version: int
    environments: tuple[Environment, ...]
    variables: tuple[Variable, ...]
    jobs: tuple[User, ...]
    targets: tuple[User, ...]

    @property
    def toml(self) -> str:
        return "\n".join(_lines(self)) + "\n"

    @property
    def holders(self) -> tuple[Holder, ...]:
        return tuple(holder for user in (*self.jobs, *self.targets) for holder in _holders(user, self))

    @property
    def paths(self) -> tuple[str, ...]:
        """Everything that there is to read: what nobody may is among it."""
        places = [variable.place for variable in self.variables] + list(TOKENS)
        found = {self._path(place, environment) for place in places for environment in self.environments}
        if self.kv_version == 2:
            names = (*(target.name for target in self.targets), ".key", "other")
            found |= {_ledger(name, environment) for name in names for environment in self.environments}
        return tuple(sorted(found))

    def hosts_of(self, holder: Holder) -> tuple[str, ...]:
        return tuple(host for host in self.hosts if host in holder.condition)

    def _path(self, place: str, environment: Environment) -> str:
        path = place.partition("@")[0]
        if path.startswith("engine:"):
            return path.replace(":", "/")
        below = path[2:] if path.startswith("//") else f"{environment.path}/{path}"
        return f"kv/{'data/' if self.kv_version == 2 else ''}{below}"


def _holders(user: User, sketch: Sketch) -> Iterator[Holder]:
    by_role: dict[str, list[Environment]] = {}
    for environment in user.environments:
        by_role.setdefault(user.role.replace("{environment}", environment.name).lower(), []).append(environment)
    for role, environments in by_role.items():
        reads = {
            sketch._path(variable.place, environment)
            for environment in environments
            for variable in user.variables
            if environment.name in variable.environments or not variable.environments
        }
        keeps: set[str] = set()
        if user.token:
            reads.add(sketch._path(user.token, environments[0]))
        if user.token and sketch.kv_version == 2:
            keeps = {_ledger(name, environments[0]) for name in (user.name, ".key")}
        yield Holder(role=role, condition=environments[0].condition, reads=frozenset(reads), keeps=frozenset(keeps))


def _ledger(name: str, environment: Environment) -> str:
    return f"kv/data/{environment.path}/.ciplug/{name}"


def _lines(sketch: Sketch) -> Iterator[str]:
    mounts = ", ".join(f'{host} = "jwt-{host}"' for host in sketch.hosts)
    yield f'version = 1\n[vault]\naddress = "http://127.0.0.1:8200"\naudience = "{AUDIENCE}"\nkv_mount = "kv"'
    yield f'kv_version = {sketch.kv_version}\nshared = ["common", "platforms"]\nauth_mount = {{ {mounts} }}'
    yield '[project]\nname = "shop"'
    yield from (f"{host} = {_value(IDENTITIES[host])}" for host in sketch.hosts)
    yield from (f"{host}_id = {IDS[host]}" for host in sketch.hosts if sketch.has_ids and host in IDS)
    for environment in sketch.environments:
        yield f"[environments.{_value(environment.name)}]\npath = {_value(environment.path)}"
        if claims := _only_if(environment.condition):
            yield f"only_if = {{ {', '.join(f'{claim} = {_value(claims[claim])}' for claim in claims)} }}"
    for variable in sketch.variables:
        yield f'[secrets.{variable.name}]\nref = "{variable.place}#{variable.name}"'
        if variable.environments:
            yield f"environments = {_value(variable.environments)}"
    for job in sketch.jobs:
        yield f"[jobs.{_value(job.name)}]\nenvironment = {_value([one.name for one in job.environments])}"
        yield f"role = {_value(job.role)}\nsecrets = {_value([one.name for one in job.variables])}"
    for target in sketch.targets:
        yield f'[targets.{_value(target.name)}]\nplatform = "vercel"\ntoken = "{target.token}#token"'
        yield f"environment = {_value(target.environments[0].name)}\nrole = {_value(target.role)}"
        yield f"secrets = {_value([one.name for one in target.variables])}"


def _only_if(condition: Condition) -> Mapping[str, list[str | int]]:
    """The values for all hosts together, as a manifest has them."""
    merged: dict[str, list[str | int]] = {}
    for claims in condition.values():
        for claim, values in claims.items():
            known = merged.setdefault(claim, [])
            known += [value for value in values if value not in known]
    return merged


def _value(value: object) -> str:
    """`value` as TOML has it: for what is drawn here, that is as JSON has it."""
    return json.dumps(value, ensure_ascii=False)
