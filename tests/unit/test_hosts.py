"""Which host this is, what it says of the run, and what GitHub Actions is told to mask."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciplug.errors import HandOverError
from ciplug.hosts import detect
from ciplug.hosts.github import ActionsMasker, annotation, escape
from tests.leaks import assert_no_leak

GITHUB = {
    "CI": "true",
    "GITHUB_ACTIONS": "true",
    "GITHUB_JOB": "test",
    "GITHUB_RUN_ID": "17011",
    "GITHUB_RUN_ATTEMPT": "2",
    "GITHUB_ACTOR": "octocat",
    "GITHUB_REPOSITORY": "acme/shop",
    "GITHUB_SHA": "abc",
    "GITHUB_REF": "refs/heads/main",
    "RUNNER_TEMP": "/home/runner/_temp",
}
GITLAB = {
    "CI": "true",
    "GITLAB_CI": "true",
    "CI_JOB_NAME": "test",
    "CI_JOB_ID": "302",
    "GITLAB_USER_LOGIN": "jane",
    "CI_PROJECT_PATH": "acme/shop",
    "CI_COMMIT_SHA": "abc",
    "CI_COMMIT_REF_NAME": "main",
    "CI_PROJECT_DIR": "/builds/acme/shop",
}
JENKINS = {
    "JENKINS_URL": "https://ci.acme.dev/",
    "BUILD_NUMBER": "42",
    "BUILD_URL": "https://ci.acme.dev/job/shop/42/",
    "JOB_NAME": "shop",
    "BUILD_USER_ID": "jane",
    "GIT_URL": "https://git.acme.dev/acme/shop.git",
    "GIT_COMMIT": "abc",
    "GIT_BRANCH": "origin/main",
    "WORKSPACE_TMP": "/ws@tmp",
}


@pytest.mark.parametrize(
    ("env", "facts"),
    [
        (
            GITHUB,
            {"kind": "github", "label": "GitHub Actions", "ci": True, "masker": ActionsMasker,
             "annotation": annotation, "exposure": "", "job": "test", "run": "17011/2",
             "actor": "octocat", "repository": "acme/shop", "commit": "abc", "ref": "refs/heads/main",
             "temp": "/home/runner/_temp"},
        ),
        (
            GITLAB,
            {"kind": "gitlab", "label": "GitLab CI", "ci": True, "masker": None, "annotation": None,
             "exposure": "", "job": "test", "run": "302",
             "actor": "jane", "repository": "acme/shop", "commit": "abc", "ref": "main",
             "temp": "/builds/acme/shop.tmp"},
        ),
        (
            JENKINS,
            {"kind": "jenkins", "label": "Jenkins", "ci": True, "masker": None, "annotation": None,
             "exposure": "", "job": "shop",
             "run": "https://ci.acme.dev/job/shop/42/", "actor": "jane", "repository": "git.acme.dev/acme/shop.git",
             "commit": "abc", "ref": "origin/main", "temp": "/ws@tmp"},
        ),
    ],
)  # fmt: skip
def test_a_host_says_what_it_knows(env: dict[str, str], facts: dict[str, Any]) -> None:
    assert asdict(detect(env)) == facts


@pytest.mark.parametrize(
    ("env", "kind"),
    [
        ({"GITHUB_ACTIONS": "true"}, "github"),
        ({"GITLAB_CI": "true"}, "gitlab"),
        ({"JENKINS_URL": "x", "BUILD_NUMBER": "1"}, "jenkins"),
        (GITHUB | GITLAB | JENKINS, "github"),
        ({"GITHUB_ACTIONS": "false", "CI": "true"}, "ci"),
        ({"GITHUB_ACTIONS": "1"}, "terminal"),
        ({"GITLAB_CI": "", "CI": "1"}, "ci"),
        ({"JENKINS_URL": "x"}, "terminal"),
        ({"BUILD_NUMBER": "1"}, "terminal"),
        ({"CI": "woodpecker"}, "ci"),
        ({"CI": "false"}, "terminal"),
        ({"CI": " No "}, "terminal"),
        ({"CI": "0"}, "terminal"),
        ({"CI": ""}, "terminal"),
        ({}, "terminal"),
    ],
)
def test_the_host_is_found_by_its_own_variables(env: dict[str, str], kind: str) -> None:
    found = detect(env)
    assert found.kind == kind
    assert found.ci is (kind != "terminal")
    assert (found.masker is not None) is (kind == "github")


@pytest.mark.parametrize("kind", [{"GITHUB_ACTIONS": "true"}, {"GITLAB_CI": "true"}, {"CI": "1"}, {}])
def test_what_a_host_does_not_say_is_empty(kind: dict[str, str]) -> None:
    found = asdict(detect(kind))
    assert {found[name] for name in ("job", "run", "actor", "repository", "commit", "ref", "temp")} == {""}


def test_a_run_without_attempts_is_its_id_alone() -> None:
    assert detect({"GITHUB_ACTIONS": "true", "GITHUB_RUN_ID": "7"}).run == "7"
    assert detect({"JENKINS_URL": "x", "BUILD_NUMBER": "7"}).run == "7"


def test_people_are_known_by_their_user_name() -> None:
    assert detect({"USER": "jane"}).actor == "jane"


@pytest.mark.parametrize(
    "url",
    ["https://jane:t0ken-in-url@git.acme.dev/shop.git", "https://git.acme.dev/shop.git?private_token=t0ken-in-url"],
)
def test_a_token_in_the_remote_s_address_is_no_fact(url: str) -> None:
    found = detect(JENKINS | {"GIT_URL": url})
    assert found.repository == "git.acme.dev/shop.git"
    assert_no_leak(repr(found), ["t0ken-in-url"])


@pytest.mark.parametrize("value", ["true", "TRUE", "True", "tRuE", "t", "T", "1", " true ", "true\n"])
def test_gitlab_s_debug_trace_is_an_exposure_in_every_spelling(value: str) -> None:
    exposure = detect(GITLAB | {"CI_DEBUG_TRACE": value}).exposure
    assert exposure.startswith("CI_DEBUG_TRACE is on")


@pytest.mark.parametrize("value", ["", " ", "false", "FALSE", "f", "0", "no", "off", "2"])
def test_a_debug_trace_that_is_off_is_none(value: str) -> None:
    assert detect(GITLAB | {"CI_DEBUG_TRACE": value}).exposure == ""


@pytest.mark.parametrize("env", [GITHUB, JENKINS, {"CI": "1"}, {}], ids=["github", "jenkins", "ci", "terminal"])
def test_elsewhere_gitlab_s_debug_trace_means_nothing(env: dict[str, str]) -> None:
    assert detect(env | {"CI_DEBUG_TRACE": "true"}).exposure == ""


def as_the_runner_reads_it(lines: bytes) -> list[bytes]:
    """The values of ``add-mask`` commands; the runner undoes ``%0A`` and ``%0D`` first and ``%25`` last."""
    values = []
    for line in lines.split(b"\n")[:-1]:
        command, _, data = line.partition(b"::add-mask::")
        assert command == b""
        values.append(data.replace(b"%0A", b"\n").replace(b"%0D", b"\r").replace(b"%25", b"%"))
    return values


def is_long(value: bytes) -> bool:
    return all(len(line.strip()) >= 4 for line in value.splitlines())


@pytest.mark.parametrize(
    ("value", "escaped"),
    [(b"a%b", b"a%25b"), (b"%0A", b"%250A"), (b"a\nb", b"a%0Ab"), (b"\r\n", b"%0D%0A"), (b"::x::", b"::x::")],
)
def test_what_a_command_cannot_hold_is_escaped(value: bytes, escaped: bytes) -> None:
    assert escape(value) == escaped


@given(st.lists(st.lists(st.binary(min_size=4).filter(is_long), min_size=1).map(b"\n".join)))
def test_the_runner_masks_exactly_the_values(values: list[bytes]) -> None:
    written: list[bytes] = []
    ActionsMasker(written.append).mask(values)
    [lines] = written
    assert b"\r" not in lines
    assert as_the_runner_reads_it(lines) == values


@pytest.mark.parametrize("value", [b"", b" ", b"\n", b"abc", b" abc ", b"{\n  long enough\n}", b"long enough\r\nabc"])
def test_what_has_a_blank_or_short_line_would_blank_the_log_and_is_not_masked(value: bytes) -> None:
    written: list[bytes] = []
    ActionsMasker(written.append).mask([value, b"long enough", b"two long\n\nlines\n"])
    assert as_the_runner_reads_it(b"".join(written)) == [b"long enough", b"two long\n\nlines\n"]


def test_a_runner_that_cannot_be_told_is_an_error_without_the_value() -> None:
    def broken(_: bytes) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    with pytest.raises(HandOverError, match="Broken pipe") as refused:
        ActionsMasker(broken).mask([b"s3cr3t-value"])
    assert refused.value.hint
    assert_no_leak(str(refused.value), ["s3cr3t-value"])
