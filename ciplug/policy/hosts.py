"""What the CI hosts' identity tokens say, as far as a role depends on it: issuers, claims, their types and shapes."""

from __future__ import annotations

import re
from dataclasses import field
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urlsplit

from ciplug.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.manifest import Project, Vault
    from ciplug.manifest.model import Claim

_REGISTERED: Final = frozenset({"iss", "sub", "aud", "jti"})
_TIMES: Final = frozenset({"exp", "iat", "nbf"})

FORK_EVENT: Final = "pull_request_target"
"""The event whose token names the base branch while a fork's code may run."""

_FORK_JOB: Final = re.compile(r"/job/(PR|MR)-\d+(-head|-merge)?(/|$)", re.IGNORECASE)
"""What a multibranch project of Jenkins calls the jobs of pull and merge requests, a fork's among them."""

OWN_EVENTS: Final = (
    "deployment", "merge_group", "pull_request", "push", "release", "repository_dispatch", "schedule",
    "workflow_dispatch",
)  # fmt: skip
"""GitHub's events in which the code of the repository itself runs; a fork's ``pull_request`` has no token.
Not among them: ``pull_request_target``, ``workflow_run`` and ``issue_comment``, which run beside a stranger's code.
"""

STRANGERS_EVENTS: Final = (
    "discussion", "discussion_comment", "issue_comment", "issues", "pull_request_review",
    "pull_request_review_comment", "workflow_run",
)  # fmt: skip
"""GitHub's events that anyone can set off who may see the repository."""


@frozen
class Shape:
    """How a claim's text begins, as a regular expression, and an `example` of it."""

    begins: str
    example: str


@frozen
class HostKind:
    """One kind of CI host. `texts` and `numbers` are the claims of its tokens, by their type in JSON; `issuer` is the
    ``iss`` of the host's own service, empty where there is none; `keys` are the paths below an issuer at which hosts of
    this kind serve their own keys, and nobody's files.

    `attribution` are claims for the vault's audit log. NOTE: a login fails where one of these is no string (measured on
    OpenBao 2.7: ``error converting claim 'build_number' to string``), so numbers, lists and what may be null are not
    among them; one that a token does not have is skipped. `shapes` are for claims that hosts write differently.
    """

    kind: str
    label: str
    texts: frozenset[str]
    numbers: frozenset[str] = _TIMES
    attribution: tuple[str, ...]
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    issuer: str = ""
    keys: tuple[str, ...] = ()

    def knows(self, claim: str) -> bool:
        """Whether the host's tokens have `claim`; GitHub's custom properties have names of their owners' making."""
        properties = self.kind == "github" and claim.startswith("repo_property_")
        return claim in self.texts or claim in self.numbers or properties

    def takes(self, claim: str, value: Claim) -> bool:
        """Whether `value` can stand in `claim`, as far as the host decides that: its type, and its shape."""
        if not self.knows(claim):
            return True
        if claim in self.numbers:
            return type(value) is int
        shape = self.shapes.get(claim)
        return isinstance(value, str) and (shape is None or re.match(shape.begins, value) is not None)


_NO_ADDRESS: Final = "(?!https?://)"

GITHUB: Final = HostKind(
    kind="github",
    label="GitHub Actions",
    issuer="https://token.actions.githubusercontent.com",
    keys=("/.well-known/jwks", "/jwks"),  # the second one is where stand-ins of the service have them
    # https://docs.github.com/en/actions/reference/security/oidc
    texts=_REGISTERED
    | {
        "actor", "actor_id", "base_ref", "check_run_id", "enterprise", "enterprise_id", "environment",
        "environment_node_id", "event_name", "head_ref", "job_workflow_ref", "job_workflow_sha", "ref", "ref_protected",
        "ref_type", "repository", "repository_id", "repository_owner", "repository_owner_id", "repository_visibility",
        "run_attempt", "run_id", "run_number", "runner_environment", "sha", "workflow", "workflow_ref", "workflow_sha",
    },
    attribution=("actor", "environment", "event_name", "job_workflow_ref", "ref", "repository", "run_id"),
    shapes={
        "ref": Shape(begins="refs/", example="refs/heads/main"),
        "sub": Shape(begins=_NO_ADDRESS, example="repo:acme/shop:ref:refs/heads/main"),
    },
)  # fmt: skip

GITLAB: Final = HostKind(
    kind="gitlab",
    label="GitLab CI",
    issuer="https://gitlab.com",
    keys=("/oauth/discovery/keys", "/-/jwks"),
    # https://docs.gitlab.com/ci/secrets/id_token_authentication/
    texts=_REGISTERED
    | {
        "ci_config_ref_uri", "ci_config_sha", "deployment_tier", "environment", "environment_action",
        "environment_protected", "groups_direct", "job_config", "job_id", "job_namespace_id", "job_namespace_path",
        "job_project_id", "job_project_path", "job_source", "namespace_id", "namespace_path", "pipeline_id",
        "pipeline_source", "project_id", "project_path", "project_visibility", "ref", "ref_path", "ref_protected",
        "ref_type", "runner_environment", "sha", "user_access_level", "user_email", "user_id", "user_login",
    },
    numbers=_TIMES | {"runner_id"},
    attribution=("environment", "job_id", "pipeline_id", "pipeline_source", "project_path", "ref", "user_login"),
    shapes={
        "ref": Shape(begins="(?!refs/(heads|tags)/)", example="main"),
        "sub": Shape(begins=_NO_ADDRESS, example="project_path:acme/shop:ref_type:branch:ref:main"),
    },
)  # fmt: skip

JENKINS: Final = HostKind(
    kind="jenkins",
    label="Jenkins",
    keys=("/jwks",),
    # https://github.com/jenkinsci/oidc-provider-plugin
    texts=_REGISTERED - {"jti"},
    numbers=_TIMES - {"nbf"} | {"build_number"},
    attribution=("sub",),
    shapes={"sub": Shape(begins="https?://", example="https://ci.example.com/job/shop/")},
)

ALL: Final = (GITHUB, GITLAB, JENKINS)


def is_fork_job(url: str) -> bool:
    """Whether `url`, however it is escaped, is that of a job of Jenkins in which a fork's code may run."""
    while (plain := unquote(url)) != url:
        url = plain
    return _FORK_JOB.search(url) is not None


def named(project: Project | None) -> tuple[HostKind, ...]:
    """The hosts whose jobs are the project's."""
    if project is None:
        return ()
    given = {
        "github": project.github or project.github_id,
        "gitlab": project.gitlab or project.gitlab_id,
        "jenkins": project.jenkins,
    }
    return tuple(host for host in ALL if given[host.kind])


def issuer(host: HostKind, vault: Vault, project: Project) -> str:
    """The ``iss`` of the host's tokens, empty where neither the manifest nor the URL of a Jenkins job tells."""
    given = vault.issuers.get(host.kind) or vault.issuer or host.issuer
    if given:
        return given
    root, mark, _ = (project.jenkins or "").partition("/job/")
    return f"{root}/oidc" if mark else ""


def scope(host: HostKind, vault: Vault, project: Project) -> str:
    """Where a project's number or name at `host` is its alone: ``gitlab``, or for a server ``gitlab:git.acme.dev``.

    For Jenkins it is the kind alone, since there the name is a URL.
    """
    own, public = urlsplit(issuer(host, vault, project)), urlsplit(host.issuer)
    if not host.issuer or own.hostname == public.hostname:
        return host.kind
    return f"{host.kind}:{own.netloc.rpartition('@')[2].lower()}"


def known_claims(host: HostKind, project: Project) -> dict[str, str]:
    """The claims whose value in every token of its jobs follows from what the manifest says of the project."""
    github, gitlab = project.github or "", project.gitlab or ""
    given = {
        "github": {"repository": github, "repository_owner": github.partition("/")[0]},
        "gitlab": {"project_path": gitlab, "namespace_path": gitlab.rpartition("/")[0]},
        "jenkins": {},
    }[host.kind]
    return {claim: value for claim, value in given.items() if value} | dict([identity(host, project)])


def identity(host: HostKind, project: Project) -> tuple[str, str]:
    """The claim that says whose job it is, and its value; a number where there is one, since names can change hands."""
    if host is GITHUB and project.github_id:
        return "repository_id", str(project.github_id)
    if host is GITHUB:
        return "repository", project.github or ""
    if host is GITLAB and project.gitlab_id:
        return "project_id", str(project.gitlab_id)
    if host is GITLAB:
        return "project_path", project.gitlab or ""
    return "sub", project.jenkins or ""
