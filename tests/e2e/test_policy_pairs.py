"""What `ciplug policy` writes for generated manifests, on a real vault: every pair of a job and a record is tried."""

from __future__ import annotations

import itertools
import json
import os
import secrets
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ciplug.manifest import parse
from ciplug.policy.applying import carry_out
from ciplug.policy.beside import look_beside
from ciplug.policy.compare import Finding, compare
from ciplug.policy.deriving import derive
from ciplug.policy.live import read_live
from ciplug.policy.plan import plan
from ciplug.standins.claims import github_claims, gitlab_claims, jenkins_claims
from ciplug.standins.issuer import Issuer
from ciplug.standins.openbao import OpenBao
from ciplug.vault.admin import Admin
from ciplug.vault.admin_auth import JwtRole
from tests.fakes.manifests import AUDIENCE, IDENTITIES, Holder, Sketch, sketches

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ciplug.policy.live import Live
    from ciplug.policy.model import Implied
    from ciplug.policy.plan import Change

Claims = Mapping[str, object]

ISSUERS: Final = {
    "github": "https://token.actions.githubusercontent.com",
    "gitlab": "https://gitlab.com",
    "jenkins": "https://ci.acme.dev/oidc",
}
BASES: Final[Mapping[str, Claims]] = {
    "github": github_claims("acme/shop"),
    "gitlab": gitlab_claims("acme/shop"),
    "jenkins": jenkins_claims(IDENTITIES["jenkins"], audience=AUDIENCE),
}
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


MARKS: Final = (
    "# mine",
    "# Written by `ciplug policy` for jobs.test of acme/other",
    "# Written by `ciplug policy` for jobs.test of acme/shop (github:740)",
)
"""How policies of others begin; one of them is of another repository with the project's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A namespace of its own with the engines, records and auth mounts of `sketch`, and no policy and no role."""

    sketch: Sketch
    bao: OpenBao
    admin: Admin
    issuer: Issuer
    client: httpx.Client
    implied: Implied

    def live(self) -> Live:
        return look_beside(self.admin, self.implied, read_live(self.admin, self.implied))

    def apply(self) -> list[Change]:
        return list(carry_out(self.admin, plan(self.implied, self.live())))

    def findings(self) -> list[Finding]:
        """Of policies and roles: the mounts do not trust the hosts' own keys, so that there can be tokens at all."""
        return [finding for finding in compare(self.implied, self.live()) if finding.what != "mount"]

    def ask(self, method: str, path: str, body: object = None, *, token: str = "") -> httpx.Response:
        """A request with `token`, by default as one who may do anything."""
        known = token or self.bao.root_token.reveal().decode()
        return self.client.request(method, f"/v1/{quote(path)}", json=body, headers={"X-Vault-Token": known})

    def value(self, path: str) -> str:
        return f"the newest of {path}"

    def body(self, path: str) -> object:
        """A record that any KV engine answers with in the same way."""
        return {"data": {"value": self.value(path)}}

    def done(self, method: str, path: str, body: object = None) -> Any:
        answer = self.ask(method, path, body).raise_for_status()
        return answer.json()["data"] if answer.content else None

    def login(self, host: str, role: str, claims: Claims) -> httpx.Response:
        token = self.issuer.mint({"iss": ISSUERS[host], **claims}, audience=AUDIENCE)
        return self.knock(host, role, token)

    def knock(self, host: str, role: str, token: str) -> httpx.Response:
        return self.client.post(f"/v1/auth/jwt-{host}/login", json={"role": role, "jwt": token})

    def state(self, policies: Sequence[str], roles: Sequence[tuple[str, str]]) -> list[object]:
        """All that the vault has of these, without what changes with each answer."""
        return [
            *(self.admin.read_policy(name) for name in policies),
            *(self.admin.jwt.read_role(name, mount) for mount, name in roles),
        ]

    def writes_since(self, mark: int) -> list[str]:
        records = [record["request"] for record in self.bao.requests_since(mark)]
        return [one["path"] for one in records if one["operation"] in {"create", "update", "delete", "patch"}]


@contextmanager
def world_of(sketch: Sketch, bao: OpenBao, root: Admin, issuer: Issuer) -> Iterator[World]:
    namespace = f"ns-{secrets.token_hex(4)}"
    root.create_namespace(namespace)
    implied = derive(parse(sketch.toml, "ciplug.toml"))
    assert implied.problems == ()
    with (
        Admin(bao.address, bao.root_token, namespace) as admin,
        httpx.Client(base_url=bao.address, headers={"X-Vault-Namespace": namespace}) as client,
    ):
        world = World(sketch=sketch, bao=bao, admin=admin, issuer=issuer, client=client, implied=implied)
        fill(world)
        yield world


def fill(world: World) -> None:
    world.admin.kv.mount("kv", version=1 if world.sketch.kv_version == 1 else 2)
    world.admin.kv.mount("engine", version=1)
    for path in world.sketch.paths:
        for body in ({"data": {"value": "an older one"}}, world.body(path)):
            world.done("POST", path, body)
    for host in world.sketch.hosts:
        world.admin.jwt.enable(f"jwt-{host}")
        # NOTE: no bound_issuer, which a mount need not have: the roles alone must keep other issuers out.
        world.done("POST", f"auth/jwt-{host}/config", {"jwks_url": world.issuer.jwks_url})


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


class Entrant(NamedTuple):
    """A token's claims on a host, and the role for which they were made."""

    holder: Holder
    host: str
    claims: Claims


def entrants(sketch: Sketch) -> list[Entrant]:
    """Whoever is to be let in: for each role and host, with the first and, where there is another, the last value."""
    found: list[Entrant] = []
    for holder, at in itertools.product(sketch.holders, (0, -1)):
        for host in sketch.hosts_of(holder):
            claims = {claim: values[at] for claim, values in holder.condition[host].items()}
            if (entrant := Entrant(holder, host, {**BASES[host], **claims})) not in found:
                found.append(entrant)
    return found


def fits(holder: Holder, entrant: Entrant) -> bool:
    """Whether the project's own token is in the environments of `holder`."""
    condition = holder.condition.get(entrant.host)
    return condition is not None and all(
        is_one_of(entrant.claims.get(claim), values) for claim, values in {**OWN[entrant.host], **condition}.items()
    )


def is_one_of(value: object, values: Iterable[object]) -> bool:
    """With its type: 1 and True are not the same claim."""
    return any(type(value) is type(one) and value == one for one in values)


@settings(max_examples=15, deadline=None)
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


@settings(max_examples=15, deadline=None)
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


@settings(max_examples=15, deadline=None)
@given(sketch=sketches(), data=st.data())
def test_the_second_time_nothing_is_written_and_what_others_made_is_as_it_was(
    sketch: Sketch, data: st.DataObject, bao: OpenBao, admin: Admin, issuer: Issuer
) -> None:
    with world_of(sketch, bao, admin, issuer) as world:
        policies, roles = made_by_others(world, data)
        before = world.state(policies, roles)
        first = {(change.what, change.name) for change in world.apply()}
        assert world.state(policies, roles) == before
        mark = bao.mark()
        assert world.apply() == []
        assert bao.requests_since(mark)
        assert world.writes_since(mark) == []
        assert world.state(policies, roles) == before
        wanted = {("policy", policy.name) for policy in world.implied.policies if policy.name not in policies}
        wanted |= {
            ("role", f"{role.mount}/{role.jwt.name}")
            for role in world.implied.roles
            if role.policy not in policies and (role.mount, role.jwt.name) not in roles
        }
        assert first == wanted


def made_by_others(world: World, data: st.DataObject) -> tuple[list[str], list[tuple[str, str]]]:
    """Policies and roles of others, under names like the project's and under some of its own."""
    own_policies = [policy.name for policy in world.implied.policies]
    own_roles = [(role.mount, role.jwt.name) for role in world.implied.roles]
    policies = [*data.draw(st.lists(st.sampled_from(own_policies), unique=True)), "shop", f"{own_policies[0]}-2"]
    roles = [*data.draw(st.lists(st.sampled_from(own_roles), unique=True)), (own_roles[0][0], "shop-strangers")]
    for name in policies:
        world.admin.write_policy(
            name, f'{data.draw(st.sampled_from(MARKS))}\npath "kv/*" {{ capabilities = ["read"] }}\n\n'
        )
    for mount, name in roles:
        role = JwtRole(name=name, bound_audiences=("x",), bound_claims={"ref": "*"}, policies=("mine", "shop"), ttl=77)
        world.admin.jwt.write_role(role, mount)
    return policies, roles


@settings(max_examples=15, deadline=None)
@given(sketch=sketches(), data=st.data())
def test_all_that_is_too_much_is_named(
    sketch: Sketch, data: st.DataObject, bao: OpenBao, admin: Admin, issuer: Issuer
) -> None:
    with world_of(sketch, bao, admin, issuer) as world:
        world.apply()
        made = {excess(world, data) for excess in (wildcard, second_policy, freed_claim, longer_life)}
        found = {(finding.grade, finding.what, finding.name, finding.text) for finding in world.findings()}
        assert found == {("more", *one) for one in made}


def wildcard(world: World, data: st.DataObject) -> tuple[str, str, str]:
    name = data.draw(st.sampled_from(world.implied.policies)).name
    stored = world.admin.read_policy(name)
    assert stored is not None
    rule = 'path "kv/*" { capabilities = ["read"] }'
    world.admin.write_policy(name, f"{stored.text}{rule}\n")
    return "policy", name, f"{rule} is not implied (* and + stand for paths of others)"


def second_policy(world: World, data: st.DataObject) -> tuple[str, str, str]:
    place, fields = drawn_role(world, data)
    world.done("POST", place, fields | {"token_policies": [*fields["token_policies"], "everything"]})
    return "role", short(place), 'token_policies also has "everything"'


def freed_claim(world: World, data: st.DataObject) -> tuple[str, str, str]:
    place, fields = drawn_role(world, data)
    claim = data.draw(st.sampled_from(sorted(fields["bound_claims"])))
    wanted = json.dumps(fields["bound_claims"].pop(claim))
    world.done("POST", place, fields)
    return "role", short(place), f"bound_claims.{claim} is not bound: it should be {wanted}"


def longer_life(world: World, data: st.DataObject) -> tuple[str, str, str]:
    place, fields = drawn_role(world, data)
    world.done("POST", place, fields | {"token_max_ttl": 86400})
    return "role", short(place), f"token_max_ttl is 86400, not {fields['token_max_ttl']}"


def drawn_role(world: World, data: st.DataObject) -> tuple[str, dict[str, Any]]:
    """One of the roles as the vault has it, with its path."""
    role = data.draw(st.sampled_from(world.implied.roles))
    place = f"auth/{role.mount}/role/{role.jwt.name}"
    return place, world.done("GET", place)


def short(place: str) -> str:
    return place.removeprefix("auth/").replace("/role/", "/")
