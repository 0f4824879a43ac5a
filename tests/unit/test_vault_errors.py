from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciplug.errors import (
    DeniedError,
    LoginRejectedError,
    MissingError,
    SealedError,
    UnreachableError,
    UsageError,
    VaultError,
)
from ciplug.net.failures import BrokenAnswer, TlsRefused, TooLarge, Unsendable
from ciplug.values import Secret
from ciplug.vault.errors import (
    BadRequestError,
    DeletedError,
    InvalidTokenError,
    NoNamespaceError,
    NotThereError,
    Place,
    Purpose,
    UnexplainedRejectionError,
    error_for,
    error_from,
)
from tests.leaks import assert_no_leak

PLACE = Place(address="https://v:8200", namespace="acme")
LOGIN = 'the login as role "shop-test" at auth/jwt'
PURPOSES = {
    "login": Purpose(step="login", doing=LOGIN, subject=LOGIN),
    "read": Purpose(step="read", doing="reading secret/app/db", subject="secret/app/db"),
    "revoke": Purpose(step="revoke", doing="revoking the token", subject="the token"),
    "inspect": Purpose(step="inspect", doing="asking for capabilities", subject="sys/capabilities-self"),
}
POLICY = "1 error occurred:\n\t* permission denied\n\n"


def error(step, status, *reasons, **body):
    return error_for(status, {"errors": list(reasons), **body}, PURPOSES[step], PLACE)


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        ("error validating token: invalid audience (aud) claim: audience claim does not match", "vault.audience"),
        ("error validating token: invalid expiration time (exp) claim: token is expired", "expired before the login"),
        ("error validating token: invalid not before (nbf) claim: token not yet valid", "clock"),
        ("error validating token: invalid issued at (iat) claim: token issued in the future", "clock"),
        (
            'error validating claims: claim "repository" does not match any associated bound claim values',
            "bound_claims",
        ),
        ('error validating claims: claim "environment" is missing', "the role's bound_"),
        ("error validating token: invalid subject (sub) claim", "the role's bound_"),
        ("error validating token: invalid issuer (iss) claim", "bound_issuer"),
        ('role "nope" could not be found', "create the role"),
        ("missing role", "set `role`"),
        ("could not load configuration", "no configuration"),
        ("error validating token: failed to verify id token signature", "jwks_url"),
        ("error validating token: no known key successfully validated the token signature", "jwks_url"),
        ("something new", "compare the role with what the token claims"),
    ],
)
def test_a_rejected_login_has_the_vaults_reason_and_what_to_do(reason, hint):
    found = error("login", 400, reason)
    assert type(found) is LoginRejectedError
    assert str(found) == f"the vault rejected {LOGIN}: {reason}"
    assert hint in found.hint
    assert found.reason == reason


@pytest.mark.parametrize(("status", "reason"), [(403, "permission denied"), (404, 'no handler for route "auth/x"')])
def test_a_login_refused_without_reason_points_to_the_mount_and_the_addresses(status, reason):
    found = error("login", status, reason)
    assert type(found) is UnexplainedRejectionError
    assert LOGIN in str(found)
    assert "auth_mount" in found.hint
    assert "token_bound_cidrs" in found.hint


@pytest.mark.parametrize(
    "reason", ["permission denied", "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"]
)
def test_a_dead_token_is_told_from_a_refusal(reason):
    assert type(error("read", 403, reason)) is InvalidTokenError
    assert "wrong, expired or revoked" in str(error("read", 403, reason))
    assert type(error("revoke", 403, reason)) is InvalidTokenError


def test_a_refusal_by_policy_names_the_record():
    found = error("read", 403, POLICY)
    assert type(found) is DeniedError
    assert "no right to read secret/app/db" in str(found)
    assert "policy" in found.hint


def test_a_refusal_of_anything_else_names_it():
    found = error("revoke", 403, POLICY)
    assert type(found) is DeniedError
    assert str(found) == "the token's policies do not allow revoking the token"


def test_an_absent_record():
    found = error("read", 404)
    assert type(found) is MissingError
    assert "secret/app/db does not exist" in str(found)
    assert found.hint


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        (
            {"version": 4, "deletion_time": "2026-01-02T03:04:05.6Z", "destroyed": False},
            "version 4 of secret/app/db was deleted in the vault at 2026-01-02T03:04:05.6Z",
        ),
        ({"version": 2, "deletion_time": "x", "destroyed": True}, "version 2 of secret/app/db was destroyed"),
        ({}, "version ? of secret/app/db was deleted in the vault at an unknown time"),
    ],
)
def test_a_deleted_version_is_told_from_an_absent_one(metadata, words):
    found = error("read", 404, data={"data": None, "metadata": metadata})
    assert type(found) is DeletedError
    assert words in str(found)


@pytest.mark.parametrize("step", ["login", "read", "revoke", "inspect"])
def test_an_unknown_namespace_is_named(step):
    found = error(step, 404, "namespace not found")
    assert type(found) is NoNamespaceError
    assert '"acme"' in str(found)
    assert "vault.namespace" in found.hint


def test_an_unknown_namespace_that_nobody_set_comes_from_the_path():
    found = error_for(404, {"errors": ["namespace not found"]}, PURPOSES["read"], Place(address="https://v"))
    assert type(found) is VaultError
    assert str(found) == "the vault at https://v has no such namespace as secret/app/db is in"


def test_a_missing_mount_is_no_missing_secret():
    found = error("read", 404, 'no handler for route "nomount/x". route entry not found.')
    assert type(found) is NotThereError
    assert "nothing is mounted where secret/app/db should be" in str(found)


def test_the_wrong_kv_version_is_no_missing_secret():
    found = error("read", 404, warnings=["Invalid path for a versioned K/V secrets engine. See the API docs"])
    assert type(found) is VaultError
    assert "kv_version = 2" in found.hint


@pytest.mark.parametrize("step", ["revoke", "inspect"])
def test_a_404_of_another_step_is_no_missing_secret(step):
    assert type(error(step, 404)) is NotThereError


@pytest.mark.parametrize("kind", [BadRequestError, NoNamespaceError, NotThereError, UnexplainedRejectionError])
def test_a_kind_of_its_own_can_be_worded_anew(kind):
    """Whoever puts something before a message makes another error of the same type."""
    assert (str(kind("a: b", hint="c")), kind("a: b", hint="c").hint) == ("a: b", "c")


@pytest.mark.parametrize(
    ("status", "reason", "kind", "words"),
    [
        (503, "Vault is sealed", SealedError, "https://v:8200 is sealed"),
        (500, "Vault is sealed", SealedError, "is sealed"),
        (501, "", SealedError, "not initialised"),
        (503, "Vault is not initialized", SealedError, "not initialised"),
        (500, "local node not active but active cluster node not found", UnreachableError, "no leader"),
        (502, "", UnreachableError, "status 502"),
        (503, "", UnreachableError, "status 503"),
        (500, "pq: too many clients", VaultError, "500 while reading secret/app/db: pq: too many clients"),
        (429, 'request path "x": rate limit quota exceeded', VaultError, "rate limit"),
        (413, "http: request body too large", VaultError, "too large"),
        (400, "bad version", BadRequestError, "400 while reading secret/app/db: bad version"),
        (405, "unsupported operation", NotThereError, "405"),
        (418, "", VaultError, "418 while reading secret/app/db: no reason given"),
    ],
)
def test_other_answers(status, reason, kind, words):
    found = error("read", status, *([reason] if reason else []))
    assert type(found) is kind
    assert words in str(found)
    assert found.hint


JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "credential",
    [
        JWT,
        "eyJhbGciOiJub25lIn0.",
        "hvs.CAESIJ-abc_def",
        "hvb.AAAAAQ",
        "s.abcdefghijklmnopqrstuvwx",
        "b.AAAAAQJabcdefghijklmnopq",
        "postgres://root:hunter2@db:5432/x",
    ],
)
def test_nothing_that_looks_like_a_credential_is_repeated(credential):
    text = str(error("login", 400, f"bad token {credential} here"))
    assert "****" in text
    for part in ("eyJ", "hvs.", "hvb.", "abcdefgh", "hunter2"):
        assert part not in text


def test_the_secrets_of_the_request_are_not_repeated_whatever_they_look_like():
    purpose = Purpose(step="login", doing="x", subject="x", conceal=(Secret("plain-words"), Secret("")))
    text = str(error_for(400, {"errors": ["malformed: plain-words"]}, purpose, PLACE))
    assert "plain-words" not in text
    assert text.endswith("malformed: ****")
    assert "plain-words" not in repr(purpose)


@given(st.lists(st.text(max_size=400), max_size=4))
def test_a_reason_is_one_printable_line_of_limited_length(reasons):
    text = str(error("login", 400, *reasons))
    assert text.isprintable()
    assert len(text) < 400


@pytest.mark.parametrize("errors", [None, "text", {"a": 1}, [None, 5, {"x": "y"}]])
def test_errors_of_an_odd_shape_do_no_harm(errors):
    assert type(error_for(400, {"errors": errors}, PURPOSES["login"], PLACE)) is LoginRejectedError


@pytest.mark.parametrize(
    ("failure", "kind", "words"),
    [
        (
            BrokenAnswer("the answer is cut short"),
            UnreachableError,
            "not reachable at https://v:8200: the answer is cut",
        ),
        (TlsRefused("its certificate has expired", hint="clock"), UnreachableError, "certificate has expired"),
        (TooLarge("the answer is larger than 8 MiB"), VaultError, "larger than 8 MiB: https://v:8200"),
        (Unsendable("the value for X-Vault-Token holds a line break"), UsageError, "X-Vault-Token"),
    ],
)
def test_an_exchange_without_an_answer(failure, kind, words):
    found = error_from(failure, PLACE)
    assert type(found) is kind
    assert words in str(found)
    assert found.hint
    assert not failure.hint or found.hint == failure.hint


PARTS = ("eyJhbGciOiJSUzI1NiJ9", "eyJzdWIiOiJqb2IiLCJuIjoiYSBub25jZSJ9", "c2lnbmF0dXJlLW9mLXRoaXMtdG9rZW4_-x")
TOKEN = ".".join(PARTS)


@pytest.mark.parametrize(
    "shown",
    [
        TOKEN,
        *PARTS,
        f"<{PARTS[2]}>",
        b64encode(TOKEN.encode()).decode(),
        b64encode(PARTS[2].encode()).decode(),
        b64encode(f"jwt={TOKEN}\n".encode()).decode(),
        TOKEN.encode().hex(),
        TOKEN[:60],
        f"{PARTS[0]}.{PARTS[1]}",
        f"{PARTS[1]}.{PARTS[2]}",
    ],
)
def test_no_part_of_a_token_is_repeated_in_any_form(shown):
    purpose = Purpose(step="login", doing="x", subject="x", conceal=(Secret(TOKEN),))
    text = str(error_for(400, {"errors": [f"malformed: {shown} in the request"]}, purpose, PLACE))
    assert_no_leak(text, [TOKEN, *PARTS])
    assert text.startswith("the vault rejected x: malformed: ")


def test_a_part_that_is_too_short_to_be_told_from_text_leaves_the_text_readable():
    purpose = Purpose(step="login", doing="x", subject="x", conceal=(Secret("abc.claims.def"),))
    assert "claims" in str(error_for(400, {"errors": ["error validating claims"]}, purpose, PLACE))
