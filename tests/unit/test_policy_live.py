"""A live vault that lacks what a role needs: what somebody is told to do about it."""

from __future__ import annotations

import pytest

from ciplug.errors import VaultError
from ciplug.policy.live import read_live
from ciplug.policy.model import Implied, Role
from ciplug.values import Secret
from ciplug.vault.admin import Admin
from ciplug.vault.admin_auth import JwtRole
from tests.fakes.scripted_server import ScriptedServer, answer


@pytest.mark.parametrize(("namespace", "at"), [("", ""), ("acme/ci", " -namespace=acme/ci")])
def test_a_mount_that_is_not_there_is_enabled_in_the_namespace(namespace: str, at: str) -> None:
    jwt = JwtRole(
        name="shop-test", bound_audiences=("a",), bound_claims={"iss": "https://ci.acme.dev"}, policies=("shop-test",)
    )
    implied = Implied(roles=(Role(host="jenkins", mount="jwt", policy="shop-test", jwt=jwt),))
    gone = answer(404, {"errors": ['no handler for route "auth/jwt/role/shop-test". route entry not found.']})
    with (
        ScriptedServer({"GET /v1/auth/jwt/role/shop-test": gone}) as server,
        Admin(server.url, Secret("s.x"), namespace or None) as admin,
        pytest.raises(VaultError) as caught,
    ):
        read_live(admin, implied, namespace)
    fields = "oidc_discovery_url=https://ci.acme.dev bound_issuer=https://ci.acme.dev"
    assert caught.value.hint == (f"bao auth enable{at} -path=jwt jwt && bao write{at} auth/jwt/config {fields}")
