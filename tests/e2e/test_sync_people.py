"""A sync that a person runs: asked on a terminal, ended by Ctrl-C, with a vault login of their own."""

from __future__ import annotations

import os
import pty
import select
import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.e2e.outside import PATIENCE, eventually, nothing_left, started
from tests.e2e.steering import Gate, never
from tests.e2e.sync_world import TARGETS, Sync
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping

    from tests.e2e.conftest import MakesJobEnv, RunsCiplug
    from tests.e2e.sync_world import World

READING = {"web": "GET /v10/projects", "api": "isSealed", "jobs": "GET /v1/services"}
WRITING = {"web": "POST /v10/projects", "api": "variableCollectionUpsert", "jobs": "PUT /v1/services"}


@pytest.fixture
def sync(world: World, ciplug: RunsCiplug, job_env: MakesJobEnv) -> Sync:
    return Sync(world, ciplug, job_env("sync", environment="production"))


@pytest.fixture
def person(world: World) -> Iterator[dict[str, str]]:
    """The environment of a person who has logged in to the vault, and whose login is alive afterwards."""
    # A person has no claims that an environment may be limited to.
    world.project.replace('only_if = { ref = ["refs/heads/main"], environment = ["production"] }', "")
    token = world.project.admin.create_token(policies=["root"]).reveal().decode()
    before = set(world.project.admin.accessors())
    yield {"VAULT_TOKEN": token}
    eventually(lambda: set(world.project.admin.accessors()) == before)


class Terminal:
    """The person's end of the terminal of one ciplug."""

    def __init__(self, process: subprocess.Popen[bytes], descriptor: int) -> None:
        self.process = process
        self._descriptor = descriptor
        self.seen = b""

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def expect(self, text: str) -> None:
        """Read until `text` has come."""
        until = time.monotonic() + PATIENCE
        while text.encode() not in self.seen:
            ready, _, _ = select.select([self._descriptor], [], [], max(0.0, until - time.monotonic()))
            assert ready, f"{text!r} did not come; seen: {self.seen!r}"
            self.seen += os.read(self._descriptor, 65536)

    def end(self) -> int:
        """The exit status, once all that it writes is read."""
        until = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < until, self.seen
            ready, _, _ = select.select([self._descriptor], [], [], 0.02)
            self.seen += os.read(self._descriptor, 65536) if ready else b""
        while select.select([self._descriptor], [], [], 0)[0]:
            self.seen += os.read(self._descriptor, 65536)
        return self.process.returncode


@contextmanager
def terminal(world: World, env: Mapping[str, str], *args: str) -> Iterator[Terminal]:
    """``ciplug sync`` on a terminal; nothing that shows on it is a secret."""
    outer, inner = pty.openpty()
    try:
        with (
            started(
                "sync", *args, env=env, cwd=world.project.directory, stdin=inner, stdout=inner, stderr=inner
            ) as process,
        ):
            shown = Terminal(process, outer)
            yield shown
        assert b"Traceback" not in shown.seen
        assert_no_leak(shown.seen, [*world.hidden, *env.values()])
    finally:
        os.close(outer)
        os.close(inner)


def test_a_person_is_asked_and_their_login_stays(world: World, person: dict[str, str]) -> None:
    with terminal(world, person) as shown:
        shown.expect("6 to create - do it? [y/N]: ")
        assert not any(world.stored.values())
        shown.type("y\n")
        assert shown.end() == 0
    assert world.stored == dict.fromkeys(TARGETS, world.wanted)
    assert b"web: 2 done" in shown.seen


@pytest.mark.parametrize("answer", ["\n", "whatever\nn\n"])
def test_whoever_does_not_agree_gets_nothing_written(world: World, person: dict[str, str], answer: str) -> None:
    with terminal(world, person) as shown:
        shown.expect("do it? [y/N]: ")
        shown.type(answer)
        assert shown.end() == 10
    assert b"nothing was written, as you wish" in shown.seen
    assert not any(world.stored.values())
    assert world.ledger("web") is None


def test_a_change_since_the_plan_was_shown_stops_it(world: World, person: dict[str, str]) -> None:
    with terminal(world, person) as shown:
        shown.expect("do it? [y/N]: ")
        world.put("jobs", "DATABASE_URL", "made by somebody")
        shown.type("y\n")
        assert shown.end() == 10
    assert b"nothing was written: there was a change since the plan was shown" in shown.seen
    assert world.stored == {"web": {}, "api": {}, "jobs": {"DATABASE_URL": "made by somebody"}}


def test_nobody_is_asked_where_nothing_differs(world: World, person: dict[str, str]) -> None:
    with terminal(world, person, "--yes") as shown:
        assert shown.end() == 0
    with terminal(world, person) as again:
        assert again.end() == 0
    assert b"do it?" not in again.seen
    assert b"nothing to do" in again.seen


def test_a_program_is_not_asked_even_on_a_terminal(world: World, person: dict[str, str]) -> None:
    with terminal(world, person, "web", "--format", "json") as shown:
        assert shown.end() == 2
    assert b"changes want --yes where nobody can be asked" in shown.seen
    assert not any(world.stored.values())


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_at_the_question_ends_it(world: World, person: dict[str, str], signum: signal.Signals) -> None:
    with terminal(world, person) as shown:
        shown.expect("do it? [y/N]: ")
        shown.process.send_signal(signum)
        assert shown.end() == 128 + signum
    assert not any(world.stored.values())


def test_every_ctrl_c_at_the_question_is_heard_however_early_it_comes(world: World, person: dict[str, str]) -> None:
    for _ in range(8):
        with terminal(world, person, "web") as shown:
            shown.expect("do it?")
            shown.process.send_signal(signal.SIGINT)
            assert shown.end() == 130
    assert not any(world.stored.values())


def test_ctrl_d_at_the_question_ends_it(world: World, person: dict[str, str]) -> None:
    with terminal(world, person) as shown:
        shown.expect("do it? [y/N]: ")
        shown.type("\x04")
        assert shown.end() == 10
    assert b"nothing was written, as you wish" in shown.seen
    assert not any(world.stored.values())


def test_in_ci_nobody_is_asked_even_on_a_terminal(world: World, sync: Sync) -> None:
    with nothing_left(world.project), terminal(world, sync.env) as shown:
        assert shown.end() == 2
    assert b"changes want --yes where nobody can be asked" in shown.seen
    assert not any(world.stored.values())


def test_the_redeploys_have_a_bar_on_a_terminal(world: World, person: dict[str, str]) -> None:
    with terminal(world, person, "web", "--yes", "--redeploy") as shown:
        assert shown.end() == 0
    assert b"redeploying" in shown.seen
    assert b"100%" in shown.seen
    assert world.kept("web")["undeployed"] is False


@pytest.mark.parametrize("where", ["expired", "limited"])
def test_a_person_whose_login_is_not_enough_is_refused_before_any_platform_is_asked(
    world: World, ciplug: RunsCiplug, where: str
) -> None:
    limited = world.project.admin.create_token(policies=["default"]).reveal().decode()
    token = limited if where == "limited" else "hvs.notatoken"
    world.project.replace('only_if = { ref = ["refs/heads/main"], environment = ["production"] }', "")
    done = ciplug("sync", "--yes", env={"VAULT_TOKEN": token})
    assert done.returncode == 6, done.stderr
    assert world.asked == dict.fromkeys(TARGETS, 0)
    assert_no_leak(done.stdout + done.stderr, [*world.hidden, token])


@contextmanager
def held(
    world: World, sync: Sync, target: str, mark: str, *args: str
) -> Iterator[tuple[subprocess.Popen[bytes], Gate]]:
    """A sync one of whose requests has been carried out, and is answered once the gate is free."""
    gate = Gate()
    world.platforms[target].order(mark, gate)
    with (
        nothing_left(world.project),
        started("sync", *args, env=sync.env, cwd=world.project.directory) as process,
    ):
        try:
            assert gate.reached.wait(PATIENCE)
            yield process, gate
        finally:
            gate.free.set()


def ended(process: subprocess.Popen[bytes], world: World) -> tuple[int, str]:
    out, err = process.communicate(timeout=PATIENCE)
    assert b"Traceback" not in err
    assert_no_leak(out + err, world.hidden)
    return process.returncode, err.decode()


@pytest.mark.parametrize(
    ("target", "signum"), [("web", signal.SIGINT), ("api", signal.SIGTERM), ("jobs", signal.SIGINT)]
)
def test_a_signal_while_it_looks_ends_it_with_nothing_written(
    world: World, sync: Sync, target: str, signum: signal.Signals
) -> None:
    with held(world, sync, target, READING[target], "--yes") as (process, gate):
        process.send_signal(signum)
        gate.free.set()
        status, err = ended(process, world)
    assert status == 128 + signum
    assert f"ciplug: error: interrupted: {signum.name}" in err
    assert not any(world.stored.values())


@pytest.mark.parametrize(("target", "signum"), [("web", signal.SIGINT), ("api", signal.SIGTERM)])
def test_a_signal_between_two_requests_names_what_is_done_and_what_is_not(
    world: World, sync: Sync, target: str, signum: signal.Signals
) -> None:
    sync(target, "--yes")
    world.declare(target, A_NEW_ONE="a-value-of-its-own")
    world.listed(target, "STRIPE_SECRET_KEY", "A_NEW_ONE")
    with held(world, sync, target, WRITING[target], target, "--yes", "--prune") as (process, gate):
        process.send_signal(signum)
        time.sleep(0.4)  # it looks for signals again and again, and shows nothing of it
        gate.free.set()
        status, err = ended(process, world)
    assert status == 10, err
    assert f"{target}: A_NEW_ONE: it was written, and not read back" in err
    assert target == "api" or "web: DATABASE_URL: no answer has said that it was done" in err
    assert {"DATABASE_URL", "A_NEW_ONE"} >= set(world.stored[target]) - {"STRIPE_SECRET_KEY"}
    sync(target, "--yes", "--prune")
    assert set(world.stored[target]) == {"STRIPE_SECRET_KEY", "A_NEW_ONE"}
    sync(target, "--check")


def test_a_request_that_never_ends_is_left_after_some_seconds_and_its_outcome_is_told_as_unknown(
    world: World, sync: Sync
) -> None:
    world.railway.order(WRITING["api"], never)
    with nothing_left(world.project):
        run = started("sync", "api", "--yes", env=sync.env, cwd=world.project.directory)
        with run as process:
            eventually(lambda: world.railway.requests() and world.railway.requests()[-1].status == 0)
            process.send_signal(signal.SIGINT)
            status, err = ended(process, world)
    assert status == 10
    assert "api: it was interrupted while a request was under way" in err.replace("error: sync: ", "api: ")
    world.rewrite_ledger("api", until=0)
    sync("api", "--yes")
    assert world.stored["api"] == world.wanted


def test_a_signal_while_it_waits_for_a_deployment_ends_it_and_the_next_run_deploys_again(
    world: World, sync: Sync
) -> None:
    world.railway.deploy_as("SUCCESS", lasts=600)
    command = ("sync", "api", "--yes", "--redeploy")
    with nothing_left(world.project), started(*command, env=sync.env, cwd=world.project.directory) as process:
        eventually(lambda: len(world.railway.deployments("e-1", "s-1")) == 2)
        process.send_signal(signal.SIGINT)
        status, err = ended(process, world)
    assert status in {10, 130}, err
    assert world.kept("api")["undeployed"] is True
    assert (world.ledger("api") or {})["holder"] == ""
    world.railway.deploy_as("SUCCESS")
    sync("api", "--redeploy")
    assert len(world.railway.deployments("e-1", "s-1")) == 3
