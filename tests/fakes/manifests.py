"""Manifests as hypothesis draws them, each with what it is to grant: worked out here, without ciplug's own reading."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

Condition = dict[str, dict[str, tuple[str | int, ...]]]
"""By host, the claims that its tokens must have, any one value of each. A host that is not in it has no role."""

AUDIENCE: Final = "https://vault.acme.dev"
IDENTITIES: Final = {"github": "acme/shop", "gitlab": "acme/shop", "jenkins": "https://ci.acme.dev/job/shop/"}
IDS: Final = {"github": 74, "gitlab": 20}
HOSTS: Final = tuple(IDENTITIES)

OPEN: Final[Condition] = {host: {} for host in HOSTS}
_REF: Final[Condition] = {
    "github": {"ref": ("refs/heads/main", "refs/heads/release/2")},
    "gitlab": {"ref": ("main", "release/2")},
}
_ENVIRONMENT: Final[Condition] = {host: {"environment": ("production",)} for host in ("github", "gitlab")}
_CONDITIONS: Final[tuple[Condition, ...]] = (
    OPEN,
    _REF,
    _ENVIRONMENT,
    {host: _REF[host] | _ENVIRONMENT[host] for host in _REF},
    {"github": {"event_name": ("push", "workflow_run")}},
    {host: {"ref_protected": ("true",)} for host in ("github", "gitlab")},
    {
        "github": {"sub": ("repo:acme/shop:ref:refs/heads/main",)},
        "gitlab": {"sub": ("project_path:acme/shop:ref_type:branch:ref:main",)},
        "jenkins": {"sub": ("https://ci.acme.dev/job/shop/job/main/", "https://ci.acme.dev/job/shop/")},
    },
    {"jenkins": {"build_number": (7, 8)}},
    {host: {"team": ("payments", 7, True)} for host in HOSTS},
)
_ENVIRONMENTS: Final = (
    ("dev", "app/dev"),
    ("Staging", "app/dev-2"),
    ("prod-eu", "app/prod"),
    ("prod.us", "prod~(1)$x'&é"),
)
"""Names and paths; one path begins as another does, and one has what means something in a URL or a policy."""

_PLACES: Final = ("db", "db/main", "db-2", "db@1", "//common/npm", "//common/npm@1", "engine:creds/web")
_TOKENS: Final = ("//platforms/vercel", "tokens/vercel")


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
        places = [variable.place for variable in self.variables] + list(_TOKENS)
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


@st.composite
def sketches(draw: st.DrawFn) -> Sketch:
    """Manifests that imply a role for every job and target, without a problem."""
    hosts = tuple(draw(st.lists(st.sampled_from(HOSTS), min_size=1, unique=True)))
    fitting = st.sampled_from([condition for condition in _CONDITIONS if set(condition) & set(hosts)])
    environments = tuple(
        Environment(name=name, path=path, condition=draw(st.just(OPEN) | fitting))
        for name, path in draw(st.lists(st.sampled_from(_ENVIRONMENTS), min_size=1, unique=True))
    )
    kv_version = draw(st.sampled_from((2, 2, 1)))
    variables = draw(_variables(environments, kv_version))
    jobs = draw(
        st.lists(st.sampled_from(("test", "deploy", "build_linux", "Release-2")), min_size=1, max_size=3, unique=True)
    )
    targets = draw(st.lists(st.sampled_from(("web", "API.eu")), unique=True))
    return Sketch(
        hosts=hosts,
        has_ids=draw(st.booleans()),
        kv_version=kv_version,
        environments=environments,
        variables=variables,
        jobs=tuple(draw(_jobs(name, environments, variables)) for name in jobs),
        targets=tuple(draw(_targets(name, environments, variables)) for name in targets),
    )


@st.composite
def _variables(draw: st.DrawFn, environments: Sequence[Environment], kv_version: int) -> tuple[Variable, ...]:
    """Some variables, of which the first is in every environment."""
    places = [place for place in _PLACES if kv_version == 2 or "@" not in place]
    names = st.lists(st.sampled_from([environment.name for environment in environments]), unique=True)
    return tuple(
        Variable(name=f"V{number}", place=place, environments=tuple(draw(names)) if number else ())
        for number, place in enumerate(draw(st.lists(st.sampled_from(places), min_size=1, max_size=6)))
    )


@st.composite
def _jobs(draw: st.DrawFn, name: str, environments: Sequence[Environment], variables: Sequence[Variable]) -> User:
    chosen = tuple(draw(st.lists(st.sampled_from(environments), min_size=1, unique_by=lambda one: one.name)))
    each = f"{name}-{{environment}}"
    # One role for environments with different conditions is a problem, and no role.
    is_one = all(environment.condition == chosen[0].condition for environment in chosen)
    role = draw(st.sampled_from((f"shop-{name}", f"Own.{name}", each))) if is_one else each
    return User(name=name, environments=chosen, role=role, variables=draw(_some(variables, chosen)))


@st.composite
def _targets(draw: st.DrawFn, name: str, environments: Sequence[Environment], variables: Sequence[Variable]) -> User:
    chosen = (draw(st.sampled_from(environments)),)
    return User(
        name=name,
        environments=chosen,
        role=f"shop-{name}",
        variables=draw(_some(variables, chosen)),
        token=draw(st.sampled_from(_TOKENS)),
    )


def _some(
    variables: Sequence[Variable], environments: Iterable[Environment]
) -> st.SearchStrategy[tuple[Variable, ...]]:
    """Some of the variables that there are in one of `environments`."""
    names = {environment.name for environment in environments}
    known = [variable for variable in variables if not variable.environments or names & set(variable.environments)]
    return st.lists(st.sampled_from(known), min_size=1, unique_by=lambda one: one.name).map(tuple)
