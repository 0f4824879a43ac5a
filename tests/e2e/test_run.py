"""``ciplug run`` against the real server: what the child gets, what the log shows, what is left."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from tests.e2e.conftest import MakesJobEnv, Project, RunsCiplug


def test_child_has_the_values_and_the_log_has_no_form_of_them(
    project: Project, ciplug: RunsCiplug, job_env: MakesJobEnv
) -> None:
    leaky = """
        env; echo $DATABASE_URL | base64; printf %s "$DATABASE_URL" | od -An -tx1 | tr -d ' \\n'
        printf %s "$DATABASE_URL" | sha256sum > digest; echo "$NPM_TOKEN" >&2
    """
    done = ciplug("run", "--job", "test", "--", "sh", "-c", leaky, env=job_env())
    assert done.returncode == 0, done.stderr
    wanted = project.values["dev"]["DATABASE_URL"]
    assert (project.directory / "digest").read_text().split()[0] == hashlib.sha256(wanted.encode()).hexdigest()
    assert_no_leak(done.stdout + done.stderr, project.values["dev"].values())
    assert b"DATABASE_URL=***" in done.stdout
