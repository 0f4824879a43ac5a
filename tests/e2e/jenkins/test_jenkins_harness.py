"""The Groovy harness does as Jenkins does, where the tests of the library rely on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from tests.e2e.hosts_jenkins import Agent, groovy_string

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.e2e.hosts_jenkins import Built

    Build = Callable[..., Built]

TOKEN: Final = "s3cr3t-t'ken"


@pytest.fixture
def build(tmp_path: Path) -> Build:
    """Runs a Jenkinsfile with a library of the test's own."""

    def run(jenkinsfile: str, library: dict[str, str] | None = None) -> Built:
        folder = tmp_path / "library"
        for name, text in ({"vars/unused.groovy": "def call() { }"} | (library or {})).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        agent = Agent(folder=tmp_path / "build", credentials={"id": TOKEN}, env={"GREETING": "hello"}, library=folder)
        return agent.build("@Library('ciplug') _\n" + jenkinsfile, {"file": "from the repository\n"})

    return run


def test_sh_traces_without_a_shebang_and_not_with_one(build: Build) -> None:
    built = build("node { sh 'echo one'; sh '#!/bin/sh\\necho two'; sh '#!/bin/sh -u\\necho $- >&2' }")
    assert built.result == "SUCCESS", built.log.decode()
    assert b"\n+ echo one\none\n" in built.log
    assert b"\ntwo\n" in built.log
    assert b"+ echo two" not in built.log
    assert b"\nu\n" in built.log


def test_sh_gives_status_and_output_or_fails(build: Build) -> None:
    built = build("""node {
        echo 'status ' + sh(script: 'exit 3', returnStatus: true)
        echo 'output ' + sh(script: 'echo out; echo err >&2', returnStdout: true).trim()
        try { sh 'exit 4' } catch (hudson.AbortException err) { echo err.message }
        sh 'false; true'
    }""")
    assert built.result == "FAILURE"
    assert b"\nstatus 3\n" in built.log
    assert b"\nerr\n" in built.log
    assert b"\noutput out\n" in built.log
    assert b"\nscript returned exit code 4\n" in built.log
    assert b"\nERROR: script returned exit code 1\n" in built.log


def test_with_env_expands_and_takes_away(build: Build) -> None:
    literal = groovy_string("A=$GREETING ${GREETING} $$GREETING $UNKNOWN")
    built = build(f"""node {{
        withEnv([{literal}, 'GREETING=']) {{
            echo env.A
            echo "greeting ${{env.GREETING}}"
            sh '#!/bin/sh\\necho "shell $A ${{GREETING-none}}"'
        }}
        echo env.GREETING
    }}""")
    assert b"\nhello hello $GREETING $UNKNOWN\n" in built.log
    assert b"\ngreeting null\n" in built.log
    assert b"\nshell hello hello $GREETING $UNKNOWN none\n" in built.log
    assert b"\nhello\n" in built.log


def test_credentials_are_masked_in_the_block_as_the_plugin_does_it(build: Build) -> None:
    built = build("""node {
        withCredentials([string(credentialsId: 'id', variable: 'T')]) {
            sh '''#!/bin/sh
            echo "plain $T"; printf %s "$T" | base64; printf "x:%s" "$T" | base64; printf %s "$T" | od -An -tx1'''
        }
        sh '#!/bin/sh\\necho "after ${T-none}"'
    }""")
    assert b"\nplain ****\n" in built.log
    assert TOKEN.encode() not in built.log
    assert built.log.count(b"****") == 3
    assert b" 73 33 63" in built.log
    assert b"\nafter none\n" in built.log


def test_a_missing_credential_an_unknown_step_and_an_unknown_parameter_fail(build: Build) -> None:
    for body, words in {
        "withCredentials([string(credentialsId: 'no', variable: 'T')]) { }": b"credentials entry with ID 'no'",
        "slackSend 'x'": b"No such DSL method 'slackSend'",
        "sh(script: 'true', returnOutput: true)": b"unknown parameters [returnOutput]",
    }.items():
        built = build(f"node {{ {body} }}")
        assert built.result == "FAILURE"
        assert words in built.log


def test_without_the_annotation_there_is_no_library(tmp_path: Path) -> None:
    built = Agent(folder=tmp_path, credentials={}, env={}).build("node { ciplug(job: 'x', script: 'x') }", {})
    assert built.result == "FAILURE"
    assert b"No such DSL method 'ciplug'" in built.log


def test_what_jenkins_could_not_store_fails_the_step(build: Build) -> None:
    holder = "class Holder%s { Object steps\n Object go() { steps.withEnv([]) { steps.echo('in') } } }"
    library = {
        "src/Holder.groovy": holder % "",
        "src/Kept.groovy": "class Kept implements Serializable { Object steps\n"
        + (holder % "").partition("steps\n")[2],
        "vars/bad.groovy": "def call() { new Holder(steps: this).go() }",
        "vars/good.groovy": "def call() { new Kept(steps: this).go() }",
    }
    assert b"\nin\n" in build("good()", library).log
    refused = build("bad()", library)
    assert refused.result == "FAILURE"
    assert b"NotSerializableException: Holder" in refused.log
    assert b"\nin\n" not in refused.log


def test_what_the_blocks_of_a_pipeline_hold_is_stored_and_steps_are_recorded(build: Build) -> None:
    built = build("node { def kept = 'held by ' + 'a block'; stage('s') { echo 'x'; kept.size() } }")
    assert b"held by a block" in built.program
    assert built.named("echo") == [["x"]]
    assert built.named("stage") == [["s", "{…}"]]


def test_branches_run_side_by_side_and_a_failing_one_fails_the_build(build: Build, tmp_path: Path) -> None:
    built = build(f"""node {{
        parallel(
            a: {{ sh 'while [ ! -e {tmp_path}/b ]; do sleep 0.05; done; exit 3' }},
            b: {{ withEnv(['X=b']) {{ sh 'touch {tmp_path}/$X' }} }})
        echo 'not reached'
    }}""")
    assert built.result == "FAILURE"
    assert b"ERROR: script returned exit code 3\n" in built.log
    assert b"not reached" not in built.log


def test_a_timeout_ends_the_processes_and_runs_what_is_in_finally(build: Build) -> None:
    built = build("""node {
        try { timeout(time: 1, unit: 'SECONDS') { sh 'sleep 50 & sleep 50; echo survived' } } finally { sh 'echo fin' }
    }""")
    assert built.result == "ABORTED"
    assert b"\nfin\n" in built.log
    assert b"\nsurvived\n" not in built.log


def test_the_checkout_is_the_repository_and_files_are_written_and_removed(build: Build) -> None:
    built = build(
        """node {
        checkout scm
        echo libraryResource('org/ciplug/text')
        echo readFile('file')
        writeFile(file: 'new/file', text: 'ü')
        dir('new') { echo pwd() + ' ' + readFile('file'); deleteDir() }
        sh 'ls; ls new'
    }""",
        {"resources/org/ciplug/text": "from the library\n"},
    )
    assert b"\nfrom the library\n" in built.log
    assert b"\nfrom the repository\n" in built.log
    assert "/workspace/shop/new ü\n".encode() in built.log
    assert built.result == "FAILURE"
    assert not (built.workspace / "new").exists()
