"""Jenkins: facts of the build. Masking belongs to wrapping blocks of the pipeline, not to a running command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ciplug.hosts.facts import Host, without_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping


def detect(env: Mapping[str, str]) -> Host | None:
    """The host, or ``None`` when this is not a Jenkins build."""
    if not (env.get("JENKINS_URL") and env.get("BUILD_NUMBER")):
        return None
    return Host(
        kind="jenkins",
        label="Jenkins",
        job=env.get("JOB_NAME", ""),
        run=env.get("BUILD_URL", "") or env.get("BUILD_NUMBER", ""),
        actor=env.get("BUILD_USER_ID", ""),
        repository=without_credentials(env.get("GIT_URL", "")),
        commit=env.get("GIT_COMMIT", ""),
        ref=env.get("GIT_BRANCH", ""),
        temp=env.get("WORKSPACE_TMP", ""),
    )
