"""The demo's CI part: a job that leaks, one that asks for too much, the doctor, a fork, a job that lacks a secret."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from ciplug.standins.claims import github_claims

if TYPE_CHECKING:
    from ciplug.demo.shell import Shell
    from ciplug.demo.vault import DemoValues
    from ciplug.standins.openbao import OpenBao


class Jobs:
    """Steps, each to be called once and in this order."""

    def __init__(self, shell: Shell, bao: OpenBao, values: DemoValues) -> None:
        self._shell = shell
        self._bao = bao
        self._values = values
        self._digest = shell.folder / "digest"

    def leaky(self) -> None:
        """A job whose script prints its secrets in every way."""
        self._shell.title("A job runs a script that leaks: the log stays clean")
        self._shell.run("run", "--job", "test", "--", "sh", "leaky.sh", claims=github_claims(), expect=0)
        self._shell.check(
            self._digest.read_text().strip() == hashlib.sha256(self._values.dev_database.encode()).hexdigest(),
            "the script had the real value: its SHA-256 is the vault's",
        )

    def anothers_secrets(self) -> None:
        """A job that asks for what another one is granted."""
        self._shell.title("A test job takes only_if out of the manifest and asks for the deploy job's secrets: denied")
        edited = self._shell.folder / "edited.toml"
        lines = (self._shell.folder / "ciplug.toml").read_text(encoding="utf-8").splitlines(keepends=True)
        edited.write_text("".join(line for line in lines if not line.startswith("only_if")), encoding="utf-8")
        command = ("--manifest", edited.name, "fetch", "--job", "deploy", "--to", "json")
        self._shell.run(*command, claims=github_claims(), expect=6)

    def explained(self) -> None:
        """The same question, put to the doctor."""
        self._shell.title("Why does this job get none of the deploy job's secrets? One cause, and what mends it")
        told = self._shell.run("doctor", "--job", "deploy", claims=github_claims(), expect=20)
        causes = [line for line in told.splitlines() if line.lstrip().startswith("✗")]
        self._shell.check(len(causes) == 1 and "environment" in causes[0], "it names one cause, and the right one")

    def fork(self) -> None:
        """A job for a pull request from a fork."""
        self._shell.title("A pull request from a fork: refused before the vault hears of it")
        mark = self._bao.mark()
        self._shell.run("run", "--job", "test", "--", "sh", "leaky.sh", claims=None, expect=125)
        self._shell.check(not self._bao.requests_since(mark), "the vault's audit log has no request from it")

    def missing(self) -> None:
        """A job of whose secrets one is not in the vault."""
        self._shell.title("One of a job's secrets is missing: nothing is exported, the command does not start")
        self._digest.unlink()
        self._shell.run("run", "--job", "report", "--", "sh", "leaky.sh", claims=github_claims(), expect=125)
        self._shell.check(not self._digest.exists(), "the script never ran")
