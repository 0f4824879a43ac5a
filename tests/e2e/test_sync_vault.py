"""What a sync needs of the vault and leaves there: its ledger, its rights, its sessions and its audit log."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.steering import failing
from tests.e2e.sync_world import OWN, TARGETS, Sync
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import MakesJobEnv, RunsCiplug
    from tests.e2e.project import Project
    from tests.e2e.sync_world import World


@pytest.fixture
def sync(world: World, ciplug: RunsCiplug, job_env: MakesJobEnv) -> Sync:
    return Sync(world, ciplug, job_env("sync", environment="production"))


def ledger(world: World, target: str) -> dict[str, Any]:
    return dict(world.ledger(target) or {}) | world.kept(target)


def test_the_ledger_has_names_and_fingerprints_and_no_value(world: World, sync: Sync) -> None:
    sync("--yes")
    found = {target: ledger(world, target) for target in TARGETS}
    for target in TARGETS:
        assert (found[target]["format"], found[target]["holder"], found[target]["until"]) == (1, "", 0)
        assert found[target]["undeployed"] is True
        assert set(found[target]["variables"]) == set(OWN)
        assert_no_leak(json.dumps(found[target]), world.hidden)
    prints = [each["fingerprint"] for target in TARGETS for each in found[target]["variables"].values()]
    assert len(set(prints)) == 6
    assert not {hashlib.sha256(value.encode()).hexdigest() for value in world.hidden} & set(prints)
    assert list(json.loads(found["api"]["places"])) == ["railway p-1 e-1 service=s-1"]


def test_the_ledger_knows_what_may_have_been_written_before_it_is(world: World, sync: Sync) -> None:
    seen: list[dict[str, Any]] = []
    refused = failing(403)

    def look(carried_out: object) -> object:
        seen.append(ledger(world, "api"))
        return refused(carried_out)  # type: ignore[arg-type]  # not used

    world.railway.order("variableCollectionUpsert", look)  # type: ignore[arg-type]  # as above
    sync("api", "--yes", status=10)
    assert set(seen[0]["variables"]) == set(OWN)
    assert seen[0]["holder"].startswith("GitHub Actions 17011/1, ")
    assert {each["pending"] for each in seen[0]["variables"].values()} == {"create"}
    assert ledger(world, "api")["holder"] == ""
    sync("api", "--yes")
    assert world.stored["api"] == world.wanted


NO_RIGHT = "no ledger: the vault's role does not allow create, read, update on "


@pytest.mark.parametrize("target", TARGETS)
def test_without_the_right_to_a_ledger_what_is_there_is_foreign_unless_it_is_right(
    world: World, sync: Sync, target: str
) -> None:
    world.close_ledger(target)
    done = sync(target, "--yes")
    assert NO_RIGHT in done.out
    assert "nothing is pruned and drift of values that cannot be read is not seen" in done.out
    assert world.stored[target] == world.wanted
    assert world.ledger(target) is world.ledger(".key") is None
    again = sync(target, "--yes", status=10 if target == "web" else 0)
    assert ("needs --adopt" in again.out) is (target == "web")
    url = world.declared["new"] = "postgres://prod:another-password@db.prod/shop"
    world.project.put("app/prod/db", {"url": url})
    foreign = sync(target, "--yes", status=10)
    assert "it exists, and ciplug cannot know whether it made it; needs --adopt DATABASE_URL" in foreign.out
    assert world.stored[target]["DATABASE_URL"] != url
    sync(target, "--yes", "--adopt", "DATABASE_URL", "--adopt", "STRIPE_SECRET_KEY")
    assert world.stored[target]["DATABASE_URL"] == url


def test_without_a_ledger_nothing_is_pruned(world: World, sync: Sync) -> None:
    world.close_ledger("jobs")
    sync("jobs", "--yes")
    world.listed("jobs", "DATABASE_URL")
    world.close_ledger("jobs")
    sync("jobs", "--yes", "--prune")
    assert world.stored["jobs"] == world.wanted


def test_programs_are_told_why_there_is_no_ledger(world: World, sync: Sync) -> None:
    world.close_ledger("jobs")
    notes = sync("jobs", "--dry-run", "--format", "json").targets["jobs"]["notes"]
    assert notes[0].startswith(NO_RIGHT)
    assert f"{world.project.kv_mount}/data/app/prod/.ciplug/jobs" in notes[0]


def test_whoever_gets_the_right_later_owns_what_is_adopted(world: World, sync: Sync) -> None:
    world.close_ledger("jobs")
    sync("jobs", "--yes")
    world.project.apply()
    sync("jobs", "--yes", status=10)
    sync("jobs", "--yes", "--adopt", "DATABASE_URL", "--adopt", "STRIPE_SECRET_KEY")
    assert set(ledger(world, "jobs")["variables"]) == set(OWN)
    sync("jobs", "--check")


@pytest.fixture
def old_engine(world: World) -> str:
    """The same records in an engine of version 1, from which the project's manifest reads now."""
    project, mount = world.project, f"{world.project.kv_mount}-v1"
    project.admin.kv.mount(mount, version=1)
    values = project.values["prod"]
    records = {
        "app/prod/db": {"url": values["DATABASE_URL"]},
        "app/prod/stripe": {"secret_key": values["STRIPE_SECRET_KEY"]},
        **{f"common/{platform}": {"token": token} for platform, token in world.tokens.items()},
    }
    for path, data in records.items():
        project.admin.kv.write_v1(mount, path, data)
    project.replace(f'kv_mount = "{project.kv_mount}"', f'kv_mount = "{mount}"\nkv_version = 1')
    return mount


def test_an_engine_without_check_and_set_has_no_ledger(world: World, sync: Sync, old_engine: str) -> None:
    done = sync("--yes")
    assert f"no ledger: the engine at {old_engine} is KV v1, which has no check-and-set" in done.out
    assert world.stored == dict.fromkeys(TARGETS, world.wanted)
    again = sync("api", "jobs", "--yes")
    assert "nothing to do" in again.out
    world.put("jobs", "DATABASE_URL", "changed by somebody")
    sync("jobs", "--check", status=20)
    sync("jobs", "--yes", status=10)
    sync("jobs", "--yes", "--adopt", "DATABASE_URL")
    assert world.stored["jobs"] == world.wanted


def test_leased_secrets_are_refused_before_any_platform_is_asked(
    leased: Project, world: World, sync: Sync, tmp_path: Path
) -> None:
    world.listed("jobs", *OWN, "PG_USER", "PG_PASSWORD")
    done = sync("--yes", status=2)
    assert "target jobs: leased secrets stop working when this sync ends: PG_USER, PG_PASSWORD" in done.last
    assert world.asked == dict.fromkeys(TARGETS, 0)
    assert world.ledger("web") is None


def test_each_target_logs_in_with_a_role_of_its_own(world: World, sync: Sync) -> None:
    mark = world.project.bao.mark()
    sync("--yes")
    assert world.project.logins_since(mark) == 3
    world.project.replace_unapplied('platform = "render"', 'platform = "render"\nrole = "shop-nobody"')
    before = world.asked
    done = sync("--yes", status=6)
    assert "shop-nobody" in done.last
    assert world.asked == before


def audited(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_the_audit_log_has_every_variable_that_was_written_or_deleted(world: World, sync: Sync, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    sync("api", "--yes")
    world.declare("api", A_NEW_ONE="a-value-of-its-own")
    world.listed("api", "STRIPE_SECRET_KEY", "A_NEW_ONE")
    sync("api", "--yes", "--prune", CIPLUG_AUDIT=str(log))
    events = audited(log)
    assert [event["event"] for event in events] == ["login", *["read"] * 3, "write", "delete", "revoke"]
    assert {event["target"] for event in events[:-1]} == {"api"}
    assert {event["command"] for event in events} == {"sync"}
    for event, name, change in zip(events[4:6], ("A_NEW_ONE", "DATABASE_URL"), ("create", "delete"), strict=True):
        assert event["platform"] == "railway"
        assert event["place"] == "railway p-1 e-1 service=s-1"
        assert (event["name"], event["change"], event["outcome"]) == (name, change, "ok")
    assert_no_leak(log.read_bytes(), world.hidden)


def test_the_audit_log_says_what_failed(world: World, sync: Sync, tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    world.railway.refuse_variable("DATABASE_URL", f"cannot take {world.wanted['DATABASE_URL']}")
    sync("api", "--yes", status=10, CIPLUG_AUDIT=str(log))
    written = {event["name"]: event["outcome"] for event in audited(log) if event["event"] == "write"}
    assert written == {"DATABASE_URL": "failed", "STRIPE_SECRET_KEY": "ok"}
    assert_no_leak(log.read_bytes(), world.hidden)


@pytest.mark.parametrize("args", [("--dry-run",), ()], ids=["dry run", "refused"])
def test_where_nothing_is_written_the_audit_log_has_reads_alone(
    world: World, sync: Sync, tmp_path: Path, args: tuple[str, ...]
) -> None:
    log = tmp_path / "audit.jsonl"
    sync("api", *args, status=0 if args else 2, CIPLUG_AUDIT=str(log))
    assert {event["event"] for event in audited(log)} == {"login", "read", "revoke"}


def test_a_required_audit_log_that_cannot_be_written_stops_it_before_the_first_write(world: World, sync: Sync) -> None:
    sync("--yes", status=11, CIPLUG_AUDIT="/dev/full", CIPLUG_AUDIT_REQUIRED="1")
    assert not any(world.stored.values())
