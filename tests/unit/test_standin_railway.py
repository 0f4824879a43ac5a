"""Railway's stand-in, asked over HTTP; what is sent and what comes back is held against Railway's own schema."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import graphql
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciplug.conformance import Clock
from ciplug.standins.loopback import DROP, HANG
from ciplug.standins.railway import Operated, Railway
from ciplug.standins.railway.document import parsed
from ciplug.standins.railway.schema import SDL
from ciplug.standins.railway.tokens import DocumentError, Tokens
from tests import specs
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Iterator

READ = """query Read($project: String!, $environment: String!, $service: String, $unrendered: Boolean = true) {
  variables(projectId: $project, environmentId: $environment, serviceId: $service, unrendered: $unrendered)
}"""
FLAGS = """query Flags($environment: String!, $first: Int, $after: String) {
  environment(id: $environment) {
    id name projectId
    variables(first: $first, after: $after) {
      edges { cursor node { id name isSealed serviceId environmentId references createdAt updatedAt } }
      pageInfo { hasNextPage endCursor hasPreviousPage startCursor }
    }
  }
}"""
UPSERT_ALL = "mutation Write($input: VariableCollectionUpsertInput!) { variableCollectionUpsert(input: $input) }"
UPSERT = "mutation ($input: VariableUpsertInput!) { variableUpsert(input: $input) }"
DELETE = """mutation ($d0: VariableDeleteInput!, $d1: VariableDeleteInput!, $d2: VariableDeleteInput!) {
  d0: variableDelete(input: $d0) d1: variableDelete(input: $d1) d2: variableDelete(input: $d2)
}"""
REDEPLOY = """mutation ($environment: String!, $service: String!) {
  serviceInstanceRedeploy(environmentId: $environment, serviceId: $service)
}"""
STATUS = """query ($input: DeploymentListInput!, $first: Int = 1) {
  deployments(first: $first, input: $input) {
    edges { node { id status url staticUrl createdAt projectId environmentId serviceId } } pageInfo { hasNextPage }
  }
}"""
TOKEN = "{ projectToken { id name projectId environmentId } }"
PLACE = {"projectId": "prj", "environmentId": "env"}
WEB = PLACE | {"serviceId": "svc"}
AT = {"project": "prj", "environment": "env", "service": "svc"}
START = 1_800_000_000.0


@pytest.fixture(scope="module")
def schema() -> graphql.GraphQLSchema:
    sdl = (specs.folder() / "railway-schema.graphql").read_text(encoding="utf-8")
    # Railway's own schema breaks a rule of the newest GraphQL: a field is deprecated that its interface has in use.
    return graphql.build_schema(sdl, assume_valid=True)


@dataclass
@dataclass
class World:
    """A running Railway, and a client with an account's token that checks all that passes."""

    railway: Railway
    clock: Clock
    schema: graphql.GraphQLSchema
    headers: dict[str, str]

    def post(self, body: object, **headers: str) -> httpx.Response:
        return httpx.post(self.railway.endpoint, json=body, headers=headers or self.headers, timeout=5)

    def ask(self, document: str, _headers: dict[str, str] | None = None, /, **given: Any) -> dict[str, Any]:
        assert graphql.validate(self.schema, graphql.parse(document)) == []
        response = self.post({"query": document, "variables": given}, **(_headers or self.headers))
        answer: dict[str, Any] = response.json()
        assert (response.status_code, answer.keys() - {"data", "errors"}) == (200, set())
        if answer["data"] is not None:
            assert self.by_the_schema(document, given, answer["data"]) == graphql.ExecutionResult(answer["data"], None)
        return answer

    def by_the_schema(self, document: str, given: dict[str, Any], data: object) -> graphql.ExecutionResult:
        """What the reference implementation makes of the answer's data."""
        result = graphql.execute_sync(
            self.schema,
            graphql.parse(document),
            root_value=data,
            variable_values=given,
            field_resolver=lambda source, info, **_: source[info.path.key],
        )
        assert isinstance(result, graphql.ExecutionResult)
        return result

    def data(self, document: str, **given: Any) -> dict[str, Any]:
        answer = self.ask(document, **given)
        assert "errors" not in answer
        data: dict[str, Any] = answer["data"]
        return data

    def read(self, **given: Any) -> dict[str, str | None]:
        """The service's variables without those that Railway provides."""
        found: dict[str, str | None] = self.data(READ, **(AT | given))["variables"]
        return {name: value for name, value in found.items() if not name.startswith("RAILWAY_")}

    def status(self, **given: Any) -> list[str]:
        edges = self.data(STATUS, input=WEB, **given)["deployments"]["edges"]
        return [edge["node"]["status"] for edge in edges]


@pytest.fixture
def world(schema: graphql.GraphQLSchema) -> Iterator[World]:
    clock = Clock(START)
    with Railway(clock=clock, page=3) as railway:
        railway.add_environment("env", project="prj", services={"svc": "web", "svc-2": "worker"})
        railway.add_environment("other", project="prj-2", services={"svc-9": "web"}, workspace="stranger")
        yield World(railway, clock, schema, {"Authorization": f"Bearer {railway.account_token()}"})


def test_the_stand_in_s_part_of_the_schema_is_railway_s_own(schema: graphql.GraphQLSchema) -> None:
    ours = graphql.build_schema("scalar DateTime scalar EnvironmentVariables scalar DeploymentStatus" + SDL)
    for name, kind in ours.type_map.items():
        if not isinstance(kind, graphql.GraphQLObjectType | graphql.GraphQLInputObjectType) or name.startswith("__"):
            continue
        theirs: Any = schema.type_map[name]
        for field_name, field in kind.fields.items():
            assert str(field.type) == str(theirs.fields[field_name].type)
            if isinstance(field, graphql.GraphQLField):
                known = {name: str(one.type) for name, one in theirs.fields[field_name].args.items()}
                assert {name: str(one.type) for name, one in field.args.items()}.items() <= known.items()


@pytest.mark.parametrize(
    ("document", "variables"),
    [
        ('{ variables(projectId: "prj", environmentId: "env", colour: 1) }', {}),
        ('{ variables(projectId: "prj") }', {}),
        ('{ variables(projectId: "prj", environmentId: null) }', {}),
        ('{ variables(projectId: prj, environmentId: "env") }', {}),
        ('{ variables(projectId: 7, environmentId: "env") }', {}),
        ('{ variables(projectId: "prj", environmentId: "env", unrendered: "true") }', {}),
        ('{ variables(projectId: "prj", environmentId: "env") { name } }', {}),
        ('{ variables(projectId: "prj", projectId: "prj", environmentId: "env") }', {}),
        ('{ variables(projectId: ["prj", "prj"], environmentId: "env") }', {}),
        ('{ variables(projectId: "prj", environmentId: }', {}),
        ('{ variables(projectId: "prj", environmentId: {id: 1, id: 2}) }', {}),
        ('{ variables(projectId: "prj", environmentId: "\\ud800" "hunter22\\u12") }', {}),
        ("{ variables(projectId: 1.5) }", {}),
        ("{ colour }", {}),
        ("{ projectToken }", {}),
        ("{ projectToken { colour } }", {}),
        ("{ projectToken { } }", {}),
        ("{ projectToken() { id } }", {}),
        ("query () { projectToken { id } }", {}),
        ("query ($a: String) { projectToken { id } }", {}),
        ("query ($a: String!, $a: String!) { environment(id: $a) { id } }", {"a": "env"}),
        ("{ environment(id: $a) { id } }", {"a": "env"}),
        ("query ($a: String) { environment(id: $a) { id } }", {"a": "env"}),
        ("query ($a: Int!) { environment(id: $a) { id } }", {"a": 1}),
        ("query ($a: [String]!) { environment(id: $a) { id } }", {"a": ["env", None]}),
        ("query ($a: Colour!) { environment(id: $a) { id } }", {"a": "env"}),
        ("query ($a: String!) { environment(id: $a) { id } }", {}),
        ("query ($a: String!) { environment(id: $a) { id } }", {"a": None}),
        ("query ($a: String!) { environment(id: $a) { id } }", {"a": ["env"]}),
        ("query ($a: Int) { environment(id: 1) { variables(first: $a) { edges } } }", {"a": True}),
        ("mutation { projectToken { id } }", {}),
        (UPSERT, {"input": PLACE | {"name": "A", "value": "hunter22", "colour": "red"}}),
        (UPSERT, {"input": PLACE | {"name": "A"}}),
        (UPSERT, {"input": PLACE | {"name": "A", "value": 7}}),
        (UPSERT, {"input": PLACE | {"name": "A", "value": None}}),
        (UPSERT, {"input": "hunter22"}),
        ('mutation { variableUpsert(input: {name: "A", value: "hunter22", name: "B"}) }', {}),
        ('mutation { variableUpsert(input: {name: "A", value: hunter22 }', {}),
        ('mutation { variableUpsert(input: {name: "A", value: "hunter22\\q"}) }', {}),
        ('mutation { variableUpsert(input: {name: "A", value: "hunter22', {}),
        ('mutation { variableUpsert "hunter22" }', {}),
        (
            DELETE,
            {"d0": WEB | {"name": "A", "skipDeploys": True}, "d1": WEB | {"name": "B"}, "d2": WEB | {"name": "C"}},
        ),
        ("subscription { a }", {}),
        ("", {}),
        ("{ projectToken { id } } }", {}),
        ("{ projectToken { id } } { projectToken { id } }", {}),
    ],
)
def test_what_the_schema_refuses_is_refused_and_nothing_done(world: World, document: str, variables: Any) -> None:
    try:
        checked = graphql.parse(document)
        wrong = graphql.validate(world.schema, checked)
        assert wrong or world.by_the_schema(document, variables, None).errors
    except graphql.GraphQLSyntaxError:
        pass
    response = world.post({"query": document, "variables": variables})
    assert response.status_code in {200, 400}
    assert response.json()["errors"][0]["message"]
    assert "data" not in response.json()
    assert (world.railway.operations(), world.railway.held("env")) == ((), {})
    assert_no_leak(response.content, ["hunter22"])


@pytest.mark.parametrize(
    "document",
    [
        "{ a: projectToken { id } a: projectToken { id } }",
        "query A { projectToken { id } } query B { projectToken { id } }",
        "{ ...f } fragment f on Query { projectToken { id } }",
        "{ projectToken @skip(if: false) { id } }",
    ],
)
def test_what_the_stand_in_does_not_know_of_graphql_is_an_error(document: str) -> None:
    graphql.parse(document)
    with pytest.raises(DocumentError):
        parsed(document)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_can_stand_in_a_document(text: str) -> None:
    assert Tokens(json.dumps(text)).value() == text
    literal = graphql.parse_value(json.dumps(text))
    assert isinstance(literal, graphql.StringValueNode)
    assert literal.value == text


def test_an_account_reads_and_writes_whatever_a_value_holds(world: World) -> None:
    values = {"EMPTY": "", "LINES": "a\nb\r\n", "QUOTE": "\"'\\`$x", "LONG": "x" * 100_000, "EMOJI": "🔑"}
    world.data(UPSERT_ALL, input=WEB | {"variables": values, "skipDeploys": True})
    assert world.read() == values == world.railway.held("env", service="svc")
    assert world.read(service=None) == {}


def test_arguments_may_stand_in_the_document_and_have_defaults(world: World) -> None:
    document = """mutation ($a: String!, $skip: Boolean) { variableCollectionUpsert(input: {  # a comment
      projectId: "prj", environmentId: "env", skipDeploys: $skip, variables: {A: $a, B: "\\u00e9"} }) }"""
    world.railway.put("env", {"C": "1"})
    world.data(document, a="x")
    assert world.railway.held("env") == {"A": "x", "B": "é", "C": "1"}


def test_a_project_token_reaches_its_one_environment(world: World) -> None:
    mine = {"Project-Access-Token": world.railway.project_token("env")}
    token = world.ask(TOKEN, mine)["data"]["projectToken"]
    assert (token["projectId"], token["environmentId"]) == ("prj", "env")
    assert "errors" not in world.ask(READ, mine, **AT)
    assert refusal(world.ask(FLAGS, mine, environment="other")) == "Not Authorized"


def refusal(answer: dict[str, Any]) -> str:
    assert answer["data"] is None
    (error,) = answer["errors"]
    return str(error["message"])


def test_who_may_not_is_told_so_in_a_success(world: World) -> None:
    revoked, foreign = world.railway.account_token(), world.railway.workspace_token("stranger")
    world.railway.revoke_token(revoked)
    project = world.railway.project_token("env")
    for headers in (
        {"X-Nothing": ""},
        {"Authorization": "Bearer x"},
        {"Authorization": f"Bearer {revoked}"},
        {"Authorization": f"Bearer {foreign}"},
        {"Authorization": f"Basic {foreign}"},
        {"Authorization": f"Bearer {project}"},
        {"Project-Access-Token": foreign},
        {**world.headers, "Project-Access-Token": project},
    ):
        assert refusal(world.ask(UPSERT_ALL, headers, input=PLACE | {"variables": {"A": "x"}})) == "Not Authorized"
        assert refusal(world.ask(TOKEN, headers)) == "Project Token not found"
    assert world.railway.held("env") == {}
    theirs = {"Authorization": f"Bearer {foreign}"}
    assert "errors" not in world.ask(FLAGS, theirs, environment="other")


def test_what_is_not_there_is_refused(world: World) -> None:
    assert refusal(world.ask(READ, **(AT | {"project": "prj-2"}))) == "Not Authorized"
    assert refusal(world.ask(READ, **(AT | {"environment": "gone"}))) == "Not Authorized"
    assert refusal(world.ask(READ, **(AT | {"service": "svc-9"}))) == "Service not found"
    assert refusal(world.ask(REDEPLOY, environment="env", service="svc-9")) == "Service not found"
    assert refusal(world.ask(STATUS, input={"projectId": "prj"})) == "Not Authorized"


def test_a_service_that_was_never_deployed_cannot_be_deployed_again(world: World) -> None:
    world.railway.add_environment("fresh", project="prj", services={"svc": "web"}, deployed=False)
    assert refusal(world.ask(REDEPLOY, environment="fresh", service="svc")) == "Deployment not found"


def test_arguments_that_turn_out_wrong_are_refused_where_they_stand(world: World) -> None:
    document = 'query ($a: String = "env") { token: environment(id: $a) { id } }'
    assert world.data(document) == {"token": {"id": "env"}}
    answer = world.ask(document, a=None)
    assert refusal(answer).startswith("Expected type")
    assert answer["errors"][0]["path"] == ["token"]
    document = """mutation ($a: String) { variableCollectionUpsert(
      input: {projectId: "prj", environmentId: "env", variables: {A: ["x", $a]}}) }"""
    assert refusal(world.ask(document, a="y")).startswith("Variable A")


def test_references_are_rendered_unless_asked_otherwise(world: World) -> None:
    world.railway.put("env", {"HOST": "db", "URL": "pg://${{HOST}}"})
    world.railway.put("env", {"PORT": "80", "SELF": "${{SELF}}"}, service="svc-2")
    values = {"A": "${{ shared.URL }}:${{worker.PORT}}", "B": "${{worker.SELF}}${{nobody.X}}${{GONE}}${{SEALED}}"}
    world.railway.put("env", values, service="svc")
    world.railway.put("env", {"SEALED": "hunter22"}, service="svc", sealed=True)
    assert world.read() == values | {"SEALED": None}
    assert world.read(unrendered=False) == {"A": "pg://db:80", "B": "", "SEALED": None}
    assert world.read(unrendered=None) == {"A": "pg://db:80", "B": "", "SEALED": None}


def test_a_sealed_variable_is_seen_and_changed_but_never_read(world: World) -> None:
    world.railway.put("env", {"A": "hunter22"}, service="svc", sealed=True)
    assert_no_leak(json.dumps([world.ask(READ, **AT), world.ask(FLAGS, environment="env")]), ["hunter22"])
    read_back = world.ask(UPSERT_ALL, input=WEB | {"variables": {"B": "1", "A": None}})
    assert refusal(read_back).startswith("Variable A")
    assert world.railway.held("env", service="svc") == {"A": "hunter22"}
    world.data(UPSERT, input=WEB | {"name": "A", "value": "newer"})
    (edge,) = world.data(FLAGS, environment="env")["environment"]["variables"]["edges"]
    assert (edge["node"]["isSealed"], edge["node"]["references"]) == (True, [])
    assert world.railway.held("env", service="svc") == {"A": "newer"}


def test_the_variables_of_an_environment_come_in_pages(world: World) -> None:
    world.railway.put("env", {"A": "1", "B": "${{shared.A}}"})
    world.railway.put("env", {"A": "1", "C": "${{shared.A}} ${{C}}"}, service="svc")
    world.railway.put("env", {"D": "1"}, service="svc-2")
    pages = [world.data(FLAGS, environment="env", first=50)["environment"]["variables"]]
    while pages[-1]["pageInfo"]["hasNextPage"]:
        after = pages[-1]["pageInfo"]["endCursor"]
        pages.append(world.data(FLAGS, environment="env", first=50, after=after)["environment"]["variables"])
    nodes = [edge["node"] for page in pages for edge in page["edges"]]
    assert [len(page["edges"]) for page in pages] == [3, 2]
    assert [(node["serviceId"], node["name"], node["references"]) for node in nodes] == [
        (None, "A", []),
        (None, "B", ["shared.A"]),
        ("svc", "A", []),
        ("svc", "C", ["shared.A", "C"]),
        ("svc-2", "D", []),
    ]
    assert refusal(world.ask(FLAGS, environment="env", after="?")) == "Invalid cursor"
    assert "non-negative" in refusal(world.ask(FLAGS, environment="env", first=-1))
    assert world.data(FLAGS, environment="other")["environment"]["variables"]["edges"] == []


def test_replace_takes_away_all_that_is_not_given(world: World) -> None:
    world.railway.put("env", {"A": "1", "B": "2"}, service="svc")
    world.railway.put("env", {"S": "3"}, service="svc", sealed=True)
    world.railway.put("env", {"A": "shared"})
    world.data(UPSERT_ALL, input=WEB | {"variables": {"C": "4"}})
    assert world.railway.held("env", service="svc") == {"A": "1", "B": "2", "S": "3", "C": "4"}
    world.data(UPSERT_ALL, input=WEB | {"variables": {"B": "5"}, "replace": True})
    assert world.railway.held("env", service="svc") == {"B": "5"}
    assert world.railway.held("env") == {"A": "shared"}


def test_what_railway_provides_cannot_be_written_though_it_seems_so(world: World) -> None:
    assert world.data(UPSERT, input=WEB | {"name": "RAILWAY_PROJECT_ID", "value": "x"}) == {"variableUpsert": True}
    variables = world.data(READ, **AT)["variables"]
    assert (variables["RAILWAY_PROJECT_ID"], variables["RAILWAY_SERVICE_NAME"]) == ("prj", "web")


def test_writing_deploys_unless_it_is_told_not_to(world: World) -> None:
    def count(service: str) -> int:
        return len(world.railway.deployments("env", service)) - 1

    world.data(UPSERT_ALL, input=WEB | {"variables": {"A": "${{shared.X}}", "B": "1"}, "skipDeploys": True})
    world.data(UPSERT, input=WEB | {"name": "C", "value": "1", "skipDeploys": True})
    assert count("svc") == 0
    world.data(UPSERT_ALL, input=WEB | {"variables": {"B": "2"}})
    world.data(UPSERT, input=WEB | {"name": "C", "value": "2"})
    assert count("svc") == 2
    world.data(UPSERT, input=PLACE | {"name": "X", "value": "1"})
    assert (count("svc"), count("svc-2")) == (3, 0)
    world.data(DELETE, **{f"d{number}": WEB | {"name": name} for number, name in enumerate("ABC")})
    assert (count("svc"), world.read()) == (6, {})


def test_deletes_run_in_order_up_to_the_one_that_is_refused(world: World) -> None:
    world.railway.put("env", {"A": "1", "B": "2", "C": "3"}, service="svc")
    world.railway.refuse_variable("B", "Problem processing request")
    deletes = {f"d{number}": WEB | {"name": name} for number, name in enumerate("ABC")}
    answer = world.ask(DELETE, **deletes)
    assert answer == {"errors": [{"message": "Problem processing request", "path": ["d1"]}], "data": None}
    assert world.read() == {"B": "2", "C": "3"}
    world.railway.accept_variables()
    assert world.data(DELETE, **deletes) == {"d0": True, "d1": True, "d2": True}  # A is gone already: no error
    assert world.read() == {}
    assert world.railway.operations()[0] == Operated(
        "mutation", ("variableDelete",) * 3, ("A", "B"), "Problem processing request"
    )


def test_the_reference_implementation_too_ends_at_the_first_refused_mutation(world: World) -> None:
    ran = []

    def run(_source: object, info: graphql.GraphQLResolveInfo, **_: object) -> bool:
        ran.append(info.path.key)
        return {"d0": True}[str(info.path.key)]

    given = {f"d{number}": WEB | {"name": "A"} for number in range(3)}
    result = graphql.execute_sync(world.schema, graphql.parse(DELETE), variable_values=given, field_resolver=run)
    assert (ran, result) == (["d0", "d1"], graphql.ExecutionResult(None, result.errors))


def test_a_collection_with_one_refused_variable_writes_none(world: World) -> None:
    world.railway.put("env", {"OLD": "1"}, service="svc")
    world.railway.refuse_variable("B")
    for names in (("A", "B"), ("A", "")):
        values = dict.fromkeys(names, "hunter22")
        answer = world.ask(UPSERT_ALL, input=WEB | {"variables": values, "replace": True})
        assert refusal(answer)
        assert_no_leak(json.dumps(answer), ["hunter22"])
    assert world.railway.held("env", service="svc") == {"OLD": "1"}


def test_one_variable_can_be_lost_inside_a_success(world: World) -> None:
    world.railway.ignore_variable("B")
    world.data(UPSERT_ALL, input=WEB | {"variables": {"A": "1", "B": "2"}})
    assert world.read() == {"A": "1"}
    world.railway.remove("env", "A", service="svc")
    assert world.read() == {}


def test_a_delete_can_show_late(world: World) -> None:
    world.railway.put("env", dict.fromkeys("ABC", "1"), service="svc")
    world.railway.delay_deletes(5)
    world.data(DELETE, **{f"d{number}": WEB | {"name": name} for number, name in enumerate("ABA")})
    assert world.read() == dict.fromkeys("ABC", "1")
    world.clock.now += 4
    world.data(UPSERT, input=WEB | {"name": "B", "value": "2"})
    world.clock.now += 1
    assert world.read() == {"B": "2", "C": "1"}


def test_a_deployment_takes_its_time_and_replaces_the_last(world: World) -> None:
    world.railway.deploy_as("SUCCESS", lasts=30)
    assert world.data(REDEPLOY, environment="env", service="svc") == {"serviceInstanceRedeploy": True}
    seen = []
    for seconds in (0, 10, 10, 10):
        world.clock.now += seconds
        seen.append(world.status(first=3))
    assert seen == [[now, "SUCCESS"] for now in ("QUEUED", "BUILDING", "DEPLOYING")] + [["SUCCESS", "REMOVED"]]
    world.railway.deploy_as("FAILED")
    world.data(REDEPLOY, environment="env", service="svc")
    assert (world.status(), world.status(first=3)) == (["FAILED"], ["FAILED", "SUCCESS", "REMOVED"])


def test_requests_are_counted_by_the_hour(schema: graphql.GraphQLSchema) -> None:
    clock = Clock(START)
    with Railway(clock=clock, per_hour=2) as railway:
        world = World(railway, clock, schema, {"Authorization": f"Bearer {railway.account_token()}"})
        answers = [world.post({"query": TOKEN}) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
        assert {answer.headers["x-ratelimit-reset"] for answer in answers} == {str(int(START) + 3600)}
        assert (answers[2].headers["retry-after"], "retry-after" in answers[1].headers) == ("3600", False)
        assert world.post({"query": TOKEN}, Authorization="Bearer other").status_code == 200
        clock.now += 3600
        assert world.post({"query": TOKEN}).status_code == 200


def test_requests_are_counted_by_the_second(schema: graphql.GraphQLSchema) -> None:
    clock = Clock(START)
    with Railway(clock=clock, per_second=1) as railway:
        world = World(railway, clock, schema, {"Authorization": f"Bearer {railway.account_token()}"})
        answers = [world.post({"query": TOKEN}) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 429]
        assert answers[1].headers["retry-after"] == "1"
        clock.now += 1
        assert world.post({"query": TOKEN}).status_code == 200


def test_faults_come_when_ordered(world: World) -> None:
    world.railway.limit_next(7)
    world.railway.limit_next(None)
    world.railway.refuse_next("Two Factor Authentication Required")
    world.railway.refuse_next("Problem processing request", status=400)
    answers = [world.post({"query": TOKEN}) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [429, 429, 200, 400]
    assert [answer.headers.get("retry-after") for answer in answers] == ["7", None, None, None]
    assert [answer.headers.get("x-ratelimit-remaining") for answer in answers] == ["0", "0", None, None]
    assert answers[0].headers["x-ratelimit-reset"] == str(int(START) + 7)
    assert refusal(answers[2].json()) == "Two Factor Authentication Required"
    assert refusal(answers[3].json()) == "Problem processing request"


def test_a_write_whose_answer_is_lost_is_done(world: World) -> None:
    world.railway.drop_next()
    world.railway.cut_next()
    world.railway.fail_next(HANG)
    for name in "AB":
        with pytest.raises(httpx.RemoteProtocolError):
            world.ask(UPSERT, input=WEB | {"name": name, "value": "1"})
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(world.railway.endpoint, json={"query": TOKEN}, timeout=0.2)
    assert world.read() == {"A": "1", "B": "1"}
    assert [asked.status for asked in world.railway.requests()] == [DROP, 200, HANG, 200]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("POST", "/graphql", 404), ("POST", "/", 404), ("GET", "/graphql/v2", 405), ("POST", "/graphql/v2/x", 404)],
)
def test_there_is_one_route(world: World, method: str, path: str, status: int) -> None:
    answer = httpx.request(method, world.railway.url + path, headers=world.headers)
    assert (answer.status_code, world.railway.requests()[0].status) == (status, status)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"{}",
        b'{"query": 1}',
        b'{"query": "{a}", "variables": []}',
        b'{"query": "{a}", "variables": "hunter22"}',
        b'{"query": "{a}", "colour": "hunter22"}',
    ],
)
def test_a_body_that_is_no_request_is_a_bad_one(world: World, body: bytes) -> None:
    headers = world.headers | {"Content-Type": "application/json"}
    answer = httpx.post(world.railway.endpoint, content=body, headers=headers)
    assert answer.status_code == 400
    assert_no_leak(answer.content, ["hunter22"])


def test_other_kinds_of_content_and_unknown_operations_are_refused(world: World) -> None:
    plain = httpx.post(world.railway.endpoint, content=json.dumps({"query": TOKEN}), headers=world.headers)
    assert plain.status_code == 400
    assert "operationName" in world.post({"query": TOKEN, "operationName": "Other"}).json()["errors"][0]["message"]


def test_an_operation_against_the_schema_can_be_a_bad_request(schema: graphql.GraphQLSchema) -> None:
    with Railway(invalid_status=400) as railway:
        answer = httpx.post(railway.endpoint, json={"query": "{ colour }"})
    assert (answer.status_code, answer.json()["errors"][0]["message"]) == (
        400,
        'Cannot query field "colour" on type "Query".',
    )


def test_nothing_that_is_shown_of_it_holds_a_value(world: World) -> None:
    world.railway.put("env", {"A": "hunter22"}, service="svc")
    world.data(UPSERT, input=WEB | {"name": "B", "value": "swordfish"})
    literal = 'mutation { variableUpsert(input: {name: "C", value: "hunter22"}) }'
    rows = world.railway._variables._rows
    shown = repr([rows, parsed(literal), world.railway.operations(), world.railway.requests()])
    assert "variableUpsert" in shown
    assert_no_leak(shown, ["hunter22", "swordfish"])
