"""Every usual way to break a job and its token: ``ciplug doctor`` names the one cause first, with its remedy."""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64decode
from typing import TYPE_CHECKING

import pytest

from ciplug.standins.claims import github_claims, gitlab_claims, jenkins_claims
from ciplug.standins.issuer import Issuer
from tests.e2e.diagnoses import Broke, Broken, Expected, assert_cause, minted
from tests.e2e.outside import token_env
from tests.e2e.project import AUDIENCE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.conftest import RunsCiplug
    from tests.e2e.project import Project


def signed_by_a_stranger(broken: Broken) -> None:
    with Issuer() as other:
        kid = json.loads(_unpadded(broken.env["CIPLUG_ID_TOKEN"]))["kid"]
        claims = github_claims() | {"iss": broken.issuer.url}
        broken.env |= token_env(other, claims, headers={"kid": kid})


def _unpadded(token: str) -> bytes:
    head = token.partition(".")[0]
    return urlsafe_b64decode(head + "=" * (-len(head) % 4))


def a_fork(broken: Broken) -> None:
    broken.project.replace_unapplied('github = "acme/shop"', 'github = "acme/shop"\ngithub_id = 74')
    broken.token(github_claims("stranger/shop", repository_id="9000"))


def renamed(broken: Broken) -> None:
    broken.project.replace_unapplied('github = "acme/shop"', 'github = "acme/shop"\ngithub_id = 74')
    broken.token(github_claims("acme/store"))


def without_permission(broken: Broken) -> None:
    broken.env.clear()
    broken.env |= {"CI": "true", "GITHUB_ACTIONS": "true", "CIPLUG_JOB": "test"}


def without_id_tokens(broken: Broken) -> None:
    broken.env.clear()
    broken.env |= {"CI": "true", "GITLAB_CI": "true", "CIPLUG_JOB": "test"}


def production_on_a_branch(broken: Broken) -> None:
    broken.token(github_claims(ref="refs/heads/feature", environment="production"))
    broken.env["CIPLUG_JOB"] = "deploy"


def a_pull_request_of_a_fork(broken: Broken) -> None:
    repositories = {"head": {"repo": {"full_name": "stranger/shop"}}, "base": {"repo": {"full_name": "acme/shop"}}}
    event = broken.project.directory / "event.json"
    event.write_text(json.dumps({"pull_request": repositories}))
    without_permission(broken)
    broken.env |= {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(event)}


def a_gitlab_token_for_somebody_else(broken: Broken) -> None:
    token = broken.issuer.mint(gitlab_claims(), audience="https://elsewhere.dev")
    without_id_tokens(broken)
    broken.env["VAULT_ID_TOKEN"] = token


def a_jenkins_token_for_somebody_else(broken: Broken) -> None:
    token = broken.issuer.mint(jenkins_claims(audience="https://elsewhere.dev"), audience=AUDIENCE)
    without_a_binding(broken)
    broken.env["VAULT_ID_TOKEN"] = token


def without_a_binding(broken: Broken) -> None:
    broken.env.clear()
    broken.env |= {"JENKINS_URL": "https://ci.acme.dev/", "BUILD_NUMBER": "42", "CIPLUG_JOB": "test"}


def a_person_in_production(broken: Broken) -> None:
    broken.env.clear()
    broken.env |= {"VAULT_TOKEN": broken.project.bao.root_token.reveal().decode(), "CIPLUG_JOB": "deploy"}


def issued_by_a_stranger(broken: Broken) -> None:
    with Issuer() as other:
        broken.env |= token_env(other, github_claims())


def named_otherwise(break_it: Callable[[Broken], None]) -> Callable[[Broken], None]:
    def broken_too(broken: Broken) -> None:
        break_it(broken)
        broken.env["CIPLUG_ID_TOKEN_VARIABLE"] = "SHOP_TOKEN"

    return broken_too


AHEAD = 400
"""Seconds; the vault forgives 60."""


CAUSES: dict[str, Broke] = {
    "wrong audience of the token": (
        minted({}, audience="https://elsewhere.dev"),
        Expected("audience", ("https://elsewhere.dev", AUDIENCE), (AUDIENCE,)),
    ),
    "no permission": (
        without_permission,
        Expected("identity", ("ACTIONS_ID_TOKEN_REQUEST_URL is not",), ("permissions:\n  id-token: write",)),
    ),
    "no id_tokens": (
        without_id_tokens,
        Expected("identity", ("VAULT_ID_TOKEN",), (f"id_tokens:\n  VAULT_ID_TOKEN:\n    aud: {AUDIENCE}",)),
    ),
    "no id_tokens of the name that was chosen": (
        named_otherwise(without_id_tokens),
        Expected("identity", ("SHOP_TOKEN",), (f"id_tokens:\n  SHOP_TOKEN:\n    aud: {AUDIENCE}",)),
    ),
    "no binding of the name that was chosen": (
        named_otherwise(without_a_binding),
        Expected("identity", ("SHOP_TOKEN",), ("variable: 'SHOP_TOKEN')]) { … }",)),
    ),
    "no binding": (
        without_a_binding,
        Expected("identity", ("JENKINS_URL is set",), ("withCredentials([string(", "VAULT_ID_TOKEN')]) { … }")),
    ),
    "wrong audience on GitLab CI": (
        a_gitlab_token_for_somebody_else,
        Expected(
            "audience", ("https://elsewhere.dev", AUDIENCE), (f"id_tokens:\n  VAULT_ID_TOKEN:\n    aud: {AUDIENCE}",)
        ),
    ),
    "wrong audience on Jenkins": (
        a_jenkins_token_for_somebody_else,
        Expected("audience", ("https://elsewhere.dev",), ("credential in Jenkins", AUDIENCE)),
    ),
    "pull request of a fork": (
        a_pull_request_of_a_fork,
        Expected("identity", ("from the fork stranger/shop",), ("after the merge",)),
    ),
    "pull_request_target": (
        minted({"event_name": "pull_request_target"}),
        Expected(
            "only_if",
            ("runs on pull_request_target",),
            ("on push or merge_group", "made a vault role", 'event_name = ["pull_request_target"]'),
        ),
    ),
    "a person in an environment for jobs": (
        a_person_in_production,
        Expected("only_if", ("limited to CI jobs",), ("another environment",)),
    ),
    "no token that is one": (
        lambda broken: broken.env.update(CIPLUG_ID_TOKEN="a.b.c"),
        Expected("identity", ("not an ID token",), ("the JWT itself",)),
    ),
    "renamed repository": (
        renamed,
        Expected(
            "claim repository",
            ('"acme/store"', 'project.github wants "acme/shop"'),
            ("renamed", 'github = "acme/store"', "ciplug policy --apply"),
        ),
    ),
    "fork": (
        a_fork,
        Expected(
            "claim repository", ('"stranger/shop"', 'project.github wants "acme/shop"'), ("a fork perhaps", "[project]")
        ),
    ),
    "expired token": (minted({}, lifetime=-AHEAD), Expected("expiry", ("expired", " s ago"), ("fresh token",))),
    "clock behind: nbf": (
        minted({"nbf": int(time.time()) + 3600, "exp": int(time.time()) + 7200}),
        Expected("clock", ("(nbf)", "from now", "clock and this machine's agree"), ("timedatectl",)),
    ),
    "clock behind: iat": (
        minted({"iat": int(time.time()) + 3600, "exp": int(time.time()) + 7200}),
        Expected("clock", ("(iat)", "the token has iat", "from now"), ("timedatectl",)),
    ),
    "clock behind: iat alone": (
        minted({"iat": int(time.time()) + 3600, "nbf": None, "exp": int(time.time()) + 7200}),
        Expected("clock", ("(nbf)", "the token has iat", "from now"), ("timedatectl",)),
    ),
    "token of a stranger's issuer": (
        issued_by_a_stranger,
        Expected("signature", ("signature",), ("not from your CI host's issuer", "http://127.0.0.1:")),
    ),
    "a time that no clock shows": (
        minted({"iat": 10**400}),
        Expected("claim iat", ("is no time",), ("from the CI host itself",)),
    ),
    "only_if not met": (
        production_on_a_branch,
        Expected(
            "only_if",
            ('claim ref is "refs/heads/feature"', 'only_if wants "refs/heads/main"'),
            ("run the job where the claim holds", "environments.prod.only_if"),
        ),
    ),
    "signed by a stranger": (
        signed_by_a_stranger,
        Expected("signature", ("is not by the key",), ("from the CI host itself",)),
    ),
}


@pytest.mark.parametrize("name", CAUSES)
def test_the_one_cause_comes_first_with_its_remedy(
    name: str, project: Project, issuer: Issuer, ciplug: RunsCiplug
) -> None:
    assert_cause(Broken(project, issuer), CAUSES[name], ciplug)
