"""The shell text of a filtered job: scripts end as they end without it, in every shell, and the ending always runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from ciplug.errors import HandOverError
from ciplug.inject import redirect, tap
from ciplug.redact import LiteralKernel, StreamFilter, forms
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Sequence

SECRET = b"s3cr3t 'with' \"quotes\" $HOME `id`\nand a second line"
TOKEN = b"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJ4In0.c2lnbmF0dXJl"
SHELLS = {"dash": ["dash"], "busybox": ["busybox", "ash"], "bash": ["bash"], "bash-posix": ["bash", "--posix"]}
TIMEOUT = 20


def every_shell(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("shell", names or SHELLS, ids=str)


def command(shell: str) -> list[str]:
    words = SHELLS[shell]
    assert shutil.which(words[0]), f"{words[0]} is missing: install dash, busybox and bash"
    return words


class Ended(NamedTuple):
    """How a script ended: what the job's log has, and how often the ending ran."""

    status: int
    out: str
    err: str
    endings: int


class Job:
    """A job in its own directory, whose shell is given a filter as ``ciplug fetch`` gives it one."""

    def __init__(self, folder: Path, shell: str) -> None:
        self.folder = folder
        self.words = command(shell)
        self.env = {
            "PATH": os.environ["PATH"], "HOME": str(folder), "VAULT_ID_TOKEN": TOKEN.decode(), "PYTHONPATH": sys.path[0]
        }  # fmt: skip
        self.filter = 0

    def plain(self, script: str) -> Ended:
        """The script without ciplug."""
        return self._run(script, "")

    def filtered(
        self, script: str, before: str = "", ending: Sequence[str] | None = None, wrapped: str | None = None
    ) -> Ended:
        """The script behind the lines that redirect its shell, themselves behind `before`; or all `wrapped` already."""
        directory = self.folder / "it's private"
        directory.mkdir(mode=0o700)
        record = [
            "/bin/sh", "-c", 'echo x >>"$0"; echo "ending $API_KEY"; echo "ending $API_KEY" >&2; exit 9',
            str(self.folder / "endings"),
        ]  # fmt: skip
        (directory / "env").write_bytes(redirect.environment({"API_KEY": SECRET}, ["VAULT_ID_TOKEN", "NEVER_SET"]))
        (self.folder / "code").write_bytes(redirect.code(directory, ending or record))
        lines = f'{before}\nciplug_code="$(cat code)" || exit\neval "$ciplug_code"\n'
        with (self.folder / "out").open("wb") as out, (self.folder / "err").open("wb") as err:
            prepared = tap.prepare(directory, stdout=out.fileno(), stderr=err.fileno())
            self.filter = prepared.detach()
            if self.filter == 0:
                serve(prepared)
        return self._run(script, lines if wrapped is None else wrapped)

    def _run(self, script: str, lines: str) -> Ended:
        (self.folder / "job.sh").write_text(lines + script)
        # The log's own files are written behind the filter only; what passes it by is seen all the same.
        ran = subprocess.run(
            [*self.words, "job.sh", "one", "two"],
            cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT,
        )  # fmt: skip
        at_once = [(self.folder / name).read_bytes() if lines else b"" for name in ("out", "err")]
        if self.filter:
            assert os.waitstatus_to_exitcode(os.waitpid(self.filter, 0)[1]) == 0
            self.filter = 0
        logs = [(self.folder / name).read_bytes() if lines else b"" for name in ("out", "err")]
        self.complete_at_its_end = logs == at_once
        assert_no_leak(ran.stdout + ran.stderr + b"".join(logs), [SECRET, TOKEN])
        endings = self.folder / "endings"
        return Ended(
            ran.returncode,
            (ran.stdout + logs[0]).decode().replace("ending ***\n", ""),
            (ran.stderr + logs[1]).decode().replace("ending ***\n", ""),
            len(endings.read_text().splitlines()) if endings.exists() else 0,
        )


def serve(prepared: tap.Tap) -> None:
    status = 70
    try:
        prepared.serve(lambda: StreamFilter(LiteralKernel(forms([SECRET, TOKEN]))), unused=TIMEOUT)
        status = 0
    finally:
        os._exit(status)


SCRIPTS = {
    "ends well": "echo done",
    "fails in its last line": "echo x; false",
    "fails under set -e": "set -e; echo x; false; echo never",
    "fails under set -eu": "set -eu; echo x; false; echo never",
    "uses what is not set": "set -u; echo x; echo $nope; echo never",
    "exit": "false; exit",
    "exit 0": "exit 0",
    "exit 3": "exit 3",
    "exit 7 under set -e": "set -e; exit 7",
    "exit in a function": "f() { exit 5; }; f; echo never",
    "exit in a subshell": "(exit 4); echo $?",
    "exit in a condition": "false || exit 6",
    "exit 0 before a failing line": "set -e; exit 0; false",
    "a failing subshell": "set -e; (exit 5); echo never",
    "a program that is killed": "set -e; sh -c 'kill -KILL $$'; echo never",
    "an unknown command": "set -e; ciplug-no-such-command; echo never",
    "a syntax error": "echo x\n)",
    "a syntax error in eval": "set -e; eval 'if'; echo never",
    "dies of SIGTERM": "kill -TERM $$; sleep 1; echo never",
    "dies of SIGKILL": "echo x; kill -KILL $$; echo never",
    "becomes another program": "exec sh -c 'echo other; exit 4'",
    "the runner's SIGTERM trap": "trap 'exit 1' TERM; kill -TERM $$; sleep 1; echo never",
    "another signal's trap": "trap 'echo usr1' USR1; kill -USR1 $$; echo after",
    "an ignored signal": "trap '' USR1; kill -USR1 $$; trap - USR1; echo after",
    "EXIT": "trap 'echo bye' EXIT; echo x; exit 3",
    "0": "trap 'echo bye' 0; echo x",
    "exit in lower case": "trap 'echo bye' exit; echo x",
    "with --": "trap -- 'echo bye' EXIT",
    "several conditions": "trap 'echo bye' INT EXIT TERM; exit 2",
    "several conditions and one of them comes": "trap 'echo caught; exit 4' EXIT USR1; kill -USR1 $$; sleep 1",
    "the last one counts": "trap 'echo a' EXIT; trap 'echo b' EXIT",
    "reset with -": "trap 'echo a' EXIT; trap - EXIT; exit 3",
    "reset with -- -": "trap 'echo a' EXIT; trap -- - EXIT INT; exit 3",
    "reset by its number alone": "trap 'echo a' EXIT; trap 0; exit 3",
    "reset by numbers": "trap 'echo a' EXIT INT; trap 0 2; exit 3",
    "empty": "trap '' EXIT; exit 3",
    "sees the status": "trap 'echo status $?' EXIT; exit 5",
    "sees the status under set -e": "set -e; trap 'echo status $?' EXIT; false",
    "sees the status of success": "trap 'echo status $?' EXIT; true",
    "sees the arguments": """trap 'echo "$# $1"' EXIT""",
    "changes the status": "trap 'exit 9' EXIT; exit 3",
    "makes a success of it": "trap 'exit 0' EXIT; exit 3",
    "makes a failure of it": "trap 'exit 1' EXIT; exit 0",
    "exits without a status": "trap 'true; exit' EXIT; exit 3",
    "exits without a status, well": "trap 'false; exit' EXIT; exit 0",
    "ends with a failing line": "trap 'false' EXIT; exit 0",
    "fails under set -e in the action": "set -e; trap 'false; echo never' EXIT; exit 3",
    "handles a failure under set -e in the action": "set -e; trap 'false || echo handled' EXIT; exit 3",
    "a function that keeps the status": "f() { rc=$?; echo cleaning; exit $rc; }; trap f EXIT; exit 6",
    "uses what is not set in the action": "set -u; trap 'echo $nope; echo never' EXIT; exit 3",
    "several lines": "trap '\necho one\necho two\n' EXIT",
    "quotes": """trap 'echo "it'\\''s \\"$1\\""' EXIT""",
    "set in a function": "f() { trap 'echo bye' EXIT; }; f; echo x",
    "set in a sourced file": "echo \"trap 'echo sourced' EXIT\" >t.sh; . ./t.sh; echo x",
    "set by eval": "eval \"trap 'echo evaluated' EXIT\"; echo x",
    "a subshell's own": "trap 'echo main' EXIT; ( trap 'echo sub' EXIT; exit 2 ); echo $?; exit 1",
    "a subshell's own that changes the status": "( trap 'exit 8' EXIT; exit 2 ); echo $?",
    "a substitution's own": "trap 'echo main' EXIT; x=$(trap 'echo sub' EXIT; echo y); echo \"[$x]\"",
    "a pipe's own": "trap 'echo main' EXIT; { trap 'echo piped' EXIT; echo y; } | cat",
    "not a subshell's": "trap 'echo main' EXIT; (echo sub); (exit 3)",
    "another shell's own": "sh -c \"trap 'echo nested' EXIT; echo in\"; trap 'echo main' EXIT; exit 3",
    "a background job's own": "trap 'echo main' EXIT; { trap 'echo back' EXIT; } & wait",
    "printed": "trap 'echo bye' EXIT; trap; echo x",
    "printed, with quotes": "trap 'echo \"it'\\''s\"' EXIT INT; trap",
    "printed, none": "trap; echo x",
    "printed after a reset": "trap 'echo bye' EXIT; trap - EXIT; trap; echo x",
    "printed by a subshell with its own": "trap 'echo bye' EXIT; ( trap 'echo sub' EXIT; trap )",
    "printed under set -e": "set -e; trap 'echo bye' EXIT; trap",
    "an unknown condition": "trap 'echo bye' NOSUCH; echo $?; trap 'echo bye' EXIT NOSUCH; echo $?",
    "under set -f": "set -f; trap 'echo *' EXIT",
    "under set -C": "set -C; trap 'echo bye' EXIT; trap",
    "with another IFS": "IFS=/:x; trap 'echo bye' EXIT; trap; (trap 'echo sub' EXIT); exit 3",
    "with another PATH": "PATH=/nowhere; trap 'echo bye' EXIT; (trap 'echo sub' EXIT); trap; exit 3",
    "in another directory": "mkdir gone; cd gone; rmdir ../gone; trap 'echo bye' EXIT; exit 3",
    "with names as ours": "ciplug_status=1; ciplug_new=x; ciplug_count=9; trap 'echo bye' EXIT; exit 3",
    # Not longer: with any EXIT trap, bash may lose a signal that meets a child before it has settled.
    "kills what has hardly begun": "i=0; while [ $i -lt 30 ]; do sleep 2 & kill $!; i=$((i + 1)); done; wait; echo on",
    "shields itself and signals its group": (
        "cleanup() { rc=$?; trap '' TERM; kill -TERM $$; exit $rc; }; trap cleanup EXIT; echo on; exit 0"
    ),
    "kills what it has started": "sleep 60 & sleep 0.1; trap 'kill $! && echo killed' EXIT; exit 3",
}

BASH_SCRIPTS = {
    "RETURN in a function": "f() { trap 'echo left' RETURN; echo in; trap - RETURN; }; f; echo end",
    "ERR as it ends": "set -Eeuo pipefail; trap 'echo err; exit 7' ERR; trap 'echo bye' EXIT; exit 3",
    "printed with -p": "trap 'echo bye' EXIT; trap -p EXIT; trap -p EXIT INT; trap -p INT",
    "printed with -p for later": "trap 'echo a' EXIT; x=$(trap -p EXIT); trap 'echo b' EXIT; eval \"$x\"; trap -p EXIT",
    "asked for what signals there are": "trap -l | wc -l",
    "kills its jobs": "sleep 60 & sleep 0.1; trap '[ \"$(jobs -p)\" = $! ] && kill $(jobs -p) && echo killed' EXIT",
    "ERR": "trap 'echo failed' ERR; false; trap 'echo again' ERR; false; trap - ERR; false; echo x",
    "DEBUG, reset": "trap 'echo step' DEBUG; trap - DEBUG; echo x; true; echo y",
    "pipefail": "set -eo pipefail; trap 'echo $?' EXIT; (exit 3) | cat; echo never",
    "set -E": "set -eE; trap 'echo failed' ERR; f() { false; }; f; echo never",
}


def same(job: Job, script: str, before: str = "") -> Ended:
    """The script ends in both ways alike; what the second had."""
    plain = job.plain(before + "\n" + script)
    filtered = job.filtered(script, before)
    assert (filtered.status, filtered.out) == (plain.status, plain.out)
    return filtered


ENDS_WITHOUT_EXIT = {"dies of SIGKILL", "becomes another program"}


@every_shell()
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_ends_as_it_does_without_the_filter(tmp_path: Path, shell: str, name: str) -> None:
    expected = 0 if name in ENDS_WITHOUT_EXIT or (name, shell) in DIES_SILENTLY else 1
    assert same(Job(tmp_path, shell), SCRIPTS[name]).endings == expected


DIES_SILENTLY = {("dies of SIGTERM", shell) for shell in ("dash", "busybox")}
"""These shells run no EXIT action when a signal ends them. The filter ends with its writers then."""


@every_shell("bash", "bash-posix")
@pytest.mark.parametrize("name", BASH_SCRIPTS)
def test_a_bash_script_ends_as_it_does_without_the_filter(tmp_path: Path, shell: str, name: str) -> None:
    assert same(Job(tmp_path, shell), BASH_SCRIPTS[name]).endings == 1


BEFORE = {
    "an action": "trap 'echo bye' EXIT",
    "an action with quotes": "trap 'echo \"it'\\''s $?\"' EXIT",
    "an action and other traps": "trap 'echo bye' EXIT; trap 'echo usr1' USR1",
    "set -e": "set -e",
    "set -u": "set -u",
    "set -f": "set -f",
    "set -C": "set -C",
    "set -a": "set -a",
    "another IFS": "IFS=/",
    "a narrow umask": "umask 077",
}

NAMED_AS_OURS = {
    "aliases": "alias ciplug_trap='echo wrong' ciplug_show='echo wrong' trap='echo wrong'",
    "functions": "ciplug_trap() { echo wrong; }; ciplug_show() { echo wrong; }",
    "variables": "ciplug_action='echo wrong'; ciplug_owner=x; ciplug_handler=x",
    "exported variables": "export ciplug_action='echo wrong' ciplug_owner=x",
}


@every_shell()
@pytest.mark.parametrize("before", BEFORE.values(), ids=BEFORE)
def test_what_the_script_did_before_holds_on(tmp_path: Path, shell: str, before: str) -> None:
    script = "(trap 'echo sub' EXIT); kill -USR1 $$; exit 3" if "USR1" in before else "trap; (exit 3)"
    assert same(Job(tmp_path, shell), script, before).endings == 1


@every_shell()
@pytest.mark.parametrize("before", NAMED_AS_OURS.values(), ids=NAMED_AS_OURS)
def test_names_that_the_script_used_before_are_taken_over(tmp_path: Path, shell: str, before: str) -> None:
    ended = Job(tmp_path, shell).filtered("trap 'echo bye' EXIT\nexit 3", before)
    assert (ended.status, ended.out, ended.endings) == (3, "bye\n", 1)


@every_shell()
def test_a_subshell_of_the_runner_is_the_shell_and_gets_none_of_its_traps(tmp_path: Path, shell: str) -> None:
    """GitLab's runner evaluates the job's lines in a pipe, with traps of its own around it."""
    runner = "trap 'echo outer $?' EXIT; trap 'exit 1' TERM; set -e\n"
    runner += 'if set -o | grep -q pipefail; then set -o pipefail; fi\n: | eval "$(cat lines)"\n'
    job = Job(tmp_path, shell)
    (tmp_path / "lines").write_text('eval "$(cat code)"\ntrap\ntrap "echo bye" EXIT\necho x\nexit 3\n')
    ended = job.filtered("", wrapped=runner)
    assert (ended.status, ended.out, ended.endings) == (3, "outer 3\nx\nbye\n", 1)


@every_shell("dash", "busybox", "bash")
def test_an_action_is_reset_by_the_name_alone(tmp_path: Path, shell: str) -> None:
    """bash in POSIX mode has it as an error that ends the shell."""
    ended = Job(tmp_path, shell).filtered("trap 'echo a' EXIT; trap EXIT; exit 3")
    assert (ended.status, ended.out, ended.endings) == (3, "", 1)


@every_shell()
def test_an_action_is_kept_for_later_by_a_substitution(tmp_path: Path, shell: str) -> None:
    """dash on its own cannot do that."""
    script = "trap 'echo \"it'\\''s\"' EXIT; x=$(trap); trap 'echo other' EXIT; eval \"$x\""
    ended = Job(tmp_path, shell).filtered(script)
    assert (ended.out, ended.endings) == ("it's\n", 1)


@every_shell()
def test_a_script_that_is_evaluated_as_one_text_keeps_its_actions(tmp_path: Path, shell: str) -> None:
    job = Job(tmp_path, shell)
    ended = job.filtered("eval 'trap \"echo bye\" EXIT\necho x\nexit 3'")
    assert (ended.status, ended.out, ended.endings) == (3, "x\nbye\n", 1)


@every_shell()
def test_the_secret_is_there_and_the_token_is_gone(tmp_path: Path, shell: str) -> None:
    (tmp_path / "expected").write_bytes(SECRET)
    script = 'printf %s "$API_KEY" | cmp - expected && sh -c \'printf %s "$API_KEY"\' | cmp - expected && echo same\n'
    ended = Job(tmp_path, shell).filtered(script + 'echo "[${VAULT_ID_TOKEN-gone}]"; env | grep -c VAULT_ID_TOKEN')
    assert (ended.status, ended.out) == (1, "same\n[gone]\n0\n")


@every_shell()
def test_what_the_script_prints_is_filtered(tmp_path: Path, shell: str) -> None:
    ended = Job(tmp_path, shell).filtered('echo "out $API_KEY"; echo "err $API_KEY" >&2; sh -c \'echo "$API_KEY"\'')
    assert (ended.out, ended.err) == ("out ***\n***\n", "err ***\n")


@every_shell()
@pytest.mark.parametrize("flags", ["-x", "-v", "-xv", "-xe"])
def test_a_traced_script_shows_no_secret_and_ends_as_it_should(tmp_path: Path, shell: str, flags: str) -> None:
    script = 'trap \'echo "bye $API_KEY"\' EXIT; : "$API_KEY"; (trap "echo sub" EXIT); exit 3'
    ended = Job(tmp_path, shell).filtered(script, f"set {flags}")
    assert (ended.status, ended.out, ended.endings) == (3, "sub\nbye ***\n", 1)


@every_shell()
def test_the_ending_is_not_traced_and_its_status_is_nobodys(tmp_path: Path, shell: str) -> None:
    job = Job(tmp_path, shell)
    ended = job.filtered("set -x; true")
    assert ended.status == 0
    assert "API_KEY" not in ended.err


@every_shell()
def test_an_ending_that_is_not_there_changes_nothing(tmp_path: Path, shell: str) -> None:
    ended = Job(tmp_path, shell).filtered("set -e; trap 'echo bye' EXIT; exit 3", ending=["/nowhere/python", "-m", "x"])
    assert (ended.status, ended.out) == (3, "bye\n")


STOP = "import sys, time; from pathlib import Path; from ciplug.inject import lock; "
STOP += "sys.exit(not lock.stop(Path(sys.argv[1]), 10, time.sleep))"


@every_shell()
def test_the_log_is_complete_when_the_shell_ends(tmp_path: Path, shell: str) -> None:
    """Also with a process that was left behind and still has the log open."""
    job = Job(tmp_path, shell)
    directory = tmp_path / "it's private"
    script = "sleep 2 & i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i + 1)); done; printf 's3cr'; exit 3"
    ended = job.filtered(script, "set -x", ending=[sys.executable, "-c", STOP, str(directory)])
    assert ended.status == 3
    assert ended.out == "".join(f"line {number}\n" for number in range(300)) + "s3cr"
    assert job.complete_at_its_end


@every_shell()
def test_the_file_with_the_secrets_is_gone_before_the_script_begins(tmp_path: Path, shell: str) -> None:
    ended = Job(tmp_path, shell).filtered('ls "it\'s private"')
    assert sorted(ended.out.split()) == ["err", "lock", "out", "shell"]


@every_shell()
def test_a_filter_that_has_died_fails_the_job_before_it_has_a_secret(tmp_path: Path, shell: str) -> None:
    directory = tmp_path / "private"
    directory.mkdir(mode=0o700)
    (directory / "env").write_bytes(redirect.environment({"API_KEY": SECRET}, []))
    for name in ("out", "err"):
        os.mkfifo(directory / name, 0o600)
    script = redirect.code(directory, ["true"]) + b'echo x; echo "$API_KEY"; touch ran\n'
    (tmp_path / "job.sh").write_bytes(b"set -e\n" + script)
    ran = subprocess.run([*command(shell), "job.sh"], cwd=tmp_path, capture_output=True, timeout=TIMEOUT)
    assert ran.returncode != 0
    assert not (tmp_path / "ran").exists()
    assert_no_leak(ran.stdout + ran.stderr, [SECRET])


@every_shell()
@pytest.mark.parametrize("missing", ["out", "err", "env"])
def test_a_directory_that_is_gone_ends_the_job(tmp_path: Path, shell: str, missing: str) -> None:
    directory = tmp_path / "private"
    if missing == "env":
        directory.mkdir()
        for name in ("out", "err"):
            (directory / name).touch()
    (tmp_path / "job.sh").write_bytes(redirect.code(directory, ["true"]) + b"touch ran\n")
    ran = subprocess.run([*command(shell), "job.sh"], cwd=tmp_path, capture_output=True, timeout=TIMEOUT)
    assert ran.returncode != 0
    assert not (tmp_path / "ran").exists()


@every_shell()
@pytest.mark.parametrize("script", ["x=1; readonly VAULT_ID_TOKEN", "readonly API_KEY=mine"])
def test_a_variable_that_the_script_has_locked_ends_the_job(tmp_path: Path, shell: str, script: str) -> None:
    """Better no job than one with a token it should not have, or without the secret it should."""
    ended = Job(tmp_path, shell).filtered("touch ran", script)
    assert ended.status != 0
    assert not (tmp_path / "ran").exists()


@every_shell()
@pytest.mark.parametrize("word", ["a b", "it's", "$HOME", "`id`", "a\nb", "\\", '"', "*", "", "ü"])
def test_the_ending_is_given_its_words_as_they_are(tmp_path: Path, shell: str, word: str) -> None:
    into = str(tmp_path / "given")
    Job(tmp_path, shell).filtered("set -f; IFS=x", ending=["/bin/sh", "-c", 'printf %s "$1" >"$0"', into, word])
    assert (tmp_path / "given").read_text() == word


@every_shell()
def test_a_second_fetch_in_the_same_shell_keeps_the_action_and_ends_once(tmp_path: Path, shell: str) -> None:
    script = 'trap \'echo bye\' EXIT\ncp env "$ciplug_directory"\neval "$ciplug_code"\necho x\nexit 3'
    ended = Job(tmp_path, shell).filtered(script, 'cp "it\'s private/env" .')
    assert (ended.status, ended.out, ended.endings) == (3, "x\nbye\n", 1)


@every_shell()
def test_an_action_that_contains_the_handler_itself_runs_once(tmp_path: Path, shell: str) -> None:
    script = "trap 'echo bye; eval \"$ciplug_at_exit\"' EXIT\nexit 3"
    ended = Job(tmp_path, shell).filtered(script)
    assert (ended.status, ended.out, ended.endings) == (3, "bye\n", 1)


def test_bash_keeps_aliases_without_effect(tmp_path: Path) -> None:
    """What a login file defines for people must not change what the job's lines do."""
    ended = Job(tmp_path, "bash").filtered("echo x", "alias echo='echo aliased'")
    assert ended.out == "x\n"


def test_bash_that_turns_to_posix_mode_keeps_the_actions(tmp_path: Path) -> None:
    ended = Job(tmp_path, "bash").filtered("set -o posix\ntrap 'echo bye' EXIT\nexit 3")
    assert (ended.status, ended.out, ended.endings) == (3, "bye\n", 1)


def test_the_code_holds_no_secret_and_the_file_does(tmp_path: Path) -> None:
    text = redirect.environment({"API_KEY": SECRET}, ["VAULT_ID_TOKEN"])
    assert b"unset -v VAULT_ID_TOKEN || exit\nexport API_KEY='s3cr3t '\\''with'\\'' " in text
    assert_no_leak(redirect.code(tmp_path, ["x"]), [SECRET])


def test_a_name_that_is_granted_is_not_dropped() -> None:
    assert b"unset -v" not in redirect.environment({"A": b"x"}, ["A"])


@pytest.mark.parametrize("name", ["A-B", "", "1A", "A B", "A;id", "A\n", "Ä"])
def test_a_name_that_no_shell_can_unset_is_refused(name: str) -> None:
    with pytest.raises(HandOverError, match="cannot unset"):
        redirect.environment({}, ["GOOD", name])


def test_a_value_that_no_shell_can_hold_is_refused() -> None:
    with pytest.raises(HandOverError, match="A holds a NUL byte"):
        redirect.environment({"A": b"x\0y"}, [])


def test_shellcheck_finds_nothing() -> None:
    assert shutil.which("shellcheck"), "shellcheck is missing: install it with apt or brew"
    text = Path(redirect.__file__).with_name("filtered.sh")
    ran = subprocess.run(["shellcheck", "-s", "sh", str(text)], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (0, "")
