"""What a sync that only looks tells, and with which status; what programs and ``ciplug check`` are told of targets."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.e2e.outside import PATIENCE, command_line
from tests.e2e.steering import failing
from tests.e2e.sync_world import OWN, TARGETS, Sync
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from tests.e2e.conftest import MakesJobEnv, RunsCiplug
    from tests.e2e.sync_world import World

READING = {"web": "GET /v10/projects", "api": "isSealed", "jobs": "GET /v1/services"}
WRITING = {"web": "POST /v10/projects", "api": "variableCollectionUpsert", "jobs": "PUT /v1/services"}


@pytest.fixture
def sync(world: World, ciplug: RunsCiplug, job_env: MakesJobEnv) -> Sync:
    return Sync(world, ciplug, job_env("sync", environment="production"))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("how", ["--dry-run", "--check"])
def test_a_look_that_fails_is_shown_under_its_target_and_has_the_error_s_status(
    world: World, sync: Sync, target: str, how: str
) -> None:
    world.platforms[target].order(READING[target], failing(403))
    done = sync(how, status=9)
    sections = done.out.split(f"\n{target} (" if target != "web" else "web (")
    assert sections[1].splitlines()[1].startswith("  error: ")
    assert "4 to create, 1 target without a plan" in done.out
    assert done.last.startswith("ciplug: error: platform: ")
    world.platforms[target].order(READING[target], failing(403))
    shown = sync(how, "--format", "json", status=9).targets
    assert [error["cause"] for error in shown[target]["errors"]] == ["platform"]
    assert [each for each in TARGETS if shown[each]["errors"]] == [target]
    assert not any(world.stored.values())


def test_a_ledger_that_cannot_be_read_ends_a_look_with_its_own_status(world: World, sync: Sync) -> None:
    sync("api", "--yes")
    world.rewrite_ledger("api", seal="another")
    for how in ("--dry-run", "--check"):
        done = sync(how, status=10)
        assert "  error: the ledger was not written by ciplug" in done.out
        assert done.last.startswith("ciplug: error: ledger: ")


REFUSED = {"looking": READING, "writing": WRITING}


@pytest.mark.parametrize("targets", [("jobs",), TARGETS], ids=["one", "three"])
@pytest.mark.parametrize(("when", "status"), [("looking", 9), ("writing", 10)])
def test_the_status_says_whether_anything_was_written_to(
    world: World, sync: Sync, targets: tuple[str, ...], when: str, status: int
) -> None:
    for target in targets:
        world.platforms[target].order(REFUSED[when][target], failing(403))
    done = sync(*targets, "--yes", status=status)
    assert not any(world.stored.values())
    assert all(target in done.err for target in targets if len(targets) > 1)


def test_where_one_of_three_was_written_to_it_is_incomplete(world: World, sync: Sync) -> None:
    sync("web", "api", "--yes")
    world.render.order(READING["jobs"], failing(403))
    sync("--yes", status=9)
    world.remove("api", "DATABASE_URL")
    world.render.order(READING["jobs"], failing(403))
    sync("--yes", status=10)
    assert world.stored["api"] == world.wanted


WORDS = ("true", "null", "target", "create", "production", "changes", "apply", "done", "vercel", "not there yet")


def test_secrets_that_are_words_of_the_document_leave_it_whole(world: World, sync: Sync) -> None:
    names = [f"WORD_{index}" for index in range(len(WORDS))]
    world.declare("web", **dict(zip(names, WORDS, strict=True)))
    run = sync.ciplug("sync", "web", "--yes", "--format", "json", env=sync.env)
    assert run.returncode == 0, run.stderr
    assert_no_leak(run.stdout, [value for value in world.hidden if value not in WORDS])
    document = json.loads(run.stdout)
    [target] = document["targets"]
    assert (document["format"], document["mode"]) == (1, "apply")
    known = ("target", "platform", "environment", "place", "differs", "deployment")
    assert [target[key] for key in known] == ["web", "vercel", "prod", "vercel prj_shop production", True, None]
    assert [(each["kind"], each["outcome"]) for each in target["changes"]] == [("create", "done")] * (len(names) + 2)
    assert {each["name"] for each in target["changes"]} == {*OWN, *names}


def test_an_optional_secret_that_is_gone_from_the_vault_is_told_as_that(world: World, sync: Sync) -> None:
    world.declare("jobs", EXTRA="a-value-of-its-own")
    world.project.replace('ref = "more#EXTRA"', 'ref = "more#EXTRA"\noptional = true')
    sync("jobs", "--yes")
    del world.declared["EXTRA"]
    world.project.put("app/prod/more", {"other": "x"})
    kept = sync("jobs", "--yes")
    assert "- delete   EXTRA  the vault has no value for it; needs --prune" in kept.out
    assert "EXTRA" in world.stored["jobs"]
    sync("jobs", "--yes", "--prune")
    assert world.stored["jobs"] == world.wanted


WRONG = {
    "web": ("target", '"prod"'),
    "api": ("token_kind", '"personal"'),
    "jobs": ("api_url", '"http://render.example"'),
}


def test_check_names_the_line_of_every_target_with_wrong_options(world: World, sync: Sync) -> None:
    for target, (option, value) in WRONG.items():
        world.option(target, option, value)
    lines = world.project.manifest.read_text().splitlines()
    at = [number for number, line in enumerate(lines, 1) if line.startswith("options = ")]
    done = sync.ciplug("check", env=sync.env)
    assert done.returncode == 2
    for target, number in zip(WRONG, at, strict=True):
        assert f"ciplug.toml:{number}: targets.{target}.options: " in done.stderr.decode()
    told = json.loads(sync.ciplug("check", "--format", "json", env=sync.env).stdout)
    assert [(each["line"], each["key"]) for each in told["problems"]] == [
        (number, f"targets.{target}.options") for target, number in zip(WRONG, at, strict=True)
    ]
    assert world.asked == dict.fromkeys(TARGETS, 0)


def test_check_takes_the_options_that_a_sync_takes(world: World, sync: Sync) -> None:
    done = sync.ciplug("check")
    assert (done.returncode, done.stdout.endswith(b"3 targets\n")) == (0, True), done.stderr


@pytest.mark.parametrize("redirection", ["<&-", "</dev/null"])
def test_without_a_stdin_nobody_is_asked(world: World, redirection: str) -> None:
    world.project.replace('only_if = { ref = ["refs/heads/main"], environment = ["production"] }', "")
    token = world.project.admin.create_token(policies=["root"]).reveal().decode()
    done = subprocess.run(
        ["sh", "-c", f"exec {' '.join(command_line('sync'))} {redirection}"],
        cwd=world.project.directory,
        env={"PATH": os.environ["PATH"], "VAULT_TOKEN": token},
        capture_output=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 2
    assert b"nothing was written: changes want --yes where nobody can be asked" in done.stderr
    assert b"6 to create" in done.stdout
    assert_no_leak(done.stdout + done.stderr, [*world.hidden, token])
    assert not any(world.stored.values())
