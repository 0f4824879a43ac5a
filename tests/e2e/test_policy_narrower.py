"""``ciplug policy`` where somebody made a role or policy narrower by hand: what of it goes, and what stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import MakesJobEnv
    from tests.e2e.policy_setting import Setting


def test_what_only_narrows_is_not_written_and_goes_on_being_found(setting: Setting) -> None:
    setting.applied()
    setting.change_role(token_bound_cidrs=["127.0.0.1/32"])
    setting.change_policy('["read"]', '["deny"]')
    mark = setting.bao.mark()
    ran = setting.policy("--apply", "--yes")
    assert (ran.status, ran.out.count("narrower than implied: "), ran.out.count("= keep ")) == (0, 2, 2)
    assert setting.writes_since(mark) == []
    ran = setting.policy("--check")
    assert (ran.status, [line[:4] for line in ran.out.splitlines()]) == (20, ["less", "less"])


@pytest.mark.parametrize(
    "fields",
    [{"token_bound_cidrs": ["127.0.0.1/32"]}, {"token_num_uses": 9}, {"token_strictly_bind_ip": True}],
    ids=lambda fields: next(iter(fields)),
)
def test_what_only_narrows_survives_an_update_of_the_ttl(setting: Setting, fields: dict[str, object]) -> None:
    setting.applied()
    setting.change_role(**fields)
    before = setting.role()
    assert all(before[name] for name in fields)
    setting.change_manifest("[jobs.deploy]\n", '[jobs.deploy]\nttl = "10m"\n')
    ran = setting.policy("--apply", "--yes")
    assert (ran.status, ran.out.count("narrower than implied: ")) == (0, 1)
    assert "    + token_ttl = 600" in ran.out.splitlines()
    assert setting.role() == before | {"token_ttl": 600, "token_max_ttl": 600}
    mark = setting.bao.mark()
    setting.applied()
    assert setting.writes_since(mark) == []
    ran = setting.policy("--check")
    assert (ran.status, [line[:4] for line in ran.out.splitlines()]) == (20, ["less"])


def test_a_condition_that_the_manifest_drops_leaves_the_role(setting: Setting, job_env: MakesJobEnv) -> None:
    setting.applied()
    env = job_env("deploy", repository=f"acme/{setting.name}", ref="refs/heads/other")
    setting.change_manifest('only_if = { ref = ["refs/heads/main", "refs/heads/next"] }\n', "")
    assert setting.runs("run", "--job", "deploy", "--", "true", env=env).returncode == 125
    ran = setting.policy("--check")
    assert (ran.status, ran.out.partition(" is bound as well")[0]) == (
        20,
        f"less   role {setting.mount}/{setting.deploy}: bound_claims.ref",
    )
    ran = setting.policy("--apply", "--yes")
    assert (ran.status, ran.out.splitlines()[:2]) == (
        0,
        [
            f"~ update   role {setting.mount}/{setting.deploy}",
            '    - bound_claims.ref = "refs/heads/main", "refs/heads/next"',
        ],
    )
    assert "ref" not in setting.role()["bound_claims"]
    assert setting.runs("run", "--job", "deploy", "--", "true", env=env).returncode == 0
    assert setting.policy("--check").status == 0


@pytest.mark.parametrize("fields", [{"bound_subject": "x"}, {"bound_claims": {"sub": "x"}}], ids=str)
def test_a_subject_that_only_if_could_name_and_does_not_is_taken_away(setting: Setting, fields: dict[str, Any]) -> None:
    setting.applied()
    claims = setting.role()["bound_claims"]
    setting.change_role(**fields | {"bound_claims": claims | fields.get("bound_claims", {})})
    assert setting.policy("--check").status == 20
    setting.applied()
    assert (setting.role()["bound_claims"], setting.role()["bound_subject"]) == (claims, "")
    assert setting.policy("--check").status == 0


@pytest.mark.parametrize(
    ("before", "after", "more"),
    [(" ", "\n", "capabilities = []"), ("\n", " # why\n\n", "capabilities = []"), (" ", "\n", 'policy = "read"')],
    ids=["the brace", "the path as well", "beside what takes a library"],
)
def test_what_a_policy_denies_with_its_brace_on_another_line_still_denies(
    setting: Setting, job_env: MakesJobEnv, before: str, after: str, more: str
) -> None:
    setting.applied()
    path = f'path{before}"{setting.kv}/data/app/prod/db"{after}'
    setting.change_policy("path", f'{path}{{\n  capabilities = ["deny"]\n}}\npath "x" {{ {more} }}\npath')
    setting.applied()
    stored = setting.admin.read_policy(setting.deploy)
    assert stored is not None
    denied = f'path "{setting.kv}/data/app/prod/db" {{ capabilities = ["deny"] }}'
    assert stored.text.splitlines()[1:] == [denied]
    env = job_env("deploy", repository=f"acme/{setting.name}")
    assert setting.runs("run", "--job", "deploy", "--", "true", env=env).returncode == 125


def test_what_cannot_be_read_of_a_policy_is_written_anew_with_a_word_on_what_it_may_deny(setting: Setting) -> None:
    setting.applied()
    setting.change_policy("path", '"path" "x" { capabilities = ["deny"] }\npath')
    ran = setting.policy("--apply", "--yes")
    first = f"~ update   policy {setting.deploy}  what it denies cannot be read, so it is not kept"
    assert (ran.status, ran.out.splitlines()[0]) == (0, first)
    assert setting.policy("--check").status == 0


def test_what_a_policy_denies_survives_its_rewriting_and_still_denies(setting: Setting, job_env: MakesJobEnv) -> None:
    setting.applied()
    denied = f'path "{setting.kv}/data/app/prod/db" {{ capabilities = ["deny"] }}'
    wide = f'path "{setting.kv}/*" {{ capabilities = ["list", "read"] }}'
    pattern = f'path "{setting.kv}/metadata/*" {{ capabilities = ["deny"] }}'
    setting.change_policy("path", f"{denied}\n{wide}\n{pattern}\npath")
    ran = setting.policy("--apply", "--yes")
    assert (ran.status, ran.out.count("narrower than implied: ")) == (0, 1)
    assert f"    - {wide}" in ran.out.splitlines()
    stored = setting.admin.read_policy(setting.deploy)
    assert stored is not None
    assert stored.text.splitlines()[1:] == [denied, pattern]
    env = job_env("deploy", repository=f"acme/{setting.name}")
    assert setting.runs("run", "--job", "deploy", "--", "true", env=env).returncode == 125
    mark = setting.bao.mark()
    setting.applied()
    assert setting.writes_since(mark) == []
    setting.change_policy(f"{denied}\n", "")
    setting.applied()
    assert setting.runs("run", "--job", "deploy", "--", "true", env=env).returncode == 0
    # What is left of it denies nothing that the job needs.
    ran = setting.policy("--check")
    assert (ran.status, ran.out) == (0, "")
