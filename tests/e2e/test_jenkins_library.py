"""The shared library for Jenkins: its steps, run by Groovy 2.4.21, on the real ciplug and a real vault."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.e2e.example_vault import example_vault
from tests.e2e.hosts_jenkins import CREDENTIAL, ROOT, Agent, groovy_string, id_token
from tests.e2e.outside import credentials, listing, nothing_left
from tests.e2e.project import open_to_every_host
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ciplug.standins.issuer import Issuer
    from tests.e2e.hosts_jenkins import Built
    from tests.e2e.project import Project

    Build = Callable[..., Built]

EXAMPLES: Final = ROOT / "examples"
JENKINSFILE: Final = """\
@Library('ciplug') _
node {
    checkout scm
    %s
}
"""
REFUSED: Final = "try { %s; echo 'not refused' } catch (hudson.AbortException err) { echo err.message }\n"


def digest(value: str | bytes) -> str:
    return hashlib.sha256(value.encode() if isinstance(value, str) else value).hexdigest()


@pytest.fixture
def build(project: Project, issuer: Issuer, tmp_path: Path) -> Build:
    """Runs the body of a node in the project's checkout, and checks that nothing of it gave a secret away."""
    open_to_every_host(project, issuer)
    token = id_token(issuer)

    def run(body: str, *, abort_at: Path | None = None, private: bool = True, **agent: Any) -> Built:
        options: dict[str, Any] = {"credentials": {CREDENTIAL: token}, "env": {}} | agent
        files = {"ciplug.toml": project.manifest.read_text(), "sub/kept": ""}
        built = Agent(folder=tmp_path / "jenkins", **options).build(JENKINSFILE % body, files, abort_at=abort_at)
        assert_no_leak(built.log, [*credentials(project), token])
        assert_no_leak(built.program, [token])
        if private:
            assert_no_leak(json.dumps(built.steps), [*credentials(project), token])
            assert_no_leak(built.program, credentials(project))
        return built

    return run


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    """Where scripts leave what they saw."""
    folder = tmp_path / "seen"
    folder.mkdir()
    return folder


def leaves(folder: Path, name: str, variable: str = "DATABASE_URL") -> str:
    """A script, as a Groovy literal, that leaves the digest of `variable`."""
    return groovy_string(f'printf %s "${{{variable}-none}}" | sha256sum | cut -d" " -f1 >"{folder}/{name}"')


def logins_since(mark: int, project: Project) -> int:
    return len(project.bao.requests_since(mark, path=f"auth/{project.auth_mount}-jenkins/login"))


def left(folder: Path, name: str) -> str:
    return (folder / name).read_text().strip()


def test_wrong_parameters_are_all_named_and_nothing_runs(build: Build, project: Project) -> None:
    calls = {
        "ciplug(jobs: 'test', script: 'true')": ("ciplug: ", "'jobs', did you mean 'job'?", "'job' is missing"),
        "ciplug(job: 'test', cmd: 'true')": ("unknown parameter 'cmd'.", "'script' is missing", "are job, script, env"),
        "ciplug(job: 'test', script: 'true', env: 'dev')": ("'env', did you mean 'environment'?",),
        "ciplug()": ("'job' is missing; ", "'script' is missing"),
        "ciplug(job: 7, script: ['true'])": ("'job' is empty, or not a text; ", "'script' is empty, or not a text"),
        "ciplug(job: null, script: '')": ("'job' is empty, or not a text; ", "'script' is empty, or not a text"),
        "ciplug(job: 'test', script: 'true', returnStatus: 'yes')": ("'returnStatus' is neither true nor false",),
        "withCiplug { ciplugSh 'true' }": ("withCiplug: ", "'job' is missing"),
        "withCiplug(job: 'test', script: 'true') { }": ("unknown parameter 'script'",),
        "withCiplug(job: 'test', Credential: 'x') { }": ("'Credential', did you mean 'credentialsId'?",),
        "withCiplugValues(job: 'test', returnStatus: true) { }": ("withCiplugValues: ", "'returnStatus'"),
        "ciplugSh()": ("ciplugSh: ", "'script' is empty, or not a text"),
        "ciplugSh(7)": ("'script' is empty, or not a text",),
        "ciplugSh(script: 'true', job: 'test')": ("unknown parameter 'job'",),
    }
    mark = project.bao.mark()
    built = build("".join(REFUSED % call for call in calls))
    said = [line for line in built.log.decode().splitlines() if line.startswith(("ciplug: ", "not refused"))]
    assert len(said) == len(calls), built.log.decode()
    for line, (call, words) in zip(said, calls.items(), strict=True):
        assert line.startswith("ciplug: error: usage: "), call
        assert not [word for word in words if word not in line], (call, line)
    assert not built.named("sh")
    assert logins_since(mark, project) == 0


@pytest.mark.parametrize("call", ["ciplug(job: 'test', script: %s)", "withCiplug(job: 'test') { ciplugSh %s }"])
def test_the_script_reaches_the_agent_unchanged(build: Build, seen: Path, call: str) -> None:
    odd = "# 'single' \"double\" `id` $(id) ${HOME} $HOME $$ \\ \\n \t ü 日本 🔑 %s %0A\n\nx='a\nb'"
    script = f'cp "$0" "{seen}/copy"\n{odd}\n[ "$x" = "a\nb" ]'
    built = build(call % groovy_string(script))
    assert built.result == "SUCCESS", built.log.decode()
    assert (seen / "copy").read_bytes() == script.encode()
    assert listing(f"{built.workspace}@tmp") == set()


def test_a_script_built_from_a_groovy_expression_is_text_as_well(build: Build, seen: Path) -> None:
    built = build(f"""def name = 'made'; ciplug(job: "te${{'st'}}", script: "echo yes >'{seen}/${{name}}'")""")
    assert built.result == "SUCCESS", built.log.decode()
    assert left(seen, "made") == "yes"


def test_a_script_stops_at_its_first_failure_and_is_not_traced(build: Build, seen: Path) -> None:
    built = build(f"ciplug(job: 'test', script: {groovy_string(f'echo one{chr(10)}false{chr(10)}echo >{seen}/two')})")
    assert built.result == "FAILURE"
    assert b"\none\n" in built.log
    assert b"+ echo" not in built.log
    assert not (seen / "two").exists()
    assert b"ERROR: script returned exit code 1\n" in built.log


def test_the_exit_status_is_given_back_where_it_is_asked_for(build: Build) -> None:
    built = build("""
        echo "ciplug ${ciplug(job: 'test', script: 'exit 3', returnStatus: true)}"
        echo "fine ${ciplug(job: 'test', script: 'true', returnStatus: true)}"
        withCiplug(job: 'test') { echo "block ${ciplugSh(script: 'exit 4', returnStatus: true)}" }
        echo "unknown ${ciplug(job: 'tets', script: 'true', returnStatus: true)}"
    """)
    assert built.result == "SUCCESS", built.log.decode()
    for line in (b"\nciplug 3\n", b"\nfine 0\n", b"\nblock 4\n", b"\nunknown 125\n"):
        assert line in built.log, built.log.decode()


def test_a_block_fetches_once_and_only_ciplug_sh_has_the_secrets(
    build: Build, project: Project, issuer: Issuer, seen: Path
) -> None:
    mark = project.bao.mark()
    with nothing_left(project):
        built = build(f"""
            withCiplug(job: 'test') {{
                ciplugSh {leaves(seen, "first")}
                sh {leaves(seen, "plain")}
                ciplugSh(script: {leaves(seen, "second", "NPM_TOKEN")})
                sh {leaves(seen, "token", "VAULT_ID_TOKEN")}
                ciplugSh {leaves(seen, "token-in-script", "VAULT_ID_TOKEN")}
            }}
            sh {leaves(seen, "after")}
        """)
    assert built.result == "SUCCESS", built.log.decode()
    values = project.values["dev"]
    assert left(seen, "first") == digest(values["DATABASE_URL"])
    assert left(seen, "second") == digest(values["NPM_TOKEN"])
    assert {left(seen, name) for name in ("plain", "after", "token", "token-in-script")} == {digest("none")}
    assert logins_since(mark, project) == 1
    assert listing(f"{built.workspace}@tmp") == set()


def test_a_block_gives_back_what_its_body_does_and_holds_in_other_directories(
    build: Build, project: Project, seen: Path
) -> None:
    built = build(f"""
        def given = withCiplug(job: 'test', manifest: 'ciplug.toml') {{
            dir('sub') {{ ciplugSh {leaves(seen, "sub")} }}
            'from the body'
        }}
        echo given
    """)
    assert built.result == "SUCCESS", built.log.decode()
    assert left(seen, "sub") == digest(project.values["dev"]["DATABASE_URL"])
    assert b"\nfrom the body\n" in built.log


def test_the_manifest_may_come_from_the_environment(build: Build, project: Project, seen: Path, tmp_path: Path) -> None:
    moved = shutil.copy(project.manifest, tmp_path / "cost $5 $HOME.toml")
    env = {"CIPLUG_MANIFEST": str(moved)}
    built = build(f"sh 'rm ciplug.toml'; ciplug(job: 'test', script: {leaves(seen, 'first')})", env=env)
    assert built.result == "SUCCESS", built.log.decode()
    assert left(seen, "first") == digest(project.values["dev"]["DATABASE_URL"])


def test_an_environment_of_several_is_chosen_and_does_not_reach_into_other_jobs(
    build: Build, project: Project, seen: Path
) -> None:
    project.append('[environments.stage]\npath = "app/stage"\n')
    project.append('[jobs.report]\nenvironment = ["dev", "stage"]\nsecrets = ["NPM_TOKEN"]\n')
    built = build(f"""
        withCiplug(job: 'report', environment: 'stage') {{
            ciplugSh {leaves(seen, "outer", "NPM_TOKEN")}
            ciplug(job: 'test', script: {leaves(seen, "inner", "NPM_TOKEN")})
        }}
        ciplug(job: 'report', environment: 'dev', script: {leaves(seen, "step", "NPM_TOKEN")})
    """)
    assert built.result == "SUCCESS", built.log.decode()
    assert {left(seen, name) for name in ("outer", "inner", "step")} == {digest(project.values["dev"]["NPM_TOKEN"])}
    refused = build("ciplug(job: 'report', environment: 'x$HOME$$', script: 'true')")
    assert refused.result == "FAILURE"
    assert b"x$HOME$$" in refused.log


def test_blocks_in_one_another_and_side_by_side_keep_their_own_sessions(
    build: Build, project: Project, seen: Path
) -> None:
    waits = groovy_string(f'while [ ! -e "{seen}/over" ]; do sleep 0.05; done')
    with nothing_left(project):
        built = build(f"""
            parallel(
                quick: {{
                    withCiplug(job: 'test') {{ ciplugSh 'true' }}
                    sh {groovy_string(f'touch "{seen}/over"')}
                }},
                slow: {{
                    withCiplug(job: 'test') {{
                        withCiplug(job: 'test') {{ ciplugSh {leaves(seen, "inner")} }}
                        sh {waits}
                        ciplugSh {leaves(seen, "outer")}
                    }}
                }},
            )
        """)
    assert built.result == "SUCCESS", built.log.decode()
    assert {left(seen, name) for name in ("inner", "outer")} == {digest(project.values["dev"]["DATABASE_URL"])}
    assert listing(f"{built.workspace}@tmp") == set()


def test_a_failing_script_stays_the_cause_when_cleaning_up_fails_too(
    build: Build, project: Project, tmp_path: Path
) -> None:
    broken = groovy_string(f'echo "exit 9" >"{tmp_path}/jenkins/bin/ciplug"\nexit 3')
    with nothing_left(project):
        built = build(f"withCiplug(job: 'test') {{ ciplugSh {broken} }}")
    assert built.result == "FAILURE"
    assert b"\nERROR: script returned exit code 3\n" in built.log
    assert [one[0].get("label") for one in built.named("sh")] == ["ciplug fetch", "ciplug run", "ciplug revoke"]


def test_outside_of_a_block_the_core_says_what_is_missing(build: Build) -> None:
    built = build("ciplugSh 'echo ran'", env={"CIPLUG_JOB": "test"})
    assert built.result == "FAILURE"
    assert b"\nran\n" not in built.log
    assert b"nothing was fetched for job test" in built.log
    assert b"ERROR: script returned exit code 125\n" in built.log


@pytest.mark.parametrize(
    "call", ["ciplug(job: 'test', script: 'echo ran')", "withCiplug(job: 'test') { sh 'echo ran' }"]
)
def test_a_credential_that_does_not_exist_is_named_with_what_to_do(build: Build, project: Project, call: str) -> None:
    mark = project.bao.mark()
    built = build(call, credentials={"another": "x"})
    assert built.result == "FAILURE"
    [error] = [line for line in built.log.decode().splitlines() if line.startswith("ERROR: ")]
    assert error.startswith("ERROR: ciplug: error: identity: no identity token: Could not find credentials entry")
    assert "'vault-id-token'. Next: create an" in error
    assert b"\nran\n" not in built.log
    assert logins_since(mark, project) == 0
    assert listing(f"{built.workspace}@tmp") == set()


def test_a_failure_inside_the_credential_is_not_taken_for_a_missing_one(build: Build) -> None:
    built = build("ciplug(job: 'test', script: 'exit 5')")
    assert b"\nERROR: script returned exit code 5\n" in built.log
    assert b"no identity token" not in built.log


def test_another_credential_may_be_named(build: Build, issuer: Issuer, seen: Path) -> None:
    body = f"ciplug(job: 'test', credentialsId: 'mine', script: {leaves(seen, 'first')})"
    built = build(body, credentials={"mine": id_token(issuer)})
    assert built.result == "SUCCESS", built.log.decode()
    assert left(seen, "first") != digest("none")


def test_values_in_groovy_are_masked_in_the_block_and_stored_by_jenkins(
    build: Build, project: Project, seen: Path
) -> None:
    key = "first line of it\n$HOME 'second' \"line\"\n"
    project.put("app/dev/key", {"value": key})
    project.append('[secrets.KEY]\nref = "key#value"\n\n[jobs.sign]\nenvironment = "dev"\n')
    project.append('secrets = ["DATABASE_URL", "NPM_TOKEN", "KEY"]\n')
    with nothing_left(project):
        built = build(
            f"""
            withCiplugValues(job: 'sign') {{ secrets ->
                echo "connecting to ${{secrets.DATABASE_URL}}"
                echo "with ${{secrets.KEY}}."
                writeFile(file: '{seen}/key', text: secrets.KEY)
                writeFile(file: '{seen}/value', text: secrets.NPM_TOKEN)
                echo secrets.keySet().sort().join(' ')
                sh {leaves(seen, "plain")}
            }}
            """,
            private=False,
        )
    assert built.result == "SUCCESS", built.log.decode()
    assert left(seen, "value") == project.values["dev"]["NPM_TOKEN"]
    assert (seen / "key").read_text() == key
    assert left(seen, "plain") == digest("none")
    assert b"\nconnecting to ********\n" in built.log
    assert b"\nwith ********\n********\n.\n" in built.log
    assert b"\nDATABASE_URL KEY NPM_TOKEN\n" in built.log
    assert_no_leak(built.log, [key])
    # The price that the help names; and the proof that the other tests would notice.
    for stored in (built.program, json.dumps(built.steps)):
        with pytest.raises(AssertionError, match="leaks"):
            assert_no_leak(stored, [project.values["dev"]["DATABASE_URL"]])


def test_without_the_masking_plugin_no_value_is_fetched(build: Build, project: Project) -> None:
    mark = project.bao.mark()
    built = build("withCiplugValues(job: 'test') { secrets -> echo 'ran' }", mask_passwords=False)
    assert built.result == "FAILURE"
    assert b"ERROR: ciplug: error: hand-over: nothing was fetched: without the Mask Passwords plugin" in built.log
    assert b"\nran\n" not in built.log
    assert not built.named("sh")
    assert not built.named("withCredentials")
    assert logins_since(mark, project) == 0


@pytest.mark.parametrize(
    "body",
    ["ciplug(job: 'test', script: %s)", "withCiplug(job: 'test') { ciplugSh %s }", "withCiplug(job: 'test') { sh %s }"],
)
def test_an_aborted_build_is_cleaned_up(build: Build, project: Project, seen: Path, body: str) -> None:
    script = groovy_string(f'echo >"{seen}/started"\nsleep 60\necho >"{seen}/survived"')
    with nothing_left(project):
        built = build(body % script, abort_at=seen / "started")
    assert built.result == "ABORTED", built.log.decode()
    assert not (seen / "survived").exists()
    assert listing(f"{built.workspace}@tmp") == set()


@pytest.mark.parametrize(
    "body", ["ciplug(job: 'test', script: 'true')", "withCiplug(job: 'test') { }", "ciplugSh 'true'"]
)
def test_an_agent_without_ciplug_says_how_to_get_it(build: Build, body: str) -> None:
    built = build(body, installed=False)
    assert built.result == "FAILURE"
    assert b"ciplug: error: command: this agent has no ciplug. Next: pip install ciplug" in built.log
    assert b"\nERROR: script returned exit code 127\n" in built.log


@pytest.mark.parametrize(
    "body",
    [
        "ciplug(job: 'test', script: 'true')",
        "withCiplug(job: 'test') { }",
        "ciplugSh 'true'",
        "withCiplugValues(job: 'test') { }",
    ],
)
def test_a_windows_agent_is_refused_before_anything_is_asked_for(build: Build, project: Project, body: str) -> None:
    mark = project.bao.mark()
    built = build(body, unix=False)
    assert built.result == "FAILURE"
    assert b"\nERROR: ciplug: error: usage: this is a Windows agent. Next: use Linux or macOS\n" in built.log
    assert not built.named("withCredentials")
    assert logins_since(mark, project) == 0


@pytest.mark.parametrize("credential", [CREDENTIAL, "another"])
def test_the_example_runs_as_it_is(issuer: Issuer, tmp_path: Path, credential: str) -> None:
    makefile = "".join(f'{name}:\n\t@echo "{name} at $${{DATABASE_URL-nowhere}}"\n' for name in _TARGETS)
    files = {"ciplug.toml": (EXAMPLES / "ciplug.toml").read_text(), "Makefile": makefile}
    minted = id_token(issuer)
    with example_vault(issuer) as vault, nothing_left(vault):
        env = {"BAO_ADDR": vault.bao.address}
        agent = Agent(folder=tmp_path / "jenkins", credentials={credential: minted}, env=env)
        built = agent.build((EXAMPLES / "jenkins" / "Jenkinsfile").read_text(), files)
        assert not vault.bao.requests_since(path="auth/jwt/login")
        logins = len(vault.bao.requests_since(path="auth/jwt-jenkins/login"))
    assert (built.result, logins) == (("SUCCESS", 2) if credential == CREDENTIAL else ("FAILURE", 0))
    said = [line for line in built.log.decode().splitlines() if line.split(" at ")[0] in _TARGETS]
    wanted = ["test at ***", "migrate at ***", "docs at nowhere", "publish at ***"]
    assert said == (wanted if credential == CREDENTIAL else [])
    for output in (built.log, built.program, json.dumps(built.steps)):
        assert_no_leak(output, [*vault.values.values(), minted])


_TARGETS: Final = ("test", "migrate", "docs", "publish")


def test_what_the_shell_is_given_is_constant_untraced_and_clean(build: Build) -> None:
    body = "ciplug(%s, script: 'true'); withCiplug(%s) { ciplugSh 'true' }; withCiplugValues(%s) { }"
    few, more = (
        build(body % ((given,) * 3), private=False) for given in ("job: 'test'", "job: 'test', environment: 'dev'")
    )
    texts = [one[0]["script"] for one in few.named("sh")]
    assert [one[0]["script"] for one in more.named("sh")] == texts
    assert len(set(texts)) == 5
    checker = shutil.which("shellcheck")
    assert checker, "shellcheck is missing: apt-get install shellcheck"
    for text in texts:
        assert text.startswith("#!/bin/sh\nset +x\n")
        done = subprocess.run([checker, "--shell=sh", "-"], input=text, text=True, capture_output=True)
        assert done.returncode == 0, done.stdout
