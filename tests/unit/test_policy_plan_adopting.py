"""What is taken over of what somebody else made, once it was named; and what is said of everything else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ciplug.policy.hcl import read, render
from ciplug.policy.live import LiveItem
from ciplug.policy.model import Implied, Policy
from ciplug.policy.plan import plan
from ciplug.policy.show_live import left_alone_text, plan_counted, plan_text
from ciplug.vault.admin import StoredPolicy
from tests.fakes.live_policies import (
    DENIED,
    EARLIER,
    FOREIGN,
    IMPLIED,
    MARKED,
    OTHERS,
    POLICY,
    ROLES,
    SECOND,
    WIDE,
    live,
    role,
)

if TYPE_CHECKING:
    from typing import Any

    from ciplug.policy.live import Live
    from ciplug.policy.plan import Change

ADOPTED = frozenset({"shop-test"})
DELETE = "delete it: bao delete auth/jwt-github/role/"
LOOSE = role(bound_claims={"actor": "me"})
"""A role under conditions of somebody else's."""

ADMIN = role(token_policies=["admin"], bound_claims={"actor": "me"})


def steps(found: Live) -> list[str]:
    planned = [change for change in plan(IMPLIED, found, adopt=ADOPTED) if change.writes]
    return [f"{change.kind} {change.what} {change.name.removesuffix('/shop-test')}" for change in planned]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(
            live(FOREIGN, role(), role()),
            ["update policy shop-test"],
            id="only the mark is missing",
        ),
        pytest.param(
            live(f'{FOREIGN}path "*" {{ capabilities = ["sudo"] }}', LOOSE, None),
            ["update policy shop-test", "update role jwt-github", "create role jwt-gitlab"],
            id="taking away before all",
        ),
        pytest.param(
            live('path "a" { capabilities = ["read"] }', LOOSE, SECOND),
            ["update role jwt-github", "update role jwt-gitlab", "update policy shop-test"],
            id="conditions before rights",
        ),
        pytest.param(
            live(None, LOOSE, None),
            ["update role jwt-github", "create policy shop-test", "create role jwt-gitlab"],
            id="a role that waits for the policy",
        ),
        pytest.param(
            live('path "a" { capabilities = ["sudo"] }', ADMIN, None),
            ["update policy shop-test", "update role jwt-github", "create role jwt-gitlab"],
            id="a role of another policy gets this one only as it is to be",
        ),
        pytest.param(
            live(EARLIER, SECOND, ADMIN),
            ["update role jwt-github", "update policy shop-test", "update role jwt-gitlab"],
            id="the policy is ciplug's and the roles are not",
        ),
        pytest.param(live(MARKED, role(), role()), [], id="all is ciplug's already"),
    ],
)
def test_what_was_named_is_taken_over_and_no_step_gives_too_much(found: Live, expected: list[str]) -> None:
    assert steps(found) == expected


@pytest.mark.parametrize(
    ("found", "kinds"),
    [
        (live(FOREIGN, SECOND, ADMIN), ["foreign", "foreign", "foreign"]),
        (live(None, LOOSE, None), ["foreign", "foreign", "foreign"]),
        (live(MARKED, SECOND, role()), ["keep", "foreign", "keep"]),
    ],
)
def test_nothing_is_taken_over_that_was_not_named(found: Live, kinds: list[str]) -> None:
    assert [change.kind for change in plan(IMPLIED, found, adopt=frozenset({"shop-deploy"}))] == kinds


def test_of_two_only_the_one_that_was_named_is_taken_over() -> None:
    other = replace(POLICY, name="shop-deploy")
    both = Implied(policies=(POLICY, other), roles=ROLES[:1])
    found = live(FOREIGN, role(), None)
    found = replace(found, policies={**found.policies, "shop-deploy": StoredPolicy(text=FOREIGN)})
    kinds = {change.name: change.kind for change in plan(both, found, adopt=ADOPTED)}
    assert kinds == {"shop-test": "update", "jwt-github/shop-test": "keep", "shop-deploy": "foreign"}


@pytest.mark.parametrize("there", [True, False])
def test_a_role_that_gives_the_policy_of_another_one_gets_no_rights_by_it(there: bool) -> None:
    """Under the conditions of whoever made it; taken over, it loses the policy before that is written."""
    other = replace(POLICY, name="shop-deploy", rules={"secret/data/key": frozenset({"read"})})
    deploy = replace(ROLES[0], policy="shop-deploy", jwt=replace(ROLES[0].jwt, name="shop-deploy"))
    both = Implied(policies=(POLICY, other), roles=(ROLES[0], replace(deploy, mount="jwt-x")))
    stored = StoredPolicy(text=MARKED.replace("db", "old")) if there else None
    found = replace(
        live(None, role(token_policies=["shop-deploy"]), None),
        policies={"shop-test": StoredPolicy(text=MARKED), "shop-deploy": stored},
    )
    found = replace(found, roles={**found.roles, ("jwt-x", "shop-deploy"): None})
    changes = {change.name: change for change in plan(both, found)}
    assert changes["shop-deploy"].kind == "foreign"
    assert changes["shop-deploy"].remedy == f"--adopt shop-test, or {DELETE}shop-test"
    order = [change.name for change in plan(both, found, adopt=ADOPTED) if change.writes]
    assert order == ["jwt-github/shop-test", "shop-deploy", "jwt-x/shop-deploy"]
    blocked = replace(found, policies={**found.policies, "shop-test": StoredPolicy(text=OTHERS)})
    kinds = {change.name: change.kind for change in plan(both, blocked, adopt=ADOPTED)}
    assert (kinds["jwt-github/shop-test"], kinds["shop-deploy"]) == ("foreign", "foreign")


@pytest.mark.parametrize("adopt", [frozenset(), ADOPTED])
def test_what_another_project_has_marked_is_never_taken_over(adopt: frozenset[str]) -> None:
    found = live(OTHERS, role(), SECOND)
    policy, *roles = plan(IMPLIED, found, adopt=adopt)
    assert (policy.kind, policy.reason) == (
        "foreign",
        (
            "ciplug wrote it for the project acme/blog (github:acme/blog), and --adopt takes over nothing of another"
            " project's"
        ),
    )
    assert policy.remedy == ("give jobs.test another role in the manifest, or delete it: bao policy delete shop-test")
    assert [change.kind for change in roles] == ["foreign", "foreign"]


@pytest.mark.parametrize("text", [None, FOREIGN.replace("db", "x"), EARLIER])
def test_taking_over_gives_a_role_that_nothing_implies_no_more_rights(text: str | None) -> None:
    found = replace(live(text, ADMIN, None), unimplied={("jwt-github", "mine"): ("shop-test",)})
    changes = {change.name: change for change in plan(IMPLIED, found, adopt=ADOPTED)}
    remedy = "delete it: bao delete auth/jwt-github/role/mine"
    for name in ("shop-test", "jwt-github/shop-test", "jwt-gitlab/shop-test"):
        assert (changes[name].kind, changes[name].remedy) == ("foreign", remedy)


def test_what_is_taken_over_is_shown_with_its_diff() -> None:
    found = live(f'{FOREIGN}path "*" {{ capabilities = ["list"] }}', ADMIN, role())
    assert list(plan_text(plan(IMPLIED, found, adopt=ADOPTED), found)) == [
        "~ update   policy shop-test  taken over: ciplug did not write it",
        '    - path "*" { capabilities = ["list"] }',
        "    + mark: acme/shop (github:acme/shop)",
        "~ update   role jwt-github/shop-test  taken over: it gives admin, not shop-test",
        '    - bound_claims.actor = "me"',
        '    - token_policies = "admin"',
        '    + bound_claims.repository = "acme/shop"',
        '    + token_policies = "shop-test"',
        "= 1 up to date",
    ]


def test_what_only_narrows_stays_in_what_is_taken_over() -> None:
    denied = DENIED.partition("\n")[2].replace("db", "*")
    found = live(FOREIGN + denied, SECOND | {"token_num_uses": 3}, role())
    policy, changed, _ = plan(IMPLIED, found, adopt=ADOPTED)
    assert isinstance(policy.item, Policy)
    assert (policy.keeps, changed.keeps) == (("secret/data/*",), ("token_num_uses",))
    assert "taken over: it also gives admin; narrower than implied: token_num_uses is 3" in changed.reason
    written = render(policy.item, denied=policy.keeps)
    assert read(written).rules == {"secret/data/db": {"read"}, "secret/data/*": {"deny"}}


def test_what_was_taken_over_is_ciplugs_from_then_on() -> None:
    [policy] = [one for one in plan(IMPLIED, live(FOREIGN, role(), role()), adopt=ADOPTED) if one.writes]
    assert isinstance(policy.item, Policy)
    again = live(render(policy.item), role(), role())
    for adopt in (frozenset[str](), ADOPTED):
        assert [change.kind for change in plan(IMPLIED, again, adopt=adopt)] == ["keep", "keep", "keep"]


def reasons(found: Live, **beside: Any) -> list[tuple[str, str]]:
    changes: tuple[Change, ...] = plan(IMPLIED, replace(found, **beside))
    return [(change.reason, change.remedy) for change in changes if change.kind == "foreign"]


@pytest.mark.parametrize(
    ("found", "beside", "expected"),
    [
        (
            live(FOREIGN, None, None),
            {},
            [
                ("ciplug did not write it", "--adopt shop-test, or delete it: bao policy delete shop-test"),
                *[
                    (
                        "its policy shop-test is not ciplug's",
                        "--adopt shop-test, or delete it: bao policy delete shop-test",
                    )
                ]
                * 2,
            ],
        ),
        (
            live(MARKED, SECOND, role()),
            {"namespace": "team"},
            [
                (
                    "it also gives admin",
                    "--adopt shop-test, or delete it: bao delete -namespace=team auth/jwt-github/role/shop-test",
                )
            ],
        ),
        (
            live(MARKED, ADMIN, role()),
            {},
            [("it gives admin, not shop-test", f"--adopt shop-test, or {DELETE}shop-test")],
        ),
        (
            live(MARKED, role(token_policies=[]), role()),
            {},
            [("it gives nothing, not shop-test", f"--adopt shop-test, or {DELETE}shop-test")],
        ),
        (
            live(EARLIER, SECOND, role()),
            {"left_over": (LiveItem(what="role", name="shop-test", mount="jwt-old"),)},
            [
                ("it also gives admin", f"--adopt shop-test, or {DELETE}shop-test"),
                (
                    "jwt-github/shop-test, jwt-old/shop-test would get its rights, and ciplug did not write that role",
                    (
                        "delete them: bao delete auth/jwt-github/role/shop-test"
                        " && bao delete auth/jwt-old/role/shop-test"
                    ),
                ),
            ],
        ),
    ],
)
def test_whatever_is_left_alone_says_why_and_how_to_go_on(
    found: Live, beside: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert sorted(reasons(found, **beside)) == sorted(expected)


def test_a_plan_that_leaves_something_alone_does_not_say_that_there_is_nothing_to_do() -> None:
    assert plan_counted(plan(IMPLIED, live(FOREIGN, role(), role()))) == "3 left alone"
    assert plan_counted(plan(IMPLIED, live(WIDE, SECOND, None))) == "1 to create, 1 to update, 1 left alone"
    assert plan_counted(plan(IMPLIED, live(MARKED, role(), role()))) == "nothing to do"


def test_a_check_tells_what_an_apply_would_leave_alone_once_for_a_policy_and_its_roles() -> None:
    so = "so --apply leaves it alone; to go on: --adopt shop-test, or delete it: bao"
    found = live(FOREIGN, role(), role())
    [line] = left_alone_text(plan(IMPLIED, found))
    assert line == f"policy shop-test: ciplug did not write it, {so} policy delete shop-test"
    [line] = left_alone_text(plan(IMPLIED, live(MARKED, SECOND, role())))
    assert line == f"role jwt-github/shop-test: it also gives admin, {so} delete auth/jwt-github/role/shop-test"
    assert list(left_alone_text(plan(IMPLIED, live(WIDE, None, None)))) == []
