"""``ciplug fetch --to jenkins``: the values and every form to mask, for the shared library's block, on stdout alone."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from ciplug.standins.claims import github_claims, jenkins_claims
from tests.e2e.outside import (
    assert_refused,
    command_line,
    credentials,
    eventually,
    listing,
    nothing_left,
    one_token_left,
    token_env,
)
from tests.e2e.project import AUDIENCE, open_to_every_host
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from ciplug.standins.issuer import Issuer
    from tests.e2e.conftest import RunsCiplug
    from tests.e2e.postgres import Postgres
    from tests.e2e.project import Project

FETCH = ("fetch", "--to", "jenkins")


@pytest.fixture
def env(project: Project, issuer: Issuer, tmp_path: Path) -> dict[str, str]:
    """A build of acme/shop on an agent."""
    open_to_every_host(project, issuer)
    return {
        "JENKINS_URL": "https://ci.acme.dev/",
        "BUILD_NUMBER": "42",
        "BUILD_URL": "https://ci.acme.dev/job/shop/42/",
        "JOB_NAME": "shop",
        "WORKSPACE_TMP": str(tmp_path / "shop@tmp"),
        "VAULT_ID_TOKEN": issuer.mint(jenkins_claims(audience=AUDIENCE), audience=AUDIENCE),
        "CIPLUG_JOB": "test",
    }


def document(done: subprocess.CompletedProcess[bytes]) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(b"\n") == 1
    found: dict[str, Any] = json.loads(done.stdout)
    assert set(found) == {"values", "masks"}
    return found


def masked(text: str, masks: list[str]) -> str:
    """`text` as a log shows it that replaces every mask, the longest first."""
    for mask in masks:
        text = text.replace(mask, "****")
    return text


def test_the_values_are_exact_and_the_session_is_over(
    project: Project, ciplug: RunsCiplug, env: dict[str, str], tmp_path: Path
) -> None:
    with nothing_left(project):
        done = ciplug(*FETCH, env=env)
    assert document(done)["values"] == project.values["dev"]
    assert done.stderr == b""
    assert not (tmp_path / "shop@tmp").exists()


def test_every_form_of_every_secret_is_a_mask_and_no_credential_is(
    project: Project, ciplug: RunsCiplug, env: dict[str, str]
) -> None:
    masks = document(ciplug(*FETCH, env=env))["masks"]
    for value in project.values["dev"].values():
        raw = value.encode()
        shown = "\n".join(
            [
                value, f"x{value}y", raw.hex(), raw.hex().upper(), quote(value, safe=""), json.dumps(value),
                *(base64.b64encode(b"x" * before + raw + b"!").decode() for before in range(3)),
                base64.urlsafe_b64encode(raw).decode(), base64.b64encode(raw + b"\n").decode(),
            ]
        )  # fmt: skip
        assert_no_leak(masked(shown, masks), [value])
    # Jenkins stores what it is told to mask.
    assert_no_leak("\n".join(masks), [env["VAULT_ID_TOKEN"]])
    assert not [mask for mask in masks if mask.startswith(("s.", "hvs."))]


def test_masks_are_text_the_longest_first_each_once_and_none_too_short(
    project: Project, ciplug: RunsCiplug, env: dict[str, str]
) -> None:
    """A shorter one that is replaced first would leave the rest of a longer one to be read."""
    project.put("app/dev/db", {"url": "пароль-🔑-密码\nab\n" + "x" * 2000})
    masks = document(ciplug(*FETCH, env=env))["masks"]
    lengths = [len(mask.encode()) for mask in masks]
    assert lengths == sorted(lengths, reverse=True)
    assert min(lengths) >= 4
    assert len(set(masks)) == len(masks)
    assert "пароль-🔑-密码" in masks
    assert "x" * 2000 in masks
    assert "ab" not in masks


@pytest.mark.parametrize("value", ["abc", "  ab ", "\n\n"], ids=repr)
def test_what_is_too_short_is_a_value_and_no_mask(
    project: Project, ciplug: RunsCiplug, env: dict[str, str], value: str
) -> None:
    """It would blank the log, and hide nothing."""
    project.put("app/dev/db", {"url": value})
    done = ciplug(*FETCH, env=env)
    found = document(done)
    assert found["values"]["DATABASE_URL"] == value
    assert not {value, value.strip()} & set(found["masks"])
    assert done.stderr == b"ciplug: warning: too short to be hidden in the output: DATABASE_URL\n"


@pytest.mark.parametrize(
    "value",
    ["two lines\nof it\r\n", "quote ' \" \\ $HOME `id`", "%0A::add-mask::x", "пароль-🔑", "x" * 100_000],
    ids=["lines", "quotes", "commands", "emoji", "100 kB"],
)
def test_any_text_arrives_exactly(project: Project, ciplug: RunsCiplug, env: dict[str, str], value: str) -> None:
    project.put("app/dev/db", {"url": value})
    found = document(ciplug(*FETCH, env=env))
    assert found["values"]["DATABASE_URL"] == value
    assert_no_leak(masked(value, found["masks"]), [value])


def test_a_binary_value_is_refused_by_name(project: Project, ciplug: RunsCiplug, env: dict[str, str]) -> None:
    """Groovy would be handed something else than the vault holds."""
    project.put("app/dev/db", {"url": base64.b64encode(b"\xff\xfe\x80abc-def").decode()})
    project.replace('ref = "db#url"\n', 'ref = "db#url"\nencoding = "base64"\n')
    with nothing_left(project):
        done = ciplug(*FETCH, env=env)
    assert_refused(done, 8, "hand-over", "DATABASE_URL", 'as = "file"', env=env, project=project)


def test_a_file_is_a_path_and_its_content_is_masked(
    project: Project, ciplug: RunsCiplug, env: dict[str, str], tmp_path: Path
) -> None:
    """Binary content as well: what of it is text becomes masks."""
    project.append(
        '\n[secrets.KEY]\nref = "key#value"\nas = "file"\nencoding = "base64"\n\n'
        '[jobs.files]\nenvironment = "dev"\nsecrets = ["KEY"]\n'
    )
    content = b"\xff\xfe binary \x80\nand one line of text\n"
    project.put("app/dev/key", {"value": base64.b64encode(content).decode()})
    env["CIPLUG_JOB"] = "files"
    found = document(ciplug(*FETCH, env=env))
    path = Path(found["values"]["KEY"])
    assert path.is_relative_to(tmp_path / "shop@tmp")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (content, 0o600)
    assert {"and one line of text", base64.b64encode(content).decode()} <= set(found["masks"])
    assert str(path) not in found["masks"]
    assert ciplug("revoke", env=env).returncode == 0
    assert listing(tmp_path / "shop@tmp" / "ciplug") == set()


def test_leases_live_until_the_block_revokes(
    leased: Project, ciplug: RunsCiplug, env: dict[str, str], postgres: Postgres
) -> None:
    before, env["CIPLUG_JOB"] = postgres.roles(), "migrate"
    with nothing_left(leased):
        with one_token_left(leased):
            found = document(ciplug(*FETCH, env=env))
        login = {"username": found["values"]["PG_USER"], "password": found["values"]["PG_PASSWORD"]}
        assert postgres.query("SELECT 1", **login) == ["1"]
        assert ciplug("revoke", env=env).returncode == 0
        eventually(lambda: postgres.roles() == before)


@pytest.mark.parametrize("job", ["test", "migrate"])
@pytest.mark.parametrize("stdout", ["closed", "full", "no reader"])
def test_where_nobody_takes_the_values_nothing_stays_open(
    leased: Project, env: dict[str, str], tmp_path: Path, job: str, stdout: str
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    shell = ["sh", "-c", 'exec "$@" >&-', "sh"] if stdout == "closed" else []
    with nothing_left(leased), Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*shell, *command_line(*FETCH)],
            env=env | {"PATH": os.environ["PATH"], "CIPLUG_JOB": job}, cwd=tmp_path, stderr=subprocess.PIPE, timeout=30,
            stdout={"closed": None, "full": full, "no reader": writing}[stdout],
        )  # fmt: skip
    os.close(writing)
    assert done.returncode == 8
    assert b"ciplug: error: hand-over: " in done.stderr
    assert b"keep stdout open for the reader" in done.stderr
    assert [path for path, mode in listing(tmp_path / "shop@tmp") if mode[0] != "d"] == []
    assert_no_leak(done.stderr, credentials(leased, env))


def test_a_closed_stdout_is_found_out_before_anyone_is_asked(
    project: Project, env: dict[str, str], tmp_path: Path
) -> None:
    mark = project.bao.mark()
    line = ["sh", "-c", 'exec "$@" >&-', "sh", *command_line(*FETCH)]
    done = subprocess.run(line, env=env | {"PATH": os.environ["PATH"]}, cwd=tmp_path, stderr=subprocess.PIPE)
    assert done.returncode == 8
    assert project.bao.requests_since(mark) == []


@pytest.mark.parametrize(
    "host",
    [{"GITLAB_CI": "true"}, {"GITHUB_ACTIONS": "true"}, {"CI": "1"}, {}],
    ids=["gitlab", "github", "another CI", "terminal"],
)
def test_elsewhere_it_is_refused_before_any_request(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, host: dict[str, str]
) -> None:
    """The host would not mask what it prints, and --unmasked was not said."""
    env = token_env(issuer, github_claims()) | host
    mark = project.bao.mark()
    done = ciplug(*FETCH, env=env)
    assert_refused(done, 2, "usage", "--to jenkins is for Jenkins", "ciplug run", env=env, project=project)
    assert project.bao.requests_since(mark) == []
