from __future__ import annotations

import pytest

from ciplug import manifest
from ciplug.errors import ManifestError
from ciplug.manifest import ManifestProblems

SMALL = """\
version = 1
[vault]
audience = "vault"
shared = ["common"]
[project]
name = "shop"
[environments.dev]
path = "app/dev"
[environments.prod]
path = "app/prod"
[secrets.TOKEN]
ref = "api#token"
[jobs.test]
environment = "dev"
secrets = ["TOKEN"]
[targets.web]
platform = "vercel"
environment = "dev"
token = "//common/vercel#token"
secrets = ["TOKEN"]
"""


def problems_of(text: str) -> list[str]:
    with pytest.raises(ManifestProblems) as caught:
        manifest.parse(text, "m.toml")
    return str(caught.value).removeprefix("m.toml:").split("\nm.toml:")


def small(old: str, new: str) -> str:
    assert old in SMALL
    return SMALL.replace(old, new, 1)


PROBLEMS = [
    ("version = 1\n", "version = 2\n", "1: version: this ciplug reads version 1"),
    ("version = 1\n", "version = 0x" + "f" * 5000 + "\n", "1: version: this ciplug reads version 1"),
    ("version = 1\n", 'version = "1"\n', "1: version: must be an integer, not a string"),
    ("version = 1\n", "version = true\n", "1: version: must be an integer, not a boolean"),
    ("version = 1\n", "", "1: version: is missing"),
    ("version = 1\n", "version = 1\nsecret = 1\n", '2: secret: is not a known key (did you mean "secrets"?)'),
    ("version = 1\n", "version = 1\nzzz = 1\n", "2: zzz: is not a known key"),
    ('[vault]\naudience = "vault"\nshared = ["common"]', "vault = 1", "2: vault: must be a table, not an integer"),
    ('audience = "vault"', "", "2: vault.audience: is missing"),
    ('audience = "vault"', 'audience = ""', "3: vault.audience: must not be empty"),
    ('audience = "vault"', 'audience = "a b"', "3: vault.audience: must not hold blanks or control characters"),
    ('audience = "vault"', 'audience = "a\\u200bb"', "3: vault.audience: must not hold invisible characters"),
    (
        'audience = "vault"',
        'audience = "v"\nadress = "x"',
        '4: vault.adress: is not a known key (did you mean "address"?)',
    ),
    ('audience = "vault"', 'audience = "v"\naddress = []', "4: vault.address: must not be empty"),
    (
        'audience = "vault"',
        'audience = "v"\naddress = 1',
        "4: vault.address: must be a string or an array of strings, not an integer",
    ),
    (
        'audience = "vault"',
        'audience = "v"\naddress = ["https://a", "https://a"]',
        '4: vault.address[1]: "https://a" is there twice',
    ),
    (
        'audience = "vault"',
        'audience = "v"\naddress = "http://vault:8200"',
        "4: vault.address: must begin with https://:…",
    ),
    (
        'audience = "vault"',
        'audience = "v"\nnamespace = "a//b"',
        "4: vault.namespace: must not be empty or hold an empty segment",
    ),
    ('audience = "vault"', 'audience = "v"\nkv_mount = "secret/"', "4: vault.kv_mount: must not begin or end with /"),
    (
        'audience = "vault"',
        'audience = "v"\nkv_mount = "sys/x"',
        "4: vault.kv_mount: must not be one of the vault's own mounts: sys, auth, cubbyhole, identity",
    ),
    (
        'audience = "vault"',
        'audience = "v"\nauth_mount = "auth/jwt"',
        "4: vault.auth_mount: must be written without the leading auth/",
    ),
    (
        'audience = "vault"',
        'audience = "v"\nauth_mount = 1',
        "4: vault.auth_mount: must be a string or a table of strings by host, not an integer",
    ),
    (
        'audience = "vault"',
        'audience = "v"\nauth_mount = ["jwt"]',
        "4: vault.auth_mount: must be a string or a table of strings by host, not an array",
    ),
    (
        'audience = "vault"',
        'audience = "v"\nauth_mount = ""',
        "4: vault.auth_mount: must not be empty or hold an empty segment",
    ),
    (
        'audience = "vault"',
        'audience = "v"\nauth_mount = {}',
        "4: vault.auth_mount: must name a mount",
    ),
    (
        'audience = "vault"',
        'audience = "v"\nauth_mount = { github = "jwt", gitlabs = "x" }',
        '4: vault.auth_mount.gitlabs: is not a known key (did you mean "gitlab"?)',
    ),
    (
        'audience = "vault"',
        'audience = "v"\nauth_mount = { GitHub = "jwt" }',
        '4: vault.auth_mount.GitHub: is not a known key (did you mean "github"?)',
    ),
    (
        'audience = "vault"',
        'audience = "v"\nauth_mount = { ci = "jwt", terminal = 1 }',
        "4: vault.auth_mount.terminal: must be a string, not an integer",
    ),
    (
        'audience = "vault"',
        'audience = "v"\nauth_mount = { default = "" }',
        "4: vault.auth_mount.default: must not be empty or hold an empty segment",
    ),
    (
        'audience = "vault"',
        'audience = "v"\nauth_mount = { github = "jwt", jenkins = "../sys" }',
        "4: vault.auth_mount.jenkins: must not hold the segments . or ..",
    ),
    (
        'shared = ["common"]',
        'shared = []\n[vault.auth_mount]\ngithub = "jwt"\ngitlab = "auth/jwt"',
        "7: vault.auth_mount.gitlab: must be written without the leading auth/",
    ),
    ('audience = "vault"', 'audience = "v"\nkv_version = 3', "4: vault.kv_version: must be 1 to 2"),
    (
        'audience = "vault"',
        'audience = "v"\nkv_version = true',
        "4: vault.kv_version: must be an integer, not a boolean",
    ),
    ('audience = "vault"', 'audience = "v"\nkv_version = 2.0', "4: vault.kv_version: must be an integer, not a float"),
    (
        'audience = "vault"',
        'audience = "v"\ndeadline = 0',
        "4: vault.deadline: must be above 0 and at most 600 seconds",
    ),
    (
        'audience = "vault"',
        'audience = "v"\ndeadline = nan',
        "4: vault.deadline: must be above 0 and at most 600 seconds",
    ),
    (
        'audience = "vault"',
        'audience = "v"\ndeadline = inf',
        "4: vault.deadline: must be above 0 and at most 600 seconds",
    ),
    (
        'audience = "vault"',
        'audience = "v"\ndeadline = true',
        "4: vault.deadline: must be a number of seconds, not a boolean",
    ),
    ('shared = ["common"]', 'shared = ["common", "a/../b"]', "4: vault.shared[1]: must not hold the segments . or .."),
    ('shared = ["common"]', 'shared = ["common", "{{x}}"]', "4: vault.shared[1]: must not hold {"),
    ('shared = ["common"]', 'shared = ["common", "a/.ciplug"]', "4: vault.shared[1]: must not hold .ciplug…"),
    ('shared = ["common"]', 'shared = [\n"common",\n7]', "6: vault.shared[1]: must be a string, not an integer"),
    ('name = "shop"', 'name = "-"', "6: project.name: must be letters, digits, dots, dashes and underscores, with…"),
    ('name = "shop"', 'name = "s"\ngithub = "shop"', '7: project.github: must be "owner/repo"'),
    ('name = "shop"', 'name = "s"\ngithub = "a/b/c"', '7: project.github: must be "owner/repo"'),
    ('name = "shop"', 'name = "s"\ngithub = "a/.."', '7: project.github: must be "owner/repo"'),
    ('name = "shop"', 'name = "s"\ngitlab = "a"', '7: project.gitlab: must be "group/project"…'),
    ('name = "shop"', 'name = "s"\ngithub_id = 0', "7: project.github_id: must be at least 1"),
    ('name = "shop"', 'name = "s"\ngithub_id = "7"', "7: project.github_id: must be an integer, not a string"),
    (
        'name = "shop"',
        'name = "s"\njenkins = "ci/job/x"',
        "7: project.jenkins: must be the http:// or https:// URL of a Jenkins job",
    ),
    ('name = "shop"', 'name = "s"\njenkins = "https://u@ci/job/x"', "7: project.jenkins: must not hold @"),
    ('name = "shop"', 'name = "s"\ngitlab_id = 0', "7: project.gitlab_id: must be at least 1"),
    ('name = "shop"', 'name = "s"\ngitlab_id = "7"', "7: project.gitlab_id: must be an integer, not a string"),
    (
        'audience = "vault"',
        'audience = "v"\nissuer = "vault.acme.dev"',
        "4: vault.issuer: must be the http:// or https:// URL of an issuer",
    ),
    (
        'audience = "vault"',
        'audience = "v"\nissuer = "https://a b"',
        "4: vault.issuer: must not hold blanks or control…",
    ),
    (
        'audience = "vault"',
        'audience = "v"\nissuer = ""',
        "4: vault.issuer: must be the http:// or https:// URL of an…",
    ),
    (
        'audience = "vault"',
        'audience = "v"\nissuer = 1',
        "4: vault.issuer: must be a string or a table of strings by host, not an integer",
    ),
    ('audience = "vault"', 'audience = "v"\nissuer = {}', "4: vault.issuer: must name an issuer"),
    (
        'audience = "vault"',
        'audience = "v"\nissuer = { gitlba = "https://a" }',
        '4: vault.issuer.gitlba: is not a known key (did you mean "gitlab"?)',
    ),
    (
        'audience = "vault"',
        'audience = "v"\nissuer = { gitlab = "gitlab.acme.dev" }',
        "4: vault.issuer.gitlab: must be the http:// or https:// URL of an issuer",
    ),
    ("[environments.dev]", "[environments.dev]\nx = 1", "8: environments.dev.x: is not a known key"),
    ('path = "app/dev"', "", "7: environments.dev.path: is missing"),
    ('path = "app/dev"', 'path = ""', "8: environments.dev.path: must not be empty or hold an empty segment"),
    ('path = "app/dev"', 'path = "/app"', "8: environments.dev.path: must not begin or end with /"),
    ('path = "app/dev"', 'path = "app/*"', "8: environments.dev.path: must not hold *"),
    ('path = "app/dev"', "path = 1979-05-27", "8: environments.dev.path: must be a string, not a date or time"),
    (
        'path = "app/prod"',
        'path = "app/dev/prod"',
        '10: environments.prod.path: overlaps the path of environment "dev"…',
    ),
    (
        'path = "app/prod"',
        'path = "app"',
        '10: environments.prod.path: overlaps the path of environment "dev"…',
    ),
    (
        'path = "app/prod"',
        'path = "common/prod"',
        '10: environments.prod.path: overlaps vault.shared "common"…',
    ),
    ('path = "app/prod"', 'path = "p"\nonly_if = {}', "11: environments.prod.only_if: must name a claim"),
    ('path = "app/prod"', 'path = "p"\nonly_if = []', "11: environments.prod.only_if: must be a table, not an array"),
    ('path = "app/prod"', 'path = "p"\nonly_if = { ref = [] }', "11: environments.prod.only_if.ref: must not be empty"),
    (
        'path = "app/prod"',
        'path = "p"\nonly_if = { ref = ["a", "refs/*"] }',
        "11: environments.prod.only_if.ref[1]: must not hold *…",
    ),
    (
        'path = "app/prod"',
        'path = "p"\nonly_if = { ref = 1.5 }',
        "11: environments.prod.only_if.ref: must be a string, an integer or a boolean, not a float",
    ),
    (
        'path = "app/prod"',
        'path = "p"\nonly_if = { "" = 1 }',
        '11: environments.prod.only_if."": the name of a claim must not be empty',
    ),
    ('ref = "api#token"', "", "11: secrets.TOKEN.ref: is missing"),
    ('ref = "api#token"', 'ref = "api"', '12: secrets.TOKEN.ref: must name a field after #, as in "db#url"'),
    (
        'ref = "api#token"',
        'ref = "//other/api#token"',
        "12: secrets.TOKEN.ref: must be inside one of vault.shared: // …",
    ),
    (
        'ref = "api#token"',
        'ref = "a#b"\nas = "fil"',
        '13: secrets.TOKEN.as: must be "env" or "file" (did you mean "file"?)',
    ),
    ('ref = "api#token"', 'ref = "a#b"\nencoding = "hex"', '13: secrets.TOKEN.encoding: must be "base64"'),
    ('ref = "api#token"', 'ref = "a#b"\noptional = 1', "13: secrets.TOKEN.optional: must be a boolean, not an integer"),
    (
        'ref = "api#token"',
        'ref = "a#b"\nrotate_every = "90"',
        '13: secrets.TOKEN.rotate_every: must be a number and h, d or w, as in "90d"',
    ),
    (
        'ref = "api#token"',
        'ref = "a#b"\nrotate_every = "0d"',
        '13: secrets.TOKEN.rotate_every: must be a number and h, d or w, as in "90d"',
    ),
    (
        'ref = "api#token"',
        'ref = "a#b"\nrotate_every = "d"',
        '13: secrets.TOKEN.rotate_every: must be a number and h, d or w, as in "90d"',
    ),
    (
        'ref = "api#token"',
        'ref = "a#b"\nrotate_every = "123456d"',
        "13: secrets.TOKEN.rotate_every: must have at most 5 digits",
    ),
    ('ref = "api#token"', 'ref = "a#b"\nowner = ""', "13: secrets.TOKEN.owner: must not be empty"),
    (
        'ref = "api#token"',
        'ref = "a#b"\nowner = "a\\u001bb"',
        "13: secrets.TOKEN.owner: must not hold control characters",
    ),
    (
        'ref = "api#token"',
        'ref = "a#b"\ndescription = "\\u202e"',
        "13: secrets.TOKEN.description: must not hold invisible characters",
    ),
    (
        'ref = "api#token"',
        'ref = "a#b"\nenvironments = []',
        "13: secrets.TOKEN.environments: must not be empty…",
    ),
    (
        'ref = "api#token"',
        'ref = "a#b"\nenvironments = ["dev", "prd"]',
        '13: secrets.TOKEN.environments[1]: "prd" is not in [environments] (did you mean "prod"?)',
    ),
    ("[jobs.test]", '[secrets."MY KEY"]\nref = "a#b"\n[jobs.test]', '13: secrets."MY KEY": is not a variable name…'),
    ("[jobs.test]", '[secrets.Path]\nref = "a#b"\n[jobs.test]', "13: secrets.Path: is reserved…"),
    (
        "[jobs.test]",
        '[secrets.Token]\nref = "a#b"\n[jobs.test]',
        '13: secrets.Token: differs from "TOKEN" only by the case of its letters',
    ),
    ("[jobs.test]\n", '[jobs." x"]\nrole = "r"\n', '13: jobs." x": its name must not begin or end with a blank'),
    ("[jobs.test]\n", '[jobs.""]\nrole = "r"\n', '13: jobs."": its name must be 1 to 255 characters long'),
    ("[jobs.test]\n", '[jobs."a\'b"]\nrole = "r"\n', '13: jobs."a\'b": its name must not hold quotes'),
    (
        "[jobs.test]\n",
        '[jobs."a\\nb"]\nrole = "r"\n',
        '13: jobs."a\\u000ab": its name must not hold control characters',
    ),
    (
        "[jobs.test]\n",
        '[jobs."a b"]\n',
        '13: jobs."a b".role: is missing, and the default "shop-a b" is no legal name of a role',
    ),
    (
        "[jobs.test]\n",
        '[jobs.test]\nrole = "a/b"\n',
        "14: jobs.test.role: must be letters, digits, dots, dashes and underscores, with…",
    ),
    (
        "[jobs.test]\n",
        '[jobs.test]\nrole = "{environment}-"\n',
        "14: jobs.test.role: must be letters, digits, dots, dashes and underscores, with…",
    ),
    (
        "[jobs.test]\n",
        '[jobs.test]\nrole = "a-{env}"\n',
        "14: jobs.test.role: must be letters, digits, dots, dashes and underscores, with…",
    ),
    (
        'platform = "vercel"',
        'platform = "vercel"\nrole = "a-{environment}"',
        "18: targets.web.role: must be letters, digits, dots, dashes and underscores, with…",
    ),
    ("[jobs.test]\n", '[jobs.test]\nttl = "30s"\n', '14: jobs.test.ttl: must be a number and m or h, as in "30m"'),
    ("[jobs.test]\n", '[jobs.test]\nttl = "0m"\n', '14: jobs.test.ttl: must be a number and m or h, as in "30m"'),
    ("[jobs.test]\n", '[jobs.test]\nttl = ""\n', '14: jobs.test.ttl: must be a number and m or h, as in "30m"'),
    ("[jobs.test]\n", '[jobs.test]\nttl = "٣m"\n', '14: jobs.test.ttl: must be a number and m or h, as in "30m"'),
    ("[jobs.test]\n", '[jobs.test]\nttl = "25h"\n', "14: jobs.test.ttl: must be at most 24h"),
    ("[jobs.test]\n", '[jobs.test]\nttl = "99999999999h"\n', "14: jobs.test.ttl: must be at most 24h"),
    ("[jobs.test]\n", "[jobs.test]\nttl = 300\n", "14: jobs.test.ttl: must be a string, not an integer"),
    (
        'platform = "vercel"',
        'platform = "vercel"\nttl = "1d"',
        "18: targets.web.ttl: must be a number and m or h, as in…",
    ),
    (
        "[jobs.test]\n",
        "[jobs.test]\nsecret = []\n",
        '14: jobs.test.secret: is not a known key (did you mean "secrets"?)',
    ),
    ('environment = "dev"\nsecrets', "secrets", "13: jobs.test.environment: is missing"),
    ('environment = "dev"\nsecrets', "environment = []\nsecrets", "14: jobs.test.environment: must not be empty"),
    ('environment = "dev"\nsecrets', 'environment = ""\nsecrets', "14: jobs.test.environment: must not be empty"),
    (
        'environment = "dev"\nsecrets',
        'environment = "Dev"\nsecrets',
        '14: jobs.test.environment: "Dev" is not in [environments] (did you mean "dev"?)',
    ),
    (
        'environment = "dev"\nsecrets',
        'environment = ["dev", "dev"]\nsecrets',
        '14: jobs.test.environment[1]: "dev" is there twice',
    ),
    (
        'environment = "dev"\nsecrets',
        'environment = ["dev",\n"qa"]\nsecrets',
        '15: jobs.test.environment[1]: "qa" is not in [environments]',
    ),
    ('secrets = ["TOKEN"]\n[targets', "[targets", "13: jobs.test.secrets: is missing"),
    ('secrets = ["TOKEN"]\n[targets', "secrets = []\n[targets", "15: jobs.test.secrets: lists no secret"),
    (
        'secrets = ["TOKEN"]\n[targets',
        'secrets = "TOKEN"\n[targets',
        "15: jobs.test.secrets: must be an array, not a string",
    ),
    (
        'secrets = ["TOKEN"]\n[targets',
        'secrets = ["TOKEN", "TOKEN"]\n[targets',
        '15: jobs.test.secrets[1]: "TOKEN" is there twice',
    ),
    (
        'secrets = ["TOKEN"]\n[targets',
        'secrets = ["TOKEM"]\n[targets',
        '15: jobs.test.secrets[0]: "TOKEM" is not in [secrets] (did you mean "TOKEN"?)',
    ),
    (
        'secrets = ["TOKEN"]\n[targets',
        f'secrets = ["{"x" * 81}"]\n[targets',
        "15: jobs.test.secrets[0]: <81 characters> is not in [secrets]",
    ),
    ("[targets.web]\n", "[[targets.web]]\n", "16: targets.web: must be a table, not an array"),
    (
        "[targets.web]\n",
        '[targets."web x"]\nrole = "r"\n',
        '16: targets."web x": its name must be letters, digits, dots…',
    ),
    (
        "[targets.web]\n",
        f"[targets.{'x' * 65}]\n",
        f"16: targets.{'x' * 65}: its name must be at most 64 characters long",
    ),
    ('platform = "vercel"', "", "16: targets.web.platform: is missing"),
    ('token = "//common/vercel#token"', "", "16: targets.web.token: is missing"),
    (
        'token = "//common/vercel#token"',
        'token = "//x#token"',
        "19: targets.web.token: must be inside one of vault.shared: // …",
    ),
    (
        'environment = "dev"\ntoken',
        'environment = ["dev"]\ntoken',
        "18: targets.web.environment: must be a string, not an array",
    ),
    (
        'platform = "vercel"',
        'platform = "vercel"\noptions = { at = 1979-05-27 }',
        "18: targets.web.options.at: must not be a date or time",
    ),
    (
        'platform = "vercel"',
        'platform = "vercel"\noptions = { a = [1, nan] }',
        "18: targets.web.options.a[1]: must be a finite number",
    ),
    (
        'platform = "vercel"',
        'platform = "vercel"\noptions.a.b.c.d.e.f.g.h.i = 1',
        "18: targets.web.options.a.b.c.d.e.f.g.h: is nested too deeply",
    ),
]


@pytest.mark.parametrize(("old", "new", "expected"), PROBLEMS, ids=[expected for _, _, expected in PROBLEMS])
def test_problem_is_reported_with_its_line_and_key(old: str, new: str, expected: str) -> None:
    problems = problems_of(small(old, new))
    assert any(
        problem == expected or (expected[-1] == "…" and problem.startswith(expected[:-1])) for problem in problems
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [(old, new) for old, new, expected in PROBLEMS if "jobs.test.role" in expected or "13: jobs" in expected],
)
def test_one_mistake_in_a_job_is_one_problem(old: str, new: str) -> None:
    assert len(problems_of(small(old, new))) == 1


def test_every_problem_is_reported_at_once_in_the_order_of_lines() -> None:
    text = """\
version = 1
tagets = 1
[vault]
audience = 5
deadline = "soon"
[jobs.test]
environment = "dev"
secrets = ["TOKEM", "PATH"]
rol = "x"
[secrets.PATH]
ref = "/a#b"
[secrets.TOKEN]
ref = "a#b"
[environments.dev]
path = "a"
[environments.prod]
path = "a"
"""
    assert problems_of(text) == [
        '2: tagets: is not a known key (did you mean "targets"?)',
        "4: vault.audience: must be a string, not an integer",
        "5: vault.deadline: must be a number of seconds, not a string",
        "6: jobs.test.role: is missing, and [project] gives no name to make the default <project>-<name> of",
        '8: jobs.test.secrets[0]: "TOKEM" is not in [secrets] (did you mean "TOKEN"?)',
        '9: jobs.test.rol: is not a known key (did you mean "role"?)',
        f"10: secrets.PATH: {manifest.name_problem('PATH')}",
        (
            "11: secrets.PATH.ref: must not begin with /: a path is relative to its environment; "
            "// starts at the mount's root"
        ),
        (
            '17: environments.prod.path: overlaps the path of environment "dev": '
            "no environment may read what belongs to another"
        ),
    ]


def test_problems_are_kept_for_programs() -> None:
    with pytest.raises(ManifestError) as caught:
        manifest.parse(small('secrets = ["TOKEN"]', 'secrets = ["TOKEM"]'), "m.toml")
    assert isinstance(caught.value, ManifestProblems)
    assert caught.value.source == "m.toml"
    assert caught.value.problems == (
        manifest.Problem(
            line=15, key="jobs.test.secrets[0]", message='"TOKEM" is not in [secrets]', suggestion="TOKEN"
        ),
    )
    assert "ciplug check" in caught.value.hint


def test_another_version_is_not_judged_any_further() -> None:
    assert problems_of("version = 9\nfuture = 1\n") == ["1: version: this ciplug reads version 1"]


def test_every_wrong_auth_mount_is_its_own_problem() -> None:
    text = small(
        'audience = "vault"', 'audience = "v"\nauth_mount = { github = "", gitlab = 1, vercel = "jwt", ci = "jwt" }'
    )
    assert problems_of(text) == [
        "4: vault.auth_mount.vercel: is not a known key",
        "4: vault.auth_mount.github: must not be empty or hold an empty segment",
        "4: vault.auth_mount.gitlab: must be a string, not an integer",
    ]


def test_longest_deadline_is_the_one_that_is_exported() -> None:
    at_most = f'audience = "v"\ndeadline = {manifest.MAX_DEADLINE}'
    assert manifest.parse(small('audience = "vault"', at_most), "m").vault.deadline == manifest.MAX_DEADLINE
    above = f'audience = "v"\ndeadline = {manifest.MAX_DEADLINE + 0.5}'
    assert problems_of(small('audience = "vault"', above)) == [
        f"4: vault.deadline: must be above 0 and at most {manifest.MAX_DEADLINE:g} seconds"
    ]


def test_vault_table_is_required() -> None:
    assert problems_of("version = 1\n") == ["1: vault: is missing"]


def test_jobs_without_any_environment_are_one_problem() -> None:
    text = small('[environments.dev]\npath = "app/dev"\n[environments.prod]\npath = "app/prod"\n', "")
    assert problems_of(text) == ["1: environments: must declare one: jobs and targets read from an environment"]
    assert problems_of("environments = 1\n" + text) == ["1: environments: must be a table, not an integer"]


def test_role_problem_is_not_added_to_a_broken_project() -> None:
    assert problems_of(small('name = "shop"', 'github = "shop"')) == ['6: project.github: must be "owner/repo"']


@pytest.mark.parametrize("project", ["", 'jenkins = "https://ci.acme.dev/"'])
def test_role_without_a_project_name_is_asked_for(project: str) -> None:
    problems = problems_of(small('name = "shop"', project))
    assert len(problems) == 2
    assert all("[project] gives no name" in problem for problem in problems)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ('"dev"', '17: jobs.test.secrets[0]: "TOKEN" is not available in environment "dev"'),
        ('["dev", "qa"]', '17: jobs.test.secrets[0]: "TOKEN" is not available in environment "dev" or "qa"'),
    ],
)
def test_secret_of_another_environment_is_refused(environment: str, expected: str) -> None:
    text = small('environment = "dev"\nsecrets', f"environment = {environment}\nsecrets")
    text = text.replace('ref = "api#token"\n', 'ref = "api#token"\nenvironments = ["prod"]\n')
    text = text.replace(
        '[environments.dev]\npath = "app/dev"', '[environments]\nqa.path = "app/qa"\ndev.path = "app/dev"'
    )
    problems = problems_of(text)
    assert expected in problems
    assert '22: targets.web.secrets[0]: "TOKEN" is not available in environment "dev"' in problems


def test_secret_of_one_of_a_jobs_environments_is_enough() -> None:
    text = small('environment = "dev"\nsecrets', 'environment = ["dev", "prod"]\nsecrets')
    text = text.replace('ref = "api#token"\n', 'ref = "api#token"\nenvironments = ["dev"]\n')
    assert manifest.parse(text, "m").jobs["test"].environments == ("dev", "prod")


@pytest.mark.parametrize("value", ["https://user:hunter2hunter2@vault", "hunter2 hunter2", "s" * 200])
@pytest.mark.parametrize("key", ["address", "namespace", "kv_mount", "audience", "shared", "tokn"])
def test_what_may_be_a_pasted_secret_is_not_repeated(key: str, value: str) -> None:
    spelled = f'["{value}", "{value}"]' if key in ("address", "shared") else f'"{value}"'
    text = small('audience = "vault"\nshared = ["common"]', f"{key} = {spelled}\nkv_version = 7")
    said = "\n".join(problems_of(text))
    assert "vault.kv_version" in said
    assert "s" * 81 not in said
    if key != "shared" and key != "address":
        assert "hunter2" not in said


def test_a_role_by_environment_must_be_legal_in_each() -> None:
    text = SMALL.replace("environments.dev]", 'environments."dev."]').replace(
        'environment = "dev"', 'environment = "dev."'
    )
    assert problems_of(text.replace("[jobs.test]", '[jobs.test]\nrole = "shop-{environment}"')) == [
        '14: jobs.test.role: is no legal name of a role in environment "dev."'
    ]
