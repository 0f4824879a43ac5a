"""The demo from its beginning to its end. Each step runs the real command line, and checks what it claims."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from ciplug.demo.jobs import Jobs
from ciplug.demo.platforms import open_platforms
from ciplug.demo.shell import Shell
from ciplug.demo.syncs import Syncs
from ciplug.demo.vault import DemoValues, set_up
from ciplug.standins.issuer import Issuer
from ciplug.standins.openbao import OpenBao
from ciplug.vault.admin import Admin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ciplug.demo.platforms import Platforms


class Demo:
    """A vault, an issuer, three platforms and a checkout for the length of one demo; ``tell`` runs its steps."""

    def __init__(self, shell: Shell, bao: OpenBao, issuer: Issuer, platforms: Platforms) -> None:
        self.shell = shell
        self.platforms = platforms
        self._bao = bao
        self._issuer = issuer
        self._values = DemoValues.random()

    def tell(self) -> None:
        """Every step in order; ``DemoFailedError`` at the first that does not hold."""
        self.shell.say("A real OpenBao, a local OIDC issuer and stand-ins of Vercel, Railway and Render are running.")
        self._set_up()
        mark = self._bao.mark()
        jobs = Jobs(self.shell, self._bao, self._values)
        for step in (jobs.leaky, jobs.anothers_secrets, jobs.explained, jobs.fork, jobs.missing):
            step()
        syncs = Syncs(self.shell, self._bao, self.platforms, self._values)
        for step in (syncs.plan, syncs.apply, syncs.find_drift, syncs.repair, syncs.prune, syncs.idle):
            step()
        self._dead(mark)

    def _set_up(self) -> None:
        """The vault as an administrator leaves it: with the rights that the manifest implies, and none besides."""
        set_up(self._bao, self._issuer, self._values, self.platforms.tokens)
        token = self._bao.root_token.reveal().decode()
        self.shell.hidden += [token, *self._values.all, *self.platforms.hidden]
        self.shell.title("A vault administrator gives every job and target its rights, derived from the manifest")
        self.shell.administer("policy", "--apply", "--yes", token=token, expect=0)
        self.shell.administer("policy", "--check", token=token, expect=0)

    def _dead(self, mark: int) -> None:
        self.shell.title("Every credential is dead")
        revoked = self._bao.requests_since(mark, path="auth/token/revoke-self")
        with Admin(self._bao.address, self._bao.root_token) as admin:
            alive = len(admin.accessors()) - 1
        self.shell.check(
            bool(revoked) and alive == 0,
            f"{len(revoked)} tokens were issued and revoked; the vault's own root token is the only one alive",
        )


@contextmanager
def open_demo(env: Mapping[str, str], say: Callable[[str], None]) -> Iterator[Demo]:
    """A demo with everything it needs running; all of it is ended and removed with the block."""
    folder = Path(tempfile.mkdtemp(prefix="ciplug-demo-"))
    try:
        with Issuer() as issuer, OpenBao(env) as bao, open_platforms() as platforms:
            _check_out(folder, {"issuer": issuer.url, **platforms.addresses})
            yield Demo(Shell(folder, bao.address, issuer, env, say), bao, issuer, platforms)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_out(folder: Path, addresses: Mapping[str, str]) -> None:
    """The project's files in `folder`, with a manifest that has found the stand-ins."""
    source = files(__package__)
    (folder / "leaky.sh").write_bytes(source.joinpath("leaky.sh").read_bytes())
    manifest = Template(source.joinpath("ciplug.toml").read_text(encoding="utf-8"))
    (folder / "ciplug.toml").write_text(manifest.substitute(addresses), encoding="utf-8")
