"""A project of its own for each end-to-end test, on the vault of the session."""

from __future__ import annotations

import os
import secrets
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

from ciplug.standins.openbao import OpenBao
from ciplug.vault.admin import Admin
from ciplug.vault.admin_auth import JwtRole

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ciplug.standins.issuer import Issuer
    from tests.e2e.postgres import Postgres

AUDIENCE: Final = "https://vault.acme.dev"

_MANIFEST: Final = """\
version = 1

[vault]
address = "{address}"
auth_mount = "{auth_mount}"
audience = "{audience}"
kv_mount = "{kv_mount}"
shared = ["common"]

[project]
github = "acme/shop"

[environments.dev]
path = "app/dev"

[environments.prod]
path = "app/prod"
only_if = {{ ref = ["refs/heads/main"], environment = ["production"] }}

[secrets.DATABASE_URL]
ref = "db#url"
owner = "payments"

[secrets.STRIPE_SECRET_KEY]
ref = "stripe#secret_key"
environments = ["prod"]

[secrets.NPM_TOKEN]
ref = "//common/npm#token"

[jobs.test]
environment = "dev"
secrets = ["DATABASE_URL", "NPM_TOKEN"]

[jobs.deploy]
environment = "prod"
secrets = ["DATABASE_URL", "NPM_TOKEN", "STRIPE_SECRET_KEY"]
"""

_LEASED_JOB: Final = """
[secrets.PG_USER]
ref = "{mount}:creds/web#username"

[secrets.PG_PASSWORD]
ref = "{mount}:creds/web#password"

[jobs.migrate]
environment = "dev"
secrets = ["DATABASE_URL", "PG_USER", "PG_PASSWORD"]
"""


_EXAMPLE_JOBS: Final = {
    "jwt": {"repository": "acme/shop"},
    "jwt-gitlab": {"project_path": "acme/shop"},
    "jwt-jenkins": {"sub": "https://ci.acme.dev/job/shop/"},
}
"""Whose jobs may log in, by auth mount."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """The project ``acme/shop``, with mounts, policies and roles of its own, and its manifest in `directory`.

    Jobs: ``test`` (dev), ``deploy`` (prod) and, with the fixture `leased`, ``migrate`` (dev and a database login).
    Their roles are ``shop-<job>``. `values` has what the vault holds, by environment and variable.
    """

    directory: Path
    bao: OpenBao
    admin: Admin
    auth_mount: str
    kv_mount: str
    database_mount: str
    values: Mapping[str, Mapping[str, str]]

    @property
    def manifest(self) -> Path:
        return self.directory / "ciplug.toml"

    def append(self, toml: str) -> None:
        """Add to the manifest."""
        with self.manifest.open("a", encoding="utf-8") as file:
            file.write(toml)

    def replace(self, old: str, new: str) -> None:
        """Change the manifest in the one place that says `old`."""
        text = self.manifest.read_text(encoding="utf-8")
        assert text.count(old) == 1, old
        self.manifest.write_text(text.replace(old, new), encoding="utf-8")

    def put(self, path: str, data: Mapping[str, object]) -> int:
        """Write a record below the project's own mount; its new version."""
        return self.admin.kv.write(self.kv_mount, path, data)

    def logins_since(self, mark: int) -> int:
        """How many logins the project's jobs have tried since `mark`."""
        return len(self.bao.requests_since(mark, path=f"auth/{self.auth_mount}/login"))


def new_project(directory: Path, bao: OpenBao, admin: Admin, issuer: Issuer) -> Project:
    """The project with its manifest written, its records in the vault and its jobs' roles in place."""
    unique = secrets.token_hex(4)
    npm = f"npm_{secrets.token_hex(12)}"
    project = Project(
        directory=directory,
        bao=bao,
        admin=admin,
        auth_mount=f"jwt-{unique}",
        kv_mount=f"kv-{unique}",
        database_mount=f"db-{unique}",
        values={
            "dev": {"DATABASE_URL": f"postgres://dev:{secrets.token_hex(8)}@db.dev/shop", "NPM_TOKEN": npm},
            "prod": {
                "DATABASE_URL": f"postgres://prod:{secrets.token_hex(8)}@db.prod/shop",
                "NPM_TOKEN": npm,
                "STRIPE_SECRET_KEY": f"sk_live_{secrets.token_hex(12)}",
            },
        },
    )
    _write_manifest(project)
    _fill(project)
    production = {"ref": "refs/heads/main", "environment": "production"}
    _let_in(project, issuer, project.auth_mount, {"repository": "acme/shop"}, production)
    return project


def lease_logins(project: Project, postgres: Postgres) -> None:
    """Give the project a database engine, and the job ``migrate`` that reads a login from it."""
    database, mount = project.admin.database, project.database_mount
    database.mount(mount)
    database.connect_postgresql(
        mount,
        "shop",
        server=postgres.server,
        username=postgres.username,
        password=postgres.password,
        sslmode="disable",
    )
    database.write_role(mount, "web", connection="shop")
    project.append(_LEASED_JOB.format(mount=mount))


def open_to_every_host(project: Project, issuer: Issuer) -> None:
    """Let jobs on GitLab CI and Jenkins in as well, each through an auth mount of its own, as their issuers need."""
    mounts = {"github": project.auth_mount} | {host: f"{project.auth_mount}-{host}" for host in ("gitlab", "jenkins")}
    table = ", ".join(f'{host} = "{mount}"' for host, mount in mounts.items())
    project.replace(f'auth_mount = "{project.auth_mount}"', f"auth_mount = {{ {table} }}")
    production = {"ref": "main", "environment": "production"}
    _let_in(project, issuer, mounts["gitlab"], {"project_path": "acme/shop"}, production)
    _let_in(project, issuer, mounts["jenkins"], {"sub": "https://ci.acme.dev/job/shop/"}, {})


class ExampleVault(NamedTuple):
    """A vault of its own with what ``examples/ciplug.toml`` refers to; `values` by variable."""

    bao: OpenBao
    admin: Admin
    values: Mapping[str, str]


@contextmanager
def example_vault(issuer: Issuer) -> Iterator[ExampleVault]:
    """The vault of the examples: it has the engine ``secret`` already, and the examples' auth mounts, for `issuer`."""
    values = {"DATABASE_URL": f"postgres://shop:{secrets.token_hex(8)}@db/shop", "NPM_TOKEN": secrets.token_hex(12)}
    with OpenBao(os.environ) as bao, Admin(bao.address, bao.root_token) as admin:
        admin.kv.write("secret", "app/dev/db", {"url": values["DATABASE_URL"]})
        admin.kv.write("secret", "common/npm", {"token": values["NPM_TOKEN"]})
        paths = ("app/dev/db", "common/npm")
        rules = (f'path "secret/data/{path}" {{ capabilities = ["read"] }}\n' for path in paths)
        admin.write_policy("shop-test", "".join(rules))
        for mount, bound in _EXAMPLE_JOBS.items():
            admin.jwt.enable(mount)
            admin.jwt.configure(mount, bound_issuer=issuer.url, jwks_url=issuer.jwks_url)
            role = JwtRole(name="shop-test", bound_audiences=(AUDIENCE,), bound_claims=bound, policies=("shop-test",))
            admin.jwt.write_role(role, mount)
        yield ExampleVault(bao, admin, values)


def _write_manifest(project: Project) -> None:
    text = _MANIFEST.format(
        address=project.bao.address, auth_mount=project.auth_mount, kv_mount=project.kv_mount, audience=AUDIENCE
    )
    project.manifest.write_text(text, encoding="utf-8")


def _fill(project: Project) -> None:
    project.admin.kv.mount(project.kv_mount)
    for environment, values in project.values.items():
        project.put(f"app/{environment}/db", {"url": values["DATABASE_URL"]})
    project.put("app/prod/stripe", {"secret_key": project.values["prod"]["STRIPE_SECRET_KEY"]})
    project.put("common/npm", {"token": project.values["dev"]["NPM_TOKEN"]})


def _let_in(
    project: Project, issuer: Issuer, mount: str, bound: Mapping[str, str], production: Mapping[str, str]
) -> None:
    """Roles for the three jobs, each with a policy of its own that reads one environment."""
    jwt = project.admin.jwt
    jwt.enable(mount)
    jwt.configure(mount, bound_issuer=issuer.url, jwks_url=issuer.jwks_url)
    for job, environment, more in (("test", "dev", {}), ("deploy", "prod", production), ("migrate", "dev", {})):
        policy = f"{mount}-{job}"
        readable = [f"{project.kv_mount}/data/app/{environment}/*", f"{project.kv_mount}/data/common/*"]
        if job == "migrate":
            readable.append(f"{project.database_mount}/creds/web")
        rules = (f'path "{path}" {{ capabilities = ["read"] }}\n' for path in readable)
        project.admin.write_policy(policy, "".join(rules))
        role = JwtRole(
            name=f"shop-{job}",
            bound_audiences=(AUDIENCE,),
            bound_claims={**bound, **more},
            policies=(policy,),
            claim_mappings={name: name for name in (*bound, "run_id")},
        )
        jwt.write_role(role, mount)
