"""A project with a target on each of the three platforms, which are stand-ins on loopback."""

from __future__ import annotations

import json
import secrets
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import httpx

from ciplug.manifest import load
from ciplug.policy.deriving import derive
from ciplug.policy.hcl import render
from ciplug.standins.vercel.limits import DELETING, PROJECTS, Limit
from tests.e2e.outside import nothing_left
from tests.e2e.steering import Clock, SteeredRailway, SteeredRender, SteeredVercel
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.e2e.conftest import RunsCiplug
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
    """The project and its platforms; `service` is Render's, `tokens` are the platforms', `clock` is Render's time."""

    project: Project
    vercel: SteeredVercel
    railway: SteeredRailway
    render: SteeredRender
    service: str
    tokens: Mapping[str, str]
    clock: Clock
    declared: dict[str, str] = field(default_factory=dict)

    @property
    def platforms(self) -> dict[str, SteeredVercel | SteeredRailway | SteeredRender]:
        """The stand-ins by target."""
        return {"web": self.vercel, "api": self.railway, "jobs": self.render}

    def declare(self, *targets: str, **values: str) -> None:
        """More secrets, which the vault has and `targets` (all of them by default) list."""
        self.declared |= values
        self.project.put("app/prod/more", self.declared)
        self.project.append("".join(f'\n[secrets.{name}]\nref = "more#{name}"\n' for name in values))
        for target in targets or TARGETS:
            self.listed(target, *OWN, *self.declared)

    def listed(self, target: str, *names: str) -> None:
        """From now on `target` has these secrets."""
        self._edit(target, "secrets = ", json.dumps(list(names)))

    def option(self, target: str, name: str, value: str) -> None:
        """From now on `target` has this option."""
        line = self._line(target, "options = ")
        kept = [each for each in line[1:-1].strip().split(", ") if not each.startswith(f"{name} = ")]
        self._edit(target, "options = ", f"{{ {', '.join([*kept, f'{name} = {value}'])} }}")

    def _line(self, target: str, key: str) -> str:
        section = self.project.manifest.read_text().split(f"[targets.{target}]")[1]
        return next(line for line in section.splitlines() if line.startswith(key)).removeprefix(key)

    def _edit(self, target: str, key: str, value: str) -> None:
        before, head, after = self.project.manifest.read_text().partition(f"[targets.{target}]")
        old = self._line(target, key)
        self.project.write(before + head + after.replace(key + old, key + value, 1))

    def kept(self, target: str) -> dict[str, Any]:
        """What the ledger says of the one place where `target` is."""
        places = json.loads(str((self.ledger(target) or {}).get("places", "{}")))
        [found] = places.values() or [{"undeployed": False, "variables": {}}]
        return found

    def remove_ledger(self, target: str) -> None:
        """Delete the ledger by hand."""
        kv, path = self.project.admin.kv, f"app/prod/.ciplug/{target}"
        kv.delete(self.project.kv_mount, path, [kv.read(self.project.kv_mount, path).version])

    def rewrite_ledger(self, target: str, **changes: object) -> None:
        """Change the ledger by hand."""
        self.project.put(f"app/prod/.ciplug/{target}", {**(self.ledger(target) or {}), **changes})

    def put(self, target: str, name: str, value: str) -> None:
        """Make or change a variable on the platform, as a person does there."""
        if target == "jobs":
            self.render.set_variable(self.service, name, value)
        elif target == "api":
            self.railway.put("e-1", {name: value}, service="s-1")
        elif found := [each for each in self.vercel.variables("prj_shop") if each.key == name]:
            self.vercel.change_variable("prj_shop", found[0].id, value)
        else:
            self.vercel.add_variable("prj_shop", name, value, type="sensitive")

    def remove(self, target: str, name: str) -> None:
        """Take a variable away on the platform, as a person does there."""
        if target == "jobs":
            self.render.remove_variable(self.service, name)
        elif target == "api":
            self.railway.remove("e-1", name, service="s-1")
        else:
            [found] = [each for each in self.vercel.variables("prj_shop") if each.key == name]
            self.vercel.remove_variable("prj_shop", found.id)

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
        return [*values, *self.tokens.values(), *self.declared.values()]

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

    def deploy_on_render(self) -> None:
        """What a first deployment by hand leaves; from now on Render's deployments take no time."""
        self.clock.leap = 10
        route = f"{self.render.api_url}/services/{self.service}/deploys"
        httpx.post(route, json={}, headers={"Authorization": f"Bearer {self.render.token}"}).raise_for_status()

    def close_ledger(self, target: str) -> None:
        """Take the right to the ledger from the role of `target`; ``project.apply`` gives it back."""
        implied = derive(load(self.project.manifest))
        [policy] = [each for each in implied.policies if each.owner == f"targets.{target}"]
        rules = {path: given for path, given in policy.rules.items() if "/.ciplug/" not in path}
        self.project.admin.write_policy(policy.name, render(replace(policy, rules=rules)))


@contextmanager
def sync_world(project: Project) -> Iterator[World]:
    """The platforms run, and the vault has their tokens and a role for each target, for the length of the block."""
    with ExitStack() as stack:
        token = f"vcp_{secrets.token_hex(16)}"
        clock = Clock()
        vercel = stack.enter_context(
            SteeredVercel(token=token, limits=dict.fromkeys((DELETING, PROJECTS), Limit(1000)))
        )
        railway, render = stack.enter_context(SteeredRailway()), stack.enter_context(SteeredRender(clock=clock))
        vercel.build(queued=0, building=0)
        vercel.add_project("prj_shop", "shop")
        vercel.add_deployment("prj_shop")
        railway.add_environment("e-1", project="p-1", services={"s-1": "api"})
        service = render.add_service("jobs")
        tokens = {"vercel": token, "railway": railway.workspace_token("acme"), "render": render.token}
        for platform, each in tokens.items():
            project.put(f"common/{platform}", {"token": each})
        project.append(_MANIFEST.format(vercel=vercel.url, railway=railway.url, render=render.api_url, service=service))
        yield World(project, vercel, railway, render, service, tokens, clock)


@dataclass
class Done:
    """How one sync ended: `page` is what it added to the step's summary."""

    status: int
    out: str
    err: str
    page: str

    @property
    def targets(self) -> dict[str, dict[str, Any]]:
        """The document of ``--format json``, by target."""
        return {each["target"]: each for each in json.loads(self.out)["targets"]}

    @property
    def last(self) -> str:
        """The last line that people read."""
        return self.err.rstrip("\n").rpartition("\n")[2]


@dataclass
class Sync:
    """``ciplug sync`` in a job of GitHub Actions. No secret shows, no traceback, and no vault token outlives it."""

    world: World
    ciplug: RunsCiplug
    env: dict[str, str]

    def __call__(self, *args: str, status: int = 0, others: bool = False, **env: str) -> Done:
        """Run it; it has to end with `status`. With `others` there are more at work, whose tokens come and go."""
        full = self.env | env
        page = Path(self.env["GITHUB_STEP_SUMMARY"])
        before = len(page.read_text()) if page.is_file() else 0
        with nullcontext() if others else nothing_left(self.world.project):
            run = self.ciplug("sync", *args, env=full)
        shown = page.read_text()[before:] if page.is_file() else ""
        done = Done(run.returncode, run.stdout.decode(), run.stderr.decode(), shown)
        assert done.status == status, done.err
        assert "Traceback" not in done.err
        hidden = [*self.world.hidden, full.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "")]
        assert_no_leak(done.out + done.err + done.page, hidden)
        assert "eyJ" not in done.out + done.err + done.page
        return done
