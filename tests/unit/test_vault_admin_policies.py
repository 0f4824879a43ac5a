"""Policies and roles as an administrator reads and writes them, on vaults that answer in every way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ciplug.errors import DeniedError, MissingError, VaultError
from ciplug.values import Secret
from ciplug.vault.admin import Admin, StoredPolicy
from ciplug.vault.admin_auth import JwtRole
from tests.fakes.scripted_server import ScriptedServer, answer

if TYPE_CHECKING:
    from tests.fakes.scripted_server import Script

PATH = "/v1/sys/policies/acl/shop-test"
GET, PUT = f"GET {PATH}", f"PUT {PATH}"
ROLE = "/v1/auth/jwt/role/shop-test"
ABSENT = answer(404, {"errors": []})
NO_MOUNT = answer(404, {"errors": ["no handler for route"]})
CHANGED = answer(400, {"errors": ["check-and-set parameter 1 did not match the current version 2"]})
DONE = answer(204)


def stored(text: str, **fields: object) -> Script:
    return answer(200, {"data": {"name": "shop-test", "policy": text, **fields}})


def admin(server: ScriptedServer) -> Admin:
    return Admin(server.url, Secret("hvs.of-a-test"))


def test_a_vault_that_counts_versions_is_asked_to_check_them() -> None:
    with ScriptedServer({GET: stored("a", version=4), PUT: DONE}) as server, admin(server) as vault:
        seen = vault.read_policy("shop-test")
        assert seen == StoredPolicy(text="a", version=4)
        assert vault.write_policy_if("shop-test", "b", seen=seen)
    assert server.seen[-1].json() == {"policy": "b", "cas": 4}


def test_a_vault_that_counts_none_is_asked_nothing_that_it_does_not_know() -> None:
    with ScriptedServer({GET: stored("a"), PUT: DONE}) as server, admin(server) as vault:
        assert vault.write_policy_if("shop-test", "b", seen=StoredPolicy(text="a"))
    assert server.seen[-1].json() == {"policy": "b"}


def test_a_new_policy_is_written_only_where_there_is_none() -> None:
    with ScriptedServer({GET: ABSENT, PUT: DONE}) as server, admin(server) as vault:
        assert vault.write_policy_if("shop-test", "b", seen=None)
    assert server.seen[-1].json() == {"policy": "b", "cas": -1}


@pytest.mark.parametrize("seen", [None, StoredPolicy(text="b", version=1), StoredPolicy(text="a", version=2)])
def test_what_was_seen_differently_is_not_written(seen: StoredPolicy | None) -> None:
    with ScriptedServer({GET: stored("a", version=1), PUT: DONE}) as server, admin(server) as vault:
        assert not vault.write_policy_if("shop-test", "c", seen=seen)
    assert server.paths() == [GET]


@pytest.mark.parametrize(("now", "written"), [("b", True), ("c", False)])
def test_a_check_that_fails_is_looked_into(now: str, written: bool) -> None:
    """After a lost answer the vault's second answer is that the version is another: that of the first attempt."""
    with ScriptedServer({PUT: CHANGED}) as server, admin(server) as vault:
        server.script(GET, stored("a", version=1), stored(now, version=2))
        assert vault.write_policy_if("shop-test", "b", seen=StoredPolicy(text="a", version=1)) is written


def test_another_refusal_of_a_policy_is_an_error() -> None:
    refusal = answer(400, {"errors": ["failed to parse policy"]})
    with ScriptedServer({GET: ABSENT, PUT: refusal}) as server, admin(server) as vault, pytest.raises(VaultError):
        vault.write_policy_if("shop-test", "b", seen=None)


@pytest.mark.parametrize(
    ("given", "error"), [(NO_MOUNT, MissingError), (answer(403, {"errors": ["x"]}), DeniedError), (DONE, VaultError)]
)
def test_what_is_not_there_is_told_from_what_cannot_be_there(given: Script, error: type[Exception]) -> None:
    routes = {GET: given, f"GET {ROLE}": given, "GET /v1/auth/jwt/config": given, "LIST /v1/auth/jwt/role": given}
    with ScriptedServer(routes) as server, admin(server) as vault:
        for call in (
            lambda: vault.read_policy("shop-test"),
            lambda: vault.jwt.read_role("shop-test"),
            vault.jwt.read_config,
            vault.jwt.roles,
        ):
            with pytest.raises(error):
                call()
        for route in routes:
            server.script(route, ABSENT)
        assert vault.read_policy("shop-test") is None
        assert vault.jwt.read_role("shop-test") is None
        assert vault.jwt.read_config() is None
        assert vault.jwt.roles() == ()


def test_a_role_is_written_with_every_field_that_bears_on_who_may_log_in() -> None:
    """A field that is left out of a write stays as it was."""
    role = JwtRole(
        name="shop-test",
        bound_audiences=("a",),
        bound_claims={"ref": ("x", "y")},
        policies=("shop-test",),
        leeway=-1,
    )
    with ScriptedServer({f"POST {ROLE}": DONE}) as server, admin(server) as vault:
        vault.jwt.write_role(role)
    body = server.seen[-1].json()
    assert body["bound_claims"] == {"ref": ["x", "y"]}
    assert {name: body[name] for name in body if name.endswith("leeway")} == {
        "clock_skew_leeway": -1,
        "expiration_leeway": -1,
        "not_before_leeway": -1,
    }
    nothing = ("bound_subject", "groups_claim", "token_period", "token_num_uses", "token_explicit_max_ttl")
    assert not any(body[name] for name in (*nothing, "token_bound_cidrs", "token_no_default_policy"))


def test_a_field_of_a_role_that_is_to_stay_is_not_sent() -> None:
    role = JwtRole(name="shop-test", bound_audiences=("a",), bound_claims={}, policies=("shop-test",))
    with ScriptedServer({f"POST {ROLE}": DONE}) as server, admin(server) as vault:
        vault.jwt.write_role(role)
        vault.jwt.write_role(role, leave=("token_bound_cidrs", "token_num_uses"))
    first, second = (one.json() for one in server.seen)
    assert {name: value for name, value in first.items() if name not in second} == {
        "token_bound_cidrs": [],
        "token_num_uses": 0,
    }


@pytest.mark.parametrize(
    ("name", "sent"), [("a b", "a%20b"), ("a/b", "a%2Fb"), ("a?b", "a%3Fb"), ("a%2Fb", "a%252Fb"), ("ü", "%C3%BC")]
)
def test_a_name_cannot_lead_to_another_route(name: str, sent: str) -> None:
    routes = {f"GET /v1/sys/policies/acl/{sent}": ABSENT, f"GET /v1/auth/jwt/role/{sent}": ABSENT}
    with ScriptedServer(routes) as server, admin(server) as vault:
        assert vault.read_policy(name) is None
        assert vault.jwt.read_role(name) is None
    assert server.paths() == list(routes)


CEL = "/v1/auth/jwt/cel/role"
LIST_CEL, GET_CEL = f"LIST {CEL}", f"GET {CEL}/a%2Fb"
NOT_KNOWN = answer(404, {"errors": ["1 error occurred:\n\t* unsupported path\n\n"]})


def test_the_roles_whose_policies_a_program_chooses_are_listed() -> None:
    with ScriptedServer({LIST_CEL: answer(200, {"data": {"keys": ["a", "b"]}})}) as server, admin(server) as vault:
        assert vault.jwt.cel_roles() == ("a", "b")


@pytest.mark.parametrize("told", [ABSENT, NO_MOUNT, NOT_KNOWN])
def test_a_vault_without_such_roles_has_none(told: Script) -> None:
    with ScriptedServer({LIST_CEL: told}) as server, admin(server) as vault:
        assert vault.jwt.cel_roles() == ()


@pytest.mark.parametrize(
    ("told", "error"), [(answer(403, {"errors": ["no"]}), DeniedError), (answer(200, {"data": {}}), VaultError)]
)
def test_what_cannot_be_listed_of_such_roles_is_an_error(told: Script, error: type[Exception]) -> None:
    with (
        ScriptedServer({LIST_CEL: told}) as server,
        admin(server) as vault,
        pytest.raises(error, match="LIST /v1/auth/jwt/cel/role: "),
    ):
        vault.jwt.cel_roles()


def test_the_program_of_such_a_role_is_read() -> None:
    fields = {"cel_program": {"expression": "pb.Auth{}"}}
    with ScriptedServer({GET_CEL: [answer(200, {"data": fields}), ABSENT]}) as server, admin(server) as vault:
        assert vault.jwt.read_cel_role("a/b") == fields
        assert vault.jwt.read_cel_role("a/b") is None
