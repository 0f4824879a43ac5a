"""What every token may do: with the records of jobs, and to give itself their rights."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciplug.policy.acl import overlap, patterns_for
from ciplug.policy.compare import compare
from ciplug.policy.compare_default import default_differences
from ciplug.policy.live import Live
from ciplug.policy.model import Implied, Policy, Role
from tests.fakes.live_policies import IMPLIED, MARKED, ROLE, live, role

READ, DENY = frozenset({"read"}), frozenset({"deny"})
NESTED = Implied(
    policies=(Policy(name="shop-test", owner="t", project="s", ids=("x",), rules={"team/kv/data/a": READ}),),
    roles=(Role(host="github", mount="team/jwt", policy="shop-test", jwt=ROLE),),
)


def reached(path: str, *capabilities: str, implied: Implied = IMPLIED) -> str:
    """What a rule of the policy ``default`` is found to be for as well, empty where it is in order."""
    found = [one.text.rpartition(" for ")[2] for one in default_differences(implied, {path: frozenset(capabilities)})]
    return "".join(found)


@pytest.mark.parametrize(
    ("path", "capabilities", "also"),
    [
        ("secret/*", "read", "secret/data/db, secret/metadata/db, secret/delete/db and 3 more"),
        ("*", "list", "secret/data/db, secret/metadata/db, secret/delete/db and 4 more"),
        ("secret/data/+", "list", "secret/data/db"),
        ("secret/data/db", "read", "secret/data/db"),
        ("secret/data/d*", "patch", "secret/data/db"),
        ("+/data/db", "read", "secret/data/db"),
        ("secret/metadata/*", "list", "secret/metadata/db"),
        ("secret/delete/db", "update", "secret/delete/db"),
        ("secret/undelete/*", "update", "secret/undelete/db"),
        ("secret/destroy/+", "update", "secret/destroy/db"),
        ("secret/subkeys/db", "read", "secret/subkeys/db"),
        ("secret/data/{{identity.entity.name}}", "read", "secret/data/db"),
        (
            "secret/{{identity.entity.metadata.x}}/x",
            "read",
            "secret/data/db, secret/metadata/db, secret/delete/db and 3 more",
        ),
        ("auth/jwt-github/role/shop-test", "update", "auth/jwt-github/role/+, auth/+/role/+"),
        ("auth/jwt-github/role/zz", "create", "auth/jwt-github/role/+, auth/+/role/+"),
        ("auth/jwt-github/cel/role/*", "create", "auth/jwt-github/cel/role/+, auth/+/cel/role/+"),
        ("auth/jwt-github/config", "update", "auth/jwt-github/config"),
        ("auth/other/role/x", "update", "auth/+/role/+"),
        ("sys/policies/acl/*", "update", "sys/policies/acl/shop-test, sys/policies/acl/default"),
        ("sys/policies/acl/shop-*", "delete", "sys/policies/acl/shop-test"),
        ("sys/policy/default", "update", "sys/policy/default"),
        ("sys/auth/mine", "sudo", "sys/auth/*"),
        ("sys/mounts/*", "create", "sys/mounts/+"),
        ("sys/remount", "update sudo", "sys/remount"),
        ("auth/userpass/users/*", "create update", "auth/+/users/+"),
        ("auth/userpass/users/{{identity.entity.name}}", "update", "auth/+/users/+"),
        ("auth/ldap/groups/+", "update", "auth/+/groups/+"),
        ("sys/raw/*", "read", "sys/raw/*"),
        ("auth/token/create", "sudo", "auth/token/create"),
        ("auth/token/*", "sudo", "auth/token/create, auth/token/create-orphan, auth/token/roles/+ and 4 more"),
        ("auth/token/roles/mine", "update", "auth/token/roles/+"),
        ("identity/entity/id/{{identity.entity.id}}", "update", "identity/entity*"),
        ("identity/group", "create", "identity/group*"),
    ],
)
def test_what_a_token_could_read_or_give_itself_is_found(path: str, capabilities: str, also: str) -> None:
    assert reached(path, *capabilities.split()) == also


@pytest.mark.parametrize(
    ("path", "capabilities"),
    [
        ("secret/data/app", "read"),
        ("secret/data/db/x", "read"),
        ("secret/data", "read"),
        ("secrets/*", "read"),
        ("secret/*", "deny"),
        ("secret/*", "deny read"),
        ("secret/data/db", ""),
        ("secret/config", "update"),
        ("secret/data/users/{{identity.entity.name}}/*", "read"),
        ("cubbyhole/*", "create read update delete list"),
        ("auth/jwt-github/role/*", "read list"),
        ("auth/jwt-github/login", "update"),
        ("auth/userpass/users/{{identity.entity.name}}/password", "update"),
        ("sys/policies/acl/*", "read list"),
        ("sys/policies/acl/others", "update"),
        ("sys/auth", "read"),
        ("sys/mounts", "read"),
        ("sys/mounts/*", "read"),
        ("auth/userpass/users/*", "read list"),
        ("auth/token/create", "update"),
        ("auth/token/revoke-self", "update"),
        ("identity/entity/id/{{identity.entity.id}}", "read"),
        ("identity/oidc/provider/+/authorize", "read update"),
    ],
)
def test_what_has_nothing_to_do_with_that_is_in_order(path: str, capabilities: str) -> None:
    assert reached(path, *capabilities.split()) == ""


@pytest.mark.parametrize(
    ("path", "denying"),
    [
        ("secret/data/*", "secret/data/d*"),
        ("secret/data/*", "secret/data/+"),
        ("secret/data/*", "secret/data/db"),
        ("secret/data/+", "secret/data/db"),
        ("+/data/db", "secret/data/*"),
        ("+/data/+", "+/data/db"),
        ("secret/data/{{identity.entity.name}}", "secret/data/db"),
    ],
)
def test_a_record_that_a_closer_rule_denies_is_in_order(path: str, denying: str) -> None:
    for rules in ({path: READ, denying: DENY}, {denying: DENY, path: READ}):
        assert list(default_differences(IMPLIED, rules)) == []


@pytest.mark.parametrize(
    ("path", "other", "given"),
    [
        ("secret/data/db", "secret/data/*", DENY),
        ("secret/data/d*", "secret/data/*", DENY),
        ("secret/data/*", "+/data/db", DENY),
        ("secret/data/*", "secret/data/dc*", DENY),
        ("secret/data/*", "secret/metadata/db", DENY),
        ("secret/data/*", "secret/data/d*", frozenset({"list"})),
        ("secret/data/*", "secret/data/{{identity.entity.name}}", DENY),
        ("secret/data/{{identity.entity.name}}", "secret/data/d*", DENY),
    ],
)
def test_a_record_that_no_closer_rule_denies_is_found(path: str, other: str, given: frozenset[str]) -> None:
    found = default_differences(IMPLIED, {path: READ, other: given})
    assert path in [one.about for one in found if one.text.endswith(" for secret/data/db")]


def test_a_rule_that_denies_some_of_what_a_token_gives_itself_leaves_the_rest() -> None:
    rules = {"auth/*": frozenset({"update"}), "auth/userpass/users/*": DENY, "auth/ldap/*": DENY}
    [one] = default_differences(IMPLIED, rules)
    assert (one.grade, one.about) == ("more", "auth/*")


def test_mounts_of_several_segments_are_known() -> None:
    assert reached("team/kv/metadata/+", "list", implied=NESTED) == "team/kv/metadata/a"
    assert reached("auth/team/jwt/role/x", "update", implied=NESTED) == "auth/team/jwt/role/+"


def test_a_rule_with_a_template_is_said_to_be_one_that_may_reach() -> None:
    [one] = default_differences(IMPLIED, {"secret/data/{{identity.entity.name}}": READ})
    assert one.text.startswith("every token has it, and path")
    assert one.text.endswith(" may also be for secret/data/db")


def test_what_of_it_cannot_be_read_is_found() -> None:
    there = live(MARKED, role(), role())
    found = Live(policies=there.policies, roles=there.roles, default_unread=('path "a" "b"', "no HCL"))
    assert [(one.grade, one.what, one.name, one.text.rpartition(": ")[2]) for one in compare(IMPLIED, found)] == [
        ("other", "policy", "default", 'path "a" "b"'),
        ("other", "policy", "default", "no HCL"),
    ]


RULES = st.lists(st.sampled_from(["a", "ab", "b", "+"]), min_size=1, max_size=3).map("/".join)
BEGINNINGS = RULES.filter(lambda rule: not rule.endswith("+")).map(lambda rule: f"{rule}*")
PATTERNS = st.one_of(RULES, BEGINNINGS, st.just("*"))
PATHS = st.lists(st.sampled_from(["a", "ab", "b", "abc"]), min_size=1, max_size=4).map("/".join)


@given(one=PATTERNS, two=PATTERNS, path=PATHS)
def test_two_rules_that_are_for_one_path_overlap(one: str, two: str, path: str) -> None:
    assert overlap(one, two) == overlap(two, one)
    assert overlap(one, path) == (one == path or bool(patterns_for(path, {one: READ})))
    if overlap(one, path) and overlap(two, path):
        assert overlap(one, two)


@pytest.mark.parametrize(
    ("one", "two"), [("a/*", "b/*"), ("a/b", "a/+/c"), ("a/+", "a"), ("ab*", "a"), ("a/+/c", "+/b/d"), ("a/b*", "a/c*")]
)
def test_two_rules_that_have_no_path_in_common_do_not_overlap(one: str, two: str) -> None:
    assert not overlap(one, two)
    assert not overlap(two, one)
