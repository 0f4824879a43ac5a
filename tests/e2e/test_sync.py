"""``ciplug sync`` against a real vault and strict stand-ins of the platforms: what it shows, and what it does."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.e2e.outside import PATIENCE, started
from tests.e2e.steering import Gate
from tests.e2e.sync_world import OWN, TARGETS, Sync

if TYPE_CHECKING:
    from tests.e2e.conftest import MakesJobEnv, RunsCiplug
    from tests.e2e.sync_world import World


@pytest.fixture
def sync(world: World, ciplug: RunsCiplug, job_env: MakesJobEnv) -> Sync:
    return Sync(world, ciplug, job_env("sync", environment="production"))


def test_every_target_gets_what_the_vault_has(world: World, sync: Sync) -> None:
    sync("--yes")
    assert world.stored == dict.fromkeys(TARGETS, world.wanted)


def test_a_second_sync_finds_nothing_to_do_and_writes_nothing(world: World, sync: Sync) -> None:
    sync("--yes")
    before, ledgers = world.asked, [world.ledger(target) for target in TARGETS]
    done = sync()
    assert "nothing to do" in done.out
    assert all(world.asked[target] == before[target] + 1 for target in TARGETS)
    assert [world.ledger(target) for target in TARGETS] == ledgers
    sync("--check")


def test_a_dry_run_shows_names_and_reasons_and_touches_nothing(world: World, sync: Sync) -> None:
    done = sync("--dry-run")
    for target, place in (("web", "vercel prj_shop production"), ("api", "railway p-1"), ("jobs", "render srv-")):
        assert f"{target} ({place}" in done.out
    assert (
        len(
            re.findall(
                r"^  \+ create   (?:DATABASE_URL     |STRIPE_SECRET_KEY)  not there yet$", done.out, re.MULTILINE
            )
        )
        == 6
    )
    assert done.out.endswith("6 to create\n")
    assert done.err == ""
    assert not any(world.stored.values())
    assert [world.ledger(name) for name in (*TARGETS, ".key")] == [None] * 4


def test_targets_that_are_not_named_are_left_alone(world: World, sync: Sync) -> None:
    done = sync("api", "--yes")
    assert world.stored == {"web": {}, "api": world.wanted, "jobs": {}}
    assert world.asked["web"] == world.asked["jobs"] == 0
    assert "web" not in done.out


def test_a_target_that_is_named_twice_is_synced_once(world: World, sync: Sync) -> None:
    done = sync("api", "api", "--dry-run")
    assert done.out.count("api (") == 1
    assert world.asked["api"] == 1


def test_check_counts_what_only_prune_would_delete(world: World, sync: Sync) -> None:
    sync("--yes")
    world.listed("api", "DATABASE_URL")
    done = sync("--check", status=20)
    assert "needs --prune" in done.out
    assert "the vault: api. " in done.last


REPAIRED = {
    "changed in the vault": "update   DATABASE_URL  its value has changed in the vault",
    "changed there": "drift    DATABASE_URL  it was changed on the platform",
    "removed there": "create   DATABASE_URL  it was removed on the platform",
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("what", REPAIRED)
def test_what_differs_is_brought_back_and_nothing_else(world: World, sync: Sync, target: str, what: str) -> None:
    sync(target, "--yes")
    wanted = world.wanted
    if what == "changed in the vault":
        wanted["DATABASE_URL"] = world.declared["new"] = "postgres://prod:another-password@db.prod/shop"
        world.project.put("app/prod/db", {"url": wanted["DATABASE_URL"]})
    elif what == "changed there":
        world.put(target, "DATABASE_URL", "changed by somebody")
    else:
        world.remove(target, "DATABASE_URL")
    before = world.stored
    checked = sync(target, "--check", status=20)
    assert checked.last.startswith(f"ciplug: error: findings: not in sync with the vault: {target}. ")
    assert world.stored == before
    done = sync(target, "--yes")
    assert REPAIRED[what] in done.out
    assert "= 1 up to date" in done.out
    assert f"{target}: 1 done" in done.err
    assert world.stored[target] == wanted


@pytest.mark.parametrize("target", TARGETS)
def test_what_somebody_else_made_is_kept_until_it_is_adopted(world: World, sync: Sync, target: str) -> None:
    world.put(target, "DATABASE_URL", "made by somebody")
    done = sync(target, "--yes", status=10)
    assert "! foreign  DATABASE_URL       it exists, and ciplug did not make it; needs --adopt DATABASE_URL" in done.out
    assert done.last == (
        f"ciplug: error: sync: {target}: DATABASE_URL: it exists, and ciplug did not make it. "
        "Next: take over what is not ciplug's with --adopt DATABASE_URL, or leave it out of the target"
    )
    assert world.stored[target] == world.wanted | {"DATABASE_URL": "made by somebody"}
    sync(target, "--check", status=20)
    sync(target, "--yes", "--adopt", "DATABASE_URL")
    assert world.stored[target] == world.wanted
    sync(target, "--check")


def test_a_foreign_variable_that_is_right_already_is_adopted_without_a_write(world: World, sync: Sync) -> None:
    world.put("api", "DATABASE_URL", world.wanted["DATABASE_URL"])
    sync("api", "--yes", status=10)
    before = world.asked["api"]
    sync("api", "--adopt", "DATABASE_URL")
    assert world.asked["api"] == before + 1
    sync("api", "--check")


def test_adopt_refuses_names_that_no_synced_target_lists(world: World, sync: Sync) -> None:
    mark = world.project.bao.mark()
    done = sync("--yes", "--adopt", "NPM_TOKEN", "--adopt", "DATABASE_URL", status=2)
    assert "no target that is synced has NPM_TOKEN" in done.last
    assert world.project.logins_since(mark) == 0


@pytest.mark.parametrize("target", TARGETS)
def test_prune_deletes_what_is_owned_and_nothing_else(world: World, sync: Sync, target: str) -> None:
    world.put(target, "BY_HAND", "made by somebody")
    sync(target, "--yes")
    world.listed(target, "STRIPE_SECRET_KEY")
    kept = sync(target, "--yes")
    assert "- delete   DATABASE_URL  no longer in the manifest; needs --prune" in kept.out
    assert set(world.stored[target]) == {*OWN, "BY_HAND"}
    sync(target, "--yes", "--prune")
    assert set(world.stored[target]) == {"STRIPE_SECRET_KEY", "BY_HAND"}
    sync(target, "--check")


def test_new_values_and_prunes_are_done_in_one_sync(world: World, sync: Sync) -> None:
    sync("--yes")
    world.declare(A_NEW_ONE="a-value-of-its-own")
    for target in TARGETS:
        world.listed(target, "STRIPE_SECRET_KEY", "A_NEW_ONE")
    done = sync("--yes", "--prune")
    wanted = {"STRIPE_SECRET_KEY": world.wanted["STRIPE_SECRET_KEY"], "A_NEW_ONE": "a-value-of-its-own"}
    assert world.stored == dict.fromkeys(TARGETS, wanted)
    assert "3 to create, 3 to delete" in done.out


def test_what_one_platform_would_not_take_stops_all_of_them_before_the_first_write(world: World, sync: Sync) -> None:
    world.declare(NEXT_PUBLIC_KEY="published-by-mistake", TEMPLATE="a-${{shared.OTHER}}-b")
    done = sync("--yes", status=10)
    for words in ("web: NEXT_PUBLIC_KEY: ", "api: NEXT_PUBLIC_KEY: ", "jobs: NEXT_PUBLIC_KEY: ", "api: TEMPLATE: "):
        assert f"ciplug: {words}" in done.err
    assert done.last.startswith("ciplug: error: sync: 4 problems, listed above")
    assert not any(world.stored.values())
    assert "refused: TEMPLATE" in done.out


def test_wrong_options_of_all_targets_are_told_before_any_login(world: World, sync: Sync) -> None:
    world.option("web", "target", '"prod"')
    world.option("api", "token_kind", '"personal"')
    world.option("jobs", "api_url", '"http://render.example"')
    mark = world.project.bao.mark()
    done = sync("--yes", status=2)
    for words in ("targets.web: Vercel: option target", "targets.api: Railway: option token_kind", "targets.jobs: "):
        assert words in done.err
    assert "3 problems" in done.last
    assert (world.project.logins_since(mark), world.asked) == (0, dict.fromkeys(TARGETS, 0))


ONLY_LOOKING = {("--dry-run", "--yes"): 0, ("--check", "--yes", "--prune"): 20, (): 2}


@pytest.mark.parametrize("args", ONLY_LOOKING, ids=["dry run", "check", "nobody to ask"])
def test_only_a_yes_and_no_wish_to_look_writes(world: World, sync: Sync, args: tuple[str, ...]) -> None:
    done = sync(*args, status=ONLY_LOOKING[args])
    assert not any(world.stored.values())
    if not args:
        assert "nothing was written: changes want --yes" in done.last
        assert "6 to create" in done.out


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--check", "--dry-run"), "two ways to look"),
        (("webb",), 'has no target "webb"'),
        (("web", "nowhere", "--yes"), "nowhere"),
        (("--deadline", "0"), "--deadline"),
    ],
)
def test_a_command_line_that_means_nothing_ends_2(world: World, sync: Sync, args: tuple[str, ...], words: str) -> None:
    done = sync(*args, status=2)
    assert words in done.last
    assert world.asked == dict.fromkeys(TARGETS, 0)


def test_a_manifest_without_targets_has_nothing_to_sync(world: World, sync: Sync) -> None:
    text = world.project.manifest.read_text()
    world.project.manifest.write_text(text.partition("[targets.")[0])
    assert "has no targets" in sync("--yes", status=2).last


def test_a_secret_that_is_a_file_cannot_be_a_variable(world: World, sync: Sync) -> None:
    world.declare("web", KEY_FILE="-----BEGIN KEY-----")
    world.project.replace('ref = "more#KEY_FILE"', 'ref = "more#KEY_FILE"\nas = "file"')
    done = sync("--yes", status=2)
    assert "KEY_FILE" in done.err
    assert world.asked == dict.fromkeys(TARGETS, 0)


def test_programs_get_one_document(world: World, sync: Sync) -> None:
    world.put("api", "DATABASE_URL", "made by somebody")
    shown = sync("--dry-run", "--format", "json").targets
    assert list(shown) == list(TARGETS)
    assert shown["web"]["platform"] == "vercel"
    assert shown["web"]["place"] == "vercel prj_shop production"
    create = {"kind": "create", "name": "DATABASE_URL", "reason": "not there yet", "needs": "", "outcome": ""}
    assert shown["web"]["changes"][0] == create
    assert shown["api"]["changes"][0]["needs"] == "--adopt DATABASE_URL"
    done = sync("--yes", "--format", "json", status=10).targets
    assert [change["outcome"] for change in done["web"]["changes"]] == ["done", "done"]
    assert [change["outcome"] for change in done["api"]["changes"]] == ["", "done"]
    assert (done["jobs"]["problems"], done["jobs"]["errors"], done["jobs"]["deployment"]) == ([], [], None)


def test_the_document_comes_whatever_ends_the_sync(world: World, sync: Sync) -> None:
    world.render.revoke_token(world.tokens["render"])
    shown = sync("--yes", "--format", "json", status=10).targets
    assert [error["cause"] for error in shown["jobs"]["errors"]] == ["platform"]
    assert shown["jobs"]["differs"] is True
    assert [change["outcome"] for change in shown["web"]["changes"]] == ["done", "done"]


def test_the_summary_page_has_a_table(world: World, sync: Sync) -> None:
    sync("web", "jobs", "--yes")
    world.put("jobs", "DATABASE_URL", "changed by somebody")
    page = sync("web", "jobs", "--yes").page
    assert page.startswith("### ciplug sync\n\n| target | variable | change | reason | outcome |\n| --- |")
    assert "| web |  | keep | all 2 up to date |  |\n" in page
    assert "| jobs | DATABASE&#95;URL | drift | it was changed on the platform | done |\n" in page


HOSTILE = {
    "newline": "first-line-of-it\nsecond-line-of-it\n",
    "carriage return": "before-the-return\rafter-the-return",
    "quotes": "a'b\"c`d''e\\f\"g",
    "percent": "100%0Aof%25it%0D-and-more",
    "emoji": "пароль-🔑-密码",
    "add-mask": "::add-mask::what-comes-after",
    "old command": "##[set-output name=X;]what-comes-after",
    "markup": "</td><script>alert(1)</script>|**bold**|[x](y)",
    "dollar": "$HOME ${PATH} $(id) {{ it }}",
    "json": '{"key": "a\\nb\\"c", "n": [1, 2]}',
    "one letter": "a" * 3000,
}


def test_hostile_values_arrive_as_they_are_and_show_nowhere(world: World, sync: Sync) -> None:
    values = {f"HOSTILE_{index}": value for index, value in enumerate(HOSTILE.values())}
    world.declare(**values)
    done = sync("--yes")
    assert world.stored == dict.fromkeys(TARGETS, world.wanted | values)
    assert "::add-mask::" not in done.out + done.page
    sync("--check")
    shown = sync("--dry-run", "--format", "json").targets
    assert not any(target["differs"] for target in shown.values())


@pytest.mark.parametrize("holder", ["[a](http://x) <b>|x|</b> `c`", "::add-mask::x\n::error::y"])
def test_text_from_the_vault_is_neither_a_command_nor_markup(world: World, sync: Sync, holder: str) -> None:
    sync("api", "--yes")
    world.rewrite_ledger("api", holder=holder, until=time.time() + 100)
    done = sync("api", "--yes", status=10)
    [command] = [line for line in done.err.splitlines() if line.startswith("::")]
    assert command.startswith("::error title=ciplug")
    assert not any(markup in done.page for markup in ("<b>", "](", "`c`", "|x|"))
    assert len(done.page.splitlines()) == 6


def test_redeploy_deploys_what_has_new_values_and_nothing_else(world: World, sync: Sync) -> None:
    sync("web", "--yes", "--redeploy")
    assert [len(world.vercel.deployments("prj_shop")), len(world.railway.deployments("e-1", "s-1"))] == [2, 1]
    assert world.vercel.deployments("prj_shop")[-1].environment == world.wanted
    again = sync("web", "api", "--yes", "--redeploy", "--format", "json").targets
    assert [len(world.vercel.deployments("prj_shop")), len(world.railway.deployments("e-1", "s-1"))] == [2, 2]
    assert again["web"]["deployment"] is None
    assert again["api"]["deployment"]["state"] == "ready"


def test_render_deploys_again_what_was_built(world: World, sync: Sync) -> None:
    world.deploy_on_render()
    done = sync("jobs", "--yes", "--redeploy")
    assert "jobs: the deployment is ready (live) https://dashboard.render.com/web/srv-" in done.err
    assert world.kept("jobs")["undeployed"] is False


def test_without_redeploy_it_is_told_that_one_is_missing(world: World, sync: Sync) -> None:
    done = sync("web", "--yes")
    assert "web: the change arrives with the next deployment; --redeploy starts one" in done.err
    assert world.kept("web")["undeployed"] is True


def test_a_later_redeploy_brings_out_what_an_earlier_sync_wrote(world: World, sync: Sync) -> None:
    sync("--yes")
    sync("web", "--redeploy")
    assert len(world.vercel.deployments("prj_shop")) == 2
    assert world.kept("web")["undeployed"] is False
    sync("web", "--redeploy")
    assert len(world.vercel.deployments("prj_shop")) == 2


@pytest.mark.parametrize("target", TARGETS)
def test_a_deployment_that_fails_is_told_with_its_address_and_repeated_by_the_next_run(
    world: World, sync: Sync, target: str
) -> None:
    world.deploy_on_render()
    world.vercel.build(queued=0, building=0, failing=1)
    world.railway.deploy_as("CRASHED")
    world.render.end_deploys(world.service, "update_failed")
    failed = sync(target, "--yes", "--redeploy", status=10)
    assert failed.last.startswith(f"ciplug: error: sync: {target}: the new deployment is failed (")
    assert "https://" in failed.last
    assert "fix the deployment, then run it again with --redeploy" in failed.last
    assert world.stored[target] == world.wanted
    assert world.kept(target)["undeployed"] is True
    world.railway.deploy_as("SUCCESS")
    world.render.end_deploys(world.service, "live")
    sync(target, "--redeploy")
    assert world.kept(target)["undeployed"] is False


def test_one_failed_deployment_does_not_stop_the_others(world: World, sync: Sync) -> None:
    world.railway.deploy_as("FAILED")
    done = sync("web", "api", "--yes", "--redeploy", status=10)
    assert "ciplug: error: sync: api: the new deployment is failed (FAILED)" in done.last
    assert [world.kept(target)["undeployed"] for target in ("web", "api")] == [False, True]


def test_a_target_that_is_not_as_it_is_to_be_is_not_deployed(world: World, sync: Sync) -> None:
    world.railway.refuse_variable("DATABASE_URL")
    sync("api", "--yes", "--redeploy", status=10)
    assert len(world.railway.deployments("e-1", "s-1")) == 1


def test_shared_variables_have_no_deployment_which_is_no_failure(world: World, sync: Sync) -> None:
    world.project.replace(', service = "s-1"', "")
    done = sync("api", "--yes", "--redeploy")
    assert "api: it has no deployments of its own; deploy what uses its variables" in done.err
    assert world.railway.held("e-1") == world.wanted
    assert len(world.railway.deployments("e-1", "s-1")) == 1


def test_a_redeploy_that_cannot_be_noted_is_done_again_and_is_no_failure(world: World, sync: Sync) -> None:
    sync("api", "--yes")
    gate = Gate()
    world.railway.order("serviceInstanceRedeploy", gate)
    with started("sync", "api", "--redeploy", env=sync.env, cwd=world.project.directory) as process:
        assert gate.reached.wait(PATIENCE)
        world.rewrite_ledger("api", holder="somebody else", until=time.time() + 100)
        gate.free.set()
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert b"warning: api: the next --redeploy will deploy it once more: another sync is at work here" in err
    assert world.kept("api")["undeployed"] is True
