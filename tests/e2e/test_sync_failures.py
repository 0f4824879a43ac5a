"""A sync that meets trouble: what is told, what is done all the same, and that the next one finishes it."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ciplug.standins.issuer import Behaviour
from ciplug.standins.loopback import Answer
from tests.e2e.outside import PATIENCE, command_line, eventually, started
from tests.e2e.steering import Gate, cut, failing, lost
from tests.e2e.sync_world import TARGETS, Sync
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.conftest import MakesJobEnv, RunsCiplug
    from tests.e2e.sync_world import World

WRITING = {"web": "POST /v10/projects", "api": "variableCollectionUpsert", "jobs": "PUT /v1/services"}
READING = {"web": "GET /v10/projects", "api": "isSealed", "jobs": "GET /v1/services"}


@pytest.fixture
def sync(world: World, ciplug: RunsCiplug, job_env: MakesJobEnv) -> Sync:
    return Sync(world, ciplug, job_env("sync", environment="production"))


def revoke_token(world: World, target: str) -> None:
    if target == "web":
        world.project.put("common/vercel", {"token": "vcp_somebody_elses"})
    elif target == "api":
        world.railway.revoke_token(world.tokens["railway"])
    else:
        world.render.revoke_token(world.tokens["render"])


DEAD = {
    "web": "the token is not valid, or may not do this",
    "api": "the token is not valid",
    "jobs": "the token is not",
}


@pytest.mark.parametrize("target", TARGETS)
def test_a_wrong_token_is_the_platform_s_own_error_and_stops_no_other_target(
    world: World, sync: Sync, target: str
) -> None:
    revoke_token(world, target)
    done = sync(target, "--yes", status=9)
    assert done.last.startswith("ciplug: error: platform: ")
    assert DEAD[target] in done.last
    everything = sync("--yes", status=10)
    assert everything.last.startswith(f"ciplug: error: sync: {target}: ")
    assert f"\n{target} (" in f"\n{everything.out}"
    assert "4 to create, 1 target without a plan" in everything.out
    assert world.stored == {each: {} if each == target else world.wanted for each in TARGETS}


NOWHERE = {
    "web": ("project", '"prj_elsewhere"', "the project is not there"),
    "api": ("environment", '"e-2"', "or they are not there"),
    "jobs": ("service", '"srv-elsewhere"', "service srv-elsewhere is not there"),
}


@pytest.mark.parametrize("target", TARGETS)
def test_a_place_that_is_not_there_is_told_with_what_to_check(world: World, sync: Sync, target: str) -> None:
    option, value, words = NOWHERE[target]
    world.option(target, option, value)
    done = sync(target, "--yes", status=9)
    assert words in done.last
    assert "Next: check the " in done.last


def test_a_project_that_moved_to_another_team_is_not_found(world: World, sync: Sync) -> None:
    sync("web", "--yes")
    world.vercel.transfer("prj_shop", ended=True)
    done = sync("web", "--yes", status=9)
    assert "the project is not there, or the token cannot see it (404, NOT_FOUND)" in done.last


def test_another_place_has_nothing_that_is_owned(world: World, sync: Sync) -> None:
    sync("api", "--yes")
    world.railway.add_environment("e-2", project="p-1", services={"s-1": "api"}, name="staging")
    world.railway.put("e-2", {"DATABASE_URL": "made by somebody"}, service="s-1")
    world.option("api", "environment", '"e-2"')
    done = sync("api", "--yes", "--prune", status=10)
    assert "needs --adopt DATABASE_URL" in done.out
    assert world.railway.held("e-2", service="s-1")["DATABASE_URL"] == "made by somebody"


def refuse(world: World, target: str, name: str) -> str:
    """Have the platform refuse `name` in an answer that quotes the value; what is to be told of that."""
    if target == "web":
        world.vercel.refuse(name, quotes_value=True)
        return "the value is not allowed (INVALID_VALUE)"
    world.railway.refuse_variable(name, f"cannot take {world.wanted[name]} there")
    return "it was refused, for a reason that is not shown because it may quote a value"


@pytest.mark.parametrize("target", ["web", "api"])
def test_a_value_that_is_refused_is_named_with_the_vendor_s_code_and_the_rest_is_written(
    world: World, sync: Sync, target: str
) -> None:
    words = refuse(world, target, "DATABASE_URL")
    done = sync(target, "--yes", status=10)
    assert f"{target}: DATABASE_URL: {words}" in done.last
    assert f"{target}: 1 done (STRIPE_SECRET_KEY); 1 not" in done.err
    assert f"| create | not there yet | {words.replace('_', '&#95;')} |" in done.page
    assert world.stored[target] == {"STRIPE_SECRET_KEY": world.wanted["STRIPE_SECRET_KEY"]}
    world.vercel.accept("DATABASE_URL")
    world.railway.accept_variables()
    sync(target, "--yes")
    assert world.stored[target] == world.wanted


def test_a_refusal_that_quotes_everything_is_told_in_our_own_words(world: World, sync: Sync) -> None:
    quoted = "; ".join(world.wanted.values()).encode()
    world.render.order(WRITING["jobs"], lambda _carried_out: Answer(status=400, body=b'{"message": "%s"}' % quoted))
    done = sync("jobs", "--yes", status=10)
    assert "writing the variables of service" in done.err
    assert "(status 400)" in done.err
    sync("jobs", "--yes")
    assert world.stored["jobs"] == world.wanted


@pytest.mark.parametrize("target", TARGETS)
def test_a_write_that_is_swallowed_is_noticed(world: World, sync: Sync, target: str) -> None:
    if target == "web":
        world.vercel.order(
            WRITING["web"], lambda _carried_out: Answer(status=201, body=b'{"created": [], "failed": []}')
        )
    world.railway.ignore_variable("DATABASE_URL")
    world.render.swallow(world.service, "DATABASE_URL")
    done = sync(target, "--yes", status=10)
    assert f"{target}: DATABASE_URL: " in done.last + done.err
    world.railway.accept_variables()
    if target != "jobs":
        sync(target, "--yes")
        assert world.stored[target] == world.wanted


ONCE = {"503": failing(503), "429": failing(429, Retry_After="0"), "lost": lost, "cut": cut}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("fault", ONCE)
def test_what_passes_delays_and_loses_nothing(world: World, sync: Sync, target: str, fault: str) -> None:
    world.platforms[target].order(READING[target], ONCE[fault])
    world.platforms[target].order(WRITING[target], ONCE[fault])
    done = sync(target, "--yes")
    assert world.stored[target] == world.wanted
    assert target == "jobs" or "; trying again" in done.err
    sync(target, "--check")


@pytest.mark.parametrize("target", TARGETS)
def test_a_rate_limit_longer_than_the_deadline_is_told_at_once(world: World, sync: Sync, target: str) -> None:
    world.platforms[target].order(READING[target], failing(429, Retry_After="60"))
    began = time.monotonic()
    done = sync(target, "--yes", "--deadline", "20", status=9)
    assert "answered 429 (it asks to wait 60 s, and only" in done.last
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("target", TARGETS)
def test_a_platform_that_stays_down_ends_with_the_deadline(world: World, sync: Sync, target: str) -> None:
    world.platforms[target].fail_next(503, times=1000)
    began = time.monotonic()
    done = sync(target, "--yes", "--deadline", "1", status=9)
    assert "answered 503; trying again for up to 1 s" in done.err
    assert done.last.startswith("ciplug: error: unanswered: ")
    assert time.monotonic() - began < 10


DELETING = {"web": "DELETE /v1/projects", "api": "variableDelete", "jobs": WRITING["jobs"]}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("fault", ["refused", "down"])
def test_what_ends_it_between_two_requests_is_finished_by_the_next_run(
    world: World, sync: Sync, target: str, fault: str
) -> None:
    sync(target, "--yes")
    world.declare(target, A_NEW_ONE="a-value-of-its-own")
    world.listed(target, "STRIPE_SECRET_KEY", "A_NEW_ONE")
    for _ in range(1 if fault == "refused" else 60):
        world.platforms[target].order(DELETING[target], failing(403 if fault == "refused" else 503))
    done = sync(target, "--yes", "--prune", "--deadline", "1", status=10)
    assert done.page.count("no answer has said that it was done") == (1 if target == "web" else 2)
    assert target != "web" or "web: A_NEW_ONE: it was written, and not read back" in done.err
    assert "DATABASE_URL" in world.kept(target)["variables"]
    # What was certainly not carried out is known to be nobody's.
    assert ("A_NEW_ONE" in world.kept(target)["variables"]) is (target == "web" or fault == "down")
    world.platforms[target].forget_orders()
    sync(target, "--yes", "--prune")
    wanted = {"STRIPE_SECRET_KEY": world.wanted["STRIPE_SECRET_KEY"], "A_NEW_ONE": "a-value-of-its-own"}
    assert world.stored[target] == wanted
    sync(target, "--check")


DAMAGED = {
    "edited by hand": ({"places": "{}"}, "the ledger was not written by ciplug, or its key is another one"),
    "not sealed": ({"seal": None}, "the ledger is damaged"),
    "of another type": ({"format": "one"}, "the ledger is damaged"),
    "from a newer version": ({"format": 2}, "the ledger has format 2, which a newer ciplug wrote"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_ledger_that_cannot_be_read_stops_its_target_alone(world: World, sync: Sync, case: str) -> None:
    sync("api", "--yes")
    changes, words = DAMAGED[case]
    world.rewrite_ledger("api", **changes)
    before = world.ledger("api")
    done = sync("api", "--yes", status=10)
    assert f"ciplug: error: ledger: {words}" in done.last
    assert world.ledger("api") == before
    sync("api", "jobs", "--yes", status=10)
    assert world.stored["jobs"] == world.wanted


def test_after_its_ledger_was_removed_a_target_owns_nothing(world: World, sync: Sync) -> None:
    sync("jobs", "--yes")
    world.remove_ledger("jobs")
    done = sync("jobs", "--yes", status=10)
    assert "2 skipped for want of an option" in done.out


def test_a_key_that_was_damaged_is_told_without_it(world: World, sync: Sync) -> None:
    world.project.put("app/prod/.ciplug/.key", {"key": "a damaged key, quoted nowhere"})
    done = sync("api", "--yes", status=10)
    assert "app/prod/.ciplug/.key holds no key" in done.last
    assert "quoted nowhere" not in done.out + done.err + done.page


@contextmanager
def at_work(world: World, sync: Sync, target: str) -> Iterator[tuple[subprocess.Popen[bytes], Gate]]:
    """A sync whose write has been carried out, and is answered once the gate is free."""
    gate = Gate()
    world.platforms[target].order(WRITING[target], gate)
    with started("sync", target, "--yes", env=sync.env, cwd=world.project.directory) as process:
        try:
            assert gate.reached.wait(PATIENCE)
            yield process, gate
        finally:
            gate.free.set()


def test_a_second_sync_stops_and_names_the_first(world: World, sync: Sync) -> None:
    with at_work(world, sync, "api") as (first, gate):
        second = sync("api", "--yes", status=10, others=True)
        assert "another sync is at work here: GitHub Actions 17011/1" in second.last
        assert "Next: wait for it; if it has crashed, this is free again in 1" in second.last
        gate.free.set()
        assert first.wait(PATIENCE) == 0
    assert world.stored["api"] == world.wanted


def test_after_a_kill_the_next_run_after_the_hold_converges(world: World, sync: Sync) -> None:
    with at_work(world, sync, "api") as (first, gate):
        first.send_signal(signal.SIGKILL)
        first.wait(PATIENCE)
        gate.free.set()
    sync("api", "--yes", status=10)
    world.rewrite_ledger("api", until=time.time() - 1)
    done = sync("api", "--yes", "--redeploy")
    assert world.stored["api"] == world.wanted
    assert (world.ledger("api") or {})["holder"] == ""
    assert "needs --adopt" not in done.out
    assert len(world.railway.deployments("e-1", "s-1")) == 2


def test_somebody_who_takes_the_ledger_meanwhile_is_told_and_converged_with(world: World, sync: Sync) -> None:
    with at_work(world, sync, "api") as (first, gate):
        world.rewrite_ledger("api", holder="somebody else")
        gate.free.set()
        _, err = first.communicate(timeout=PATIENCE)
        assert first.returncode == 10
    assert b"another sync has changed the ledger meanwhile" in err
    world.rewrite_ledger("api", until=0)
    sync("api", "--yes")
    assert world.stored["api"] == world.wanted


def test_an_id_token_that_is_rejected_ends_6_before_any_platform_is_asked(
    world: World, sync: Sync, job_env: MakesJobEnv
) -> None:
    done = Sync(world, sync.ciplug, job_env("sync", environment="staging"))("--yes", status=3)
    assert "environment" in done.last
    world.project.replace_unapplied(', environment = ["production"] }', " }")
    done = Sync(world, sync.ciplug, job_env("sync", environment="staging"))("--yes", status=6)
    assert done.last.startswith("ciplug: error: login-rejected: ")
    assert world.asked == dict.fromkeys(TARGETS, 0)


def test_a_host_that_gives_no_id_token_ends_3(world: World, sync: Sync, job_env: MakesJobEnv) -> None:
    env = job_env("sync", behaviour=Behaviour(then="no-value"), environment="production")
    Sync(world, sync.ciplug, env)("--yes", status=3)
    assert world.asked == dict.fromkeys(TARGETS, 0)


def test_a_secret_that_is_missing_ends_7_before_any_platform_is_asked(world: World, sync: Sync) -> None:
    world.project.append('\n[secrets.GAP]\nref = "db#gap"\n')
    world.listed("jobs", "DATABASE_URL", "GAP")
    done = sync("--yes", status=7)
    assert done.last.startswith("ciplug: error: missing: ")
    assert world.asked == dict.fromkeys(TARGETS, 0)


def test_a_vault_that_is_down_ends_5(world: World, sync: Sync) -> None:
    sync("--yes", status=5, VAULT_ADDR="http://127.0.0.1:1", CIPLUG_DEADLINE="0.5")
    assert world.asked == dict.fromkeys(TARGETS, 0)


def test_a_platform_that_nobody_has_an_adapter_for_ends_2(world: World, sync: Sync) -> None:
    world.project.replace('platform = "render"', 'platform = "heroku"')
    done = sync("--yes", status=2)
    assert "no adapter" in done.last
    assert world.asked == dict.fromkeys(TARGETS, 0)


@pytest.mark.parametrize("args", [("--dry-run",), ("--yes",)])
def test_without_anybody_to_read_the_plan_nothing_is_written(world: World, sync: Sync, args: tuple[str, ...]) -> None:
    with Path("/dev/full").open("wb") as full:
        run = started("sync", *args, env=sync.env, cwd=world.project.directory, stdout=full)
        with run as process:
            _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 8
    assert b"the output could not be written" in err
    assert not any(world.stored.values())
    assert_no_leak(err, world.hidden)
    eventually(lambda: world.ledger("web") is None)


def test_a_reader_that_went_away_ends_it_before_the_first_write(world: World, sync: Sync) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with started("sync", "--yes", env=sync.env, cwd=world.project.directory, stdout=writing) as process:
        os.close(writing)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 8
    assert not any(world.stored.values())
    assert b"Traceback" not in err


def test_a_summary_page_that_cannot_be_written_is_only_a_warning(world: World, sync: Sync) -> None:
    done = sync("api", "--yes", GITHUB_STEP_SUMMARY="/no/such/file")
    assert "warning: the file of GITHUB_STEP_SUMMARY cannot be written" in done.err
    assert world.stored["api"] == world.wanted


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&- <&-"])
def test_streams_that_are_closed_make_no_mess(world: World, sync: Sync, closed: str) -> None:
    line = f"exec {shlex.join(command_line('sync', '--yes'))} {closed}"
    env = {"PATH": os.environ["PATH"]} | sync.env
    done = subprocess.run(
        ["sh", "-c", line], cwd=world.project.directory, env=env, capture_output=True, timeout=PATIENCE
    )
    assert_no_leak(done.stdout + done.stderr, world.hidden)
    assert b"Traceback" not in done.stderr
    assert (done.returncode, any(world.stored.values())) in {(0, True), (8, False)}
    assert (world.ledger("web") is None) is (done.returncode == 8)
