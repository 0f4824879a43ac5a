"""GitLab CI: facts of the run. The runner takes no masks from a running job, so there is no masker."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ciplug.hosts.facts import Host

if TYPE_CHECKING:
    from collections.abc import Mapping


def detect(env: Mapping[str, str]) -> Host | None:
    """The host, or ``None`` when this is not a GitLab CI job."""
    if env.get("GITLAB_CI") != "true":
        return None
    return Host(
        kind="gitlab",
        label="GitLab CI",
        job=env.get("CI_JOB_NAME", ""),
        run=env.get("CI_JOB_ID", ""),
        actor=env.get("GITLAB_USER_LOGIN", ""),
        repository=env.get("CI_PROJECT_PATH", ""),
        commit=env.get("CI_COMMIT_SHA", ""),
        ref=env.get("CI_COMMIT_REF_NAME", ""),
        exposure=_exposure(env),
        # The runner keeps file-type variables in this directory beside the checkout and clears it with the job.
        temp=f"{project}.tmp" if (project := env.get("CI_PROJECT_DIR", "")) else "",
    )


def _exposure(env: Mapping[str, str]) -> str:
    if env.get("CI_DEBUG_TRACE", "").strip().lower() in {"1", "t", "true"}:
        return "CI_DEBUG_TRACE is on, and the runner then prints every command of the job with its values"
    return ""
