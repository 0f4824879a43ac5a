"""The demo's part on deploy platforms: plan, apply, find what was changed by hand, repair, prune, and nothing to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ciplug.demo.platforms import by_hand
from ciplug.demo.vault import TARGETS
from ciplug.standins.claims import github_claims

if TYPE_CHECKING:
    from ciplug.demo.platforms import Platforms
    from ciplug.demo.shell import Shell
    from ciplug.demo.vault import DemoValues
    from ciplug.standins.openbao import OpenBao


class Syncs:
    """Steps, each to be called once and in this order."""

    def __init__(self, shell: Shell, bao: OpenBao, platforms: Platforms, values: DemoValues) -> None:
        self._shell = shell
        self._bao = bao
        self._platforms = platforms
        wanted = {"DATABASE_URL": values.prod_database, "STRIPE_SECRET_KEY": values.stripe}
        self._wanted = {target: dict(wanted) for target in TARGETS}

    def plan(self) -> None:
        """What would be done, and nothing is."""
        self._shell.title("Vercel, Railway and Render are to have secrets as well: what a sync would do")
        self._shell.tell("at Railway, somebody has made a DATABASE_URL by hand")
        self._sync("--dry-run")
        self._shell.check(not self._platforms.writes, "no platform was asked to change anything")

    def apply(self) -> None:
        """All of it, and new deployments."""
        self._shell.title("Apply it, take over the one that was made by hand, and deploy anew")
        before = self._platforms.deployed
        self._sync("--yes", "--adopt", "DATABASE_URL", "--redeploy")
        self._check_stored()
        after = {target: number + 1 for target, number in before.items()}
        self._shell.check(self._platforms.deployed == after, "each of the three was deployed once")

    def find_drift(self) -> None:
        """What was changed behind the vault's back, also where values can be written and never read."""
        self._shell.title("Somebody changes values by hand: found, also where a value can only be written")
        others = by_hand(), by_hand()
        self._shell.hidden += others
        self._platforms.change_by_hand(*others)
        self._shell.tell("STRIPE_SECRET_KEY at Vercel, which nobody can read, and DATABASE_URL at Render")
        shown = self._sync("--check", expect=20)
        drifted = [line.split()[2] for line in shown.splitlines() if line.startswith("  ~ drift ")]
        self._shell.check(drifted == ["STRIPE_SECRET_KEY", "DATABASE_URL"], "it names both of them, and no other")

    def repair(self) -> None:
        """The vault's values again."""
        self._shell.title("Repair it")
        self._sync("--yes")
        self._check_stored()

    def prune(self) -> None:
        """A secret that the manifest no longer lists for a target."""
        self._shell.title("A secret is taken out of a target in the manifest: deleted there, and nothing else is")
        self._shell.tell("STRIPE_SECRET_KEY is no longer in targets.jobs")
        path = self._shell.folder / "ciplug.toml"
        before, mark, after = path.read_text(encoding="utf-8").partition("[targets.jobs]")
        path.write_text(before + mark + after.replace(', "STRIPE_SECRET_KEY"', ""), encoding="utf-8")
        del self._wanted["jobs"]["STRIPE_SECRET_KEY"]
        self._sync("--yes", "--prune")
        self._check_stored()

    def idle(self) -> None:
        """A sync that has nothing to do."""
        self._shell.title("Once more: nothing to do, and nothing is done")
        writes, mark = self._platforms.writes, self._bao.mark()
        self._sync("--yes")
        self._shell.check(self._platforms.writes == writes, "none of its requests asked a platform to change anything")
        records = self._bao.requests_since(mark, path="secret/")
        only_read = {record["request"]["operation"] for record in records} == {"read"}
        self._shell.check(only_read, "in the vault it has read, and written nothing")

    def _sync(self, *options: str, expect: int = 0) -> str:
        return self._shell.run("sync", *options, claims=github_claims(environment="production"), expect=expect)

    def _check_stored(self) -> None:
        self._shell.check(
            self._platforms.hold(self._wanted),
            "each platform has exactly the vault's values, and beside them what people made there for themselves",
        )
