"""A project with a target on each of the three platforms, which are stand-ins on loopback."""

from __future__ import annotations

import secrets
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ciplug.standins.railway import Railway
from ciplug.standins.render import Render
from ciplug.standins.vercel import Vercel
from ciplug.vault.admin_auth import JwtRole
from tests.e2e.project import AUDIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.e2e.project import Project

TARGETS: Final = ("web", "api", "jobs")
OWN: Final = ("STRIPE_SECRET_KEY", "DATABASE_URL")

_MANIFEST: Final = """
[targets.web]
platform = "vercel"
environment = "prod"
token = "//common/vercel#token"
secrets = ["STRIPE_SECRET_KEY", "DATABASE_URL"]
options = {{ project = "prj_shop", team = "team_acme", target = "production", api_url = "{vercel}" }}

[targets.api]
platform = "railway"
environment = "prod"
token = "//common/railway#token"
secrets = ["STRIPE_SECRET_KEY", "DATABASE_URL"]
options = {{ project = "p-1", environment = "e-1", service = "s-1", api_url = "{railway}" }}

[targets.jobs]
platform = "render"
environment = "prod"
token = "//common/render#token"
secrets = ["STRIPE_SECRET_KEY", "DATABASE_URL"]
options = {{ service = "{service}", api_url = "{render}" }}
"""


@dataclass
class World:
    """The project and its platforms; `service` is Render's, `tokens` are the platforms'."""

    project: Project
    vercel: Vercel
    railway: Railway
    render: Render
    service: str
    tokens: Mapping[str, str]

    @property
    def stored(self) -> dict[str, dict[str, str]]:
        """What each target's platform has, by target."""
        return {
            "web": {each.key: each.value for each in self.vercel.variables("prj_shop")},
            "api": self.railway.held("e-1", service="s-1"),
            "jobs": self.render.values(self.service),
        }

    @property
    def wanted(self) -> dict[str, str]:
        """What each is to have."""
        return {name: self.project.values["prod"][name] for name in OWN}

    @property
    def hidden(self) -> list[str]:
        """What no output may show."""
        values = [value for each in self.project.values.values() for value in each.values()]
        return [*values, *self.tokens.values()]

    @property
    def asked(self) -> dict[str, int]:
        """How many requests each platform has had."""
        return {
            "web": len(self.vercel.requests()),
            "api": len(self.railway.requests()),
            "jobs": len(self.render.requests()),
        }

    def ledger(self, target: str) -> Mapping[str, object] | None:
        """The ledger's record as it is stored."""
        return self.project.admin.kv.read(self.project.kv_mount, f"app/prod/.ciplug/{target}").data

    def let_in(self, target: str, *, ledger: bool = True) -> None:
        """The vault's role for a sync of `target`, with the right to its ledger or without."""
        project = self.project
        rules = [
            f'path "{project.kv_mount}/data/{path}" {{ capabilities = ["read"] }}'
            for path in ("app/prod/*", "common/*")
        ]
        if ledger:
            rules += [
                f'path "{project.kv_mount}/data/app/prod/.ciplug/{name}" {{ capabilities = ["create", "read", "update"] }}'
                for name in (target, ".key")
            ]
        policy = f"{project.auth_mount}-{target}"
        project.admin.write_policy(policy, "\n".join(rules))
        role = JwtRole(
            name=f"shop-{target}",
            bound_audiences=(AUDIENCE,),
            bound_claims={"repository": "acme/shop", "ref": "refs/heads/main", "environment": "production"},
            policies=(policy,),
        )
        project.admin.jwt.write_role(role, project.auth_mount)


@contextmanager
def sync_world(project: Project) -> Iterator[World]:
    """The platforms run, and the vault has their tokens and a role for each target, for the length of the block."""
    with ExitStack() as stack:
        token = f"vcp_{secrets.token_hex(16)}"
        vercel = stack.enter_context(Vercel(token=token))
        railway, render = stack.enter_context(Railway()), stack.enter_context(Render())
        vercel.add_project("prj_shop", "shop")
        vercel.add_deployment("prj_shop")
        railway.add_environment("e-1", project="p-1", services={"s-1": "api"})
        service = render.add_service("jobs")
        tokens = {"vercel": token, "railway": railway.workspace_token("acme"), "render": render.token}
        for platform, each in tokens.items():
            project.put(f"common/{platform}", {"token": each})
        project.append(_MANIFEST.format(vercel=vercel.url, railway=railway.url, render=render.api_url, service=service))
        world = World(project, vercel, railway, render, service, tokens)
        for target in TARGETS:
            world.let_in(target)
        yield world
