"""The environment of a child: what it is granted, and nothing with which it could fetch more."""

from __future__ import annotations

import os
import subprocess

import pytest

from ciplug.errors import HandOverError
from ciplug.inject.environment import MAX_ENTRY, SECRET_ZERO, child_environment
from tests.leaks import assert_no_leak


def child(env: dict[str, str], granted: dict[str, bytes] | None = None, known=(), tokens=()) -> dict[bytes, bytes]:
    return child_environment(env, granted or {}, known=known, secret_zero=tokens)


def as_a_program_sees_it(environment: dict[bytes, bytes]) -> dict[bytes, bytes]:
    done = subprocess.run(["/usr/bin/env", "-0"], env=environment, capture_output=True, check=True)
    return dict(line.split(b"=", 1) for line in done.stdout.split(b"\0")[:-1])


def test_the_rest_of_the_environment_and_what_is_granted_arrive() -> None:
    environment = child({"PATH": "/usr/bin", "LANG": "C"}, {"DATABASE_URL": b"postgres://\xff\n'x"})
    assert as_a_program_sees_it(environment) == {
        b"PATH": b"/usr/bin",
        b"LANG": b"C",
        b"DATABASE_URL": b"postgres://\xff\n'x",
    }


def test_every_way_to_the_job_s_identity_is_taken_out() -> None:
    env = dict.fromkeys(SECRET_ZERO, "secret-zero") | {"VAULT_ADDR": "https://v", "VAULT_NAMESPACE": "acme"}
    assert child(env) == {b"VAULT_ADDR": b"https://v", b"VAULT_NAMESPACE": b"acme"}
    assert {"ACTIONS_ID_TOKEN_REQUEST_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_URL", "VAULT_TOKEN", "BAO_TOKEN"} <= SECRET_ZERO


def test_the_host_s_own_token_variable_goes_with_its_file() -> None:
    env = {"MY_TOKEN": "eyJ", "MY_TOKEN_FILE": "/run/id_token", "MY_TOKENS": "kept", "NOT_MY_TOKEN": "kept"}
    assert set(child(env, tokens=iter(["MY_TOKEN"]))) == {b"MY_TOKENS", b"NOT_MY_TOKEN"}


def test_what_the_manifest_knows_and_the_job_is_not_granted_is_taken_out() -> None:
    env = {"DATABASE_URL": "from outside", "STRIPE_KEY": "from outside", "OTHER": "kept"}
    environment = child(env, {"DATABASE_URL": b"granted"}, known=["DATABASE_URL", "STRIPE_KEY"])
    assert environment == {b"DATABASE_URL": b"granted", b"OTHER": b"kept"}


def test_a_granted_name_wins_over_everything() -> None:
    assert child({"A": "outside", "VAULT_TOKEN": "x"}, {"A": b"granted", "VAULT_TOKEN": b"y"}) == {
        b"A": b"granted",
        b"VAULT_TOKEN": b"y",
    }


def test_bytes_that_are_not_text_go_through_unchanged() -> None:
    raw = b"caf\xe9\xff"
    environment = child({os.fsdecode(b"N\xff"): os.fsdecode(raw)})
    assert environment == {b"N\xff": raw}


def test_the_environment_that_was_given_is_not_changed() -> None:
    env = {"VAULT_TOKEN": "x"}
    child(env, {"A": b"1"})
    assert env == {"VAULT_TOKEN": "x"}


def test_the_longest_value_that_is_let_through_is_the_longest_that_linux_takes() -> None:
    longest = b"x" * (MAX_ENTRY - len("NAME=") - 1)
    assert as_a_program_sees_it(child({}, {"NAME": longest})) == {b"NAME": longest}
    with pytest.raises(OSError, match="too long"):
        as_a_program_sees_it({b"NAME": longest + b"x"})
    with pytest.raises(HandOverError, match=rf"NAME \({len(longest) + 1} bytes; {MAX_ENTRY} at most\)"):
        child({}, {"NAME": longest + b"x"})


def test_every_value_that_cannot_be_carried_is_named_at_once_and_none_is_shown() -> None:
    granted = {"GOOD": b"x", "NUL": b"s3cr3t\0value", "LONG": b"l0ng-value" * 20_000}
    with pytest.raises(HandOverError, match=r"NUL \(it holds a NUL byte\); LONG") as refused:
        child({}, granted)
    assert "GOOD" not in str(refused.value)
    assert 'as = "file"' in refused.value.hint
    assert_no_leak(str(refused.value), granted.values())
