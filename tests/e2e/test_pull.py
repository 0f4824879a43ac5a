"""``ciplug pull`` and a person's own token: a ``.env`` that git ignores, and a login that is not ciplug's to end."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import dotenv
import pytest

from ciplug.standins.claims import github_claims
from ciplug.values import Secret
from tests.e2e.outside import assert_refused, command_line, listing, nothing_left, token_env
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from pathlib import Path

    from ciplug.standins.issuer import Issuer
    from tests.e2e.conftest import MakesJobEnv, RunsCiplug
    from tests.e2e.postgres import Postgres
    from tests.e2e.project import Project


def git(directory: Path, *args: str) -> None:
    who = ("-c", "user.name=a", "-c", "user.email=a@acme.dev")
    subprocess.run(["git", *who, *args], cwd=directory, check=True, capture_output=True)


@pytest.fixture
def person(project: Project) -> dict[str, str]:
    """A person's environment, with the root token standing in for theirs."""
    return {"VAULT_TOKEN": project.bao.root_token.reveal().decode()}


@pytest.fixture
def checkout(project: Project) -> Path:
    """The project's directory as a git checkout that ignores .env."""
    git(project.directory, "init", "-q")
    (project.directory / ".gitignore").write_text(".env\n.env.*\n")
    return project.directory


def alive(project: Project) -> bool:
    return project.admin.token_is_alive(project.bao.root_token)


def test_an_environment_is_written_exactly_for_its_reader_alone(
    project: Project, ciplug: RunsCiplug, checkout: Path, person: dict[str, str]
) -> None:
    done = ciplug("pull", "--env", "prod", "--job", "deploy", env=person)
    assert_refused(done, 3, "identity", "only_if", env=person, project=project)
    with nothing_left(project):
        done = ciplug("pull", "--env", "dev", env=person)
    assert (done.returncode, done.stdout) == (0, b""), done.stderr
    assert dotenv.dotenv_values(checkout / ".env") == project.values["dev"]
    assert (checkout / ".env").stat().st_mode & 0o777 == 0o600
    assert b"2 secrets of dev" in done.stderr
    assert_no_leak(done.stderr, [*project.values["dev"].values(), *person.values()])
    assert alive(project)


def test_it_is_written_again_over_its_own_file_and_over_no_other(
    project: Project, ciplug: RunsCiplug, checkout: Path, person: dict[str, str]
) -> None:
    for _ in range(2):
        assert ciplug("pull", "--env", "dev", env=person).returncode == 0
    (checkout / ".env.mine").write_text("MINE=1\n")
    mark = project.bao.mark()
    done = ciplug("pull", "--env", "dev", "--output", ".env.mine", env=person)
    assert_refused(done, 8, "hand-over", "not written by ciplug", env=person, project=project)
    assert (checkout / ".env.mine").read_text() == "MINE=1\n"
    assert project.bao.requests_since(mark) == []


@pytest.mark.parametrize("case", ["not ignored", "tracked", "a link out of the checkout"])
def test_a_file_that_git_would_take_is_refused_before_any_request(
    project: Project, ciplug: RunsCiplug, checkout: Path, person: dict[str, str], case: str
) -> None:
    if case == "not ignored":
        (checkout / ".gitignore").write_text("")
    if case == "tracked":
        (checkout / ".env").write_text(
            "# Written by `ciplug pull`: secrets, never to be committed. Changes here are lost.\n"
        )
        git(checkout, "add", "-f", ".env")
    output = ".env"
    if case == "a link out of the checkout":
        (checkout / "ignored").mkdir()
        (checkout / ".gitignore").write_text("ignored\n")
        output = "ignored/../visible.env"
    mark, files = project.bao.mark(), listing(checkout)
    done = ciplug("pull", "--env", "dev", "--output", output, env=person)
    assert_refused(done, 8, "hand-over", "git does not ignore", ".gitignore", env=person, project=project)
    assert project.bao.requests_since(mark) == []
    assert {entry for entry in listing(checkout) - files if "/.git/" not in entry[0]} == set()


def test_outside_a_checkout_nobody_commits(project: Project, ciplug: RunsCiplug, person: dict[str, str]) -> None:
    done = ciplug("pull", "--env", "dev", env=person)
    assert done.returncode == 0, done.stderr
    assert (project.directory / ".env").exists()


def test_without_git_nobody_knows_and_nothing_is_written(
    project: Project, ciplug: RunsCiplug, checkout: Path, person: dict[str, str]
) -> None:
    done = ciplug("pull", "--env", "dev", env=person | {"PATH": "/nowhere"})
    assert_refused(done, 8, "hand-over", "git", env=person, project=project)
    assert not (checkout / ".env").exists()


def test_a_value_that_a_dotenv_file_cannot_carry_leaves_the_old_file(
    project: Project, ciplug: RunsCiplug, checkout: Path, person: dict[str, str]
) -> None:
    assert ciplug("pull", "--env", "dev", env=person).returncode == 0
    before = (checkout / ".env").read_bytes()
    project.put("app/dev/db", {"url": "it's ${HOME}"})
    done = ciplug("pull", "--env", "dev", env=person)
    assert_refused(done, 8, "hand-over", "DATABASE_URL", ".env file", env=person, project=project)
    assert (checkout / ".env").read_bytes() == before
    assert {path.name for path in checkout.iterdir() if path.name.startswith(".env")} == {".env"}


def test_an_output_that_cannot_be_written_leaves_nothing(
    project: Project, ciplug: RunsCiplug, person: dict[str, str], tmp_path: Path
) -> None:
    for output in ("nowhere/.env", "ciplug.toml/.env"):
        files = listing(tmp_path)
        done = ciplug("pull", "--env", "dev", "--output", output, env=person)
        assert (done.returncode, done.stdout) == (8, b""), done.stderr
        assert listing(tmp_path) == files


def test_leased_secrets_in_a_file_can_be_ended_and_the_persons_token_lives(
    leased: Project, ciplug: RunsCiplug, checkout: Path, person: dict[str, str], postgres: Postgres, tmp_path: Path
) -> None:
    env = person | {"CIPLUG_STATE_DIR": str(tmp_path / "state")}
    done = ciplug("pull", "--env", "dev", env=env)
    assert done.returncode == 0, done.stderr
    assert b"stop working in" in done.stderr
    login = dotenv.dotenv_values(checkout / ".env")
    assert postgres.query("SELECT 1", username=login["PG_USER"], password=login["PG_PASSWORD"]) == ["1"]
    assert all("root-" not in path.read_text() for path in (tmp_path / "state").glob("*"))
    assert ciplug("revoke", env=env).returncode == 0
    assert listing(tmp_path / "state") == set()
    assert alive(leased)


def test_secret_files_have_no_place_in_a_dotenv_file(
    project: Project, ciplug: RunsCiplug, checkout: Path, person: dict[str, str]
) -> None:
    project.append('\n[secrets.KEY]\nref = "key#value"\nas = "file"\n')
    done = ciplug("pull", "--env", "dev", env=person)
    assert_refused(done, 2, "usage", "KEY", env=person, project=project)


def test_a_ci_jobs_token_needs_a_job(project: Project, ciplug: RunsCiplug, issuer: Issuer) -> None:
    env = token_env(issuer, github_claims())
    done = ciplug("pull", "--env", "dev", env=env)
    assert_refused(done, 2, "usage", "--job", env=env, project=project)


SOURCES: dict[str, Any] = {
    "BAO_TOKEN": lambda token, home: {"BAO_TOKEN": token, "VAULT_TOKEN": "s.another"},
    "VAULT_TOKEN": lambda token, home: {"VAULT_TOKEN": f" {token}\n"},
    "~/.vault-token": lambda token, home: (home / ".vault-token").write_text(f"{token}\n") and {},
}


@pytest.mark.parametrize("source", SOURCES)
def test_a_persons_token_works_at_a_terminal_and_is_never_revoked(
    project: Project, tmp_path: Path, source: str
) -> None:
    token = project.bao.root_token.reveal().decode()
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)} | SOURCES[source](token, tmp_path)
    for args in (("fetch", "--to", "json"), ("run", "--", "sh", "-c", 'test -z "$VAULT_TOKEN$BAO_TOKEN"')):
        done = subprocess.run(
            command_line(args[0], "--job", "test", *args[1:]), env=env, cwd=tmp_path, capture_output=True
        )
        assert done.returncode == 0, done.stderr
        assert_no_leak(done.stderr, [token])
    assert alive(project)


@pytest.mark.parametrize("source", SOURCES)
def test_in_ci_a_persons_token_is_ignored(project: Project, ciplug: RunsCiplug, tmp_path: Path, source: str) -> None:
    token = project.bao.root_token.reveal().decode()
    env = {"CI": "true", "HOME": str(tmp_path)} | SOURCES[source](token, tmp_path)
    mark = project.bao.mark()
    done = ciplug("fetch", "--job", "test", "--to", "json", "--unmasked", env=env)
    assert_refused(done, 3, "identity", env=env, project=project)
    assert project.bao.requests_since(mark) == []


def test_a_job_logs_in_for_itself_where_a_token_lies_around(
    project: Project, ciplug: RunsCiplug, job_env: MakesJobEnv
) -> None:
    mark = project.bao.mark()
    env = job_env() | {"VAULT_TOKEN": project.bao.root_token.reveal().decode()}
    assert json.loads(ciplug("fetch", "--to", "json", env=env).stdout) == project.values["dev"]
    assert project.logins_since(mark) == 1


@pytest.mark.parametrize("token", ["two words", "s.ümlaut", "x" * 9000, "line\nbreak"], ids=lambda text: text[:9])
def test_what_is_no_token_is_refused_without_being_shown(project: Project, ciplug: RunsCiplug, token: str) -> None:
    done = ciplug("fetch", "--job", "test", "--to", "json", env={"VAULT_TOKEN": token})
    assert_refused(done, 3, "identity", "VAULT_TOKEN", env={"VAULT_TOKEN": token}, project=project)


def test_a_dead_token_of_a_person_is_denied_and_says_to_log_in(project: Project, ciplug: RunsCiplug) -> None:
    env = {"VAULT_TOKEN": "s.0000000000000000000000"}
    assert not project.admin.token_is_alive(Secret(env["VAULT_TOKEN"]))
    done = ciplug("fetch", "--job", "test", "--to", "json", env=env)
    assert_refused(done, 6, "denied", "wrong, expired or revoked", "log in again", env=env, project=project)
