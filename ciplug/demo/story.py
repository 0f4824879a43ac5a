"""The demo's steps. Each runs the real command line as a CI job would, and checks what it claims."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from base64 import b64encode
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from ciplug.demo.vault import DemoValues, set_up
from ciplug.errors import CiplugError
from ciplug.standins.claims import github_claims
from ciplug.standins.issuer import Issuer
from ciplug.standins.openbao import OpenBao
from ciplug.vault.admin import Admin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


class DemoFailedError(CiplugError):
    """A step did not do what the demo says it does."""

    cause = "demo"


class Demo:
    """A vault, an issuer and a checkout for the length of one demo; ``tell`` runs its steps in order."""

    def __init__(
        self, bao: OpenBao, issuer: Issuer, folder: Path, env: Mapping[str, str], say: Callable[[str], None]
    ) -> None:
        self._bao = bao
        self._issuer = issuer
        self._folder = folder
        self._env = env
        self._say = say
        self._values = DemoValues.random()
        self._mark = 0

    def tell(self) -> None:
        """Every step; ``DemoFailedError`` at the first that does not hold."""
        self._say("A real OpenBao and a local OIDC issuer are running; a vault administrator sets them up once.")
        set_up(self._bao, self._issuer, self._values)
        self._mark = self._bao.mark()
        for step in (self._leaky_job, self._other_jobs_secret, self._fork, self._missing, self._dead):
            step()

    def _leaky_job(self) -> None:
        self._title("A job runs a script that leaks: the log stays clean")
        self._run("run", "--job", "test", "--", "sh", "leaky.sh", claims=github_claims(), expect=0)
        digest = (self._folder / "digest").read_text().strip()
        self._check(
            digest == hashlib.sha256(self._values.dev_database.encode()).hexdigest(),
            "the script had the real value: its SHA-256 is the vault's",
        )

    def _other_jobs_secret(self) -> None:
        self._title("A test job asks for the deploy job's secrets: denied, with the claim that is wrong")
        self._run("fetch", "--job", "deploy", "--to", "json", claims=github_claims(), expect=6)

    def _fork(self) -> None:
        self._title("A pull request from a fork: refused before the vault hears of it")
        mark = self._bao.mark()
        self._run("run", "--job", "test", "--", "sh", "leaky.sh", claims=None, expect=125)
        self._check(not self._bao.requests_since(mark), "the vault's audit log has no request from it")

    def _missing(self) -> None:
        self._title("One of a job's secrets is missing: nothing is exported, the command does not start")
        (self._folder / "digest").unlink()
        self._run("run", "--job", "report", "--", "sh", "leaky.sh", claims=github_claims(), expect=125)
        self._check(not (self._folder / "digest").exists(), "the script never ran")

    def _dead(self) -> None:
        self._title("Every credential is dead")
        revoked = self._bao.requests_since(self._mark, path="auth/token/revoke-self")
        with Admin(self._bao.address, self._bao.root_token) as admin:
            alive = len(admin.accessors()) - 1
        self._check(
            bool(revoked) and alive == 0,
            f"{len(revoked)} tokens were issued to jobs and revoked; the vault's own root token is the only one alive",
        )

    def _run(self, *arguments: str, claims: Mapping[str, object] | None, expect: int) -> None:
        """Run ``ciplug`` as GitHub's runner would, show what it printed, and check it: status, and no secret in it."""
        self._say(f"  $ ciplug {' '.join(arguments)}")
        done = subprocess.run(
            [sys.executable, "-m", "ciplug", *arguments],
            cwd=self._folder,
            env=self._job_environment(claims),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
        )
        clean = not any(_shows(done.stdout, value.encode()) for value in self._values.all)
        if clean:
            for line in done.stdout.decode(errors="replace").splitlines():
                if not line.startswith("::"):  # a runner takes these as commands and shows them elsewhere
                    self._say(f"  | {line}")
        self._check(clean, "no form of any secret in what it printed")
        self._check(done.returncode == expect, f"exit status {expect}")

    def _job_environment(self, claims: Mapping[str, object] | None) -> dict[str, str]:
        """What GitHub's runner gives a job; without `claims`, one that runs for a pull request from a fork."""
        event = self._folder / "event.json"
        head = {"repo": {"full_name": "stranger/shop"}}
        event.write_text(json.dumps({"pull_request": {"head": head, "base": {"repo": {"full_name": "acme/shop"}}}}))
        env = {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": "push" if claims else "pull_request",
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_REPOSITORY": "acme/shop",
            "GITHUB_RUN_ID": "1",
            "HOME": str(self._folder),
            "PATH": self._env.get("PATH", os.defpath),
            "RUNNER_TEMP": str(self._folder),
            "VAULT_ADDR": self._bao.address,
        }
        if claims:
            endpoint = self._issuer.github_endpoint(claims)
            env["ACTIONS_ID_TOKEN_REQUEST_URL"] = endpoint.request_url
            env["ACTIONS_ID_TOKEN_REQUEST_TOKEN"] = endpoint.request_token
        return env

    def _title(self, text: str) -> None:
        self._say(f"\n{text}")

    def _check(self, holds: bool, claim: str) -> None:  # noqa: FBT001  # what is checked
        if not holds:
            raise DemoFailedError(f"not so: {claim}", hint="report this; a demo must not lie")
        self._say(f"  ✓ {claim}")


def _shows(output: bytes, value: bytes) -> bool:
    """Whether `output` has `value` as it is, in hex or in base64, however broken into lines.

    Written without `ciplug.redact`, which is what it checks.
    """
    flat = b"".join(output.split())
    encoded = (b64encode(b" " * pad + value)[4:-4] for pad in range(3))
    return any(form in flat for form in (value, value.hex().encode(), *encoded))


@contextmanager
def open_demo(env: Mapping[str, str], say: Callable[[str], None]) -> Iterator[Demo]:
    """A demo with everything it needs running; all of it is ended and removed with the block."""
    folder = Path(tempfile.mkdtemp(prefix="ciplug-demo-"))
    try:
        for name in ("ciplug.toml", "leaky.sh"):
            (folder / name).write_bytes(files(__package__).joinpath(name).read_bytes())
        with Issuer() as issuer, OpenBao(env) as bao:
            yield Demo(bao, issuer, folder, env, say)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
