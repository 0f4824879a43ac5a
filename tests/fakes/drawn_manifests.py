"""Manifests as hypothesis draws them: hosts, conditions, paths and roles that a manifest can have together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypothesis import strategies as st

from tests.fakes.manifests import HOSTS, TOKENS, Condition, Environment, Sketch, User, Variable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_OPEN: Final[Condition] = {host: {} for host in HOSTS}
_REF: Final[Condition] = {
    "github": {"ref": ("refs/heads/main", "refs/heads/release/2")},
    "gitlab": {"ref": ("main", "release/2")},
}
_ENVIRONMENT: Final[Condition] = {host: {"environment": ("production",)} for host in ("github", "gitlab")}
_CONDITIONS: Final[tuple[Condition, ...]] = (
    _OPEN,
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


@st.composite
def sketches(draw: st.DrawFn) -> Sketch:
    """Manifests that imply a role for every job and target, without a problem."""
    hosts = tuple(draw(st.lists(st.sampled_from(HOSTS), min_size=1, unique=True)))
    fitting = st.sampled_from([condition for condition in _CONDITIONS if set(condition) & set(hosts)])
    environments = tuple(
        Environment(name=name, path=path, condition=draw(st.just(_OPEN) | fitting))
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
        token=draw(st.sampled_from(TOKENS)),
    )


def _some(
    variables: Sequence[Variable], environments: Iterable[Environment]
) -> st.SearchStrategy[tuple[Variable, ...]]:
    """Some of the variables that there are in one of `environments`."""
    names = {environment.name for environment in environments}
    known = [variable for variable in variables if not variable.environments or names & set(variable.environments)]
    return st.lists(st.sampled_from(known), min_size=1, unique_by=lambda one: one.name).map(tuple)
