"""The adapter for Vercel against its stand-in; every request it sends is held to Vercel's own specification."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

import pytest

from ciplug.contracts import Queues
from ciplug.errors import CiplugError, UsageError
from ciplug.standins.vercel.rules import RESERVED
from ciplug.values import Batch, Result, Secret, Variable
from ciplug_platforms import vercel as adapter
from tests.fakes.vercel_bench import OTHER, SECRET, TOKEN, Bench, opened, refused
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Iterator

PRODUCTION: Final = {"project": "prj_1", "team": "team_9", "target": "production"}


@pytest.fixture
def bench() -> Iterator[Bench]:
    with opened() as bench:
        yield bench


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"project": ""}, "option project has to be the project's id"),
        ({"project": "shop"}, "option project has to be the project's id"),
        ({"project": "prj_1/../prj_2"}, "option project has to be"),
        ({"project": "prj_é"}, "option project has to be"),
        ({"project": 7}, "option project has to be"),
        ({"team": "a/b"}, "option team has to be the team's id"),
        ({"target": "prod"}, "option target has to be one of production, preview, development"),
        ({"target": ["production"]}, "option target has to be one of"),
        ({"custom_environment": "env_qa"}, "option target cannot be given with option custom_environment"),
        ({"git_branch": "x"}, "option git_branch goes only with target preview"),
        ({"target": "preview", "git_branch": "b" * 251}, "option git_branch has to be a branch of at most 250"),
        ({"target": "preview", "git_branch": "a\nb"}, "option git_branch has to be"),
        ({"type": "secret"}, "option type has to be one of sensitive, encrypted, plain"),
        ({"target": "development", "type": "sensitive"}, "option type cannot be sensitive with target development"),
        ({"api_url": 1}, "option api_url has to be an address"),
        ({"projects": "prj_1"}, "option projects is unknown; there are project, team, "),
    ],
)
def test_an_option_that_does_not_fit_is_named_with_what_is_allowed(
    bench: Bench, changed: dict[str, object], words: str
) -> None:
    with pytest.raises(UsageError) as err:
        adapter.create({**PRODUCTION, **changed}, bench.connect, bench.clock.waits.append)
    assert words in str(err.value)
    assert err.value.hint


def test_all_problems_with_the_options_are_in_one_message_that_quotes_none(bench: Bench) -> None:
    with pytest.raises(UsageError) as err:
        adapter.create({"team": f"{SECRET}/", "tpye": "plain", "git_branch": "x"}, bench.connect, print)
    for name in ("project is missing", "target is missing", "team has", "tpye is unknown", "git_branch goes"):
        assert f"option {name}" in str(err.value)
    assert_no_leak(str(err.value), [SECRET])


@pytest.mark.parametrize(
    ("options", "place"),
    [
        ({}, "vercel prj_1 production"),
        ({"team": "acme"}, "vercel prj_1 production"),
        ({"target": "preview", "git_branch": "feature/x"}, "vercel prj_1 preview branch=feature/x"),
        ({"custom_environment": "env_qa"}, "vercel prj_1 env_qa"),
    ],
)
def test_the_place_is_in_ids(bench: Bench, options: dict[str, str], place: str) -> None:
    assert bench.target(**options).place == place


def test_targets_of_one_project_are_written_one_after_another(bench: Bench) -> None:
    production, preview = bench.target(), bench.target(target="preview")
    assert isinstance(production, Queues)
    assert isinstance(preview, Queues)
    assert production.queue == preview.queue != bench.target(project="prj_2").queue


def test_a_team_may_be_named_by_its_slug(bench: Bench) -> None:
    assert bench.target(team="acme").read() == ()
    assert "slug=acme" in bench.vercel.requests()[0].target


def test_reading_takes_every_page(bench: Bench) -> None:
    for number in range(250):
        bench.vercel.add_variable("shop", f"A{number:03}", SECRET)
    assert [each.name for each in bench.target().read()] == [f"A{number:03}" for number in range(250)]
    assert len(bench.asked()) == 3


def test_only_what_is_at_the_place_is_read(bench: Bench) -> None:
    add = bench.vercel.add_variable
    add("shop", "PROD", SECRET, type="sensitive")
    add("shop", "OLD", SECRET, type="sensitive", target="preview")
    add("shop", "BRANCH", SECRET, type="sensitive", target=["preview"], git_branch="x")
    add("shop", "QA", SECRET, type="sensitive", target=[], custom_environments=["env_qa"])
    places = {
        "PROD": {},
        "OLD": {"target": "preview"},
        "BRANCH": {"target": "preview", "git_branch": "x"},
        "QA": {"custom_environment": "env_qa"},
    }
    for name, options in places.items():
        (found,) = bench.target(**options).read()
        assert (found.name, found.misfit, found.reserved) == (name, "", "")


def test_a_sensitive_value_is_not_asked_for_whatever_the_list_shows(bench: Bench) -> None:
    bench.vercel.show_sensitive_as("[SENSITIVE]")
    bench.vercel.add_variable("shop", "A", SECRET, type="sensitive")
    target = bench.target()
    (found,) = target.read()
    assert (found.value, found.readable, target.read_value(found)) == (None, False, None)
    assert len(bench.asked()) == 1


def test_an_encrypted_value_is_read_by_itself(bench: Bench) -> None:
    variable_id = bench.vercel.add_variable("shop", "A", SECRET)
    target = bench.target(type="encrypted")
    (found,) = target.read()
    assert (found.id, found.value, found.readable, found.misfit) == (variable_id, None, True, "")
    assert target.read_value(found) == Secret(SECRET)
    bench.vercel.remove_variable("shop", variable_id)
    assert target.read_value(found) is None


def test_a_plain_value_comes_with_the_list(bench: Bench) -> None:
    bench.vercel.add_variable("shop", "A", SECRET, type="plain")
    (found,) = bench.target(type="plain").read()
    assert found.value == Secret(SECRET)
    assert_no_leak(repr(found), [SECRET])


def test_a_change_by_hand_changes_the_stamp(bench: Bench) -> None:
    variable_id = bench.vercel.add_variable("shop", "A", SECRET, type="sensitive")
    target = bench.target()
    (before,) = target.read()
    bench.vercel.change_variable("shop", variable_id, OTHER)
    (after,) = target.read()
    assert before.stamp
    assert (before.id, before.stamp != after.stamp) == (after.id, True)


def test_what_an_integration_or_vercel_made_is_reserved(bench: Bench) -> None:
    bench.vercel.add_variable("shop", "A", SECRET, configuration_id="icfg_1")
    bench.vercel.add_variable("shop", "B", "", type="system")
    reasons = {each.name: each.reserved for each in bench.target().read()}
    assert reasons == {"A": "an integration manages it", "B": "it is one of Vercel's own"}


@pytest.mark.parametrize("field", ["edgeConfigId", "contentHint", "configurationId"])
def test_each_mark_of_an_owner_reserves(bench: Bench, field: str) -> None:
    item = {"key": "A", "id": "1", "type": "encrypted", "target": "production", "value": "", field: {"type": "x"}}
    bench.vercel.fail_next(200, body=json.dumps(item).encode())
    (found,) = bench.target().read()
    assert found.reserved


def test_the_newer_word_for_a_secret_goes_before_its_type(bench: Bench) -> None:
    item = {"key": "A", "id": "1", "type": "encrypted", "visibility": "secret", "target": ["production"]}
    bench.vercel.fail_next(200, body=json.dumps({"envs": [item]}).encode())
    (found,) = bench.target().read()
    assert (found.misfit, found.readable) == ("", False)


def test_a_misfit_says_why(bench: Bench) -> None:
    bench.vercel.add_variable("shop", "A", SECRET)
    bench.vercel.add_variable("shop", "B", SECRET, type="sensitive", target=["preview", "production"])
    bench.vercel.add_variable("shop", "C", SECRET, target=["production"], custom_environments=["env_qa"])
    assert {each.name: each.misfit for each in bench.target().read()} == {
        "A": "its type is not sensitive",
        "B": "shared with preview",
        "C": "shared with env_qa, and its type is not sensitive",
    }


@pytest.mark.parametrize(
    "body", [b"[]", b"{}", b'{"envs": 1}', b'{"envs": [1]}', b'"x"', b'{"envs": {"s3cret-value-one": 1}}', b""]
)
def test_a_list_in_no_form_that_is_known_is_an_error(bench: Bench, body: bytes) -> None:
    bench.vercel.fail_next(200, body=body)
    assert "not what its API describes" in str(refused(bench, bench.target().read))


def test_paging_that_does_not_advance_ends(bench: Bench) -> None:
    item = {"key": "A", "id": "1", "type": "sensitive", "target": ["production"]}
    page = json.dumps({"envs": [item], "pagination": {"count": 1, "next": 5, "prev": 5}}).encode()
    bench.vercel.fail_next(200, body=page, times=3)
    assert len(bench.target().read()) == 1
    assert len(bench.asked()) == 2


def test_of_two_with_one_name_the_newer_one_counts(bench: Bench) -> None:
    item = {"key": "A", "type": "sensitive", "target": ["production"]}
    pair = [item | {"id": "new", "createdAt": 9}, item | {"id": "old", "createdAt": 3}]
    for envs in (pair, pair[::-1]):
        bench.vercel.fail_next(200, body=json.dumps({"envs": envs}).encode())
        assert [each.id for each in bench.target().read()] == ["new"]


USABLE: Final[dict[str, object]] = {"key": "A", "id": "1", "type": "plain", "target": ["production"], "value": "x"}


@pytest.mark.parametrize(
    "changed",
    [
        {"key": 1},
        {"key": ""},
        {"key": None},
        {"key": f"A\x1b[2J{SECRET}"},
        {"key": "A\ud800"},
        {"id": None},
        {"id": ""},
        {"id": 7},
        {"id": f"../{SECRET}"},
        {"target": 5},
        {"target": ["production", f"\n{SECRET}"]},
        {"target": ["production", None]},
        {"customEnvironmentIds": {SECRET: 1}},
        {"customEnvironmentIds": [["env_qa"]]},
    ],
)
def test_an_item_that_cannot_be_used_is_a_malformed_answer_that_is_not_quoted(
    bench: Bench, changed: dict[str, object]
) -> None:
    bench.vercel.fail_next(200, body=json.dumps({"envs": [USABLE | changed]}).encode())
    assert "not what its API describes" in str(refused(bench, bench.target().read))


@pytest.mark.parametrize("pagination", [3, [], {"next": {"a": 1}}, {"next": f"&{SECRET}"}])
def test_paging_in_no_form_that_is_known_is_an_error(bench: Bench, pagination: object) -> None:
    bench.vercel.fail_next(200, body=json.dumps({"envs": [USABLE], "pagination": pagination}).encode())
    assert "not what its API describes" in str(refused(bench, bench.target().read))


@pytest.mark.parametrize("odd", [10**400, "not a moment", True, None, [1]])
def test_a_moment_that_is_none_is_left_out(bench: Bench, odd: object) -> None:
    bench.vercel.fail_next(200, body=json.dumps({"envs": [USABLE | {"updatedAt": odd, "createdAt": odd}]}).encode())
    (found,) = bench.target().read()
    assert (found.name, found.stamp) == ("A", "")


def test_a_value_that_is_not_said_to_be_in_clear_is_none(bench: Bench) -> None:
    bench.vercel.add_variable("shop", "A", SECRET)
    target = bench.target(type="encrypted")
    (found,) = target.read()
    bench.vercel.fail_next(200, body=b'{"value": "ciphertext", "decrypted": false}')
    assert target.read_value(found) is None


def test_an_id_cannot_lead_to_another_route(bench: Bench) -> None:
    assert bench.target().read_value(Variable(name="A", id="a/../b?c", readable=True)) is None
    assert "/env/a%2F..%2Fb%3Fc?" in bench.vercel.requests()[0].target


def test_the_mark_of_a_system_variable_reserves(bench: Bench) -> None:
    item = {"key": "A", "id": "1", "type": "plain", "target": ["production"], "system": True}
    bench.vercel.fail_next(200, body=json.dumps({"envs": [item]}).encode())
    (found,) = bench.target().read()
    assert found.reserved == "it is one of Vercel's own"


@pytest.mark.parametrize("options", [{}, {"target": "development"}, {"type": "encrypted"}, {"type": "plain"}])
def test_a_new_variable_has_the_type_of_the_target(bench: Bench, options: dict[str, str]) -> None:
    assert bench.apply(bench.target(**options), {"A": SECRET}) == {"A": ""}
    place = options.get("target", "production")
    kind = options.get("type", "encrypted" if place == "development" else "sensitive")
    assert bench.stored() == {("A", (place,)): (kind, SECRET)}


@pytest.mark.parametrize(
    "options", [{"target": "preview", "git_branch": "x"}, {"target": "preview"}, {"custom_environment": "env_qa"}]
)
def test_every_kind_of_place_takes_new_changed_and_deleted_variables(bench: Bench, options: dict[str, str]) -> None:
    bench.vercel.add_variable("shop", "KEPT", OTHER, target=["production"])
    before = bench.vercel.variables("shop")
    target = bench.target(**options)
    assert bench.apply(target, {"A": SECRET, "B": SECRET}) == {"A": "", "B": ""}
    assert bench.apply(target, {"A": OTHER}, deletes=["B"]) == {"A": "", "B": ""}
    (found,) = target.read()
    assert (found.name, found.misfit) == ("A", "")
    assert [each.value for each in bench.vercel.variables("shop") if each.key == "A"] == [OTHER]
    assert [each for each in bench.vercel.variables("shop") if each.key == "KEPT"] == list(before)


def test_an_empty_batch_asks_nothing(bench: Bench) -> None:
    assert list(bench.target().apply(Batch(held=(), writes={}))) == []
    assert bench.asked() == []


def test_a_variable_of_another_type_is_deleted_and_made_again(bench: Bench) -> None:
    bench.vercel.add_variable("shop", "A", SECRET, type="encrypted")
    bench.vercel.add_variable("shop", "B", SECRET, type="sensitive")
    assert bench.apply(bench.target(), {"A": OTHER, "B": OTHER, "C": SECRET}, replaced=["A"]) == {
        "A": "",
        "B": "",
        "C": "",
    }
    assert {name: kind for (name, _), kind in bench.stored().items()} == {
        "A": ("sensitive", OTHER),
        "B": ("sensitive", OTHER),
        "C": ("sensitive", SECRET),
    }
    assert [each.partition(" ")[0] for each in bench.asked()] == ["GET", "POST", "DELETE", "POST"]


def test_what_is_gone_already_is_deleted_and_can_be_replaced(bench: Bench) -> None:
    ids = [bench.vercel.add_variable("shop", name, SECRET) for name in "AB"]
    target = bench.target()
    batch = bench.batch(target, {"A": OTHER}, replaced=["A"], deletes=["B"])
    for variable_id in ids:
        bench.vercel.remove_variable("shop", variable_id)
    assert list(target.apply(batch)) == [Result(name="B"), Result(name="A")]


def test_a_shared_one_that_is_gone_already_is_deleted_and_can_be_replaced(bench: Bench) -> None:
    ids = [bench.vercel.add_variable("shop", name, SECRET, target=["production", "preview"]) for name in "AB"]
    target = bench.target()
    batch = bench.batch(target, {"A": OTHER}, replaced=["A"], deletes=["B"])
    for variable_id in ids:
        bench.vercel.remove_variable("shop", variable_id)
    assert list(target.apply(batch)) == [Result(name="B"), Result(name="A")]


def test_a_replaced_one_that_is_not_held_is_created(bench: Bench) -> None:
    assert bench.apply(bench.target(), {"A": SECRET}, replaced=["A"]) == {"A": ""}


def test_a_delete_that_is_seen_late_is_waited_for(bench: Bench) -> None:
    bench.vercel.add_variable("shop", "A", SECRET, type="encrypted")
    bench.vercel.add_variable("shop", "B", SECRET, type="sensitive")
    bench.vercel.delay_deletes(5)
    target = bench.target()
    assert bench.apply(target, {"A": OTHER}, replaced=["A"], deletes=["B"]) == {"B": "", "A": ""}
    assert sum(bench.clock.waits) == 7
    bench.vercel.add_variable("shop", "C", SECRET, type="sensitive")
    assert bench.apply(target, deletes=["C"]) == {"C": ""}
    (found,) = target.read()
    assert (found.name, found.misfit) == ("A", "")


def test_a_conflict_that_stays_is_reported_with_its_code(bench: Bench) -> None:
    bench.vercel.add_variable("shop", "A", SECRET, type="encrypted")
    bench.vercel.delay_deletes(3600)
    problems = bench.apply(bench.target(), {"A": OTHER}, replaced=["A"])
    assert problems == {"A": "another variable of this name is in the way (ENV_CONFLICT)"}
    assert len(bench.clock.waits) == 4


def test_a_delete_left_by_an_interrupted_run_does_not_stop_the_next(bench: Bench) -> None:
    bench.vercel.add_variable("shop", "A", SECRET, type="sensitive")
    bench.vercel.delay_deletes(3)
    assert bench.apply(bench.target(), deletes=["A"]) == {"A": ""}
    assert bench.apply(bench.target(), {"A": OTHER}) == {"A": ""}
    assert bench.stored() == {("A", ("production",)): ("sensitive", OTHER)}


def test_a_shared_record_is_split_and_the_others_keep_theirs(bench: Bench) -> None:
    add = bench.vercel.add_variable
    shared = add("shop", "A", SECRET, target=["production", "preview"], comment="by hand")
    custom = add("shop", "B", SECRET, type="sensitive", target=["production"], custom_environments=["env_qa"])
    assert bench.apply(bench.target(), {"A": OTHER, "B": OTHER}, replaced=["A", "B"]) == {"A": "", "B": ""}
    assert bench.stored() == {
        ("A", ("preview",)): ("encrypted", SECRET),
        ("A", ("production",)): ("sensitive", OTHER),
        ("B", ("env_qa",)): ("sensitive", SECRET),
        ("B", ("production",)): ("sensitive", OTHER),
    }
    kept = {each.id: each for each in bench.vercel.variables("shop")}
    assert kept[shared].comment == "by hand"
    assert kept[custom].places() == {"env_qa"}
    assert [each.partition(" ")[0] for each in bench.asked()] == ["GET", "PATCH", "PATCH", "POST"]


def test_deleting_a_shared_record_takes_it_out_of_our_place_only(bench: Bench) -> None:
    bench.vercel.add_variable("shop", "A", SECRET, target=["preview"], custom_environments=["env_qa"])
    bench.vercel.add_variable("shop", "B", SECRET, target=[], custom_environments=["env_qa"])
    assert bench.apply(bench.target(custom_environment="env_qa"), deletes=["A", "B"]) == {"A": "", "B": ""}
    assert bench.stored() == {("A", ("preview",)): ("encrypted", SECRET)}


def test_a_record_that_became_shared_since_the_plan_is_left_alone(bench: Bench) -> None:
    bench.vercel.add_variable("shop", "A", SECRET, type="sensitive", target=["production", "preview"])
    problems = bench.apply(bench.target(), {"A": OTHER})
    assert problems == {"A": "another variable of this name is in the way (ENV_CONFLICT)"}
    assert bench.stored() == {("A", ("preview", "production")): ("sensitive", SECRET)}


def test_more_than_a_thousand_are_deleted_in_parts(bench: Bench) -> None:
    names = [f"A{number}" for number in range(1001)]
    for name in names:
        bench.vercel.add_variable("shop", name, "x", type="sensitive")
    assert bench.apply(bench.target(), deletes=names) == dict.fromkeys(names, "")
    assert bench.asked()[-2:] == ["DELETE /v1/projects/prj_1/env"] * 2
    assert bench.stored() == {}


def test_a_split_that_is_refused_leaves_the_shared_record_and_the_rest_goes_on(bench: Bench) -> None:
    bench.vercel.add_variable("shop", "A", SECRET, target=["production", "preview"])
    bench.vercel.add_variable("shop", "D", SECRET, target=["production", "preview"])
    bench.vercel.add_variable("shop", "E", SECRET, type="sensitive")
    before = {each.id: each for each in bench.vercel.variables("shop") if each.key in "AD"}
    bench.vercel.refuse("A", code="UNKNOWN_ERROR", message=f"not {SECRET}")
    bench.vercel.refuse("D", code="UNKNOWN_ERROR")
    problems = bench.apply(bench.target(), {"A": OTHER, "C": SECRET}, replaced=["A"], deletes=["D", "E"])
    words = "it was not taken out (UNKNOWN_ERROR)"
    assert problems == {"C": "", "A": words, "D": words, "E": ""}
    assert {each.id: each for each in bench.vercel.variables("shop") if each.key in "AD"} == before


def test_what_belongs_to_others_stays_byte_for_byte(bench: Bench) -> None:
    add = bench.vercel.add_variable
    add("shop", "FOREIGN", SECRET, type="encrypted", comment="by hand")
    add("shop", "GROWN", SECRET, configuration_id="icfg_1")
    add("shop", "A", SECRET, type="sensitive", target=["preview"])
    add("shop", "A", SECRET, type="sensitive", target=["preview"], git_branch="x")
    before = bench.vercel.variables("shop")
    add("shop", "A", SECRET, type="encrypted")
    add("shop", "B", SECRET, type="sensitive")
    bench.apply(bench.target(), {"A": OTHER, "C": OTHER}, replaced=["A"], deletes=["B"])
    assert [each for each in bench.vercel.variables("shop") if each in before] == list(before)


def test_one_refused_variable_does_not_keep_the_others(bench: Bench) -> None:
    bench.vercel.refuse("B", message=f"{SECRET} is not good", quotes_value=True)
    target = bench.target()
    assert bench.apply(target, {"A": SECRET, "B": SECRET}) == {
        "A": "",
        "B": "the value is not allowed (INVALID_VALUE)",
    }
    bench.vercel.accept("B")
    assert bench.apply(target, {"B": SECRET}) == {"B": ""}


def test_a_code_that_is_not_known_is_shown_and_nothing_else(bench: Bench) -> None:
    bench.vercel.refuse("A", code="NEW_RULE", message=SECRET, quotes_value=True)
    bench.vercel.refuse("B", code=f"{SECRET} {TOKEN}", message=SECRET)
    assert bench.apply(bench.target(), {"A": SECRET, "B": SECRET, "C": "x"}) == {
        "A": "Vercel refused it (NEW_RULE)",
        "B": "Vercel refused it (NO_CODE)",
        "C": "",
    }


def test_all_refused_is_a_result_for_each(bench: Bench) -> None:
    for name in ("A", "B"):
        bench.vercel.refuse(name, quotes_value=True)
    problems = bench.apply(bench.target(), {"A": SECRET, "B": OTHER})
    assert problems == dict.fromkeys("AB", "the value is not allowed (INVALID_VALUE)")


def test_a_bad_request_that_names_its_variables_is_not_waited_for(bench: Bench) -> None:
    bench.vercel.refuse("A", code="BAD_REQUEST", message=SECRET)
    assert bench.apply(bench.target(), {"A": SECRET}) == {"A": "Vercel refused it (BAD_REQUEST)"}
    assert bench.clock.waits == []


@pytest.mark.parametrize(
    ("answer", "problems"),
    [
        ({"failed": []}, {"A": "", "B": ""}),
        ({"created": {"key": "A"}, "failed": []}, {"A": "", "B": "Vercel's answer does not say what became of it"}),
        (
            {"created": [{"key": "A"}], "failed": [{"error": {"code": "X", "message": SECRET}}]},
            {"A": "", "B": "Vercel refused some variables without their names, perhaps this one (X)"},
        ),
        (
            {"created": [{"key": "A"}], "failed": [{"error": {"code": "INVALID_KEY", "envVarKey": "B"}}]},
            {"A": "", "B": "the name is not allowed (INVALID_KEY)"},
        ),
        (
            {"created": [{"key": ["A"]}, {"key": "A"}], "failed": []},
            {"A": "", "B": "Vercel's answer does not say what became of it"},
        ),
        (
            {"created": [{"key": "A"}], "failed": [SECRET]},
            {"A": "", "B": "Vercel refused some variables without their names, perhaps this one (NO_CODE)"},
        ),
    ],
)
def test_every_form_of_a_partial_answer_is_understood(
    bench: Bench, answer: dict[str, object], problems: dict[str, str]
) -> None:
    target = bench.target()
    batch = bench.batch(target, {"A": SECRET, "B": OTHER})
    bench.vercel.fail_next(201, body=json.dumps(answer).encode())
    assert {each.name: each.problem for each in target.apply(batch)} == problems


def test_a_policy_that_changes_the_type_is_reported(bench: Bench) -> None:
    bench.vercel.demand_sensitive()
    problems = bench.apply(bench.target(type="encrypted"), {"A": SECRET})
    assert problems == {"A": "the team's policy made it sensitive; set the option type to sensitive"}


def test_what_a_full_environment_refuses_is_tried_again_after_the_deletes(bench: Bench) -> None:
    bench.vercel.add_variable("shop", "OLD", "x" * 60_000, type="sensitive")
    assert bench.apply(bench.target(), {"A": "y" * 60_000, "B": SECRET}, deletes=["OLD"]) == {
        "B": "",
        "OLD": "",
        "A": "",
    }
    assert {name for name, _ in bench.stored()} == {"A", "B"}


def test_too_many_for_one_call_are_written_in_parts(bench: Bench) -> None:
    new = {f"NEW{number}": SECRET for number in range(120)}
    target = bench.target()
    batch = bench.batch(target, new)
    bench.vercel.refuse_next(400, "too_many_keys")
    assert {each.name for each in target.apply(batch) if not each.problem} == new.keys()
    assert len(bench.stored()) == 120
    assert len(bench.asked()) == 1 + 1 + 3


def test_a_project_with_another_write_under_way_is_waited_for(bench: Bench) -> None:
    bench.vercel.add_variable("shop", "B", SECRET, type="sensitive")
    target = bench.target()
    bench.vercel.keep_busy("shop", times=2)
    assert bench.apply(target, {"A": SECRET}, deletes=["B"]) == {"A": "", "B": ""}
    assert bench.clock.waits == [1, 2]
    bench.vercel.keep_busy("shop", times=9)
    assert "(400, BAD_REQUEST)" in str(refused(bench, lambda: bench.apply(target, {"A": OTHER})))


@pytest.mark.parametrize("advised", [True, False])
def test_a_rate_limit_delays_and_loses_nothing(bench: Bench, advised: bool) -> None:
    bench.vercel.limit_next(seconds=40, advised=advised)
    assert bench.apply(bench.target(), {"A": SECRET}) == {"A": ""}
    assert sum(bench.clock.waits) >= 39


def test_a_rate_limit_beyond_the_deadline_is_an_error(bench: Bench) -> None:
    bench.seconds = 30
    bench.vercel.limit_next(seconds=600)
    assert "429" in str(refused(bench, bench.target().read))


@pytest.mark.parametrize("fault", ["drop", "cut", "fail"])
def test_a_lost_answer_is_asked_for_again_and_all_is_done_once(bench: Bench, fault: str) -> None:
    bench.vercel.add_variable("shop", "B", SECRET, type="sensitive")
    target = bench.target()
    batch = bench.batch(target, {"A": SECRET}, deletes=["B"])
    results = target.apply(batch)
    order = {
        "drop": bench.vercel.drop_next,
        "cut": bench.vercel.cut_next,
        "fail": lambda: bench.vercel.refuse_next(503),
    }[fault]
    order()
    assert next(results) == Result(name="A")
    order()
    [deleted] = results
    # An answer to the repetition cannot name what the first request has deleted.
    assert deleted == Result(name="B", gone=fault == "fail")
    assert bench.stored() == {("A", ("production",)): ("sensitive", SECRET)}


def test_a_delete_that_the_answer_does_not_confirm_is_not_believed(bench: Bench) -> None:
    bench.vercel.add_variable("shop", "B", SECRET, type="sensitive")
    target = bench.target()
    results = target.apply(bench.batch(target, {}, deletes=["B"]))
    bench.vercel.fail_next(200, body=b'{"deleted": 0, "ids": []}')
    assert list(results) == [Result(name="B")]
    assert [each.name for each in target.read()] == ["B"]


def test_answers_lost_until_the_end_are_an_error_and_the_next_run_converges(bench: Bench) -> None:
    bench.seconds = 5
    bench.vercel.add_variable("shop", "A", SECRET, type="encrypted")
    target = bench.target()
    results = target.apply(bench.batch(target, {"A": OTHER, "B": SECRET}, replaced=["A"]))
    assert next(results) == Result(name="B")
    bench.vercel.drop_next(times=100)
    refused(bench, lambda: list(results))
    bench.vercel._faults.clear()
    assert bench.apply(bench.target(), {"A": OTHER}) == {"A": ""}
    assert {key: value for (key, _), (_, value) in bench.stored().items()} == {"A": OTHER, "B": SECRET}


def test_an_interruption_between_calls_knows_what_was_done(bench: Bench) -> None:
    bench.vercel.add_variable("shop", "B", SECRET, type="sensitive")
    target = bench.target()
    results = cast("Any", target.apply(bench.batch(target, {"A": SECRET}, deletes=["B"])))
    assert next(results) == Result(name="A")
    results.close()
    assert {name for name, _ in bench.stored()} == {"A", "B"}


def test_a_wrong_token_is_named_and_not_shown(bench: Bench) -> None:
    error = refused(bench, bench.target(token="vcp_wr0ng-token").read)
    assert "the token is not valid, or may not" in str(error)
    assert "(403, FORBIDDEN)" in str(error)
    assert_no_leak(f"{error} {error.hint}", ["vcp_wr0ng-token"])


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (401, "the token is not valid (401, X_CODE)"),
        (403, "may not do this in that team and project (403, X_CODE)"),
        (404, "the project is not there, or the token cannot see it (404, X_CODE)"),
        (409, "the project is being transferred to another team (409, X_CODE)"),
        (402, "the request was refused (402, X_CODE)"),
    ],
)
def test_a_refusal_of_the_whole_is_told_by_status_in_every_call(bench: Bench, status: int, words: str) -> None:
    bench.vercel.add_variable("shop", "B", SECRET, type="sensitive")
    bench.vercel.add_variable("shop", "C", SECRET, type="sensitive")
    bench.vercel.add_deployment("shop")
    target = bench.deployed()
    batch = bench.batch(target, {"A": SECRET}, deletes=["B"])
    gone = Batch(held=batch.held, writes={}, deletes=batch.deletes)
    for call in (target.read, lambda: list(target.apply(batch)), lambda: list(target.apply(gone)), target.redeploy):
        bench.vercel.refuse_next(status, "x_code")
        assert words in str(refused(bench, lambda call=call: list(call())))  # type: ignore[misc]  # bound per case


@pytest.mark.parametrize("status", [401, 403, 409])
def test_a_split_that_the_whole_project_refuses_ends_the_batch(bench: Bench, status: int) -> None:
    bench.vercel.add_variable("shop", "A", SECRET, target=["production", "preview"])
    target = bench.target()
    batch = bench.batch(target, deletes=["A"])
    bench.vercel.refuse_next(status, "x")
    assert f"({status}, X)" in str(refused(bench, lambda: list(target.apply(batch))))


def test_a_project_that_moves_or_is_gone_is_an_error(bench: Bench) -> None:
    target = bench.target()
    bench.vercel.transfer("shop")
    assert "transferred" in str(refused(bench, lambda: bench.apply(target, {"A": SECRET})))
    bench.vercel.transfer("shop", ended=True)
    assert "not there" in str(refused(bench, target.read))


@pytest.mark.parametrize(
    "value",
    ["line\nline\r\n", "\"quoted\" 'twice' \\", "${{ secrets.X }} $(id) `id`", "🔑 ключ", "x" * 60_000, "a", ""],
    ids=["lines", "quotes", "expressions", "emoji", "60 kB", "short", "empty"],
)
@pytest.mark.parametrize("kind", ["sensitive", "encrypted", "plain"])
def test_a_hostile_value_arrives_as_it_is(bench: Bench, value: str, kind: str) -> None:
    target = bench.target(type=kind)
    assert target.problems({"A": Secret(value)}, ()) == []
    assert bench.apply(target, {"A": value}) == {"A": ""}
    assert bench.stored() == {("A", ("production",)): (kind, value)}
    (found,) = target.read()
    read = found.value or target.read_value(found)
    assert read == (None if kind == "sensitive" else Secret(value))


@pytest.mark.parametrize("name", [*sorted(RESERVED), "1A", "A-B", "", "A B", "Ä", "A\n", "N" * 257])
def test_a_name_that_vercel_refuses_is_a_problem_before_any_write(bench: Bench, name: str) -> None:
    target = bench.target()
    (problem, *_) = target.problems({name: Secret("x")}, ())
    assert problem.startswith(f"{name}: ")
    assert bench.apply(target, {name: "x"})[name]


@pytest.mark.parametrize(
    "prefix", ["NEXT_PUBLIC_", "VITE_", "REACT_APP_", "NUXT_PUBLIC_", "GATSBY_", "PUBLIC_", "EXPO_PUBLIC_"]
)
def test_a_name_that_a_framework_publishes_is_a_problem(bench: Bench, prefix: str) -> None:
    assert "would publish the secret" in bench.target().problems({f"{prefix}KEY": Secret(SECRET)}, ())[0]
    assert bench.target().problems({f"MY_{prefix}KEY": Secret(SECRET)}, ()) == []


@pytest.mark.parametrize("name", ["AWS_ACCESS_KEY_ID", "VERCEL_TOKEN_OF_OURS", "_", "a1"])
def test_other_names_are_none(bench: Bench, name: str) -> None:
    assert bench.target().problems({name: Secret(SECRET)}, ()) == []


def test_all_problems_come_at_once_and_show_no_value(bench: Bench) -> None:
    wanted = {
        "TZ": Secret(SECRET),
        "VITE_A-B": Secret(SECRET),
        "BINARY": Secret(b"\xff\xfe" + SECRET.encode()),
        "NUL": Secret(f"{SECRET}\0"),
    }
    problems = bench.target().problems(wanted, ())
    bench.shown += problems
    assert [each.partition(":")[0] for each in problems] == ["TZ", "VITE_A-B", "VITE_A-B", "BINARY", "NUL"]


@pytest.mark.parametrize(("size", "count"), [(64 * 1024 - 1, 0), (64 * 1024, 2)])
def test_a_value_may_be_as_large_as_vercel_takes(bench: Bench, size: int, count: int) -> None:
    target = bench.target()
    assert len(target.problems({"A": Secret("x" * size)}, ())) == count
    assert bool(bench.apply(target, {"A": "x" * size})["A"]) is bool(count)


def test_the_total_counts_what_is_held_and_stays(bench: Bench) -> None:
    held = [Variable(name="HELD", value=Secret("x" * 30_000)), Variable(name="A", value=Secret("x" * 30_000))]
    target = bench.target()
    assert target.problems({"A": Secret("x" * 35_000)}, held) == []
    (problem,) = target.problems({"A": Secret("x" * 35_000), "B": Secret("y" * 600)}, held)
    assert problem.startswith("A: ")
    assert "65606 bytes" in problem


def test_nothing_that_an_adapter_raises_is_outside_the_tree(bench: Bench) -> None:
    target = bench.target()
    bench.vercel.fail_next(400, body=b'{"error": "s3cret-value-one"}')
    error = refused(bench, target.read)
    assert isinstance(error, CiplugError)
    assert str(error) == "Vercel: the request was refused (400)"
