"""What the environment means, variable by variable."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from ciplug.errors import UsageError
from ciplug.settings import MAX_DEADLINE, environment, flag, load
from tests.leaks import assert_no_leak


def test_an_empty_environment_gives_the_defaults() -> None:
    found = load({})
    assert found.manifest == Path("ciplug.toml")
    assert (found.job, found.namespace, found.audit, found.state_dir, found.id_token_variable) == ("",) * 5
    assert found.addresses == ()
    assert found.deadline is None
    assert (found.audit_required, found.allow_debug_trace) == (False, False)
    assert set(dataclasses.astuple(found.tls)) == {""}
    assert set(found.proxies.values()) == {""}


@pytest.mark.parametrize(
    ("variable", "attribute", "value"),
    [
        ("CIPLUG_MANIFEST", "manifest", Path("ci/x.toml")),
        ("CIPLUG_JOB", "job", "test"),
        ("CIPLUG_AUDIT", "audit", "stderr"),
        ("CIPLUG_STATE_DIR", "state_dir", "/run/x"),
        ("CIPLUG_ID_TOKEN_VARIABLE", "id_token_variable", "MY_TOKEN"),
        ("VAULT_NAMESPACE", "namespace", "acme"),
        ("BAO_NAMESPACE", "namespace", "acme"),
    ],
)
def test_each_variable_reaches_its_setting(variable: str, attribute: str, value: object) -> None:
    assert getattr(load({variable: str(value)}), attribute) == value


@pytest.mark.parametrize(
    ("name", "attribute"),
    [
        ("CACERT", "ca_file"),
        ("CAPATH", "ca_path"),
        ("CLIENT_CERT", "client_cert"),
        ("CLIENT_KEY", "client_key"),
        ("TLS_SERVER_NAME", "server_name"),
    ],
)
@pytest.mark.parametrize("product", ["VAULT", "BAO"])
def test_tls_files_in_both_spellings(product: str, name: str, attribute: str) -> None:
    assert getattr(load({f"{product}_{name}": " /etc/x.pem "}).tls, attribute) == "/etc/x.pem"


@pytest.mark.parametrize(
    ("bao", "vault", "wins"),
    [("https://b", "https://v", "https://b"), ("", "https://v", "https://v"), ("  ", "https://v", "https://v")],
)
def test_openbao_s_spelling_wins_unless_it_is_blank(bao: str, vault: str, wins: str) -> None:
    assert load({"BAO_ADDR": bao, "VAULT_ADDR": vault}).addresses == (wins,)


@pytest.mark.parametrize(
    ("text", "addresses"),
    [("https://a", ["https://a"]), (" https://a , https://b,", ["https://a", "https://b"]), (",", []), (" ", [])],
)
def test_several_addresses_are_separated_by_commas(text: str, addresses: list[str]) -> None:
    assert load({"VAULT_ADDR": text}).addresses == tuple(addresses)


@pytest.mark.parametrize("name", ["https_proxy", "http_proxy", "no_proxy"])
def test_proxies_are_read_in_both_cases_and_the_lower_one_wins(name: str) -> None:
    assert load({name.upper(): "upper"}).proxies[name] == "upper"
    assert load({name.upper(): "upper", name: "lower"}).proxies[name] == "lower"
    assert load({name.upper(): "upper", name: ""}).proxies[name] == "upper"


@pytest.mark.parametrize(("text", "seconds"), [("30", 30), (" 1.5 ", 1.5), ("600", 600), ("0.001", 0.001), ("", None)])
def test_a_deadline_is_seconds(text: str, seconds: float | None) -> None:
    assert load({"CIPLUG_DEADLINE": text}).deadline == seconds


@pytest.mark.parametrize("text", ["0", "-1", "600.1", "inf", "-inf", "nan", "30s", "1e9", "half", "0x10", "1,5"])
def test_a_deadline_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(UsageError, match="CIPLUG_DEADLINE") as refused:
        load({"CIPLUG_DEADLINE": text})
    assert f"{MAX_DEADLINE:g}" in str(refused.value)
    assert refused.value.hint


@pytest.mark.parametrize(
    ("text", "value"),
    [*((text, True) for text in ("1", "true", "TRUE", " Yes ", "on")), *((t, False) for t in ("", "0", "no", "Off"))],
)
def test_a_flag_is_one_of_the_usual_words(text: str, value: bool) -> None:
    assert flag({"X": text}, "X") is value
    assert load({"CIPLUG_AUDIT_REQUIRED": text}).audit_required is value
    assert load({"CIPLUG_ALLOW_DEBUG_TRACE": text}).allow_debug_trace is value


@pytest.mark.parametrize("name", ["CIPLUG_AUDIT_REQUIRED", "CIPLUG_ALLOW_DEBUG_TRACE"])
@pytest.mark.parametrize("text", ["2", "maybe", "yes please", "\uff54rue"])
def test_a_flag_that_is_anything_else_is_refused_and_not_repeated(text: str, name: str) -> None:
    with pytest.raises(UsageError, match=name) as refused:
        load({name: text})
    assert text not in str(refused.value)


def test_a_missing_flag_is_off() -> None:
    assert flag({}, "X") is False


def test_no_representation_shows_the_environment() -> None:
    secret, password = "s3cr3t-in-the-environment", "pr0xy-passw0rd"
    shown = repr(load({"DATABASE_URL": secret, "https_proxy": f"http://me:{password}@proxy"}))
    assert_no_leak(shown, [secret, password])


def test_the_process_environment_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_NAME", "some value")
    copied = environment()
    copied["SOME_NAME"] = "changed"
    assert environment()["SOME_NAME"] == "some value"
