"""Every usual way to break the vault's side: ``ciplug doctor`` names the one cause first, with its remedy."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from ciplug.standins.claims import gitlab_claims
from ciplug.standins.issuer import Issuer
from ciplug.standins.openbao import OpenBao, find_bao
from ciplug.vault.admin import Admin
from tests.e2e.diagnoses import HEALTH, Broke, Broken, Expected, assert_cause, assert_diagnosed, checks
from tests.e2e.project import AUDIENCE, new_project
from tests.fakes.scripted_server import Certificates, ForwardProxy, ScriptedServer, answer, html

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.e2e.conftest import RunsCiplug
    from tests.e2e.project import Project


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


def a_boolean_of_gitlab(broken: Broken) -> None:
    broken.bind(project_path="acme/shop", ref_protected=True)
    broken.token(gitlab_claims())


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


def another_machine(broken: Broken) -> None:
    role = f"auth/{broken.project.auth_mount}/role/shop-test"
    admin = {"BAO_ADDR": broken.project.bao.address, "BAO_TOKEN": broken.project.bao.root_token.reveal().decode()}
    fields = ("role_type=jwt", "user_claim=sub", "token_bound_cidrs=203.0.113.7/32")
    subprocess.run([find_bao(os.environ), "write", role, *fields], env=admin, check=True, capture_output=True)


def another_machine_as_seen_by_an_operator(broken: Broken) -> None:
    another_machine(broken)
    broken.env["VAULT_TOKEN"] = broken.project.bao.root_token.reveal().decode()


def a_mount_that_trusts_nobody_yet(broken: Broken) -> None:
    mount = broken.project.auth_mount
    broken.project.admin.jwt.enable(f"new-{mount}")
    broken.project.replace(f'auth_mount = "{mount}"', f'auth_mount = "new-{mount}"')


CAUSES: dict[str, Broke] = {
    "wrong audience of the role": (
        bound(bound_audiences=("https://elsewhere.dev",)),
        Expected(
            "claim aud", ("audience", f'the token has aud "{AUDIENCE}"'), ("`ciplug policy --apply`", "role shop-test")
        ),
    ),
    "wrong issuer at the mount": (
        another_issuer,
        Expected("claim iss", ("issuer", "the token has iss"), ("bao write auth/", "bound_issuer=http://127")),
    ),
    "wrong auth mount": (
        in_manifest('auth_mount = "', 'auth_mount = "no-'),
        Expected(
            "auth mount",
            ("there is no auth method at auth/no-jwt-",),
            ("vault.auth_mount", "bao auth list", "bao auth enable -path=no-jwt-"),
        ),
    ),
    "no mount for this host": (
        lambda broken: broken.project.replace(
            f'auth_mount = "{broken.project.auth_mount}"', f'auth_mount = {{ gitlab = "{broken.project.auth_mount}" }}'
        ),
        Expected("auth mount", ("vault.auth_mount names no mount",), ('"MOUNT"',)),
    ),
    "wrong namespace": (
        lambda broken: broken.env.update(VAULT_NAMESPACE="nowhere"),
        Expected("namespace", ('namespace "nowhere"',), ("vault.namespace",)),
    ),
    "another machine's role": (
        another_machine,
        Expected("login", ("without a reason",), ("token_bound_cidrs", "role/shop-test", "entity")),
    ),
    "another machine's role, which one may read": (
        another_machine_as_seen_by_an_operator,
        Expected("role", ("203.0.113.7",), ("token_bound_cidrs", "role/shop-test")),
    ),
    "mount without a configuration": (
        a_mount_that_trusts_nobody_yet,
        Expected(
            "auth mount",
            ("could not load configuration",),
            ("bao write auth/new-jwt-", "/config oidc_discovery_url=http://127", "bound_issuer=http://127"),
        ),
    ),
    "role missing": (
        in_manifest("[jobs.test]\n", '[jobs.test]\nrole = "nope"\n'),
        Expected("role", ('role "nope" could not be found',), ("ciplug policy --apply", "bao list auth/")),
    ),
    "claim of the wrong type": (
        a_boolean_of_gitlab,
        Expected(
            "claim ref_protected",
            ('the token has ref_protected "true"',),
            ('the string "true"', '{ "ref_protected": "true" }'),
        ),
    ),
    "claim missing": (
        bound(environment="production"),
        Expected(
            "claim environment",
            ('claim "environment" is missing', "no claim environment"),
            ("environment: production",),
        ),
    ),
    "claim of another value": (
        bound(ref="refs/heads/release"),
        Expected(
            "claim ref", ('the token has ref "refs/heads/main"',), ("run the job where the claim holds", "shop-test")
        ),
    ),
    "policy without one record": (
        one_record_less,
        Expected("rights", ("common/npm",), ("role shop-test", '/data/common/npm" { capabilities = ["read"] }')),
    ),
    "record missing": (
        no_record,
        Expected(
            "secrets",
            ("DATABASE_URL", "app/dev/database does not exist"),
            ("ask payments", "bao kv put -mount=kv-", "app/dev/database url=-"),
        ),
    ),
    "field missing": (
        no_field,
        Expected("secrets", ("no field url", "did you mean 'uri'"), ("bao kv patch -mount=kv-", "app/dev/db url=-")),
    ),
    "connection refused": (nothing_there, Expected("vault", ("127.0.0.1:1", "refused"), ("curl -v", "sys/health"))),
    "a host that nobody knows": (
        lambda broken: broken.env.update(VAULT_ADDR="https://vault.invalid:8200", CIPLUG_DEADLINE="1"),
        Expected("vault", ("vault.invalid", "cannot be resolved"), ("vault.address",)),
    ),
    "keys that the vault cannot fetch": (
        keys_out_of_reach,
        Expected("issuer keys", ("fetching keys",), ("cannot reach the issuer's keys", "egress, proxy or CA")),
    ),
    "batch role with a leased secret": (
        a_batch_role,
        Expected("lease", ("batch", "database/creds/web"), ("`ciplug policy --apply`", "role shop-test")),
    ),
    "version 2 read as version 1": (
        read_as_version_1,
        Expected("engine", ("is KV version 2", "as version 1"), ("vault.kv_version = 2",)),
    ),
    "version 1 read as version 2": (
        read_as_version_2,
        Expected("engine", ("is KV version 1", "as version 2"), ("vault.kv_version = 1",)),
    ),
}


@pytest.mark.parametrize("name", CAUSES)
def test_the_one_cause_comes_first_with_its_remedy(
    name: str, project: Project, issuer: Issuer, ciplug: RunsCiplug
) -> None:
    assert_cause(Broken(project, issuer), CAUSES[name], ciplug)


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
    assert_diagnosed(done, Expected("signature", ("signature",), words), broken)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Iterator[Project]:
    with OpenBao(os.environ) as own, Admin(own.address, own.root_token) as admin:
        project = new_project(tmp_path_factory.mktemp("sealed"), own, admin, issuer)
        admin.seal()
        yield project


def test_sealed(sealed: Project, issuer: Issuer, ciplug: RunsCiplug) -> None:
    broken = Broken(sealed, issuer)
    broken.token()
    expected = Expected("vault", ("is sealed",), ("bao operator unseal",))
    assert_diagnosed(ciplug("doctor", "--format", "json", env=broken.env, cwd=sealed.directory), expected, broken)


def test_tls_with_an_unknown_authority(project: Project, issuer: Issuer, ciplug: RunsCiplug) -> None:
    broken = Broken(project, issuer, {"VAULT_ADDR": project.bao.tls_address})
    broken.token()
    expected = Expected("tls", ("unknown", "issuer"), ("VAULT_CACERT", "openssl s_client -connect 127.0.0.1:"))
    assert_diagnosed(ciplug("doctor", "--format", "json", env=broken.env), expected, broken)


def test_tls_for_another_name(project: Project, issuer: Issuer, ciplug: RunsCiplug, tmp_path: Path) -> None:
    authority = Certificates(tmp_path)
    with ScriptedServer({}, authority.server("elsewhere.acme.test")) as server:
        broken = Broken(project, issuer, {"VAULT_ADDR": server.url, "VAULT_CACERT": str(authority.ca_file)})
        broken.token()
        done = ciplug("doctor", "--format", "json", env=broken.env)
    expected = Expected("tls", ("another IP address",), ("VAULT_TLS_SERVER_NAME",))
    assert_diagnosed(done, expected, broken)


def test_a_proxy_that_refuses(project: Project, issuer: Issuer, ciplug: RunsCiplug) -> None:
    broken = Broken(project, issuer, {"VAULT_ADDR": "https://vault.acme.test"})
    broken.token()
    with ForwardProxy(refuse_with=403) as proxy:
        broken.env["https_proxy"] = f"http://me:pa55word@127.0.0.1:{proxy.port}"
        done = ciplug("doctor", "--format", "json", env=broken.env)
    expected = Expected("proxy", ("refused the connection with status 403",), ("no_proxy",))
    assert_diagnosed(done, expected, broken)
    assert b"pa55word" not in done.stdout + done.stderr


def test_a_vault_that_was_never_initialised(project: Project, issuer: Issuer, ciplug: RunsCiplug) -> None:
    state = {"initialized": False, "sealed": True, "standby": True, "version": "2.7.2"}
    with ScriptedServer({HEALTH: answer(200, state)}) as server:
        broken = Broken(project, issuer, {"VAULT_ADDR": server.url})
        broken.token()
        done = ciplug("doctor", "--format", "json", env=broken.env)
    expected = Expected("vault", ("is not initialised",), ("bao operator init",))
    assert_diagnosed(done, expected, broken)


def test_an_address_without_a_vault(project: Project, issuer: Issuer, ciplug: RunsCiplug) -> None:
    with ScriptedServer({HEALTH: html()}) as server:
        broken = Broken(project, issuer, {"VAULT_ADDR": server.url})
        broken.token()
        done = ciplug("doctor", "--format", "json", env=broken.env)
    expected = Expected("vault", ("is this address a vault?",), ("check the address",))
    assert_diagnosed(done, expected, broken)


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
    expected = Expected("clock", ("the vault's clock is", "behind this machine's"), ("timedatectl",))
    assert_diagnosed(done, expected, broken)
    assert "its clock and this machine's differ" in checks(done, "note")[0]["text"]
