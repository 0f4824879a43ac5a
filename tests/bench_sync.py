"""``make bench``, the part of the sync: requests by platform, and three targets at once beside the slowest of them.

The platforms are stand-ins that take their time for each request, as platforms do: ``LATENCY`` seconds.
"""

from __future__ import annotations

import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ciplug.standins.openbao import OpenBao
from ciplug.standins.railway import Railway
from ciplug.standins.render import Render
from ciplug.standins.vercel import Vercel
from ciplug.vault.admin import Admin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.standins.loopback import Answer, Request
    from ciplug.standins.vendor import Vendor

LATENCY: Final = 0.4
NEW: Final = 100
GONE: Final = 20
ROUNDS: Final = 5
MOST_REQUESTS: Final = {"web": 4, "api": 3, "jobs": 3}
"""For ``NEW`` variables to be made and ``GONE`` to be deleted, planning and reading back included."""

RATIO: Final = 1.2
"""The most that all three together may take of the time of the slowest alone."""

_MANIFEST = """\
version = 1
[vault]
address = "{address}"
audience = "https://vault.acme.dev"
shared = ["platforms"]
[environments.prod]
path = "app"
{secrets}
[targets.web]
platform = "vercel"
environment = "prod"
role = "unused"
token = "//platforms/vercel#token"
secrets = [{names}]
options = {{ project = "prj_shop", team = "team_acme", target = "production", api_url = "{vercel}" }}
[targets.api]
platform = "railway"
environment = "prod"
role = "unused"
token = "//platforms/railway#token"
secrets = [{names}]
options = {{ project = "p-1", environment = "e-1", service = "s-1", api_url = "{railway}" }}
[targets.jobs]
platform = "render"
environment = "prod"
role = "unused"
token = "//platforms/render#token"
secrets = [{names}]
options = {{ service = "{service}", api_url = "{render}" }}
"""


class _Distant:
    """A stand-in that is far away."""

    def handle(self, request: Request) -> Answer:
        time.sleep(LATENCY)
        answer: Answer = super().handle(request)  # type: ignore[misc]  # the stand-in's
        return answer


class _Vercel(_Distant, Vercel):
    pass


class _Railway(_Distant, Railway):
    pass


class _Render(_Distant, Render):
    pass


class World:
    """A vault with the values, and the three platforms."""

    def __init__(self, stack: ExitStack, folder: Path) -> None:
        self._folder = folder
        self._bao = stack.enter_context(OpenBao(os.environ))
        self._admin = stack.enter_context(Admin(self._bao.address, self._bao.root_token))
        token = secrets.token_hex(16)
        self._vercel, self._railway = stack.enter_context(_Vercel(token=token)), stack.enter_context(_Railway())
        self._render = stack.enter_context(_Render(writes=10_000, reads=10_000))
        self._vercel.add_project("prj_shop", "shop")
        self._railway.add_environment("e-1", project="p-1", services={"s-1": "api"})
        self._places: Mapping[str, Any] = {
            "vercel": self._vercel.url,
            "railway": self._railway.url,
            "render": self._render.api_url,
            "service": self._render.add_service("jobs"),
        }
        tokens = {"vercel": token, "railway": self._railway.workspace_token("acme"), "render": self._render.token}
        for platform, each in tokens.items():
            self._admin.kv.write("secret", f"platforms/{platform}", {"token": each})

    def declare(self, first: int, count: int) -> None:
        """A manifest with the secrets of these numbers, whose values are new ones."""
        numbers = range(first, first + count)
        self._admin.kv.write("secret", "app/many", {f"k{number}": secrets.token_hex(16) for number in numbers})
        declared = "".join(f'[secrets.SECRET_{number}]\nref = "many#k{number}"\n' for number in numbers)
        names = ", ".join(f'"SECRET_{number}"' for number in numbers)
        text = _MANIFEST.format(address=self._bao.address, secrets=declared, names=names, **self._places)
        (self._folder / "ciplug.toml").write_text(text, encoding="utf-8")

    def sync(self, *arguments: str) -> float:
        """Seconds of one ``ciplug sync``, as a person with a login of their own."""
        env = {"PATH": os.environ["PATH"], "HOME": str(self._folder)}
        env["VAULT_TOKEN"] = self._bao.root_token.reveal().decode()
        command = [str(Path(sys.executable).with_name("ciplug")), "sync", "--yes", *arguments]
        started = time.perf_counter()
        done = subprocess.run(command, cwd=self._folder, env=env, capture_output=True)
        if done.returncode:
            raise SystemExit(f"sync failed: {done.stderr.decode(errors='replace')}")
        return time.perf_counter() - started

    def requests(self) -> dict[str, int]:
        """How many each platform has had so far."""
        vendors: Mapping[str, Vendor] = {"web": self._vercel, "api": self._railway, "jobs": self._render}
        return {target: len(vendor.requests()) for target, vendor in vendors.items()}


def main() -> int:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ciplug-bench-")))
        world = World(stack, folder)
        return 0 if _counted(world) and _timed(world) else 1


def _counted(world: World) -> bool:
    world.declare(0, GONE)
    world.sync()
    world.declare(GONE, NEW)
    before = world.requests()
    world.sync("--prune")
    busy = {target: count - before[target] for target, count in world.requests().items()}
    world.sync()
    idle = {target: count - before[target] - busy[target] for target, count in world.requests().items()}
    print(f"target   requests for {NEW} new and {GONE} pruned   target   {NEW} unchanged")
    for target, most in MOST_REQUESTS.items():
        print(f"{target:6} {busy[target]:34} {most:8} {idle[target]:11}")
    return all(busy[target] <= most for target, most in MOST_REQUESTS.items())


def _timed(world: World) -> bool:
    """Each round writes new values: alone one after another, then all at once."""
    ratios = []
    for _ in range(ROUNDS):
        world.declare(GONE, NEW)
        alone = {target: world.sync(target) for target in MOST_REQUESTS}
        world.declare(GONE, NEW)
        ratios.append(world.sync() / max(alone.values()))
    ratio = statistics.median(ratios)
    print(f"three targets at once: {ratio:.2f} of the slowest alone (target {RATIO})")
    return ratio <= RATIO


if __name__ == "__main__":
    sys.exit(main())
