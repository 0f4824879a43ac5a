"""Jenkins: facts of the build, and what its shared library is given for a block that masks.

Masking belongs to wrapping blocks of the pipeline, not to a running command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ciplug.hosts.facts import Host, without_credentials
from ciplug.values import is_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


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


def document(values: bytes, forms: Iterable[bytes]) -> bytes:
    """``{"values": …, "masks": […]}`` on one line: the JSON object `values`, and `forms` as text, the longest first."""
    import json

    masks = [form.decode() for form in sorted(set(forms), key=len, reverse=True) if is_text(form)]
    return json.dumps({"values": json.loads(values), "masks": masks}).encode() + b"\n"
