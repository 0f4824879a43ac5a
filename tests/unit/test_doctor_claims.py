"""What is wanted of a token, compared as the vault compares it, and what to do where it differs."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from ciplug.doctor.case import Door
from ciplug.doctor.claims import audience_remedy, change_role, claim_remedy, compared, matching, remedy, required
from ciplug.doctor.finding import readable
from ciplug.doctor.token import odd_times
from ciplug.doctor.wants import Want, of_only_if, of_project, of_role
from ciplug.manifest import JobGrant
from ciplug.manifest.model import Environment, Job, Manifest, Project, Vault
from ciplug.standins.claims import github_claims, gitlab_claims, jenkins_claims

AUDIENCE = "https://vault.acme.dev"
PROJECT = Project(
    name="shop", github="acme/shop", github_id=74, gitlab="acme/shop", jenkins="https://ci.acme.dev/job/shop/"
)


def door(project: Project | None = PROJECT, **only_if: tuple[Any, ...]) -> Door:
    environment = Environment(name="prod", path="app/prod", only_if=MappingProxyType(only_if))
    manifest = Manifest(
        version=1,
        vault=Vault(audience=AUDIENCE),
        project=project,
        environments={"prod": environment},
        secrets={},
        jobs={"deploy": Job(name="deploy", environments=("prod",), role="shop-deploy", secrets=())},
        targets={},
        source="ciplug.toml",
    )
    return Door(
        manifest=manifest,
        grant=JobGrant(job="deploy", environment=environment, role="shop-deploy", grants=()),
        kind="github",
    )


@pytest.mark.parametrize(
    ("values", "has", "glob", "fits"),
    [
        (("a", "b"), "b", False, True),
        (("a",), ["x", "a"], False, True),
        (("a",), "A", False, False),
        ((True,), "true", False, False),
        (("true",), True, False, False),
        ((42,), 42, False, True),
        ((42,), "42", False, False),
        (("42",), 42, True, False),
        ((1,), True, False, False),
        (("refs/*",), "refs/heads/main", True, True),
        (("refs/*",), "refs/heads/main", False, False),
        (("a*c",), "abc\nc", True, True),
        (("a.c",), "abc", True, False),
        (("a",), None, False, False),
        (("*",), None, True, False),
    ],
)
def test_values_are_compared_as_the_vault_compares_them(
    values: tuple[Any, ...], has: object, glob: bool, fits: bool
) -> None:
    want = Want(claim="x", values=values, by="role r", glob=glob)
    claims = {} if has is None else {"x": has}
    assert (want.problem(claims) == "") is fits


def test_a_role_without_audiences_admits_only_a_token_without_one() -> None:
    want = Want(claim="aud", values=(), by="role r")
    assert "admits no audience" in want.problem({"aud": "x"})
    assert want.problem({}) == ""


@pytest.mark.parametrize(
    ("claims", "names"),
    [
        (github_claims(), ["repository", "repository_id"]),
        (gitlab_claims(), ["project_path"]),
        (jenkins_claims(), ["sub"]),
        ({"sub": "somebody"}, []),
    ],
)
def test_the_project_wants_what_its_host_says(claims: dict[str, object], names: list[str]) -> None:
    wants = of_project(PROJECT, claims)
    assert [want.claim for want in wants] == names
    assert [want.problem(claims) for want in wants] == [""] * len(names)


@pytest.mark.parametrize(
    "claims",
    [
        github_claims("acme/other", repository_id="9"),
        gitlab_claims("other/shop"),
        jenkins_claims("https://ci.acme.dev/job/shopping/"),
        jenkins_claims("https://evil.dev/https://ci.acme.dev/job/shop/"),
    ],
)
def test_the_project_is_none_other(claims: dict[str, object]) -> None:
    wants = of_project(PROJECT, claims)
    assert wants
    assert all(want.problem(claims) for want in wants)


def test_a_branch_of_a_multibranch_job_is_the_projects() -> None:
    claims = jenkins_claims("https://ci.acme.dev/job/shop/job/main/")
    assert [want.problem(claims) for want in of_project(PROJECT, claims)] == [""]


def test_no_project_wants_nothing() -> None:
    assert of_project(None, github_claims()) == []


def test_a_role_wants_what_it_binds() -> None:
    role = {
        "bound_audiences": [AUDIENCE],
        "bound_subject": "s",
        "bound_claims": {"/repository": "acme/*", "flag": True, "ref": ["a", "b"]},
        "bound_claims_type": "glob",
    }
    wants = {want.claim: want for want in of_role("r", role, {"bound_issuer": "https://i"})}
    assert {name: want.values for name, want in wants.items()} == {
        "aud": (AUDIENCE,),
        "iss": ("https://i",),
        "sub": ("s",),
        "repository": ("acme/*",),
        "flag": (True,),
        "ref": ("a", "b"),
    }
    assert wants["repository"].glob
    assert not wants["sub"].glob


@pytest.mark.parametrize("role", [{}, {"bound_claims": None, "bound_audiences": None}, {"bound_claims": "odd"}])
def test_an_odd_role_wants_an_audience_at_least(role: dict[str, object]) -> None:
    assert [want.claim for want in of_role("r", role, None)] == ["aud"]


def test_only_what_binds_is_a_failure() -> None:
    wants = [Want(claim="ref", values=("main",), by="role r"), Want(claim="x", values=("y",), by="role r")]
    claims = {"ref": "main", "x": "z"}
    assert [found.state for found in required(wants, claims, door())] == ["ok", "failed"]
    soft = list(compared(wants, claims))
    assert [(found.check, found.state, found.remedy) for found in soft] == [
        ("claim ref", "ok", ""),
        ("claim x", "note", ""),
    ]


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"x": "z"}, '"z", role r wants "y"'),
        ({}, 'missing, role r wants "y"'),
        ({"x": "y"}, '"y", as role r wants it'),
    ],
)
def test_a_claim_is_named_once(claims: dict[str, str], says: str) -> None:
    [found] = compared([Want(claim="x", values=("y",), by="role r")], claims)
    assert (found.check, found.text) == ("claim x", says)


def test_of_a_hundred_claims_the_first_are_told_and_the_rest_is_counted() -> None:
    role = {"bound_audiences": [AUDIENCE], "bound_claims": {f"c{n}": f"v{n}" for n in range(100)}}
    claims = {"aud": AUDIENCE} | {f"c{n}": f"v{n}" for n in range(50)}
    found = list(readable("claims", required(of_role("r", role, None), claims, door())))
    told = [item for item in found if item.state == "ok"]
    wrong = [item for item in found if item.state == "failed"]
    assert [len(told), len(wrong)] == [21, 21]
    assert [told[-1].text, wrong[-1].text] == ["and 31 more", "and 30 more"]


def test_as_many_claims_as_are_told_leave_none_to_count() -> None:
    wants = [Want(claim="x", values=("y",), by="role r")] * 20
    assert [item.text for item in readable("claims", compared(wants, {"x": "y"}))] == ['"y", as role r wants it'] * 20


def test_of_a_hundred_values_the_first_are_told_and_the_rest_is_counted() -> None:
    [found] = compared([Want(claim="x", values=tuple(f"v{n}" for n in range(100)), by="role r")], {"x": "z"})
    assert found.text.endswith('"v9" or 90 more')
    assert found.text.count(" or ") == 10


@pytest.mark.parametrize(
    ("claim", "claims", "says"),
    [
        ("repository", github_claims("acme/store"), 'set github = "acme/store" in [project]'),
        ("repository", github_claims("evil/shop", repository_id="9"), "a fork perhaps"),
        ("repository_id", github_claims(repository_id="9"), "a fork perhaps"),
        ("environment", github_claims(), "`environment: production`"),
        ("ref_protected", gitlab_claims(), 'the string "true"'),
        ("ref", github_claims(ref="refs/heads/x"), 'bind shop-deploy to { "ref": "refs/heads/x" }'),
        ("team", {"team": True}, "the boolean true"),
    ],
)
def test_the_remedy_is_for_this_claim(claim: str, claims: dict[str, object], says: str) -> None:
    assert says in claim_remedy(claim, claims, door())


def test_an_id_is_no_rename_where_the_name_is_the_same() -> None:
    assert "renamed (its id" not in claim_remedy("repository", github_claims(), door())


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"ref": "x"}, "change environments.prod.only_if"),
        ({"ref": 1}, "the number 1"),
    ],
)
def test_the_remedy_for_only_if_is_in_the_manifest(claims: dict[str, object], says: str) -> None:
    place = door(ref=("1",))
    [want] = of_only_if(place)
    assert says in remedy(want, claims, place)


def test_only_if_says_which_environment_a_job_of_github_must_name() -> None:
    place = door(environment=("live",))
    [want] = of_only_if(place)
    assert "`environment: live`" in remedy(want, github_claims(), place)


PLAIN_ROLE = "bao write auth/jwt/role/shop-deploy role_type=jwt"


@pytest.mark.parametrize(
    "value", ["a,b", "@/etc/passwd", '["a"]', "-", "", "a b", "$HOME; y", "it's", "é", "-x", "a=b"]
)
def test_a_value_that_a_command_line_cannot_say_is_piped_as_json(value: str) -> None:
    told = change_role(door(None), "x", [value]).partition("sets it back: ")[2]
    shell = shlex.split(told)
    assert json.loads(shell[2]) == {"x": [value]}
    assert [shell[:2], shell[3:]] == [["printf", "%s"], ["|", *PLAIN_ROLE.split(), "-"]]


@pytest.mark.parametrize("value", ["service", AUDIENCE, "a-b_c.d:e+f"])
def test_a_plain_value_is_a_word_of_the_command(value: str) -> None:
    assert change_role(door(None), "x", value).endswith(f" {PLAIN_ROLE} x={value}")


def test_a_line_end_does_not_get_into_a_command() -> None:
    told = change_role(door(None), "x", "\n::stop-commands::y\x1b[2J")
    assert told.isprintable()
    assert r"\n::stop-commands::y\u001b[2J" in told


@pytest.mark.parametrize("claims", [{"team": "core"}, {"team": True}, {"team": "true"}, {}])
@pytest.mark.parametrize("project", [None, Project(name="shop")])
def test_a_manifest_that_implies_no_role_is_not_told_to_be_applied(
    project: Project | None, claims: dict[str, object]
) -> None:
    assert "ciplug policy" not in claim_remedy("team", claims, door(project))
    assert "ciplug policy --apply" in claim_remedy("team", claims, door())


@pytest.mark.parametrize(
    ("given", "kept"), [("glob", "glob"), ("string", "string"), ("", ""), (None, ""), (["glob"], ""), ("glob x", "")]
)
def test_a_role_compares_in_one_of_two_ways(given: object, kept: str) -> None:
    assert matching({"bound_claims_type": given}) == kept


def test_a_role_that_the_manifest_implies_is_made_from_it() -> None:
    assert audience_remedy(door()) == "run `ciplug policy --apply`, which makes role shop-deploy from the manifest"


@pytest.mark.parametrize("project", [None, Project(name="shop")])
def test_a_role_that_no_manifest_implies_is_changed_by_hand(project: Project | None) -> None:
    told = audience_remedy(door(project))
    assert told.startswith("add bound_claims_type=glob if the role has it, as this sets it back: ")
    assert told.endswith(f"bao write auth/jwt/role/shop-deploy role_type=jwt bound_audiences={AUDIENCE}")
    assert "user_claim" not in told


def test_a_role_that_could_be_read_keeps_how_it_compares() -> None:
    told = audience_remedy(replace(door(None), matching="glob"))
    fields = f"role_type=jwt bound_claims_type=glob bound_audiences={AUDIENCE}"
    assert told == f"bao write auth/jwt/role/shop-deploy {fields}"


def test_an_environment_of_several_lines_stays_on_one() -> None:
    place = door(environment=("live\n::stop-commands::x",))
    [want] = of_only_if(place)
    assert remedy(want, github_claims(), place).isprintable()


@pytest.mark.parametrize("by", ["role r", "environments.prod.only_if"])
@pytest.mark.parametrize("event", ["issue_comment", "workflow_run", True])
def test_the_event_that_was_refused_is_never_to_be_bound(by: str, event: object) -> None:
    place = door(event_name=("push", "true"))
    told = remedy(
        Want(claim="event_name", values=("push", "true"), by=by), github_claims() | {"event_name": event}, place
    )
    assert "run it on push" in told
    assert str(event) not in told
    assert "policy --apply" not in told


@pytest.mark.parametrize(
    ("pointer", "says"),
    [
        ("/ctx/team", '"core", as role r wants it'),
        ("/ctx/list/1", '"core", as role r wants it'),
        ("/a~1b/c~0d", '"core", as role r wants it'),
        ("/ctx", '{"team": "core", "list": ["x", "core"]}, role r wants "core"'),
        ("/ctx/other", 'missing, role r wants "core"'),
        ("/ctx/team/x", 'missing, role r wants "core"'),
        ("/ctx/list/0", '"x", role r wants "core"'),
        ("/ctx/list/2", 'missing, role r wants "core"'),
        ("/ctx/list/-1", 'missing, role r wants "core"'),
        ("ctx/team", 'missing, role r wants "core"'),
    ],
)
def test_a_role_may_bind_what_is_deep_in_the_payload(pointer: str, says: str) -> None:
    claims = {"aud": AUDIENCE, "ctx": {"team": "core", "list": ["x", "core"]}, "a/b": {"c~d": "core"}}
    role = {"bound_audiences": [AUDIENCE], "bound_claims": {pointer: "core"}}
    found = list(required(of_role("r", role, None), claims, door()))[-1]
    assert (found.state, found.text) == ("ok" if "as role r wants it" in says else "failed", says)


def test_a_boolean_deep_in_the_payload_has_its_type_named() -> None:
    want = Want(claim="/ctx/flag", values=("true",), by="role r")
    assert '{ "/ctx/flag": true }' in remedy(want, {"ctx": {"flag": True}}, door())


@pytest.mark.parametrize("value", [10**400, -(10**400), 2**53, float("inf"), float("nan"), True, "5", [1], {}])
@pytest.mark.parametrize("name", ["iat", "nbf", "exp"])
def test_a_time_that_no_clock_shows_is_why_a_job_fails(name: str, value: object) -> None:
    [found] = odd_times(github_claims() | {name: value})
    assert (found.check, found.state) == (f"claim {name}", "failed")
    assert found.text.endswith(", which is no time")
    assert len(found.text) < 200


@pytest.mark.parametrize("value", [None, 0, -1, 1.5, 2**53 - 1])
def test_a_time_is_a_number_or_absent(value: object) -> None:
    assert list(odd_times({"iat": value})) == []
