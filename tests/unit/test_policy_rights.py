from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ciplug import manifest
from ciplug.policy import hcl
from ciplug.policy.deriving import derive
from ciplug.policy.model import Policy

README = Path(__file__).parents[2].joinpath("README.md").read_text(encoding="utf-8")
TEXT = """\
version = 1
[vault]
audience = "vault"
shared = ["common", "platforms"]
[project]
github = "acme/shop"
github_id = 74
[environments.dev]
path = "app/dev"
[environments.prod]
path = "app/prod"
only_if = { ref = ["refs/heads/main"] }
[secrets.URL]
ref = "db@2#/primary/url"
[secrets.PASSWORD]
ref = "db#password"
[secrets.NPM_TOKEN]
ref = "//common/npm#token"
[secrets.LIVE_KEY]
ref = "stripe#key"
environments = ["prod"]
[secrets.PG_USER]
ref = "database:creds/web#username"
[jobs.test]
environment = "dev"
secrets = ["URL", "PASSWORD", "NPM_TOKEN"]
[jobs.migrate]
environment = "dev"
secrets = ["URL", "PG_USER"]
[targets.web]
platform = "vercel"
environment = "prod"
token = "//platforms/vercel#token"
secrets = ["LIVE_KEY", "URL"]
"""
READ = frozenset({"read"})
KEEP = frozenset({"create", "read", "update"})


def policies(text: str) -> dict[str, Policy]:
    implied = derive(manifest.parse(text, "m"))
    assert implied.problems == ()
    return {policy.name: policy for policy in implied.policies}


def problems(text: str) -> tuple[str, ...]:
    return derive(manifest.parse(text, "m")).problems


def test_a_job_reads_each_of_its_records_once_and_nothing_else() -> None:
    assert policies(TEXT)["shop-test"] == Policy(
        name="shop-test",
        owner="jobs.test",
        project="acme/shop",
        ids=("github:74",),
        aliases=frozenset({"github:acme/shop"}),
        rules={"secret/data/app/dev/db": READ, "secret/data/common/npm": READ},
    )


def test_another_engine_is_read_at_its_own_path() -> None:
    assert policies(TEXT)["shop-migrate"].rules == {"secret/data/app/dev/db": READ, "database/creds/web": READ}


def test_a_target_reads_its_token_and_keeps_its_ledger_and_the_key() -> None:
    assert policies(TEXT)["shop-web"].rules == {
        "secret/data/app/prod/db": READ,
        "secret/data/app/prod/stripe": READ,
        "secret/data/platforms/vercel": READ,
        "secret/data/app/prod/.ciplug/web": KEEP,
        "secret/data/app/prod/.ciplug/.key": KEEP,
    }


def test_the_first_engine_has_no_data_in_its_paths_and_no_ledger() -> None:
    text = TEXT.replace("[project]", 'kv_version = 1\nkv_mount = "team/kv"\n[project]').replace("db@2#", "db#")
    assert policies(text)["shop-test"].rules == {"team/kv/app/dev/db": READ, "team/kv/common/npm": READ}
    assert policies(text)["shop-web"].rules == {
        "team/kv/app/prod/db": READ,
        "team/kv/app/prod/stripe": READ,
        "team/kv/platforms/vercel": READ,
    }


def test_a_secret_that_is_not_in_the_environment_is_left_out() -> None:
    text = TEXT.replace(
        'environment = "dev"\nsecrets = ["URL", "PASSWORD"', 'environment = ["dev", "qa"]\nsecrets = ["LIVE_KEY", "URL"'
    )
    text = text.replace('environments = ["prod"]', 'environments = ["qa"]').replace(
        '["LIVE_KEY", "URL"]\n', '["URL"]\n'
    )
    text = text.replace("[environments.prod]", '[environments.qa]\npath = "app/qa"\n[environments.prod]', 1)
    assert set(policies(text)["shop-test"].rules) == {
        "secret/data/app/dev/db",
        "secret/data/app/qa/db",
        "secret/data/app/qa/stripe",
        "secret/data/common/npm",
    }


def test_environments_with_other_conditions_want_a_role_each() -> None:
    text = TEXT.replace('[jobs.test]\nenvironment = "dev"', '[jobs.test]\nenvironment = ["dev", "prod"]')
    [problem] = problems(text)
    assert problem == (
        'jobs.test: its environments "dev" and "prod" have different only_if, so one role would let the jobs of each'
        ' read the others as well; give each a role: role = "shop-test-{environment}"'
    )


def test_a_role_by_environment_has_a_policy_for_each() -> None:
    text = TEXT.replace(
        '[jobs.test]\nenvironment = "dev"', '[jobs.test]\nrole = "shop-{environment}"\nenvironment = ["dev", "prod"]'
    )
    found = policies(text)
    assert (found["shop-dev"].owner, found["shop-prod"].owner) == ("jobs.test in dev", "jobs.test in prod")
    assert set(found["shop-dev"].rules) == {"secret/data/app/dev/db", "secret/data/common/npm"}
    assert set(found["shop-prod"].rules) == {"secret/data/app/prod/db", "secret/data/common/npm"}


@pytest.mark.parametrize(
    ("dev", "prod", "same"),
    [
        ('ref = ["a", "b"]', 'ref = ["b", "a"]', True),
        ('ref = "a"', 'ref = ["a"]', True),
        ('ref = "a"', 'ref = "b"', False),
        ('ref = "a"', 'ref_type = "a"', False),
        ("x = 1", "x = true", False),
        ("x = 1", 'x = "1"', False),
    ],
)
def test_conditions_are_the_same_where_they_accept_the_same(dev: str, prod: str, same: bool) -> None:
    text = TEXT.replace('path = "app/dev"', f'path = "app/dev"\nonly_if = {{ {dev} }}')
    text = text.replace('only_if = { ref = ["refs/heads/main"] }', f"only_if = {{ {prod} }}")
    text = text.replace('[jobs.test]\nenvironment = "dev"', '[jobs.test]\nenvironment = ["dev", "prod"]')
    assert any("have different only_if" in problem for problem in problems(text)) is not same


@pytest.mark.parametrize("role", ["shop-test", "Shop-Test"])
def test_two_with_one_role_are_refused_in_any_case_of_letters(role: str) -> None:
    [problem] = problems(TEXT.replace("[jobs.migrate]", f'[jobs.migrate]\nrole = "{role}"'))
    assert problem == (
        'jobs.test and jobs.migrate have the same role "shop-test", so each could read what the others are granted;'
        " give each a role of its own"
    )


def test_a_job_and_a_target_may_not_share_a_role_either() -> None:
    [problem] = problems(TEXT.replace("[targets.web]", '[targets.web]\nrole = "shop-test"'))
    assert problem.startswith('jobs.test and targets.web have the same role "shop-test"')


@pytest.mark.parametrize("name", ["root", "default", "Default", "response-wrapping", "control-group"])
def test_the_policies_of_the_vault_itself_are_never_replaced(name: str) -> None:
    assert problems(TEXT.replace("[jobs.test]", f'[jobs.test]\nrole = "{name}"')) == (
        f'jobs.test: a policy called "{name.lower()}" is the vault\'s own; choose another role',
    )


def test_names_are_in_lower_case_as_the_vault_keeps_them() -> None:
    assert "shop-big" in policies(TEXT.replace("[jobs.test]", '[jobs.test]\nrole = "Shop-BIG"'))
    assert "shop-big" in policies(TEXT.replace("[targets.web]", '[targets.web]\nrole = "Shop-BIG"'))


def toml_blocks() -> str:
    """README's manifest of the quick start, with its target and what that needs."""
    start, target = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)[:2]
    more = '[environments.prod]\npath = "app/prod"\n[secrets.STRIPE_SECRET_KEY]\nref = "stripe#secret_key"\n'
    return start.replace('shared = ["common"]', 'shared = ["common", "platforms"]') + more + target


@pytest.mark.parametrize("role", ["shop-test", "shop-web"])
def test_the_policies_in_the_readme_are_those_of_its_manifest(role: str) -> None:
    policy = policies(toml_blocks())[role]
    shown = [
        block for block in re.findall(r"```hcl\n(.*?)```", README, re.DOTALL) if f" for {policy.owner} of " in block
    ]
    assert shown == [hcl.render(policy)]


NAMES = st.sampled_from(["a", "b", "db", "data", "metadata", "a/b", "ü$x", "it's", "a;b", "(a)"])
ENVIRONMENTS = ("dev", "qa", "prod")
REFS = st.one_of(
    NAMES.map(lambda name: f"{name}#f"),
    NAMES.map(lambda name: f"//common/{name}#f"),
    NAMES.map(lambda name: f"db:creds/{name}#f"),
)


@st.composite
def manifests(draw: st.DrawFn) -> str:
    """Any number of secrets, in some environments, for some jobs and targets."""
    secrets = [f"S{index}" for index in range(draw(st.integers(1, 6)))]
    lines = [
        "version = 1",
        "[vault]",
        'audience = "v"',
        'shared = ["common"]',
        f"kv_version = {draw(st.sampled_from([1, 2]))}",
    ]
    lines += ["[project]", 'github = "acme/shop"']
    for name in ENVIRONMENTS:
        lines += [f"[environments.{name}]", f'path = "app/{name}"']
    for name in secrets:
        lines += [f"[secrets.{name}]", f"ref = {json.dumps(draw(REFS), ensure_ascii=False)}"]
    for index in range(draw(st.integers(1, 3))):
        chosen = draw(st.lists(st.sampled_from(ENVIRONMENTS), min_size=1, unique=True))
        role = draw(st.sampled_from(["", 'role = "r%d-{environment}"']))
        lines += [
            f"[jobs.j{index}]",
            f"environment = {chosen}",
            role and role % index,
            f"secrets = {_some(draw, secrets)}",
        ]
    if draw(st.booleans()):
        lines += ["[targets.t]", 'platform = "p"', f'environment = "{draw(st.sampled_from(ENVIRONMENTS))}"']
        lines += ['token = "//common/p#f"', f"secrets = {_some(draw, secrets)}"]
    return "\n".join(lines)


def _some(draw: st.DrawFn, names: list[str]) -> list[str]:
    return draw(st.lists(st.sampled_from(names), min_size=1, unique=True))


@settings(max_examples=150, deadline=None)
@given(manifests())
def test_the_written_policies_allow_all_records_that_are_granted_and_no_other_path(text: str) -> None:
    read = manifest.parse(text, "m")
    version = read.vault.kv_version
    wanted: dict[str, dict[str, frozenset[str]]] = {}
    for job in read.jobs.values():
        for name in job.environments:
            granted = manifest.grant(read, job.name, name)
            wanted.setdefault(granted.role or "", {}).update(records(granted, version))
    for target in read.targets.values():
        granted = manifest.grant_target(read, target.name)
        ledger = f"secret/data/app/{target.environment}/.ciplug"
        kept = {f"{ledger}/{target.name}": KEEP, f"{ledger}/.key": KEEP} if version == 2 else {}
        wanted[granted.role or ""] = records(granted, version) | kept
    assert {policy.name: dict(hcl.read(hcl.render(policy)).rules) for policy in derive(read).policies} == wanted


def records(granted: manifest.JobGrant, version: int) -> dict[str, frozenset[str]]:
    data = "data/" if version == 2 else ""
    kept = {item.record.path for item in granted.grants if item.record.mount == "secret"}
    others = {f"{item.record.mount}/{item.record.path}" for item in granted.grants if item.record.mount != "secret"}
    return dict.fromkeys([*(f"secret/{data}{path}" for path in kept), *others], READ)
