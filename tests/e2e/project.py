"""A project of its own for each end-to-end test, on the vault of the session."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import httpx

from ciplug.errors import ManifestError, VaultError
from ciplug.manifest import load
from ciplug.policy.applying import carry_out
from ciplug.policy.deriving import derive
from ciplug.policy.live import read_live
from ciplug.policy.plan import plan

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ciplug.manifest import Manifest
    from ciplug.standins.issuer import Issuer
    from ciplug.standins.openbao import OpenBao
    from ciplug.vault.admin import Admin
    from tests.e2e.postgres import Postgres

AUDIENCE: Final = "https://vault.acme.dev"

_MANIFEST: Final = """\
version = 1

[vault]
address = "{address}"
auth_mount = "{auth_mount}"
issuer = "{issuer}"
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


_HOSTS: Final = {
    "github": "acme/shop",
    "gitlab": "acme/shop",
    "jenkins": "https://ci.acme.dev/job/shop/",
}
"""What ``[project]`` calls the project on each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """The project ``acme/shop``, with mounts and roles of its own, and its manifest in `directory`.

    Jobs: ``test`` (dev), ``deploy`` (prod) and, with the fixture `leased`, ``migrate`` (dev and a database login).
    Their roles and policies are ``shop-<job>``, and the vault has them as the manifest implies, also after a change of
    it. `values` has what the vault holds, by environment and variable.
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
        self.write(self.manifest.read_text(encoding="utf-8") + toml)

    def replace(self, old: str, new: str) -> None:
        """Change the manifest in the one place that says `old`."""
        self.replace_unapplied(old, new)
        self.apply()

    def replace_unapplied(self, old: str, new: str) -> None:
        """The same by somebody who does not run ``ciplug policy`` afterwards: the vault's rights stay as they are."""
        text = self.manifest.read_text(encoding="utf-8")
        assert text.count(old) == 1, old
        self.manifest.write_text(text.replace(old, new), encoding="utf-8")

    def write(self, text: str) -> None:
        """Make `text` the manifest, and give the vault the rights that it implies."""
        self.manifest.write_text(text, encoding="utf-8")
        self.apply()

    def apply(self) -> None:
        """Bring the vault to what the manifest implies; where that is an error, as in many a test, leave it alone.

        What a test has written by hand is not ciplug's, so it stays as well.
        """
        try:
            bring(self.admin, load(self.manifest))
        except (ManifestError, VaultError):
            return

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
    _fill(project)
    _forget_policies(project)
    trust(admin, project.auth_mount, issuer)
    project.write(
        _MANIFEST.format(
            address=bao.address,
            auth_mount=project.auth_mount,
            issuer=issuer.url,
            kv_mount=project.kv_mount,
            audience=AUDIENCE,
        )
    )
    return project


def bring(admin: Admin, manifest: Manifest) -> None:
    """The vault's policies and roles as `manifest` implies them: what ``ciplug policy --apply --yes`` writes.

    Without its look at the roles of others, of which the session's vault has those of a thousand tests.
    ``ManifestError`` where it implies nothing safe, ``VaultError`` where the vault has no such auth mount.
    """
    implied = derive(manifest)
    if implied.problems:
        raise ManifestError("\n".join(implied.problems))
    list(carry_out(admin, plan(implied, read_live(admin, implied))))


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
    for mount in (mounts["gitlab"], mounts["jenkins"]):
        trust(project.admin, mount, issuer)
    text = project.manifest.read_text(encoding="utf-8")
    for old, new in (
        (f'auth_mount = "{project.auth_mount}"', f"auth_mount = {_table(mounts)}"),
        (f'issuer = "{issuer.url}"', f"issuer = {_table(dict.fromkeys(_HOSTS, issuer.url))}"),
        ('github = "acme/shop"', "\n".join(f'{host} = "{name}"' for host, name in _HOSTS.items())),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    # One change, because there is no safe role for three hosts at one mount, or from one issuer.
    project.write(text)


def _fill(project: Project) -> None:
    project.admin.kv.mount(project.kv_mount)
    for environment, values in project.values.items():
        project.put(f"app/{environment}/db", {"url": values["DATABASE_URL"]})
    project.put("app/prod/stripe", {"secret_key": project.values["prod"]["STRIPE_SECRET_KEY"]})
    project.put("common/npm", {"token": project.values["dev"]["NPM_TOKEN"]})


def trust(admin: Admin, mount: str, issuer: Issuer) -> None:
    """Enable the JWT method at `mount` for tokens of `issuer`."""
    admin.jwt.enable(mount)
    admin.jwt.configure(mount, bound_issuer=issuer.url, jwks_url=issuer.jwks_url)


def _table(texts: Mapping[str, str]) -> str:
    """An inline table of TOML."""
    return "{ " + ", ".join(f'{key} = "{text}"' for key, text in texts.items()) + " }"


def _forget_policies(project: Project) -> None:
    """Delete what the session's vault has of the tests before, by hand or not: policies have no mount of their own."""
    headers = {"X-Vault-Token": project.bao.root_token.reveal().decode()}
    with httpx.Client(base_url=project.bao.address, headers=headers) as client:
        for name in project.admin.policies():
            if name.startswith("shop-"):
                client.delete(f"/v1/sys/policies/acl/{name}").raise_for_status()
