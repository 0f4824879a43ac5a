"""``ciplug run`` against the real server: what the child gets, what the log shows, what is left."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ciplug.standins.claims import github_claims, gitlab_claims, jenkins_claims
from tests.e2e.outside import assert_refused, command_line, credentials, eventually, nothing_left, started, token_env
from tests.e2e.project import AUDIENCE, open_to_every_host
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from ciplug.standins.issuer import Issuer
    from tests.e2e.conftest import MakesJobEnv, RunsCiplug
    from tests.e2e.postgres import Postgres
    from tests.e2e.project import Project

SHOW_ENVIRONMENT = """
import hashlib, json, os, sys
out = {os.fsdecode(k): hashlib.sha256(v).hexdigest() for k, v in os.environb.items()}
json.dump(out, open(sys.argv[1], "w"))
"""


def digest(value: str | bytes) -> str:
    return hashlib.sha256(value.encode() if isinstance(value, str) else value).hexdigest()


def child_environment(path: Path) -> dict[str, str]:
    """Name to SHA-256 of the value, as the child wrote it."""
    seen: dict[str, str] = json.loads(path.read_text())
    return seen


def showing(path: Path) -> tuple[str, ...]:
    return (sys.executable, "-c", SHOW_ENVIRONMENT, str(path))


def test_child_has_the_values_and_the_log_has_no_form_of_them(
    project: Project, ciplug: RunsCiplug, job_env: MakesJobEnv
) -> None:
    leaky = """
        env; echo $DATABASE_URL | base64; printf %s "$DATABASE_URL" | od -An -tx1 | tr -d ' \\n'
        printf %s "$DATABASE_URL" | sha256sum > digest; echo "$NPM_TOKEN" >&2
    """
    env = job_env()
    with nothing_left(project, env["RUNNER_TEMP"]):
        done = ciplug("run", "--job", "test", "--", "sh", "-c", leaky, env=env)
    assert done.returncode == 0, done.stderr
    wanted = project.values["dev"]["DATABASE_URL"]
    assert (project.directory / "digest").read_text().split()[0] == digest(wanted)
    assert_no_leak(done.stdout + done.stderr, credentials(project, env))
    assert b"DATABASE_URL=***" in done.stdout
    assert b"***\n" in done.stderr
    assert b"::add-mask::" not in done.stdout + done.stderr


def test_the_child_gets_what_it_is_granted_and_nothing_to_fetch_more_with(
    project: Project, ciplug: RunsCiplug, job_env: MakesJobEnv, tmp_path: Path
) -> None:
    zero = ("CIPLUG_ID_TOKEN_FILE", "VAULT_ID_TOKEN", "VAULT_ID_TOKEN_FILE", "VAULT_TOKEN", "BAO_TOKEN")
    zero = (*zero, "VERCEL_OIDC_TOKEN", "HTTPS___VAULT_ACME_DEV_ID_TOKEN", "STRIPE_SECRET_KEY")
    env = job_env() | dict.fromkeys(zero, "") | {"NPM_TOKEN": "from outside", "KEPT": "a b\nc'\"", "EMPTY": ""}
    env |= {name: "x.y.z" for name in zero if not name.endswith("FILE")}
    seen_file = tmp_path / "seen.json"
    done = ciplug("run", "--", *showing(seen_file), env=env)
    assert done.returncode == 0, done.stderr
    seen = child_environment(seen_file)
    assert seen["DATABASE_URL"] == digest(project.values["dev"]["DATABASE_URL"])
    assert seen["NPM_TOKEN"] == digest(project.values["dev"]["NPM_TOKEN"])
    gone = {*zero, "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL"}
    assert gone.isdisjoint(seen)
    untouched = {name: digest(value) for name, value in env.items() if name not in gone | {"NPM_TOKEN"}}
    assert {name: seen.get(name) for name in untouched} == untouched
    assert set(seen) - set(untouched) - {"LC_CTYPE"} == {"DATABASE_URL", "NPM_TOKEN", "HOME", "PATH"}


def test_a_chosen_token_variable_does_not_reach_the_child(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, tmp_path: Path
) -> None:
    open_to_every_host(project, issuer)
    minted = issuer.mint(gitlab_claims(), audience=AUDIENCE)
    env = {"GITLAB_CI": "true", "CI": "true", "MY_TOKEN": minted, "CIPLUG_ID_TOKEN_VARIABLE": "MY_TOKEN"}
    seen_file = tmp_path / "seen.json"
    done = ciplug("run", "--job", "test", "--", *showing(seen_file), env=env)
    assert done.returncode == 0, done.stderr
    assert "MY_TOKEN" not in child_environment(seen_file)
    assert "GITLAB_CI" in child_environment(seen_file)


@pytest.mark.parametrize("host", ["gitlab", "jenkins string", "jenkins file"])
def test_the_other_hosts_log_in_with_what_they_put_into_a_variable(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, tmp_path: Path, host: str
) -> None:
    claims = gitlab_claims() if host == "gitlab" else jenkins_claims(audience=AUDIENCE)
    open_to_every_host(project, issuer)
    minted = issuer.mint(claims, audience=AUDIENCE)
    (tmp_path / "token").write_text(minted + "\n")
    value = str(tmp_path / "token") if host == "jenkins file" else minted
    env = {"VAULT_ID_TOKEN": value, "CI": "true"}
    env |= (
        {"GITLAB_CI": "true", "CI_JOB_NAME": "test"}
        if host == "gitlab"
        else {"JENKINS_URL": "https://ci.acme.dev/", "BUILD_NUMBER": "42", "CIPLUG_JOB": "test"}
    )
    with nothing_left(project):
        done = ciplug("run", "--", "sh", "-c", 'printf %s "$NPM_TOKEN" | sha256sum; echo $VAULT_ID_TOKEN', env=env)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0].decode() == digest(project.values["dev"]["NPM_TOKEN"])
    assert_no_leak(done.stdout + done.stderr, [*credentials(project), minted])


def test_an_environment_that_is_not_utf8_passes_unchanged(project: Project, issuer: Issuer, tmp_path: Path) -> None:
    env = {os.fsencode(name): os.fsencode(value) for name, value in token_env(issuer, github_claims()).items()}
    env |= {b"ODD": b"\xff\xfe\x80", b"N\xe9M": b"latin", b"PATH": os.environb[b"PATH"], b"LC_ALL": b"C"}
    seen_file = tmp_path / "seen.json"
    done = subprocess.run(command_line("run", "--", *showing(seen_file)), env=env, cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
    seen = child_environment(seen_file)
    assert seen["ODD"] == digest(b"\xff\xfe\x80")
    assert seen[os.fsdecode(b"N\xe9M")] == digest("latin")


def test_the_environment_is_chosen_where_a_job_has_several(
    project: Project, ciplug: RunsCiplug, issuer: Issuer
) -> None:
    project.replace('[jobs.deploy]\nenvironment = "prod"', '[jobs.deploy]\nenvironment = ["prod", "dev"]')
    claims = github_claims(environment="production")
    env = token_env(issuer, claims) | {"CIPLUG_JOB": "deploy"}
    show = ("--", "sh", "-c", 'printf %s "$STRIPE_SECRET_KEY" | sha256sum')
    assert_refused(ciplug("run", *show, env=env), 125, "usage", "--env", env=env, project=project)
    done = ciplug("run", "--env", "prod", *show, env=env)
    assert done.stdout.split()[0].decode() == digest(project.values["prod"]["STRIPE_SECRET_KEY"])


@pytest.mark.parametrize("status", [0, 1, 2, 42, 125, 126, 127, 128, 255])
def test_the_status_is_the_childs_own_and_the_token_is_dead_before_it_starts(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, status: int
) -> None:
    with nothing_left(project):
        done = ciplug("run", "--", "sh", "-c", f"exit {status}", env=token_env(issuer, github_claims()))
    assert done.returncode == status
    assert done.stderr == b""


def test_a_static_secrets_session_is_revoked_before_the_child_starts(
    project: Project, issuer: Issuer, tmp_path: Path
) -> None:
    before = set(project.admin.accessors())
    with started(
        "run", "--", "sh", "-c", "echo up; exec sleep 60", env=token_env(issuer, github_claims()), cwd=tmp_path
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"up\n"
        eventually(lambda: set(project.admin.accessors()) <= before)
        run.send_signal(signal.SIGTERM)
        assert run.wait(20) == 143


COMMANDS = {
    "not found": (("no-such-command-anywhere",), 127, "not found"),
    "no path": (("./nothing",), 127, "not found"),
    "not executable": (("./ciplug.toml",), 126, "denied"),
    "a directory": (("./",), 126, ""),
    "no interpreter": (("./script",), 127, "not found"),
}


@pytest.mark.parametrize("case", COMMANDS)
def test_a_command_that_cannot_be_started_has_the_shells_status_and_leaves_nothing(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, case: str
) -> None:
    command, status, words = COMMANDS[case]
    (project.directory / "script").write_text("#!/no/such/interpreter\n")
    (project.directory / "script").chmod(0o755)
    env = token_env(issuer, github_claims())
    with nothing_left(project):
        done = ciplug("run", "--", *command, env=env)
    assert_refused(done, status, "command", words, command[0], env=env, project=project)


def test_stdin_goes_through_and_stdout_and_stderr_stay_apart(
    project: Project, ciplug: RunsCiplug, issuer: Issuer
) -> None:
    data = os.urandom(300_000)
    done = ciplug("run", "--", "sh", "-c", "cat; echo err >&2", env=token_env(issuer, github_claims()), stdin=data)
    assert (done.stdout, done.stderr) == (data, b"err\n")


@pytest.mark.parametrize(("records", "fields"), [(10, 1), (1, 5)])
def test_each_record_is_read_once_and_nothing_else_is_asked(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, records: int, fields: int
) -> None:
    names = [f"S{record}_{field}" for record in range(records) for field in range(fields)]
    for record in range(records):
        project.put(f"app/dev/r{record}", {f"f{field}": f"value-{record}-{field}" for field in range(fields)})
    refs = (f'[secrets.S{r}_{f}]\nref = "r{r}#f{f}"\n' for r in range(records) for f in range(fields))
    project.append("\n" + "".join(refs) + f'[jobs.many]\nenvironment = "dev"\nsecrets = {names}\n')
    mark = project.bao.mark()
    env = token_env(issuer, github_claims()) | {"CIPLUG_JOB": "many"}
    done = ciplug("run", "--", "sh", "-c", f'printf %s "$S{records - 1}_{fields - 1}" | sha256sum', env=env)
    assert done.stdout.split()[0].decode() == digest(f"value-{records - 1}-{fields - 1}")
    paths = [request["request"]["path"] for request in project.bao.requests_since(mark)]
    wanted = [f"{project.kv_mount}/data/app/dev/r{record}" for record in range(records)]
    assert sorted(paths) == sorted([f"auth/{project.auth_mount}/login", "auth/token/revoke-self", *wanted])


def test_a_leased_login_works_while_the_child_runs_and_is_gone_after(
    leased: Project, ciplug: RunsCiplug, issuer: Issuer, postgres: Postgres, tmp_path: Path
) -> None:
    before = postgres.roles()
    env = token_env(issuer, github_claims()) | {"CIPLUG_JOB": "migrate"}
    wait = 'printf "%s\\n%s\\n" "$PG_USER" "$PG_PASSWORD" >login.new; mv login.new login; read line'
    with (
        nothing_left(leased),
        started("run", "--", "sh", "-c", wait, env=env, cwd=tmp_path, stdin=subprocess.PIPE) as run,
    ):
        eventually((tmp_path / "login").exists)
        username, password = (tmp_path / "login").read_text().split()
        assert postgres.query("SELECT current_user", username=username, password=password) == [username]
        out, err = run.communicate(b"\n", timeout=20)
        assert run.returncode == 0, err
        eventually(lambda: postgres.roles() == before)
    with pytest.raises(subprocess.CalledProcessError):
        postgres.query("SELECT 1", username=username, password=password)
    assert_no_leak(out + err, [username, password])


@pytest.mark.parametrize("ending", ["exit 3", "kill -9 $$", "kill -TERM $$"])
def test_a_leased_session_is_dead_after_a_child_that_fails(
    leased: Project, ciplug: RunsCiplug, issuer: Issuer, postgres: Postgres, ending: str
) -> None:
    before = postgres.roles()
    env = token_env(issuer, github_claims()) | {"CIPLUG_JOB": "migrate"}
    with nothing_left(leased):
        done = ciplug("run", "--", "sh", "-c", ending, env=env)
        eventually(lambda: postgres.roles() == before)
    assert done.returncode in (3, 137, 143)


FILE_JOB = """
[secrets.KEY]
ref = "key#value"
as = "file"
encoding = "base64"

[jobs.files]
environment = "dev"
secrets = ["KEY", "NPM_TOKEN"]
"""


@pytest.fixture
def file_env(project: Project, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A job with a secret file, whose private directories go below ``XDG_RUNTIME_DIR``."""
    project.append(FILE_JOB)
    project.put("app/dev/key", {"value": base64.encodebytes(BINARY).decode()})
    runtime = tmp_path_factory.mktemp("runtime")
    return token_env(issuer, github_claims()) | {"CIPLUG_JOB": "files", "XDG_RUNTIME_DIR": str(runtime)}


BINARY = bytes(range(256)) * 3


@pytest.mark.parametrize("ending", ["true", "exit 9", "kill -9 $$", "rm $KEY", 'rm -r "$(dirname $KEY)"'])
def test_a_secret_file_is_private_exact_and_gone_after(
    project: Project, ciplug: RunsCiplug, file_env: dict[str, str], ending: str
) -> None:
    look = f'sha256sum <"$KEY"; stat -c %a "$KEY" "$(dirname "$KEY")"; dirname "$(dirname "$KEY")"; {ending}'
    with nothing_left(project, file_env["XDG_RUNTIME_DIR"]):
        done = ciplug("run", "--", "sh", "-c", look, env=file_env)
    assert done.stdout.decode().split() == [digest(BINARY), "-", "600", "700", file_env["XDG_RUNTIME_DIR"]]
    assert done.stderr == b""


def test_the_content_of_a_secret_file_is_hidden_in_the_output(
    project: Project, ciplug: RunsCiplug, file_env: dict[str, str]
) -> None:
    done = ciplug("run", "--", "sh", "-c", 'cat "$KEY"; base64 "$KEY"; cat "$KEY" >&2', env=file_env)
    assert_no_leak(done.stdout + done.stderr, [BINARY])


def test_without_a_runtime_directory_secret_files_are_in_memory(
    project: Project, ciplug: RunsCiplug, file_env: dict[str, str]
) -> None:
    del file_env["XDG_RUNTIME_DIR"]
    done = ciplug("run", "--", "sh", "-c", 'echo "$KEY"', env=file_env)
    path = Path(done.stdout.decode().strip())
    assert path.parent.parent == Path("/dev/shm")
    assert not path.parent.exists()


def test_files_that_do_not_fit_start_nothing_and_leave_nothing(
    project: Project, issuer: Issuer, file_env: dict[str, str], tmp_path: Path
) -> None:
    """A limit on file sizes stands in for the full disk."""
    project.put("app/dev/key", {"value": base64.b64encode(bytes(300_000)).decode()})
    limited = ["sh", "-c", 'ulimit -f 64; exec "$@"', "sh", *command_line("run", "--", "touch", str(tmp_path / "ran"))]
    with nothing_left(project, file_env["XDG_RUNTIME_DIR"]):
        done = subprocess.run(limited, env={"PATH": os.environ["PATH"]} | file_env, cwd=tmp_path, capture_output=True)
    assert_refused(done, 125, "hand-over", "KEY", "too large", env=file_env, project=project)
    assert not (tmp_path / "ran").exists()


def test_nothing_secret_is_in_any_argument_list(leased: Project, issuer: Issuer, tmp_path: Path) -> None:
    env = token_env(issuer, github_claims()) | {"CIPLUG_JOB": "migrate"}
    with started("run", "--", "sh", "-c", "echo up; read x", env=env, cwd=tmp_path, stdin=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"up\n"
        children = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
        lines = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in (str(run.pid), *children)]
        run.communicate(b"\n", timeout=20)
    assert len(lines) == 2
    assert_no_leak(b"\n".join(lines), credentials(leased, env))


def test_a_long_output_of_a_reader_that_goes_away_ends_the_child(
    project: Project, issuer: Issuer, tmp_path: Path
) -> None:
    line = " ".join([*command_line("run", "--", "yes", "some line"), "| head -1"])
    env = {"PATH": os.environ["PATH"]} | token_env(issuer, github_claims())
    with nothing_left(project):
        done = subprocess.run(
            ["bash", "-c", f"{line}; echo ${{PIPESTATUS[0]}}"], env=env, cwd=tmp_path, capture_output=True, timeout=30
        )
    assert done.stdout == b"some line\n141\n"
    assert done.stderr == b""


@pytest.mark.parametrize("leak", ["run", "fetch"])
@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
def test_an_output_that_cannot_be_written_is_a_hand_over_failure(
    project: Project, issuer: Issuer, tmp_path: Path, leak: str, redirection: str
) -> None:
    args = (
        command_line("run", "--", "sh", "-c", "echo hello") if leak == "run" else command_line("fetch", "--to", "json")
    )
    env = {"PATH": os.environ["PATH"]} | token_env(issuer, github_claims())
    with nothing_left(project):
        done = subprocess.run(
            ["sh", "-c", f'"$@" {redirection}', "sh", *args], env=env, cwd=tmp_path, capture_output=True, timeout=30
        )
    if redirection == ">&-" and leak == "run":
        # Nobody wants the output: the stream is opened on /dev/null, so that no other file takes its number.
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        return
    says = "stdout is closed" if redirection == ">&-" else "No space left"
    assert_refused(done, 125 if leak == "run" else 8, "hand-over", says, env=env, project=project)


def test_a_working_directory_that_cannot_be_written_is_no_obstacle(
    project: Project, ciplug: RunsCiplug, issuer: Issuer
) -> None:
    project.replace('ref = "db#url"\n', 'ref = "db#url"\nas = "file"\n')
    env = token_env(issuer, github_claims()) | {"CIPLUG_MANIFEST": str(project.manifest)}
    with nothing_left(project):
        done = ciplug("run", "--job", "test", "--", "sh", "-c", 'cat "$DATABASE_URL"', env=env, cwd=Path("/proc"))
    assert (done.returncode, done.stdout) == (0, b"***")


def test_each_host_logs_in_at_its_own_auth_mount(project: Project, ciplug: RunsCiplug, issuer: Issuer) -> None:
    project.replace(
        f'auth_mount = "{project.auth_mount}"',
        f'auth_mount = {{ github = "nowhere", terminal = "{project.auth_mount}" }}',
    )
    env = token_env(issuer, github_claims())
    assert ciplug("run", "--job", "test", "--", "true", env=env).returncode == 0
    done = ciplug("run", "--job", "test", "--", "true", env=env | {"GITHUB_ACTIONS": "true"})
    assert_refused(done, 125, "login-rejected", "nowhere", env=env, project=project)
    done = ciplug("run", "--job", "test", "--", "true", env=env | {"GITLAB_CI": "true"})
    assert_refused(done, 125, "usage", "no mount for the host gitlab", env=env, project=project)


def test_a_person_is_told_of_leases_that_outlive_the_command(
    leased: Project, ciplug: RunsCiplug, postgres: Postgres
) -> None:
    before = postgres.roles()
    env = {"VAULT_TOKEN": leased.bao.root_token.reveal().decode()}
    done = ciplug("run", "--job", "migrate", "--", "true", env=env)
    assert done.returncode == 0
    assert b"leases of your own vault login are not ended by ciplug" in done.stderr
    assert len(postgres.roles()) == len(before) + 1


def test_a_token_the_child_digs_up_from_its_parent_is_hidden(
    project: Project, ciplug: RunsCiplug, job_env: MakesJobEnv
) -> None:
    env = job_env()
    done = ciplug("run", "--job", "test", "--", "sh", "-c", "tr '\\0' '\\n' </proc/$PPID/environ", env=env)
    assert b"ACTIONS_ID_TOKEN_REQUEST_TOKEN=***" in done.stdout
    assert_no_leak(done.stdout, [env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"]])


@pytest.mark.parametrize(("given", "seen"), [({}, "unset"), ({"LC_CTYPE": "C.UTF-8"}, "C.UTF-8")])
def test_the_child_does_not_notice_that_python_sets_a_locale(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, given: dict[str, str], seen: str
) -> None:
    env = token_env(issuer, github_claims()) | given
    done = ciplug("run", "--job", "test", "--", "sh", "-c", 'echo "${LC_CTYPE-unset}"', env=env)
    assert done.stdout.decode().strip() == seen
