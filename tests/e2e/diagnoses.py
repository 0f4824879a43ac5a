"""Set-ups that are broken on purpose, and what ``ciplug doctor`` has to say of each."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ciplug.standins.claims import github_claims
from ciplug.vault.admin_auth import JwtRole
from tests.e2e.outside import credentials, token_env
from tests.e2e.project import AUDIENCE
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

    from ciplug.standins.issuer import Issuer
    from tests.e2e.conftest import RunsCiplug
    from tests.e2e.project import Project

HEALTH: Final = "GET /v1/sys/health?standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200"


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


def checks(done: subprocess.CompletedProcess[bytes], state: str = "") -> list[dict[str, str]]:
    """What the doctor found, of `state` if one is given, in an output without a token and without a bug."""
    assert b"eyJ" not in done.stdout + done.stderr
    assert b"Traceback" not in done.stderr
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
