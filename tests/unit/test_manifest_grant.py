from __future__ import annotations

import pytest

from ciplug import manifest
from ciplug.errors import UsageError
from ciplug.values import Grant, Record

TEXT = """\
version = 1
[vault]
audience = "vault"
shared = ["common"]
[project]
github = "acme/shop"
[environments.dev]
path = "app/dev"
[environments.prod]
path = "app/prod"
[secrets.URL]
ref = "db@2#/primary/url"
owner = "payments"
[secrets.NPM_TOKEN]
ref = "//common/npm#token"
optional = true
[secrets.LIVE_KEY]
ref = "stripe#key"
environments = ["prod"]
as = "file"
encoding = "base64"
[secrets.PG_USER]
ref = "database:creds/web#username"
[jobs.test]
environment = "dev"
secrets = ["NPM_TOKEN", "URL", "PG_USER"]
[jobs.deploy]
environment = ["dev", "prod"]
role = "deployer"
secrets = ["URL", "LIVE_KEY"]
"""
READ = manifest.parse(TEXT, "ciplug.toml")
ALONE = 'version = 1\n[vault]\naudience = "v"\n'


def test_job_of_one_environment_needs_no_choice() -> None:
    granted = manifest.grant(READ, "test", None)
    assert (granted.job, granted.role, granted.environment.name) == ("test", "shop-test", "dev")
    assert granted.grants == (
        Grant(
            name="NPM_TOKEN",
            record=Record(mount="secret", path="common/npm", engine="kv2"),
            pointer=("token",),
            optional=True,
        ),
        Grant(
            name="URL",
            record=Record(mount="secret", path="app/dev/db", engine="kv2", version=2),
            pointer=("primary", "url"),
            owner="payments",
        ),
        Grant(name="PG_USER", record=Record(mount="database", path="creds/web", engine="other"), pointer=("username",)),
    )


def test_job_of_several_environments_gets_the_chosen_one() -> None:
    granted = manifest.grant(READ, "deploy", "prod")
    assert granted.role == "deployer"
    assert [grant.record.path for grant in granted.grants] == ["app/prod/db", "app/prod/stripe"]
    key = granted.grants[1]
    assert (key.as_file, key.base64, key.optional) == (True, True, False)


def test_secret_that_is_not_in_the_chosen_environment_is_not_granted() -> None:
    assert [grant.name for grant in manifest.grant(READ, "deploy", "dev").grants] == ["URL"]


@pytest.mark.parametrize(
    ("job", "environment", "message", "hint"),
    [
        ("tset", None, 'ciplug.toml has no job "tset" (did you mean "test"?)', "jobs: test, deploy"),
        ("x", None, 'ciplug.toml has no job "x"', "jobs: test, deploy"),
        ("deploy", None, 'job "deploy" has 2 environments: dev, prod', "choose one with --env"),
        ("test", "prod", 'job "test" has no environment "prod"', "choose with --env: dev"),
        (
            "deploy",
            "prd",
            'job "deploy" has no environment "prd" (did you mean "prod"?)',
            "choose with --env: dev, prod",
        ),
    ],
)
def test_unknown_job_or_environment_is_refused(job: str, environment: str | None, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        manifest.grant(READ, job, environment)
    assert (str(caught.value), caught.value.hint) == (message, hint)


def test_manifest_without_jobs_says_so() -> None:
    with pytest.raises(UsageError) as caught:
        manifest.grant(manifest.parse(ALONE, "m"), "test")
    assert caught.value.hint == "it has no jobs"


def test_person_is_granted_the_whole_catalogue_of_an_environment() -> None:
    granted = manifest.grant_all(READ, "dev")
    assert (granted.job, granted.role) == (None, None)
    assert [grant.name for grant in granted.grants] == ["URL", "NPM_TOKEN", "PG_USER"]
    assert len(manifest.grant_all(READ, "prod").grants) == 4


def test_person_needs_no_choice_of_a_single_environment() -> None:
    read = manifest.parse(ALONE + '[environments.dev]\npath = "d"\n', "m")
    assert manifest.grant_all(read).environment.name == "dev"


@pytest.mark.parametrize(
    ("text", "environment", "message"),
    [
        (TEXT, None, "m has 2 environments: dev, prod"),
        (TEXT, "Dev", 'm has no environment "Dev" (did you mean "dev"?)'),
        (ALONE, None, "m has no environment"),
        (ALONE, "dev", 'm has no environment "dev"'),
    ],
)
def test_person_must_choose_an_environment_that_exists(text: str, environment: str | None, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        manifest.grant_all(manifest.parse(text, "m"), environment)
    assert str(caught.value) == message
    assert caught.value.hint


@pytest.mark.parametrize(("environment", "role"), [("dev", "shop-deploy-dev"), ("prod", "shop-deploy-prod")])
def test_a_role_by_environment_is_that_of_the_chosen_one(environment: str, role: str) -> None:
    read = manifest.parse(TEXT.replace('"deployer"', '"shop-deploy-{environment}"'), "ciplug.toml")
    assert manifest.grant(read, "deploy", environment).role == role


def test_a_job_whose_name_looks_like_a_template_is_taken_by_its_name() -> None:
    text = TEXT.replace("[jobs.deploy]", '[jobs."{environment}"]')
    read = manifest.parse(text, "ciplug.toml")
    assert manifest.grant(read, "{environment}", "dev").role == "deployer"
