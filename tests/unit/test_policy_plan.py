"""What would be written to a vault, and what is never touched because somebody else made it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ciplug.manifest import parse
from ciplug.policy.compare import compare
from ciplug.policy.deriving import derive
from ciplug.policy.hcl import render
from ciplug.policy.live import LeftOver, Live, key, marked_for
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


EARLIER = MARKED.replace("{", "{ ").replace("secret/data/db", "secret/data/old")
"""What allows another path than is implied: less, and more."""


@pytest.mark.parametrize(
    ("found", "steps"),
    [
        (
            live(EARLIER, LONG, None),
            ["update role jwt-github", "update policy shop-test", "create role jwt-gitlab"],
        ),
        (live(WIDE, LONG, role()), ["update policy shop-test", "update role jwt-github"]),
        (live(None, None, None), ["create policy shop-test", "create role jwt-github", "create role jwt-gitlab"]),
    ],
    ids=["conditions before rights", "taking away before all", "a policy before its roles"],
)
def test_no_step_gives_rights_to_what_is_not_yet_as_implied(found: Live, steps: list[str]) -> None:
    planned = [change for change in plan(IMPLIED, found) if change.writes]
    assert [f"{change.kind} {change.what} {change.name.removesuffix('/shop-test')}" for change in planned] == steps


@pytest.mark.parametrize("text", [None, EARLIER], ids=["new", "wider than before"])
@pytest.mark.parametrize(
    "beside",
    [
        {"strangers": {"jwt-github/mine": ("other", "shop-test")}},
        {"left_over": (LeftOver(what="role", name="shop-test", mount="jwt-old"),)},
    ],
    ids=["stranger", "left over"],
)
def test_a_policy_gives_a_role_that_nothing_implies_no_more_rights(text: str | None, beside: dict[str, Any]) -> None:
    there = None if text is None else LONG
    found = replace(live(text, there, there), **beside)
    changes = {change.name: change for change in plan(IMPLIED, found)}
    [name] = [*found.strangers, *(one.place for one in found.left_over)]
    assert changes["shop-test"].kind == "foreign"
    assert changes["shop-test"].reason == f"{name} would get its rights, and ciplug did not write that role"
    kinds = {change.kind for change in changes.values() if change.what == "role"}
    assert kinds == ({"foreign"} if text is None else {"update"})


DENIED = MARKED.replace("read", "deny")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"token_bound_cidrs": ["10.0.0.0/8"]}, 'token_bound_cidrs is ["10.0.0.0/8"], not []'),
        ({"bound_subject": "x"}, 'bound_subject is "x", not ""'),
        ({"token_num_uses": 3}, "token_num_uses is 3, not 0"),
        (
            {"bound_claims": {"repository": "acme/shop", "actor": "me"}},
            'bound_claims.actor is bound as well, to "me"',
        ),
    ],
)
def test_what_somebody_made_narrower_is_kept_until_something_else_differs(fields: dict[str, object], told: str) -> None:
    [kept] = [one for one in plan(IMPLIED, live(MARKED, role(**fields), role())) if one.reason]
    assert (kept.kind, kept.reason) == ("keep", f"narrower than implied: {told} (delete it to have it made anew)")
    [change] = [one for one in plan(IMPLIED, live(MARKED, role(**fields, token_ttl=3600), role())) if one.reason]
    assert (change.kind, change.reason) == ("update", f"drops what was narrower: {told}")
    assert "- token_ttl = 3600" in change.diff
    assert len([line for line in change.diff if line.startswith("- ")]) == 2


@pytest.mark.parametrize("fields", [{"token_ttl": 1}, {"bound_audiences": []}, {"bound_claims": {"actor": "me"}}])
def test_what_is_not_only_narrower_is_mended(fields: dict[str, object]) -> None:
    assert [one.kind for one in plan(IMPLIED, live(MARKED, role(**fields), role()))] == ["update", "keep", "keep"]


def test_what_a_policy_denies_is_kept_until_something_else_differs() -> None:
    found = live(f'{MARKED}path "secret/data/*" {{ capabilities = ["deny"] }}\n', role(), role())
    told = 'path "secret/data/*" { capabilities = ["deny"] } denies'
    lines = list(plan_text(plan(IMPLIED, found), found, ""))
    assert lines == [
        f"= keep     policy shop-test  narrower than implied: {told} (delete it to have it made anew)",
        "= 2 up to date",
    ]
    assert [one.kind for one in plan(IMPLIED, live(DENIED, role(), role()))] == ["keep", "keep", "keep"]
    [change] = [one for one in plan(IMPLIED, live(f"{WIDE}{DENIED}", role(), role())) if one.reason]
    assert (change.kind, change.reason.partition(": ")[0]) == ("update", "drops what was narrower")


def test_a_role_with_a_second_policy_gets_no_more_of_the_first() -> None:
    kinds = {change.name: change.kind for change in plan(IMPLIED, live(EARLIER, SECOND, role()))}
    assert kinds == {"shop-test": "foreign", "jwt-github/shop-test": "foreign", "jwt-gitlab/shop-test": "keep"}


def test_a_stranger_does_not_keep_a_policy_from_being_made_smaller() -> None:
    found = replace(live(WIDE, role(), role()), strangers={"jwt-github/mine": ("shop-test",)})
    assert [change.kind for change in plan(IMPLIED, found)] == ["update", "keep", "keep"]


@pytest.mark.parametrize(
    ("mark", "is_its_own"),
    [
        ("acme/shop (github:74, gitlab:5)", True),
        ("acme/shop-renamed (github:74)", True),
        ("acme/web/shop (gitlab:5)", True),
        ("acme/shop (github:acme/shop)", True),
        ("acme/shop", True),
        ("acme/shop (github:99)", False),
        ("acme/shop (gitlab:74)", False),
        ("acme/shop (github:7)", False),
        ("acme/shop ()", False),
        ("shop", False),
        ("74", False),
        ("acme/blog", False),
        ("of github:74", False),
    ],
)
def test_a_project_is_known_by_its_ids(mark: str, is_its_own: bool) -> None:
    manifest = 'version = 1\n[vault]\naudience = "https://v"\nauth_mount = { github = "jwt", gitlab = "jwt-gitlab" }\n'
    manifest += '[project]\nname = "shop"\ngithub = "acme/shop"\ngithub_id = 74\ngitlab_id = 5\n'
    manifest += '[environments.dev]\npath = "dev"\n[secrets.A]\nref = "a#b"\n'
    manifest += '[jobs.test]\nenvironment = "dev"\nsecrets = ["A"]\n'
    implied = derive(parse(manifest, "m"))
    [policy] = implied.policies
    text = render(policy).replace("acme/shop (github:74, gitlab:5)", mark)
    found = Live(policies={"shop-test": StoredPolicy(text=text)}, roles={key(role): None for role in implied.roles})
    change = next(change for change in plan(implied, found) if change.what == "policy")
    assert (change.kind != "foreign") == is_its_own
    named = [one.text for one in compare(implied, found) if one.what == "policy"]
    assert named == ([] if is_its_own else [f"ciplug wrote it for another project, {mark.removeprefix('of ')}"])
    if change.kind == "update":
        assert change.diff == (f"- mark: {mark}", "+ mark: acme/shop (github:74, gitlab:5)")


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
