"""The stand-in for Render. What it is asked and what it answers here is held to Render's published specification."""

from __future__ import annotations

import base64
import json
from functools import cache
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from jsonschema import Draft202012Validator
from openapi_core import OpenAPI
from openapi_core.exceptions import OpenAPIError
from openapi_core.templating.responses.exceptions import ResponseNotFound
from openapi_core.testing import MockRequest, MockResponse

from ciplug.conformance import Clock
from ciplug.standins.loopback import DROP, HANG
from ciplug.standins.render import Change, Render
from ciplug.standins.vendor import Asked
from tests.leaks import assert_no_leak
from tests.specs import folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ciplug.standins.render.deploys import Status

MINUTE = 1_699_999_980.0  # a minute of the clock begins here
FAR = 10**9  # more than any limit
ERROR = {"type": "object", "required": ["id", "message"], "additionalProperties": {"type": "string"}}


class Client:
    """An httpx client that fails a test whose request or answer is not as the specification has it."""

    def __init__(self, render: Render, clock: Clock) -> None:
        self.render = render
        self.clock = clock
        self.http = httpx.Client(headers={"Authorization": f"Bearer {render.token}"}, timeout=5)

    def __call__(self, method: str, path: str, *, fits: bool = True, **options: object) -> httpx.Response:
        """`fits` is whether the specification allows the request."""
        answer = self.http.request(method, f"{self.render.api_url}{path}", **options)  # type: ignore[arg-type]  # httpx's own keywords
        assert is_allowed(answer.request) is fits
        assert_answer_is_allowed(answer)
        return answer

    def names(self, path: str) -> list[str]:
        return [item["envVar"]["key"] for item in self("GET", path).json()]


@cache
def specification() -> OpenAPI:
    return OpenAPI.from_dict(json.loads((folder() / "render-openapi.json").read_text(encoding="utf-8")))


def as_sent(request: httpx.Request) -> MockRequest:
    parts = urlsplit(str(request.url))
    return MockRequest(
        "https://api.render.com",
        request.method.lower(),
        parts.path,
        args=dict(parse_qsl(parts.query)),
        headers=dict(request.headers),
        data=request.content,
        content_type=request.headers.get("content-type", ""),
    )


def is_allowed(request: httpx.Request) -> bool:
    try:
        specification().validate_request(as_sent(request))
    except OpenAPIError:
        return False
    return True


def assert_answer_is_allowed(answer: httpx.Response) -> None:
    """400 is an answer to every request here; the specification has it for those with a body only."""
    if answer.is_error:
        Draft202012Validator(ERROR).validate(answer.json())
    shown = MockResponse(
        data=answer.content, status_code=answer.status_code, content_type=answer.headers.get("content-type", "")
    )
    try:
        specification().validate_response(as_sent(answer.request), shown)
    except ResponseNotFound:
        assert answer.status_code == 400


@pytest.fixture
def client() -> Iterator[Client]:
    clock = Clock(MINUTE)
    with Render(clock=clock, reads=FAR) as render:
        client = Client(render, clock)
        with client.http:
            yield client


@pytest.fixture
def render(client: Client) -> Render:
    return client.render


def limited(answer: httpx.Response) -> tuple[str | None, ...]:
    names = ("ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "retry-after")
    return tuple(answer.headers.get(name) for name in names)


def test_a_service_lists_its_own_variables_in_clear_and_no_groups(client: Client, render: Render) -> None:
    service = render.add_service("shop", variables={"A": "1", "B": "2"})
    render.add_group("shared", variables={"C": "3"}, services=[service])
    answer = client("GET", f"/services/{service}/env-vars")
    assert [item["envVar"] for item in answer.json()] == [{"key": "A", "value": "1"}, {"key": "B", "value": "2"}]


def test_pages_have_twenty_items_unless_asked_for_others_and_go_on_after_the_last_cursor(
    client: Client, render: Render
) -> None:
    service = render.add_service("shop", variables={f"K{index:03}": "v" for index in range(130)})
    path = f"/services/{service}/env-vars"
    assert len(client("GET", path).json()) == 20
    pages = [client("GET", f"{path}?limit=100").json()]
    while pages[-1]:
        pages.append(client("GET", f"{path}?limit=100&cursor={pages[-1][-1]['cursor']}").json())
    assert [len(page) for page in pages] == [100, 30, 0]
    assert [item["envVar"]["key"] for page in pages for item in page] == list(render.values(service))


def test_a_page_goes_on_behind_a_variable_that_is_gone(client: Client, render: Render) -> None:
    service = render.add_service("shop", variables={"A": "1", "B": "2", "C": "3"})
    cursor = client("GET", f"/services/{service}/env-vars?limit=2").json()[-1]["cursor"]
    render.remove_variable(service, "B")
    assert client.names(f"/services/{service}/env-vars?cursor={cursor}") == ["C"]


@pytest.mark.parametrize("limit", ["0", "101", "500", "-1", "ten", "", "1e1", "9" * 5000, "\N{SUPERSCRIPT TWO}"])
def test_a_limit_outside_1_to_100_is_refused(client: Client, render: Render, limit: str) -> None:
    service = render.add_service("shop")
    answer = client("GET", f"/services/{service}/env-vars", params={"limit": limit}, fits=limit == "")
    assert answer.status_code == 400


@pytest.mark.parametrize(
    "cursor", ["", "x", "A" * 40, "~", base64.urlsafe_b64encode(b"srv-another 1").decode(), "\N{SNOWMAN}"]
)
def test_a_cursor_that_the_list_did_not_give_is_refused(client: Client, render: Render, cursor: str) -> None:
    service = render.add_service("shop", variables={"A": "1"})
    assert client("GET", f"/services/{service}/env-vars", params={"cursor": cursor}).status_code == 400


def test_a_cursor_of_another_service_is_refused(client: Client, render: Render) -> None:
    services = [render.add_service(name, variables={"A": "1"}) for name in ("shop", "mail")]
    cursor = client("GET", f"/services/{services[0]}/env-vars").json()[0]["cursor"]
    assert client("GET", f"/services/{services[1]}/env-vars?cursor={cursor}").status_code == 400


def test_replacing_deletes_what_is_left_out_and_answers_with_all(client: Client, render: Render) -> None:
    service = render.add_service("shop", variables={"A": "1", "B": "2"})
    given = [{"key": "B", "value": "new"}, {"key": "C", "value": "3"}]
    answer = client("PUT", f"/services/{service}/env-vars", json=given)
    assert (answer.status_code, [item["envVar"] for item in answer.json()]) == (200, given)
    assert render.values(service) == {"B": "new", "C": "3"}
    assert answer.json() == client("GET", f"/services/{service}/env-vars").json()
    assert render.changes() == (Change(service, ("B", "C"), ("A",)),)


def test_replacing_with_nothing_leaves_nothing(client: Client, render: Render) -> None:
    service = render.add_service("shop", variables={"A": "1"})
    assert client("PUT", f"/services/{service}/env-vars", json=[]).json() == []
    assert render.values(service) == {}


@pytest.mark.parametrize(
    ("body", "fits"),
    [
        ([{"key": "A"}], False),
        ([{"value": "1"}], False),
        ([{"key": "A", "value": "1", "generateValue": True}], False),
        ([{"key": "A", "value": 1}], False),
        ([{"key": "A", "value": None}], False),
        ([{"key": "A", "generateValue": "yes"}], False),
        (["A"], False),
        ({"key": "A", "value": "1"}, False),
        (None, False),
        ([{"key": "A", "generateValue": False}], True),
        ([{"key": "A", "value": ""}], True),
        ([{"key": "A", "value": "1"}, {"key": "A", "value": "2"}], True),
        ([{"key": "", "value": "1"}], True),
        ([{"key": "1A", "value": "1"}], True),
        ([{"key": "A=B", "value": "1"}], True),
        ([{"key": "A\n", "value": "1"}], True),
        ([{"key": "RENDER", "value": "1"}], True),
        ([{"key": "RENDER_GIT_COMMIT", "value": "1"}], True),
        ([{"key": "IS_PULL_REQUEST", "value": "1"}], True),
    ],
)
def test_one_bad_variable_refuses_the_whole_replacement(
    client: Client, render: Render, body: object, fits: bool
) -> None:
    service = render.add_service("shop", variables={"OLD": "1"})
    given = [{"key": "FINE", "value": "1"}, *body] if isinstance(body, list) else body
    assert client("PUT", f"/services/{service}/env-vars", json=given, fits=fits).status_code == 400
    assert (render.values(service), render.changes()) == ({"OLD": "1"}, ())


@pytest.mark.parametrize("key", ["PORT", "RENDERER_URL", "IS_PULL_REQUESTED", "new-key", "_a.b", "render_x"])
def test_a_name_that_only_looks_provided_is_taken(client: Client, render: Render, key: str) -> None:
    service = render.add_service("shop")
    assert client("PUT", f"/services/{service}/env-vars/{key}", json={"value": "1"}).status_code == 200
    assert render.values(service) == {key: "1"}


@pytest.mark.parametrize("body", [b"", b"[", b"\xff", b'[{"key": "A", "value": "s3cr3t-value"}'])
def test_what_is_no_json_is_refused_without_being_shown(client: Client, render: Render, body: bytes) -> None:
    service = render.add_service("shop")
    headers = {"Content-Type": "application/json"}
    answer = client("PUT", f"/services/{service}/env-vars", content=body, headers=headers, fits=False)
    assert answer.status_code == 400
    assert_no_leak(answer.content, ["s3cr3t-value"])


def test_a_body_that_does_not_say_it_is_json_is_refused(client: Client, render: Render) -> None:
    service = render.add_service("shop")
    assert client("PUT", f"/services/{service}/env-vars", content=b"[]", fits=False).status_code == 400


@pytest.mark.parametrize("value", ["1", "\n", "%0A$'\"\\", "\N{KEY}", "x" * 100_000])
def test_a_value_comes_back_as_it_was_sent(client: Client, render: Render, value: str) -> None:
    service = render.add_service("shop")
    client("PUT", f"/services/{service}/env-vars/A", json={"value": value})
    assert client("GET", f"/services/{service}/env-vars/A").json() == {"key": "A", "value": value}


def test_one_variable_of_a_service_is_read_set_and_deleted(client: Client, render: Render) -> None:
    service = render.add_service("shop", variables={"A": "1", "B": "2"})
    path = f"/services/{service}/env-vars/A"
    assert client("GET", path).json() == {"key": "A", "value": "1"}
    assert client("PUT", path, json={"value": "new"}).json() == {"key": "A", "value": "new"}
    assert client("DELETE", path).status_code == 204
    assert [client(method, path).status_code for method in ("GET", "DELETE")] == [404, 404]
    assert render.values(service) == {"B": "2"}
    assert render.changes() == (Change(service, ("A",), ()), Change(service, (), ("A",)))


def test_one_variable_of_a_group_is_read_set_and_deleted(client: Client, render: Render) -> None:
    service = render.add_service("jobs", kind="cron_job")
    group = render.add_group("shared", variables={"A": "1"}, services=[service])
    answer = client("PUT", f"/env-groups/{group}/env-vars/B", json={"key": "B", "value": "2"})
    assert answer.json() == client("GET", f"/env-groups/{group}").json()
    assert answer.json()["envVars"] == [{"key": "A", "value": "1"}, {"key": "B", "value": "2"}]
    assert answer.json()["serviceLinks"] == [{"id": service, "name": "jobs", "type": "cron"}]
    assert client("GET", f"/env-groups/{group}/env-vars/B").json() == {"key": "B", "value": "2"}
    assert client("DELETE", f"/env-groups/{group}/env-vars/A").status_code == 204
    assert [client(method, f"/env-groups/{group}/env-vars/A").status_code for method in ("GET", "DELETE")] == [404, 404]
    assert render.values(group) == {"B": "2"}


@pytest.mark.parametrize(
    ("body", "fits"),
    [({}, False), ({"value": ""}, True), ({"value": 1}, False), ([], False), ({"generateValue": 1}, False)],
)
def test_a_bad_value_of_one_variable_is_refused(client: Client, render: Render, body: object, fits: bool) -> None:
    for where in (f"services/{render.add_service('shop')}", f"env-groups/{render.add_group('shared')}"):
        assert client("PUT", f"/{where}/env-vars/A", json=body, fits=fits).status_code == 400
        assert client("PUT", f"/{where}/env-vars/RENDER_X", json={"value": "1"}).status_code == 400
    assert render.changes() == ()


def test_a_group_has_no_replacement_of_all_its_variables(client: Client, render: Render) -> None:
    group = render.add_group("shared")
    answer = client.http.put(f"{render.api_url}/env-groups/{group}/env-vars", json=[])
    assert (is_allowed(answer.request), answer.status_code) == (False, 501)


def test_a_generated_value_is_another_one_each_time(client: Client, render: Render) -> None:
    service = render.add_service("shop")
    made = {
        client("PUT", f"/services/{service}/env-vars/A", json={"generateValue": True}).json()["value"] for _ in "12"
    }
    client("PUT", f"/services/{service}/env-vars", json=[{"key": "A", "generateValue": True}])
    made.add(render.values(service)["A"])
    assert {len(base64.b64decode(value)) for value in made} == {32}
    assert len(made) == 3


def test_groups_are_found_by_name_without_their_variables(client: Client, render: Render) -> None:
    ids = [render.add_group(name, variables={"A": "1"}) for name in ("one", "two", "three")]
    found = client("GET", "/env-groups?name=one,three").json()
    assert [group["id"] for group in found] == [ids[0], ids[2]]
    assert all("envVars" not in group for group in found)
    assert len(client("GET", "/env-groups?limit=2").json()) == 2
    assert len(client("GET", f"/env-groups?ownerId=tea-x,{render.workspace}").json()) == 3
    assert client("GET", "/env-groups?ownerId=tea-x").json() == []
    assert client("GET", "/env-groups?cursor=x").status_code == 400


def test_nothing_is_told_without_the_right_token(client: Client, render: Render) -> None:
    path = f"/services/{render.add_service('shop')}/env-vars"
    assert client("GET", path, headers={"Authorization": "Bearer rnd_wrong"}).status_code == 401
    assert client("GET", path, headers={"Authorization": render.token}, fits=False).status_code == 401
    assert client("GET", path, headers={"Authorization": f"Basic {render.token}"}, fits=False).status_code == 401
    del client.http.headers["Authorization"]
    assert client("PUT", path, json=[], fits=False).status_code == 401
    assert render.changes() == ()


def test_a_token_that_was_revoked_is_wrong_from_then_on(client: Client, render: Render) -> None:
    path = f"/services/{render.add_service('shop')}/env-vars"
    assert client("GET", path).status_code == 200
    render.revoke_token(render.token)
    assert client("GET", path).status_code == 401


def test_a_token_of_another_workspace_finds_nothing(client: Client, render: Render) -> None:
    service, group = render.add_service("shop"), render.add_group("shared")
    client.http.headers["Authorization"] = f"Bearer {render.add_token('tea-mail')}"
    for path in (f"/services/{service}/env-vars", f"/services/{service}/env-vars/A", f"/env-groups/{group}"):
        assert client("GET", path).status_code == 404
    assert client("POST", f"/services/{service}/deploys", json={}).status_code == 404
    assert client("GET", "/env-groups").json() == []


def test_what_does_not_exist_is_not_found(client: Client) -> None:
    paths = (
        "/services/srv-x/env-vars",
        "/services/srv-x/deploys/dep-x",
        "/env-groups/evg-x",
        "/env-groups/e/env-vars/A",
    )
    assert [client("GET", path).status_code for path in paths] == [404] * 4


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/v1"),
        ("GET", "/v2/env-groups"),
        ("GET", "/env-groups"),
        ("GET", "/v1/services/s/env-vars/"),
        ("GET", "/v1/services/s/env-vars/A/B"),
        ("GET", "/v1/services/s/env-vars?page=2"),
        ("POST", "/v1/services/s/env-vars"),
        ("PATCH", "/v1/env-groups/e/env-vars/A"),
        ("DELETE", "/v1/services/s/variables/A"),
    ],
)
def test_an_unknown_route_or_query_does_not_pass_for_a_missing_variable(
    client: Client, render: Render, method: str, target: str
) -> None:
    answer = client.http.request(method, f"{render.url}{target}")
    Draft202012Validator(ERROR).validate(answer.json())
    assert render.requests() == (Asked(method, target, 501),)


def test_thirty_writes_and_four_hundred_reads_a_minute_are_the_usual_limits() -> None:
    clock = Clock(MINUTE)
    clock.now += 18
    with Render(clock=clock) as render:
        client = Client(render, clock)
        path = f"/services/{render.add_service('shop')}/env-vars"
        with client.http:
            assert limited(client("PUT", path, json=[])) == ("30", "29", "42", None)
            assert limited(client("GET", path)) == ("400", "399", "42", None)


def test_beyond_the_limit_nothing_is_done_until_the_minute_is_over(client: Client, render: Render) -> None:
    path = f"/services/{render.add_service('shop')}/env-vars/A"
    for _ in range(30):
        assert client("PUT", path, json={"value": "1"}).status_code == 200
    client.clock.now += 59.5
    refused = client("DELETE", path)
    assert (refused.status_code, *limited(refused)) == (429, "30", "0", "1", "1")
    assert limited(client("DELETE", path)) == limited(refused)
    assert len(render.changes()) == 30
    assert client("GET", path).status_code == 200
    client.clock.now += 0.5
    assert limited(client("DELETE", path)) == ("30", "29", "60", None)


def test_every_token_has_limits_of_its_own(client: Client, render: Render) -> None:
    path = f"/services/{render.add_service('shop')}/env-vars"
    assert limited(client("PUT", path, json=[]))[1] == "29"
    client.http.headers["Authorization"] = f"Bearer {render.add_token()}"
    assert limited(client("PUT", path, json=[]))[1] == "29"


def test_the_reset_may_be_an_epoch_second_and_stand_alone() -> None:
    clock = Clock(MINUTE)
    with Render(clock=clock, reset="epoch", retry_after=False, writes=1) as render, Client(render, clock).http as http:
        path = f"{render.api_url}/services/{render.add_service('shop')}/env-vars"
        answers = [http.put(path, json=[]) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 429]
    assert limited(answers[1]) == ("1", "0", str(int(MINUTE) + 60), None)


def test_a_refused_write_counts_too(client: Client, render: Render) -> None:
    path = f"/services/{render.add_service('shop')}/env-vars"
    client("PUT", path, json=[{"key": "A"}], fits=False)
    assert limited(client("PUT", path, json=[]))[1] == "28"


def test_a_service_is_deployed_ten_times_a_minute_by_whomever(client: Client, render: Render) -> None:
    service, other = render.add_service("shop"), render.add_service("mail")
    for _ in range(10):
        client("POST", f"/services/{service}/deploys", json={})
    client.http.headers["Authorization"] = f"Bearer {render.add_token()}"
    assert client("POST", f"/services/{service}/deploys", json={}).status_code == 429
    assert client("POST", f"/services/{other}/deploys", json={}).status_code == 201


@pytest.mark.parametrize(
    ("body", "statuses"),
    [
        ({}, ["created", "build_in_progress", "update_in_progress", "live", "live"]),
        ({"deployMode": "deploy_only"}, ["created", "update_in_progress", "live", "live", "live"]),
    ],
)
def test_a_deploy_goes_its_way_by_the_clock(
    client: Client, render: Render, body: dict[str, str], statuses: list[str]
) -> None:
    service = render.add_service("shop")
    made = client("POST", f"/services/{service}/deploys", json=body)
    assert made.status_code == 201
    seen = []
    for _ in statuses:
        deploy = client("GET", f"/services/{service}/deploys/{made.json()['id']}").json()
        assert ("finishedAt" in deploy) is (deploy["status"] == "live")
        seen.append(deploy["status"])
        client.clock.now += 2
    assert seen == statuses


@pytest.mark.parametrize(
    "end", ["build_failed", "pre_deploy_failed", "update_failed", "canceled", "update_in_progress"]
)
def test_a_deploy_ends_as_it_was_told_to_or_never(client: Client, render: Render, end: Status) -> None:
    service = render.add_service("shop")
    render.end_deploys(service, end)
    made = client("POST", f"/services/{service}/deploys", json={}).json()
    client.clock.now += 3600
    deploy = client("GET", f"/services/{service}/deploys/{made['id']}").json()
    assert (deploy["status"], "finishedAt" in deploy) == (end, end != "update_in_progress")


def test_a_deploy_that_has_to_wait_is_found_in_the_list(client: Client, render: Render) -> None:
    service = render.add_service("shop")
    path = f"/services/{service}/deploys"
    first = client("POST", path, json={}).json()
    queued = client("POST", path, json={"deployMode": "deploy_only"})
    assert (queued.status_code, queued.content) == (202, b"")
    newest, oldest = client("GET", path).json()
    assert (newest["deploy"]["status"], oldest["deploy"]["id"]) == ("queued", first["id"])
    assert client("GET", f"{path}?limit=1&cursor={newest['cursor']}").json() == [oldest]
    client.clock.now += 6
    assert [each["deploy"]["status"] for each in client("GET", path).json()] == ["created", "live"]
    client.clock.now += 4
    assert [each["deploy"]["status"] for each in client("GET", path).json()] == ["live", "deactivated"]


@pytest.mark.parametrize(
    ("body", "fits"),
    [
        ([], False),
        ({"clearCache": "no"}, False),
        ({"commitId": 1}, False),
        ({"deployMode": "restart"}, True),
        ({"deployMode": None}, True),
        ({"deployMode": []}, True),
        ({"deployMode": "deploy_only", "commitId": "abc"}, True),
        ({"deployMode": "deploy_only", "imageUrl": "nginx"}, True),
        ({"deployMode": "deploy_only", "clearCache": "do_not_clear"}, True),
    ],
)
def test_a_deploy_that_makes_no_sense_is_refused(client: Client, render: Render, body: object, fits: bool) -> None:
    service = render.add_service("shop")
    assert client("POST", f"/services/{service}/deploys", json=body, fits=fits).status_code == 400
    assert client("GET", f"/services/{service}/deploys").json() == []


def test_a_deploy_of_another_service_is_not_found(client: Client, render: Render) -> None:
    made = client("POST", f"/services/{render.add_service('shop')}/deploys", json={}).json()
    assert client("GET", f"/services/{render.add_service('mail')}/deploys/{made['id']}").status_code == 404


def test_a_service_says_where_it_is_served(client: Client, render: Render) -> None:
    service = render.add_service("shop", variables={"A": "s3cr3t-value"})
    answer = client.http.get(
        f"{render.api_url}/services/{service}"
    )  # this extract of the specification lacks the route
    shown = answer.json()
    assert (shown["id"], shown["name"], shown["ownerId"], shown["type"]) == (
        service,
        "shop",
        render.workspace,
        "web_service",
    )
    assert shown["serviceDetails"]["url"] == "https://shop.onrender.com"
    assert_no_leak(answer.content, ["s3cr3t-value"])


def test_deletes_may_become_visible_late_and_nothing_else(client: Client, render: Render) -> None:
    service = render.add_service("shop", variables={"A": "1", "B": "2"})
    path = f"/services/{service}/env-vars"
    render.delay_deletes(10)
    client("DELETE", f"{path}/A")
    client("PUT", f"{path}/C", json={"value": "3"})
    assert (client.names(path), list(render.values(service))) == (["A", "B", "C"], ["B", "C"])
    assert client("GET", f"{path}/A").status_code == 200
    assert client("DELETE", f"{path}/A").status_code == 404
    answer = client("PUT", path, json=[{"key": "C", "value": "4"}])
    assert [item["envVar"]["key"] for item in answer.json()] == ["C"]
    assert client.names(path) == ["A", "B", "C"]
    client.clock.now += 10
    assert client.names(path) == ["C"]


def test_what_is_set_again_while_its_delete_is_late_has_the_new_value(client: Client, render: Render) -> None:
    group = render.add_group("shared", variables={"A": "1"})
    path = f"/env-groups/{group}/env-vars/A"
    render.delay_deletes(10)
    client("DELETE", path)
    client("PUT", path, json={"value": "2"})
    assert client("GET", path).json()["value"] == "2"
    assert client("GET", f"/env-groups/{group}").json()["envVars"] == [{"key": "A", "value": "2"}]


def test_a_write_may_be_swallowed_inside_a_success(client: Client, render: Render) -> None:
    service = render.add_service("shop", variables={"A": "1", "B": "2"})
    path = f"/services/{service}/env-vars"
    for key in ("A", "NEW"):
        render.swallow(service, key)
    answer = client("PUT", path, json=[{"key": key, "value": "9"} for key in ("A", "B", "NEW")])
    assert (answer.status_code, render.values(service)) == (200, {"A": "1", "B": "9"})
    assert client("PUT", f"{path}/NEW", json={"value": "9"}).status_code == 200
    assert client("DELETE", f"{path}/A").status_code == 204
    assert render.values(service) == {"A": "1", "B": "9"}
    assert client("PUT", path, json=[]).status_code == 200
    assert render.values(service) == {"A": "1"}


def test_what_somebody_does_by_hand_is_seen_and_is_no_change_of_the_client(client: Client, render: Render) -> None:
    service = render.add_service("shop", variables={"A": "1"})
    render.swallow(service, "A")
    render.set_variable(service, "A", "by hand")
    render.set_variable(service, "B", "")
    assert client.names(f"/services/{service}/env-vars") == ["A", "B"]
    render.remove_variable(service, "A")
    assert client.names(f"/services/{service}/env-vars") == ["B"]
    assert render.changes() == ()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 429, 500, 503])
def test_an_ordered_failure_has_the_form_of_render_s_errors(client: Client, render: Render, status: int) -> None:
    service = render.add_service("shop", variables={"A": "1"})
    render.fail_next(status, headers={"Retry-After": "7"})
    answer = client("PUT", f"/services/{service}/env-vars", json=[])
    assert (answer.status_code, answer.headers["retry-after"]) == (status, "7")
    assert render.values(service) == {"A": "1"}


def test_a_body_that_is_ordered_is_sent_as_it_is(client: Client, render: Render) -> None:
    render.fail_next(200, body=b"[" + b" " * 5_000_000)
    assert len(client.http.get(render.api_url).content) == 5_000_001


def test_a_lost_answer_is_to_a_write_that_was_done(client: Client, render: Render) -> None:
    service = render.add_service("shop")
    render.drop_next()
    render.cut_next()
    for key in ("A", "B"):
        with pytest.raises(httpx.RemoteProtocolError):
            client("PUT", f"/services/{service}/env-vars/{key}", json={"value": "1"})
    assert list(render.values(service)) == ["A", "B"]
    assert [asked.status for asked in render.requests()] == [DROP, 200]


def test_an_answer_may_never_come(client: Client, render: Render) -> None:
    service = render.add_service("shop")
    render.fail_next(HANG)
    with pytest.raises(httpx.ReadTimeout):
        client("PUT", f"/services/{service}/env-vars/A", json={"value": "1"}, timeout=0.2)
    assert render.values(service) == {}


def test_neither_its_errors_nor_what_it_remembers_show_a_value(client: Client, render: Render) -> None:
    service = render.add_service("shop", variables={"A": "s3cr3t-value"})
    path = f"/services/{service}/env-vars"
    bad = [{"key": "s3cr3t value", "value": "s3cr3t-value"}]
    refused = client("PUT", path, json=bad)
    client("PUT", f"{path}/B", json={"value": "s3cr3t-value"})
    shown = [render, vars(render), render.requests(), render.changes(), vars(render._state.services[service].variables)]
    assert_no_leak(refused.text + repr(shown), ["s3cr3t-value", "s3cr3t value"])
