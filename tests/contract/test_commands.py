"""The commands in this process against a real OpenBao: what they print, leave and end with."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ciplug.cli import run_command_line
from ciplug.demo.vault import AUDIENCE, DemoValues, set_up
from ciplug.standins.claims import github_claims
from ciplug.standins.issuer import Issuer
from ciplug.standins.openbao import OpenBao
from ciplug.vault.admin import Admin
from tests.fakes.let_in import let_in
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Iterator

MANIFEST = """\
version = 1
[vault]
address = "http://127.0.0.1:8200"
audience = "https://vault.acme.dev"
shared = ["common"]
[project]
github = "acme/shop"
[environments.dev]
path = "app/dev"
[environments.prod]
path = "app/prod"
only_if = { ref = ["refs/heads/release"] }
[secrets.DATABASE_URL]
ref = "db#url"
[secrets.NPM_TOKEN]
ref = "//common/npm#token"
[secrets.PIN]
ref = "pin#value"
[secrets.EXTRA]
ref = "extra#value"
optional = true
[secrets.KEY_FILE]
ref = "db#url"
as = "file"
[jobs.test]
environment = "dev"
secrets = ["DATABASE_URL", "NPM_TOKEN"]
[jobs.deploy]
environment = "prod"
secrets = ["DATABASE_URL"]
[jobs.short]
environment = "dev"
role = "wide"
secrets = ["PIN", "EXTRA"]
[jobs.files]
environment = "dev"
role = "shop-test"
secrets = ["KEY_FILE"]
[jobs.stranger]
environment = "dev"
role = "shop-deploy"
secrets = ["DATABASE_URL"]
[jobs.denied]
environment = "dev"
role = "shop-test"
secrets = ["DATABASE_URL", "PIN"]
"""


class Lab:
    """A vault set up as in the demo, and how to be a job in it."""

    def __init__(self, bao: OpenBao, issuer: Issuer, values: DemoValues) -> None:
        self.bao = bao
        self.issuer = issuer
        self.values = values

    def token(self, audience: str = AUDIENCE, lifetime: float = 300, **claims: str) -> str:
        return self.issuer.mint(github_claims(**claims), audience=audience, lifetime=lifetime)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Issuer() as issuer, OpenBao(os.environ) as bao, Admin(bao.address, bao.root_token) as admin:
        lab = Lab(bao, issuer, DemoValues.random())
        set_up(bao, issuer, lab.values, {})
        let_in(admin, "test", ["app/dev/db", "app/dev/sentry", "common/npm"], {})
        production = {"ref": "refs/heads/main", "environment": "production"}
        let_in(admin, "deploy", ["app/prod/db", "app/prod/stripe"], production)
        admin.kv.write("secret", "app/dev/pin", {"value": "123"})
        yield lab


@pytest.fixture
def job(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with the manifest, in a CI without a name, with a token in hand."""
    (tmp_path / "ciplug.toml").write_text(MANIFEST)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("VAULT_ADDR", lab.bao.address)
    monkeypatch.setenv("CIPLUG_ID_TOKEN", lab.token())
    monkeypatch.setenv("CIPLUG_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("CIPLUG_DEADLINE", "5")
    return tmp_path


def alive(lab: Lab) -> int:
    with Admin(lab.bao.address, lab.bao.root_token) as admin:
        return len(admin.accessors())


def test_run_hands_over_and_hides(lab: Lab, job: Path, capfd: pytest.CaptureFixture[str]) -> None:
    script = 'echo "$DATABASE_URL"; env; printf %s "$DATABASE_URL" >got'
    assert run_command_line(["run", "--job", "test", "--", "sh", "-c", script]) == 0
    out, err = capfd.readouterr()
    assert (job / "got").read_text() == lab.values.dev_database
    assert_no_leak(out + err, lab.values.all)
    assert out.startswith("***\n")
    assert alive(lab) == 1


@pytest.mark.parametrize(("command", "status"), [("exit 7", 7), ("kill -9 $$", 137), ("exit 0", 0)])
def test_run_passes_on_the_status(command: str, status: int, lab: Lab, job: Path) -> None:
    assert run_command_line(["run", "--job", "test", "--", "sh", "-c", command]) == status
    assert alive(lab) == 1


@pytest.mark.parametrize(("command", "status"), [("./no-such-command", 127), ("/etc/passwd", 126)])
def test_run_tells_not_found_from_not_runnable(
    command: str, status: int, lab: Lab, job: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(["run", "--job", "test", "--", command]) == status
    assert "ciplug: error: command: " in capfd.readouterr().err
    assert alive(lab) == 1


def test_run_warns_of_what_is_too_short_to_hide(lab: Lab, job: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with Admin(lab.bao.address, lab.bao.root_token) as admin:
        admin.write_policy("wide", 'path "secret/data/app/dev/*" { capabilities = ["read"] }')
        from ciplug.vault.admin_auth import JwtRole

        admin.jwt.write_role(
            JwtRole(
                name="wide", bound_audiences=(AUDIENCE,), bound_claims={"repository": "acme/shop"}, policies=("wide",)
            )
        )
    assert run_command_line(["run", "--job", "short", "--", "sh", "-c", 'test "$PIN" = 123 && test -z "$EXTRA"']) == 0
    assert "too short to be hidden in the output: PIN" in capfd.readouterr().err
    assert run_command_line(["doctor", "--job", "short"]) == 0
    told = capfd.readouterr().out
    assert "too short to be hidden in a log: PIN" in told
    assert "optional and absent: EXTRA" in told


def test_fetch_prints_the_values_and_leaves_nothing_open(
    lab: Lab, job: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_command_line(["fetch", "--job", "test", "--to", "json", "--unmasked"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out) == {"DATABASE_URL": lab.values.dev_database, "NPM_TOKEN": lab.values.npm}
    assert err == ""
    assert alive(lab) == 1


def test_fetch_refuses_a_host_that_cannot_mask(lab: Lab, job: Path, capfd: pytest.CaptureFixture[str]) -> None:
    mark = lab.bao.mark()
    assert run_command_line(["fetch", "--job", "test", "--to", "shell"]) == 8
    assert capfd.readouterr().out == ""
    assert lab.bao.requests_since(mark) == []


def test_fetched_file_lives_until_revoke(lab: Lab, job: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["fetch", "--job", "files", "--to", "json", "--unmasked"]) == 0
    path = json.loads(capfd.readouterr().out)["KEY_FILE"]
    found = Path(path).stat()
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert run_command_line(["revoke"]) == 0
    assert not Path(path).exists()
    assert list((job / "state").iterdir()) == []
    assert run_command_line(["revoke"]) == 0


def test_pull_writes_a_private_file(
    lab: Lab, job: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CI")
    monkeypatch.delenv("CIPLUG_ID_TOKEN")
    monkeypatch.setenv("VAULT_TOKEN", lab.bao.root_token.reveal().decode())
    assert run_command_line(["pull", "--job", "test"]) == 0
    written = job / ".env"
    assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert lab.values.npm in written.read_text()
    assert run_command_line(["pull", "--job", "test"]) == 0
    written.write_text("MINE=1\n")
    assert run_command_line(["pull", "--job", "test"]) == 8
    assert written.read_text() == "MINE=1\n"
    assert run_command_line(["pull", "--env", "prod", "--output", "p.env"]) == 2
    assert_no_leak("".join(capfd.readouterr()), lab.values.all)
    assert alive(lab) == 1


def test_doctor_finds_nothing_wrong_with_a_sound_job(lab: Lab, job: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run_command_line(["doctor", "--job", "test"]) == 0
    out = capfd.readouterr().out
    assert "✗" not in out
    assert [line.split(":")[0].removeprefix("✓ ") for line in out.splitlines()] == [
        *("host", "job", "identity", "audience", "claim repository", "signature"),
        *("vault", "login", "rights", "secrets", "masking"),
    ]
    assert_no_leak(out, lab.values.all)
    assert alive(lab) == 1


@pytest.mark.parametrize(
    ("case", "check", "says"),
    [
        (
            {"job": "stranger"},
            "claim environment",
            'claim "environment" is missing; the token has no claim environment',
        ),
        ({"repository": "evil/shop"}, "claim repository", 'the token has repository "evil/shop"'),
        ({"job": "denied"}, "rights", "may not read secret/app/dev/pin"),
        ({"job": "deploy"}, "only_if", 'claim ref is "refs/heads/main"'),
        ({"audience": "https://elsewhere.dev"}, "audience", "https://elsewhere.dev"),
        ({"lifetime": -400}, "expiry", "the token has exp "),
        ({"CIPLUG_ID_TOKEN": "a.b.c"}, "identity", "not an ID token"),
        ({"VAULT_ADDR": "http://127.0.0.1:1", "CIPLUG_DEADLINE": "0.3"}, "vault", "connection refused"),
    ],
)
def test_doctor_names_the_cause_first(
    case: dict[str, object],
    check: str,
    says: str,
    lab: Lab,
    job: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    minted = {name: case[name] for name in ("audience", "lifetime", "repository") if name in case}
    monkeypatch.setenv("CIPLUG_ID_TOKEN", lab.token(**minted))  # type: ignore[arg-type]  # a table of two types
    for name, value in case.items():
        if name.isupper():
            monkeypatch.setenv(name, str(value))
    assert run_command_line(["doctor", "--job", str(case.get("job", "test")), "--format", "json"]) == 20
    out, err = capfd.readouterr()
    failed = [finding for finding in json.loads(out)["checks"] if finding["state"] == "failed"]
    assert failed[0]["check"] == check
    assert says in failed[0]["text"]
    assert failed[0]["remedy"]
    assert err.splitlines()[-1].startswith(f"ciplug: error: findings: 1 problem found, first: {check}. Next: ")
    assert alive(lab) == 1


def test_doctor_tells_a_sealed_vault(
    job: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with OpenBao(os.environ) as bao:
        with Admin(bao.address, bao.root_token) as admin:
            admin.seal()
        monkeypatch.setenv("VAULT_ADDR", bao.address)
        assert run_command_line(["doctor", "--job", "test"]) == 20
    out = capfd.readouterr().out
    assert f"✗ vault: {bao.address} is sealed" in out
    assert "login: not tried" in out


def test_audit_lines_of_one_run(lab: Lab, job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CIPLUG_AUDIT", str(job / "audit.jsonl"))
    assert run_command_line(["run", "--job", "test", "--", "true"]) == 0
    lines = [json.loads(line) for line in (job / "audit.jsonl").read_text().splitlines()]
    assert [line["event"] for line in lines] == ["login", "read", "read", "revoke"]
    assert {line["outcome"] for line in lines} == {"ok"}
    assert lines[1]["record"] == "secret/app/dev/db"
    assert (lines[1]["version"], lines[1]["fields"], lines[1]["names"]) == (1, ["url"], ["DATABASE_URL"])
    assert lines[1]["who"]["issuer"] == lab.issuer.url
    assert lines[1]["where"]["repository"] == "acme/shop"
    vaults = {record["request"].get("id") for record in lab.bao.audit_log()}
    assert {line["vault"]["request_id"] for line in lines[:3]} <= vaults
    assert_no_leak((job / "audit.jsonl").read_text(), lab.values.all)
