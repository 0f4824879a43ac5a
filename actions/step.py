"""What a step of a workflow does: read its inputs, have ciplug installed, and become ciplug."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from installation import Failure, ready

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

# The YAML words that GitHub's own actions take for a boolean.
_BOOLEANS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


def main(step: str) -> int:
    """Run the step ``fetch`` or ``setup``; its exit status. A failure is one annotation that says what to do."""
    for number in (signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        signal.signal(number, _stop)
    try:
        return {"fetch": _fetch, "setup": _setup}[step](os.environ)
    except Failure as failure:
        message = f"{failure}. Next: {failure.hint}"
        escaped = message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
        sys.stdout.write(f"::error title=ciplug::{escaped}\n")
        return failure.status
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


def _stop(number: int, frame: FrameType | None) -> None:
    """End as an interrupt does, so that what is half built is removed."""
    del frame
    raise SystemExit(128 + number)


def _fetch(env: Mapping[str, str]) -> int:
    arguments = ["fetch", "--to=github", *_option(env, "job"), *_option(env, "environment", "env")]
    if _boolean(env, "outputs"):
        arguments.append("--outputs")
    ciplug = ready(env, _say)
    return _become([*_ended_by_post(env, ciplug), *arguments])


def _setup(env: Mapping[str, str]) -> int:
    ciplug = ready(env, _say)
    folder = Path(_named(env, "RUNNER_TEMP")) / "ciplug-path"
    try:
        folder.mkdir(exist_ok=True)
    except OSError as err:
        raise Failure(f"{folder} cannot be made: {err.strerror}", hint="let the runner write to RUNNER_TEMP") from err
    # Bash on Windows takes the first, everything else there the second.
    posix = [Path(ciplug[0]).as_posix(), *ciplug[1:]]
    _write(folder / "ciplug", f'#!/bin/sh\nexec {shlex.join(posix)} "$@"\n')
    if os.name == "nt":
        _write(folder / "ciplug.cmd", f"@{subprocess.list2cmdline(ciplug)} %*\r\n")
    _append(env, "GITHUB_PATH", str(folder))
    _ended_by_post(env, ciplug)
    return _become([*ciplug, "--version"])


def _ended_by_post(env: Mapping[str, str], ciplug: list[str]) -> list[str]:
    """The command to go on with. Its end is left for the post step, before anything is fetched that it could miss.

    Both name their places in full: a later step may set the variables from which they would be taken.
    """
    manifest = Path(_input(env, "manifest") or env.get("CIPLUG_MANIFEST") or "ciplug.toml").absolute()
    state = Path(env.get("CIPLUG_STATE_DIR") or Path(_named(env, "RUNNER_TEMP")) / "ciplug").absolute()
    command = [*ciplug, f"--manifest={manifest}"]
    end = {"command": [*command, "revoke", "--best-effort"], "state": str(state)}
    _append(env, "GITHUB_STATE", f"revoke={json.dumps(end)}")
    return command


def _option(env: Mapping[str, str], name: str, option: str = "") -> list[str]:
    """The input as a command-line option; nothing where it is empty, as an input that was not given is."""
    value = _input(env, name)
    return [f"--{option or name}={value}"] if value else []


def _input(env: Mapping[str, str], name: str) -> str:
    return env.get(f"INPUT_{name.upper()}", "").strip()


def _boolean(env: Mapping[str, str], name: str) -> bool:
    value = _input(env, name)
    if value not in _BOOLEANS:
        raise Failure(f'the input "{name}" is neither true nor false', hint="write true or false", status=2)
    return _BOOLEANS[value]


def _named(env: Mapping[str, str], name: str) -> str:
    if not env.get(name):
        raise Failure(f"{name} is not set", hint="run this as a step of a GitHub Actions workflow")
    return env[name]


def _append(env: Mapping[str, str], name: str, line: str) -> None:
    """Add a line to one of the files through which a step speaks to the runner."""
    try:
        with Path(_named(env, name)).open("a", encoding="utf-8", newline="\n") as file:
            file.write(f"{line}\n")
    except OSError as err:
        raise Failure(f"the file in {name} cannot be written: {err.strerror}", hint="mend the runner's disk") from err


def _write(path: Path, text: str) -> None:
    """Put an executable file in place, never a part of it."""
    part = path.with_suffix(".part")
    try:
        part.write_text(text, encoding="utf-8", newline="")
        part.chmod(0o755)
        part.replace(path)
    except OSError as err:
        raise Failure(f"{path} cannot be written: {err.strerror}", hint="mend the runner's disk") from err


def _become(command: list[str]) -> int:
    """Run ciplug in place of this process, or beneath it on Windows, whose exec does not wait."""
    sys.stdout.flush()
    if os.name != "nt":
        os.execv(command[0], command)  # noqa: S606  # no shell is wanted
    with subprocess.Popen(command) as child:
        while True:
            with suppress(KeyboardInterrupt):  # the console tells ciplug too, which ends in its own way
                return child.wait()


def _say(message: str) -> None:
    """A line for people, ahead of what ciplug says."""
    sys.stderr.write(f"ciplug: {message}\n")
    sys.stderr.flush()
