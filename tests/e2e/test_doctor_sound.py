"""``ciplug doctor`` where nothing is wrong: what each step says of itself, on every way to a vault."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ciplug.standins.claims import github_claims
from tests.e2e.diagnoses import HEALTH, HELD, SESSION, checks, sound_vault
from tests.e2e.outside import credentials, nothing_left, token_env
from tests.fakes.scripted_server import Certificates, ForwardProxy, ScriptedServer, answer, hang_up
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from pathlib import Path

    from ciplug.standins.issuer import Issuer
    from tests.e2e.conftest import MakesJobEnv, RunsCiplug
    from tests.e2e.project import Project


def test_a_leased_secret_is_read_and_ended(leased: Project, ciplug: RunsCiplug, job_env: MakesJobEnv) -> None:
    env = job_env("migrate")
    with nothing_left(leased):
        done = ciplug("doctor", env=env)
    told = done.stdout.decode()
    assert done.returncode == 0, told
    assert f"✓ engine: {leased.database_mount} is of type database\n" in told
    assert "✓ secrets: 3 read, leased for " in told
    assert "✓ masking: would hide DATABASE_URL, PG_USER, PG_PASSWORD and the tokens, in " in told
    assert_no_leak(done.stdout + done.stderr, credentials(leased, env))


def test_a_standby_is_told(project: Project, ciplug: RunsCiplug, issuer: Issuer) -> None:
    with ScriptedServer(sound_vault(project, standby=True)) as server:
        done = ciplug("doctor", env=token_env(issuer, github_claims()) | {"VAULT_ADDR": server.url})
        assert done.returncode == 0, done.stdout
        assert f"✓ vault: {server.url} answers: version 2.7.2, standby, without TLS\n" in done.stdout.decode()
    assert_no_leak(done.stdout + done.stderr, [*HELD.values(), SESSION])


def test_the_proxy_and_the_authority_on_the_way_are_told(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, tmp_path: Path
) -> None:
    authority = Certificates(tmp_path)
    server = ScriptedServer(sound_vault(project), authority.server("vault.acme.test"))
    with server, ForwardProxy() as proxy:
        address = f"https://vault.acme.test:{server.port}"
        way = {"VAULT_ADDR": address, "VAULT_CACERT": str(authority.ca_file)}
        way["https_proxy"] = f"http://me:pa55word@127.0.0.1:{proxy.port}"
        done = ciplug("doctor", env=token_env(issuer, github_claims()) | way)
        assert done.returncode == 0, done.stdout
        through = f"through the proxy 127.0.0.1:{proxy.port}"
        checked = f"TLS, its certificate checked with the CAs in {authority.ca_file}"
        assert f"✓ vault: {address} answers: version 2.7.2, {checked}, {through}\n" in done.stdout.decode()
    assert_no_leak(done.stdout + done.stderr, [*HELD.values(), SESSION, "pa55word"])


@pytest.mark.parametrize(
    ("route", "check"),
    [
        ("POST /v1/auth/{auth}/login", "login"),
        ("GET /v1/{kv}/data/app/dev/db", "secrets"),
        ("POST /v1/auth/token/revoke-self", "revoke"),
    ],
)
def test_a_step_that_fails_has_its_own_name(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, route: str, check: str
) -> None:
    broken = {route.format(auth=project.auth_mount, kv=project.kv_mount): hang_up}
    with ScriptedServer(sound_vault(project) | broken) as server:
        env = token_env(issuer, github_claims()) | {"VAULT_ADDR": server.url, "CIPLUG_DEADLINE": "1"}
        done = ciplug("doctor", "--format", "json", env=env)
    assert [found["check"] for found in checks(done, "failed")] == [check]
    assert_no_leak(done.stdout + done.stderr, [*HELD.values(), SESSION])


@pytest.mark.parametrize(
    ("route", "check", "says"),
    [
        ("GET /v1/sys/internal/ui/mounts/{kv}", "engine", "could not be looked at: vault not reachable"),
        ("POST /v1/sys/capabilities-self", "rights", "could not be looked at: vault not reachable"),
    ],
)
def test_a_look_that_fails_has_its_own_name_and_is_no_failure(
    project: Project, ciplug: RunsCiplug, issuer: Issuer, route: str, check: str, says: str
) -> None:
    with ScriptedServer(sound_vault(project) | {route.format(kv=project.kv_mount): hang_up}) as server:
        env = token_env(issuer, github_claims()) | {"VAULT_ADDR": server.url}
        done = ciplug("doctor", "--format", "json", env=env)
    assert done.returncode == 0, done.stdout
    [found] = checks(done, "note")
    assert (found["check"], says in found["text"]) == (check, True)


def test_policies_of_ones_own_token_that_cannot_be_looked_at_are_no_failure(
    project: Project, ciplug: RunsCiplug
) -> None:
    with ScriptedServer(sound_vault(project) | {"GET /v1/auth/token/lookup-self": hang_up}) as server:
        done = ciplug(
            "doctor", "--format", "json", env={"VAULT_ADDR": server.url, "VAULT_TOKEN": SESSION, "CIPLUG_JOB": "test"}
        )
    assert done.returncode == 0, done.stdout
    told = [found["text"] for found in checks(done, "note") if found["check"] == "login"]
    assert len(told) == 1
    assert told[0].startswith("your own, whose policies could not be looked at: vault not reachable")


def test_a_token_of_ones_own_that_dies_fails_at_the_login(project: Project, ciplug: RunsCiplug) -> None:
    dead = {"GET /v1/auth/token/lookup-self": answer(403, {"errors": ["permission denied"]})}
    with ScriptedServer({HEALTH: sound_vault(project)[HEALTH]} | dead) as server:
        env = {"VAULT_ADDR": server.url, "VAULT_TOKEN": SESSION, "CIPLUG_JOB": "test"}
        done = ciplug("doctor", "--format", "json", env=env)
    assert [found["check"] for found in checks(done, "failed")] == ["login"]
