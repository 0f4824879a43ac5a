"""A vault that grants nothing yet, and a manifest: the setting of the tests of what ``ciplug policy`` does live."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import httpx

from ciplug.vault.admin_auth import JwtRole
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ciplug.standins.issuer import Issuer
    from ciplug.standins.openbao import OpenBao
    from ciplug.vault.admin import Admin
    from tests.e2e.conftest import RunsCiplug

AUDIENCE: Final = "https://vault.acme.dev"

MANIFEST: Final = """\
version = 1

[vault]
address = "{address}"
auth_mount = "{mount}"
audience = "{audience}"
kv_mount = "{kv}"
issuer = "{issuer}"
{namespace}
[project]
github = "acme/{name}"

[environments.dev]
path = "app/dev"

[environments.prod]
path = "app/prod"
only_if = {{ ref = ["refs/heads/main", "refs/heads/next"] }}

[secrets.DATABASE_URL]
ref = "db#url"

[jobs.test]
environment = "dev"
secrets = ["DATABASE_URL"]

[jobs.deploy]
environment = "prod"
secrets = ["DATABASE_URL"]
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A vault that grants nothing yet, and a manifest that implies the roles ``<name>-test`` and ``<name>-deploy``."""

    directory: Path
    bao: OpenBao
    admin: Admin
    runs: RunsCiplug
    name: str
    mount: str
    kv: str
    issuer: Issuer
    namespace: str = ""

    @property
    def test(self) -> str:
        return f"{self.name}-test"

    @property
    def deploy(self) -> str:
        return f"{self.name}-deploy"

    @property
    def manifest(self) -> Path:
        return self.directory / "ciplug.toml"

    def write_manifest(self) -> None:
        namespace = f'namespace = "{self.namespace}"\n' if self.namespace else ""
        self.manifest.write_text(
            MANIFEST.format(
                address=self.bao.address,
                mount=self.mount,
                audience=AUDIENCE,
                kv=self.kv,
                issuer=self.issuer.url,
                name=self.name,
                namespace=namespace,
            ),
            encoding="utf-8",
        )

    def change_manifest(self, old: str, new: str) -> None:
        text = self.manifest.read_text(encoding="utf-8")
        assert old in text
        self.manifest.write_text(text.replace(old, new), encoding="utf-8")

    def trust(self) -> None:
        self.admin.jwt.enable(self.mount)
        self.admin.jwt.configure(self.mount, bound_issuer=self.issuer.url, jwks_url=self.issuer.jwks_url)

    def policy(self, *args: str, token: str = "", env: Mapping[str, str] | None = None) -> Ran:
        """``ciplug policy``, by default as somebody who may do anything."""
        known = token or self.bao.root_token.reveal().decode()
        ran = self.runs("policy", *args, env={"VAULT_TOKEN": known} if env is None else env)
        assert_no_leak(ran.stdout + ran.stderr, [known, self.bao.root_token.reveal()])
        return Ran(status=ran.returncode, out=ran.stdout.decode(), err=ran.stderr.decode())

    def applied(self) -> None:
        ran = self.policy("--apply", "--yes")
        assert ran.status == 0, ran

    def ask(self, method: str, path: str, body: object = None) -> Any:
        headers = {"X-Vault-Token": self.bao.root_token.reveal().decode(), "X-Vault-Namespace": self.namespace}
        answer = httpx.request(method, f"{self.bao.address}/v1/{path}", json=body, headers=headers).raise_for_status()
        return answer.json()["data"] if answer.content else None

    def write_role(self, name: str, *policies: str, **claims: object) -> None:
        """A role that somebody made by hand, for tokens with `claims`."""
        role = JwtRole(name=name, bound_audiences=(AUDIENCE,), bound_claims=claims, policies=policies)
        self.admin.jwt.write_role(role, self.mount)

    def change_role(self, **fields: object) -> None:
        """What somebody with the web interface does to the role of the job ``deploy``."""
        self.ask("POST", f"auth/{self.mount}/role/{self.deploy}", self.role() | fields)

    def role(self) -> dict[str, Any]:
        found: dict[str, Any] = self.ask("GET", f"auth/{self.mount}/role/{self.deploy}")
        return found

    def change_policy(self, old: str, new: str) -> None:
        path = f"sys/policies/acl/{self.deploy}"
        text = self.ask("GET", path)["policy"]
        assert old in text
        self.ask("PUT", path, {"policy": text.replace(old, new)})

    def writes_since(self, mark: int) -> list[str]:
        """The paths of every request since that was not one to look."""
        records = [record["request"] for record in self.bao.requests_since(mark)]
        return [one["path"] for one in records if one["operation"] in {"create", "update", "delete", "patch"}]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    status: int
    out: str
    err: str


def new_setting(directory: Path, bao: OpenBao, admin: Admin, issuer: Issuer, runs: RunsCiplug) -> Setting:
    """A setting of names that no other has, on `bao`, whose mount trusts `issuer`."""
    unique = secrets.token_hex(4)
    setting = Setting(
        directory=directory,
        bao=bao,
        admin=admin,
        runs=runs,
        name=f"s{unique}",
        mount=f"jwt-{unique}",
        kv=f"kv-{unique}",
        issuer=issuer,
    )
    setting.write_manifest()
    admin.kv.mount(setting.kv)
    for environment in ("dev", "prod"):
        admin.kv.write(setting.kv, f"app/{environment}/db", {"url": f"{environment}-{unique}"})
    setting.trust()
    return setting
