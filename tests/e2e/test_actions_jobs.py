"""Whole workflows in act: the example as it is, more than one fetch in a job, and an end without a vault."""

from __future__ import annotations

import os
import re
import shutil
from typing import TYPE_CHECKING

import pytest

from ciplug.standins.openbao import OpenBao
from ciplug.vault.admin import Admin
from tests.contract.pipelines import Pipeline
from tests.e2e.example_vault import example_vault
from tests.e2e.hosts_github import GitHubFetch, id_token_env, run_checkout
from tests.e2e.outside import credentials, nothing_left
from tests.e2e.project import lease_logins, new_project
from tests.e2e.published import ROOT
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ciplug.standins.issuer import Issuer
    from tests.e2e.postgres import Postgres
    from tests.e2e.project import Project


def test_the_example_runs_as_it_is(issuer: Issuer, tmp_path: Path) -> None:
    checkout = tmp_path / "example" / "shop"
    shutil.copytree(ROOT / "examples" / "github", checkout)
    shutil.copy(ROOT / "examples" / "ciplug.toml", checkout)
    (checkout / "Makefile").write_text(
        'test package:\n\t@test -n "$$DATABASE_URL" && echo done: $@ "$$NPM_TOKEN"\n', encoding="utf-8"
    )
    with example_vault(issuer) as vault, nothing_left(vault):
        ran = run_checkout(checkout, env=id_token_env(issuer) | {"BAO_ADDR": vault.bao.address})
    assert ran.ok, ran.log.decode()
    assert b"done: test ***" in ran.log
    assert b"done: package ***" in ran.log
    assert_no_leak(ran.log, vault.values.values())


class TwoFetches(GitHubFetch):
    """A second fetch, of another job with leases, behind the first."""

    def steps(self, pipeline: Pipeline) -> Sequence[Mapping[str, object]]:
        """The action twice, and then the steps."""
        fetch, *rest = super().steps(pipeline)
        return [fetch, fetch | {"with": {"job": "migrate"}}, *rest]


def test_two_fetches_in_one_job_add_up_and_both_are_ended(leased: Project, issuer: Issuer, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    look = f'printf %s "$PG_USER" >"{seen}"; echo "with $NPM_TOKEN and $DATABASE_URL as $PG_USER."'
    with nothing_left(leased):
        ran = TwoFetches(leased, issuer, tmp_path).run(Pipeline(steps=(look,)))
    assert ran.ok, ran.log.decode()
    assert b"with *** and *** as ***." in ran.log
    assert_no_leak(ran.log, [*credentials(leased), seen.read_text()])


@pytest.mark.parametrize("last", ["true", "exit 3"])
def test_a_vault_that_dies_before_the_end_is_a_warning_and_the_job_keeps_its_outcome(
    issuer: Issuer, postgres: Postgres, tmp_path: Path, last: str
) -> None:
    """Of a vault of its own: the job's last step kills it, and the post step finds nobody."""
    seen = tmp_path / "seen"
    with OpenBao(os.environ) as bao, Admin(bao.address, bao.root_token) as admin:
        project = new_project(tmp_path, bao, admin, issuer)
        lease_logins(project, postgres)
        kill = f'printf %s "$PG_PASSWORD" >"{seen}"\nkill -KILL {bao.pid}\n{last}'
        pipeline = Pipeline(job="migrate", steps=(kill,), env={"CIPLUG_DEADLINE": "2"})
        ran = GitHubFetch(project, issuer, tmp_path).run(pipeline)
    log = ran.log.decode()
    assert ran.ok is (last == "true"), log
    [warning] = {found[0] for found in re.finditer(r"::warning title=ciplug::[^\n]*", log)}
    assert re.search(r"stays valid for up to \d+ s", warning)
    assert "::error title=ciplug" not in log
    assert_no_leak(ran.log, [*credentials(project), seen.read_text()])
