"""Rights made by hand, for tests of what is not theirs to give: `ciplug policy` derives them everywhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ciplug.vault.admin_auth import JwtRole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ciplug.vault.admin import Admin

AUDIENCE = "https://vault.acme.dev"


def let_in(admin: Admin, job: str, records: Sequence[str], claims: Mapping[str, object]) -> None:
    """Let the job of ``acme/shop`` with these claims read `records`, through the role and policy ``shop-<job>``."""
    rules = [f'path "secret/data/{record}" {{ capabilities = ["read"] }}' for record in records]
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
