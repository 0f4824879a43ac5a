"""What would be written to a vault, and what is never touched because somebody else made it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ciplug.policy.hcl import render
from ciplug.policy.live import LeftOver, Live, marked_for
from ciplug.policy.model import Implied, Policy, Role
from ciplug.policy.plan import plan
from ciplug.policy.show_live import plan_text
from ciplug.vault.admin import StoredPolicy
from ciplug.vault.admin_auth import JwtRole, document

if TYPE_CHECKING:
    from collections.abc import Mapping

POLICY = Policy(name="shop-test", owner="jobs.test", project="acme/shop", rules={"secret/data/db": frozenset({"read"})})
ROLE = JwtRole(
    name="shop-test",
    bound_audiences=("https://vault.acme.dev",),
    bound_claims={"repository": "acme/shop"},
    policies=("shop-test",),
    ttl=300,
    max_ttl=300,
)
ROLES = tuple(Role(host=host, mount=f"jwt-{host}", policy="shop-test", jwt=ROLE) for host in ("github", "gitlab"))
IMPLIED = Implied(policies=(POLICY,), roles=ROLES)
MARKED = render(POLICY)


def live(text: str | None, github: Mapping[str, Any] | None, gitlab: Mapping[str, Any] | None) -> Live:
    return Live(
        policies={"shop-test": None if text is None else StoredPolicy(text=text, version=3)},
        roles={("jwt-github", "shop-test"): github, ("jwt-gitlab", "shop-test"): gitlab},
    )


def role(**fields: object) -> dict[str, Any]:
    return document(ROLE) | fields


FOREIGN = 'path "secret/data/db" { capabilities = ["read"] }\n'
OTHERS = MARKED.replace("acme/shop", "acme/blog")
WIDE = f'{MARKED}path "*" {{ capabilities = ["sudo"] }}\n'
LONG = role(token_ttl=3600)
SECOND = role(token_policies=["shop-test", "admin"])


@pytest.mark.parametrize(
    ("found", "kinds"),
    [
        pytest.param(live(None, None, None), ["create", "create", "create"], id="nothing there"),
        pytest.param(live(MARKED, role(), role()), ["keep", "keep", "keep"], id="as implied"),
        pytest.param(live(MARKED, None, role()), ["keep", "create", "keep"], id="ended between policy and role"),
        pytest.param(live(WIDE, LONG, role()), ["update", "update", "keep"], id="both changed"),
        pytest.param(live(f"{MARKED}path {{", role(), role()), ["update", "keep", "keep"], id="not readable"),
        pytest.param(live(MARKED, SECOND, role()), ["keep", "foreign", "keep"], id="a second policy"),
        pytest.param(live(MARKED, role(token_policies=None), role()), ["keep", "foreign", "keep"], id="no policy"),
        pytest.param(live(FOREIGN, role(), None), ["foreign", "foreign", "foreign"], id="not marked"),
        pytest.param(live(f"\n{MARKED}", role(), None), ["foreign", "foreign", "foreign"], id="marked later"),
        pytest.param(live(OTHERS, role(), role()), ["foreign", "foreign", "foreign"], id="another project's"),
        pytest.param(live(None, role(), None), ["foreign", "foreign", "foreign"], id="a role waits for the policy"),
        pytest.param(live(None, SECOND, None), ["foreign", "foreign", "foreign"], id="a wider role waits for it"),
        pytest.param(
            live(None, role(token_policies=["x"]), None), ["create", "foreign", "create"], id="a role of another policy"
        ),
    ],
)
def test_what_is_planned(found: Live, kinds: list[str]) -> None:
    assert [change.kind for change in plan(IMPLIED, found)] == kinds


def test_a_plan_shows_paths_claims_and_times() -> None:
    changed = role(token_ttl=3600, bound_claims={"repository": "acme/*"}, bound_claims_type="glob")
    found = live(WIDE, changed, role())
    left = LeftOver(what="role", name="shop-old", mount="jwt-github")
    found = Live(policies=found.policies, roles=found.roles, left_over=(left,), notes=("one thing",))
    assert list(plan_text(plan(IMPLIED, found), found, "team a")) == [
        "note: one thing",
        "~ update   policy shop-test",
        '    - path "*" { capabilities = ["sudo"] }',
        "~ update   role jwt-github/shop-test",
        '    - bound_claims.repository = "acme/*"',
        '    - bound_claims_type = "glob"',
        "    - token_ttl = 3600",
        '    + bound_claims.repository = "acme/shop"',
        '    + bound_claims_type = "string"',
        "    + token_ttl = 300",
        "= 1 up to date",
        f"? left over  role jwt-github/shop-old: to delete it: {left.removal('team a')}",
    ]


def test_a_new_role_is_shown_with_all_that_it_has() -> None:
    lines = list(plan_text(plan(IMPLIED, live(MARKED, None, role())), live(MARKED, None, role()), ""))
    assert lines == [
        "+ create   role jwt-github/shop-test",
        '    + bound_audiences = "https://vault.acme.dev"',
        '    + bound_claims.repository = "acme/shop"',
        '    + bound_claims_type = "string"',
        '    + role_type = "jwt"',
        "    + token_max_ttl = 300",
        '    + token_policies = "shop-test"',
        "    + token_ttl = 300",
        '    + token_type = "service"',
        '    + user_claim = "sub"',
        "= 2 up to date",
    ]


@pytest.mark.parametrize(
    ("item", "command"),
    [
        (LeftOver(what="policy", name="shop-old"), "bao policy delete shop-old"),
        (LeftOver(what="policy", name="a; b"), "bao policy delete 'a; b'"),
        (LeftOver(what="role", name="old", mount="jwt"), "bao delete auth/jwt/role/old"),
        (LeftOver(what="role", name="$(x)", mount="jwt"), "bao delete 'auth/jwt/role/$(x)'"),
    ],
)
def test_the_command_that_deletes_is_one_to_paste(item: LeftOver, command: str) -> None:
    assert item.removal() == command
    assert item.removal("a b") == command.replace("delete ", "delete -namespace='a b' ")


@pytest.mark.parametrize(
    ("text", "project"),
    [
        (MARKED, "acme/shop"),
        (MARKED.replace("jobs.test", "targets.of of web"), "acme/shop"),
        (FOREIGN, None),
        ("", None),
        (f" {MARKED}", None),
        ("# Written by `ciplug policy`", None),
    ],
)
def test_the_mark_names_the_project(text: str, project: str | None) -> None:
    assert marked_for(text) == project
