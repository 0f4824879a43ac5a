"""The demo's vault: what an administrator would set up once, from values made up for this run."""

from __future__ import annotations

import secrets
from dataclasses import field
from typing import TYPE_CHECKING, Final

from ciplug.frozen import frozen
from ciplug.vault.admin import Admin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.standins.issuer import Issuer
    from ciplug.standins.openbao import OpenBao

AUDIENCE: Final = "https://vault.acme.dev"
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


def set_up(bao: OpenBao, issuer: Issuer, values: DemoValues, tokens: Mapping[str, str]) -> None:
    """The records, with the platforms' API `tokens` among them, and an auth method that trusts `issuer`.

    No rights: those follow from the manifest.
    """
    records = {
        "app/dev/db": {"url": values.dev_database},
        "app/prod/db": {"url": values.prod_database},
        "app/prod/stripe": {"secret_key": values.stripe},
        "common/npm": {"token": values.npm},
        **{f"platforms/{platform}": {"token": token} for platform, token in tokens.items()},
    }
    with Admin(bao.address, bao.root_token) as admin:
        for path, data in records.items():
            admin.kv.write("secret", path, data)
        admin.jwt.enable()
        admin.jwt.configure(bound_issuer=issuer.url, jwks_url=issuer.jwks_url)
