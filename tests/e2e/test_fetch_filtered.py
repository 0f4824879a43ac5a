"""``ciplug fetch --to filtered-shell`` by itself: what it refuses, and what two of them in one shell do."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ciplug.standins.claims import gitlab_claims
from tests.e2e.outside import assert_refused, credentials, nothing_left
from tests.e2e.project import AUDIENCE, open_to_every_host
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from ciplug.standins.issuer import Issuer
    from tests.e2e.conftest import RunsCiplug
    from tests.e2e.project import Project

REVOKE = f'"{sys.executable}" -m ciplug revoke'
FETCH = f'"{sys.executable}" -m ciplug fetch --to filtered-shell'
TAKE_IN = f'{{ code="$({FETCH})"; }} 3>&1 || exit\neval "$code"\n'


@pytest.fixture
def env(project: Project, issuer: Issuer) -> dict[str, str]:
    """What a job ``test`` on GitLab CI has."""
    open_to_every_host(project, issuer)
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(project.directory),
        "GITLAB_CI": "true",
        "CI_JOB_ID": "302",
        "CI_JOB_NAME": "test",
        "CI_PROJECT_DIR": str(project.directory / "build"),
        "VAULT_ID_TOKEN": issuer.mint(gitlab_claims(), audience=AUDIENCE),
    }


def shell(
    project: Project, env: dict[str, str], script: str, *, name: str = "sh"
) -> subprocess.CompletedProcess[bytes]:
    command = [name, "-e", "-c", script]
    return subprocess.run(command, cwd=project.directory, env=env, capture_output=True, timeout=60)


def test_it_says_how_it_is_used_where_the_shells_stdout_is_not_handed_over(
    project: Project, ciplug: RunsCiplug, env: dict[str, str]
) -> None:
    mark = project.bao.mark()
    done = ciplug("fetch", "--to", "filtered-shell", env=env)
    assert_refused(done, 2, "usage", "3>&1", env=env, project=project)
    assert project.bao.requests_since(mark) == []


def test_no_secret_is_in_the_code(project: Project, env: dict[str, str]) -> None:
    done = shell(project, env, f'{{ code="$({FETCH})"; }} 3>&1 || exit\necho "$code"\n{REVOKE}')
    assert b"exec >" in done.stdout
    assert_no_leak(done.stdout + done.stderr, credentials(project, env))


def test_of_two_in_one_shell_both_filter_and_nothing_of_either_is_lost(project: Project, env: dict[str, str]) -> None:
    with nothing_left(project):
        again = 'export VAULT_ID_TOKEN="$KEPT"\n'
        script = TAKE_IN + again + TAKE_IN + 'echo "one $NPM_TOKEN"\necho last words'
        done = shell(project, env | {"KEPT": env["VAULT_ID_TOKEN"]}, script)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().splitlines() == ["one ***", "last words"]
    assert_no_leak(done.stdout + done.stderr, credentials(project, env))


def test_leases_live_as_long_as_the_shell_and_no_longer(leased: Project, env: dict[str, str]) -> None:
    look = 'echo "as $PG_USER"\nsleep 0.3\necho end'
    with nothing_left(leased):
        done = shell(leased, env | {"CIPLUG_JOB": "migrate"}, TAKE_IN + look)
    assert done.stdout.decode().splitlines() == ["as ***", "end"], done.stderr


@pytest.mark.parametrize("name", ["sh", "bash"])
def test_a_variable_that_the_shell_cannot_take_in_ends_the_job(
    project: Project, env: dict[str, str], name: str
) -> None:
    with nothing_left(project):
        done = shell(project, env, f"readonly DATABASE_URL=old\n{TAKE_IN}echo reached", name=name)
    assert done.returncode != 0
    assert b"reached" not in done.stdout


def test_a_trace_to_a_descriptor_of_its_own_shows_nothing(project: Project, env: dict[str, str]) -> None:
    script = f'exec 5>&2\nBASH_XTRACEFD=5\nset -x\n{TAKE_IN}echo "$NPM_TOKEN"'
    done = shell(project, env, script, name="bash")
    assert done.returncode == 0
    assert_no_leak(done.stdout + done.stderr, credentials(project))


def test_what_the_script_sets_does_not_keep_its_filter_from_ending(leased: Project, env: dict[str, str]) -> None:
    sets = (
        "export PYTHONPATH=/nowhere PYTHONHOME=/nowhere CIPLUG_STATE_DIR=/nowhere CIPLUG_MANIFEST=/nowhere PATH=\ncd /"
    )
    with nothing_left(leased):
        done = shell(leased, env | {"CIPLUG_JOB": "migrate"}, f'{TAKE_IN}{sets}\necho "as $PG_USER"')
    assert done.returncode == 0
    assert done.stdout == b"as ***\n"
    assert b"Traceback" not in done.stderr


def test_when_the_shell_is_killed_the_filter_ends_what_was_open(leased: Project, env: dict[str, str]) -> None:
    with nothing_left(leased):
        done = shell(leased, env | {"CIPLUG_JOB": "migrate"}, TAKE_IN + 'echo "as $PG_USER"\nkill -9 $$')
    assert done.returncode == -9
    assert done.stdout.decode().splitlines() == ["as ***"]


def test_a_private_directory_that_cannot_be_made_leaves_nothing_behind(project: Project, env: dict[str, str]) -> None:
    (project.directory / "build.tmp").write_text("a file where the state belongs")
    memory = project.directory / "memory"
    memory.mkdir(mode=0o700)
    with nothing_left(project, memory):
        done = shell(project, env | {"XDG_RUNTIME_DIR": str(memory)}, TAKE_IN + "echo reached")
    assert done.returncode == 8
    assert b"reached" not in done.stdout
