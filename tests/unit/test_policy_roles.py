from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ciplug import manifest
from ciplug.policy.deriving import derive
from ciplug.policy.hosts import ALL, OWN_EVENTS, STRANGERS_EVENTS
from ciplug.standins.claims import github_claims, gitlab_claims, jenkins_claims

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.policy.hosts import HostKind
    from ciplug.policy.model import Implied, Role

GITHUB = 'github = "acme/shop"\ngithub_id = 74'
GITLAB = 'gitlab = "acme/shop"\ngitlab_id = 20'
JENKINS = 'jenkins = "https://ci.acme.dev/job/shop/"'
EVERY = f"{GITHUB}\n{GITLAB}\n{JENKINS}"
MOUNTS = 'auth_mount = { github = "jwt", gitlab = "jwt-gitlab", jenkins = "jwt-jenkins" }'
ISSUERS = {
    "github": "https://token.actions.githubusercontent.com",
    "gitlab": "https://gitlab.com",
    "jenkins": "https://ci.acme.dev/oidc",
}


def implied(
    project: str = GITHUB, only_if: str = "", *, vault: str = MOUNTS, job: str = "", ref: str = "db#url"
) -> Implied:
    """What a manifest with one job implies, in one environment with these conditions."""
    only = f"only_if = {{ {only_if} }}" if only_if else ""
    text = f"""\
version = 1
[vault]
audience = "https://vault.acme.dev"
shared = ["common"]
{vault}
[project]
name = "shop"
{project}
[environments.prod]
path = "app/prod"
{only}
[secrets.URL]
ref = "{ref}"
[jobs.test]
environment = "prod"
secrets = ["URL"]
{job}
"""
    return derive(manifest.parse(text, "m"))


def role_for(kind: str, found: Implied) -> Role:
    assert found.problems == ()
    [role] = [role for role in found.roles if role.host == kind]
    return role


def bound(kind: str, only_if: str = "", **options: str) -> dict[str, object]:
    return dict(role_for(kind, implied(only_if=only_if, **{"project": EVERY, **options})).jwt.bound_claims)


def test_a_role_is_for_one_audience_one_policy_and_a_short_life() -> None:
    role = role_for("github", implied())
    assert (role.host, role.mount, role.policy) == ("github", "jwt", "shop-test")
    assert (role.jwt.name, role.jwt.policies, role.jwt.bound_audiences) == (
        "shop-test",
        ("shop-test",),
        ("https://vault.acme.dev",),
    )
    assert (role.jwt.token_type, role.jwt.ttl, role.jwt.max_ttl) == ("service", 300, 300)
    assert (role.jwt.user_claim, role.jwt.bound_claims_type, role.jwt.leeway) == ("sub", "string", None)


@pytest.mark.parametrize(
    ("kind", "project", "claim", "value"),
    [
        ("github", 'github = "acme/shop"', "repository", "acme/shop"),
        ("github", 'github = "acme/shop"\ngithub_id = 74', "repository_id", "74"),
        ("github", "github_id = 74", "repository_id", "74"),
        ("gitlab", 'gitlab = "acme/web/shop"', "project_path", "acme/web/shop"),
        ("gitlab", 'gitlab = "acme/web/shop"\ngitlab_id = 20', "project_id", "20"),
        ("gitlab", "gitlab_id = 20", "project_id", "20"),
        ("jenkins", JENKINS, "sub", "https://ci.acme.dev/job/shop/"),
    ],
)
def test_a_role_is_bound_to_the_issuer_and_the_project(kind: str, project: str, claim: str, value: str) -> None:
    events = {"event_name": list(OWN_EVENTS)} if kind == "github" else {}
    assert bound(kind, project=project) == {"iss": ISSUERS[kind], claim: value, **events}


def test_there_is_a_role_for_each_host_at_its_mount() -> None:
    assert [(role.host, role.mount) for role in implied(EVERY).roles] == [
        ("github", "jwt"),
        ("gitlab", "jwt-gitlab"),
        ("jenkins", "jwt-jenkins"),
    ]


def test_the_subject_of_github_is_bound_only_where_the_manifest_does() -> None:
    assert "sub" not in bound("github")
    subject = "repo:acme@65/shop@74:ref:refs/heads/main"
    assert bound("github", f'sub = "{subject}"')["sub"] == subject


def lets_in(role: Role, claims: Mapping[str, object]) -> bool:
    """Whether a vault would take a token with `claims`: each that is bound has one of the values."""
    bound = {name: value if isinstance(value, list) else [value] for name, value in role.jwt.bound_claims.items()}
    return all(claims.get(name) in values for name, values in bound.items())


@pytest.mark.parametrize(
    ("event", "is_let_in"),
    [
        *(
            (event, True)
            for event in ("push", "pull_request", "merge_group", "workflow_dispatch", "schedule", "release")
        ),
        *((event, False) for event in ("pull_request_target", *STRANGERS_EVENTS)),
    ],
)
def test_a_token_is_let_in_only_for_events_in_which_the_repositorys_own_code_runs(event: str, is_let_in: bool) -> None:
    token = {"iss": ISSUERS["github"], **github_claims("acme/shop", repository_id="74", event_name=event)}
    assert lets_in(role_for("github", implied()), token) == is_let_in
    assert not lets_in(role_for("github", implied()), token | {"repository_id": "75"})


def test_conditions_are_bound_one_value_as_it_is_and_several_as_a_list() -> None:
    found = bound("github", 'event_name = ["push"], environment = ["production", "staging"], repo_property_tier = "1"')
    assert found == {
        "iss": ISSUERS["github"],
        "repository_id": "74",
        "event_name": "push",
        "environment": ["production", "staging"],
        "repo_property_tier": "1",
    }


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        ("github", "https://github.acme.dev/_services/token", "https://github.acme.dev/_services/token"),
        ("gitlab", "https://gitlab.acme.dev", "https://gitlab.acme.dev"),
        ("jenkins", "https://ci.acme.dev/oidc/job/team", "https://ci.acme.dev/oidc/job/team"),
    ],
)
def test_an_issuer_that_is_given_is_bound_in_its_own_spelling(kind: str, given: str, value: str) -> None:
    assert bound(kind, vault=f'{MOUNTS}\nissuer = {{ {kind} = "{given}" }}')["iss"] == value
    project = {"github": GITHUB, "gitlab": GITLAB, "jenkins": JENKINS}[kind]
    assert bound(kind, vault=f'issuer = "{given}"', project=project)["iss"] == value


@pytest.mark.parametrize(
    ("url", "issuer"),
    [
        ("http://ci.acme.dev:8080/jenkins/job/a/job/b/", "http://ci.acme.dev:8080/jenkins/oidc"),
        ("https://ci.acme.dev/job/shop/", "https://ci.acme.dev/oidc"),
    ],
)
def test_the_issuer_of_jenkins_is_at_its_root(url: str, issuer: str) -> None:
    assert bound("jenkins", project=f'jenkins = "{url}"')["iss"] == issuer


@pytest.mark.parametrize(
    ("ref", "job", "ttl"),
    [
        ("db#url", "", 300),
        ("pg:creds/web#u", "", 3600),
        ("db#url", 'ttl = "30m"', 1800),
        ("pg:creds/web#u", 'ttl = "2h"', 7200),
    ],
)
def test_a_token_lives_as_long_as_its_use(ref: str, job: str, ttl: int) -> None:
    role = role_for("github", implied(ref=ref, job=job))
    assert (role.jwt.ttl, role.jwt.max_ttl, role.jwt.token_type) == (ttl, ttl, "service")


@pytest.mark.parametrize(("given", "ttl"), [("", 900), ('ttl = "5m"\n', 300)])
def test_a_target_has_a_quarter_of_an_hour(given: str, ttl: int) -> None:
    target = f'[targets.web]\nplatform = "p"\n{given}environment = "prod"\ntoken = "//common/p#t"\nsecrets = ["URL"]'
    [role] = [role for role in implied(job=target).roles if role.policy == "shop-web"]
    assert (role.jwt.ttl, role.jwt.max_ttl) == (ttl, ttl)


TOKENS = {
    "github": github_claims(environment="production"),
    "gitlab": gitlab_claims(environment="production"),
    "jenkins": jenkins_claims(audience="v"),
}


@pytest.mark.parametrize("host", ALL, ids=lambda host: host.kind)
def test_what_the_audit_log_is_told_are_strings_in_every_token(host: HostKind) -> None:
    role = role_for(host.kind, implied(EVERY))
    assert role.jwt.claim_mappings
    # a vault refuses the login where a mapped claim is a number or a list
    assert all(isinstance(TOKENS[role.host].get(claim, ""), str) for claim in role.jwt.claim_mappings)
    assert "role" not in role.jwt.claim_mappings.values()


@pytest.mark.parametrize("host", ALL, ids=lambda host: host.kind)
def test_the_claims_of_each_host_are_known_by_name_and_type(host: HostKind) -> None:
    claims = TOKENS[host.kind] | {"iss": "i", "exp": 1, "iat": 1}
    known = {claim: host.takes(claim, value) for claim, value in claims.items() if isinstance(value, str | int)}
    assert {claim for claim, taken in known.items() if not taken} == set()
    assert all(host.knows(claim) for claim, value in claims.items() if value is not None)


@pytest.mark.parametrize(
    ("project", "only_if", "vault", "problem"),
    [
        (
            "",
            "",
            MOUNTS,
            "[project] names no CI host, so a role would let any repository in; add github, gitlab or jenkins to it",
        ),
        (
            f"{GITHUB}\n{GITLAB}",
            "",
            "",
            (
                'GitHub Actions and GitLab CI log in at one mount, "jwt", and a mount trusts one issuer; give each its'
                ' own: auth_mount = { github = "jwt-github", gitlab = "jwt-gitlab" }'
            ),
        ),
        (
            GITLAB,
            "",
            'auth_mount = { github = "jwt" }',
            (
                'vault.auth_mount names no mount for the host gitlab; add gitlab = "MOUNT" to vault.auth_mount, or'
                ' default = "MOUNT" for every host it does not name'
            ),
        ),
        (
            f"{GITHUB}\n{GITLAB}",
            "",
            f'{MOUNTS}\nissuer = "https://gitlab.acme.dev"',
            (
                "vault.issuer is one issuer, and [project] names 2 hosts; name them by host:"
                ' issuer = { github = "https://gitlab.acme.dev" }'
            ),
        ),
        (
            'jenkins = "https://ci.acme.dev/shop/"',
            "",
            MOUNTS,
            (
                "project.jenkins has no /job/, so the issuer of its tokens is not known; name it:"
                ' issuer = { jenkins = "https://ci.example.com/oidc" } in [vault]'
            ),
        ),
        (
            GITHUB,
            'event_name = ["push", "pull_request_target"]',
            MOUNTS,
            (
                "jobs.test: only_if.event_name allows pull_request_target, whose token looks like the base branch's"
                " while a fork's code may run; leave it out, and run what needs secrets on push or merge_group"
            ),
        ),
        *(
            (
                JENKINS,
                f'sub = ["https://ci.acme.dev/job/shop/job/main/", "{job}"]',
                MOUNTS,
                (
                    f"jobs.test: only_if.sub allows {job}, the job of a pull request, in which a fork's code may run;"
                    " leave it out, and run what needs secrets in the jobs of branches"
                ),
            )
            for job in (
                "https://ci.acme.dev/job/shop/job/PR-12/",
                "https://ci.acme.dev/job/shop/job/pr-7-head",
                "https://ci.acme.dev/job/shop/job/PR%2D12/",
                "https://ci.acme.dev/job/shop/job/PR%252D12/",
                "https://ci.acme.dev/job/shop/job/MR-5-merge/",
            )
        ),
        *(
            (
                f'jenkins = "{job}"',
                "",
                MOUNTS,
                (
                    f"project.jenkins is {job}, the job of a pull request, in which a fork's code may run;"
                    " name the project's own, or that of a branch"
                ),
            )
            for job in ("https://ci.acme.dev/job/shop/job/PR-1/", "https://ci.acme.dev/job/shop/job/MR%2D1/")
        ),
        (
            GITHUB,
            "run_id = 7",
            MOUNTS,
            'jobs.test has no role for GitHub Actions: only_if.run_id must be a string, as in its tokens: "7"',
        ),
        (
            GITLAB,
            "ref_protected = true",
            MOUNTS,
            'jobs.test has no role for GitLab CI: only_if.ref_protected must be a string, as in its tokens: "true"',
        ),
        (
            JENKINS,
            'build_number = "42"',
            MOUNTS,
            "jobs.test has no role for Jenkins: only_if.build_number must be an integer, as in its tokens",
        ),
        (
            JENKINS,
            'ref = "main"',
            MOUNTS,
            (
                "jobs.test has no role for Jenkins: its tokens have no claim ref; use an environment whose only_if they"
                " can meet"
            ),
        ),
        (
            GITHUB,
            'ref = "main"',
            MOUNTS,
            (
                "jobs.test has no role for GitHub Actions: only_if.ref has nothing of the form that its tokens have, as"
                ' in "refs/heads/main"'
            ),
        ),
        *(
            (
                project,
                f'{claim} = "{value}"',
                MOUNTS,
                (
                    f"jobs.test has no role for {label}: only_if.{claim} has nothing of the form that its tokens have,"
                    f' as in "{example}"'
                ),
            )
            for project, label, claim, value, example in (
                (GITHUB, "GitHub Actions", "sub", "https://a", "repo:acme/shop:ref:refs/heads/main"),
                (GITLAB, "GitLab CI", "sub", "https://a", "project_path:acme/shop:ref_type:branch:ref:main"),
                (GITLAB, "GitLab CI", "ref", "refs/tags/v1", "main"),
                (JENKINS, "Jenkins", "sub", "repo:acme/shop", "https://ci.example.com/job/shop/"),
            )
        ),
        (
            'github = "acme/shop"',
            'repository = "acme/other"',
            MOUNTS,
            (
                "jobs.test has no role for GitHub Actions: only_if.repository is outside the project's own, acme/shop;"
                " mend one of the two"
            ),
        ),
        *(
            (
                project,
                f'{claim} = "{value}"',
                MOUNTS,
                (
                    f"jobs.test has no role for {label}: only_if.{claim} is outside the project's own, {own};"
                    " mend one of the two"
                ),
            )
            for project, label, claim, value, own in (
                (GITHUB, "GitHub Actions", "repository", "acme/other", "acme/shop"),
                (GITHUB, "GitHub Actions", "repository_id", "75", "74"),
                (GITHUB, "GitHub Actions", "repository_owner", "mallory", "acme"),
                ('github = "acme/shop"', "GitHub Actions", "repository_owner", "mallory", "acme"),
                (GITLAB, "GitLab CI", "project_path", "acme/other", "acme/shop"),
                (GITLAB, "GitLab CI", "project_id", "21", "20"),
                ('gitlab = "acme/web/shop"', "GitLab CI", "namespace_path", "acme", "acme/web"),
            )
        ),
        *(
            (
                project,
                f'{claim} = "{value}"',
                MOUNTS,
                (
                    f"jobs.test has no role for {label}: only_if.{claim} has not the capitals of the project's own,"
                    f" {own}; mend one of the two"
                ),
            )
            for project, label, claim, value, own in (
                (GITHUB, "GitHub Actions", "repository", "Acme/shop", "acme/shop"),
                ('github = "Acme/shop"', "GitHub Actions", "repository", "acme/shop", "Acme/shop"),
                ('github = "Acme/shop"', "GitHub Actions", "repository_owner", "acme", "Acme"),
                (GITLAB, "GitLab CI", "project_path", "acme/Shop", "acme/shop"),
            )
        ),
        (
            JENKINS,
            'sub = "https://ci.acme.dev/job/shop-evil/"',
            MOUNTS,
            (
                "jobs.test has no role for Jenkins: only_if.sub is outside the project's own,"
                " https://ci.acme.dev/job/shop/; mend one of the two"
            ),
        ),
        (
            GITHUB,
            '"/ref" = "refs/heads/main"',
            MOUNTS,
            (
                'jobs.test has no role for GitHub Actions: only_if."/ref" begins with /, which a vault takes for a path'
                " in the claims; name a claim"
            ),
        ),
    ],
)
def test_what_cannot_be_a_safe_role_is_refused_with_its_remedy(
    project: str, only_if: str, vault: str, problem: str
) -> None:
    found = implied(project, only_if, vault=vault)
    assert found.problems == (problem,)


@pytest.mark.parametrize("only_if", ["", 'event_name = "pull_request_target"'])
def test_no_role_ever_takes_a_fork_by_its_event(only_if: str) -> None:
    events = [
        role.jwt.bound_claims.get("event_name") for role in implied(EVERY, only_if).roles if role.host == "github"
    ]
    assert not any(event is None or "pull_request_target" in str(event) for event in events)


def test_everything_that_is_wrong_is_said_at_once() -> None:
    text = '[jobs.other]\nenvironment = "prod"\nrole = "shop-test"\nsecrets = ["URL"]'
    found = implied(f"{GITHUB}\n{GITLAB}", 'event_name = "pull_request_target"', vault="", job=text)
    assert [problem.partition(" ")[0] for problem in found.problems] == [
        "jobs.test",
        "GitHub",
        "jobs.test:",
        "jobs.test",
        "jobs.other:",
        "jobs.other",
    ]


@pytest.mark.parametrize(
    ("only_if", "hosts"),
    [
        ('ref = ["refs/heads/main", "main"]', ["github", "gitlab"]),
        ('ref = "refs/heads/main"', ["github"]),
        ('ref = "main"', ["gitlab"]),
        ('environment = "production"', ["github", "gitlab"]),
        ('event_name = "push"', ["github"]),
        ('ref_protected = ["true", true]', ["github", "gitlab"]),
        ("build_number = 42", ["jenkins"]),
        ("runner_id = 1", ["gitlab"]),
        ('sub = "https://ci.acme.dev/job/shop/"', ["jenkins"]),
        ('branch_from_a_template = "main"', ["github", "gitlab", "jenkins"]),
        ('jti = "x"', ["github", "gitlab"]),
        ('sub = "repo:acme/shop:ref:refs/heads/main"', ["github", "gitlab"]),
    ],
)
def test_a_host_whose_tokens_cannot_fit_has_no_role_and_a_note(only_if: str, hosts: list[str]) -> None:
    found = implied(EVERY, only_if)
    assert found.problems == ()
    assert [role.host for role in found.roles] == hosts
    noted = [note for note in found.notes if note.startswith("jobs.test has no role for ")]
    assert len(noted) == 3 - len(hosts)


@pytest.mark.parametrize(
    ("only_if", "ref_type"),
    [
        ('ref = "main"', "branch"),
        ('ref = "v1", ref_type = "tag"', "tag"),
        ('ref = "main", ref_path = "refs/heads/main"', None),
        ('environment = "production"', None),
    ],
)
def test_a_tag_with_the_name_of_a_branch_is_not_taken_for_it(only_if: str, ref_type: str | None) -> None:
    assert bound("gitlab", only_if).get("ref_type") == ref_type


def test_a_branch_is_bound_once_on_a_host_whose_refs_say_what_they_are() -> None:
    assert "ref_type" not in bound("github", 'ref = "refs/heads/main"')


def test_values_that_a_host_cannot_have_are_not_bound_there() -> None:
    assert bound("github", 'ref = ["refs/heads/main", "main", true]')["ref"] == "refs/heads/main"
    assert bound("gitlab", 'ref = ["refs/heads/main", "main", true]')["ref"] == "main"
    assert bound("gitlab", 'ref_protected = ["true", true]')["ref_protected"] == "true"


@pytest.mark.parametrize(
    ("only_if", "sub"),
    [
        ('sub = "https://ci.acme.dev/job/shop/job/main/"', "https://ci.acme.dev/job/shop/job/main/"),
        (
            'sub = ["https://ci.acme.dev/job/shop/job/a/", "https://ci.acme.dev/job/shop/job/b/", "https://evil/job/x/"]',
            ["https://ci.acme.dev/job/shop/job/a/", "https://ci.acme.dev/job/shop/job/b/"],
        ),
    ],
)
def test_a_job_of_jenkins_may_be_one_below_the_project(only_if: str, sub: object) -> None:
    assert bound("jenkins", only_if)["sub"] == sub


def test_a_condition_on_the_project_itself_cannot_widen_it() -> None:
    found = bound("github", 'repository = ["acme/shop", "evil/shop"]', project='github = "acme/shop"')
    assert found["repository"] == "acme/shop"


@pytest.mark.parametrize(
    ("kind", "project", "only_if", "claims"),
    [
        ("github", GITHUB, 'repository = "acme/shop"', {"repository": "acme/shop", "repository_id": "74"}),
        ("github", "github_id = 74", 'repository = "acme/any"', {"repository": "acme/any", "repository_id": "74"}),
        ("github", 'github = "acme/shop"', 'repository_id = "9"', {"repository": "acme/shop", "repository_id": "9"}),
        ("github", "github_id = 74", 'repository_owner = "any"', {"repository_owner": "any", "repository_id": "74"}),
        ("github", GITHUB, 'repository_owner = "acme"', {"repository_owner": "acme", "repository_id": "74"}),
        ("gitlab", "gitlab_id = 20", 'project_path = "acme/any"', {"project_path": "acme/any", "project_id": "20"}),
        ("gitlab", 'gitlab = "a/b/c"', 'namespace_path = "a/b"', {"namespace_path": "a/b", "project_path": "a/b/c"}),
    ],
)
def test_a_condition_on_the_project_that_its_jobs_can_meet_is_bound_as_well(
    kind: str, project: str, only_if: str, claims: dict[str, str]
) -> None:
    assert bound(kind, only_if, project=project).items() >= claims.items()


def test_a_name_that_a_project_with_an_id_is_to_have_one_day_may_stand_beside_its_own() -> None:
    found = bound("github", 'repository = ["acme/shop", "acme/store"]', project=GITHUB)
    assert (found["repository"], found["repository_id"]) == (["acme/shop", "acme/store"], "74")


@pytest.mark.parametrize(
    ("project", "only_if", "note"),
    [
        ('github = "acme/shop"', "", "add the repository's github_id"),
        ('gitlab = "acme/shop"', "", "add the project's gitlab_id"),
        (GITLAB, "", "GitLab before 18.2.2 gives a fork's merge request pipeline"),
        ('jenkins = "https://ci.acme.dev/job/shop"', "", "does not end with /"),
        (GITHUB, 'event_name = ["push", "workflow_run"]', "only_if.event_name allows workflow_run"),
        (GITHUB, 'event_name = "issue_comment"', "only_if.event_name allows issue_comment"),
    ],
)
def test_what_somebody_should_know_is_noted(project: str, only_if: str, note: str) -> None:
    found = implied(project, only_if)
    assert found.problems == ()
    assert [text for text in found.notes if note in text]


@pytest.mark.parametrize(
    ("project", "only_if"),
    [(GITHUB, ""), (JENKINS, ""), (GITHUB, 'event_name = "push"'), (GITLAB, 'ref_protected = "true"')],
)
def test_there_is_no_note_where_there_is_nothing_to_know(project: str, only_if: str) -> None:
    assert implied(project, only_if).notes == ()


@pytest.mark.parametrize("only_if", ["", 'ref_protected = ["true", "false"]', 'ref = "main"'])
def test_only_what_a_forks_pipeline_could_log_in_to_is_named_in_the_note_on_old_gitlabs(only_if: str) -> None:
    other = '[environments.safe]\npath = "app/safe"\nonly_if = { ref_protected = "true" }\n'
    jobs = [f'[jobs.{name}]\nenvironment = "{on}"\nsecrets = ["URL"]\n' for name, on in (("a", "safe"), ("b", "prod"))]
    found = implied(GITLAB, only_if, job=other + "".join(jobs))
    [note] = [note for note in found.notes if "GitLab before 18.2.2" in note]
    assert ' keep it out of jobs.test, jobs.b with only_if = { ref_protected = "true" }' in note


def test_a_boolean_is_no_number() -> None:
    assert implied(JENKINS, "build_number = true").problems == (
        "jobs.test has no role for Jenkins: only_if.build_number must be an integer, as in its tokens",
    )
    assert bound("jenkins", "build_number = [42, true]", project=JENKINS)["build_number"] == 42


def test_the_order_of_conditions_in_the_manifest_does_not_matter() -> None:
    one, other = (
        'environment = "production", ref = "refs/heads/main"',
        'ref = "refs/heads/main", environment = "production"',
    )
    assert list(bound("github", one)) == list(bound("github", other))
