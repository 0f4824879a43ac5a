"""``ciplug sync`` against a real vault and strict stand-ins of the platforms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.outside import nothing_left
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from tests.e2e.conftest import MakesJobEnv, RunsCiplug
    from tests.e2e.sync_world import World


@pytest.fixture
def env(job_env: MakesJobEnv) -> dict[str, str]:
    return job_env("sync", environment="production")


def test_every_target_gets_what_the_vault_has(world: World, ciplug: RunsCiplug, env: dict[str, str]) -> None:
    with nothing_left(world.project):
        done = ciplug("sync", "--yes", env=env)
    assert done.returncode == 0, done.stderr
    assert world.stored == dict.fromkeys(("web", "api", "jobs"), world.wanted)
    assert_no_leak(done.stdout + done.stderr, world.hidden)
