"""Every identity source keeps the contract's three outcomes: a token, not this host, refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from ciplug.errors import IdentityError
from ciplug.identity.github import GitHubIdentity
from ciplug.identity.gitlab import GitLabIdentity
from ciplug.identity.given import GivenIdentity
from ciplug.identity.jenkins import JenkinsIdentity
from ciplug.identity.person import PersonIdentity
from ciplug.net.transport import Transport
from ciplug.standins.claims import github_claims
from ciplug.standins.issuer import Issuer
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ciplug.contracts import IdentitySource

AUDIENCE = "https://vault.acme.dev"
JENKINS = {"JENKINS_URL": "https://ci.acme.dev/", "BUILD_NUMBER": "42"}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One source: how to make it, and an environment for each outcome. ``TOKEN`` in a value stands for a minted one."""

    make: Callable[[Mapping[str, str]], IdentitySource]
    granted: Mapping[str, str]
    refused: Mapping[str, str]
    endpoint: bool = False
    elsewhere: Mapping[str, str] = field(default_factory=dict)


CASES = {
    "given": Case(
        make=GivenIdentity, granted={"CIPLUG_ID_TOKEN": "TOKEN"}, refused={"CIPLUG_ID_TOKEN": "not-a-token-but-secret"}
    ),
    "github": Case(
        make=lambda env: GitHubIdentity(env, Transport, sleep=lambda _: None),
        granted={"GITHUB_ACTIONS": "true"},
        refused={"GITHUB_ACTIONS": "true"},
        endpoint=True,
    ),
    "gitlab": Case(
        make=lambda env: GitLabIdentity(env, ""),
        granted={"GITLAB_CI": "true", "VAULT_ID_TOKEN": "TOKEN"},
        refused={"GITLAB_CI": "true"},
        elsewhere={"VAULT_ID_TOKEN": "TOKEN"},
    ),
    "jenkins": Case(
        make=lambda env: JenkinsIdentity(env, ""),
        granted={**JENKINS, "VAULT_ID_TOKEN": "TOKEN"},
        refused=JENKINS,
        elsewhere={"VAULT_ID_TOKEN": "TOKEN"},
    ),
    "person": Case(
        make=lambda env: PersonIdentity(env, ci="CI" in env),
        granted={"VAULT_TOKEN": "hvs.abcdefghijklmnop"},
        refused={"VAULT_TOKEN": "two words-of-secret"},
        elsewhere={"CI": "true", "VAULT_TOKEN": "hvs.abcdefghijklmnop"},
    ),
}


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as issuer:
        yield issuer


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def filled(env: Mapping[str, str], issuer: Issuer, *, endpoint: bool) -> dict[str, str]:
    token = issuer.mint(github_claims(), audience=AUDIENCE)
    found = {name: token if value == "TOKEN" else value for name, value in env.items()}
    if endpoint:
        at = issuer.github_endpoint(github_claims())
        found |= {"ACTIONS_ID_TOKEN_REQUEST_URL": at.request_url, "ACTIONS_ID_TOKEN_REQUEST_TOKEN": at.request_token}
    return found


def test_gives_a_token_with_its_source(case: Case, issuer: Issuer) -> None:
    identity = case.make(filled(case.granted, issuer, endpoint=case.endpoint)).identity(AUDIENCE)
    assert identity is not None
    assert identity.source
    assert len(identity.token) > 10
    assert_no_leak(repr(identity), [identity.token.reveal()])


def test_is_silent_where_it_is_not_that_host(case: Case, issuer: Issuer) -> None:
    assert case.make({}).identity(AUDIENCE) is None
    assert case.make(filled(case.elsewhere, issuer, endpoint=False)).identity(AUDIENCE) is None


def test_refuses_where_it_is_that_host_and_there_is_no_token(case: Case) -> None:
    with pytest.raises(IdentityError) as caught:
        case.make(case.refused).identity(AUDIENCE)
    assert caught.value.hint
    assert_no_leak(
        str(caught.value) + caught.value.hint, [value for value in case.refused.values() if "secret" in value]
    )


def test_asks_anew_on_every_call(case: Case, issuer: Issuer) -> None:
    source = case.make(filled(case.granted, issuer, endpoint=case.endpoint))
    first, second = source.identity(AUDIENCE), source.identity(AUDIENCE)
    assert first is not None
    assert second is not None
    assert first is not second
