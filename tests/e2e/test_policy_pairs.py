"""What `ciplug policy` writes for generated manifests, on a real vault: every pair of a job and a record is tried."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Final

import pytest
from hypothesis import given, settings

from ciplug.standins.issuer import Issuer
from ciplug.standins.openbao import OpenBao
from ciplug.vault.admin import Admin
from tests.e2e.policy_world import ISSUERS, Claims, Entrant, World, entrants, world_of
from tests.fakes.drawn_manifests import sketches
from tests.fakes.manifests import AUDIENCE, IDENTITIES, Holder, Sketch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

OWN: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    "github": {"event_name": ("push",)},
    "gitlab": {},
    "jenkins": {"sub": (IDENTITIES["jenkins"],)},
}
"""What the project's own tokens say wherever `only_if` says nothing else."""

OTHERS: Final[Mapping[str, tuple[Claims, ...]]] = {
    "github": (
        {"repository": "mallory/shop", "repository_id": "666", "repository_owner": "mallory"},
        {"event_name": "pull_request_target"},
        {"event_name": "issue_comment"},
    ),
    "gitlab": ({"project_path": "mallory/shop", "project_id": "666", "namespace_path": "mallory"},),
    "jenkins": (
        {"sub": "https://ci.acme.dev/job/shop"},
        {"sub": "https://ci.acme.dev/job/Shop/"},
        {"sub": "https://ci.acme.dev/job/shop-2/"},
        {"sub": "https://ci.acme.dev/job/shop/job/PR-1/"},
        {"sub": "https://ci.mallory.dev/job/shop/"},
    ),
}
"""What the tokens of forks, of others and of a stranger's code have in place of the project's own claims."""

NAMESAKES: Final[Mapping[tuple[str, bool], Claims]] = {
    ("github", True): {"repository_id": "740"},
    ("github", False): {"repository": "acme/shop-2"},
    ("gitlab", True): {"project_id": "200"},
    ("gitlab", False): {"project_path": "acme/shop/sub"},
}
"""Who has all but the one claim that counts, by whether the manifest has ids."""

ELSEWHERE: Final[Mapping[str, tuple[object, ...]]] = {
    "ref": ("feature", "main", "refs/heads/main", "refs/heads/main-2", "refs/heads/release", "refs/tags/main", "*"),
    "environment": ("Production", "production ", "staging", ""),
    "event_name": ("pull_request", "schedule"),
    "ref_protected": ("false", "True", True),
    "sub": (
        "repo:acme/shop:pull_request",
        "repo:acme/shop:ref:refs/heads/feature",
        "https://ci.acme.dev/job/shop/job/x/",
    ),
    "build_number": (9, "7", "8", 70),
    "team": ("Payments", "pay", 8, "7", "true", False, 1),
}
"""By claim, what none of the environments is for, or only those of another host."""


@pytest.fixture(scope="module")
def busy() -> Iterator[OpenBao]:
    """A server for thousands of requests, whose audit log nobody else has to read."""
    with OpenBao(os.environ) as bao:
        yield bao


@pytest.fixture(scope="module")
def busy_admin(busy: OpenBao) -> Iterator[Admin]:
    with Admin(busy.address, busy.root_token) as admin:
        yield admin


@pytest.fixture(scope="module")
def impostor() -> Iterator[Issuer]:
    """Another issuer, with keys of its own, that says it is the host."""
    with Issuer() as issuer:
        yield issuer


def fits(holder: Holder, entrant: Entrant) -> bool:
    """Whether the project's own token is in the environments of `holder`."""
    condition = holder.condition.get(entrant.host)
    return condition is not None and all(
        is_one_of(entrant.claims.get(claim), values) for claim, values in {**OWN[entrant.host], **condition}.items()
    )


def is_one_of(value: object, values: Iterable[object]) -> bool:
    """With its type: 1 and True are not the same claim."""
    return any(type(value) is type(one) and value == one for one in values)


@settings(max_examples=10, deadline=None)
@given(sketch=sketches())
def test_each_reads_its_own_and_nothing_else(sketch: Sketch, busy: OpenBao, busy_admin: Admin, issuer: Issuer) -> None:
    with world_of(sketch, busy, busy_admin, issuer) as world:
        world.apply()
        assert world.findings() == []
        policies = {policy.name: dict(policy.rules) for policy in world.implied.policies}
        assert policies == {holder.role: holder.rights for holder in sketch.holders}
        for host in sketch.hosts:
            wanted = {holder.role for holder in sketch.holders if host in holder.condition}
            assert set(world.admin.jwt.roles(f"jwt-{host}")) == wanted
        for entrant in entrants(sketch):
            logged_in = world.login(entrant.host, entrant.holder.role, entrant.claims)
            assert logged_in.status_code == 200, logged_in.text
            token = logged_in.json()["auth"]["client_token"]
            assert values(world, token) == {path: world.value(path) for path in entrant.holder.own}
            assert rights(world, token) == entrant.holder.rights
            if entrant.host == sketch.hosts_of(entrant.holder)[0]:  # the policy is one for all hosts
                assert doings(world, entrant.holder, token) == entrant.holder.keeps


def values(world: World, token: str) -> dict[str, str]:
    """All that can be read, of all records of the manifest."""
    answers = {path: world.ask("GET", path, token=token) for path in world.sketch.paths}
    assert {answer.status_code for answer in answers.values()} <= {200, 403}
    return {path: answer.json()["data"]["data"]["value"] for path, answer in answers.items() if answer.is_success}


def rights(world: World, token: str) -> dict[str, frozenset[str]]:
    """What the vault itself says may be done with all records, and around them."""
    asked = sorted({near for path in world.sketch.paths for near in (path, *around(path))})
    answer = world.ask("POST", "sys/capabilities-self", {"paths": asked}, token=token).raise_for_status()
    return {path: frozenset(answer.json()["data"][path]) for path in asked if answer.json()["data"][path] != ["deny"]}


def around(path: str) -> Iterator[str]:
    """What is near a record, and no record: its metadata and history, what lists it, paths that begin as it does."""
    mount, _, below = path.partition("/")
    inner = below.removeprefix("data/")
    for verb in ("metadata", "detailed-metadata", "subkeys", "delete", "undelete", "destroy"):
        yield from (f"{mount}/{verb}/{inner}", f"{mount}/{verb}/{inner}/x", f"{mount}/{verb}/")
    yield from (f"{path}x", f"{path}/x", f"{mount}/", f"{mount}/config", f"sys/mounts/{mount}")


def doings(world: World, holder: Holder, token: str) -> set[str]:
    """Where something else than to read succeeds, of what a job might try with its own records."""
    tried = sorted({attempt for path in holder.own for attempt in attempts(path)})
    answers = {(method, path): world.ask(method, path, world.body(path), token=token) for method, path in tried}
    assert {answer.status_code for answer in answers.values()} <= {200, 403}
    done = {attempt for attempt, answer in answers.items() if answer.is_success}
    assert {method for method, _ in done} <= {"POST"}
    return {path for _, path in done}


def attempts(path: str) -> Iterator[tuple[str, str]]:
    yield from (("POST", path), ("DELETE", path), ("LIST", path), ("LIST", path.rpartition("/")[0]))
    if "/data/" in path:
        metadata = path.replace("/data/", "/metadata/", 1)
        yield from (("GET", metadata), ("DELETE", metadata), ("LIST", metadata.rpartition("/")[0]))


@settings(max_examples=10, deadline=None)
@given(sketch=sketches())
def test_nobody_else_gets_in(
    sketch: Sketch, busy: OpenBao, busy_admin: Admin, issuer: Issuer, impostor: Issuer
) -> None:
    with world_of(sketch, busy, busy_admin, issuer) as world:
        world.apply()
        everybody = entrants(sketch)
        for entrant in everybody:
            for outsider in outsiders(sketch, entrant):
                answer = world.login(entrant.host, entrant.holder.role, {**entrant.claims, **outsider})
                assert answer.status_code == 400, (entrant, outsider)
            forged = impostor.mint({"iss": ISSUERS[entrant.host], **entrant.claims}, audience=AUDIENCE)
            assert world.knock(entrant.host, entrant.holder.role, forged).status_code == 400
        for holder, other in itertools.product(sketch.holders, everybody):
            expected = 200 if fits(holder, other) else 400
            assert world.login(other.host, holder.role, other.claims).status_code == expected, (holder, other)


def outsiders(sketch: Sketch, entrant: Entrant) -> Iterator[Claims]:
    """What is to keep the entrant out, each alone in place of claims of its own."""
    yield from OTHERS[entrant.host]
    yield NAMESAKES.get((entrant.host, sketch.has_ids), {"sub": "https://ci.acme.dev/job/mallory/job/shop/"})
    audiences: tuple[object, ...] = (f"{AUDIENCE}/", "https://vault.mallory.dev", [], None)
    yield from ({"aud": audience} for audience in audiences)
    yield from ({"iss": issuer} for issuer in (*ISSUERS.values(), "", None) if issuer != ISSUERS[entrant.host])
    condition = entrant.holder.condition[entrant.host]
    if entrant.host == "gitlab" and "ref" in condition:
        yield {"ref_type": "tag"}
    for claim, values in condition.items():
        yield {claim: None}
        yield from ({claim: value} for value in ELSEWHERE[claim] if not is_one_of(value, values))
