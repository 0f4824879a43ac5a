"""Adapters that somebody else wrote: what they say, get wrong and break stays theirs, and shows no secret."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.e2e.sync_world import TARGETS, Done, Sync
from tests.e2e.third_party import third_party

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import MakesJobEnv, RunsCiplug
    from tests.e2e.sync_world import World


@pytest.fixture
def sync(world: World, ciplug: RunsCiplug, job_env: MakesJobEnv) -> Sync:
    env = job_env("sync", environment="production") | {"PYTHONPATH": str(world.project.directory)}
    return Sync(world, ciplug, env)


QUOTING = {
    "platform error": "raise PlatformError(f'it has {list(batch.writes.values())[0].reveal().decode()} in it')",
    "result": "return [Result(name=n, problem='no ' + v.reveal().decode()) for n, v in batch.writes.items()]",
}


@pytest.mark.parametrize("case", QUOTING)
def test_a_secret_that_an_adapter_quotes_is_masked(world: World, sync: Sync, case: str) -> None:
    third_party(world, f"    def apply(self, batch):\n        {QUOTING[case]}\n")
    done = sync("other", "--yes", status=10)
    assert "***" in done.err
    assert "***" in done.page.replace("&#42;", "*")
    assert "2 to create" in done.out
    documented = sync("other", "--yes", "--format", "json", status=10)
    assert "***" in documented.out


def test_an_adapter_that_answers_less_than_it_was_asked_is_noticed(world: World, sync: Sync) -> None:
    third_party(world, "    def apply(self, batch):\n        return []\n")
    done = sync("other", "--yes", status=10)
    assert "other: DATABASE_URL: no answer has said that it was done" in done.err


def test_an_adapter_that_tells_of_what_it_was_not_asked_for_is_named(world: World, sync: Sync) -> None:
    third_party(world, "    def apply(self, batch):\n        yield Result(name='SOMEBODY_S')\n")
    done = sync("other", "--yes", status=10)
    assert "its adapter tells of SOMEBODY_S, which it was not asked for" in done.err
    assert world.kept("other")["variables"] == {}


def test_a_platform_s_own_words_are_no_command_and_no_line_of_their_own(world: World, sync: Sync) -> None:
    third_party(world, "    def problems(self, wanted, held):\n        return ['it is wrong\\n::warning::look here']\n")
    done = sync("other", "--dry-run")
    assert not [line for line in done.out.splitlines() if line.startswith("::")]
    assert "  refused: it is wrong ::warning::look here" in done.out


BUGS = {
    "ValueError": "raise ValueError(batch.writes['DATABASE_URL'].reveal())",
    "RecursionError": "return self.apply(batch)",
    "SystemExit": "raise SystemExit(0)",
    "KeyError": "return {}[batch.writes['DATABASE_URL'].reveal()]",
}


def audited(log: Path) -> set[tuple[str, str, str]]:
    """Target, name and outcome of every write."""
    events = (json.loads(line) for line in log.read_text().splitlines())
    return {(each["target"], each["name"], each["outcome"]) for each in events if each["event"] == "write"}


def others_done(world: World, done: Done) -> None:
    """Every target but ``other`` is as it is to be, and told of."""
    assert world.stored == dict.fromkeys(TARGETS, world.wanted)
    assert all(f"{target}: 2 done (DATABASE_URL, STRIPE_SECRET_KEY)" in done.err for target in TARGETS)
    assert not [target for target in TARGETS if f"{target}: DATABASE_URL: " in done.err]


@pytest.mark.parametrize("bug", BUGS)
def test_a_bug_while_it_writes_is_its_target_s_own_outcome_and_is_audited(
    world: World, sync: Sync, tmp_path: Path, bug: str
) -> None:
    log = tmp_path / "audit.jsonl"
    third_party(world, f"    def apply(self, batch):\n        {BUGS[bug]}\n")
    done = sync("--yes", status=10, CIPLUG_AUDIT=str(log))
    others_done(world, done)
    assert re.search(rf"other: a fault in ciplug_other\.py:\d+: {bug}$", done.err, re.MULTILINE)
    assert "other: DATABASE_URL: it may have been written" in done.err
    assert audited(log) == {
        (target, name, "failed" if target == "other" else "ok")
        for target in (*TARGETS, "other")
        for name in world.wanted
    }
    assert {each["pending"] for each in world.kept("other")["variables"].values()} == {"create"}
    assert (world.ledger("other") or {})["holder"] == ""


@pytest.mark.parametrize("bug", ["raise ValueError(str(self.held))", "return self.read()", "raise SystemExit(0)"])
def test_a_bug_while_it_looks_is_its_target_s_own_outcome(world: World, sync: Sync, bug: str) -> None:
    third_party(world, f"    def read(self):\n        {bug}\n")
    done = sync("--yes", status=10)
    others_done(world, done)
    assert "other: a fault in ciplug_other.py:" in done.err
    assert world.ledger("other") is None


@pytest.mark.parametrize("how", ["raise ValueError()", "raise SystemExit(0)", "return []", "return None"])
def test_a_redeploy_that_breaks_is_its_target_s_own_outcome(world: World, sync: Sync, how: str) -> None:
    third_party(world, f"    def redeploy(self):\n        {how}\n")
    done = sync("other", "web", "--yes", "--redeploy", status=10)
    assert len(world.vercel.deployments("prj_shop")) == 2
    assert "ciplug: error: sync: other: " in done.last
    assert world.kept("other")["undeployed"] is True
    assert world.kept("web")["undeployed"] is False


NUMBERS = """
    def _numbered(self):
        return [Variable(name=name, id=number, stamp=7.5) for number, name in enumerate(self.held)]

    def read(self):
        return self._numbered()

    def apply(self, batch):
        self.held |= batch.writes
        return [Result(name=each.name, seen=each) for each in self._numbered() if each.name in batch.writes]
"""


def test_ids_and_stamps_that_are_numbers_do_not_spoil_the_ledger(world: World, sync: Sync) -> None:
    third_party(world, NUMBERS)
    sync("other", "--yes")
    kept = world.kept("other")["variables"].values()
    assert {(type(each["id"]), each["stamp"]) for each in kept} == {(str, "7.5")}
    again = sync("other", "--dry-run")
    assert again.out.count("it was removed on the platform") == 2
