"""One step of a workflow as GitHub's runner starts it: node on an action's file, in what a runner gives it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final, NamedTuple

from tests.e2e.published import node, offline, published
from tests.fakes.actions_runner import Runner, parse_env_file
from tests.leaks import assert_no_leak

TOKEN: Final = "bearer-of-the-job"
"""What the step proves itself with to the runner, and anyone else's token as well."""

_LIMIT: Final = 120.0  # seconds for one installation on a busy machine


class Step(NamedTuple):
    """One action's file as the runner starts it, and the files it speaks to the runner through."""

    repository: Path
    env: dict[str, str]

    def command(self, script: str) -> list[str]:
        """The runner's command line for `script`, which is below ``actions/``."""
        return [node(), str(self.repository / "actions" / script)]

    def run(self, script: str, **env: str) -> subprocess.CompletedProcess[bytes]:
        """The step to its end, with `env` on top of what every step has; no token may be in its output."""
        done = subprocess.run(
            self.command(script),
            cwd=self.env["GITHUB_WORKSPACE"],
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LIMIT,
        )
        assert_no_leak(done.stdout + done.stderr, [TOKEN])
        return done

    def file(self, name: str) -> bytes:
        """What the step has written to the file in the variable `name`."""
        return Path(self.env[name]).read_bytes()

    @property
    def state(self) -> dict[str, str]:
        """What the post step finds in its environment."""
        return {f"STATE_{name}": value for name, value in parse_env_file(self.file("GITHUB_STATE")).items()}

    @property
    def installations(self) -> list[Path]:
        """All that is in the tool cache, finished or not."""
        cache = Path(self.env["RUNNER_TOOL_CACHE"], "ciplug")
        return sorted(cache.iterdir()) if cache.is_dir() else []


def new_step(runner: Path) -> Step:
    """A step whose runner has the new directory `runner`, an empty tool cache, and the packages but no index."""
    env = {"PATH": os.environ["PATH"], "HOME": str(runner / "home"), "GITHUB_ACTIONS": "true"}
    for name in ("HOME", "RUNNER_TEMP", "RUNNER_TOOL_CACHE", "GITHUB_WORKSPACE"):
        env[name] = str(runner / name.lower())
        Path(env[name]).mkdir(parents=True)
    for name in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_PATH", "GITHUB_STATE", "GITHUB_STEP_SUMMARY"):
        env[name] = str(runner / name.lower())
        Path(env[name]).touch()
    zero = {"ACTIONS_ID_TOKEN_REQUEST_URL": "http://127.0.0.1:9/", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": TOKEN}
    here = published()
    return Step(here.repository, env | zero | offline(here.wheels) | {"VAULT_TOKEN": TOKEN, "INPUT_OUTPUTS": "false"})


def annotation(done: subprocess.CompletedProcess[bytes]) -> str:
    """The one error that the runner shows."""
    runner = Runner()
    runner.read(done.stdout + done.stderr)
    [(level, properties, message)] = runner.annotations
    assert level == "error"
    assert properties["title"].startswith("ciplug")
    assert ". Next: " in message
    return message
