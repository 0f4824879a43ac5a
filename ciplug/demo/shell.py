"""Runs the demo's commands, shows what they print, and checks what the demo claims of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from base64 import b64encode
from typing import TYPE_CHECKING, Final

from ciplug.errors import CiplugError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from ciplug.standins.issuer import Issuer

COLUMNS: Final = 120
"""The width of what the demo says; longer lines are folded."""


class DemoFailedError(CiplugError):
    """A step did not do what the demo says it does."""

    cause = "demo"


class Shell:
    """The real command line in `folder`, as jobs of GitHub Actions run it against the vault at `address`.

    Of the environment `env` only ``PATH`` is used. `say` takes one line. `hidden` is what no command may print, in any
    form, from the moment on at which it is in that list.
    """

    def __init__(
        self, folder: Path, address: str, issuer: Issuer, env: Mapping[str, str], say: Callable[[str], None]
    ) -> None:
        self.folder = folder
        self.hidden: list[str] = []
        self._address = address
        self._issuer = issuer
        self._path = env.get("PATH", os.defpath)
        self.say = say

    def title(self, text: str) -> None:
        """Begin a step."""
        self.say(f"\n{text}")

    def tell(self, event: str) -> None:
        """What happens without ciplug."""
        self.say(f"  ({event})")

    def check(self, holds: bool, claim: str) -> None:  # noqa: FBT001  # what is checked
        """Make `claim`; ``DemoFailedError`` where it does not hold."""
        if not holds:
            raise DemoFailedError(f"not so: {claim}", hint="report this; a demo must not lie")
        self.say(f"  ✓ {claim}")

    def run(self, *arguments: str, claims: Mapping[str, object] | None, expect: int) -> str:
        """Run ``ciplug``, show what it printed, and check it: no secret in it, and the status. Gives back the text.

        `claims` are in the job's ID token; without them it is a job for a pull request from a fork, which has none.
        """
        return self._run(arguments, self._job_environment(claims), expect)

    def administer(self, *arguments: str, token: str, expect: int) -> str:
        """The same for a person with the vault token `token`; of what is printed, indented lines are only counted."""
        env = {"HOME": str(self.folder), "PATH": self._path, "VAULT_ADDR": self._address, "VAULT_TOKEN": token}
        return self._run(arguments, env, expect, in_full=False)

    def _run(self, arguments: Sequence[str], env: Mapping[str, str], expect: int, *, in_full: bool = True) -> str:
        self.say(f"  $ ciplug {' '.join(arguments)}")
        done = subprocess.run(
            [sys.executable, "-m", "ciplug", *arguments],
            cwd=self.folder,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        clean = not any(shows(done.stdout, value.encode()) for value in self.hidden)
        text = done.stdout.decode(errors="replace")
        if clean:
            # A runner takes some lines as commands and shows them elsewhere.
            lines = [line for line in text.splitlines() if not line.startswith("::")]
            shown = [line for line in lines if in_full or not line.startswith(" ")]
            for line in shown:
                self.say(folded(line))
            if len(shown) < len(lines):
                self.say(f"  | ({len(lines) - len(shown)} lines of details are not shown here)")
        self.check(clean, "no form of any secret in what it printed")
        self.check(done.returncode == expect, f"exit status {expect}")
        return text

    def _job_environment(self, claims: Mapping[str, object] | None) -> dict[str, str]:
        """What GitHub's runner gives a job; without `claims`, one that runs for a pull request from a fork."""
        event = self.folder / "event.json"
        head = {"repo": {"full_name": "stranger/shop"}}
        event.write_text(json.dumps({"pull_request": {"head": head, "base": {"repo": {"full_name": "acme/shop"}}}}))
        env = {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": "push" if claims else "pull_request",
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_REPOSITORY": "acme/shop",
            "GITHUB_RUN_ID": "1",
            "HOME": str(self.folder),
            "PATH": self._path,
            "RUNNER_TEMP": str(self.folder),
            "VAULT_ADDR": self._address,
        }
        if claims:
            endpoint = self._issuer.github_endpoint(claims)
            env["ACTIONS_ID_TOKEN_REQUEST_URL"] = endpoint.request_url
            env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = endpoint.request_token
        return env


def folded(line: str) -> str:
    """A line of output behind a bar, on as many lines as it takes to stay within ``COLUMNS``."""
    bar = "  | "
    if len(bar + line) <= COLUMNS:
        return bar + line
    return textwrap.fill(
        line,
        COLUMNS,
        initial_indent=bar,
        subsequent_indent=f"{bar}    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def shows(output: bytes, value: bytes) -> bool:
    """Whether `output` has `value` as it is, in hex or in base64, however broken into lines.

    Written without `ciplug.redact`, which is what it checks.
    """
    flat = b"".join(output.split())
    encoded = (b64encode(b" " * pad + value)[4:-4] for pad in range(3))
    return any(form in flat for form in (value, value.hex().encode(), *encoded))
