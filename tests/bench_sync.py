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
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ciplug.standins.issuer import Issuer
from ciplug.standins.openbao import OpenBao
from ciplug.vault.admin import Admin
from tests.e2e.project import new_project
from tests.e2e.sync_world import TARGETS, sync_world

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ciplug.standins.loopback import Answer, Request
    from tests.e2e.sync_world import World

LATENCY: Final = 0.4
NEW: Final = 100
GONE: Final = 20
ROUNDS: Final = 5
MOST_REQUESTS: Final = {"web": 4, "api": 3, "jobs": 3}
"""For ``NEW`` variables to be made and ``GONE`` to be deleted, planning and reading back included."""

RATIO: Final = 1.2
"""The most that all three together may take of the time of the slowest alone."""

_ONLY_JOBS: Final = 'only_if = { ref = ["refs/heads/main"], environment = ["production"] }'
"""The manifest's rule that keeps people out of production."""


class Distant:
    """The three platforms of `world`, far away, for a person with a login of their own."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._names = [f"SECRET_{number}" for number in range(GONE + NEW)]
        world.declare(**self._values())
        for platform in world.platforms.values():
            vars(platform)["handle"] = partial(_late, platform.handle)

    def declare(self, first: int, count: int) -> None:
        """The secrets of these numbers are wanted, and all have new values."""
        self._world.project.put("app/prod/more", self._values())
        for target in TARGETS:
            self._world.listed(target, *self._names[first : first + count])

    def sync(self, *arguments: str) -> float:
        """Seconds of one ``ciplug sync``."""
        project = self._world.project
        env = {"PATH": os.environ["PATH"], "HOME": str(project.directory)}
        env["VAULT_TOKEN"] = project.bao.root_token.reveal().decode()
        command = [str(Path(sys.executable).with_name("ciplug")), "sync", "--yes", *arguments]
        started = time.perf_counter()
        done = subprocess.run(command, cwd=project.directory, env=env, capture_output=True)
        if done.returncode:
            raise SystemExit(f"sync failed: {done.stderr.decode(errors='replace')}")
        return time.perf_counter() - started

    def requests(self) -> Mapping[str, int]:
        """How many each platform has had so far."""
        return self._world.asked

    def _values(self) -> dict[str, str]:
        return {name: secrets.token_hex(16) for name in self._names}


def _late(handle: Callable[[Request], Answer], request: Request) -> Answer:
    time.sleep(LATENCY)
    return handle(request)


def main() -> int:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ciplug-bench-")))
        bao, issuer = stack.enter_context(OpenBao(os.environ)), stack.enter_context(Issuer())
        admin = stack.enter_context(Admin(bao.address, bao.root_token))
        project = new_project(folder, bao, admin, issuer)
        project.replace(_ONLY_JOBS, "")
        platforms = Distant(stack.enter_context(sync_world(project)))
        return 0 if _counted(platforms) and _timed(platforms) else 1


def _counted(platforms: Distant) -> bool:
    platforms.declare(0, GONE)
    platforms.sync()
    platforms.declare(GONE, NEW)
    before = platforms.requests()
    platforms.sync("--prune")
    busy = {target: count - before[target] for target, count in platforms.requests().items()}
    platforms.sync()
    idle = {target: count - before[target] - busy[target] for target, count in platforms.requests().items()}
    print(f"target   requests for {NEW} new and {GONE} pruned   target   {NEW} unchanged")
    for target, most in MOST_REQUESTS.items():
        print(f"{target:6} {busy[target]:34} {most:8} {idle[target]:11}")
    return all(busy[target] <= most for target, most in MOST_REQUESTS.items())


def _timed(platforms: Distant) -> bool:
    """Each round writes new values: alone one after another, then all at once."""
    ratios = []
    for _ in range(ROUNDS):
        platforms.declare(GONE, NEW)
        alone = {target: platforms.sync(target) for target in MOST_REQUESTS}
        platforms.declare(GONE, NEW)
        ratios.append(platforms.sync() / max(alone.values()))
    ratio = statistics.median(ratios)
    print(f"three targets at once: {ratio:.2f} of the slowest alone (target {RATIO})")
    return ratio <= RATIO


if __name__ == "__main__":
    sys.exit(main())
