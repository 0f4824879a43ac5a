"""``fetch --to run`` and ``run --fetched``: one login for several commands, each as filtered as a run of its own."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ciplug.standins.claims import gitlab_claims, jenkins_claims
from ciplug.values import Secret
from tests.e2e.outside import (
    assert_refused,
    command_line,
    credentials,
    eventually,
    listing,
    note,
    nothing_left,
    one_token_left,
    started,
)
from tests.e2e.project import AUDIENCE, open_to_every_host
from tests.fakes.actions_runner import Runner
from tests.fakes.scripted_server import ScriptedServer, answer
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from ciplug.standins.issuer import Issuer
    from tests.e2e.conftest import MakesJobEnv, RunsCiplug
    from tests.e2e.postgres import Postgres
    from tests.e2e.project import Project
    from tests.fakes.scripted_server import Exchange, Script

FETCH = ("fetch", "--to", "run")
NEXT = "ciplug fetch --to run"


def run(*script: str, options: tuple[str, ...] = ()) -> tuple[str, ...]:
    return ("run", "--fetched", *options, "--", "sh", "-c", *script)


def state(env: dict[str, str]) -> Path:
    return Path(env["RUNNER_TEMP"], "ciplug")


@pytest.fixture
def env(project: Project, ciplug: RunsCiplug, job_env: MakesJobEnv) -> dict[str, str]:
    """The job ``test`` on GitHub, which has fetched."""
    made = job_env()
    done = ciplug(*FETCH, env=made)
    assert (done.returncode, done.stdout) == (0, b"")
    assert done.stderr == b"ciplug: the secrets, for `ciplug run --fetched`, stay until `ciplug revoke`\n"
    return made


def test_a_fetch_ends_its_session_and_keeps_one_private_note(
    project: Project, ciplug: RunsCiplug, job_env: MakesJobEnv
) -> None:
    env = job_env()
    with nothing_left(project):
        assert ciplug(*FETCH, env=env).returncode == 0
    assert {mode for _, mode in listing(env["RUNNER_TEMP"])} == {"drwx------", "-rw-------"}
    assert len(listing(env["RUNNER_TEMP"])) == 2
    assert json.loads(note(env).read_text())["token"] is None
    assert Path(env["GITHUB_ENV"]).read_bytes() == b""
    assert ciplug("revoke", env=env).returncode == 0
    assert listing(state(env)) == set()


def test_a_command_gets_what_a_run_of_its_own_would_give_it(
    project: Project, ciplug: RunsCiplug, env: dict[str, str]
) -> None:
    project.append('\n[secrets.NOT_GRANTED]\nref = "db#url"\n')
    full = env | {"NOT_GRANTED": "from outside", "VAULT_TOKEN": "s.someone-elses-token", "OTHER": "kept"}
    fresh = ciplug("run", "--", "env", "-0", env=full)
    again = ciplug("run", "--fetched", "--", "env", "-0", env=full)
    assert (again.returncode, again.stderr) == (0, b"")
    assert sorted(again.stdout.split(b"\0")) == sorted(fresh.stdout.split(b"\0"))
    names = {line.partition(b"=")[0].decode() for line in again.stdout.split(b"\0")}
    assert set(project.values["dev"]) | {"OTHER"} <= names
    assert not {"NOT_GRANTED", "VAULT_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"} & names
    digest = 'printf %s "$DATABASE_URL$NPM_TOKEN" | sha256sum'
    assert ciplug(*run(digest), env=env).stdout == ciplug("run", "--", "sh", "-c", digest, env=env).stdout


def test_every_form_of_a_secret_is_hidden_on_both_streams(
    project: Project, ciplug: RunsCiplug, env: dict[str, str]
) -> None:
    script = (
        'for out in 1 2; do { echo "[$DATABASE_URL]"; printf %s "$NPM_TOKEN" | base64; '
        'printf %s "$NPM_TOKEN" | od -An -tx1 | tr -d " \\n"; echo; } >&$out; done'
    )
    done = ciplug(*run(script), env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"[***]\n***\n***\n", b"[***]\n***\n***\n")


@pytest.mark.parametrize(("script", "status"), [("exit 3", 3), ("kill -TERM $$", 143), ("true", 0)])
def test_the_status_is_the_command_s_own(ciplug: RunsCiplug, env: dict[str, str], script: str, status: int) -> None:
    assert ciplug(*run(script), env=env).returncode == status


def test_any_number_of_runs_cost_one_login_and_one_read(
    project: Project, ciplug: RunsCiplug, job_env: MakesJobEnv, issuer: Issuer
) -> None:
    env, mark = job_env(), project.bao.mark()
    assert ciplug(*FETCH, env=env).returncode == 0
    asked = project.bao.requests_since(mark)
    mark = project.bao.mark()
    for _ in range(3):
        assert ciplug(*run('test -n "$DATABASE_URL"'), env=env).returncode == 0
    assert project.bao.requests_since(mark) == []
    assert len(issuer.requests(env["ACTIONS_ID_TOKEN_REQUEST_URL"])) == 1
    paths = [record["request"]["path"] for record in asked]
    assert sorted(paths) == sorted(
        [
            f"auth/{project.auth_mount}/login",
            f"{project.kv_mount}/data/app/dev/db",
            f"{project.kv_mount}/data/common/npm",
            "auth/token/revoke-self",
        ]
    )


def test_a_run_needs_neither_vault_nor_identity(ciplug: RunsCiplug, env: dict[str, str]) -> None:
    less = {name: value for name, value in env.items() if not name.startswith("ACTIONS_")}
    done = ciplug(*run("true"), env=less | {"VAULT_ADDR": "http://127.0.0.1:9"})
    assert (done.returncode, done.stderr) == (0, b"")


def test_runs_share_a_leased_login_until_revoke_ends_it(
    leased: Project, ciplug: RunsCiplug, job_env: MakesJobEnv, postgres: Postgres
) -> None:
    before, env = postgres.roles(), job_env("migrate")
    with nothing_left(leased, env["RUNNER_TEMP"] + "/ciplug"):
        with one_token_left(leased):
            done = ciplug(*FETCH, env=env)
        assert b"leases and the secrets, for `ciplug run --fetched`, stay until `ciplug revoke`" in done.stderr
        told = [ciplug(*run('printf %s "$PG_USER:$PG_PASSWORD" | sha256sum'), env=env).stdout for _ in range(2)]
        assert told[0] == told[1] != b""
        assert len(postgres.roles() - before) == 1
        assert ciplug("revoke", env=env).returncode == 0
        eventually(lambda: postgres.roles() == before)


def test_the_vault_token_is_hidden_from_a_command_that_finds_it(
    leased: Project, ciplug: RunsCiplug, job_env: MakesJobEnv
) -> None:
    """The note is this user's, and so is the command."""
    env = job_env("migrate")
    assert ciplug(*FETCH, env=env).returncode == 0
    token = json.loads(note(env).read_text())["token"]
    done = ciplug(*run(f"cat {state(env)}/*.json; cat {state(env)}/*.json >&2"), env=env)
    assert leased.admin.token_is_alive(Secret(token))
    assert_no_leak(done.stdout + done.stderr, [token, leased.values["dev"]["DATABASE_URL"]])
    assert ciplug("revoke", env=env).returncode == 0


def test_a_session_that_is_over_is_fetched_again(leased: Project, ciplug: RunsCiplug, job_env: MakesJobEnv) -> None:
    env = job_env("migrate")
    assert ciplug(*FETCH, env=env).returncode == 0
    text = note(env).read_text()
    note(env).write_text(json.dumps(json.loads(text) | {"expires": 1.0}))
    done = ciplug(*run("touch ran"), env=env)
    assert_refused(done, 125, "hand-over", "ended", NEXT, env=env, project=leased)
    assert not (leased.directory / "ran").exists()
    note(env).write_text(text)
    assert ciplug("revoke", env=env).returncode == 0


FILE_JOB = """
[secrets.KEY]
ref = "key#value"
as = "file"

[jobs.files]
environment = "dev"
secrets = ["KEY", "NPM_TOKEN"]
"""


def test_each_run_has_secret_files_of_its_own(
    project: Project, ciplug: RunsCiplug, job_env: MakesJobEnv, tmp_path: Path
) -> None:
    project.append(FILE_JOB)
    project.put("app/dev/key", {"value": "line one of it\nline two\n"})
    env = job_env("files") | {"XDG_RUNTIME_DIR": str(tmp_path / "memory")}
    (tmp_path / "memory").mkdir(mode=0o700)
    assert ciplug(*FETCH, env=env).returncode == 0
    assert [path for path, _ in listing(env["RUNNER_TEMP"]) if "KEY" in path] == []
    seen = []
    for _ in range(2):
        done = ciplug(*run('echo "$KEY"; stat -c %a "$KEY"; cat "$KEY"; printf "%s\\n" "$(wc -c <"$KEY")"'), env=env)
        path, *rest = done.stdout.decode().splitlines()
        assert rest == ["600", "***", "24"]
        assert not Path(path).exists()
        seen.append(path)
    assert len(set(seen)) == 2
    assert list((tmp_path / "memory").iterdir()) == []
    assert ciplug("revoke", env=env).returncode == 0
    assert listing(state(env)) == set()


@pytest.mark.parametrize("value", [b"\xff\xfe\x80abc-and-more", b"two lines\nof it\n", "пароль-🔑".encode()], ids=repr)
def test_any_value_is_kept_exactly(
    project: Project, ciplug: RunsCiplug, job_env: MakesJobEnv, tmp_path: Path, value: bytes
) -> None:
    project.put("app/dev/db", {"url": base64.b64encode(value).decode()})
    project.replace('ref = "db#url"\n', 'ref = "db#url"\nencoding = "base64"\n')
    env = job_env()
    assert ciplug(*FETCH, env=env).returncode == 0
    assert ciplug(*run('printf %s "$DATABASE_URL" >seen'), env=env).returncode == 0
    assert (tmp_path / "seen").read_bytes() == value


def test_a_value_too_short_to_be_hidden_is_named_by_every_run(
    project: Project, ciplug: RunsCiplug, job_env: MakesJobEnv
) -> None:
    project.put("app/dev/db", {"url": "abc"})
    env = job_env()
    assert ciplug(*FETCH, env=env).returncode == 0
    runner = Runner()
    runner.read(ciplug(*run("true"), env=env).stderr)
    assert runner.annotations == [
        ("warning", {"title": "ciplug"}, "too short to be hidden in the output: DATABASE_URL")
    ]


def test_the_newest_of_two_fetches_counts(project: Project, ciplug: RunsCiplug, env: dict[str, str]) -> None:
    project.put("app/dev/db", {"url": "postgres://the-newer-value"})
    assert ciplug(*FETCH, env=env).returncode == 0
    ciplug(*run('printf %s "$DATABASE_URL" >seen'), env=env)
    assert (project.directory / "seen").read_text() == "postgres://the-newer-value"
    assert ciplug("revoke", env=env).returncode == 0
    assert listing(state(env)) == set()


def test_a_job_that_has_only_what_may_be_missing_is_fetched_as_well(
    project: Project, ciplug: RunsCiplug, job_env: MakesJobEnv
) -> None:
    project.append(
        '\n[secrets.MAYBE]\nref = "nothing#x"\noptional = true\n\n'
        '[jobs.maybe]\nenvironment = "dev"\nsecrets = ["MAYBE"]\n'
    )
    env = job_env("maybe")
    assert ciplug(*FETCH, env=env).returncode == 0
    done = ciplug(*run('echo "[${MAYBE-unset}]"'), env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"[unset]\n", b"")


def refused(project: Project, ciplug: RunsCiplug, env: dict[str, str], *words: str, job: str = "test") -> None:
    """A ``run --fetched`` that starts nothing, asks nobody, and says how to go on."""
    mark = project.bao.mark()
    done = ciplug(*run("touch ran", options=("--job", job)), env=env)
    assert_refused(done, 125, "hand-over", *words, env=env, project=project)
    assert project.bao.requests_since(mark) == []
    assert not (project.directory / "ran").exists()


def test_where_nothing_was_fetched_it_says_how_to(project: Project, ciplug: RunsCiplug, job_env: MakesJobEnv) -> None:
    env = job_env()
    refused(project, ciplug, env, "nothing was fetched for job test in environment dev", NEXT)
    assert ciplug("fetch", "--to", "json", env=env).returncode == 0
    refused(project, ciplug, env, "nothing was fetched", NEXT)
    assert listing(env["RUNNER_TEMP"]) == set()


def test_leases_that_were_fetched_for_other_steps_are_not_for_runs(
    leased: Project, ciplug: RunsCiplug, job_env: MakesJobEnv
) -> None:
    env = job_env("migrate")
    assert ciplug("fetch", "--to", "json", env=env).returncode == 0
    refused(leased, ciplug, env, "nothing was fetched", NEXT, job="migrate")
    assert ciplug("revoke", env=env).returncode == 0


def test_after_revoke_nothing_is_fetched_any_more(project: Project, ciplug: RunsCiplug, env: dict[str, str]) -> None:
    assert ciplug("revoke", env=env).returncode == 0
    refused(project, ciplug, env, "nothing was fetched", NEXT)


def test_another_job_of_the_manifest_gets_nothing_of_it(
    project: Project, ciplug: RunsCiplug, env: dict[str, str]
) -> None:
    refused(project, ciplug, env, "job deploy in environment prod", NEXT, job="deploy")


def test_another_environment_gets_nothing_of_it(project: Project, ciplug: RunsCiplug, job_env: MakesJobEnv) -> None:
    """With the values of dev, a job for prod would change the wrong database."""
    project.replace('[jobs.test]\nenvironment = "dev"', '[jobs.test]\nenvironment = ["dev", "prod"]')
    env = job_env()
    assert ciplug(*FETCH, "--env", "dev", env=env).returncode == 0
    done = ciplug(*run("touch ran", options=("--env", "prod")), env=env)
    assert_refused(done, 125, "hand-over", "job test in environment prod", NEXT, env=env, project=project)
    assert ciplug(*run("true", options=("--env", "dev")), env=env).returncode == 0


@pytest.mark.parametrize("change", [{"GITHUB_RUN_ID": "99"}, {"GITHUB_RUN_ATTEMPT": "2"}, {"GITHUB_JOB": "other"}])
def test_another_job_on_the_same_machine_finds_nothing(
    project: Project, ciplug: RunsCiplug, env: dict[str, str], change: dict[str, str]
) -> None:
    refused(project, ciplug, env | change, "nothing was fetched", NEXT)


def test_a_secret_that_was_added_since_is_refused_by_name(
    project: Project, ciplug: RunsCiplug, env: dict[str, str]
) -> None:
    project.append('\n[secrets.ADDED]\nref = "db#url"\n')
    project.replace('secrets = ["DATABASE_URL", "NPM_TOKEN"]', 'secrets = ["DATABASE_URL", "NPM_TOKEN", "ADDED"]')
    refused(project, ciplug, env, "the manifest has changed since the fetch: ADDED", NEXT)


def test_a_secret_that_was_taken_away_since_is_not_handed_over(
    project: Project, ciplug: RunsCiplug, env: dict[str, str]
) -> None:
    project.replace('secrets = ["DATABASE_URL", "NPM_TOKEN"]', 'secrets = ["DATABASE_URL"]')
    done = ciplug(*run('echo "[${NPM_TOKEN-unset}]"; test -n "$DATABASE_URL"'), env=env)
    assert (done.returncode, done.stdout) == (0, b"[unset]\n")


@pytest.mark.parametrize("damage", ["", "{", "null", '{"token": "s.hidden-token"}', "cut", "bad base64", "a number"])
def test_a_damaged_note_is_refused_without_its_content(
    project: Project, ciplug: RunsCiplug, env: dict[str, str], damage: str
) -> None:
    text = note(env).read_text()
    entry = json.loads(text)
    damaged = {
        "cut": text[:-20],
        "bad base64": json.dumps(entry | {"values": dict.fromkeys(entry["values"], "!not base64")}),
        "a number": json.dumps(entry | {"values": dict.fromkeys(entry["values"], 5)}),
    }
    note(env).write_text(damaged.get(damage, damage))
    refused(project, ciplug, env, "cannot be read")
    assert "s.hidden-token" not in ciplug(*run("true"), env=env).stderr.decode()


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o701])
def test_a_directory_that_others_can_enter_is_refused(
    project: Project, ciplug: RunsCiplug, env: dict[str, str], mode: int
) -> None:
    state(env).chmod(mode)
    refused(project, ciplug, env, "not a private directory", "CIPLUG_STATE_DIR")


def test_a_link_in_the_place_of_the_directory_is_refused(
    project: Project, ciplug: RunsCiplug, env: dict[str, str], tmp_path: Path
) -> None:
    state(env).rename(tmp_path / "elsewhere")
    state(env).symlink_to(tmp_path / "elsewhere")
    refused(project, ciplug, env, "not a private directory")


@pytest.mark.parametrize("trouble", ["denied", "missing"])
def test_a_fetch_that_fails_keeps_nothing(
    project: Project, ciplug: RunsCiplug, job_env: MakesJobEnv, trouble: str
) -> None:
    env = job_env(repository="stranger/shop") if trouble == "denied" else job_env()
    if trouble == "missing":
        project.replace('ref = "db#url"', 'ref = "nothing#url"')
    with nothing_left(project, env["RUNNER_TEMP"]):
        assert ciplug(*FETCH, env=env).returncode == (6 if trouble == "denied" else 7)


def test_a_note_that_does_not_fit_on_the_disk_keeps_nothing(
    leased: Project, job_env: MakesJobEnv, postgres: Postgres, tmp_path: Path
) -> None:
    """Files of this process may not grow beyond 200 bytes."""
    before, env = postgres.roles(), job_env("migrate") | {"PATH": os.environ["PATH"]}
    script = (
        "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200));"
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    line = command_line(*FETCH)
    with nothing_left(leased, env["RUNNER_TEMP"] + "/ciplug"):
        done = subprocess.run([line[0], "-c", script, *line], env=env, cwd=tmp_path, capture_output=True, timeout=30)
        eventually(lambda: postgres.roles() == before)
    assert_refused(done, 8, "hand-over", "File too large", env=env, project=leased)


@pytest.mark.parametrize("to", ["run", "github"])
@pytest.mark.parametrize("moment", ["GET", "POST /v1/auth/token/revoke-self"])
def test_a_signal_that_comes_before_the_hand_over_leaves_nothing(
    project: Project, job_env: MakesJobEnv, tmp_path: Path, to: str, moment: str
) -> None:
    """While the values are read; and while their session is revoked, when a signal is only remembered."""
    reached, go_on = threading.Event(), threading.Event()

    def held(answered: Script) -> Script:
        def script(exchange: Exchange) -> None:
            reached.set()
            go_on.wait(10)
            answered(exchange)

        return script

    data = answer(200, {"data": {"data": {"url": "scripted-value", "token": "scripted-value"}, "metadata": {}}})
    login = {"client_token": "s.scripted-token-0", "lease_duration": 60, "token_type": "service"}
    routes = {
        f"POST /v1/auth/{project.auth_mount}/login": answer(200, {"auth": login}),
        f"GET /v1/{project.kv_mount}/data/app/dev/db": data,
        f"GET /v1/{project.kv_mount}/data/common/npm": data,
        "POST /v1/auth/token/revoke-self": answer(204),
    }
    held_back = {route: held(script) if route.startswith(moment) else script for route, script in routes.items()}
    with ScriptedServer(held_back) as server:
        env = job_env() | {"VAULT_ADDR": server.url}
        with started("fetch", "--to", to, env=env, cwd=tmp_path) as fetch:
            assert reached.wait(20)
            fetch.send_signal(signal.SIGTERM)
            go_on.set()
            _, stderr = fetch.communicate(timeout=20)
        assert server.seen[-1].path == "/v1/auth/token/revoke-self"
    assert fetch.returncode == 143
    assert Runner().read(stderr).endswith("start it again when you are ready\n")
    assert [path for path, mode in listing(env["RUNNER_TEMP"]) if mode[0] != "d"] == []
    assert Path(env["GITHUB_ENV"]).read_bytes() == Path(env["GITHUB_STEP_SUMMARY"]).read_bytes() == b""


@pytest.mark.parametrize("host", ["gitlab", "jenkins"])
def test_it_works_the_same_on_a_host_without_masks(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, host: str, tmp_path: Path
) -> None:
    open_to_every_host(project, issuer)
    claims = gitlab_claims() if host == "gitlab" else jenkins_claims(audience=AUDIENCE)
    named = {
        "gitlab": {"GITLAB_CI": "true", "CI_JOB_NAME": "test", "CI_PROJECT_DIR": str(tmp_path / "checkout")},
        "jenkins": {"JENKINS_URL": "x", "BUILD_NUMBER": "1", "WORKSPACE_TMP": str(tmp_path / "checkout.tmp")},
    }[host]
    env = named | {"VAULT_ID_TOKEN": issuer.mint(claims, audience=AUDIENCE), "CIPLUG_JOB": "test"}
    with nothing_left(project):
        assert ciplug(*FETCH, env=env).returncode == 0
    assert {mode for _, mode in listing(tmp_path / "checkout.tmp" / "ciplug")} == {"-rw-------"}
    done = ciplug(*run('echo "$DATABASE_URL ${VAULT_ID_TOKEN-unset}"; tr "\\0" "\\n" </proc/$PPID/environ'), env=env)
    assert done.stdout.startswith(b"*** unset\n")
    assert_no_leak(done.stdout + done.stderr, credentials(project, env))
    assert ciplug("revoke", env=env).returncode == 0
    assert listing(tmp_path / "checkout.tmp" / "ciplug") == set()


@pytest.mark.parametrize("trace", ["true", "TRUE", "1", "t", " True "])
def test_a_job_whose_host_prints_every_command_gets_nothing_before_anyone_is_asked(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, trace: str, tmp_path: Path
) -> None:
    open_to_every_host(project, issuer)
    env = {
        "GITLAB_CI": "true",
        "CI_DEBUG_TRACE": trace,
        "CI_PROJECT_DIR": str(tmp_path / "checkout"),
        "CIPLUG_JOB": "test",
        "VAULT_ID_TOKEN": issuer.mint(gitlab_claims(), audience=AUDIENCE),
    }
    mark = project.bao.mark()
    for command, status in ((FETCH, 8), (("fetch", "--to", "json", "--unmasked"), 8), (("run", "--", "true"), 125)):
        done = ciplug(*command, env=env)
        assert_refused(done, status, "hand-over", "CI_DEBUG_TRACE", "turn it off", env=env, project=project)
    assert_refused(ciplug(*run("true"), env=env), 125, "hand-over", "CI_DEBUG_TRACE", env=env, project=project)
    assert project.bao.requests_since(mark) == []
    assert listing(tmp_path / "checkout.tmp") == set()


@pytest.mark.parametrize(("allow", "status"), [("true", 0), ("1", 0), ("false", 125), ("", 125), ("maybe", 125)])
def test_who_accepts_the_trace_by_name_gets_the_secrets(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, allow: str, status: int, tmp_path: Path
) -> None:
    open_to_every_host(project, issuer)
    env = {
        "GITLAB_CI": "true",
        "CI_DEBUG_TRACE": "true",
        "CIPLUG_ALLOW_DEBUG_TRACE": allow,
        "CI_PROJECT_DIR": str(tmp_path / "checkout"),
        "CIPLUG_JOB": "test",
        "VAULT_ID_TOKEN": issuer.mint(gitlab_claims(), audience=AUDIENCE),
    }
    done = ciplug("run", "--", "sh", "-c", 'test -n "$DATABASE_URL"', env=env)
    assert done.returncode == status, done.stderr
    assert (b"CIPLUG_ALLOW_DEBUG_TRACE" in done.stderr) is (status != 0)
