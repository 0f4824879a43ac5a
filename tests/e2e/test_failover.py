"""A team on a raft cluster: a job that starts while the leader is dead still gets its secrets."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING

from ciplug.standins.claims import github_claims
from ciplug.vault.admin import Admin
from tests.e2e.project import AUDIENCE
from tests.e2e.raft import RaftCluster
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from pathlib import Path

    from ciplug.standins.issuer import Issuer
    from tests.e2e.conftest import RunsCiplug

MANIFEST = """\
version = 1
[vault]
address = {addresses}
issuer = "{issuer}"
audience = "https://vault.acme.dev"
[project]
github = "acme/shop"
[environments.dev]
path = "app"
[secrets.TOKEN]
ref = "db#token"
[jobs.test]
environment = "dev"
secrets = ["TOKEN"]
"""


def test_a_job_survives_the_loss_of_the_leader(tmp_path: Path, issuer: Issuer, ciplug: RunsCiplug) -> None:
    value = secrets.token_hex(12)
    with RaftCluster() as cluster:
        with Admin(cluster.addresses[0], cluster.token) as admin:
            admin.kv.write("secret", "app/db", {"token": value})
            admin.jwt.enable()
            admin.jwt.configure(bound_issuer=issuer.url, jwks_url=issuer.jwks_url)
        text = MANIFEST.format(addresses=json.dumps(cluster.addresses), issuer=issuer.url)
        (tmp_path / "ciplug.toml").write_text(text)
        applied = ciplug("policy", "--apply", "--yes", env={"VAULT_TOKEN": cluster.token.reveal().decode()})
        assert applied.returncode == 0, applied.stderr
        cluster.await_everywhere("auth/jwt/role/shop-test")
        dead = cluster.kill_leader()
        env = {"CI": "true", "CIPLUG_ID_TOKEN": issuer.mint(github_claims(), audience=AUDIENCE)}
        done = ciplug("run", "--job", "test", "--", "sh", "-c", 'printf %s "$TOKEN" >got; echo "$TOKEN"', env=env)

        assert done.returncode == 0, done.stderr
        assert (tmp_path / "got").read_text() == value
        assert done.stdout == b"***\n"
        assert_no_leak(done.stdout + done.stderr, [value])
        survivor = next(address for address in cluster.addresses if address != dead)
        with Admin(survivor, cluster.token) as admin:
            roles = [admin.look_up_accessor(accessor)["path"] for accessor in admin.accessors()]
        assert "auth/jwt/login" not in roles
