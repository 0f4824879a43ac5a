"""What a live policy or role gives beside what is implied, each difference by its name and grade."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciplug.policy.compare import compare, policy_differences
from ciplug.policy.compare_role import differences
from ciplug.policy.hcl import CAPABILITIES, render
from ciplug.policy.live import Live, LiveItem
from ciplug.policy.model import Implied, Policy, Role
from ciplug.vault.admin import StoredPolicy
from ciplug.vault.admin_auth import JwtRole, document

if TYPE_CHECKING:
    from collections.abc import Mapping

READ = frozenset({"read"})
POLICY = Policy(
    name="shop-test",
    owner="jobs.test",
    project="acme/shop",
    ids=("github:74",),
    rules={"secret/data/app/dev/db": READ, "secret/data/app/dev/.ciplug/web": frozenset({"create", "read", "update"})},
)
ROLE = JwtRole(
    name="shop-test",
    bound_audiences=("https://vault.acme.dev",),
    bound_claims={"iss": "https://i", "ref": ["refs/heads/main", "refs/heads/next"], "build": 42},
    policies=("shop-test",),
    claim_mappings={"ref": "ref"},
    ttl=300,
    max_ttl=300,
)
IMPLIED = Implied(policies=(POLICY,), roles=(Role(host="github", mount="jwt", policy="shop-test", jwt=ROLE),))
LEDGER = 'path "secret/data/app/dev/.ciplug/web" { capabilities = ["create", "read", "update"] }\n'
RECORD = 'path "secret/data/app/dev/db" { capabilities = ["read"] }\n'

PATTERN = " (a wildcard: it matches other records too)"
SUDO = " (sudo opens what is closed to everyone else)"


def live(**fields: object) -> dict[str, Any]:
    """The role as a vault answers it, with these fields changed."""
    return document(ROLE) | fields


def claims(**changed: object) -> dict[str, Any]:
    """The same with other bound claims; ``None`` removes one."""
    bound = {**ROLE.bound_claims, **changed}
    return live(bound_claims={name: value for name, value in bound.items() if value is not None})


def test_a_vault_that_has_what_is_implied_differs_in_nothing() -> None:
    config = {"bound_issuer": "https://i", "jwks_url": "https://i/.well-known/jwks"}
    found = Live(
        policies={"shop-test": StoredPolicy(text=render(POLICY), version=1)},
        roles={("jwt", "shop-test"): live()},
        configs={"jwt": config},
    )
    assert compare(IMPLIED, found) == ()


@pytest.mark.parametrize("text", [f"{LEDGER}\n# a comment\n{RECORD}", RECORD + LEDGER, RECORD + RECORD + LEDGER])
def test_a_policy_may_be_written_in_another_way(text: str) -> None:
    assert list(policy_differences(POLICY, text)) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            f'{RECORD}{LEDGER}path "*" {{ capabilities = ["read"] }}',
            [("more", f'path "*" {{ capabilities = ["read"] }} is not implied{PATTERN}')],
            id="everything",
        ),
        pytest.param(
            f'{LEDGER}path "secret/data/app/+/d*" {{ capabilities = ["read"] }}',
            [
                ("more", f'path "secret/data/app/+/d*" {{ capabilities = ["read"] }} is not implied{PATTERN}'),
            ],
            id="a wildcard in place of the record",
        ),
        pytest.param(
            f'{RECORD}{LEDGER}path "secret/data/app/prod/db" {{ capabilities = ["read"] }}',
            [("more", 'path "secret/data/app/prod/db" { capabilities = ["read"] } is not implied')],
            id="a record more",
        ),
        pytest.param(
            f'{LEDGER}path "secret/data/app/dev/db" {{ capabilities = ["read", "delete", "sudo"] }}',
            [
                ("more", f'path "secret/data/app/dev/db" also allows delete, sudo{SUDO}'),
            ],
            id="sudo",
        ),
        pytest.param(
            LEDGER,
            [("less", 'path "secret/data/app/dev/db" { capabilities = ["read"] } is missing')],
            id="a record less",
        ),
        pytest.param(
            f'{RECORD}path "secret/data/app/dev/.ciplug/web" {{ capabilities = ["read", "list"] }}',
            [
                ("more", 'path "secret/data/app/dev/.ciplug/web" also allows list'),
                ("less", 'path "secret/data/app/dev/.ciplug/web" does not allow create, update'),
            ],
            id="one capability for another",
        ),
        pytest.param(
            f'{LEDGER}path "secret/data/app/dev/db" {{ capabilities = ["deny"] }}',
            [("less", 'path "secret/data/app/dev/db" { capabilities = ["deny"] } denies')],
            id="denied",
        ),
        pytest.param(
            f'{LEDGER}{RECORD}path "secret/data/*" {{ capabilities = ["deny"] }}',
            [("less", 'path "secret/data/*" { capabilities = ["deny"] } denies')],
            id="denied beside it",
        ),
        pytest.param(
            f'{LEDGER}path "secret/data/app/dev/db" {{\n capabilities = ["read"]\n max_wrapping_ttl = "1h"\n}}',
            [("other", 'it also says path "secret/data/app/dev/db": max_wrapping_ttl')],
            id="wrapping",
        ),
        pytest.param("path {", [("other", "the policy is not HCL as ciplug reads it in line 1")], id="no HCL"),
        pytest.param(None, [("less", "it is not there")], id="absent"),
    ],
)
def test_a_difference_of_a_policy_is_named(text: str | None, expected: list[tuple[str, str]]) -> None:
    assert [(one.grade, one.text) for one in policy_differences(POLICY, text)] == expected


@pytest.mark.parametrize(
    "pattern", ["secret/data/app/dev/d", "secret/data/+/db", "secret/data/app/dev/db/+", "secret/data/app/dev/d+", "x*"]
)
def test_a_rule_for_other_paths_does_not_stand_in_for_a_missing_one(pattern: str) -> None:
    text = f'{LEDGER}path "{pattern}" {{ capabilities = ["read"] }}'
    assert "less" in [one.grade for one in policy_differences(POLICY, text)]


def test_a_wildcard_beside_one_that_denies_does_not_stand_in_for_a_missing_rule() -> None:
    text = f'{LEDGER}path "secret/*" {{ capabilities = ["read"] }}\npath "secret/data/*" {{ capabilities = ["deny"] }}'
    grades = [one.grade for one in policy_differences(POLICY, text)]
    assert sorted(grades) == ["less", "less", "more"]


@pytest.mark.parametrize(
    ("role", "grade", "text"),
    [
        (live(token_policies=["shop-test", "admin"]), "more", 'token_policies also has "admin"'),
        (live(policies=["admin"]), "more", 'token_policies also has "admin"'),
        (live(token_policies=[]), "less", 'token_policies lacks "shop-test"'),
        (claims(build=None), "more", "bound_claims.build is not bound: it should be 42"),
        (live(bound_claims=None, bound_audiences=ROLE.bound_audiences), "more", "bound_claims.iss is not bound"),
        (claims(ref=["refs/heads/main", "refs/heads/next", "x"]), "more", 'bound_claims.ref also has "x"'),
        (claims(ref="refs/heads/main"), "less", 'bound_claims.ref lacks "refs/heads/next"'),
        (claims(build="42"), "more", 'bound_claims.build also has "42"'),
        (claims(build="42"), "less", "bound_claims.build lacks 42"),
        (claims(actor="me"), "less", 'bound_claims.actor is bound as well, to "me"'),
        (live(bound_claims_type="glob"), "more", "bound_claims_type is glob"),
        (live(bound_audiences=["https://vault.acme.dev", "x"]), "more", 'bound_audiences also has "x"'),
        (live(bound_audiences=["x"]), "less", 'bound_audiences lacks "https://vault.acme.dev"'),
        (live(bound_audiences=None), "more", "bound_audiences is empty"),
        (live(token_ttl=301), "more", "token_ttl is 301, not 300"),
        (live(token_ttl=0), "more", "token_ttl is 0 (the vault's own limit), not 300"),
        (live(token_ttl=299), "less", "token_ttl is 299, not 300"),
        (live(token_max_ttl=86400), "more", "token_max_ttl is 86400, not 300"),
        (live(token_max_ttl=1), "less", "token_max_ttl is 1, not 300"),
        (live(token_period=60), "more", "token_period is 60, not 0: a token can be renewed for ever"),
        (live(clock_skew_leeway=61), "more", "clock_skew_leeway is 61, not 0 (the vault's own 60)"),
        (live(expiration_leeway=3600), "more", "expiration_leeway is 3600"),
        (live(not_before_leeway=-1), "less", "not_before_leeway is -1"),
        (live(groups_claim="teams"), "more", 'groups_claim is "teams"'),
        (live(token_policies_template_claims=True), "more", "token_policies_template_claims is true"),
        (live(bound_subject="repo:x"), "less", 'bound_subject is "repo:x", not "": a manifest binds the claim sub'),
        (live(token_bound_cidrs=["10.0.0.0/8"]), "less", 'token_bound_cidrs is ["10.0.0.0/8"], not []'),
        (live(token_num_uses=1), "less", "token_num_uses is 1"),
        (live(token_strictly_bind_ip=True), "less", "token_strictly_bind_ip is true, not false"),
        (live(token_explicit_max_ttl=10), "less", "token_explicit_max_ttl is 10"),
        (live(token_no_default_policy=True), "less", "token_no_default_policy is true"),
        (live(token_type="batch"), "other", 'token_type is "batch", not "service"'),
        (live(user_claim="actor"), "other", 'user_claim is "actor", not "sub"'),
        (live(user_claim_json_pointer=True), "other", "user_claim_json_pointer is true"),
        (live(claim_mappings=None), "other", 'claim_mappings is null, not {"ref": "ref"}'),
        (live(role_type="oidc"), "other", 'role_type is "oidc", not "jwt"'),
        (None, "less", "it is not there"),
    ],
)
def test_a_difference_of_a_role_is_named(role: Mapping[str, Any] | None, grade: str, text: str) -> None:
    assert [one for one in differences(ROLE, role) if one.grade == grade and one.text.startswith(text)]


@pytest.mark.parametrize(
    "role",
    [
        live(),
        claims(ref=("refs/heads/next", "refs/heads/main")),
        claims(iss=["https://i"]),
        live(token_policies=["Shop-Test"]),
        live(clock_skew_leeway=60, expiration_leeway=150, not_before_leeway=150),
        live(token_bound_cidrs=None, groups_claim=None),
        {name: value for name, value in live().items() if name != "token_policies_template_claims"},
        live(verbose_oidc_logging=False, oidc_scopes=None, max_age=0),
    ],
)
def test_what_means_the_same_is_no_difference(role: Mapping[str, Any]) -> None:
    assert list(differences(ROLE, role)) == []


def test_a_difference_says_what_it_is_about_and_whether_it_only_narrows() -> None:
    denied = 'path "secret/data/app/prod/db" { capabilities = ["deny"] }\npath "x" { capabilities = ["list"] }'
    assert [(one.about, one.narrows) for one in policy_differences(POLICY, RECORD + denied)] == [
        ("secret/data/app/dev/.ciplug/web", False),
        ("secret/data/app/prod/db", True),
        ("x", False),
    ]
    changed = claims(actor="me") | {"token_ttl": 1, "token_num_uses": 1}
    assert [(one.about, one.narrows) for one in differences(ROLE, changed)] == [
        ("bound_claims.actor", False),
        ("token_ttl", False),
        ("token_num_uses", True),
    ]


def test_true_is_not_the_number_one() -> None:
    role = JwtRole(name="r", bound_audiences=(), bound_claims={"protected": True}, policies=("r",))
    found = document(role) | {"bound_claims": {"protected": 1}}
    assert [one.grade for one in differences(role, found)] == ["more", "less"]


def test_a_policy_without_a_mark_that_says_what_is_implied_differs_in_nothing() -> None:
    stored = StoredPolicy(text=RECORD + LEDGER)
    assert compare(IMPLIED, Live(policies={"shop-test": stored}, roles={("jwt", "shop-test"): live()})) == ()


def test_the_worst_comes_first() -> None:
    left = LiveItem(what="role", name="shop-old", mount="jwt")
    found = Live(
        policies={"shop-test": StoredPolicy(text=RECORD)},
        roles={("jwt", "shop-test"): live(token_ttl=3600, user_claim="actor")},
        configs={"jwt": None},
        left_over=(left,),
    )
    assert [(one.grade, one.what, one.name) for one in compare(IMPLIED, found)] == [
        ("more", "role", "jwt/shop-old"),
        ("more", "role", "jwt/shop-test"),
        ("less", "policy", "shop-test"),
        ("less", "mount", "jwt"),
        ("other", "role", "jwt/shop-test"),
    ]


@pytest.mark.parametrize(
    ("configs", "found"),
    [
        ({}, []),
        ({"jwt": {"bound_issuer": "https://i", "jwks_url": "https://i/keys"}}, [("other", "mount", "jwt")]),
        ({"jwt": {"bound_issuer": "https://i", "jwks_url": "https://j/jwks"}}, [("more", "mount", "jwt")]),
    ],
)
def test_a_mount_is_compared_where_it_may_be_looked_at(
    configs: Mapping[str, Mapping[str, Any]], found: list[tuple[str, str, str]]
) -> None:
    stored = StoredPolicy(text=render(POLICY))
    there = Live(policies={"shop-test": stored}, roles={("jwt", "shop-test"): live()}, configs=configs)
    assert [(one.grade, one.what, one.name) for one in compare(IMPLIED, there)] == found


PATHS = st.lists(st.text("abc-._/", min_size=1, max_size=8), min_size=1, max_size=4).map("/".join)
RULES = st.dictionaries(
    PATHS, st.frozensets(st.sampled_from(sorted(CAPABILITIES - {"deny"})), min_size=1, max_size=4), max_size=5
)


def granted(rules: Mapping[str, frozenset[str]]) -> set[tuple[str, str]]:
    return {(path, capability) for path, capabilities in rules.items() for capability in capabilities}


@given(wanted=RULES, given_rules=RULES)
def test_more_and_less_are_found_exactly_where_they_are(
    wanted: Mapping[str, frozenset[str]], given_rules: Mapping[str, frozenset[str]]
) -> None:
    policy = Policy(name="p", owner="jobs.p", project="s", ids=("github:1",), rules=wanted)
    text = render(Policy(name="p", owner="jobs.p", project="s", ids=("github:1",), rules=given_rules))
    grades = {one.grade for one in policy_differences(policy, text)}
    assert ("more" in grades) == bool(granted(given_rules) - granted(wanted))
    assert ("less" in grades) == bool(granted(wanted) - granted(given_rules))
    assert "other" not in grades


def test_what_ciplug_wrote_is_compared_without_a_reader_of_hcl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hcl2", None)
    policy = Policy(name="p", owner="jobs.p", project="s", ids=("github:1",), rules={"a": frozenset({"read"})})
    assert list(policy_differences(policy, render(policy))) == []
    [found] = policy_differences(policy, render(policy) + 'path "b" { policy = "read" }\n')
    assert found.grade == "other"
    assert "nothing is installed that reads others" in found.text
