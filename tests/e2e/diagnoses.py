"""Set-ups that are broken on purpose, and what ``ciplug doctor`` has to say of each."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from ciplug.standins.claims import github_claims
from ciplug.standins.openbao import find_bao
from ciplug.vault.admin_auth import JwtRole
from tests.e2e.outside import credentials, token_env
from tests.e2e.project import AUDIENCE
from tests.fakes.scripted_server import answer
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.standins.issuer import Issuer
    from tests.e2e.conftest import RunsCiplug
    from tests.e2e.project import Project

HEALTH: Final = "GET /v1/sys/health?standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200"

SESSION: Final = "s.a-token-of-the-test"
HELD: Final = {"url": "postgres://me:p4ssw0rd@db", "token": "npm_0123456789"}


@dataclass
class Broken:
    """A project that is about to be broken, and the environment of the job that will suffer from it."""

    project: Project
    issuer: Issuer
    env: dict[str, str] = field(default_factory=dict)

    def token(self, claims: Mapping[str, object] | None = None, **options: Any) -> None:
        """Hand over a token with these claims."""
        self.env |= token_env(self.issuer, claims or github_claims(), **options)

    def bind(self, **bound: Any) -> None:
        """Another role for the job ``test``: `bound` are its claims, or other fields of a ``JwtRole``."""
        fields = {name: bound.pop(name) for name in ("bound_audiences", "token_type", "bound_claims") if name in bound}
        role = JwtRole(
            name="shop-test",
            **(
                {
                    "bound_audiences": (AUDIENCE,),
                    "bound_claims": bound or {"repository": "acme/shop"},
                    "policies": ("shop-test",),
                }
                | fields
            ),
        )
        self.project.admin.jwt.write_role(role, self.project.auth_mount)

    def policy(self, *paths: str) -> None:
        """Another policy for that role: it may read `paths`, below the project's own mount."""
        rules = (f'path "{self.project.kv_mount}/{path}" {{ capabilities = ["read"] }}\n' for path in paths)
        self.project.admin.write_policy("shop-test", "".join(rules))


@dataclass(frozen=True)
class Expected:
    """The check that must fail first, and words of what was found and of the remedy."""

    check: str
    says: tuple[str, ...]
    remedy: tuple[str, ...]


Broke = tuple[Callable[[Broken], None], Expected]
"""What breaks the set-up, and what is to be found."""


def minted(claims: Mapping[str, object], **options: Any) -> Callable[[Broken], None]:
    return lambda broken: broken.token(github_claims() | claims, **options)


def as_operator(project: Project) -> dict[str, str]:
    """The environment of somebody who may do everything."""
    return {"VAULT_ADDR": project.bao.address, "VAULT_TOKEN": project.bao.root_token.reveal().decode()}


def paste(project: Project, command: str, stdin: str = "") -> subprocess.CompletedProcess[bytes]:
    """Run `command` as an administrator who pastes it into a shell, with what it reads."""
    search = f"{Path(find_bao(os.environ)).parent}:{os.environ['PATH']}"
    env = as_operator(project) | {"PATH": search, "HOME": str(project.directory)}
    return subprocess.run(
        ["sh", "-c", command], cwd=project.directory, env=env, input=stdin.encode(), check=True, capture_output=True
    )


def sound_vault(project: Project, **state: object) -> dict[str, Any]:
    """What a vault answers to a job that gets all of its secrets."""
    records = [f"{project.kv_mount}/data/{path}" for path in ("app/dev/db", "common/npm")]
    session = {"client_token": SESSION, "lease_duration": 60, "token_type": "service"}
    content = answer(200, {"data": {"data": HELD, "metadata": {"version": 1}}})
    health = {"initialized": True, "sealed": False, "standby": False, "version": "2.7.2"} | state
    mount = f"GET /v1/sys/internal/ui/mounts/{project.kv_mount}"
    return {
        HEALTH: answer(200, health),
        f"POST /v1/auth/{project.auth_mount}/login": answer(200, {"auth": session}),
        mount: answer(200, {"data": {"type": "kv", "options": {"version": "2"}}}),
        "POST /v1/sys/capabilities-self": answer(200, {"data": {path: ["read"] for path in records}}),
        **{f"GET /v1/{path}": content for path in records},
        "POST /v1/auth/token/revoke-self": answer(204),
    }


def checks(done: subprocess.CompletedProcess[bytes], state: str = "") -> list[dict[str, str]]:
    """What the doctor found, of `state` if one is given, in an output without a token and without a bug."""
    assert b"eyJ" not in done.stdout + done.stderr
    assert b"Traceback" not in done.stderr
    assert done.stdout, done.stderr
    document = json.loads(done.stdout)
    assert document["format"] == 1
    return [check for check in document["checks"] if state in {"", check["state"]}]


def assert_cause(broken: Broken, breaks: Broke, ciplug: RunsCiplug) -> None:
    """Break it: the one ✗ is what is expected, and no token is left."""
    break_it, expected = breaks
    broken.token()
    break_it(broken)
    accessors = set(broken.project.admin.accessors())
    assert_diagnosed(ciplug("doctor", "--format", "json", env=broken.env), expected, broken)
    assert set(broken.project.admin.accessors()) <= accessors


def assert_diagnosed(done: subprocess.CompletedProcess[bytes], expected: Expected, broken: Broken) -> None:
    """The one ✗ is what is expected; nothing of the token is shown."""
    assert done.returncode == 20, done.stdout + done.stderr
    failed = checks(done, "failed")
    assert [check["check"] for check in failed] == [expected.check], failed
    assert not [word for word in expected.says if word not in failed[0]["text"]], failed
    assert not [word for word in expected.remedy if word not in failed[0]["remedy"]], failed
    assert_no_leak(done.stdout + done.stderr, credentials(broken.project, broken.env))
