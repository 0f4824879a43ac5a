"""``ciplug policy --apply --adopt`` on a real vault: what somebody made by hand, and only what was named of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ciplug.policy import mark

if TYPE_CHECKING:
    from tests.e2e.conftest import MakesJobEnv
    from tests.e2e.policy_setting import Setting


def by_hand(setting: Setting, job: str, *policies: str) -> None:
    """A policy that allows too much, and a role under conditions that nothing implies."""
    name = f"{setting.name}-{job}"
    text = f'# ours\npath "{setting.kv}/*" {{ capabilities = ["read", "list"] }}\n'
    setting.admin.write_policy(name, text)
    setting.write_role(name, *(policies or (name,)), actor="me")


@pytest.mark.parametrize("given", [("{name}",), ("{name}", "admin"), ("admin",)], ids=" ".join)
def test_a_hand_made_policy_and_role_are_taken_over_and_the_second_time_nothing_is_written(
    setting: Setting, job_env: MakesJobEnv, given: tuple[str, ...]
) -> None:
    by_hand(setting, "deploy", *(policy.format(name=setting.deploy) for policy in given))
    ran = setting.policy("--apply", "--yes", "--adopt", setting.deploy)
    assert (ran.status, ran.out.splitlines()[-1]) == (0, "2 to create, 2 to update"), ran
    assert f"~ update   policy {setting.deploy}  taken over: ciplug did not write it" in ran.out.splitlines()
    env = job_env("deploy", repository=f"acme/{setting.name}", ref="refs/heads/main")
    assert setting.runs("run", "--job", "deploy", "--", "true", env=env).returncode == 0
    for options in ((), ("--adopt", setting.deploy)):
        seen = setting.bao.mark()
        ran = setting.policy("--apply", *options)
        assert (ran.status, ran.out.splitlines()) == (0, ["= 4 up to date", "nothing to do"])
        assert setting.writes_since(seen) == []
    assert setting.policy("--check").status == 0


def test_only_what_was_named_is_taken_over(setting: Setting) -> None:
    by_hand(setting, "test")
    by_hand(setting, "deploy", setting.deploy, "admin")
    before = setting.admin.read_policy(setting.deploy), setting.role()
    ran = setting.policy("--apply", "--yes", "--adopt", setting.test.upper())
    assert (ran.status, ran.out.splitlines()[-1]) == (10, "2 to update, 2 left alone")
    assert f"left alone: policy {setting.deploy}, role {setting.mount}/{setting.deploy}" in ran.err
    assert (setting.admin.read_policy(setting.deploy), setting.role()) == before
    stored = setting.admin.read_policy(setting.test)
    assert stored is not None
    assert stored.text.startswith("# Written by `ciplug policy` for jobs.test of ")


def test_a_role_is_tightened_before_the_policy_it_gives_is_widened(setting: Setting) -> None:
    setting.admin.write_policy(setting.deploy, f'path "{setting.kv}/data/x" {{ capabilities = ["read"] }}\n')
    setting.write_role(setting.deploy, setting.deploy, actor="me")
    seen = setting.bao.mark()
    assert setting.policy("--apply", "--yes", "--adopt", setting.deploy).status == 0
    role, policy = f"auth/{setting.mount}/role/{setting.deploy}", f"sys/policies/acl/{setting.deploy}"
    assert [path for path in setting.writes_since(seen) if path in {role, policy}] == [policy, role, policy]


def test_a_role_of_another_type_is_taken_over(setting: Setting) -> None:
    oidc = {"role_type": "oidc", "user_claim": "sub", "token_policies": ["x"], "allowed_redirect_uris": ["https://i/"]}
    setting.ask("POST", f"auth/{setting.mount}/role/{setting.deploy}", oidc)
    assert setting.policy("--apply", "--yes", "--adopt", setting.deploy).status == 0
    assert setting.policy("--check").status == 0


def test_what_another_project_has_marked_is_refused(setting: Setting) -> None:
    text = setting.manifest.read_text(encoding="utf-8")
    for number in (74, 99):
        named = f'github_id = {number}\nname = "{setting.name}"'
        setting.manifest.write_text(text.replace(f'github = "acme/{setting.name}"', named), encoding="utf-8")
        before = setting.admin.read_policy(setting.deploy)
        ran = setting.policy("--apply", "--yes", "--adopt", setting.deploy)
        assert ran.status == (0 if number == 74 else 10)
    assert before is not None
    project = mark.read(before.text)
    assert project is not None
    assert project.endswith(":74)")
    assert f"ciplug wrote it for the project {project}, and --adopt takes over nothing" in ran.out
    assert "    to go on: give jobs.deploy another role in the manifest, or delete it: bao policy" in ran.out
    assert setting.admin.read_policy(setting.deploy) == before


def test_a_person_is_asked_before_anything_is_taken_over(setting: Setting) -> None:
    by_hand(setting, "deploy")
    seen = setting.bao.mark()
    ran = setting.policy("--apply", "--adopt", setting.deploy)
    assert (ran.status, "changes want --yes where nobody can be asked" in ran.err) == (2, True)
    assert setting.writes_since(seen) == []


def test_a_name_that_nothing_implies_is_refused_before_the_vault_is_asked(setting: Setting) -> None:
    seen = setting.bao.mark()
    ran = setting.policy("--apply", "--yes", "--adopt", "other")
    assert (ran.status, ran.out) == (2, "")
    assert "--adopt: nothing in the manifest implies other. Next: name one of " in ran.err
    assert setting.bao.requests_since(seen) == []


def test_a_check_says_what_an_apply_would_leave_alone(setting: Setting) -> None:
    setting.applied()
    stored = setting.admin.read_policy(setting.deploy)
    assert stored is not None
    setting.admin.write_policy(setting.deploy, stored.text.partition("\n")[2])
    going_on = f"to go on: --adopt {setting.deploy}, or delete it: bao policy delete {setting.deploy}"
    note = f"policy {setting.deploy}: ciplug did not write it, so --apply leaves it alone; {going_on}"
    ran = setting.policy("--check")
    assert (ran.status, ran.out, f"ciplug: note: {note}" in ran.err.splitlines()) == (0, "", True)
    by_hand(setting, "deploy")
    ran = setting.policy("--check", "--format", "json")
    document = json.loads(ran.out)
    assert (ran.status, f"ciplug: note: {note}" in ran.err.splitlines()) == (20, True)
    assert [finding["grade"] for finding in document["findings"] if finding["what"] == "policy"] == ["more"]
    assert [(one["name"], one["remedy"]) for one in document["left_alone"]] == [
        (setting.deploy, going_on.removeprefix("to go on: "))
    ]
