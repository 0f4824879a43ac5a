"""The demo's vault: what an administrator would set up once, from values made up for this run."""

from __future__ import annotations

import secrets
from dataclasses import field
from typing import TYPE_CHECKING, Final

from ciplug.frozen import frozen
from ciplug.vault.admin import Admin
from ciplug.vault.admin_auth import JwtRole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ciplug.standins.issuer import Issuer
    from ciplug.standins.openbao import OpenBao

AUDIENCE: Final = "https://vault.acme.dev"
PRODUCTION: Final = {"ref": "refs/heads/main", "environment": "production"}
"""The claims of a job that may have production's secrets."""
TARGETS: Final = {"web": "vercel", "api": "railway", "jobs": "render"}
"""The platform of each target."""


@frozen
class DemoValues:
    """The secrets of this run; `all` is what no line of the demo may show."""

    dev_database: str = field(repr=False)
    prod_database: str = field(repr=False)
    stripe: str = field(repr=False)
    npm: str = field(repr=False)

    @classmethod
    def random(cls) -> DemoValues:
        """Values of the usual shapes, made up anew."""
        return cls(
            dev_database=f"postgres://shop:{secrets.token_hex(12)}@db.dev.acme.dev:5432/shop",
            prod_database=f"postgres://shop:{secrets.token_hex(12)}@db.acme.dev:5432/shop",
            stripe=f"sk_live_{secrets.token_hex(16)}",
            npm=f"npm_{secrets.token_hex(18)}",
        )

    @property
    def all(self) -> tuple[str, ...]:
        """Every value."""
        return (self.dev_database, self.prod_database, self.stripe, self.npm)


def set_up(bao: OpenBao, issuer: Issuer, values: DemoValues) -> None:
    """Records, a policy per job with exactly its paths, and a JWT role per job bound to its claims."""
    with Admin(bao.address, bao.root_token) as admin:
        admin.kv.write("secret", "app/dev/db", {"url": values.dev_database})
        admin.kv.write("secret", "app/prod/db", {"url": values.prod_database})
        admin.kv.write("secret", "app/prod/stripe", {"secret_key": values.stripe})
        admin.kv.write("secret", "common/npm", {"token": values.npm})
        admin.jwt.enable()
        admin.jwt.configure(bound_issuer=issuer.url, jwks_url=issuer.jwks_url)
        let_in(admin, "test", ["app/dev/db", "app/dev/sentry", "common/npm"], {})
        let_in(admin, "deploy", ["app/prod/db", "app/prod/stripe"], PRODUCTION)


def let_targets_in(bao: OpenBao, tokens: Mapping[str, str]) -> None:
    """The platforms' API tokens, by platform, and a role for each target with the right to its ledger."""
    with Admin(bao.address, bao.root_token) as admin:
        for platform, token in tokens.items():
            admin.kv.write("secret", f"platforms/{platform}", {"token": token})
        for target, platform in TARGETS.items():
            records = ["app/prod/db", "app/prod/stripe", f"platforms/{platform}"]
            kept = [f"app/prod/.ciplug/{target}", "app/prod/.ciplug/.key"]
            let_in(admin, target, records, PRODUCTION, kept=kept)


def let_in(
    admin: Admin, job: str, records: Sequence[str], claims: Mapping[str, object], *, kept: Sequence[str] = ()
) -> None:
    """Let the job of ``acme/shop`` with these claims read `records`, through the role and policy ``shop-<job>``.

    `kept` are records that it may write as well.
    """
    rules = [f'path "secret/data/{record}" {{ capabilities = ["read"] }}' for record in records]
    rules += [f'path "secret/data/{record}" {{ capabilities = ["create", "read", "update"] }}' for record in kept]
    admin.write_policy(f"shop-{job}", "\n".join(rules))
    admin.jwt.write_role(
        JwtRole(
            name=f"shop-{job}",
            bound_audiences=(AUDIENCE,),
            bound_claims={"repository": "acme/shop", **claims},
            policies=(f"shop-{job}",),
            claim_mappings={"repository": "repository", "run_id": "run_id"},
        )
    )
