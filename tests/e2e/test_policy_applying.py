"""``ciplug policy --apply`` on a real vault: what is written, once somebody agrees, and what stays as it is."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING, Final

import pytest

from ciplug.errors import PolicyError
from ciplug.manifest import load
from ciplug.policy.applying import carry_out
from ciplug.policy.deriving import derive
from ciplug.policy.live import read_live
from ciplug.policy.plan import plan
from ciplug.vault.admin_auth import JwtRole

if TYPE_CHECKING:
    from tests.e2e.conftest import MakesJobEnv
    from tests.e2e.policy_setting import Setting

PRINT_REVERSED: Final = "import os; print(os.environ['DATABASE_URL'][::-1], end='')"


def test_what_was_applied_lets_each_job_read_its_own_and_nothing_else(setting: Setting, job_env: MakesJobEnv) -> None:
    ran = setting.policy("--apply", "--yes")
    assert (ran.status, ran.out.splitlines()[-1]) == (0, "4 to create")
    unique = setting.name.removeprefix("s")
    claims: dict[str, dict[str, object]] = {"test": {}, "deploy": {"ref": "refs/heads/next"}}
    for job, value in (("test", f"dev-{unique}"), ("deploy", f"prod-{unique}")):
        env = job_env(job, repository=f"acme/{setting.name}", **claims[job])
        job_ran = setting.runs("run", "--job", job, "--", sys.executable, "-c", PRINT_REVERSED, env=env)
        assert (job_ran.returncode, job_ran.stdout.decode()) == (0, value[::-1]), job_ran
    env = job_env("deploy", repository=f"acme/{setting.name}", ref="refs/heads/other")
    assert setting.runs("run", "--job", "deploy", "--", "true", env=env).returncode == 125
    env = job_env("test", repository="acme/other")
    assert setting.runs("run", "--job", "test", "--", "true", env=env).returncode == 125
    assert setting.policy("--check").status == 0


def test_the_second_time_nothing_is_written(setting: Setting) -> None:
    setting.applied()
    mark = setting.bao.mark()
    ran = setting.policy("--apply")
    assert (ran.status, ran.out.splitlines()) == (0, ["= 4 up to date", "nothing to do"])
    assert setting.bao.requests_since(mark, path=f"sys/policies/acl/{setting.test}")
    assert setting.writes_since(mark) == []


def test_what_ended_half_way_is_finished_by_the_next_run(setting: Setting) -> None:
    setting.applied()
    setting.ask("DELETE", f"auth/{setting.mount}/role/{setting.deploy}")
    mark = setting.bao.mark()
    setting.applied()
    assert setting.writes_since(mark) == [f"auth/{setting.mount}/role/{setting.deploy}"]


def test_a_role_that_was_changed_is_mended_with_nothing_left_of_it(setting: Setting) -> None:
    setting.applied()
    before = setting.role()
    setting.change_role(
        token_ttl=7200,
        token_max_ttl=7200,
        token_period=60,
        bound_subject="x",
        bound_claims={"ref": "*"},
        bound_claims_type="glob",
        bound_audiences=["other"],
        groups_claim="teams",
        token_no_default_policy=True,
        token_policies_template_claims=True,
        token_explicit_max_ttl=9,
        user_claim="actor",
        user_claim_json_pointer=True,
        claim_mappings={"ref": "r"},
        expiration_leeway=900,
        not_before_leeway=900,
    )
    ran = setting.policy("--apply", "--yes")
    assert (ran.status, ran.out.splitlines()[0]) == (0, f"~ update   role {setting.mount}/{setting.deploy}")
    assert "    - token_ttl = 7200" in ran.out.splitlines()
    after = setting.role()
    assert {name: value or None for name, value in after.items()} == {
        name: value or None for name, value in before.items()
    }


def test_the_files_that_it_prints_leave_nothing_of_a_role_either(setting: Setting) -> None:
    """``bao write … @roles/…json`` sends the file as it is, and the vault keeps what is not in it."""
    setting.applied()
    setting.change_role(token_period=60, bound_subject="x", token_no_default_policy=True, groups_claim="teams")
    assert setting.policy("--output", "out").status == 0
    file = setting.directory / "out" / "roles" / setting.mount / f"{setting.deploy}.json"
    setting.ask("POST", f"auth/{setting.mount}/role/{setting.deploy}", json.loads(file.read_text(encoding="utf-8")))
    assert setting.policy("--check").status == 0


def test_a_change_that_fails_half_way_says_how_far_it_came(setting: Setting) -> None:
    rights = 'path "sys/policies/acl/*" { capabilities = ["read", "update"] }\n'
    rights += f'path "auth/{setting.mount}/role/*" {{ capabilities = ["read"] }}\n'
    setting.admin.write_policy(f"{setting.name}-writer", rights)
    token = setting.admin.create_token(policies=[f"{setting.name}-writer"]).reveal().decode()
    ran = setting.policy("--apply", "--yes", token=token)
    assert ran.status == 10
    assert ran.err.splitlines()[-1].startswith("ciplug: error: policy: 2 of 4 changes were made, then: POST ")
    assert f"2 of 4 changes were made, then: POST /v1/auth/{setting.mount}/role/{setting.test}: " in ran.err
    ran = setting.policy("--apply", "--yes")
    assert (ran.status, ran.out.splitlines()[-1]) == (0, "2 to create")


def test_nothing_is_written_where_nobody_agreed(setting: Setting) -> None:
    mark = setting.bao.mark()
    ran = setting.policy("--apply")
    assert (ran.status, ran.out.splitlines()[-1]) == (2, "4 to create")
    assert "changes want --yes where nobody can be asked" in ran.err
    assert setting.writes_since(mark) == []


@pytest.mark.parametrize(
    ("answer", "options", "status", "writes"),
    [(b"y\n", (), 0, 4), (b"n\n", (), 10, 0), (b"y\n", ("--format", "json"), 2, 0)],
)
def test_a_person_is_asked_and_a_program_is_not(
    setting: Setting, answer: bytes, options: tuple[str, ...], status: int, writes: int
) -> None:
    mark = setting.bao.mark()
    ours, theirs = pty.openpty()
    try:
        os.write(ours, answer)
        ran = subprocess.run(
            [sys.executable, "-m", "ciplug", "policy", "--apply", *options],
            cwd=setting.directory,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(setting.directory),
                "VAULT_TOKEN": setting.bao.root_token.reveal().decode(),
            },
            stdin=theirs,
            capture_output=True,
            timeout=60,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert (ran.returncode, b"4 to create - do it? [y/N]" in ran.stderr) == (status, not options)
    assert len(setting.writes_since(mark)) == writes
    assert (b"error: policy: nothing was written: the answer was no" in ran.stderr) == (status == 10)


def test_programs_get_the_plan_with_what_was_done(setting: Setting) -> None:
    ran = setting.policy("--apply", "--yes", "--format", "json")
    document = json.loads(ran.out)
    assert (ran.status, document["format"], document["mode"], document["left_over"]) == (0, 1, "apply", [])
    assert (document["unimplied"], document["not_looked_at"], len(document["notes"])) == ([], [], 1)
    assert [(one["kind"], one["what"], one["name"], one["done"]) for one in document["changes"]] == [
        ("create", "policy", setting.test, True),
        ("create", "policy", setting.deploy, True),
        ("create", "role", f"{setting.mount}/{setting.test}", True),
        ("create", "role", f"{setting.mount}/{setting.deploy}", True),
    ]
    assert f'+ path "{setting.kv}/data/app/dev/db" {{ capabilities = ["read"] }}' in document["changes"][0]["diff"]


def test_what_was_written_is_in_the_audit_log(setting: Setting) -> None:
    log = setting.directory / "audit.jsonl"
    env = {"VAULT_TOKEN": setting.bao.root_token.reveal().decode(), "CIPLUG_AUDIT": str(log)}
    assert setting.policy("--apply", "--yes", env=env).status == 0
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    written = [
        (line["command"], line.get("policy"), line.get("role"), line.get("mount"), line["change"], line["outcome"])
        for line in lines
        if line["event"] == "write"
    ]
    assert written == [
        ("policy", setting.test, None, None, "create", "ok"),
        ("policy", setting.deploy, None, None, "create", "ok"),
        ("policy", None, setting.test, setting.mount, "create", "ok"),
        ("policy", None, setting.deploy, setting.mount, "create", "ok"),
    ]


@pytest.mark.parametrize("was_there", [True, False])
def test_a_role_that_changed_since_the_plan_is_left_alone(setting: Setting, was_there: bool) -> None:
    setting.applied()
    implied = derive(load(setting.manifest))
    if not was_there:
        setting.ask("DELETE", f"auth/{setting.mount}/role/{setting.deploy}")
    else:
        setting.change_role(token_ttl=60)
    planned = plan(implied, read_live(setting.admin, implied))
    role = JwtRole(name=setting.deploy, bound_audiences=("x",), bound_claims={}, policies=("mine",))
    setting.admin.jwt.write_role(role, setting.mount)
    with pytest.raises(PolicyError, match=f"role {setting.mount}/{setting.deploy} has changed since the plan was made"):
        list(carry_out(setting.admin, planned))
    assert setting.role()["token_policies"] == ["mine"]
