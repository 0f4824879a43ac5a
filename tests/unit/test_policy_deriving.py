"""What tells a project from all others that have roles at one vault."""

from __future__ import annotations

import pytest

from ciplug import manifest
from ciplug.policy import mark
from ciplug.policy.deriving import derive

TEXT = """\
version = 1
[vault]
audience = "https://v"
auth_mount = {{ github = "jwt", gitlab = "jwt-gitlab", jenkins = "jwt-jenkins" }}
issuer = {{ {issuer} }}
[project]
name = "shop"
{project}
[environments.dev]
path = "dev"
[secrets.A]
ref = "a#b"
[jobs.test]
environment = "dev"
secrets = ["A"]
"""
PUBLIC = "https://token.actions.githubusercontent.com"
ELSEWHERE = "https://git.example.com"


def known(project: str, issuer: str) -> tuple[tuple[str, ...], frozenset[str]]:
    """The ids of a project and the aliases, in its policy."""
    [policy] = derive(manifest.parse(TEXT.format(project=project, issuer=issuer), "m")).policies
    assert mark.read(mark.write(policy)) == mark.project_of(policy)
    return policy.ids, policy.aliases


@pytest.mark.parametrize(
    ("project", "issuer", "ids"),
    [
        ("github_id = 74", f'github = "{PUBLIC}"', ("github:74",)),
        ("github_id = 74", f'github = "{PUBLIC}/acme"', ("github:74",)),
        ("github_id = 74", f'gitlab = "{ELSEWHERE}"', ("github:74",)),
        ("github_id = 74", 'github = "https://git.acme.dev/_services/token"', ("github:git.acme.dev:74",)),
        ("gitlab_id = 42", 'gitlab = "https://gitlab.com"', ("gitlab:42",)),
        ("gitlab_id = 42", 'gitlab = "https://Git.acme.dev"', ("gitlab:git.acme.dev:42",)),
        ("gitlab_id = 42", 'gitlab = "http://127.0.0.1:8929/"', ("gitlab:127.0.0.1:8929:42",)),
        ('gitlab = "acme/shop"', 'gitlab = "https://git.acme.dev"', ("gitlab:git.acme.dev:acme/shop",)),
        (
            "github_id = 74\ngitlab_id = 42",
            'gitlab = "https://git.acme.dev"',
            ("github:74", "gitlab:git.acme.dev:42"),
        ),
        (
            'jenkins = "https://ci.acme.dev/job/shop/"',
            'jenkins = "https://ci.acme.dev/oidc"',
            ("jenkins:https://ci.acme.dev/job/shop/",),
        ),
    ],
)
def test_a_projects_id_has_the_host_of_an_issuer_that_is_not_the_public_one(
    project: str, issuer: str, ids: tuple[str, ...]
) -> None:
    assert known(project, issuer)[0] == ids


def test_a_name_of_before_the_number_has_the_host_too() -> None:
    ids, aliases = known('gitlab = "acme/shop"\ngitlab_id = 42', 'gitlab = "https://git.acme.dev"')
    assert (ids, aliases) == (("gitlab:git.acme.dev:42",), {"gitlab:git.acme.dev:acme/shop"})


@pytest.mark.parametrize("other", ["https://gitlab.com", ELSEWHERE, "https://git.acme.dev:8443"])
def test_projects_with_one_number_on_two_servers_are_two(other: str) -> None:
    policies = [
        derive(manifest.parse(TEXT.format(project="gitlab_id = 42", issuer=f'gitlab = "{issuer}"'), "m")).policies[0]
        for issuer in ("https://git.acme.dev", other)
    ]
    own, others = map(mark.write, policies)
    assert mark.is_own(policies[0], own)
    assert not mark.is_own(policies[0], others)
