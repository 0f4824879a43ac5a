"""The GitLab template: run by gitlab-ci-local as users include it, and line by line as GitLab's runner runs scripts."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sys
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from hatchling.build import build_wheel

from ciplug.manifest import load
from ciplug.standins.claims import gitlab_claims
from tests.contract.pipelines import Pipeline
from tests.e2e.example_vault import example_vault
from tests.e2e.hosts_gitlab import TEMPLATE, GitLabFiltered, GitLabRun, run_checkout
from tests.e2e.outside import credentials, eventually, nothing_left
from tests.e2e.project import AUDIENCE, bring, new_project, open_to_every_host
from tests.e2e.published import offline, published
from tests.fakes.gitlab_runner import SHELLS, items_of, read_template, run, variables_of
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping, Sequence

    from ciplug.standins.issuer import Issuer
    from ciplug.standins.openbao import OpenBao
    from ciplug.vault.admin import Admin
    from tests.contract.pipelines import Ran
    from tests.e2e.project import Project

ROOT: Final = Path(__file__).parents[2]
EXAMPLE: Final = ROOT / "examples" / "gitlab" / ".gitlab-ci.yml"
SELF: Final = """"$(exec sh -c 'echo "$PPID"')\""""
"""The process of the shell that evaluates it: ``$$`` is the runner's outer one."""


class Job:
    """A job that extends ``.ciplug-filtered``, in GitLab's runner with one shell. No output of it may leak."""

    def __init__(self, shell: str, project: Project, issuer: Issuer, place: Path) -> None:
        self.project = project
        self.place = place
        self.checkout = place / "shop"
        self.checkout.mkdir(parents=True)
        shutil.copy(project.manifest, self.checkout)
        (place / "memory").mkdir(mode=0o700)
        (place / "bin").mkdir()
        (place / "bin" / "ciplug").symlink_to(Path(sys.prefix) / "bin" / "ciplug")
        _, self._jobs = read_template(TEMPLATE, audience=AUDIENCE)
        self._shell = shell
        self.env = {
            "PATH": f"{place / 'bin'}:{os.environ['PATH']}",
            "HOME": str(place),
            "XDG_RUNTIME_DIR": str(place / "memory"),
            "GITLAB_CI": "true",
            "CI_JOB_ID": "302",
            "CI_JOB_NAME": "test",
            "CI_PROJECT_DIR": str(self.checkout),
            "VAULT_ID_TOKEN": issuer.mint(gitlab_claims(), audience=AUDIENCE),
        } | variables_of(self._jobs, ".ciplug-filtered")

    def run(self, *script: str, before: Sequence[str] = (), **env: str) -> subprocess.CompletedProcess[bytes]:
        """`before` and the template's ``before_script``, and then `script`."""
        return self._stage([*before, *items_of(self._jobs, ".ciplug-filtered", "before_script"), *script], env)

    def after(self, **env: str) -> subprocess.CompletedProcess[bytes]:
        """The template's ``after_script``, in a shell of its own."""
        return self._stage(items_of(self._jobs, ".ciplug-filtered", "after_script"), env)

    def without_ciplug(self, *script: str, before: Sequence[str] = ()) -> subprocess.CompletedProcess[bytes]:
        """The same lines in a job that has no template."""
        return self._stage([*before, *script], {"VAULT_ID_TOKEN": ""})

    @contextmanager
    def leaving_nothing(self) -> Iterator[None]:
        """After the block no vault token and no file is there that was not before; a folder for notes may be."""
        before = self._files()
        with nothing_left(self.project):
            yield
        eventually(lambda: self._files() == before)

    def _files(self) -> set[Path]:
        return {path for path in self.place.rglob("*") if not path.is_dir() or path.parent.name == "memory"}

    def _stage(self, items: Sequence[str], env: Mapping[str, str]) -> subprocess.CompletedProcess[bytes]:
        together = self.env | env
        done = run(self._shell, items, env=together, cwd=self.checkout)
        assert_no_leak(done.stdout + done.stderr, credentials(self.project, together))
        return done


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, bao: OpenBao, admin: Admin, issuer: Issuer) -> Project:
    """The project of most tests here, which leave it as it is."""
    project = new_project(tmp_path_factory.mktemp("project"), bao, admin, issuer)
    open_to_every_host(project, issuer)
    return project


@pytest.fixture(params=SHELLS)
def job(request: pytest.FixtureRequest, shop: Project, issuer: Issuer, tmp_path: Path) -> Job:
    shop.apply()  # policies have no mount of their own, and another project may have had its turn
    return Job(request.param, shop, issuer, tmp_path / "builds")


@pytest.fixture(params=SHELLS)
def leased_job(request: pytest.FixtureRequest, leased: Project, issuer: Issuer, tmp_path: Path) -> Job:
    """One whose secrets include a lease."""
    open_to_every_host(leased, issuer)
    job = Job(request.param, leased, issuer, tmp_path / "builds")
    job.env["CIPLUG_JOB"] = "migrate"
    return job


def said(done: subprocess.CompletedProcess[bytes]) -> list[str]:
    """What the script printed on stdout, without what the runner prints of it."""
    return [line for line in done.stdout.decode().splitlines() if not line.startswith("\x1b[32;1m$ ")]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_plain_lines_have_the_secrets_and_print_none(job: Job) -> None:
    with job.leaving_nothing():
        done = job.run('printf %s "$DATABASE_URL" | sha256sum', 'echo "at $DATABASE_URL"')
    assert done.returncode == 0, done.stderr
    assert said(done) == [f"{digest(job.project.values['dev']['DATABASE_URL'])}  -", "at ***"]
    assert done.stderr == b""


STATUSES: Final = {
    "exit": "exit 3",
    "a failing line": "false\necho on",
    "the shell ended by SIGTERM": f"kill -TERM {SELF}\nsleep 5",
}
"""Of ``tests/unit/test_filtered_shell.py``, which has many more, those in which the runner's own shell takes part."""


@pytest.mark.parametrize("script", STATUSES.values(), ids=STATUSES)
def test_the_exit_status_is_what_it_is_without_ciplug(job: Job, script: str) -> None:
    plain = job.without_ciplug(script)
    done = job.run(script)
    assert (done.returncode, said(done)) == (plain.returncode, said(plain)), done.stderr


def test_a_trap_does_what_it_does_without_ciplug(job: Job) -> None:
    script = "trap 'echo bye $?' EXIT\nexit 4"
    plain = job.without_ciplug(script)
    with job.leaving_nothing():
        done = job.run(script)
    assert (done.returncode, said(done)) == (plain.returncode, said(plain)), done.stderr


def test_a_trap_set_before_the_secrets_came_is_kept(job: Job) -> None:
    with job.leaving_nothing():
        done = job.run("exit 4", before=["trap 'echo bye $?' EXIT"])
    assert (done.returncode, said(done)) == (4, ["bye 4"]), done.stderr


def test_what_a_trap_prints_is_filtered_and_complete(job: Job) -> None:
    done = job.run("""trap 'printf "last words: %s" "$DATABASE_URL"' EXIT""")
    assert done.stdout.endswith(b"\nlast words: ***"), done.stdout


@pytest.mark.parametrize("ending", ["true", "exit 3", "false"])
def test_the_end_of_the_output_is_never_lost(job: Job, ending: str) -> None:
    done = job.run(f"head -c 100000 /dev/zero | tr '\\0' x; printf 'the end'; {ending}")
    assert done.stdout.endswith(b"x" * 100_000 + b"the end"), (len(done.stdout), done.stdout[-40:])


def test_a_secret_at_the_very_end_is_hidden(job: Job) -> None:
    done = job.run('printf %s "$NPM_TOKEN"; exit 1')
    assert (done.returncode, done.stdout[-4:]) == (1, b"\n***")


def test_stdout_and_stderr_stay_apart(job: Job) -> None:
    done = job.run('echo "out $NPM_TOKEN"', 'echo "err $NPM_TOKEN" >&2')
    assert (said(done), done.stderr) == (["out ***"], b"err ***\n")


@pytest.mark.parametrize("option", ["x", "v", "vx"])
def test_a_trace_shows_no_secret(job: Job, option: str) -> None:
    done = job.run(f"set -{option}", ': "$DATABASE_URL"', 'sh -c "exit 0" "$NPM_TOKEN"', "exit 3")
    assert done.returncode == 3
    assert (b"***" in done.stderr) is ("x" in option), done.stderr


@pytest.mark.parametrize("option", ["x", "v"])
def test_a_trace_from_before_the_secrets_came_shows_none(job: Job, option: str) -> None:
    done = job.run(': "$DATABASE_URL"', before=[f"set -{option}"])
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("options", ["-u", "-eu", "-f", "-C"])
def test_options_of_the_shell_set_before_do_no_harm(job: Job, options: str) -> None:
    with job.leaving_nothing():
        done = job.run("echo on", before=[f"set {options}"])
    assert (done.returncode, said(done), done.stderr) == (0, ["on"], b"")


def test_wait_without_arguments_ends(job: Job) -> None:
    done = job.run("sleep 0.1 &\nwait\necho waited")
    assert (done.returncode, said(done)) == (0, ["waited"])


def test_a_background_process_does_not_hold_up_the_end(job: Job) -> None:
    with nothing_left(job.project):
        done = job.run('sleep 60 &\necho "$!" >pid', "echo done")
    with suppress(ProcessLookupError):
        os.kill(int((job.checkout / "pid").read_text()), signal.SIGKILL)
    assert (done.returncode, said(done)) == (0, ["done"])


def test_scripts_that_the_job_starts_inherit_the_secrets(job: Job) -> None:
    (job.checkout / "inner.sh").write_text('printf %s "$NPM_TOKEN" | sha256sum; echo "$NPM_TOKEN"\n')
    done = job.run("sh inner.sh")
    assert said(done) == [f"{digest(job.project.values['dev']['NPM_TOKEN'])}  -", "***"]


def test_the_id_token_is_not_in_the_environment_afterwards(job: Job) -> None:
    done = job.run("env | cut -d= -f1 >names", 'echo "${VAULT_ID_TOKEN-gone}"')
    assert said(done) == ["gone"]
    assert "VAULT_ID_TOKEN" not in (job.checkout / "names").read_text().splitlines()


def test_no_secret_and_no_token_is_on_a_command_line(job: Job) -> None:
    look = 'cat /proc/[0-9]*/cmdline >"lines" 2>/dev/null || true'
    job.run(look, before=[look.replace("lines", "lines-before")])
    for name in ("lines", "lines-before"):
        assert_no_leak((job.checkout / name).read_bytes(), credentials(job.project, job.env))


REFUSALS: Final[Mapping[str, tuple[Mapping[str, str], int, str]]] = {
    "no manifest": ({"CIPLUG_MANIFEST": "absent.toml"}, 2, "manifest"),
    "unknown job": ({"CIPLUG_JOB": "tets"}, 2, "usage"),
    "unknown environment": ({"CIPLUG_ENV": "staging"}, 2, "usage"),
    "no token": ({"VAULT_ID_TOKEN": ""}, 3, "identity"),
    "vault away": ({"BAO_ADDR": "http://127.0.0.1:9", "CIPLUG_DEADLINE": "1"}, 5, "unreachable"),
    "debug trace": ({"CI_DEBUG_TRACE": "true"}, 8, "hand-over"),
}


@pytest.mark.parametrize(
    ("job", "refusal"),
    [*(("dash", refusal) for refusal in REFUSALS), *((shell, "no token") for shell in SHELLS if shell != "dash")],
    indirect=["job"],
)
def test_a_job_that_gets_no_secrets_stops_before_its_first_line(job: Job, refusal: str) -> None:
    """Its status is all that the shell takes part in."""
    env, status, cause = REFUSALS[refusal]
    with job.leaving_nothing():
        done = job.run('echo "${DATABASE_URL-none}" >ran', **env)
        after = job.after(**env)
    errors = [line for line in done.stderr.decode().splitlines() if line.startswith("ciplug: error: ")]
    assert done.returncode == status, done.stderr
    assert [error.split(": ")[2] for error in errors] == [cause]
    assert after.returncode == 0, after.stderr


def test_a_job_of_another_project_stops_before_its_first_line(job: Job, issuer: Issuer) -> None:
    token = issuer.mint(gitlab_claims("stranger/shop"), audience=AUDIENCE)
    with job.leaving_nothing():
        done = job.run("touch ran", VAULT_ID_TOKEN=token)
    assert done.returncode == 6, done.stderr
    assert b"ciplug: error: login-rejected: " in done.stderr


def test_one_missing_secret_stops_the_job_before_its_first_line(job: Job) -> None:
    with (job.checkout / "ciplug.toml").open("a", encoding="utf-8") as manifest:
        manifest.write('[secrets.GONE]\nref = "gone#x"\n\n[jobs.gone]\nenvironment = "dev"\n')
        manifest.write('secrets = ["DATABASE_URL", "GONE"]\n')
    bring(job.project.admin, load(job.checkout / "ciplug.toml"))
    with job.leaving_nothing():
        done = job.run("touch ran", CIPLUG_JOB="gone")
    assert done.returncode == 7, done.stderr


def test_the_debug_trace_leaks_nothing_where_it_is_accepted(job: Job) -> None:
    accepted = {"CI_DEBUG_TRACE": "true", "CIPLUG_ALLOW_DEBUG_TRACE": "true"}
    done = job.run(': "$DATABASE_URL"', "echo on", **accepted)
    assert (done.returncode, said(done)) == (0, ["on"]), done.stderr
    assert b"***" in done.stderr


@pytest.mark.parametrize("ending", ["true", "exit 3", "trap 'exit 2' EXIT"])
def test_leases_end_with_the_script(leased_job: Job, ending: str) -> None:
    admin = leased_job.project.admin
    with leased_job.leaving_nothing():
        before = set(admin.accessors())
        done = leased_job.run('echo "as $PG_USER with $PG_PASSWORD"', ending)
        assert said(done) == ["as *** with ***"], done.stderr
        assert set(admin.accessors()) <= before


@pytest.mark.parametrize("name", ["TERM", "KILL"])
def test_after_script_ends_what_a_killed_job_left_open(leased_job: Job, name: str) -> None:
    with leased_job.leaving_nothing():
        done = leased_job.run(f'echo "as $PG_USER"\nkill -{name} {SELF}\nsleep 5')
        after = leased_job.after()
    assert done.returncode == 128 + getattr(signal, f"SIG{name}")
    assert said(done) == ["as ***"]
    assert (after.returncode, after.stderr) == (0, b"")


def test_after_script_has_nothing_to_say_after_a_job_that_ended(job: Job) -> None:
    job.run("true")
    done = job.after()
    assert (done.returncode, said(done), done.stderr) == (0, [], b"")


@pytest.mark.parametrize("driver", [GitLabFiltered, GitLabRun])
def test_no_token_is_on_a_command_line_of_a_pipeline(
    shop: Project, issuer: Issuer, tmp_path: Path, driver: type[GitLabFiltered | GitLabRun]
) -> None:
    seen, host = tmp_path / "seen", driver(shop, issuer, tmp_path)
    ran = host.run(Pipeline(steps=(f"cat /proc/[0-9]*/cmdline >{seen} 2>&1 || true",)))
    assert ran.ok, ran.log
    assert host.token
    assert_no_leak(seen.read_bytes(), [host.token])


def test_a_job_without_ciplug_installs_it_runs_it_and_leaves_nothing(
    shop: Project, issuer: Issuer, tmp_path: Path
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        wheel = tmp_path / build_wheel(str(tmp_path))
    script = 'printf %s "$NPM_TOKEN" | sha256sum; echo "is $NPM_TOKEN"'
    pipeline = Pipeline(steps=(script,), env=offline(published().wheels))
    with nothing_left(shop):
        ran = GitLabRun(shop, issuer, tmp_path, requirement=str(wheel)).run(pipeline)
    assert ran.ok, ran.log.decode()
    assert digest(shop.values["dev"]["NPM_TOKEN"]).encode() in ran.log
    assert_no_leak(ran.log, credentials(shop))
    assert list(tmp_path.glob("*/shop.tmp/*")) == []


OWN: Final = """\
include: {{ local: /template.yml, inputs: {inputs} }}
test:
  extends: .ciplug-filtered
  before_script:
    - echo first
    - !reference [.ciplug-filtered, before_script]
    - echo "mine $NPM_TOKEN"
  script: ['echo "theirs $NPM_TOKEN"']
  after_script:
    - !reference [.ciplug, after_script]
    - echo "after ${{NPM_TOKEN-none}}"
"""


def own_pipeline(project: Project, issuer: Issuer, place: Path, inputs: str) -> Ran:
    """A checkout whose job adds to the template's before_script and after_script."""
    checkout = place / "shop"
    checkout.mkdir()
    shutil.copy(project.manifest, checkout)
    shutil.copy(TEMPLATE, checkout / "template.yml")
    (checkout / ".gitlab-ci.yml").write_text(OWN.format(inputs=inputs), encoding="utf-8")
    return run_checkout(checkout, token=issuer.mint(gitlab_claims(), audience=AUDIENCE))


def test_lines_of_the_jobs_own_go_around_those_of_the_template(shop: Project, issuer: Issuer, tmp_path: Path) -> None:
    ran = own_pipeline(shop, issuer, tmp_path, f"{{ audience: {AUDIENCE} }}")
    assert ran.ok, ran.log.decode()
    said = [line.partition(b"> ")[2] for line in ran.log.splitlines() if line.startswith(b"test > ")]
    assert said == [b"first", b"mine ***", b"theirs ***", b"after none"]
    assert_no_leak(ran.log, credentials(shop))


def test_a_pipeline_that_names_no_audience_is_refused(shop: Project, issuer: Issuer, tmp_path: Path) -> None:
    ran = own_pipeline(shop, issuer, tmp_path, "{}")
    assert not ran.ok
    assert b"audience" in ran.log


@pytest.mark.parametrize("token", ["its own", "none"])
def test_the_example_runs_as_it_is(issuer: Issuer, tmp_path: Path, token: str) -> None:
    checkout = tmp_path / "shop"
    included = ".gitlab-ci-local/includes/gitlab.acme.dev/platform/ciplug/v0.1.0/gitlab/templates"
    (checkout / included).mkdir(parents=True)
    shutil.copy(TEMPLATE, checkout / included)
    shutil.copy(EXAMPLE, checkout)
    shutil.copy(ROOT / "examples" / "ciplug.toml", checkout)
    (checkout / "Makefile").write_text(
        'test:\n\t@printf %s "$$DATABASE_URL" | sha256sum\n\t@echo "at $$DATABASE_URL"\n'
    )
    minted = issuer.mint(gitlab_claims(), audience=AUDIENCE) if token == "its own" else ""
    with example_vault(issuer) as vault, nothing_left(vault):
        ran = run_checkout(checkout, token=minted, BAO_ADDR=vault.bao.address)
    assert ran.ok is (token == "its own"), ran.log.decode()
    assert (b"at ***" in ran.log, digest(vault.values["DATABASE_URL"]).encode() in ran.log) == (ran.ok, ran.ok)
    assert (b"add to the job  id_tokens:" in ran.log) is not ran.ok
    assert_no_leak(ran.log, [*vault.values.values(), *([minted] if minted else [])])
