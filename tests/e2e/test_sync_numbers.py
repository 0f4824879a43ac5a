"""How many requests the real command makes: as few as each platform's API allows, and none that writes for nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.outside import PATIENCE, started
from tests.e2e.steering import Gate
from tests.e2e.sync_world import TARGETS, Sync

if TYPE_CHECKING:
    from tests.e2e.conftest import MakesJobEnv, RunsCiplug
    from tests.e2e.sync_world import World

NEW = {f"NEW_{index:03}": f"value-of-new-{index}" for index in range(100)}
OLD = {f"OLD_{index:03}": f"value-of-old-{index}" for index in range(20)}

MOST = {"web": 4, "api": 3, "jobs": 3}
"""Planning, writing, pruning and verifying included."""

LOOKING = {"web": 1, "api": 1, "jobs": 2}
"""Render gives a hundred variables at most at once, and says only by a short page that there are no more."""


@pytest.fixture
def sync(world: World, ciplug: RunsCiplug, job_env: MakesJobEnv) -> Sync:
    return Sync(world, ciplug, job_env("sync", environment="production"))


def writes(world: World) -> dict[str, int]:
    """Requests that may have changed something, by target."""
    return {
        "web": sum(each.method != "GET" for each in world.vercel.requests()),
        "api": sum(each.kind != "query" for each in world.railway.operations()),
        "jobs": sum(each.method != "GET" for each in world.render.requests()),
    }


def test_a_hundred_new_and_twenty_that_go_take_a_handful_of_requests(world: World, sync: Sync) -> None:
    world.declare(**NEW, **OLD)
    for target in TARGETS:
        world.listed(target, *OLD)
    sync("--yes")
    for target in TARGETS:
        world.listed(target, *NEW)
    before = world.asked
    done = sync("--yes", "--prune")
    taken = {target: world.asked[target] - before[target] for target in TARGETS}
    assert world.stored == dict.fromkeys(TARGETS, NEW)
    assert "300 to create, 60 to delete" in done.out
    assert not [target for target in TARGETS if taken[target] > MOST[target]], taken


def test_a_hundred_that_are_as_they_are_to_be_are_only_read(world: World, sync: Sync) -> None:
    world.declare(**NEW)
    for target in TARGETS:
        world.listed(target, *NEW)
    sync("--yes")
    before, written = world.asked, writes(world)
    sync("--yes", "--prune")
    assert {target: world.asked[target] - before[target] for target in TARGETS} == LOOKING
    assert writes(world) == written


def test_a_hundred_encrypted_ones_are_not_read_one_by_one(world: World, sync: Sync) -> None:
    world.option("web", "type", '"encrypted"')
    world.declare("web", **NEW)
    world.listed("web", *NEW)
    sync("web", "--yes")
    before = world.asked["web"]
    sync("web", "--check")
    assert world.asked["web"] - before == 1
    [changed] = [each for each in world.vercel.variables("prj_shop") if each.key == "NEW_042"]
    world.vercel.change_variable("prj_shop", changed.id, "changed by somebody")
    done = sync("web", "--check", status=20)
    assert "drift    NEW_042" in done.out
    assert world.asked["web"] - before == 3


def test_one_changed_value_is_written_alone(world: World, sync: Sync) -> None:
    world.declare(**NEW)
    for target in TARGETS:
        world.listed(target, *NEW)
    sync("--yes")
    world.declared["NEW_007"] = "another-value"
    world.project.put("app/prod/more", world.declared)
    before = world.asked
    sync("--yes")
    assert world.vercel.changes()[-1].key == "NEW_007"
    assert len(world.vercel.changes()) == 101
    assert world.railway.operations()[-1].names in {("NEW_007",), ()}
    assert sum(each.names == ("NEW_007",) for each in world.railway.operations()) == 1
    # A service is written as a whole at Render, in one request.
    assert all(world.asked[target] - before[target] <= LOOKING[target] * 2 + 1 for target in TARGETS)


def test_all_platforms_are_asked_at_the_same_time(world: World, sync: Sync) -> None:
    gates = {target: Gate() for target in TARGETS}
    for target, mark in (("web", "GET /v10/projects"), ("api", "isSealed"), ("jobs", "GET /v1/services")):
        world.platforms[target].order(mark, gates[target])
    with started("sync", "--yes", env=sync.env, cwd=world.project.directory) as process:
        assert all(gate.reached.wait(PATIENCE) for gate in gates.values())
        for gate in gates.values():
            gate.free.set()
        assert process.wait(PATIENCE) == 0
    assert world.stored == dict.fromkeys(TARGETS, world.wanted)


PREVIEW = """
[targets.preview]
platform = "vercel"
environment = "prod"
token = "//common/vercel#token"
secrets = ["STRIPE_SECRET_KEY", "DATABASE_URL"]
options = {{ project = "prj_shop", team = "team_acme", target = "preview", api_url = "{url}" }}
"""


def test_targets_of_one_vercel_project_are_written_one_after_another(world: World, sync: Sync) -> None:
    world.project.append(PREVIEW.format(url=world.vercel.url))
    shared = world.vercel.add_variable("prj_shop", "DATABASE_URL", "by hand", target=("production", "preview"))
    gate = Gate()
    world.vercel.order("POST /v10/projects", gate)
    command = ("sync", "web", "preview", "--yes", "--adopt", "DATABASE_URL")
    with started(*command, env=sync.env, cwd=world.project.directory) as process:
        assert gate.reached.wait(PATIENCE)
        time.sleep(0.2)
        gate.free.set()
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    posts = [index for index, each in enumerate(world.vercel.requests()) if each.method == "POST"]
    assert posts[0] == 2  # behind the two looks, and nothing of the other target came in between
    held = {(each.key, each.target): each.value for each in world.vercel.variables("prj_shop")}
    wanted = {(name, (where,)): value for name, value in world.wanted.items() for where in ("production", "preview")}
    assert held == wanted
    assert shared not in {each.id for each in world.vercel.variables("prj_shop") if each.target == ("production",)}
    sync("web", "preview", "--check")
