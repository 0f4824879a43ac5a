"""The audit log: who, what, where and when on whole lines, in a private file, and never a value."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciplug.audit import AuditLog, Context, describe
from ciplug.audit.log import timestamp
from ciplug.errors import AuditError
from ciplug.hosts.facts import Checkout, Host
from ciplug.standins.claims import github_claims, gitlab_claims, jenkins_claims
from ciplug.values import Secret
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from pathlib import Path

CONTEXT = Context(command="run", who={"actor": "octocat"}, where={"host": "github"}, vault={"address": "https://v"})
READ = {"event": "read", "record": "secret/app", "outcome": "ok", "vault": {"request_id": "r-1"}}


def log(sink: object, **options: Any) -> AuditLog:
    return AuditLog(str(sink), required=True, warn=pytest.fail, **options)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_has_the_event_and_the_context(tmp_path: Path) -> None:
    log(tmp_path / "audit", clock=lambda: 1_700_000_000.1239, version="1.2.3").write(CONTEXT, [READ])
    [line] = lines(tmp_path / "audit")
    assert line == {
        "time": "2023-11-14T22:13:20.124Z",
        "event": "read",
        "record": "secret/app",
        "outcome": "ok",
        "command": "run",
        "who": {"actor": "octocat"},
        "where": {"host": "github"},
        "vault": {"address": "https://v", "request_id": "r-1"},
        "ciplug": "1.2.3",
    }


def test_the_file_is_private_and_only_ever_appended_to(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        log(tmp_path / "audit").write(CONTEXT, [{"event": "login"}, READ])
        log(tmp_path / "audit").write(CONTEXT, [{"event": "revoke"}])
    finally:
        os.umask(before)
    assert [line["event"] for line in lines(tmp_path / "audit")] == ["login", "read", "revoke"]
    assert stat.S_IMODE((tmp_path / "audit").stat().st_mode) == 0o600


def test_an_existing_file_keeps_its_rights_and_its_lines(tmp_path: Path) -> None:
    (tmp_path / "audit").write_text('{"event":"earlier"}\n')
    (tmp_path / "audit").chmod(0o640)
    log(tmp_path / "audit").write(CONTEXT, [READ])
    assert [line["event"] for line in lines(tmp_path / "audit")] == ["earlier", "read"]
    assert stat.S_IMODE((tmp_path / "audit").stat().st_mode) == 0o640


def test_stderr_is_a_sink(capfd: pytest.CaptureFixture[str]) -> None:
    log("stderr").write(CONTEXT, [READ])
    captured = capfd.readouterr()
    assert json.loads(captured.err)["event"] == "read"
    assert captured.out == ""


def test_without_a_sink_nothing_is_written_or_asked() -> None:
    warnings: list[str] = []
    sink = AuditLog("", required=False, warn=warnings.append)
    assert not sink.enabled
    sink.write(CONTEXT, [READ])
    assert warnings == []


def test_a_sink_is_enabled_and_no_event_makes_no_file(tmp_path: Path) -> None:
    sink = log(tmp_path / "audit")
    assert sink.enabled
    sink.write(CONTEXT, [])
    assert list(tmp_path.iterdir()) == []


def test_a_required_log_needs_a_sink() -> None:
    with pytest.raises(AuditError, match="CIPLUG_AUDIT") as refused:
        AuditLog("", required=True, warn=pytest.fail)
    assert refused.value.hint


@pytest.fixture(params=["/dev/full", "a directory", "below a file", "below nothing"])
def unwritable(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """A sink that cannot be written, and the system's word for it."""
    (tmp_path / "file").touch()
    return {
        "/dev/full": ("/dev/full", "No space left on device"),
        "a directory": (str(tmp_path), "Is a directory"),
        "below a file": (str(tmp_path / "file" / "audit"), "Not a directory"),
        "below nothing": (str(tmp_path / "absent" / "audit"), "No such file or directory"),
    }[request.param]


def test_a_required_record_that_cannot_be_written_is_an_error(unwritable: tuple[str, str]) -> None:
    sink, reason = unwritable
    with pytest.raises(AuditError, match=reason) as refused:
        AuditLog(sink, required=True, warn=pytest.fail).write(CONTEXT, [READ])
    assert sink in str(refused.value)
    assert "make room" in refused.value.hint


def test_else_it_is_one_warning_however_many_records(unwritable: tuple[str, str]) -> None:
    warnings: list[str] = []
    sink = AuditLog(unwritable[0], required=False, warn=warnings.append)
    sink.write(CONTEXT, [READ])
    sink.write(CONTEXT, [READ])
    [warning] = warnings
    assert unwritable[1] in warning


def test_a_disk_that_fills_up_in_the_middle_of_a_line_is_an_error(tmp_path: Path) -> None:
    script = f"""
import resource, signal
from ciplug.audit import AuditLog, Context
from ciplug.errors import AuditError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    log = AuditLog({str(tmp_path / "audit")!r}, required=True, warn=print)
    log.write(Context(command="x" * 200), [{{"event": "y"}}])
except AuditError as err:
    print(err)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip().endswith("File too large")


def test_lines_of_concurrent_writers_stay_whole(tmp_path: Path) -> None:
    script = """
import sys
from ciplug.audit import AuditLog, Context
log = AuditLog(sys.argv[1], required=True, warn=print)
for number in range(60):
    log.write(Context(command=sys.argv[2] * 3000), [{"event": "read", "number": number}, {"event": "revoke"}])
"""
    writers = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "audit"), name]) for name in ("a", "b", "c")
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    found = lines(tmp_path / "audit")
    assert len(found) == 3 * 60 * 2
    assert {line["command"] for line in found} == {"a" * 3000, "b" * 3000, "c" * 3000}
    for name in ("a", "b", "c"):
        events = [line["event"] for line in found if line["command"][0] == name]
        assert events == ["read", "revoke"] * 60


@pytest.mark.parametrize("text", ["two\nlines", "\r", "\x1b[31m", "\u2028", "\ud800", '"', "caf\u00e9"])
def test_whatever_a_claim_holds_a_record_is_one_ascii_line(tmp_path: Path, text: str) -> None:
    log(tmp_path / "audit").write(Context(command="run", who={"subject": text}), [READ])
    raw = (tmp_path / "audit").read_bytes()
    assert raw.isascii()
    assert raw.count(b"\n") == 1
    assert raw.endswith(b"\n")
    assert json.loads(raw)["who"]["subject"] == text


def test_a_secret_that_strays_into_a_record_is_not_written(tmp_path: Path) -> None:
    value = "correct-horse-battery-staple"
    log(tmp_path / "audit").write(CONTEXT, [{**READ, "stray": Secret(value), "path": tmp_path}])
    assert_no_leak((tmp_path / "audit").read_bytes(), [value])


@given(st.floats(min_value=0, max_value=4_000_000_000))
def test_a_timestamp_is_rfc_3339_in_utc(seconds: float) -> None:
    text = timestamp(seconds)
    assert text.endswith("Z")
    assert len(text) == 24
    found = datetime.fromisoformat(text)
    assert found.utcoffset() == timedelta(0)
    assert abs(found.timestamp() - seconds) <= 0.0006


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1970-01-01T00:00:00.000Z"), (59.9996, "1970-01-01T00:01:00.000Z"), (0.9994, "1970-01-01T00:00:00.999Z")],
)
def test_milliseconds_carry_over(seconds: float, text: str) -> None:
    assert timestamp(seconds) == text


def never() -> Checkout:
    raise AssertionError("the checkout was asked for what is known already")


def described(claims: dict[str, object], host: Host, checkout: Any = never) -> Context:
    return describe(
        "run",
        claims=claims,
        identity="GitHub Actions",
        host=host,
        environment="dev",
        job="test",
        vault={"address": "https://v"},
        checkout=checkout,
    )


@pytest.mark.parametrize(
    ("claims", "actor", "repository"),
    [(github_claims(), "octocat", "acme/shop"), (gitlab_claims(), "sample-user", "acme/shop")],
)
def test_claims_come_first_and_the_checkout_is_not_asked(
    claims: dict[str, object], actor: str, repository: str
) -> None:
    host = Host(
        kind="github", label="", actor="other", repository="other/x", commit="0", ref="other", run="1/1", job="j"
    )
    found = described(claims | {"iss": "https://issuer"}, host)
    assert found.who["subject"] == claims["sub"]
    assert (found.who["issuer"], found.who["actor"], found.who["run"], found.who["job"]) == (
        "https://issuer",
        actor,
        "1/1",
        "j",
    )
    assert found.where == {
        "host": "github",
        "environment": "dev",
        "repository": repository,
        "commit": claims["sha"],
        "ref": claims["ref"],
    }
    assert (found.command, found.vault) == ("run", {"address": "https://v"})


def test_the_host_fills_in_what_a_token_does_not_say() -> None:
    host = Host(kind="jenkins", label="", actor="jane", repository="h/x.git", commit="abc", ref="main", run="url")
    found = described(jenkins_claims(), host)
    assert (found.where["repository"], found.where["commit"], found.where["ref"]) == ("h/x.git", "abc", "main")
    assert (found.who["actor"], found.who["job"]) == ("jane", "test")


def test_the_checkout_fills_in_only_what_neither_says() -> None:
    checkout = Checkout(repository="h/x.git", commit="def", ref="refs/heads/topic")
    found = described({"sha": "abc"}, Host(kind="terminal", label="", ci=False), lambda: checkout)
    assert (found.where["repository"], found.where["commit"], found.where["ref"]) == (
        "h/x.git",
        "abc",
        "refs/heads/topic",
    )


def test_where_nobody_knows_the_fields_are_empty() -> None:
    found = described({}, Host(kind="terminal", label="", ci=False), Checkout)
    assert {found.where[name] for name in ("repository", "commit", "ref")} == {""}
    assert {found.who[name] for name in ("issuer", "subject", "actor", "run")} == {""}
    assert Context(command="run").who == {}


def test_a_pipe_that_nobody_reads_is_an_error_and_no_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    log = AuditLog(str(tmp_path / "pipe"), required=True, warn=lambda _: None)
    with pytest.raises(AuditError):
        log.write(Context(command="run"), [{"event": "login"}])


def test_no_line_holds_what_a_ci_host_takes_for_a_command(tmp_path: Path) -> None:
    log = AuditLog(str(tmp_path / "log"), required=True, warn=lambda _: None)
    log.write(Context(command="run", who={"subject": "x##[error]y\n::warning::z"}), [{"event": "login"}])
    (line,) = (tmp_path / "log").read_text().splitlines()
    assert "##[" not in line
    assert json.loads(line)["who"]["subject"] == "x##[error]y\n::warning::z"


def test_a_slow_reader_of_a_pipe_gets_whole_lines(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time; f = open(sys.argv[1], 'rb'); time.sleep(0.3); sys.stdout.buffer.write(f.read())",
            str(pipe),
        ],
        stdout=subprocess.PIPE,
    )
    keep = os.open(pipe, os.O_WRONLY)  # the reader is there once this returns
    log = AuditLog(str(pipe), required=True, warn=lambda _: None)
    log.write(Context(command="x" * 3000), [{"event": "read", "number": number} for number in range(60)])
    os.close(keep)
    out, _ = reader.communicate(timeout=30)
    assert [json.loads(line)["number"] for line in out.splitlines()] == list(range(60))
