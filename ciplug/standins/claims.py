"""The claims that real CI hosts put into their ID tokens, as pure functions.

Each gives a new dictionary with the host's own names and JSON types, without what depends on the moment of minting
(``iss``, ``iat``, ``nbf``, ``exp``, ``jti``: `ciplug.standins.issuer.Issuer.mint` adds them). Any claim can be replaced
or added by keyword; one that is ``None`` is left out of the token.
"""

from __future__ import annotations

from typing import Final

SHA: Final = "2f7c1e0d9b5a48c6a3e1d4f8b7c6a5e4d3c2b1a0"
"""A commit that exists nowhere."""


def github_claims(
    repository: str = "acme/shop",
    ref: str = "refs/heads/main",
    environment: str | None = None,
    event_name: str = "push",
    *,
    immutable_sub: bool = False,
    **claims: object,
) -> dict[str, object]:
    """What GitHub Actions says about a job. All values are strings, ids too.

    `immutable_sub` gives the ``sub`` of repositories made after 2026-07-15, which carries the ids as well.
    Source: https://docs.github.com/en/actions/reference/security/oidc
    """
    owner, _, _ = repository.partition("/")
    pull_request = event_name == "pull_request"
    workflow_ref = f"{repository}/.github/workflows/ci.yml@{ref}"
    merged = {
        "actor": "octocat",
        "actor_id": "12",
        "base_ref": "main" if pull_request else "",
        "check_run_id": "48611392053",
        "environment": environment,
        "event_name": event_name,
        "head_ref": "feature" if pull_request else "",
        "job_workflow_ref": workflow_ref,
        "job_workflow_sha": SHA,
        "ref": ref,
        "ref_type": "tag" if ref.startswith("refs/tags/") else "branch",
        "repository": repository,
        "repository_id": "74",
        "repository_owner": owner,
        "repository_owner_id": "65",
        "repository_visibility": "private",
        "run_attempt": "1",
        "run_id": "17011",
        "run_number": "10",
        "runner_environment": "github-hosted",
        "sha": SHA,
        "workflow": "ci",
        "workflow_ref": workflow_ref,
        "workflow_sha": SHA,
    } | claims
    return {"sub": _github_subject(merged, immutable=immutable_sub)} | merged


def _github_subject(claims: dict[str, object], *, immutable: bool) -> str:
    """The default ``sub``, first match wins: environment, pull request, ref. A colon in a value becomes ``%3A``."""
    repository = str(claims["repository"])
    if immutable:
        owner, _, name = repository.partition("/")
        repository = f"{owner}@{claims['repository_owner_id']}/{name}@{claims['repository_id']}"
    if claims["environment"] is not None:
        context = f"environment:{str(claims['environment']).replace(':', '%3A')}"
    elif claims["event_name"] == "pull_request":
        context = "pull_request"
    else:
        context = f"ref:{str(claims['ref']).replace(':', '%3A')}"
    return f"repo:{repository}:{context}"


def gitlab_claims(
    project_path: str = "acme/shop",
    ref: str = "main",
    environment: str | None = None,
    *,
    ref_type: str = "branch",
    protected: bool = True,
    **claims: object,
) -> dict[str, object]:
    """What GitLab says about a job: ids and booleans are strings, ``runner_id`` alone is a number.

    `protected` is said of the ref and, where there is one, of the environment.
    Source: https://docs.gitlab.com/ci/secrets/id_token_authentication/
    """
    namespace, _, _ = project_path.rpartition("/")
    ref_path = f"refs/{'tags' if ref_type == 'tag' else 'heads'}/{ref}"
    base = {
        "namespace_id": "72",
        "namespace_path": namespace,
        "project_id": "20",
        "project_path": project_path,
        "user_id": "1",
        "user_login": "sample-user",
        "user_email": "sample-user@acme.dev",
        "user_access_level": "developer",
        "pipeline_id": "574",
        "pipeline_source": "push",
        "job_id": "302",
        "ref": ref,
        "ref_type": ref_type,
        "ref_path": ref_path,
        "ref_protected": _text(protected),
        "runner_id": 1,
        "runner_environment": "self-hosted",
        "sha": SHA,
        "project_visibility": "private",
        "ci_config_ref_uri": f"gitlab.acme.dev/{project_path}//.gitlab-ci.yml@{ref_path}",
        "ci_config_sha": SHA,
        "job_project_id": "20",
        "job_project_path": project_path,
        "job_namespace_id": "72",
        "job_namespace_path": namespace,
    }
    if environment is not None:
        base |= {
            "environment": environment,
            "environment_protected": _text(protected),
            "deployment_tier": environment,
            "environment_action": "start",
        }
    merged = base | claims
    subject = f"project_path:{merged['project_path']}:ref_type:{merged['ref_type']}:ref:{merged['ref']}"
    return {"sub": subject} | merged


def _text(flag: bool) -> str:  # noqa: FBT001  # GitLab's spelling of the one thing it is handed
    return "true" if flag else "false"


def jenkins_claims(
    job_url: str = "https://ci.acme.dev/job/shop/",
    build_number: int = 42,
    *,
    audience: str | None = None,
    **claims: object,
) -> dict[str, object]:
    """What the oidc-provider plugin says about a build: ``sub`` is the job's URL and ``build_number`` an integer.

    The plugin sets neither ``jti`` nor ``nbf`` (both are ``None`` here), and ``aud`` is a list; without `audience` it
    is missing, as in a credential that has none. Source: https://github.com/jenkinsci/oidc-provider-plugin
    """
    base: dict[str, object] = {
        "sub": job_url,
        "build_number": build_number,
        "aud": None if audience is None else [audience],
        "jti": None,
        "nbf": None,
    }
    return base | claims
