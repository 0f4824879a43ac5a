"""The stand-in for Vercel, held to Vercel's own specification in all that these tests ask and get."""

from __future__ import annotations

import functools
import json
import re
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import parse_qs

import httpx
import pytest
from openapi_core import OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.testing import MockRequest, MockResponse

from ciplug.conformance import Clock
from ciplug.standins.loopback import DROP, HANG
from ciplug.standins.vercel import Change, Limit, Vercel
from ciplug.standins.vercel.routes import UnknownRouteError
from ciplug.standins.vercel.rules import RESERVED
from tests import specs
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TOKEN: Final = "vcp_token-of-the-team"
SECRET: Final = "s3cret-value-one"
OTHER: Final = "an0ther-value-two"
ENV: Final = "/v10/projects/prj_1/env"

UNDECLARED: Final = {401, 404, 429}
"""Statuses that Vercel answers on operations whose specification leaves them out."""


@functools.cache
def document() -> dict[str, Any]:
    """Vercel's specification, as it is meant, not said, where no real answer would fit it.

    In its answers the alternatives of "one of" overlap, and the enumerations of what may be null are without null.
    """
    loaded: dict[str, Any] = json.loads((specs.folder() / "vercel-openapi.json").read_text())
    for operations in loaded["paths"].values():
        for operation in operations.values():
            operation["responses"] = _relaxed(operation["responses"])
    return loaded


@functools.cache
def specification() -> OpenAPI:
    return OpenAPI.from_dict(cast("Any", document()))


def _relaxed(node: Any) -> Any:
    if isinstance(node, list):
        return [_relaxed(each) for each in node]
    if isinstance(node, dict):
        relaxed = {"anyOf" if name == "oneOf" else name: _relaxed(each) for name, each in node.items()}
        return relaxed | ({"enum": [*node["enum"], None]} if node.get("nullable") and "enum" in node else {})
    return node


def _check(response: httpx.Response) -> None:
    """What the specification refuses, the stand-in refuses; what it answers, the specification has."""
    request = response.request
    asked = MockRequest(
        "https://api.vercel.com",
        request.method.lower(),
        request.url.path,
        args=cast("dict[str, str]", {name: each[0] for name, each in parse_qs(request.url.query.decode()).items()}),
        headers=dict(request.headers),
        data=request.read() or None,
        content_type=request.headers.get("content-type", "application/json"),
    )
    response.read()
    try:
        specification().validate_request(asked)
    except OpenAPIError:
        assert response.status_code in {400, 401}, "Vercel's specification refuses the request, the stand-in does not"
    if response.is_success:
        answered = MockResponse(response.content, status_code=response.status_code, content_type="application/json")
        specification().validate_response(asked, answered)
    else:
        _check_error(response)


def _check_error(response: httpx.Response) -> None:
    method, path = response.request.method.lower(), response.request.url.path
    (operation,) = [
        operations[method]
        for template, operations in document()["paths"].items()
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path)
    ]
    assert response.status_code in {int(status) for status in operation["responses"]} | UNDECLARED
    assert_no_leak(response.content, [SECRET, OTHER])
    assert {"code", "message"} <= response.json()["error"].keys()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def vercel(clock: Clock) -> Iterator[Vercel]:
    with Vercel(token=TOKEN, team="team_9", slug="acme", clock=clock) as running:
        running.add_project("prj_1", "shop")
        running.add_custom_environment("prj_1", "env_qa", "qa")
        yield running
        seen = (running.requests(), running.changes(), running.variables("shop"), running.deployments("shop"))
        assert_no_leak(repr(seen), [SECRET, OTHER])


@pytest.fixture
def client(vercel: Vercel) -> Iterator[httpx.Client]:
    """Asks as the team; every exchange is checked."""
    with httpx.Client(
        base_url=vercel.url,
        headers={"Authorization": f"Bearer {TOKEN}"},
        params={"teamId": "team_9"},
        event_hooks={"response": [_check]},
    ) as ready:
        yield ready


def variable(key: str = "A", value: str = SECRET, **fields: object) -> dict[str, object]:
    return {"key": key, "value": value, "type": "encrypted", "target": ["production"]} | fields


def upsert(client: httpx.Client, *bodies: Mapping[str, object]) -> httpx.Response:
    return client.post(ENV, params={"upsert": "true"}, json=list(bodies))


def codes(answer: httpx.Response) -> list[str]:
    return [each["error"]["code"] for each in answer.json()["failed"]]


def test_an_answer_that_the_specification_does_not_have_is_found(vercel: Vercel, client: httpx.Client) -> None:
    vercel.fail_next(200, body=b'{"envs": [{"key": "A"}]}')
    with pytest.raises(OpenAPIError):
        client.get(ENV)


@pytest.mark.parametrize("body", [{"ids": []}, {"ids": ["x"], "force": True}])
def test_a_request_that_the_specification_refuses_is_found(
    vercel: Vercel, client: httpx.Client, body: dict[str, object]
) -> None:
    vercel.fail_next(200, body=b'{"deleted": 0, "ids": []}')
    with pytest.raises(AssertionError, match="the stand-in does not"):
        client.request("DELETE", "/v1/projects/prj_1/env", json=body)


def test_a_list_shows_only_plain_values(vercel: Vercel, client: httpx.Client) -> None:
    for kind in ("plain", "encrypted", "sensitive"):
        vercel.add_variable("shop", kind.upper(), SECRET, type=kind)  # type: ignore[arg-type]  # a loop over literals
    envs = client.get(ENV, params={"decrypt": "true"}).json()["envs"]
    shown = {each["key"]: each["value"] for each in envs}
    assert (shown["PLAIN"], shown["SENSITIVE"]) == (SECRET, "")
    assert_no_leak(shown["ENCRYPTED"], [SECRET])
    assert len(shown["ENCRYPTED"]) > 100


def test_how_a_sensitive_value_is_listed_can_be_ordered(vercel: Vercel, client: httpx.Client) -> None:
    vercel.add_variable("shop", "A", SECRET, type="sensitive")
    vercel.show_sensitive_as("[SENSITIVE]")
    assert client.get(ENV).json()["envs"][0]["value"] == "[SENSITIVE]"


def test_one_variable_is_read_in_clear_unless_it_is_sensitive(vercel: Vercel, client: httpx.Client) -> None:
    open_id = vercel.add_variable("shop", "A", SECRET)
    closed_id = vercel.add_variable("shop", "B", SECRET, type="sensitive")
    clear, closed = (client.get(f"/v1/projects/shop/env/{each}").json() for each in (open_id, closed_id))
    assert (clear["value"], clear["decrypted"]) == (SECRET, True)
    assert "value" not in closed
    assert closed["decrypted"] is False


def test_pages_end_and_miss_nothing(vercel: Vercel, client: httpx.Client) -> None:
    for number in range(7):
        vercel.add_variable("shop", f"K{number}", SECRET)
    keys: list[str] = []
    until: int | None = None
    while True:
        page = client.get(ENV, params={"limit": 3} | ({} if until is None else {"until": until})).json()
        keys += [each["key"] for each in page["envs"]]
        until = page["pagination"]["next"]
        if until is None:
            break
    assert keys == [f"K{number}" for number in reversed(range(7))]
    assert len(vercel.requests()) == 3


def test_a_page_without_a_limit_has_twenty(vercel: Vercel, client: httpx.Client) -> None:
    for number in range(21):
        vercel.add_variable("shop", f"K{number}", SECRET)
    page = client.get(ENV).json()
    assert (len(page["envs"]), page["pagination"]["count"]) == (20, 20)
    assert page["pagination"]["next"] == page["envs"][-1]["createdAt"]


def test_a_list_can_be_of_a_branch_or_a_custom_environment(vercel: Vercel, client: httpx.Client) -> None:
    vercel.add_variable("shop", "A", SECRET)
    vercel.add_variable("shop", "B", SECRET, target=("preview",), git_branch="main")
    vercel.add_variable("shop", "C", SECRET, target=(), custom_environments=("env_qa",))
    queries = ({"gitBranch": "main"}, {"customEnvironmentId": "env_qa"}, {"customEnvironmentSlug": "qa"})
    listed = [[each["key"] for each in client.get(ENV, params=query).json()["envs"]] for query in queries]
    assert listed == [["B"], ["C"], ["C"]]


def test_old_records_have_a_string_for_a_target(vercel: Vercel, client: httpx.Client) -> None:
    vercel.add_variable("shop", "A", SECRET, target="production")
    assert client.get(ENV).json()["envs"][0]["target"] == "production"


@pytest.mark.parametrize("query", [{"limit": "101"}, {"limit": "0"}, {"until": "soon"}, {"x": "1"}, {"decrypt": "yes"}])
def test_a_wrong_query_is_refused(client: httpx.Client, query: dict[str, str]) -> None:
    assert client.get(ENV, params=query).status_code == 400


def test_one_variable_is_created_as_an_object_and_many_as_an_array(vercel: Vercel, client: httpx.Client) -> None:
    one = client.post(ENV, json=variable("A", comment="ours"))
    many = client.post(ENV, json=[variable("B", OTHER, type="sensitive")])
    assert (one.status_code, one.json()["created"]["key"], one.json()["created"]["comment"]) == (201, "A", "ours")
    assert [each["key"] for each in many.json()["created"]] == ["B"]
    assert [(each.key, each.value, each.type) for each in vercel.variables("shop")] == [
        ("A", SECRET, "encrypted"),
        ("B", OTHER, "sensitive"),
    ]
    assert [change[:2] for change in vercel.changes()] == [("created", "A"), ("created", "B")]


def test_an_upsert_updates_the_record_with_the_same_targets(vercel: Vercel, client: httpx.Client, clock: Clock) -> None:
    held = vercel.add_variable("shop", "A", SECRET, target=("preview", "production"), comment="kept")
    before = vercel.variables("shop")[0]
    clock.now += 60
    assert upsert(client, variable("A", OTHER, target=["production", "preview"])).status_code == 201
    (after,) = vercel.variables("shop")
    assert (after.id, after.value, after.comment, after.created_at) == (held, OTHER, "kept", before.created_at)
    assert after.updated_at - before.updated_at == 60_000


def test_a_write_within_one_millisecond_has_a_later_stamp(vercel: Vercel, client: httpx.Client) -> None:
    stamps = [upsert(client, variable()).json()["created"][0]["updatedAt"] for _ in range(3)]
    assert len(set(stamps)) == 3
    assert stamps == sorted(stamps)


@pytest.mark.parametrize("target", [["production", "preview"], ["production"]])
def test_another_target_list_is_a_conflict_for_an_upsert(
    vercel: Vercel, client: httpx.Client, target: list[str]
) -> None:
    every = ("production", "preview", "development")
    held = vercel.add_variable("shop", "A", SECRET, target=every)
    answer = upsert(client, variable("A", OTHER, target=target))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "ENV_CONFLICT")
    assert answer.json()["error"] | {"envVarId": held, "target": list(every)} == answer.json()["error"]
    assert codes(answer) == ["ENV_CONFLICT"]
    assert vercel.variables("shop")[0].value == SECRET


def test_a_record_of_more_targets_is_in_the_way_of_an_update_too(vercel: Vercel, client: httpx.Client) -> None:
    vercel.add_variable("shop", "A", SECRET)
    vercel.add_variable("shop", "A", SECRET, target=("production", "preview"))
    assert codes(upsert(client, variable("A", OTHER))) == ["ENV_CONFLICT"]


def test_without_upsert_the_same_variable_is_a_conflict(client: httpx.Client) -> None:
    client.post(ENV, json=variable())
    assert client.post(ENV, json=variable()).json()["error"]["code"] == "ENV_CONFLICT"


def test_a_success_can_carry_failures(vercel: Vercel, client: httpx.Client) -> None:
    vercel.refuse("B", code="INVALID_VALUE")
    answer = upsert(client, variable("A"), variable("B", OTHER), variable("TZ"))
    assert answer.status_code == 201
    assert [each["key"] for each in answer.json()["created"]] == ["A"]
    assert codes(answer) == ["INVALID_VALUE", "RESERVED_ENV_VARIABLE"]
    assert [change[:2] for change in vercel.changes()] == [("created", "A"), ("failed", "B"), ("failed", "TZ")]
    vercel.accept("B")
    assert upsert(client, variable("B", OTHER)).json()["failed"] == []


def test_a_failure_can_quote_the_value_where_a_test_orders_it(vercel: Vercel, client: httpx.Client) -> None:
    vercel.refuse("B", quotes_value=True)
    answer = upsert(client, variable("A"), variable("B", OTHER))
    assert answer.json()["failed"][0]["error"]["value"] == OTHER


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        ("KEY_INVALID_LENGTH", {"key": ""}),
        ("KEY_INVALID_LENGTH", {"key": "K" * 257}),
        ("KEY_INVALID_CHARACTERS", {"key": "1A"}),
        ("KEY_INVALID_CHARACTERS", {"key": "A-B"}),
        ("KEY_INVALID_CHARACTERS", {"key": "ÄB"}),
        ("MISSING_TARGET", {"target": []}),
        ("ID_NOT_FOUND", {"customEnvironmentIds": ["env_none"]}),
        ("BAD_REQUEST", {"gitBranch": "main"}),
        ("BAD_REQUEST", {"gitBranch": "main", "target": ["preview", "production"]}),
        ("BAD_REQUEST", {"type": "sensitive", "target": ["development"]}),
        ("BAD_REQUEST", {"type": "sensitive", "target": ["production", "development"]}),
        ("SYSTEM_ENV_WITH_VALUE", {"type": "system"}),
        ("VALUE_INVALID_LENGTH", {"value": "x" * 65_536}),
        *(("RESERVED_ENV_VARIABLE", {"key": key}) for key in sorted(RESERVED)),
    ],
)
def test_a_variable_that_no_project_can_have_fails(
    vercel: Vercel, client: httpx.Client, code: str, fields: dict[str, object]
) -> None:
    answer = upsert(client, variable(**fields))  # type: ignore[arg-type]  # fields of JSON
    assert (answer.status_code, codes(answer)) == (400, [code])
    assert vercel.variables("shop") == ()


@pytest.mark.parametrize("key", ["AWS_REGION", "AWS_SECRET_ACCESS_KEY", "VERCEL_TOKEN", "_a1"])
def test_names_near_the_reserved_ones_are_taken(client: httpx.Client, key: str) -> None:
    assert upsert(client, variable(key)).status_code == 201


@pytest.mark.parametrize(
    "body",
    [
        variable(type="secret"),
        variable(type="bogus"),
        variable(type=["plain"]),
        variable(value=None),  # type: ignore[arg-type]  # on purpose
        variable(target=["staging"]),
        variable(target="production"),
        variable(gitBranch="b" * 251, target=["preview"]),
        variable(comment="c" * 501),
        {"key": "A", "value": SECRET, "type": "plain"},
        {"key": "A", "value": SECRET, "target": ["production"]},
        [[]],
        "text",
        None,
    ],
)
def test_a_body_that_does_not_fit_is_refused_as_a_whole(vercel: Vercel, client: httpx.Client, body: object) -> None:
    assert client.post(ENV, json=body).json()["error"]["code"] == "bad_request"
    assert upsert(client, variable("B"), cast("Any", body)).status_code == 400
    assert vercel.variables("shop") == ()


def test_half_a_character_is_refused(vercel: Vercel, client: httpx.Client) -> None:
    raw = json.dumps(variable(value="\ud83d"))
    assert client.post(ENV, content=raw, headers={"Content-Type": "application/json"}).status_code == 400
    assert upsert(client, variable(value="\U0001f600 \n\t\u0000")).status_code == 201
    assert vercel.variables("shop")[0].value == "\U0001f600 \n\t\u0000"


@pytest.mark.parametrize("kind", ["text/plain", "application/json"])
def test_a_body_that_is_not_json_is_refused(client: httpx.Client, kind: str) -> None:
    answer = client.post(ENV, content=f"{{{SECRET}", headers={"Content-Type": kind})
    assert answer.status_code == 400


def test_all_variables_of_an_environment_are_64_kb_at_most(client: httpx.Client) -> None:
    large = "x" * 32_700
    assert codes(upsert(client, variable("A", large), variable("B", large), variable("C", large))) == ["BAD_REQUEST"]
    assert codes(upsert(client, variable("A", large), variable("B", large))) == []
    assert upsert(client, variable("C", large, target=["preview"])).status_code == 201
    branch = variable("D", large, target=["preview"], gitBranch="main")
    assert codes(upsert(client, branch, branch | {"key": "E"})) == ["BAD_REQUEST"]


def test_a_branch_has_its_own_variable_beside_that_of_all_previews(client: httpx.Client) -> None:
    both = [variable(target=["preview"]), variable(target=["preview"], gitBranch="main")]
    assert codes(upsert(client, *both)) == []
    assert codes(upsert(client, *both)) == []
    assert len(client.get(ENV).json()["envs"]) == 2


def test_a_custom_environment_has_variables(vercel: Vercel, client: httpx.Client) -> None:
    body = {"key": "A", "value": SECRET, "type": "sensitive", "customEnvironmentIds": ["env_qa"]}
    assert upsert(client, body).json()["created"][0]["customEnvironmentIds"] == ["env_qa"]
    assert upsert(client, body | {"value": OTHER}).status_code == 201
    assert [each.value for each in vercel.variables("shop")] == [OTHER]


def test_an_upsert_does_not_change_a_type(vercel: Vercel, client: httpx.Client) -> None:
    vercel.add_variable("shop", "A", SECRET)
    assert codes(upsert(client, variable("A", OTHER, type="sensitive"))) == ["BAD_REQUEST"]
    assert vercel.variables("shop")[0].value == SECRET


def test_what_an_integration_made_is_not_touched(vercel: Vercel, client: httpx.Client) -> None:
    theirs = vercel.add_variable("shop", "A", SECRET, configuration_id="icfg_1")
    own = vercel.add_variable("shop", "B", SECRET)
    assert client.get(ENV).json()["envs"][1]["configurationId"] == "icfg_1"
    assert codes(upsert(client, variable("A", OTHER))) == ["FORBIDDEN"]
    assert client.patch(f"/v9/projects/shop/env/{theirs}", json={"value": OTHER}).status_code == 403
    assert client.delete(f"/v9/projects/shop/env/{theirs}").status_code == 403
    assert client.request("DELETE", "/v1/projects/shop/env", json={"ids": [own, theirs]}).status_code == 403
    assert [each.value for each in vercel.variables("shop")] == [SECRET, SECRET]


def test_a_team_may_demand_that_secrets_are_sensitive(vercel: Vercel, client: httpx.Client) -> None:
    vercel.demand_sensitive()
    assert upsert(client, variable()).json()["created"][0]["type"] == "sensitive"
    assert upsert(client, variable("B", target=["development"])).json()["created"][0]["type"] == "encrypted"
    assert codes(upsert(client, variable("C", target=["development", "preview"]))) == ["BAD_REQUEST"]


def test_an_edit_keeps_what_it_does_not_name(vercel: Vercel, client: httpx.Client) -> None:
    held = vercel.add_variable("shop", "A", SECRET, target=("production", "preview"))
    answer = client.patch(f"/v9/projects/prj_1/env/{held}", json={"target": ["preview"]})
    assert answer.json()["target"] == ["preview"]
    (after,) = vercel.variables("shop")
    assert (after.value, after.target) == (SECRET, ("preview",))
    assert vercel.changes() == (Change("updated", "A", held),)
    assert upsert(client, variable("A", OTHER)).status_code == 201


def test_a_branch_is_set_and_taken_back(vercel: Vercel, client: httpx.Client) -> None:
    held = vercel.add_variable("shop", "A", SECRET, target=("preview",))
    for branch in ("main", None):
        client.patch(f"/v9/projects/prj_1/env/{held}", json={"gitBranch": branch})
        assert vercel.variables("shop")[0].git_branch == branch


@pytest.mark.parametrize(
    "body",
    [
        {"type": "sensitive"},
        {"type": "plain"},
        {"visibility": "secret"},
        {"id": "x"},
        {"value": 1},
        {"target": []},
        {"target": ["preview"], "gitBranch": 7},
        {"key": "TZ"},
        {"target": ["production", "preview"]},
        {"key": "B", "target": ["preview"]},
        [],
    ],
)
def test_an_edit_that_breaks_a_rule_changes_nothing(vercel: Vercel, client: httpx.Client, body: object) -> None:
    held = vercel.add_variable("shop", "A", SECRET)
    vercel.add_variable("shop", "A", OTHER, target=("preview",))
    vercel.add_variable("shop", "B", OTHER, target=("preview",))
    before = vercel.variables("shop")
    assert client.patch(f"/v9/projects/shop/env/{held}", json=body).status_code == 400
    assert vercel.variables("shop") == before


def test_the_key_of_a_sensitive_variable_is_not_sent(vercel: Vercel, client: httpx.Client) -> None:
    path = f"/v9/projects/shop/env/{vercel.add_variable('shop', 'A', SECRET, type='sensitive')}"
    assert client.patch(path, json={"key": "A", "value": OTHER}).status_code == 400
    assert client.patch(path, json={"value": OTHER, "type": "sensitive"}).status_code == 200
    assert vercel.variables("shop")[0].value == OTHER


def test_many_are_deleted_at_once(vercel: Vercel, client: httpx.Client) -> None:
    ids = [vercel.add_variable("shop", key, SECRET) for key in "ABC"]
    answer = client.request("DELETE", "/v1/projects/prj_1/env", json={"ids": [*ids[:2], ids[0], "unknown"]})
    assert answer.json() == {"deleted": 2, "ids": ids[:2]}
    assert [each.key for each in vercel.variables("shop")] == ["C"]


@pytest.mark.parametrize(
    "body", [{"ids": []}, {"ids": ["x"] * 1001}, {"ids": "x"}, {"ids": ["x"], "force": True}, {}, ["x"]]
)
def test_a_wrong_batch_delete_deletes_nothing(client: httpx.Client, body: object) -> None:
    assert client.request("DELETE", "/v1/projects/prj_1/env", json=body).status_code == 400


def test_one_is_deleted_once(vercel: Vercel, client: httpx.Client) -> None:
    held = vercel.add_variable("shop", "A", SECRET)
    answers = [client.delete(f"/v9/projects/shop/env/{held}") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 404]
    assert answers[0].json()["key"] == "A"


def test_a_delete_from_a_custom_environment_keeps_the_rest(vercel: Vercel, client: httpx.Client) -> None:
    held = vercel.add_variable("shop", "A", SECRET, custom_environments=("env_qa",))
    path = f"/v9/projects/shop/env/{held}"
    assert client.delete(path, params={"customEnvironmentId": "env_none"}).status_code == 404
    assert client.delete(path, params={"customEnvironmentId": "env_qa"}).status_code == 200
    assert vercel.variables("shop")[0].places() == {"production"}


def test_a_delete_may_be_seen_later(vercel: Vercel, client: httpx.Client, clock: Clock) -> None:
    held = vercel.add_variable("shop", "A", SECRET)
    vercel.delay_deletes(2)
    client.request("DELETE", "/v1/projects/shop/env", json={"ids": [held]})
    assert [each["id"] for each in client.get(ENV).json()["envs"]] == [held]
    assert codes(upsert(client, variable("A", OTHER, type="sensitive"))) == ["ENV_CONFLICT"]
    assert client.get(f"/v1/projects/shop/env/{held}").status_code == 404
    clock.now += 2
    assert client.get(ENV).json()["envs"] == []
    assert codes(upsert(client, variable("A", OTHER, type="sensitive"))) == []


def test_the_last_deployment_is_deployed_again(vercel: Vercel, client: httpx.Client, clock: Clock) -> None:
    vercel.add_deployment("shop")
    last = vercel.add_deployment("shop")
    vercel.add_deployment("shop", target=None, branch="main")
    vercel.add_variable("shop", "A", SECRET)
    vercel.build(queued=5, building=10)
    found = client.get("/v6/deployments", params={"projectId": "prj_1", "target": "production", "limit": 1}).json()
    assert [each["uid"] for each in found["deployments"]] == [last]
    body = {"name": "shop", "deploymentId": last, "target": "production", "meta": {"action": "redeploy"}}
    made = client.post("/v13/deployments", params={"forceNew": "1"}, json=body).json()
    states = []
    for _ in range(4):
        states.append(client.get(f"/v13/deployments/{made['id']}").json()["readyState"])
        clock.now += 5
    assert states == ["QUEUED", "BUILDING", "BUILDING", "READY"]
    assert dict(vercel.deployments("shop")[-1].environment) == {"A": SECRET}
    assert client.get(f"/v13/deployments/{made['url']}").json()["id"] == made["id"]


def test_a_build_can_fail(vercel: Vercel, client: httpx.Client, clock: Clock) -> None:
    last = vercel.add_deployment("shop")
    vercel.build(failing=1)
    ends = []
    for _ in range(2):
        body = {"name": "shop", "deploymentId": last}
        made = client.post("/v13/deployments", params={"forceNew": "1"}, json=body).json()
        clock.now += 60
        ends.append(client.get(f"/v13/deployments/{made['id']}").json()["readyState"])
    assert ends == ["ERROR", "READY"]
    failed = client.get("/v6/deployments", params={"state": "ERROR,CANCELED", "target": "preview"}).json()
    assert len(failed["deployments"]) == 1


def test_what_is_built_is_what_its_environment_has(vercel: Vercel, client: httpx.Client) -> None:
    vercel.add_variable("shop", "A", "all", target=("preview",))
    vercel.add_variable("shop", "A", "main", target=("preview",), git_branch="main")
    vercel.add_variable("shop", "B", "qa", target=(), custom_environments=("env_qa",))
    last = vercel.add_deployment("shop", target=None, branch="main")
    body = {"name": "shop", "deploymentId": last, "customEnvironmentSlugOrId": "qa"}
    made = client.post("/v13/deployments", params={"forceNew": "1"}, json=body).json()
    assert made["customEnvironment"]["id"] == "env_qa"
    assert [dict(each.environment) for each in vercel.deployments("shop")] == [{"A": "main"}, {"B": "qa"}]


@pytest.mark.parametrize(
    ("fields", "target", "environment"),
    [
        ({}, None, None),
        ({"name": "other", "project": "prj_1"}, None, None),
        ({"target": "production"}, "production", None),
        ({"target": "staging"}, "staging", None),
        ({"target": "qa"}, None, "env_qa"),
        ({"target": "production", "customEnvironmentSlugOrId": "env_qa"}, None, "env_qa"),
    ],
)
def test_a_redeploy_goes_where_it_says(
    vercel: Vercel, client: httpx.Client, fields: dict[str, str], target: str | None, environment: str | None
) -> None:
    body = {"name": "shop", "deploymentId": vercel.add_deployment("shop")} | fields
    assert client.post("/v13/deployments", params={"forceNew": "1"}, json=body).status_code == 200
    made = vercel.deployments("shop")[-1]
    assert (made.target, made.custom_environment) == (target, environment)


@pytest.mark.parametrize("missing", ["name", "deploymentId"])
def test_a_redeploy_names_what_to_deploy(vercel: Vercel, client: httpx.Client, missing: str) -> None:
    body = {"name": "shop", "deploymentId": vercel.add_deployment("shop")}
    del body[missing]
    assert client.post("/v13/deployments", json=body).status_code == 400


@pytest.mark.parametrize("force", ["2", "true"])
def test_force_is_zero_or_one(vercel: Vercel, client: httpx.Client, force: str) -> None:
    body = {"name": "shop", "deploymentId": vercel.add_deployment("shop")}
    assert client.post("/v13/deployments", params={"forceNew": force}, json=body).status_code == 400


def test_a_project_in_transfer_is_not_deployed(vercel: Vercel, client: httpx.Client) -> None:
    body = {"name": "shop", "deploymentId": vercel.add_deployment("shop")}
    vercel.transfer("shop")
    assert client.post("/v13/deployments", params={"forceNew": "1"}, json=body).status_code == 409


def test_without_force_nothing_is_built(vercel: Vercel, client: httpx.Client) -> None:
    last = vercel.add_deployment("shop")
    answer = client.post("/v13/deployments", json={"name": "shop", "deploymentId": last})
    assert answer.json()["id"] == last
    assert len(vercel.deployments("shop")) == 1


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        (400, {"name": None}),
        (400, {"name": "other"}),
        (400, {"name": "shop", "project": "prj_2"}),
        (404, {"target": "preview"}),
        (404, {"target": "none", "customEnvironmentSlugOrId": "none"}),
        (400, {"meta": []}),
        (400, {"unknown": 1}),
        (400, {"meta": {"a": 1}}),
        (404, {"deploymentId": "dpl_none"}),
        (404, {"customEnvironmentSlugOrId": "none"}),
    ],
)
def test_a_wrong_redeploy_builds_nothing(
    vercel: Vercel, client: httpx.Client, status: int, fields: dict[str, object]
) -> None:
    body = {"name": "shop", "deploymentId": vercel.add_deployment("shop")} | fields
    assert client.post("/v13/deployments", params={"forceNew": "1"}, json=body).status_code == status
    assert len(vercel.deployments("shop")) == 1


@pytest.mark.parametrize(
    ("status", "headers", "query"),
    [
        (401, {}, {"teamId": "team_9"}),
        (401, {"Authorization": "Basic eA=="}, {"teamId": "team_9"}),
        (403, {"Authorization": "Bearer wrong"}, {"teamId": "team_9"}),
        (403, {"Authorization": f"Bearer {TOKEN}"}, {}),
        (403, {"Authorization": f"Bearer {TOKEN}"}, {"teamId": "team_1"}),
        (403, {"Authorization": f"Bearer {TOKEN}"}, {"slug": "other"}),
        (200, {"Authorization": f"Bearer {TOKEN}"}, {"slug": "acme"}),
    ],
)
def test_only_the_team_s_token_gets_in(
    vercel: Vercel, status: int, headers: dict[str, str], query: dict[str, str]
) -> None:
    with httpx.Client(base_url=vercel.url, event_hooks={"response": [_check]}) as anyone:
        assert anyone.get(ENV, headers=headers, params=query).status_code == status


def test_a_name_twice_in_the_query_is_refused(client: httpx.Client) -> None:
    assert client.get(ENV, params={"limit": ["1", "2"]}).status_code == 400


def test_an_unknown_project_is_not_found(client: httpx.Client) -> None:
    for answer in (client.get("/v10/projects/none/env"), client.post("/v10/projects/none/env", json=variable())):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_an_unknown_route_ends_the_test() -> None:
    with pytest.raises(UnknownRouteError, match="no PUT /v10/projects/x/env"), Vercel(token=TOKEN) as running:
        assert httpx.put(f"{running.url}/v10/projects/x/env").status_code == 404


def test_a_project_under_way_takes_no_writes(vercel: Vercel, client: httpx.Client) -> None:
    vercel.keep_busy("shop")
    busy = upsert(client, variable())
    assert (busy.status_code, "already happening" in busy.json()["error"]["message"]) == (400, True)
    assert upsert(client, variable()).status_code == 201
    vercel.transfer("shop")
    assert upsert(client, variable()).status_code == 409
    assert client.get(ENV).status_code == 200


def test_a_project_that_has_moved_is_not_found(vercel: Vercel, client: httpx.Client) -> None:
    vercel.add_project("prj_2", "blog")
    vercel.transfer("blog", ended=True)
    assert client.get("/v10/projects/prj_2/env").status_code == 404


def test_changes_by_hand_are_seen_by_their_stamp(vercel: Vercel, client: httpx.Client) -> None:
    held = vercel.add_variable("shop", "A", SECRET)
    before = client.get(ENV).json()["envs"][0]
    vercel.change_variable("shop", held, OTHER)
    after = client.get(ENV).json()["envs"][0]
    assert after["updatedAt"] > before["updatedAt"]
    assert after["value"] != before["value"]
    vercel.remove_variable("shop", held)
    assert client.get(ENV).json()["envs"] == []
    assert vercel.changes() == ()


def test_one_request_too_many_has_to_wait(clock: Clock) -> None:
    limits = {"api-projects-environment-variable-delete": Limit(2, window=10)}
    with Vercel(token=TOKEN, limits=limits, clock=clock) as running:
        running.add_project("prj_1", "shop")
        url = f"{running.url}/v9/projects/shop/env/x?teamId=team_acme"
        ask = functools.partial(httpx.delete, url, headers={"Authorization": f"Bearer {TOKEN}"})
        statuses = [ask().status_code for _ in range(2)]
        clock.now += 4
        limited = ask()
        clock.now += 6
        assert [*statuses, limited.status_code, ask().status_code] == [404, 404, 429, 404]
    error = limited.json()["error"]
    assert (error["code"], error["name"]) == ("rate_limited", "api-projects-environment-variable-delete")
    assert error["limit"] == {"total": 2, "remaining": 0, "reset": int(clock.now)}
    assert (limited.headers["retry-after"], limited.headers["x-ratelimit-remaining"]) == ("6", "0")


def test_the_observed_limits_are_in_force(vercel: Vercel, client: httpx.Client) -> None:
    statuses = [client.delete("/v9/projects/shop/env/x").status_code for _ in range(61)]
    assert (statuses[59], statuses[60]) == (404, 429)
    assert client.get(ENV).headers["x-ratelimit-remaining"] == "119"


@pytest.mark.parametrize("advised", [True, False])
def test_a_limit_can_be_ordered(vercel: Vercel, client: httpx.Client, clock: Clock, advised: bool) -> None:
    vercel.limit_next(seconds=90, advised=advised)
    answer = upsert(client, variable())
    assert answer.status_code == 429
    assert answer.json()["error"]["limit"]["reset"] == int(clock.now) + 90
    assert answer.headers.get("retry-after") == ("90" if advised else None)
    assert vercel.variables("shop") == ()


def test_an_ordered_error_has_the_vendor_s_form(vercel: Vercel, client: httpx.Client) -> None:
    vercel.refuse_next(500, times=2)
    vercel.refuse_next(402, "payment_required", advice={"Retry-After": "3"})
    answers = [upsert(client, variable()) for _ in range(4)]
    assert [each.status_code for each in answers] == [500, 500, 402, 201]
    assert (answers[2].json()["error"]["code"], answers[2].headers["retry-after"]) == ("payment_required", "3")


def test_lost_and_cut_answers_are_to_writes_that_happened(vercel: Vercel, client: httpx.Client) -> None:
    vercel.drop_next()
    vercel.cut_next()
    for key in ("A", "B"):
        with pytest.raises(httpx.RemoteProtocolError):
            upsert(client, variable(key))
    assert [each.key for each in vercel.variables("shop")] == ["A", "B"]
    assert [asked.status for asked in vercel.requests()] == [DROP, 201]


def test_answers_can_be_huge_never_and_late(vercel: Vercel, client: httpx.Client) -> None:
    vercel.pad_next(2_000_000)
    assert len(client.get(ENV).content) == 2_000_000
    vercel.fail_next(HANG)
    vercel.slow_next(0.3)
    for _ in range(2):
        with pytest.raises(httpx.ReadTimeout):
            client.get(ENV, timeout=0.1)


def test_no_value_is_in_what_the_stand_in_says_of_itself(vercel: Vercel, client: httpx.Client) -> None:
    upsert(client, variable())
    vercel.add_deployment("shop")
    held = vercel.variables("shop")[0]
    assert held.value == SECRET
    assert_no_leak(repr((held, vercel.deployments("shop"), vercel.changes(), vercel.requests())), [SECRET])
