"""Every reason for which a vault rejects a login: the check that failed, and what to do about it."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from ciplug.doctor.case import Door
from ciplug.doctor.explain import explain
from ciplug.doctor.rejection import rejected
from ciplug.errors import DeniedError, IdentityError, LoginRejectedError, MissingError
from ciplug.manifest import JobGrant
from ciplug.manifest.model import Environment, Job, Manifest, Project, Vault
from ciplug.standins.claims import github_claims
from ciplug.values import Grant, IdToken, Record, Secret, VaultToken

WHO = 'the login as role "shop-test" at auth/jwt'
CLAIMS = github_claims() | {"iss": "https://issuer.dev", "aud": "https://vault.acme.dev"}


def grant(name: str = "DATABASE_URL", path: str = "app/dev/db", **more: object) -> Grant:
    record = Record(mount="secret", path=path, engine="kv2")
    return Grant(**({"name": name, "record": record, "pointer": ("url",)} | more))  # type: ignore[arg-type]  # any field


def door(*grants: Grant, kind: str = "github", environments: tuple[str, ...] = ("dev",)) -> Door:
    places = {name: Environment(name=name, path=f"app/{name}", only_if=MappingProxyType({})) for name in environments}
    manifest = Manifest(
        version=1,
        vault=Vault(audience="https://vault.acme.dev"),
        project=Project(name="shop", github="acme/shop"),
        environments=places,
        secrets={},
        jobs={"test": Job(name="test", environments=environments, role="shop-test", secrets=())},
        targets={},
        source="ciplug.toml",
    )
    wanted = grants or (grant(),)
    return Door(
        manifest=manifest,
        grant=JobGrant(job="test", environment=places["dev"], role="shop-test", grants=wanted),
        kind=kind,
    )


VALIDATING = "error validating token: invalid"
REASONS = {
    f"{VALIDATING} audience (aud) claim: audience claim does not match any expected audience": (
        "claim aud",
        "bound_audiences=https://vault.acme.dev",
    ),
    "error validating token: audience claim found in JWT but no audiences bound to the role": (
        "claim aud",
        "bound_audiences=https://vault.acme.dev",
    ),
    f"{VALIDATING} expiration time (exp) claim: token is expired": ("expiry", "fresh token"),
    f"{VALIDATING} not before (nbf) claim: token not yet valid": ("clock", "timedatectl"),
    f"{VALIDATING} issued at (iat) claim: token issued in the future": ("clock", "timedatectl"),
    f"{VALIDATING} issuer (iss) claim": ("claim iss", "bound_issuer=https://issuer.dev"),
    f"{VALIDATING} subject (sub) claim": ("claim sub", "run the job where the claim holds"),
    'error validating claims: claim "ref" does not match any associated bound claim values': ("claim ref", "shop-test"),
    'error validating claims: claim "/ref" is missing': ("claim ref", "shop-test"),
    'claim "email" not found in token': ("claim email", "shop-test"),
    'role "shop-test" could not be found': ("role", "ciplug policy --apply"),
    "could not load configuration": ("auth mount", "bao write auth/jwt/config"),
    "error validating token: failed to verify id token signature": ("signature", "oidc_discovery_url"),
    "error validating token: no known key successfully validated the token signature": ("signature", "other keys"),
}


@pytest.mark.parametrize("reason", REASONS)
def test_a_reason_has_its_check_and_its_remedy(reason: str) -> None:
    check, words = REASONS[reason]
    found = rejected(LoginRejectedError(f"the vault rejected {WHO}: {reason}"), door(), CLAIMS)
    assert (found.check, found.state) == (check, "failed")
    assert reason in found.text
    assert words in found.remedy


def test_a_reason_that_is_new_keeps_the_errors_own_hint() -> None:
    found = rejected(LoginRejectedError("the vault rejected it: something new", hint="look there"), door(), CLAIMS)
    assert (found.check, found.remedy) == ("login", "look there")


def test_what_the_manifest_wants_stands_beside_the_vaults_reason() -> None:
    error = LoginRejectedError('error validating claims: claim "repository" does not match')
    found = rejected(error, door(), CLAIMS | {"repository": "evil/shop"})
    assert found.text.endswith('; project.github wants "acme/shop"')


@pytest.mark.parametrize(
    ("role", "claims"),
    [("audience", {}), ("signature-(exp)", {}), ("x", {"repository": '(exp) signature claim "x"'})],
)
def test_only_the_vaults_own_words_say_what_failed(role: str, claims: dict[str, object]) -> None:
    text = f'the vault rejected the login as role "{role}" at auth/jwt: invalid issuer (iss) claim'
    told = "".join(f"; the token has {name} {value}" for name, value in claims.items())
    assert rejected(LoginRejectedError(f"{text}{told}"), door(), CLAIMS | claims).check == "claim iss"


@pytest.mark.parametrize(
    ("skew", "says"),
    [(None, ""), (0.4, "agree"), (90.0, "90 s ahead of this machine's"), (-90.0, "90 s behind this machine's")],
)
def test_a_wrong_time_has_the_vaults_clock_beside_it(skew: float | None, says: str) -> None:
    error = LoginRejectedError(f"{VALIDATING} expiration time (exp) claim: token is expired")
    found = rejected(error, door(), CLAIMS, skew)
    assert found.text.endswith("token is expired") if not says else says in found.text


@pytest.mark.parametrize(
    ("kind", "says"), [("gitlab", "start the job again"), ("jenkins", "credential"), ("ci", "each job")]
)
def test_a_fresh_token_is_had_in_the_hosts_own_way(kind: str, says: str) -> None:
    error = LoginRejectedError(f"{VALIDATING} expiration time (exp) claim: token is expired")
    assert says in rejected(error, door(kind=kind), CLAIMS).remedy


def id_token(**claims: object) -> IdToken:
    return IdToken(token=Secret("eyJh.eyJz.c2ln"), claims=CLAIMS | claims, source="GitHub Actions")


def test_an_explained_rejection_has_the_remedy_and_where_there_is_more() -> None:
    error = LoginRejectedError(f'the vault rejected {WHO}: claim "repository" does not match', hint="a general one")
    explain(error, door(), id_token(repository="evil/shop"))
    assert 'project.github wants "acme/shop"' in str(error)
    assert "a fork perhaps" in error.hint
    assert error.hint.endswith("; `ciplug doctor --job test` shows every step")


def test_a_job_with_several_environments_is_asked_about_with_its_own() -> None:
    error = IdentityError("no identity token", hint="get one")
    explain(error, door(environments=("dev", "prod")), None)
    assert error.hint == "get one; `ciplug doctor --job test --env dev` shows every step"


def test_a_hint_that_names_the_doctor_is_left_as_it_is() -> None:
    error = DeniedError("no", hint="as `ciplug doctor` shows")
    explain(error, door(), VaultToken(token=Secret("s.x"), source="VAULT_TOKEN"))
    assert (str(error), error.hint) == ("no", "as `ciplug doctor` shows")


MISSING = {
    "record": (
        "DATABASE_URL: secret/app/dev/db does not exist in the vault",
        "bao kv put -mount=secret app/dev/db url=-",
    ),
    "field": ("DATABASE_URL: secret/app/dev/db has no field url", "bao kv patch -mount=secret app/dev/db url=-"),
    "empty": ("DATABASE_URL: field url of secret/app/dev/db is empty", "bao kv patch -mount=secret app/dev/db url=-"),
}


@pytest.mark.parametrize("case", MISSING)
def test_what_is_missing_comes_with_the_command_that_writes_it(case: str) -> None:
    text, command = MISSING[case]
    error = MissingError(text, hint="write it")
    explain(error, door(grant(owner="payments")), id_token())
    assert str(error) == text
    assert command in error.hint
    assert "ask payments" in error.hint


def test_each_of_several_has_its_own_command() -> None:
    error = MissingError("A: secret/a does not exist in the vault; B: secret/b has no field y", hint="write it")
    explain(error, door(grant("A", "a"), grant("B", "b", pointer=("y",)), grant("C", "c")), id_token())
    assert "bao kv put -mount=secret a url=-" in error.hint
    assert "bao kv patch -mount=secret b y=-" in error.hint
    assert "of C in" not in error.hint


@pytest.mark.parametrize(
    ("text", "odd"),
    [
        ("DATABASE_URL: version 1 of secret/app/dev/db was deleted in the vault", {}),
        ("DATABASE_URL: secret/app/dev/db has no field /a/b", {"pointer": ("a", "b")}),
        ("DATABASE_URL: x does not exist", {"record": Record(mount="db", path="creds/x", engine="other")}),
        ("DATABASE_URL: x does not exist", {"record": Record(mount="s", path="x", engine="kv2", version=3)}),
        ("DATABASE_URL: x has no field url", {"record": Record(mount="s", path="x", engine="kv1")}),
        ("OTHER_DATABASE_URL: x does not exist", {}),
    ],
)
def test_what_no_simple_command_writes_keeps_its_hint(text: str, odd: dict[str, object]) -> None:
    error = MissingError(text, hint="the hint it had")
    explain(error, door(grant(**odd)), id_token())
    assert error.hint.startswith("the hint it had; ")


def test_a_command_is_quoted_for_the_shell() -> None:
    error = MissingError("A: it does not exist")
    explain(error, door(grant("A", "it's $HOME", pointer=("a b",))), id_token())
    assert """'it'"'"'s $HOME' 'a b=-'""" in error.hint
