"""Stand-ins of Vercel, Railway and Render with one target each, and what is truly stored there."""

from __future__ import annotations

import json
import secrets
import time
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Final

from ciplug.demo.vault import TARGETS
from ciplug.standins.loopback import Request
from ciplug.standins.railway import Railway
from ciplug.standins.render import Render
from ciplug.standins.vercel import Vercel

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ciplug.standins.loopback import Answer

_PROJECT: Final = "prj_shop"
_ENVIRONMENT: Final = "e-1"
_SERVICE: Final = "s-1"


class Platforms:
    """The target ``web`` on Vercel, ``api`` on Railway and ``jobs`` on Render, each deployed once.

    `tokens` are by platform. `theirs` is what people made there by hand, by target, and ciplug is to leave alone; they
    made a DATABASE_URL at ``api`` as well, with the value `old_database`.
    """

    def __init__(self, vercel: Vercel, railway: Railway, render: Render, vercel_token: str) -> None:
        self.vercel = vercel
        self.railway = railway
        self.render = render
        self.old_database = by_hand()
        self.theirs = {target: {"SITE_NAME": by_hand()} for target in TARGETS}
        self._service = self._render_service()
        self._make_others()
        self.tokens = {"vercel": vercel_token, "railway": railway.workspace_token("acme"), "render": render.token}

    @property
    def hidden(self) -> list[str]:
        """The values that are there from the beginning, and the tokens."""
        made = (value for values in self.theirs.values() for value in values.values())
        return [*self.tokens.values(), self.old_database, *made]

    @property
    def addresses(self) -> dict[str, str]:
        """What the manifest's template leaves open."""
        return {
            "vercel": self.vercel.url,
            "railway": self.railway.url,
            "render": self.render.api_url,
            "service": self._service,
        }

    @property
    def stored(self) -> dict[str, dict[str, str]]:
        """The variables of each target with their values."""
        return {
            "web": {each.key: each.value for each in self.vercel.variables(_PROJECT)},
            "api": self.railway.held(_ENVIRONMENT, service=_SERVICE),
            "jobs": self.render.values(self._service),
        }

    @property
    def deployed(self) -> dict[str, int]:
        """How many deployments each target has had."""
        return {
            "web": len(self.vercel.deployments(_PROJECT)),
            "api": len(self.railway.deployments(_ENVIRONMENT, _SERVICE)),
            "jobs": len(json.loads(self._ask_render("GET").body)),
        }

    @property
    def writes(self) -> int:
        """How many requests so far asked any platform to change something."""
        asked = [*self.vercel.requests(), *self.render.requests()]
        mutations = [each for each in self.railway.operations() if each.kind == "mutation"]
        return sum(each.method != "GET" for each in asked) + len(mutations)

    def hold(self, wanted: Mapping[str, Mapping[str, str]]) -> bool:
        """Whether each target has exactly what is `wanted` there, and what people made."""
        return self.stored == {target: {**values, **wanted[target]} for target, values in self.theirs.items()}

    def change_by_hand(self, stripe: str, database: str) -> None:
        """STRIPE_SECRET_KEY at ``web``, where it cannot be read, and DATABASE_URL at ``jobs`` get these values."""
        held = {each.key: each.id for each in self.vercel.variables(_PROJECT)}
        self.vercel.change_variable(_PROJECT, held["STRIPE_SECRET_KEY"], stripe)
        self.render.set_variable(self._service, "DATABASE_URL", database)

    def _render_service(self) -> str:
        service = self.render.add_service("jobs", variables=self.theirs["jobs"])
        self._ask_render("POST", service)
        return service

    def _make_others(self) -> None:
        self.vercel.add_project(_PROJECT, "shop")
        for name, value in self.theirs["web"].items():
            self.vercel.add_variable(_PROJECT, name, value)
        self.vercel.add_deployment(_PROJECT)
        self.vercel.build(queued=0, building=0)
        self.railway.add_environment(_ENVIRONMENT, project="p-1", services={_SERVICE: "api"})
        made = {**self.theirs["api"], "DATABASE_URL": self.old_database}
        self.railway.put(_ENVIRONMENT, made, service=_SERVICE)

    def _ask_render(self, method: str, service: str = "") -> Answer:
        """``/v1/services/{id}/deploys``, past the record of requests."""
        headers = {"authorization": f"Bearer {self.render.token}", "content-type": "application/json"}
        target = f"/v1/services/{service or self._service}/deploys"
        return self.render.handle(Request(method=method, target=target, headers=headers, body=b"{}"))


def by_hand() -> str:
    """A value that somebody gives at a platform."""
    return f"by-hand-{secrets.token_hex(12)}"


@contextmanager
def open_platforms() -> Iterator[Platforms]:
    """The three of them, running for the length of the block."""
    token = f"vcp_{secrets.token_hex(16)}"
    # Whenever Render looks at its clock, ten seconds have passed: its deploys go their way while one looks at them.
    with Vercel(token=token) as vercel, Railway() as railway, Render(clock=count(time.time(), 10.0).__next__) as render:
        yield Platforms(vercel, railway, render, token)
