"""A namespace of the vault for one generated manifest: its engines, records and auth mounts, and who may log in."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

import httpx

from ciplug.manifest import parse
from ciplug.policy.applying import carry_out
from ciplug.policy.beside import look_beside
from ciplug.policy.compare import LiveDifference, compare
from ciplug.policy.deriving import derive
from ciplug.policy.live import read_live
from ciplug.policy.plan import plan
from ciplug.standins.claims import github_claims, gitlab_claims, jenkins_claims
from ciplug.vault.admin import Admin
from tests.fakes.manifests import AUDIENCE, IDENTITIES, Holder, Sketch

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ciplug.policy.live import Live
    from ciplug.policy.model import Implied
    from ciplug.policy.plan import Change
    from ciplug.standins.issuer import Issuer
    from ciplug.standins.openbao import OpenBao

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

    def findings(self) -> list[LiveDifference]:
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
