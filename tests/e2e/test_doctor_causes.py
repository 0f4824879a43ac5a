"""Every usual way to break a set-up: ``ciplug doctor`` names the one cause first, with what to do about it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from ciplug.standins.claims import github_claims, gitlab_claims, jenkins_claims
from ciplug.standins.issuer import Issuer
from ciplug.standins.openbao import OpenBao, find_bao
from ciplug.vault.admin import Admin
from ciplug.vault.admin_auth import JwtRole
from tests.e2e.outside import credentials, token_env
from tests.e2e.project import AUDIENCE, new_project
from tests.fakes.scripted_server import Certificates, ForwardProxy, ScriptedServer, answer, html
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.e2e.conftest import RunsCiplug
    from tests.e2e.project import Project

HEALTH = "GET /v1/sys/health?standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200"


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
class Cause:
    """How the set-up is broken, the check that must fail first, and words of what was found and of the remedy."""

    break_it: Callable[[Broken], None]
    check: str
    says: tuple[str, ...]
    remedy: tuple[str, ...]


def minted(claims: Mapping[str, object], **options: Any) -> Callable[[Broken], None]:
    return lambda broken: broken.token(github_claims() | claims, **options)


def in_manifest(old: str, new: str) -> Callable[[Broken], None]:
    return lambda broken: broken.project.replace_unapplied(old, new)


def bound(**fields: Any) -> Callable[[Broken], None]:
    return lambda broken: broken.bind(**fields)


def another_issuer(broken: Broken) -> None:
    project = broken.project
    project.admin.jwt.configure(
        project.auth_mount, bound_issuer="https://token.elsewhere.dev", jwks_url=broken.issuer.jwks_url
    )


def keys_out_of_reach(broken: Broken) -> None:
    with Issuer() as other:
        project = broken.project
        project.admin.jwt.configure(project.auth_mount, bound_issuer=broken.issuer.url, jwks_url=other.jwks_url)


def signed_by_a_stranger(broken: Broken) -> None:
    with Issuer() as other:
        kid = json.loads(_unpadded(broken.env["CIPLUG_ID_TOKEN"]))["kid"]
        claims = github_claims() | {"iss": broken.issuer.url}
        broken.env |= token_env(other, claims, headers={"kid": kid})


def _unpadded(token: str) -> bytes:
    from base64 import urlsafe_b64decode

    head = token.partition(".")[0]
    return urlsafe_b64decode(head + "=" * (-len(head) % 4))


def a_fork(broken: Broken) -> None:
    broken.project.replace_unapplied('github = "acme/shop"', 'github = "acme/shop"\ngithub_id = 74')
    broken.token(github_claims("stranger/shop", repository_id="9000"))


def renamed(broken: Broken) -> None:
    broken.project.replace_unapplied('github = "acme/shop"', 'github = "acme/shop"\ngithub_id = 74')
    broken.token(github_claims("acme/store"))


def without_permission(broken: Broken) -> None:
    broken.env.clear()
    broken.env |= {"CI": "true", "GITHUB_ACTIONS": "true", "CIPLUG_JOB": "test"}


def without_id_tokens(broken: Broken) -> None:
    broken.env.clear()
    broken.env |= {"CI": "true", "GITLAB_CI": "true", "CIPLUG_JOB": "test"}


def a_boolean_of_gitlab(broken: Broken) -> None:
    broken.bind(project_path="acme/shop", ref_protected=True)
    broken.token(gitlab_claims())


def production_on_a_branch(broken: Broken) -> None:
    broken.token(github_claims(ref="refs/heads/feature", environment="production"))
    broken.env["CIPLUG_JOB"] = "deploy"


def one_record_less(broken: Broken) -> None:
    broken.policy("data/app/dev/*")


def read_as_version_1(broken: Broken) -> None:
    broken.project.replace('shared = ["common"]', 'kv_version = 1\nshared = ["common"]')


def read_as_version_2(broken: Broken) -> None:
    project, mount = broken.project, f"old-{broken.project.kv_mount}"
    project.admin.kv.mount(mount, version=1)
    project.admin.kv.write_v1(mount, "app/dev/db", {"url": "an old value"})
    project.replace(f'kv_mount = "{project.kv_mount}"', f'kv_mount = "{mount}"')


def no_record(broken: Broken) -> None:
    broken.project.replace('ref = "db#url"', 'ref = "database#url"')


def no_field(broken: Broken) -> None:
    broken.project.put("app/dev/db", {"uri": "x"})


def nothing_there(broken: Broken) -> None:
    broken.env |= {"VAULT_ADDR": "http://127.0.0.1:1", "CIPLUG_DEADLINE": "1"}


def a_batch_role(broken: Broken) -> None:
    broken.project.append('\n[secrets.PG_USER]\nref = "database:creds/web#username"\n')
    broken.project.replace('secrets = ["DATABASE_URL", "NPM_TOKEN"]\n', 'secrets = ["DATABASE_URL", "PG_USER"]\n')
    broken.bind(token_type="batch")


def a_pull_request_of_a_fork(broken: Broken) -> None:
    repositories = {"head": {"repo": {"full_name": "stranger/shop"}}, "base": {"repo": {"full_name": "acme/shop"}}}
    event = broken.project.directory / "event.json"
    event.write_text(json.dumps({"pull_request": repositories}))
    without_permission(broken)
    broken.env |= {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(event)}


def a_gitlab_token_for_somebody_else(broken: Broken) -> None:
    token = broken.issuer.mint(gitlab_claims(), audience="https://elsewhere.dev")
    without_id_tokens(broken)
    broken.env["VAULT_ID_TOKEN"] = token


def a_jenkins_token_for_somebody_else(broken: Broken) -> None:
    token = broken.issuer.mint(jenkins_claims(audience="https://elsewhere.dev"), audience=AUDIENCE)
    without_a_binding(broken)
    broken.env["VAULT_ID_TOKEN"] = token


def without_a_binding(broken: Broken) -> None:
    broken.env.clear()
    broken.env |= {"JENKINS_URL": "https://ci.acme.dev/", "BUILD_NUMBER": "42", "CIPLUG_JOB": "test"}


def a_person_in_production(broken: Broken) -> None:
    broken.env.clear()
    broken.env |= {"VAULT_TOKEN": broken.project.bao.root_token.reveal().decode(), "CIPLUG_JOB": "deploy"}


def another_machine(broken: Broken) -> None:
    role = f"auth/{broken.project.auth_mount}/role/shop-test"
    admin = {"BAO_ADDR": broken.project.bao.address, "BAO_TOKEN": broken.project.bao.root_token.reveal().decode()}
    fields = ("role_type=jwt", "user_claim=sub", "token_bound_cidrs=203.0.113.7/32")
    subprocess.run([find_bao(os.environ), "write", role, *fields], env=admin, check=True, capture_output=True)


def another_machine_as_seen_by_an_operator(broken: Broken) -> None:
    another_machine(broken)
    broken.env["VAULT_TOKEN"] = broken.project.bao.root_token.reveal().decode()


def issued_by_a_stranger(broken: Broken) -> None:
    with Issuer() as other:
        broken.env |= token_env(other, github_claims())


def a_mount_that_trusts_nobody_yet(broken: Broken) -> None:
    mount = broken.project.auth_mount
    broken.project.admin.jwt.enable(f"new-{mount}")
    broken.project.replace(f'auth_mount = "{mount}"', f'auth_mount = "new-{mount}"')


AHEAD = 400
"""Seconds; the vault forgives 60."""

CAUSES: dict[str, Cause] = {
    "wrong audience of the token": Cause(
        minted({}, audience="https://elsewhere.dev"), "audience", ("https://elsewhere.dev", AUDIENCE), (AUDIENCE,)
    ),
    "wrong audience of the role": Cause(
        bound(bound_audiences=("https://elsewhere.dev",)),
        "claim aud",
        ("audience", f'the token has aud "{AUDIENCE}"'),
        ("bao write auth/", "role/shop-test", f"bound_audiences={AUDIENCE}"),
    ),
    "wrong issuer at the mount": Cause(
        another_issuer, "claim iss", ("issuer", "the token has iss"), ("bao write auth/", "bound_issuer=http://127")
    ),
    "no permission": Cause(
        without_permission, "identity", ("ACTIONS_ID_TOKEN_REQUEST_URL is not",), ("permissions:\n  id-token: write",)
    ),
    "no id_tokens": Cause(
        without_id_tokens, "identity", ("VAULT_ID_TOKEN",), (f"id_tokens:\n  VAULT_ID_TOKEN:\n    aud: {AUDIENCE}",)
    ),
    "no binding": Cause(
        without_a_binding, "identity", ("JENKINS_URL is set",), ("withCredentials([string(", "VAULT_ID_TOKEN')]) { … }")
    ),
    "wrong audience on GitLab CI": Cause(
        a_gitlab_token_for_somebody_else,
        "audience",
        ("https://elsewhere.dev", AUDIENCE),
        (f"id_tokens:\n  VAULT_ID_TOKEN:\n    aud: {AUDIENCE}",),
    ),
    "wrong audience on Jenkins": Cause(
        a_jenkins_token_for_somebody_else, "audience", ("https://elsewhere.dev",), ("credential in Jenkins", AUDIENCE)
    ),
    "pull request of a fork": Cause(
        a_pull_request_of_a_fork, "identity", ("from the fork stranger/shop",), ("after the merge",)
    ),
    "pull_request_target": Cause(
        minted({"event_name": "pull_request_target"}),
        "only_if",
        ("runs on pull_request_target",),
        ('event_name = ["pull_request_target"]',),
    ),
    "a person in an environment for jobs": Cause(
        a_person_in_production, "only_if", ("limited to CI jobs",), ("another environment",)
    ),
    "no token that is one": Cause(
        lambda broken: broken.env.update(CIPLUG_ID_TOKEN="a.b.c"), "identity", ("not an ID token",), ("the JWT itself",)
    ),
    "renamed repository": Cause(
        renamed,
        "claim repository",
        ('"acme/store"', 'project.github wants "acme/shop"'),
        ("renamed", 'github = "acme/store"', "ciplug policy --apply"),
    ),
    "fork": Cause(
        a_fork,
        "claim repository",
        ('"stranger/shop"', 'project.github wants "acme/shop"'),
        ("a fork perhaps", "[project]"),
    ),
    "expired token": Cause(minted({}, lifetime=-AHEAD), "expiry", ("expired", " s ago"), ("fresh token",)),
    "clock behind: nbf": Cause(
        minted({"nbf": int(time.time()) + 3600, "exp": int(time.time()) + 7200}),
        "clock",
        ("(nbf)", "from now", "clock and this machine's agree"),
        ("timedatectl",),
    ),
    "clock behind: iat": Cause(
        minted({"iat": int(time.time()) + 3600, "exp": int(time.time()) + 7200}),
        "clock",
        ("(iat)", "the token has iat", "from now"),
        ("timedatectl",),
    ),
    "clock behind: iat alone": Cause(
        minted({"iat": int(time.time()) + 3600, "nbf": None, "exp": int(time.time()) + 7200}),
        "clock",
        ("(nbf)", "the token has iat", "from now"),
        ("timedatectl",),
    ),
    "wrong auth mount": Cause(
        in_manifest('auth_mount = "', 'auth_mount = "no-'),
        "auth mount",
        ("there is no auth method at auth/no-jwt-",),
        ("vault.auth_mount", "bao auth list", "bao auth enable -path=no-jwt-"),
    ),
    "no mount for this host": Cause(
        lambda broken: broken.project.replace(
            f'auth_mount = "{broken.project.auth_mount}"', f'auth_mount = {{ gitlab = "{broken.project.auth_mount}" }}'
        ),
        "auth mount",
        ("vault.auth_mount names no mount",),
        ('"MOUNT"',),
    ),
    "wrong namespace": Cause(
        lambda broken: broken.env.update(VAULT_NAMESPACE="nowhere"),
        "namespace",
        ('namespace "nowhere"',),
        ("vault.namespace",),
    ),
    "another machine's role": Cause(
        another_machine, "login", ("without a reason",), ("token_bound_cidrs", "role/shop-test", "entity")
    ),
    "another machine's role, which one may read": Cause(
        another_machine_as_seen_by_an_operator, "role", ("203.0.113.7",), ("token_bound_cidrs", "role/shop-test")
    ),
    "token of a stranger's issuer": Cause(
        issued_by_a_stranger, "signature", ("signature",), ("not from your CI host's issuer", "http://127.0.0.1:")
    ),
    "a time that no clock shows": Cause(
        minted({"iat": 10**400}), "claim iat", ("is no time",), ("from the CI host itself",)
    ),
    "mount without a configuration": Cause(
        a_mount_that_trusts_nobody_yet,
        "auth mount",
        ("could not load configuration",),
        ("bao write auth/new-jwt-", "/config oidc_discovery_url=http://127", "bound_issuer=http://127"),
    ),
    "role missing": Cause(
        in_manifest("[jobs.test]\n", '[jobs.test]\nrole = "nope"\n'),
        "role",
        ('role "nope" could not be found',),
        ("ciplug policy --apply", "bao list auth/"),
    ),
    "claim of the wrong type": Cause(
        a_boolean_of_gitlab,
        "claim ref_protected",
        ('the token has ref_protected "true"',),
        ('the string "true"', '{ "ref_protected": "true" }'),
    ),
    "claim missing": Cause(
        bound(environment="production"),
        "claim environment",
        ('claim "environment" is missing', "no claim environment"),
        ("environment: production",),
    ),
    "claim of another value": Cause(
        bound(ref="refs/heads/release"),
        "claim ref",
        ('the token has ref "refs/heads/main"',),
        ("run the job where the claim holds", "shop-test"),
    ),
    "only_if not met": Cause(
        production_on_a_branch,
        "only_if",
        ('claim ref is "refs/heads/feature"', 'only_if wants "refs/heads/main"'),
        ("run the job where the claim holds", "environments.prod.only_if"),
    ),
    "policy without one record": Cause(
        one_record_less, "rights", ("common/npm",), ("role shop-test", '/data/common/npm" { capabilities = ["read"] }')
    ),
    "record missing": Cause(
        no_record,
        "secrets",
        ("DATABASE_URL", "app/dev/database does not exist"),
        ("ask payments", "bao kv put -mount=kv-", "app/dev/database url=-"),
    ),
    "field missing": Cause(
        no_field, "secrets", ("no field url", "did you mean 'uri'"), ("bao kv patch -mount=kv-", "app/dev/db url=-")
    ),
    "connection refused": Cause(nothing_there, "vault", ("127.0.0.1:1", "refused"), ("curl -v", "sys/health")),
    "a host that nobody knows": Cause(
        lambda broken: broken.env.update(VAULT_ADDR="https://vault.invalid:8200", CIPLUG_DEADLINE="1"),
        "vault",
        ("vault.invalid", "cannot be resolved"),
        ("vault.address",),
    ),
    "keys that the vault cannot fetch": Cause(
        keys_out_of_reach, "issuer keys", ("fetching keys",), ("cannot reach the issuer's keys", "egress, proxy or CA")
    ),
    "signed by a stranger": Cause(
        signed_by_a_stranger, "signature", ("is not by the key",), ("from the CI host itself",)
    ),
    "batch role with a leased secret": Cause(
        a_batch_role, "lease", ("batch", "database/creds/web"), ("token_type=service", "role/shop-test")
    ),
    "version 2 read as version 1": Cause(
        read_as_version_1, "engine", ("is KV version 2", "as version 1"), ("vault.kv_version = 2",)
    ),
    "version 1 read as version 2": Cause(
        read_as_version_2, "engine", ("is KV version 1", "as version 2"), ("vault.kv_version = 1",)
    ),
}


@pytest.mark.parametrize("name", CAUSES)
def test_the_one_cause_comes_first_with_its_remedy(
    name: str, project: Project, issuer: Issuer, ciplug: RunsCiplug
) -> None:
    cause, broken = CAUSES[name], Broken(project, issuer)
    broken.token()
    cause.break_it(broken)
    accessors = set(project.admin.accessors())
    assert_diagnosed(ciplug("doctor", "--format", "json", env=broken.env), cause, broken)
    assert set(project.admin.accessors()) <= accessors or name == "batch role with a leased secret"


def assert_diagnosed(done: subprocess.CompletedProcess[bytes], cause: Cause, broken: Broken) -> None:
    """The one ✗ is the cause's; nothing of the token is shown."""
    assert done.returncode == 20, done.stdout + done.stderr
    failed = [finding for finding in json.loads(done.stdout) if finding["state"] == "failed"]
    assert [finding["check"] for finding in failed] == [cause.check], failed
    assert not [word for word in cause.says if word not in failed[0]["text"]], failed
    assert not [word for word in cause.remedy if word not in failed[0]["remedy"]], failed
    assert b"eyJ" not in done.stdout + done.stderr
    assert_no_leak(done.stdout + done.stderr, credentials(broken.project, broken.env))


def test_keys_at_the_mount_that_are_others(project: Project, issuer: Issuer, ciplug: RunsCiplug) -> None:
    broken = Broken(project, issuer)
    broken.token()
    with Issuer() as other:
        project.admin.jwt.configure(project.auth_mount, bound_issuer=issuer.url, jwks_url=other.jwks_url)
        done = ciplug("doctor", "--format", "json", env=broken.env)
    words = (
        "trusts other keys",
        "replaces the configuration of this mount for everybody",
        "oidc_discovery_url=http://",
    )
    assert_diagnosed(done, Cause(lambda _broken: None, "signature", ("signature",), words), broken)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Iterator[Project]:
    with OpenBao(os.environ) as own, Admin(own.address, own.root_token) as admin:
        project = new_project(tmp_path_factory.mktemp("sealed"), own, admin, issuer)
        admin.seal()
        yield project


def test_sealed(sealed: Project, issuer: Issuer, ciplug: RunsCiplug) -> None:
    broken = Broken(sealed, issuer)
    broken.token()
    cause = Cause(lambda _broken: None, "vault", ("is sealed",), ("bao operator unseal",))
    assert_diagnosed(ciplug("doctor", "--format", "json", env=broken.env, cwd=sealed.directory), cause, broken)


def test_tls_with_an_unknown_authority(project: Project, issuer: Issuer, ciplug: RunsCiplug) -> None:
    broken = Broken(project, issuer, {"VAULT_ADDR": project.bao.tls_address})
    broken.token()
    cause = Cause(
        lambda _broken: None, "tls", ("unknown", "issuer"), ("VAULT_CACERT", "openssl s_client -connect 127.0.0.1:")
    )
    assert_diagnosed(ciplug("doctor", "--format", "json", env=broken.env), cause, broken)


def test_tls_for_another_name(project: Project, issuer: Issuer, ciplug: RunsCiplug, tmp_path: Path) -> None:
    authority = Certificates(tmp_path)
    with ScriptedServer({}, authority.server("elsewhere.acme.test")) as server:
        broken = Broken(project, issuer, {"VAULT_ADDR": server.url, "VAULT_CACERT": str(authority.ca_file)})
        broken.token()
        done = ciplug("doctor", "--format", "json", env=broken.env)
    cause = Cause(lambda _broken: None, "tls", ("another IP address",), ("VAULT_TLS_SERVER_NAME",))
    assert_diagnosed(done, cause, broken)


def test_a_proxy_that_refuses(project: Project, issuer: Issuer, ciplug: RunsCiplug) -> None:
    broken = Broken(project, issuer, {"VAULT_ADDR": "https://vault.acme.test"})
    broken.token()
    with ForwardProxy(refuse_with=403) as proxy:
        broken.env["https_proxy"] = f"http://me:pa55word@127.0.0.1:{proxy.port}"
        done = ciplug("doctor", "--format", "json", env=broken.env)
    cause = Cause(lambda _broken: None, "proxy", ("refused the connection with status 403",), ("no_proxy",))
    assert_diagnosed(done, cause, broken)
    assert b"pa55word" not in done.stdout + done.stderr


def test_a_vault_that_was_never_initialised(project: Project, issuer: Issuer, ciplug: RunsCiplug) -> None:
    state = {"initialized": False, "sealed": True, "standby": True, "version": "2.7.2"}
    with ScriptedServer({HEALTH: answer(200, state)}) as server:
        broken = Broken(project, issuer, {"VAULT_ADDR": server.url})
        broken.token()
        done = ciplug("doctor", "--format", "json", env=broken.env)
    cause = Cause(lambda _broken: None, "vault", ("is not initialised",), ("bao operator init",))
    assert_diagnosed(done, cause, broken)


def test_an_address_without_a_vault(project: Project, issuer: Issuer, ciplug: RunsCiplug) -> None:
    with ScriptedServer({HEALTH: html()}) as server:
        broken = Broken(project, issuer, {"VAULT_ADDR": server.url})
        broken.token()
        done = ciplug("doctor", "--format", "json", env=broken.env)
    cause = Cause(lambda _broken: None, "vault", ("is this address a vault?",), ("check the address",))
    assert_diagnosed(done, cause, broken)


def test_a_vault_whose_clock_is_off(project: Project, issuer: Issuer, ciplug: RunsCiplug) -> None:
    """Only a note, since it may do no harm."""
    state = {"initialized": True, "sealed": False, "standby": False, "version": "2.7.2"}
    login = f"POST /v1/auth/{project.auth_mount}/login"
    reason = "error validating token: invalid not before (nbf) claim: token not yet valid"
    with ScriptedServer({HEALTH: answer(200, state, {"Date": "Thu, 01 Jan 1970 00:16:45 GMT"})}) as server:
        server.script(login, answer(400, {"errors": [reason]}))
        broken = Broken(project, issuer, {"VAULT_ADDR": server.url})
        broken.token()
        done = ciplug("doctor", "--format", "json", env=broken.env)
    cause = Cause(lambda _broken: None, "clock", ("the vault's clock is", "behind this machine's"), ("timedatectl",))
    assert_diagnosed(done, cause, broken)
    noted = [finding for finding in json.loads(done.stdout) if finding["state"] == "note"]
    assert "its clock and this machine's differ" in noted[0]["text"]
