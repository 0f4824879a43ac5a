"""Syncs that meet other people, other syncs and themselves: what is whose, and what is known of the outcome."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

import pytest

from ciplug.standins.loopback import Answer
from tests.e2e.outside import PATIENCE, eventually, nothing_left, started
from tests.e2e.steering import failing, lost, never
from tests.e2e.sync_world import TARGETS, Sync
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import MakesJobEnv, RunsCiplug
    from tests.e2e.sync_world import World

WRITING = {"web": "POST /v10/projects", "api": "variableCollectionUpsert", "jobs": "PUT /v1/services"}


@pytest.fixture
def sync(world: World, ciplug: RunsCiplug, job_env: MakesJobEnv) -> Sync:
    return Sync(world, ciplug, job_env("sync", environment="production"))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("status", [400, 403])
def test_after_a_refusal_what_somebody_then_makes_is_theirs(world: World, sync: Sync, target: str, status: int) -> None:
    world.platforms[target].order(WRITING[target], failing(status))
    refused = sync(target, "--yes", status=10)
    assert refused.page.count("no answer has said that it was done") == 2
    assert world.kept(target)["variables"] == {}
    world.put(target, "DATABASE_URL", "made by somebody")
    done = sync(target, "--yes", "--prune", status=10)
    assert "needs --adopt DATABASE_URL" in done.out
    world.listed(target, "STRIPE_SECRET_KEY")
    sync(target, "--yes", "--prune")
    assert world.stored[target] == {
        "STRIPE_SECRET_KEY": world.wanted["STRIPE_SECRET_KEY"],
        "DATABASE_URL": "made by somebody",
    }


def lose_every_answer(world: World, target: str) -> None:
    """The first write is carried out; neither its answer comes nor that of any repetition."""
    world.platforms[target].order(WRITING[target], lost)
    for _ in range(60):
        world.platforms[target].order(WRITING[target], failing(503))


@pytest.mark.parametrize("target", TARGETS)
def test_a_create_whose_answer_was_lost_is_finished_by_the_next_run(world: World, sync: Sync, target: str) -> None:
    lose_every_answer(world, target)
    sync(target, "--yes", "--deadline", "1", status=10)
    assert {each["pending"] for each in world.kept(target)["variables"].values()} == {"create"}
    assert world.stored[target] == world.wanted
    world.platforms[target].forget_orders()
    sync(target, "--yes")
    assert {each["pending"] for each in world.kept(target)["variables"].values()} == {""}
    assert world.stored[target] == world.wanted
    sync(target, "--check")


@pytest.mark.parametrize("target", ["api", "jobs"])
def test_a_create_whose_answer_was_lost_is_somebody_else_s_where_another_value_is_read(
    world: World, sync: Sync, target: str
) -> None:
    for _ in range(60):
        world.platforms[target].order(WRITING[target], failing(503))
    sync(target, "--yes", "--deadline", "2", status=10)
    world.platforms[target].forget_orders()
    world.put(target, "DATABASE_URL", "made by somebody")
    done = sync(target, "--yes", "--prune", status=10)
    assert "needs --adopt DATABASE_URL" in done.out
    assert world.stored[target] == world.wanted | {"DATABASE_URL": "made by somebody"}


def test_a_redeploy_does_not_deploy_what_another_sync_writes_meanwhile(world: World, sync: Sync) -> None:
    sync("api", "--yes")
    world.railway.deploy_as("SUCCESS", lasts=4)
    with started("sync", "api", "--redeploy", env=sync.env, cwd=world.project.directory) as first:
        eventually(lambda: len(world.railway.deployments("e-1", "s-1")) == 2)
        url = world.declared["new"] = "postgres://prod:another-password@db.prod/shop"
        world.project.put("app/prod/db", {"url": url})
        sync("api", "--yes", others=True)
        assert first.poll() is None
        out, err = first.communicate(timeout=PATIENCE)
    assert first.returncode == 0, err
    assert_no_leak(out + err, world.hidden)
    assert world.kept("api")["undeployed"] is True
    world.railway.deploy_as("SUCCESS")
    sync("api", "--redeploy")
    assert len(world.railway.deployments("e-1", "s-1")) == 3
    assert world.kept("api")["undeployed"] is False


@pytest.mark.parametrize("target", ["web", "api"])
def test_a_target_that_has_somebody_else_s_variable_is_not_deployed(world: World, sync: Sync, target: str) -> None:
    world.put(target, "DATABASE_URL", "made by somebody")
    deployed = [len(world.vercel.deployments("prj_shop")), len(world.railway.deployments("e-1", "s-1"))]
    sync(target, "--yes", "--redeploy", status=10)
    assert [len(world.vercel.deployments("prj_shop")), len(world.railway.deployments("e-1", "s-1"))] == deployed
    assert world.kept(target)["undeployed"] is True


def audited(log: Path) -> list[tuple[str, str, str, str]]:
    """Target, name, change and outcome of every write and delete."""
    events = [json.loads(line) for line in log.read_text().splitlines()]
    keys = ("target", "name", "change", "outcome")
    return [tuple(each[key] for key in keys) for each in events if each["event"] in {"write", "delete"}]  # type: ignore[misc]  # four of them


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_of_an_interrupted_sync_only_the_target_that_hangs_is_unknown(
    world: World, sync: Sync, tmp_path: Path, signum: signal.Signals
) -> None:
    log = tmp_path / "audit.jsonl"
    world.railway.order(WRITING["api"], never)
    env = sync.env | {"CIPLUG_AUDIT": str(log)}
    with (
        nothing_left(world.project),
        started("sync", "--yes", env=env, cwd=world.project.directory) as process,
    ):
        eventually(lambda: world.railway.requests() and world.railway.requests()[-1].status == 0)
        eventually(lambda: world.stored["web"] == world.stored["jobs"] == world.wanted)
        eventually(lambda: not any((world.ledger(each) or {"holder": "?"})["holder"] for each in ("web", "jobs")))
        process.send_signal(signum)
        out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 10
    shown = err.decode()
    assert b"Traceback" not in err
    assert_no_leak(out + err, world.hidden)
    for target in ("web", "jobs"):
        assert f"{target}: 2 done (DATABASE_URL, STRIPE_SECRET_KEY)" in shown
        assert f"{target}: DATABASE_URL" not in shown
    unknown = [line for line in shown.splitlines() if line.endswith(": nobody waited for the answer")]
    assert unknown == [f"ciplug: api: {name}: nobody waited for the answer" for name in sorted(world.wanted)]
    written = audited(log)
    assert sorted(written) == sorted(
        (target, name, "create", "failed" if target == "api" else "ok") for target in TARGETS for name in world.wanted
    )
    world.rewrite_ledger("api", until=0)
    sync("--yes")
    assert world.stored == dict.fromkeys(TARGETS, world.wanted)


PREVIEW = """
[targets.preview]
platform = "vercel"
environment = "prod"
token = "//common/vercel#token"
secrets = ["STRIPE_SECRET_KEY", "DATABASE_URL"]
options = {{ project = "prj_shop", team = "team_acme", target = "preview", api_url = "{url}" }}
"""


def test_a_target_that_waits_for_one_that_hangs_is_known_to_be_untouched(
    world: World, sync: Sync, tmp_path: Path
) -> None:
    log = tmp_path / "audit.jsonl"
    world.project.append(PREVIEW.format(url=world.vercel.url))
    world.vercel.order(WRITING["web"], never)
    env = sync.env | {"CIPLUG_AUDIT": str(log)}
    with started("sync", "web", "preview", "--yes", env=env, cwd=world.project.directory) as process:
        eventually(lambda: world.vercel.requests() and world.vercel.requests()[-1].status == 0)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 10
    assert "preview: it was interrupted before anything was written" in err.decode()
    assert "preview: DATABASE_URL" not in err.decode()
    assert {target for target, *_ in audited(log)} == {"web"}
    assert world.ledger("preview") is None


@pytest.mark.parametrize("order", [("web", "preview"), ("preview", "web")])
def test_targets_that_share_a_record_end_right_in_one_run_and_the_audit_log_has_what_happened(
    world: World, sync: Sync, tmp_path: Path, order: tuple[str, str]
) -> None:
    log = tmp_path / "audit.jsonl"
    world.project.append(PREVIEW.format(url=world.vercel.url))
    world.vercel.add_variable("prj_shop", "DATABASE_URL", "by hand", target=("production", "preview"))
    done = sync(*order, "--yes", "--adopt", "DATABASE_URL", CIPLUG_AUDIT=str(log))
    held = {(each.key, each.target): each.value for each in world.vercel.variables("prj_shop")}
    assert held == {
        (name, (where,)): value for name, value in world.wanted.items() for where in ("production", "preview")
    }
    written = {(target, name): (change, outcome) for target, name, change, outcome in audited(log)}
    assert written.keys() == {(target, name) for target in order for name in world.wanted}
    assert written[order[0], "DATABASE_URL"] == ("replace", "ok")
    assert {outcome for _, outcome in written.values()} == {"ok"}
    assert all(f"{target}: 2 done (DATABASE_URL, STRIPE_SECRET_KEY)" in done.err for target in order)
    again = sync(*order)
    assert "nothing to do" in again.out


def test_a_place_that_changed_and_changed_back_is_owned_as_before(world: World, sync: Sync) -> None:
    world.railway.add_environment("e-2", project="p-1", services={"s-1": "api"}, name="staging")
    sync("api", "--yes")
    world.option("api", "environment", '"e-2"')
    sync("api", "--yes")
    assert world.railway.held("e-2", service="s-1") == world.wanted
    world.option("api", "environment", '"e-1"')
    back = sync("api", "--yes", "--prune")
    assert "nothing to do" in back.out
    world.listed("api", "STRIPE_SECRET_KEY")
    sync("api", "--yes", "--prune")
    assert set(world.stored["api"]) == {"STRIPE_SECRET_KEY"}
    assert world.railway.held("e-2", service="s-1") == world.wanted


def test_a_variable_made_while_the_write_is_refused_for_it_alone_is_theirs(world: World, sync: Sync) -> None:
    world.vercel.refuse("DATABASE_URL")
    sync("web", "--yes", status=10)
    world.vercel.accept("DATABASE_URL")
    world.put("web", "DATABASE_URL", "made by somebody")
    sync("web", "--yes", status=10)
    assert world.stored["web"]["DATABASE_URL"] == "made by somebody"


def test_the_answer_that_denies_a_write_that_was_carried_out_is_not_believed(world: World, sync: Sync) -> None:
    def denied(carried_out: object) -> Answer:
        carried_out()  # type: ignore[operator]  # it is one
        return Answer(status=403, body=b"{}")

    world.railway.order(WRITING["api"], denied)
    sync("api", "--yes", status=10)
    assert set(world.kept("api")["variables"]) == set(world.wanted)
    sync("api", "--yes")
    assert world.stored["api"] == world.wanted
