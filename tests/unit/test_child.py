"""The child: its status, its output, its signals, and that nothing of it stays."""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import random
import resource
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ciplug.errors import CommandError, HandOverError
from ciplug.inject.child import Child
from ciplug.redact import LiteralKernel, StreamFilter, forms
from tests.fakes.sinks import pipes, replaced
from tests.leaks import assert_no_leak
from tests.processes import alive

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECRET = b"correct-horse-battery-staple"
LOOP = "while :; do sleep 0.02; done"
PATIENCE = 20.0


class Outcome:
    """What one run gave: status, output, warnings and how long it took."""

    def __init__(self, status: int, out: bytes, err: bytes, warnings: list[str], seconds: float) -> None:
        self.status, self.out, self.err, self.warnings, self.seconds = status, out, err, warnings, seconds


def child(*command: str, warnings: list[str] | None = None, **options: Any) -> Child:
    sink = [] if warnings is None else warnings
    kernel = LiteralKernel(forms([SECRET]))
    environment = {b"PATH": os.environb[b"PATH"], b"SECRET": SECRET}
    return Child(command, environment, stream_filter=lambda: StreamFilter(kernel), warn=sink.append, **options)


def run(*command: str, merged: bool = False, **options: Any) -> Outcome:
    warnings: list[str] = []
    began = time.monotonic()
    with pipes(merged=merged) as (out, err):
        status = child(*command, warnings=warnings, **options).run()
        seconds = time.monotonic() - began
    return Outcome(status, out.data, err.data, warnings, seconds)


def shell(script: str, **options: Any) -> Outcome:
    return run("sh", "-c", script, **options)


def eventually(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@contextlib.contextmanager
def once(path: Path, *signals: int) -> Iterator[None]:
    """This process gets `signals`, one after the other, once `path` is there."""

    def send() -> None:
        eventually(path.exists)
        for signum in signals:
            os.kill(os.getpid(), signum)

    thread = threading.Thread(target=send)
    thread.start()
    yield
    thread.join()


@pytest.mark.parametrize("status", [0, 1, 2, 7, 124, 125, 126, 127, 128, 130, 200, 255])
def test_the_status_is_the_childs(status: int) -> None:
    assert shell(f"exit {status}").status == status


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL, signal.SIGSEGV, signal.SIGPIPE, signal.SIGTERM])
def test_a_child_that_dies_of_a_signal_is_128_and_its_number(signum: signal.Signals) -> None:
    assert shell(f"kill -{int(signum)} $$").status == 128 + signum


@pytest.mark.parametrize(
    ("command", "status", "words"),
    [
        (["no-such-command-anywhere"], 127, "not found"),
        (["/no/such/path"], 127, "not found"),
        (["/etc/passwd"], 126, "Permission denied"),
        (["/"], 126, "Permission denied"),
        (["/etc/passwd/x"], 126, "Not a directory"),
        (["x" * 5000], 126, "too long"),
        (["echo", "a\0b"], 126, "NUL"),
        ([""], 127, "empty"),
    ],
)
def test_a_command_that_cannot_be_started_says_why(command: list[str], status: int, words: str) -> None:
    before = open_descriptors()
    with pytest.raises(CommandError, match=words) as caught:
        child(*command).run()
    assert caught.value.status == status
    assert open_descriptors() == before


def test_an_absent_interpreter_is_not_found(tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text("#!/no/such/interpreter\n")
    script.chmod(0o755)
    with pytest.raises(CommandError, match="interpreter") as caught:
        child(str(script)).run()
    assert caught.value.status == 127


def test_arguments_that_are_too_long_are_a_hand_over_failure_without_their_text() -> None:
    with pytest.raises(HandOverError, match="too long for this system") as caught:
        child("echo", *["x" * 100_000] * 60).run()
    assert "xxx" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_stdout_and_stderr_stay_apart() -> None:
    done = shell("echo out; echo err >&2; echo out again")
    assert (done.out, done.err) == (b"out\nout again\n", b"err\n")


def test_the_order_is_exact_where_both_go_to_the_same_place() -> None:
    script = "i=0; while [ $i -lt 300 ]; do echo o$i; echo e$i >&2; i=$((i+1)); done"
    wanted = b"".join(b"o%d\ne%d\n" % (number, number) for number in range(300))
    assert shell(script, merged=True).out == wanted


def test_what_the_child_is_given_is_all_it_has() -> None:
    lines = set(shell("env").out.splitlines())
    assert b"SECRET=***" in lines
    assert {line.split(b"=")[0] for line in lines} <= {b"PATH", b"SECRET", b"PWD", b"OLDPWD", b"SHLVL", b"_"}


def test_no_descriptor_of_ciplug_reaches_the_child() -> None:
    assert shell("ls /proc/self/fd").out.split() == [b"0", b"1", b"2", b"3"]


def test_a_secret_is_hidden_however_it_is_written() -> None:
    script = """
import os, sys, time
secret = os.environb[b"SECRET"]
for out in (1, 2):
    os.write(out, b"[" + secret + b"]")
    for position in range(0, len(secret), 7):
        os.write(out, secret[position:position + 7])
    os.write(out, b"\\n")
    for byte in secret + b"\\n":
        os.write(out, bytes([byte]))
    os.write(out, secret * 3000)
"""
    done = run(sys.executable, "-c", script)
    assert_no_leak(done.out, [SECRET])
    assert_no_leak(done.err, [SECRET])
    assert done.out.startswith(b"[***]***\n***\n***")


def test_a_secret_written_slowly_never_shows_half_of_itself() -> None:
    """Each pause is longer than the silence after which what is held must come out."""
    script = "import os, time\nfor b in os.environb[b'SECRET']:\n os.write(1, bytes([b])); time.sleep(0.03)"
    assert_no_leak(run(sys.executable, "-c", script).out, [SECRET])


@pytest.mark.parametrize("data", [bytes(range(256)) * 40, random.Random(1).randbytes(5_000_000)], ids=["all", "5 MB"])
def test_binary_data_passes_unchanged(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "data").write_bytes(data)
    done = run("cat", str(tmp_path / "data"))
    assert hashlib.sha256(done.out).digest() == hashlib.sha256(data).digest()


PROMPTS = """
import sys, time
for number in range(9):
    sys.stdout.write(f"{time.monotonic():.6f} %s")
    sys.stdout.flush()
    time.sleep(0.1)
"""


@pytest.mark.parametrize(("ending", "limit"), [("cor", 0.05), ("\\n", 0.05)], ids=["prompt", "line"])
def test_output_comes_out_without_delay(ending: str, limit: float) -> None:
    """A line at once; a prompt that could be the beginning of a secret once the child has been silent."""
    with pipes() as (out, _):
        child(sys.executable, "-c", PROMPTS % ending).run()
    delays, buffer = [], b""
    for when, piece in out.pieces:
        buffer += piece
        if buffer.endswith(ending.encode().decode("unicode_escape").encode()):
            delays.append(when - float(buffer.split()[0]))
            buffer = b""
    assert len(delays) == 9
    assert statistics.median(delays) < limit


def test_a_flood_passes_in_bounded_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    null = os.open(os.devnull, os.O_WRONLY)
    with replaced(null, null):
        assert child("sh", "-c", "yes 'a line of some length' | head -c 60000000").run() == 0
    os.close(null)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 40_000  # kilobytes


def test_stdin_goes_to_the_child_untouched(tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(bytes(range(256)))
    saved = os.dup(0)
    source = os.open(tmp_path / "in", os.O_RDONLY)
    os.dup2(source, 0)
    try:
        assert run("cat").out == bytes(range(256))
    finally:
        os.dup2(saved, 0)
        os.close(saved)
        os.close(source)


def test_a_child_that_closes_its_output_and_works_on_is_waited_for() -> None:
    done = shell("echo bye; exec >&- 2>&-; sleep 0.3; exit 5")
    assert (done.status, done.out, done.warnings) == (5, b"bye\n", [])
    assert done.seconds >= 0.3


def test_a_background_process_that_keeps_the_pipe_is_left_running_with_a_warning(tmp_path: Path) -> None:
    done = shell(f"{LOOP} & echo $! >{tmp_path}/pid; echo started")
    pid = int((tmp_path / "pid").read_text())
    try:
        assert (done.status, done.out) == (0, b"started\n")
        assert done.seconds < 5
        assert len(done.warnings) == 1
        assert "background process" in done.warnings[0]
        assert alive(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


def test_a_background_process_that_writes_for_ever_is_cut_off_and_hidden_until_then(tmp_path: Path) -> None:
    done = shell(f"(while :; do echo $SECRET; done) & echo $! >{tmp_path}/pid; exit 3")
    with contextlib.suppress(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    assert done.status == 3
    assert done.seconds < 5
    assert_no_leak(done.out, [SECRET])


def test_a_background_process_that_let_go_of_the_pipe_costs_no_time(tmp_path: Path) -> None:
    done = shell(f"{LOOP} >/dev/null 2>&1 & echo $! >{tmp_path}/pid")
    pid = int((tmp_path / "pid").read_text())
    try:
        assert (done.status, done.warnings) == (0, [])
        assert alive(pid)
    finally:
        os.kill(pid, signal.SIGKILL)


def test_a_reader_that_goes_away_ends_the_child_by_sigpipe() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    null = os.open(os.devnull, os.O_WRONLY)
    with replaced(writing, null):
        status = child("yes").run()
    os.close(writing)
    os.close(null)
    assert status == 128 + signal.SIGPIPE


@pytest.mark.parametrize("broken", ["stdout", "stderr"])
def test_a_sink_that_is_full_is_a_hand_over_failure(broken: str) -> None:
    full, null = os.open("/dev/full", os.O_WRONLY), os.open(os.devnull, os.O_WRONLY)
    sinks = (full, null) if broken == "stdout" else (null, full)
    with replaced(*sinks), pytest.raises(HandOverError, match="No space left on device"):
        child("sh", "-c", "echo a; echo b >&2").run()
    os.close(full)
    os.close(null)


def test_a_sink_that_does_not_block_gets_everything() -> None:
    """Whoever gave us the pipe may have made it non-blocking, as Node does."""
    with pipes() as (out, _):
        os.set_blocking(1, False)
        status = child("sh", "-c", "yes 0123456789 | head -c 3000000").run()
    assert (status, len(out.data)) == (0, 3_000_000)


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_an_ending_signal_reaches_the_whole_group(tmp_path: Path, signum: signal.Signals) -> None:
    note = f"trap 'echo grandchild >>{tmp_path}/seen; exit 0' {int(signum)}"
    script = f"trap 'exit 9' {int(signum)}; sh -c \"{note}; touch {tmp_path}/up; {LOOP}\"; exit 1"
    with once(tmp_path / "up", signum):
        done = shell(script)
    assert (tmp_path / "seen").read_text() == "grandchild\n"
    assert done.status == 9


@pytest.mark.parametrize("signum", [signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU, signal.SIGPROF])
def test_a_signal_of_the_users_own_is_passed_on_and_ends_nothing(tmp_path: Path, signum: signal.Signals) -> None:
    script = (
        f"trap 'echo got; got=1' {int(signum)}; touch {tmp_path}/up; while [ -z \"$got\" ]; do sleep 0.02; done; exit 4"
    )
    with once(tmp_path / "up", signum):
        done = run("bash", "-c", script, grace=0.1)
    assert (done.status, done.out) == (4, b"got\n")


def test_a_child_that_ignores_the_signal_is_killed_after_the_grace(tmp_path: Path) -> None:
    script = f"trap '' TERM INT; ({LOOP}) & echo $! >{tmp_path}/pid; touch {tmp_path}/up; {LOOP}"
    with once(tmp_path / "up", signal.SIGINT, signal.SIGTERM):
        done = shell(script, grace=0.3)
    assert done.status == 137
    eventually(lambda: not alive(int((tmp_path / "pid").read_text())))


def test_a_child_that_ends_well_on_term_has_its_own_status(tmp_path: Path) -> None:
    with once(tmp_path / "up", signal.SIGTERM):
        done = run("bash", "-c", f"trap 'echo cleaned; exit 0' TERM; touch {tmp_path}/up; {LOOP}")
    assert (done.status, done.out) == (0, b"cleaned\n")


def test_a_grandchild_that_ignores_the_signal_is_killed_though_the_child_ended(tmp_path: Path) -> None:
    waits = f"until [ -s {tmp_path}/pid ]; do sleep 0.01; done"
    script = f"(trap '' TERM; {waits}; touch {tmp_path}/up; {LOOP}) >/dev/null 2>&1 & echo $! >{tmp_path}/pid; wait"
    with once(tmp_path / "up", signal.SIGTERM):
        done = run("bash", "-c", script, grace=0.3)
    assert done.status == 143
    eventually(lambda: not alive(int((tmp_path / "pid").read_text())))


@pytest.fixture
def no_reaper() -> Iterator[None]:
    """Orphans become this process's children, which does not ask for them: a container without an init."""
    subreaper = 36  # PR_SET_CHILD_SUBREAPER, linux/prctl.h
    prctl = ctypes.CDLL(None).prctl
    assert prctl(subreaper, 1, 0, 0, 0) == 0
    yield
    prctl(subreaper, 0, 0, 0, 0)
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


@pytest.mark.usefixtures("no_reaper")
def test_orphans_that_have_ended_and_nobody_reaps_do_not_hold_up_the_end(tmp_path: Path) -> None:
    with once(tmp_path / "up", signal.SIGTERM):
        done = shell(f"({LOOP}) & touch {tmp_path}/up; {LOOP}", grace=30)
    assert done.status == 143
    assert done.seconds < 10


def test_without_proc_the_grace_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "glob", lambda *_args: iter([tmp_path / "gone"]))
    with once(tmp_path / "up", signal.SIGTERM):
        assert shell(f"touch {tmp_path}/up; {LOOP}", grace=0.2).status == 143


def test_a_process_that_may_not_be_signalled_does_not_hold_up_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A set-user-id program in the group: root, as which this may run, is never refused."""
    killpg = os.killpg

    def refuse(group: int, signum: int) -> None:
        if signum == 0:
            raise PermissionError
        killpg(group, signum)

    monkeypatch.setattr(os, "killpg", refuse)
    with once(tmp_path / "up", signal.SIGTERM):
        done = shell(f"touch {tmp_path}/up; {LOOP}", grace=0.2)
    assert done.status == 143
    assert done.seconds < 5


def test_output_after_the_signal_is_still_passed_on(tmp_path: Path) -> None:
    script = f"trap 'sleep 0.2; echo $SECRET last words; exit 1' TERM; touch {tmp_path}/up; {LOOP}"
    with once(tmp_path / "up", signal.SIGTERM):
        assert run("bash", "-c", script).out == b"*** last words\n"


def test_a_stopped_child_is_ended_all_the_same(tmp_path: Path) -> None:
    with once(tmp_path / "up", signal.SIGTERM):
        done = shell(f"touch {tmp_path}/up; kill -STOP $$; {LOOP}")
    assert done.status == 143


def test_a_stopped_child_that_is_resumed_goes_on(tmp_path: Path) -> None:
    def resume() -> None:
        eventually(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().endswith("\n"))
        pid = int((tmp_path / "pid").read_text())
        eventually(lambda: Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
        os.kill(pid, signal.SIGCONT)

    thread = threading.Thread(target=resume)
    thread.start()
    done = shell(f"echo $$ >{tmp_path}/pid; kill -STOP $$; echo resumed")
    thread.join()
    assert (done.status, done.out) == (0, b"resumed\n")


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize("script", ["yes", "trap '' TERM PIPE; yes"])
def test_a_reader_that_never_reads_does_not_keep_a_signal_from_ending_it(
    tmp_path: Path, blocking: bool, script: str
) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, blocking)

    def fill_then_signal() -> None:
        # The pipe is full and the copy blocked: nothing is read from the child any more.
        eventually(lambda: int(subprocess.run(["sh", "-c", f"cat {tmp_path}/n"], capture_output=True).stdout or 0) > 0)
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=fill_then_signal)
    thread.start()
    began = time.monotonic()
    with replaced(writing, writing):
        status = child("sh", "-c", f"echo 1 >{tmp_path}/n; {script}", grace=0.3).run()
    thread.join()
    os.close(reading)
    os.close(writing)
    assert status in (137, 143)
    assert time.monotonic() - began < 10


def test_a_signal_from_before_the_start_is_passed_on() -> None:
    assert shell(LOOP, pending=lambda: signal.SIGTERM).status == 143


def test_a_signal_that_comes_while_the_child_is_started_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    start = subprocess.Popen

    def interrupted(*args: Any, **options: Any) -> subprocess.Popen[bytes]:
        os.kill(os.getpid(), signal.SIGTERM)
        return start(*args, **options)

    monkeypatch.setattr(subprocess, "Popen", interrupted)
    assert shell(LOOP).status == 143


def test_an_ignored_hangup_stays_ignored_for_the_child(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with once(tmp_path / "up", signal.SIGHUP, signal.SIGUSR1):
            script = f"trap 'exit 6' USR1; kill -HUP $$; touch {tmp_path}/up; {LOOP}"
            assert run("bash", "-c", script).status == 6
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_handlers_timer_and_descriptors_are_as_before(tmp_path: Path) -> None:
    watched = (*(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT), signal.SIGUSR1, signal.SIGUSR2)
    watched = (*watched, signal.SIGCHLD, signal.SIGALRM, signal.SIGTTOU)
    handlers = [signal.getsignal(number) for number in watched]
    before = open_descriptors()
    with once(tmp_path / "up", signal.SIGTERM):
        shell(f"touch {tmp_path}/up; {LOOP}", grace=60)
    assert [signal.getsignal(number) for number in watched] == handlers
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.set_wakeup_fd(-1) == -1
    assert open_descriptors() == before


def test_a_failure_of_ours_leaves_no_process_behind(tmp_path: Path) -> None:
    def broken() -> StreamFilter:
        return Broken(LiteralKernel(()))

    class Broken(StreamFilter):
        def feed(self, chunk: bytes) -> bytes:
            raise MemoryError

    running = Child(
        ["sh", "-c", f"({LOOP}) & echo $! >{tmp_path}/pid; echo x; {LOOP}"],
        {b"PATH": os.environb[b"PATH"]},
        stream_filter=broken,
        warn=lambda message: None,
    )
    with pipes(), pytest.raises(MemoryError):
        running.run()
    eventually(lambda: not alive(int((tmp_path / "pid").read_text())))
