"""The way to the vault: certificates, several addresses, proxies, and servers that are no vault."""

from __future__ import annotations

import json
import secrets
import time
from typing import TYPE_CHECKING, Any

import pytest

from ciplug.errors import MissingError
from ciplug.manifest import load
from ciplug.standins.claims import github_claims
from ciplug.vault.admin import Admin
from tests.e2e.outside import assert_refused, nothing_left, token_env
from tests.e2e.project import bring
from tests.fakes.scripted_server import (
    Certificates,
    ForwardProxy,
    Script,
    ScriptedServer,
    answer,
    cut_short,
    drip,
    flood,
    hang,
    hang_up,
    html,
    raw,
    redirect,
)
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from pathlib import Path

    from ciplug.standins.issuer import Issuer
    from ciplug.standins.openbao import OpenBao
    from tests.e2e.conftest import RunsCiplug, Trust
    from tests.e2e.project import Project

FETCH = ("fetch", "--to", "json")
TOKEN = "s.scriptedscriptedscripted"
LOGGED_IN = {"auth": {"client_token": TOKEN, "lease_duration": 60, "token_type": "service"}, "request_id": "l"}


@pytest.fixture
def env(issuer: Issuer) -> dict[str, str]:
    """A job's token, with little time for the vault."""
    return token_env(issuer, github_claims()) | {"CIPLUG_DEADLINE": "0.6"}


def fetched(ciplug: RunsCiplug, env: dict[str, str], project: Project) -> None:
    done = ciplug(*FETCH, env=env | {"CIPLUG_DEADLINE": "20"})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == project.values["dev"]


@pytest.mark.parametrize("command", [FETCH, ("run", "--", "true")], ids=["fetch", "run"])
def test_nothing_listening_is_unreachable_after_the_deadline(
    project: Project, ciplug: RunsCiplug, env: dict[str, str], command: tuple[str, ...]
) -> None:
    env |= {"VAULT_ADDR": "http://127.0.0.1:1"}
    began = time.monotonic()
    done = ciplug(*command, env=env)
    assert time.monotonic() - began < 10
    assert_refused(
        done, 5 if command == FETCH else 125, "unreachable", "127.0.0.1:1", "refused", env=env, project=project
    )


LOGINS: dict[str, tuple[Script, int, str, tuple[str, ...]]] = {
    "hangs": (hang, 5, "unreachable", ("no complete answer in time",)),
    "hangs up": (hang_up, 5, "unreachable", ("closed",)),
    "drips": (drip(b"HTTP/1.1 200 OK\r\n"), 5, "unreachable", ("no complete answer",)),
    "is cut short": (cut_short, 5, "unreachable", ("cut short",)),
    "is not HTTP": (raw(b"\x00\x01SSH-2.0-OpenSSH\r\n\r\n"), 5, "unreachable", ("not HTTP",)),
    "is a web page": (html(), 4, "vault", ("text/html", "is this address a vault?")),
    "is a web page with 403": (html(403), 4, "vault", ("text/html", "403")),
    "is a web page with 404": (html(404), 4, "vault", ("is this address a vault?",)),
    "is 40 MB": (flood(40, announced=True), 4, "vault", ("check that the address is a vault's",)),
    "is 40 MB in chunks": (flood(40, announced=False), 4, "vault", ("check that the address is a vault's",)),
    "is empty": (answer(200, b""), 4, "vault", ("without a token",)),
    "has no token": (answer(200, {"auth": None}), 4, "vault", ("without a token",)),
    "is a list": (answer(200, []), 4, "vault", ("is this address a vault?",)),
    "is an internal error": (answer(500, {"errors": ["internal error"]}), 4, "vault", ("500", "internal error")),
    "is a bad gateway": (html(502), 5, "unreachable", ("502",)),
    "is a rate limit": (answer(429, {"errors": ["quota"]}, {"Retry-After": "60"}), 4, "vault", ("wait 60 s",)),
    "is a redirect": (redirect(302, "https://login.acme.dev/?a=b"), 4, "vault", ("login.acme.dev", "not followed")),
    "speaks in commands": (
        answer(400, {"errors": ["x\n::add-mask::y\n##[error]z \x1b[31m"]}), 6, "login-rejected", ("rejected",)
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", LOGINS)
def test_a_login_that_goes_wrong_says_how(project: Project, ciplug: RunsCiplug, env: dict[str, str], case: str) -> None:
    script, status, cause, words = LOGINS[case]
    with ScriptedServer({f"POST /v1/auth/{project.auth_mount}/login": script}) as server:
        env |= {"VAULT_ADDR": server.url}
        began = time.monotonic()
        done = ciplug(*FETCH, env=env)
        assert time.monotonic() - began < 10
    assert_refused(done, status, cause, *words, env=env, project=project)
    assert b"s3cr3t-page" not in done.stderr
    assert all(line.startswith(b"ciplug: ") for line in done.stderr.splitlines())
    assert b"##[" not in done.stderr
    assert b"\x1b" not in done.stderr


READS: dict[str, tuple[Script, int, str, tuple[str, ...]]] = {
    "hangs": (hang, 5, "unreachable", ("no complete answer",)),
    "is cut short": (cut_short, 5, "unreachable", ("cut short",)),
    "is a web page": (html(), 4, "vault", ("is this address a vault?",)),
    "is a web page with 404": (html(404), 4, "vault", ("is this address a vault?",)),
    "is 40 MB": (flood(40, announced=True), 4, "vault", ()),
    "is KV v1": (answer(200, {"data": {"url": "hidden-value"}}), 4, "vault", ("kv_version = 1",)),
    "is wrapped": (answer(200, {"data": None, "wrap_info": {"token": "s.5e8f0a2b7c"}}), 4, "vault", ("wrapped",)),
    "echoes the token": (answer(400, {"errors": [f"bad token {TOKEN}"]}), 4, "vault", ("400", "bad token ****")),
}


@pytest.mark.parametrize("case", READS)
def test_a_read_that_goes_wrong_says_how_and_the_token_is_revoked(
    project: Project, ciplug: RunsCiplug, env: dict[str, str], case: str
) -> None:
    script, status, cause, words = READS[case]
    project.replace('secrets = ["DATABASE_URL", "NPM_TOKEN"]', 'secrets = ["DATABASE_URL"]')
    with ScriptedServer({f"POST /v1/auth/{project.auth_mount}/login": answer(200, LOGGED_IN)}) as server:
        server.script(f"GET /v1/{project.kv_mount}/data/app/dev/db", script)
        server.script("POST /v1/auth/token/revoke-self", answer(204))
        env |= {"VAULT_ADDR": server.url}
        done = ciplug(*FETCH, env=env)
        assert server.paths()[-1] == "POST /v1/auth/token/revoke-self"
    assert_refused(done, status, cause, *words, env=env, project=project)
    assert_no_leak(done.stderr, [TOKEN, "hidden-value", "s.5e8f0a2b7c"])


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_token_follows_no_redirect_to_another_host(
    project: Project, ciplug: RunsCiplug, env: dict[str, str], status: int
) -> None:
    with ScriptedServer() as other, ScriptedServer() as server:
        away = redirect(status, f"{other.url}/v1/x?token=abc")
        server.script(f"POST /v1/auth/{project.auth_mount}/login", answer(200, LOGGED_IN))
        for path in ("app/dev/db", "common/npm"):
            server.script(f"GET /v1/{project.kv_mount}/data/{path}", away)
        server.script("POST /v1/auth/token/revoke-self", answer(204))
        env |= {"VAULT_ADDR": server.url}
        done = ciplug(*FETCH, env=env)
        assert other.seen == []
    code, cause = (5, "unreachable") if status == 307 else (4, "vault")
    assert_refused(done, code, cause, f"127.0.0.1:{other.port}", env=env, project=project)
    assert b"token=abc" not in done.stderr


def test_what_passes_is_tried_again(project: Project, ciplug: RunsCiplug, env: dict[str, str]) -> None:
    value = {"data": {"data": {"url": "x" * 20, "token": "y" * 20}, "metadata": {"version": 1}}}
    with ScriptedServer() as server:
        again = (answer(503, {"errors": ["Vault is sealed"]}), hang_up, answer(412), answer(200, LOGGED_IN))
        server.script(f"POST /v1/auth/{project.auth_mount}/login", *again)
        server.script(f"GET /v1/{project.kv_mount}/data/app/dev/db", answer(502), answer(200, value))
        server.script(f"GET /v1/{project.kv_mount}/data/common/npm", answer(200, value))
        server.script("POST /v1/auth/token/revoke-self", answer(500), answer(204))
        done = ciplug(*FETCH, env=env | {"VAULT_ADDR": server.url, "CIPLUG_DEADLINE": "20"})
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"DATABASE_URL": "x" * 20, "NPM_TOKEN": "y" * 20}
    first, lost = done.stderr.splitlines()
    assert b"retrying for up to 20 s" in first
    assert lost.endswith(b"the vault may have issued a token, which lives for the role's token_ttl")
    assert b"retrying for up to" in done.stderr


def test_a_private_authority_is_trusted_by_name_only(
    project: Project, bao: OpenBao, ciplug: RunsCiplug, env: dict[str, str], trust: Trust
) -> None:
    env |= {"VAULT_ADDR": bao.tls_address}
    mark = bao.mark()
    assert_refused(ciplug(*FETCH, env=env), 5, "unreachable", "VAULT_CACERT", env=env, project=project)
    assert bao.requests_since(mark) == []
    for name in ("VAULT_CACERT", "BAO_CACERT"):
        fetched(ciplug, env | {name: str(trust.ca_file)}, project)


TLS = {
    "for another name": ("elsewhere.acme.test", True, "another"),
    "expired": ("127.0.0.1", False, "expired"),
}


@pytest.mark.parametrize("case", TLS)
def test_a_certificate_that_does_not_fit_is_refused_before_anything_is_sent(
    project: Project, ciplug: RunsCiplug, env: dict[str, str], tmp_path: Path, case: str
) -> None:
    name, current, word = TLS[case]
    authority = Certificates(tmp_path)
    with ScriptedServer({}, authority.server(name) if current else authority.expired(name)) as server:
        env |= {"VAULT_ADDR": server.url, "VAULT_CACERT": str(authority.ca_file)}
        done = ciplug(*FETCH, env=env)
        assert server.seen == []
    assert_refused(done, 5, "unreachable", "certificate", word, env=env, project=project)


def test_a_self_signed_certificate_is_refused_whatever_the_environment_says(
    project: Project, ciplug: RunsCiplug, env: dict[str, str], tmp_path: Path
) -> None:
    """There is no way to switch verification off."""
    with ScriptedServer({}, Certificates(tmp_path).server()) as server:
        env |= {"VAULT_ADDR": server.url, "VAULT_SKIP_VERIFY": "true", "BAO_SKIP_VERIFY": "true"}
        done = ciplug(*FETCH, env=env)
        assert server.seen == []
    assert_refused(done, 5, "unreachable", "certificate", env=env, project=project)


def test_a_ca_file_that_is_not_one_is_named(project: Project, ciplug: RunsCiplug, env: dict[str, str]) -> None:
    for path in ("nothing.pem", "ciplug.toml"):
        done = ciplug(*FETCH, env=env | {"VAULT_ADDR": "https://127.0.0.1:1", "VAULT_CACERT": path})
        assert done.returncode in (2, 5), done.stderr
        assert path.encode() in done.stderr.splitlines()[-1]


def test_a_dead_first_address_is_passed_by(
    project: Project, bao: OpenBao, ciplug: RunsCiplug, env: dict[str, str]
) -> None:
    project.replace(f'address = "{bao.address}"', f'address = ["http://127.0.0.1:1", "{bao.address}"]')
    with nothing_left(project):
        fetched(ciplug, env, project)
    project.replace(f', "{bao.address}"]', "]")
    fetched(ciplug, env | {"BAO_ADDR": f"http://127.0.0.1:1,{bao.address}"}, project)


def test_a_proxy_is_used_for_what_is_elsewhere_and_not_for_no_proxy(
    project: Project, bao: OpenBao, ciplug: RunsCiplug, env: dict[str, str], trust: Trust
) -> None:
    """The name of the vault does not exist outside the proxy."""
    port = bao.tls_address.rpartition(":")[2]
    env |= {"VAULT_ADDR": f"https://vault.acme.test:{port}", "VAULT_TLS_SERVER_NAME": "localhost"}
    env |= {"VAULT_CACERT": str(trust.ca_file)}
    with ForwardProxy() as proxy:
        through = {"HTTPS_PROXY": f"http://127.0.0.1:{proxy.port}"}
        fetched(ciplug, env | through, project)
        assert {(passed.method, passed.target) for passed in proxy.passed} == {("CONNECT", f"vault.acme.test:{port}")}
        proxy.passed.clear()
        env |= {"VAULT_ADDR": bao.tls_address}
        fetched(ciplug, env | through | {"NO_PROXY": "127.0.0.1"}, project)
        assert proxy.passed == []


def test_a_proxy_that_refuses_is_named(project: Project, ciplug: RunsCiplug, env: dict[str, str]) -> None:
    with ForwardProxy(refuse_with=407) as proxy:
        env |= {"VAULT_ADDR": "https://vault.acme.test", "https_proxy": f"http://me:pa55word@127.0.0.1:{proxy.port}"}
        done = ciplug(*FETCH, env=env)
    assert_refused(done, 5, "unreachable", "proxy", "407", env=env, project=project)
    assert b"pa55word" not in done.stderr


def test_a_namespace_is_used_for_every_request(
    project: Project, bao: OpenBao, admin: Admin, issuer: Issuer, ciplug: RunsCiplug, env: dict[str, str]
) -> None:
    name = f"ns{secrets.token_hex(4)}"
    admin.create_namespace(name)
    with Admin(bao.address, bao.root_token, name) as inside:
        inside.kv.mount(project.kv_mount, version=1)
        inside.kv.write_v1(project.kv_mount, "app/dev/db", {"url": "in the namespace"})
        inside.jwt.enable(project.auth_mount)
        inside.jwt.configure(project.auth_mount, bound_issuer=issuer.url, jwks_url=issuer.jwks_url)
        project.replace('shared = ["common"]', 'kv_version = 1\nshared = ["common"]')
        project.replace('secrets = ["DATABASE_URL", "NPM_TOKEN"]', 'secrets = ["DATABASE_URL"]')
        bring(inside, load(project.manifest))
        done = ciplug(*FETCH, env=env | {"VAULT_NAMESPACE": name, "CIPLUG_DEADLINE": "20"})
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == {"DATABASE_URL": "in the namespace"}
        with pytest.raises(MissingError):  # what the vault says of no token at all
            inside.accessors()


def test_the_old_engine_is_read_and_has_no_versions(
    project: Project, admin: Admin, ciplug: RunsCiplug, env: dict[str, str]
) -> None:
    mount = f"old-{project.kv_mount}"
    admin.kv.mount(mount, version=1)
    admin.kv.write_v1(mount, "app/dev/db", {"url": "old value here"})
    admin.kv.write_v1(mount, "common/npm", {"token": "old token here"})
    project.replace(f'kv_mount = "{project.kv_mount}"', f'kv_mount = "{mount}"\nkv_version = 1')
    done = ciplug(*FETCH, env=env | {"CIPLUG_DEADLINE": "20"})
    assert json.loads(done.stdout) == {"DATABASE_URL": "old value here", "NPM_TOKEN": "old token here"}


def test_a_pinned_version_is_the_one_that_is_read(project: Project, ciplug: RunsCiplug, env: dict[str, str]) -> None:
    first: Any = project.values["dev"]["DATABASE_URL"]
    project.put("app/dev/db", {"url": "another value"})
    project.replace('ref = "db#url"', 'ref = "db@1#url"')
    project.append('\n[secrets.LATEST]\nref = "db#url"\n')
    project.replace('secrets = ["DATABASE_URL", "NPM_TOKEN"]', 'secrets = ["DATABASE_URL", "LATEST"]')
    done = ciplug(*FETCH, env=env | {"CIPLUG_DEADLINE": "20"})
    assert json.loads(done.stdout) == {"DATABASE_URL": first, "LATEST": "another value"}
