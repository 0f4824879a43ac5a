"""A child at a terminal: it can read from it, Ctrl-C and Ctrl-Z reach it, and the terminal is given back."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ciplug.inject.terminal import Foreground
from tests.processes import kill_session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[2]
CHILD = f"{sys.executable} {ROOT}/tests/fakes/terminal_child.py"


class Terminal:
    """The user's end of a terminal with an interactive bash on it."""

    def __init__(self, pid: int, descriptor: int) -> None:
        self.pid = pid
        self._descriptor = descriptor
        self.seen = b""

    def type(self, text: str) -> None:
        os.write(self._descriptor, text.encode())

    def expect(self, text: str, seconds: float = 20) -> None:
        """Read until `text` has come, and forget what came before it."""
        deadline = time.monotonic() + seconds
        while text.encode() not in self.seen:
            ready, _, _ = select.select([self._descriptor], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"{text!r} did not come; seen: {self.seen!r}"
            self.seen += os.read(self._descriptor, 65536)
        self.seen = self.seen.partition(text.encode())[2]


@pytest.fixture
def shell() -> Iterator[Terminal]:
    pid, descriptor = pty.fork()
    if pid == 0:
        env = {"PATH": os.environ["PATH"], "PS1": "ready> ", "PYTHONPATH": str(ROOT), "TERM": "dumb"}
        os.execvpe("bash", ["bash", "--norc", "--noprofile", "--noediting", "-i"], env)
    terminal = Terminal(pid, descriptor)
    try:
        terminal.expect("ready> ")
        yield terminal
    finally:
        kill_session(pid)
        os.close(descriptor)
        os.waitpid(pid, 0)


def test_a_child_reads_what_is_typed_and_the_shell_has_the_terminal_back(shell: Terminal) -> None:
    shell.type(f"{CHILD} sh -c 'printf name:; read name; echo hello $name'\n")
    shell.expect("\nname:")
    shell.type("ada\n")
    shell.expect("hello ada")
    shell.expect("ready> ")
    shell.type("echo $((40 + 2))\n")
    shell.expect("42")


def test_ctrl_c_reaches_the_child_and_its_status_comes_back(shell: Terminal) -> None:
    shell.type(f"{CHILD} sh -c 'echo u''p; exec sleep 60'\n")
    shell.expect("\nup")
    shell.type("\x03")
    shell.expect("ready> ")
    shell.type("echo status=$?\n")
    shell.expect("status=130")


LISTENER = """
import os, select, signal
heard, told = os.pipe()
os.set_blocking(told, False)
for number in (signal.SIGINT, signal.SIGCONT):
    signal.signal(number, lambda *_: None)
signal.set_wakeup_fd(told)  # no signal is lost between two lines, as one can be just before a blocking read
print("up", flush=True)
while True:
    ready, _, _ = select.select([0, heard], [], [])
    if heard in ready:
        print("\\n" + signal.Signals(os.read(heard, 1)[0]).name, flush=True)
    else:
        print("got", os.read(0, 100).decode(), flush=True)
        break
"""


@pytest.fixture
def listener(tmp_path: Path) -> str:
    """The command of a child that says which signals it gets, until it is given a line."""
    (tmp_path / "listener").write_text(LISTENER)
    return f"{CHILD} {sys.executable} {tmp_path}/listener\n"


def test_a_child_that_handles_ctrl_c_goes_on(shell: Terminal, listener: str) -> None:
    shell.type(listener)
    shell.expect("\nup")
    shell.type("\x03")
    shell.expect("\nSIGINT")
    shell.type("word\n")
    shell.expect("got word")
    shell.expect("ready> ")


def test_ctrl_z_stops_both_and_fg_resumes_both(shell: Terminal, listener: str) -> None:
    shell.type(listener)
    shell.expect("\nup")
    for _ in range(2):
        shell.type("\x1a")
        shell.expect("Stopped")
        shell.expect("ready> ")
        shell.type("fg\n")
        shell.expect("\nSIGCONT")
    shell.type("word\n")
    shell.expect("got word")
    shell.expect("ready> ")


def test_bg_does_not_take_the_terminal_from_the_shell(shell: Terminal) -> None:
    shell.type(f"{CHILD} sh -c 'echo u''p; exec sleep 60'\n")
    shell.expect("\nup")
    shell.type("\x1a")
    shell.expect("Stopped")
    shell.type("bg\n")
    shell.expect("&")
    shell.type("echo $((40 + 2))\n")
    shell.expect("42")
    shell.type("kill %1; wait %1; echo status=$?\n")
    shell.expect("status=143")


def test_a_background_child_that_reads_stops_its_job_until_fg(shell: Terminal) -> None:
    shell.type(f"{CHILD} sh -c 'read line; echo got $line' &\n")
    shell.expect("ready> ")
    shell.type("wait %1; jobs\n")
    shell.expect("Stopped")
    shell.type("fg\n")
    shell.expect("terminal_child.py")
    shell.type("word\n")
    shell.expect("got word")


def test_a_pager_behind_the_child_keeps_the_terminal(shell: Terminal) -> None:
    """It reads its keys from the terminal, as `less` does."""
    pager = "bash -c 'echo pa''ger; read key </dev/tty; cat >/dev/null; echo key $key'"
    shell.type(f"{CHILD} sh -c 'echo out; exec sleep 1' | {pager}\n")
    shell.expect("\npager")
    shell.type("q\n")
    shell.expect("key q")
    shell.expect("ready> ")


def test_a_child_behind_which_something_stands_gets_the_terminal_when_it_asks(shell: Terminal) -> None:
    shell.type(f"{CHILD} sh -c 'read line; echo got $line' | cat\n")
    shell.type("word\n")
    shell.expect("got word")
    shell.expect("ready> ")


def test_without_a_shell_to_resume_it_ctrl_z_stops_nothing() -> None:
    """ciplug is the session's first process, as in a container: nobody could ever say `fg`."""
    pid, descriptor = pty.fork()
    if pid == 0:
        env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        os.execvpe("sh", ["sh", "-c", f"exec {CHILD} sh -c 'echo up; read line; echo got $line'"], env)
    terminal = Terminal(pid, descriptor)
    try:
        terminal.expect("up")
        terminal.type("\x1a")
        terminal.type("word\n")
        terminal.expect("got word")
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        kill_session(pid)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
        os.close(descriptor)


OWN, GROUP, OTHER = os.getpgrp(), 1_000_001, 1_000_002


class Tty:
    """The kernel's part, where a test process cannot have a terminal of its own: who is in front, who gets what."""

    def __init__(self, front: int | None) -> None:
        self.front = front
        self.sent: list[tuple[int, int]] = []
        self.resume: Callable[[], None] = lambda: None

    def tcgetpgrp(self, _descriptor: int) -> int:
        if self.front is None:
            raise OSError("not a terminal")
        return self.front

    def tcsetpgrp(self, _descriptor: int, group: int) -> None:
        if self.front == OTHER:
            raise OSError("hung up")
        self.front = group

    def killpg(self, group: int, signum: int) -> None:
        self.sent.append((group, signum))
        if signum == signal.SIGTSTP:
            self.resume()


@pytest.fixture
def tty(monkeypatch: pytest.MonkeyPatch) -> Tty:
    tty = Tty(OWN)
    for name in ("tcgetpgrp", "tcsetpgrp", "killpg"):
        monkeypatch.setattr(os, name, getattr(tty, name))
    monkeypatch.setattr(os, "isatty", lambda descriptor: descriptor == 1)
    return tty


@pytest.mark.parametrize(("front", "after"), [(OWN, GROUP), (OTHER, OTHER), (None, None)])
def test_the_terminal_is_lent_only_by_whom_it_belongs_to(tty: Tty, front: int | None, after: int | None) -> None:
    tty.front = front
    Foreground().lend(GROUP)
    assert tty.front == after
    assert tty.sent == ([(GROUP, signal.SIGCONT)] if front == OWN else [])


def test_the_terminal_is_not_lent_where_stdout_is_elsewhere(tty: Tty) -> None:
    Foreground(stdout=9).lend(GROUP)
    assert (tty.front, tty.sent) == (OWN, [])


@pytest.mark.parametrize(("front", "after"), [(GROUP, OWN), (OTHER, OTHER), (OWN, OWN), (None, None)])
def test_the_terminal_is_taken_back_only_from_the_child(tty: Tty, front: int | None, after: int | None) -> None:
    foreground = Foreground()
    foreground.take_back()
    foreground.lend(GROUP)
    tty.front = front
    foreground.take_back()
    assert tty.front == after


@pytest.mark.parametrize("signum", [signal.SIGTTIN, signal.SIGTTOU])
def test_a_child_that_asks_for_the_terminal_gets_it(tty: Tty, signum: int) -> None:
    foreground = Foreground(stdout=9)
    foreground.lend(GROUP)
    foreground.child_stopped(signum)
    assert (tty.front, tty.sent) == (GROUP, [(GROUP, signal.SIGCONT)])


@pytest.mark.parametrize(("front", "after"), [(OWN, GROUP), (OTHER, OTHER)], ids=["fg", "bg"])
@pytest.mark.parametrize("signum", [signal.SIGTSTP, signal.SIGSTOP])
def test_ciplug_stops_with_the_child_and_goes_on_as_the_shell_says(
    tty: Tty, signum: int, front: int, after: int
) -> None:
    foreground = Foreground()
    foreground.lend(GROUP)
    at_stop: list[int | None] = []

    def resume() -> None:
        at_stop.append(tty.front)
        tty.front = front

    tty.resume = resume
    foreground.child_stopped(signum)
    assert at_stop == [OWN]
    assert tty.front == after
    assert tty.sent[1:] == [(OWN, signal.SIGTSTP), (GROUP, signal.SIGCONT)]


@pytest.mark.parametrize("front", [None, OTHER])
def test_a_child_stopped_on_purpose_in_the_background_is_left_alone(tty: Tty, front: int | None) -> None:
    foreground = Foreground()
    tty.front = front
    foreground.lend(GROUP)
    foreground.child_stopped(signal.SIGSTOP)
    assert tty.sent == []


def test_a_terminal_that_hangs_up_is_no_failure(tty: Tty, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_descriptor: int, _group: int) -> None:
        raise OSError("hung up")

    monkeypatch.setattr(os, "tcsetpgrp", refuse)
    Foreground().lend(GROUP)
    assert tty.front == OWN
