"""What would be written to a vault, and what is never touched because somebody else made it."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from ciplug.manifest import parse
from ciplug.policy import mark
from ciplug.policy.compare import compare
from ciplug.policy.deriving import derive
from ciplug.policy.hcl import read, render
from ciplug.policy.live import CelRole, Live, LiveItem, key
from ciplug.policy.model import Policy
from ciplug.policy.plan import plan
from ciplug.policy.show_live import plan_document, plan_text
from ciplug.vault.admin import StoredPolicy
from tests.fakes.live_policies import (
    DENIED,
    EARLIER,
    FOREIGN,
    IMPLIED,
    LONG,
    MARKED,
    OTHERS,
    POLICY,
    SECOND,
    WIDE,
    live,
    role,
)

CEL = LiveItem(what="role", name="mine", mount="jwt-x", is_cel=True)


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
        {"unimplied": {("jwt-github", "mine"): ("other", "shop-test")}},
        {"left_over": (LiveItem(what="role", name="shop-test", mount="jwt-old"),)},
        {"cel_roles": (CelRole(item=CEL, named=("shop-test",)),)},
    ],
    ids=["unimplied", "left over", "named by a program"],
)
def test_a_policy_gives_a_role_that_nothing_implies_no_more_rights(text: str | None, beside: dict[str, Any]) -> None:
    there = None if text is None else LONG
    found = replace(live(text, there, there), **beside)
    changes = {change.name: change for change in plan(IMPLIED, found)}
    places = [one.place for one in (*found.left_over, *(cel.item for cel in found.cel_roles))]
    [name] = [*map("/".join, found.unimplied), *places]
    assert changes["shop-test"].kind == "foreign"
    assert changes["shop-test"].reason == f"{name} would get its rights, and ciplug did not write that role"
    kinds = {change.kind for change in changes.values() if change.what == "role"}
    assert kinds == ({"foreign"} if text is None else {"update"})


STRANGER = {("jwt-github", "mine"): ("shop-test",)}
"""A role that nothing implies, for which a policy that would gain something is left alone."""


@pytest.mark.parametrize(
    "there",
    [
        None,
        role(bound_claims={"repository": "acme/old"}),
        role(bound_claims={"repository": "acme/shop", "ref": "refs/heads/main"}),
        role(bound_claims={"repository": ["acme/shop", "acme/old"]}, bound_audiences=["other"]),
        role(token_ttl=60),
        role(bound_claims={}, token_type="batch"),
    ],
    ids=["new", "other claims", "fewer claims", "more and less", "longer", "more and other"],
)
def test_the_old_rights_of_a_policy_that_is_left_alone_come_under_no_new_conditions(
    there: dict[str, Any] | None,
) -> None:
    policy, changed, kept = plan(IMPLIED, replace(live(EARLIER, there, role()), unimplied=STRANGER))
    assert (policy.kind, changed.kind, kept.kind) == ("foreign", "foreign", "keep")
    assert (changed.reason, changed.remedy) == ("its policy shop-test is left alone", policy.remedy)
    assert policy.remedy == "delete it: bao delete auth/jwt-github/role/mine"


@pytest.mark.parametrize(
    "fields",
    [
        {"bound_claims": {}},
        {"bound_claims": {"repository": ["acme/shop", "acme/old"]}},
        {"bound_audiences": []},
        {"token_ttl": 3600, "token_num_uses": 3},
        {"token_period": 60},
    ],
    ids=" ".join,
)
def test_a_role_becomes_tighter_although_its_policy_is_left_alone(fields: dict[str, object]) -> None:
    changes = plan(IMPLIED, replace(live(EARLIER, role(**fields), role()), unimplied=STRANGER))
    assert {change.name: change.kind for change in changes} == {
        "jwt-github/shop-test": "update",
        "shop-test": "foreign",
        "jwt-gitlab/shop-test": "keep",
    }


@pytest.mark.parametrize(
    "patterns",
    [
        {"secret/data/*": "read", "secret/data/d*": "list"},
        {"secret/*": "list", "secret/data/*": "read"},
        {"secret/+/db": "read", "secret/data/*": "update"},
        {"secret/data/*": "read", "secret/data/d*": 'read", "deny'},
        {"secret/data/*": "read", "secret/data/{{identity.entity.name}}": "list"},
        {"secret/data/{{identity.entity.name}}*": "read"},
    ],
    ids=" ".join,
)
def test_what_one_pattern_allows_and_another_may_not_is_something_to_gain(patterns: dict[str, str]) -> None:
    """The vault goes by one pattern alone, so that whoever has the policy may be unable to read yet."""
    text = MARKED.splitlines()[0] + "\n"
    text += "".join(f'path "{path}" {{ capabilities = ["{words}"] }}\n' for path, words in patterns.items())
    found = live(text, role(), role())
    assert [one.kind for one in plan(IMPLIED, found)] == ["update", "keep", "keep"]
    assert [one.kind for one in plan(IMPLIED, replace(found, unimplied=STRANGER))] == ["foreign", "keep", "keep"]


def test_what_every_pattern_allows_is_there_already() -> None:
    text = MARKED.replace('data/db"', 'data/*"') + 'path "secret/+/db" { capabilities = ["list", "read"] }\n'
    found = replace(live(text, role(), role()), unimplied=STRANGER)
    assert [one.kind for one in plan(IMPLIED, found)] == ["update", "keep", "keep"]


@pytest.mark.parametrize(
    "more", ["path {", 'path "a" "b" { capabilities = ["deny"] }', '"path" "a" { policy = "deny" }']
)
def test_a_policy_that_cannot_be_read_whole_is_written_anew_with_a_word_on_what_it_may_deny(more: str) -> None:
    change = plan(IMPLIED, live(f'{MARKED}path "x" {{ capabilities = ["list"] }}\n{more}', role(), role()))[0]
    assert (change.kind, change.what) == ("update", "policy")
    assert change.reason == "what it denies cannot be read, so it is not kept"


def test_nothing_is_said_of_what_a_policy_denies_where_it_can_be_read() -> None:
    told = f'{MARKED}path "x" {{\n capabilities = ["list"]\n max_wrapping_ttl = "1h"\n}}'
    assert [one.reason for one in plan(IMPLIED, live(told, role(), role()))] == ["", "", ""]


def test_a_program_that_names_another_policy_is_told_and_keeps_nothing_from_being_written() -> None:
    found = replace(live(None, None, None), cel_roles=(CelRole(item=CEL, named=("shop-deploy",)),))
    changes = plan(IMPLIED, found)
    assert {change.kind for change in changes} == {"create"}
    told = "? unimplied  role jwt-x/cel/mine: its program names shop-deploy; nothing implies it"
    assert list(plan_text(changes, found))[-1] == told
    document = plan_document(changes, IMPLIED, found, ())
    assert document["unimplied"] == [{"name": "jwt-x/cel/mine", "policies": ["shop-deploy"]}]


def test_a_program_that_names_a_policy_is_found() -> None:
    found = replace(live(MARKED, role(), role()), cel_roles=(CelRole(item=CEL, named=("shop-test",)),))
    [one] = compare(IMPLIED, found)
    assert (one.grade, one.what, one.name) == ("more", "role", "jwt-x/cel/mine")
    assert one.text == "its program names shop-test; nothing implies it"


NARROWER: list[tuple[dict[str, object], str]] = [
    ({"token_bound_cidrs": ["10.0.0.0/8"]}, 'token_bound_cidrs is ["10.0.0.0/8"], not []'),
    ({"token_num_uses": 3}, "token_num_uses is 3, not 0"),
    ({"token_strictly_bind_ip": True}, "token_strictly_bind_ip is true, not false"),
]


@pytest.mark.parametrize(("fields", "told"), NARROWER)
def test_what_only_narrows_and_no_manifest_can_say_is_told_and_not_written(
    fields: dict[str, object], told: str
) -> None:
    [kept] = [one for one in plan(IMPLIED, live(MARKED, role(**fields), role())) if one.reason]
    assert (kept.kind, kept.reason) == ("keep", f"narrower than implied: {told} (delete it to have it made anew)")


@pytest.mark.parametrize(("fields", "told"), NARROWER)
def test_what_only_narrows_stays_where_the_role_is_updated_for_another_reason(
    fields: dict[str, object], told: str
) -> None:
    [change] = [one for one in plan(IMPLIED, live(MARKED, role(**fields, token_ttl=3600), role())) if one.reason]
    assert (change.kind, change.reason) == (
        "update",
        f"narrower than implied: {told} (delete it to have it made anew)",
    )
    assert change.keeps == tuple(fields)
    assert change.diff == ("- token_ttl = 3600", "+ token_ttl = 300")


@pytest.mark.parametrize(
    ("fields", "gone"),
    [
        ({"bound_claims": {"repository": "acme/shop", "actor": "me"}}, '- bound_claims.actor = "me"'),
        ({"bound_claims": {"repository": "acme/shop", "sub": "x"}}, '- bound_claims.sub = "x"'),
        ({"bound_subject": "x"}, '- bound_subject = "x"'),
        ({"token_explicit_max_ttl": 9}, "- token_explicit_max_ttl = 9"),
    ],
)
def test_a_condition_that_a_manifest_could_name_and_does_not_is_taken_away(
    fields: dict[str, object], gone: str
) -> None:
    narrowed = role(**fields, token_bound_cidrs=["10.0.0.0/8"])
    change = next(one for one in plan(IMPLIED, live(MARKED, narrowed, role())) if one.what == "role")
    assert (change.kind, change.diff, change.keeps) == ("update", (gone,), ("token_bound_cidrs",))


@pytest.mark.parametrize("fields", [{"token_ttl": 1}, {"bound_audiences": []}, {"bound_claims": {"actor": "me"}}])
def test_what_is_not_only_narrower_is_mended(fields: dict[str, object]) -> None:
    assert [one.kind for one in plan(IMPLIED, live(MARKED, role(**fields), role()))] == ["update", "keep", "keep"]


def test_what_a_policy_denies_is_told_and_not_written() -> None:
    found = live(f'{MARKED}path "secret/data/*" {{ capabilities = ["deny"] }}\n', role(), role())
    told = 'path "secret/data/*" { capabilities = ["deny"] } denies'
    lines = list(plan_text(plan(IMPLIED, found), found))
    assert lines == [
        f"= keep     policy shop-test  narrower than implied: {told} (delete it to have it made anew)",
        "= 2 up to date",
    ]
    assert [one.kind for one in plan(IMPLIED, live(DENIED, role(), role()))] == ["keep", "keep", "keep"]


@pytest.mark.parametrize(
    ("text", "denied"),
    [
        (f"{WIDE}{DENIED}", "secret/data/db"),
        (
            f'{WIDE}path "secret/+/{{{{identity.entity.id}}}}/*" {{\n capabilities = ["deny"]\n}}',
            "secret/+/{{identity.entity.id}}/*",
        ),
        (f'{MARKED}path "other" {{ capabilities = ["deny", "read"] }}', "other"),
        (f'{WIDE}path "other"\n{{\n  capabilities = ["deny"]\n}}', "other"),
        (f'{WIDE}path "other" # why\n{{ policy = "deny" }}', "other"),
        (f'{WIDE}path\n"other"\n{{ capabilities = ["deny"] }}', "other"),
        (f'{EARLIER}path "a" {{\n capabilities = ["deny"]\n max_wrapping_ttl = "1h"\n}}', "a"),
    ],
)
def test_what_a_policy_denies_is_denied_by_what_replaces_it(text: str, denied: str) -> None:
    change = next(one for one in plan(IMPLIED, live(text, role(), role())) if one.what == "policy")
    assert (change.kind, change.keeps) == ("update", (denied,))
    assert change.reason.startswith(f'narrower than implied: path "{denied}" {{ capabilities = ["deny"')
    assert isinstance(change.item, Policy)
    written = render(change.item, denied=change.keeps)
    assert read(written).rules == {**POLICY.rules, denied: frozenset({"deny"})}
    again = plan(IMPLIED, live(written, role(), role()))
    assert [one.kind for one in again] == ["keep", "keep", "keep"]


def test_what_a_policy_denies_does_not_make_a_smaller_one_wait() -> None:
    found = live(f'{WIDE}path "a" {{ capabilities = ["deny"] }}', LONG, role())
    found = replace(found, unimplied={("jwt-github", "mine"): ("shop-test",)})
    assert [(one.kind, one.what) for one in plan(IMPLIED, found)][:2] == [("update", "policy"), ("update", "role")]


def test_a_role_with_a_second_policy_gets_no_more_of_the_first() -> None:
    kinds = {change.name: change.kind for change in plan(IMPLIED, live(EARLIER, SECOND, role()))}
    assert kinds == {"shop-test": "foreign", "jwt-github/shop-test": "foreign", "jwt-gitlab/shop-test": "keep"}


def test_a_role_that_nothing_implies_does_not_keep_a_policy_from_being_made_smaller() -> None:
    found = replace(live(WIDE, role(), role()), unimplied={("jwt-github", "mine"): ("shop-test",)})
    assert [change.kind for change in plan(IMPLIED, found)] == ["update", "keep", "keep"]


@pytest.mark.parametrize(
    ("project", "is_its_own"),
    [
        ("acme/shop (github:74, gitlab:5)", True),
        ("acme/shop-renamed (github:74)", True),
        ("acme/web/shop (gitlab:5)", True),
        ("acme/shop (github:acme/shop)", True),
        ("acme/shop", False),
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
def test_a_project_is_known_by_its_ids(project: str, is_its_own: bool) -> None:
    manifest = 'version = 1\n[vault]\naudience = "https://v"\nauth_mount = { github = "jwt", gitlab = "jwt-gitlab" }\n'
    manifest += '[project]\nname = "shop"\ngithub = "acme/shop"\ngithub_id = 74\ngitlab_id = 5\n'
    manifest += '[environments.dev]\npath = "dev"\n[secrets.A]\nref = "a#b"\n'
    manifest += '[jobs.test]\nenvironment = "dev"\nsecrets = ["A"]\n'
    implied = derive(parse(manifest, "m"))
    [policy] = implied.policies
    text = render(policy).replace("acme/shop (github:74, gitlab:5)", project)
    found = Live(policies={"shop-test": StoredPolicy(text=text)}, roles={key(role): None for role in implied.roles})
    change = next(change for change in plan(implied, found) if change.what == "policy")
    assert (change.kind != "foreign") == is_its_own
    named = [one.text for one in compare(implied, found) if one.what == "policy"]
    has_ids = bool(re.search(r"\(.+\)", project))
    assert named == ([] if is_its_own or not has_ids else [f"ciplug wrote it for another project, {project}"])
    if change.kind == "update":
        assert change.diff == (f"- mark: {project}", "+ mark: acme/shop (github:74, gitlab:5)")


def test_a_plan_shows_paths_claims_and_times() -> None:
    changed = role(token_ttl=3600, bound_claims={"repository": "acme/*"}, bound_claims_type="glob")
    found = live(WIDE, changed, role())
    left = LiveItem(what="role", name="shop-old", mount="jwt-github")
    found = replace(found, left_over=(left,), unimplied={("jwt-x", "mine"): ("shop-test",)}, namespace="team a")
    assert list(plan_text(plan(IMPLIED, found), found)) == [
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
        "? unimplied  role jwt-x/mine: it gives shop-test; nothing implies it",
        f"? left over  role jwt-github/shop-old: to delete it: {left.removal('team a')}",
    ]


def test_a_new_role_is_shown_with_all_that_it_has() -> None:
    lines = list(plan_text(plan(IMPLIED, live(MARKED, None, role())), live(MARKED, None, role())))
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
        (LiveItem(what="policy", name="shop-old"), "bao policy delete shop-old"),
        (LiveItem(what="policy", name="a; b"), "bao policy delete 'a; b'"),
        (LiveItem(what="role", name="old", mount="jwt"), "bao delete auth/jwt/role/old"),
        (LiveItem(what="role", name="old", mount="jwt", is_cel=True), "bao delete auth/jwt/cel/role/old"),
        (LiveItem(what="role", name="$(x)", mount="jwt"), "bao delete 'auth/jwt/role/$(x)'"),
        (LiveItem(what="role", name="a\x1bb", mount="jwt"), "bao delete '\"auth/jwt/role/a\\u001bb\"'"),
    ],
)
def test_the_command_that_deletes_is_one_to_paste(item: LiveItem, command: str) -> None:
    assert item.removal() == command
    assert item.removal("a b") == command.replace("delete ", "delete '-namespace=a b' ")


@pytest.mark.parametrize(
    ("text", "project"),
    [
        (MARKED, "acme/shop (github:acme/shop)"),
        (MARKED.replace("jobs.test", "targets.of of web"), "acme/shop (github:acme/shop)"),
        (MARKED.replace(" (github:acme/shop)", ""), None),
        (MARKED.replace("github:acme/shop", ""), None),
        (MARKED.replace(" of ", " for "), None),
        (FOREIGN, None),
        ("", None),
        (f" {MARKED}", None),
        ("# Written by `ciplug policy`", None),
        ("# Written by `ciplug policy` for (x)", None),
    ],
)
def test_the_mark_names_the_project(text: str, project: str | None) -> None:
    assert mark.read(text) == project
