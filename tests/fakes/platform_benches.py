"""The benches of ciplug's own adapters: each target of each platform, on its stand-in, amid what others have there."""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, ClassVar, Self

from ciplug.standins.railway import Railway
from ciplug.standins.render import Render
from ciplug.standins.vercel import Vercel
from ciplug_platforms import railway, render, vercel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import TracebackType

    from ciplug.conformance import Clock
    from ciplug.contracts import Connects, Platform
    from ciplug.standins.vercel import Variable
    from ciplug.standins.vercel.state import Type

THEIRS = "s0mebody-elses-value"
QUEER = 'th3irs\n"quoted" ${{ kept }} 🔑 %0A '


class Running:
    """A stand-in that runs for the length of a ``with`` block."""

    standin: Any

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        self._stack.enter_context(self.standin)
        self.seed()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def seed(self) -> None:
        raise NotImplementedError


class VercelBench(Running):
    """Sensitive variables of production."""

    options: ClassVar[Mapping[str, str]] = {"target": "production"}
    kind: ClassVar[Type] = "sensitive"
    misfits: ClassVar[Sequence[str]] = ("SHARED", "OTHER_TYPE")
    refused: ClassVar[Sequence[str]] = ("TZ", "AWS_SECRET_KEY", "NEXT_PUBLIC_KEY")
    redeploys: ClassVar[bool] = True

    def __init__(self, clock: Clock) -> None:
        self.token = f"vcp_{secrets.token_hex(12)}"
        self.standin = Vercel(token=self.token, team="team_9", slug="acme", clock=clock)
        self.environment = self.options.get("target") or self.options["custom_environment"]
        self.branch = self.options.get("git_branch")

    def seed(self) -> None:
        for project, name in (("prj_1", "shop"), ("prj_2", "blog")):
            self.standin.add_project(project, name)
            for place in ("production", "preview", "development"):
                self.standin.add_variable(name, "EVERYWHERE", f"{THEIRS}-{place}", target=[place])
        self.standin.add_custom_environment("prj_1", "env_qa", "qa")
        self.standin.add_variable("shop", "KEPT", THEIRS, target=["preview"], git_branch="another")
        self._add("STORE_URL", THEIRS, configuration_id="icfg_1")
        self._add("OTHER_TYPE", QUEER, type="plain")
        self._add_shared()
        self.standin.add_deployment(
            "shop",
            target="production" if self.environment == "production" else None,
            branch=self.branch,
            environment=self.options.get("custom_environment"),
        )

    def create(self, connect: Connects, wait: Callable[[float], None]) -> Platform:
        whole = {"project": "prj_1", "team": "team_9", "api_url": self.standin.url, "type": self.kind, **self.options}
        return vercel.create(whole, connect, wait)

    def put(self, name: str, value: str) -> None:
        for each in self._here():
            if each.key == name:
                self.standin.change_variable("shop", each.id, value)
                return
        self._add(name, value)

    def stored(self) -> dict[str, str]:
        return {each.key: each.value for each in self._here()}

    def elsewhere(self) -> object:
        here = {each.id for each in self._here()}
        return {
            (project, each.key, place, each.git_branch): (each.value, each.type)
            for project in ("shop", "blog")
            for each in self.standin.variables(project)
            for place in each.places()
            if not (each.id in here and place == self.environment)
        }

    def _here(self) -> list[Variable]:
        return [
            each
            for each in self.standin.variables("shop")
            if self.environment in each.places() and each.git_branch == self.branch
        ]

    def _add(self, name: str, value: str, **more: Any) -> None:
        custom = self.options.get("custom_environment")
        where = {"target": [], "custom_environments": [custom]} if custom else {"target": [self.environment]}
        fields = {"type": self.kind, "git_branch": self.branch} | where | more
        self.standin.add_variable("shop", name, value, **fields)

    def _add_shared(self) -> None:
        """With preview; of a branch, there is no other environment to share it with."""
        if self.branch is None:
            own = [] if "custom_environment" in self.options else [self.environment]
            self._add("SHARED", THEIRS, target=[*own, "preview"], type="encrypted")


class VercelBranchBench(VercelBench):
    """Encrypted variables of one branch's previews."""

    options: ClassVar[Mapping[str, str]] = {"target": "preview", "git_branch": "feature/x"}
    kind: ClassVar[Type] = "encrypted"
    misfits: ClassVar[Sequence[str]] = ("OTHER_TYPE",)


class VercelCustomBench(VercelBench):
    """Sensitive variables of an environment that the team has made itself."""

    options: ClassVar[Mapping[str, str]] = {"custom_environment": "env_qa"}


class RailwayServiceBench(Running):
    """The variables of one service."""

    service: ClassVar[str | None] = "svc"
    misfits: ClassVar[Sequence[str]] = ()
    refused: ClassVar[Sequence[str]] = ("RAILWAY_TOKEN", "VITE_KEY")
    redeploys: ClassVar[bool] = True
    places: ClassVar[Sequence[tuple[str, str | None]]] = (
        ("env", None),
        ("env", "svc"),
        ("env", "svc-2"),
        ("other", None),
        ("other", "svc-9"),
    )

    def __init__(self, clock: Clock) -> None:
        self.standin = Railway(clock=clock)
        self.token = self.standin.workspace_token("acme")

    def seed(self) -> None:
        self.standin.add_environment("env", project="prj", services={"svc": "web", "svc-2": "worker"})
        self.standin.add_environment("other", project="prj-2", services={"svc-9": "web"})
        for environment, service in self.places:
            self.standin.put(environment, {"KEPT": f"{THEIRS}-{service}", "EVERYWHERE": QUEER}, service=service)
        self.standin.remove("env", "KEPT", service=self.service)
        self.standin.put("env", {"SEALED": THEIRS}, service=self.service, sealed=True)

    def create(self, connect: Connects, wait: Callable[[float], None]) -> Platform:
        options = {"project": "prj", "environment": "env", "api_url": self.standin.url}
        return railway.create(options | ({"service": self.service} if self.service else {}), connect, wait)

    def put(self, name: str, value: str) -> None:
        self.standin.put("env", {name: value}, service=self.service)

    def stored(self) -> dict[str, str]:
        return dict(self.standin.held("env", service=self.service))

    def elsewhere(self) -> object:
        others = [each for each in self.places if each != ("env", self.service)]
        return {each: self.standin.held(each[0], service=each[1]) for each in others}


class RailwaySharedBench(RailwayServiceBench):
    """The variables that the services of an environment share, which no deployment is of."""

    service: ClassVar[str | None] = None
    redeploys: ClassVar[bool] = False


class RenderServiceBench(Running):
    """The variables of one service."""

    option: ClassVar[str] = "service"
    misfits: ClassVar[Sequence[str]] = ()
    refused: ClassVar[Sequence[str]] = ("RENDER", "RENDER_KEY", "NEXT_PUBLIC_KEY")
    redeploys: ClassVar[bool] = True

    def __init__(self, clock: Clock) -> None:
        self.standin = Render(clock=clock)
        self.token = self.standin.token

    def seed(self) -> None:
        seeds = {"EVERYWHERE": QUEER, "THEIR_KEY": THEIRS}
        service = self.standin.add_service("web", variables=seeds)
        other = self.standin.add_service("worker", variables={**seeds, "KEPT": THEIRS})
        group = self.standin.add_group("common", variables=seeds, services=[service])
        self.standin.add_deploy(service)
        self.place = service if self.option == "service" else group
        self.others = [each for each in (service, other, group) if each != self.place]

    def create(self, connect: Connects, wait: Callable[[float], None]) -> Platform:
        return render.create({self.option: self.place, "api_url": self.standin.api_url}, connect, wait)

    def put(self, name: str, value: str) -> None:
        self.standin.set_variable(self.place, name, value)

    def stored(self) -> dict[str, str]:
        return dict(self.standin.values(self.place))

    def elsewhere(self) -> object:
        return {each: self.standin.values(each) for each in self.others}


class RenderGroupBench(RenderServiceBench):
    """The variables of an environment group."""

    option: ClassVar[str] = "env_group"
