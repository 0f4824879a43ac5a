"""The Railway adapter, through the real HTTP client, against Railway's stand-in on loopback."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import graphql
import pytest

from ciplug.errors import PlatformError, UsageError
from ciplug.standins.loopback import Answer, LoopbackServer
from ciplug.standins.railway import Railway
from ciplug.sync.engine import carry_out, survey
from ciplug.sync.ledger import Entry, Ledger
from ciplug.values import Batch, Endpoint, Result, Secret, Variable
from ciplug_platforms.railway import create
from tests import specs
from tests.fakes.connecting import connecting
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ciplug.contracts import Requests
    from ciplug.http import Client
    from ciplug.standins.loopback import Request
    from ciplug.sync.results import Outcome
    from ciplug.values import Reply

START = 1_800_000_000.0
PLACE = {"project": "prj", "environment": "env"}
WEB = PLACE | {"service": "svc"}
HOSTILE = {
    "NEWLINES": "first line\nsecond line\r\n",
    "QUOTES": 'it\'s "quoted" \\ and `more`',
    "EMOJI": "🔑 clé d'accès",
    "LONG": "0123456789abcdef" * 3750,
    "DOLLAR": "$HOME ${HOME} {{ x }}",
    "EMPTY": "",
}


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def __call__(self) -> float:
        return START + sum(self.slept)


class Recorded:
    """A real client, and what is told beforehand of each document that it sends."""

    def __init__(self, client: Client, tell: Callable[[Any], None]) -> None:
        self._client = client
        self._tell = tell

    def request(self, method: str, path: str, **given: Any) -> Reply:
        self._tell(given["document"])
        return self._client.request(method, path, **given)


class World:
    """A running Railway, and targets on it."""

    def __init__(self, railway: Railway, clock: Clock, stack: ExitStack) -> None:
        self.railway = railway
        self.clock = clock
        self.token = railway.workspace_token("acme")
        self.url = railway.url
        self.sent: list[Any] = []
        self.about_to_send: Callable[[Any], None] = self.sent.append
        self.seconds = 600.0
        self._stack = stack

    def target(self, **options: Any) -> Any:
        return create({"api_url": self.url} | (options or WEB), self._connect, self.clock.sleep)

    def _connect(self, endpoint: Endpoint) -> Requests:
        connect = connecting(self.token, clock=self.clock, sleep=self.clock.sleep, seconds=self.seconds)
        return Recorded(self._stack.enter_context(connect(endpoint)), self.about_to_send)

    def calls(self) -> int:
        return len(self.railway.requests())

    def held(self) -> dict[str, str]:
        return self.railway.held("env", service="svc")


class Keeper:
    """A ledger in memory, which owns `names` from the start."""

    blind = ""

    def __init__(self, place: str, *names: str) -> None:
        self._ledger = Ledger(place=place, entries=dict.fromkeys(names, Entry()))

    def read(self, _place: str) -> Ledger:
        return self._ledger

    def key(self) -> Secret:
        return Secret("the key of the ledger")

    def hold(self, ledger: Ledger) -> None:
        self._ledger = ledger

    release = hold

    def renew(self) -> None:
        """Nobody else is there."""


@pytest.fixture
def world() -> Iterator[World]:
    clock = Clock()
    with ExitStack() as stack:
        railway = stack.enter_context(Railway(clock=clock))
        railway.add_environment("env", project="prj", services={"svc": "web", "svc-2": "worker"})
        railway.add_environment("other", project="prj-2", services={"svc-9": "web"}, workspace="stranger")
        yield World(railway, clock, stack)


def secrets(**values: str | bytes) -> dict[str, Secret]:
    return {name: Secret(value) for name, value in values.items()}


def batch(writes: Mapping[str, Secret] | None = None, deletes: tuple[str, ...] = ()) -> Batch:
    gone = tuple(Variable(name=name) for name in deletes)
    return Batch(held=gone, writes=writes or {}, deletes=gone)


def apply(target: Any, writes: Mapping[str, Secret] | None = None, deletes: tuple[str, ...] = ()) -> dict[str, str]:
    results = list(target.apply(batch(writes, deletes)))
    assert all(isinstance(result, Result) for result in results)
    assert sorted(result.name for result in results) == sorted([*(writes or {}), *deletes])
    return {result.name: result.problem for result in results}


def read(target: Any) -> dict[str, Variable]:
    return {variable.name: variable for variable in target.read()}


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, ["option project is missing", "option environment is missing"]),
        ({"project": "prj"}, ["option environment is missing"]),
        (WEB | {"colour": "red"}, ["option colour is unknown; there are project, environment, service"]),
        (WEB | {"project": 7}, ["option project has to be an id"]),
        (WEB | {"environment": ""}, ["option environment has to be an id"]),
        (WEB | {"service": ""}, ["option service has to be an id"]),
        (WEB | {"service": "my service"}, ["option service has to be an id"]),
        (WEB | {"token_kind": "personal"}, ["option token_kind has to be one of workspace, account, project"]),
        (WEB | {"token_kind": ["project"]}, ["option token_kind"]),
        (WEB | {"references": "true"}, ["option references has to be true or false"]),
        (WEB | {"api_url": 9}, ["option api_url"]),
        (WEB | {"api_url": ""}, ["option api_url"]),
        (WEB | {"api_url": "ftp://127.0.0.1"}, ["api_url"]),
        ({"service": 1, "token_kind": 2, "x": 3}, ["project", "environment", "service", "token_kind", "option x"]),
    ],
)
def test_options_that_are_wrong_are_all_named_at_once(world: World, options: Any, names: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        create({"api_url": world.url} | options, world._connect, world.clock.sleep)
    assert all(name in str(caught.value) for name in names)
    assert caught.value.hint
    assert world.calls() == 0


def test_without_api_url_it_is_railway_s_own() -> None:
    asked: list[Endpoint] = []
    connect: Any = asked.append
    create(WEB, connect, lambda _: None)
    assert asked == [Endpoint(label="Railway", base="https://backboard.railway.com")]


def test_a_place_is_its_ids(world: World) -> None:
    assert world.target(**WEB).place == "railway prj env service=svc"
    assert world.target(**PLACE).place == "railway prj env shared"
    assert world.calls() == 0


def test_reading_gives_values_as_stored_and_nothing_that_the_platform_provides(world: World) -> None:
    world.railway.put("env", {"A": "${{B}}", "B": "hunter22", "RAILWAY_RUN_UID": "0"}, service="svc")
    world.railway.put("env", {"C": "of another service"}, service="svc-2")
    world.railway.put("env", {"S": "shared-s3cr3t"})
    target = world.target(**WEB)
    found = read(target)
    assert found.keys() == {"A", "B"}
    assert found["A"].value == Secret("${{B}}")
    assert target.read_value(found["B"]) == Secret("hunter22")
    assert found["B"].id
    assert not found["B"].reserved + found["B"].misfit
    assert world.calls() == 1
    assert read(world.target(**PLACE)).keys() == {"S"}
    assert_no_leak(repr(found), ["hunter22"])


def test_an_empty_target_is_read_as_such(world: World) -> None:
    assert world.target().read() == []


def test_a_sealed_variable_comes_without_value_and_with_the_stamp_of_its_last_change(world: World) -> None:
    world.railway.put("env", {"SEALED": "hunter22"}, service="svc", sealed=True)
    target = world.target()
    first = read(target)["SEALED"]
    assert (first.value, first.readable, target.read_value(first)) == (None, False, None)
    assert read(target)["SEALED"] == first
    world.clock.sleep(10)
    world.railway.put("env", {"SEALED": "changed by hand"}, service="svc")
    assert read(target)["SEALED"].stamp != first.stamp
    assert read(target)["SEALED"].id == first.id
    assert first.stamp


def test_sealed_flags_are_read_to_the_last_page(world: World) -> None:
    world.railway.page = 3
    world.railway.put("env", {f"V{index}": "x" for index in range(6)}, service="svc-2")
    world.railway.put("env", {"LAST": "hunter22"}, service="svc", sealed=True)
    found = read(world.target())["LAST"]
    assert found.value is None
    assert found.stamp.startswith("2027-01-15T")
    assert world.calls() == 3


@pytest.mark.parametrize("kind", ["account", "workspace", "project"])
def test_each_kind_of_token_goes_where_it_belongs(world: World, kind: str) -> None:
    tokens = {
        "account": world.railway.account_token(),
        "workspace": world.railway.workspace_token("acme"),
        "project": world.railway.project_token("env"),
    }
    world.token = tokens[kind]
    assert apply(world.target(**WEB, token_kind=kind), secrets(A="hunter22")) == {"A": ""}
    with pytest.raises(PlatformError, match="token is not valid"):
        world.target(**WEB, token_kind="workspace" if kind == "project" else "project").read()


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("RAILWAY_RUN_UID", "hunter22", "Railway's own"),
        ("RAILWAY_TOKEN", "hunter22", "Railway's own"),
        ("1ST", "hunter22", "begins with no digit"),
        ("A-B", "hunter22", "letters, digits and _"),
        ("", "hunter22", "letters, digits and _"),
        ("NEXT_PUBLIC_KEY", "hunter22", "NEXT_PUBLIC_"),
        ("VITE_KEY", "hunter22", "VITE_"),
        ("REACT_APP_KEY", "hunter22", "REACT_APP_"),
        ("NUXT_PUBLIC_KEY", "hunter22", "NUXT_PUBLIC_"),
        ("GATSBY_KEY", "hunter22", "GATSBY_"),
        ("PUBLIC_KEY", "hunter22", "PUBLIC_"),
        ("EXPO_PUBLIC_KEY", "hunter22", "EXPO_PUBLIC_"),
        ("A", b"hunter22\xff", "not UTF-8 text"),
        ("A", "hunter22\0", "NUL"),
        ("A", "hunter22${{B}}", "references = true"),
        ("A", "hunter22" * 16384, "131072 at most"),
    ],
)
def test_what_cannot_be_there_is_said_by_name_before_any_request(
    world: World, name: str, value: str | bytes, why: str
) -> None:
    problems = world.target().problems({"FINE": Secret("x"), name: Secret(value)}, ())
    assert len(problems) == 1
    assert problems[0].startswith(f"{name}: ")
    assert why in problems[0]
    assert_no_leak(problems[0], [value])
    assert world.calls() == 0


def test_all_problems_are_said_at_once(world: World) -> None:
    problems = world.target().problems(secrets(RAILWAY_A="${{x}}\0", VITE_B=b"\xff"), ())
    assert [problem.partition(":")[0] for problem in problems] == ["RAILWAY_A"] * 3 + ["VITE_B"] * 2


def test_what_is_hostile_but_text_is_no_problem_and_arrives_byte_for_byte(world: World) -> None:
    target = world.target()
    writes = secrets(**HOSTILE)
    assert target.problems(writes, ()) == []
    assert set(apply(target, writes).values()) == {""}
    assert world.held() == HOSTILE
    assert {name: variable.value for name, variable in read(target).items()} == writes


def test_the_longest_variable_that_a_process_can_have_is_no_problem(world: World) -> None:
    assert world.target().problems({"A": Secret("x" * (131_071 - 2))}, ()) == []


def test_references_are_written_where_the_target_says_so(world: World) -> None:
    target = world.target(**WEB, references=True)
    assert target.problems(secrets(A="${{shared.B}}"), ()) == []
    assert apply(target, secrets(A="${{shared.B}}")) == {"A": ""}
    assert world.held() == {"A": "${{shared.B}}"}


def sync(target: Any, wanted: Mapping[str, Secret], keeper: Keeper) -> Outcome:
    found = survey(target, wanted, keeper, prune=True)
    assert not found.problems
    return carry_out(found, target, keeper, lambda _result: None)


def test_a_hundred_new_ones_and_twenty_that_go_are_three_requests_and_a_hundred_unchanged_one(world: World) -> None:
    old = tuple(f"OLD{index}" for index in range(20))
    world.railway.put("env", dict.fromkeys(old, "x"), service="svc")
    before = world.railway.deployments("env", "svc")
    target = world.target()
    keeper = Keeper(target.place, *old)
    new = {f"NEW{index}": Secret(f"hunter{index}") for index in range(100)}
    outcome = sync(target, new, keeper)
    assert (outcome.failed, {change.name for change in outcome.done}) == ({}, {*new, *old})
    assert world.calls() == 3
    assert world.held() == {f"NEW{index}": f"hunter{index}" for index in range(100)}
    assert len(world.railway.deployments("env", "svc")) - len(before) == len(old)  # by the deletes, and none else
    assert sync(target, new, keeper).done == ()
    assert world.calls() == 4


def test_a_sync_leaves_alone_what_is_not_its_own(world: World) -> None:
    world.railway.put("env", {"OLD": "x", "FOREIGN": "$untouched\n"}, service="svc")
    world.railway.put("env", {"FOREIGN": "shared", "OLD": "shared"})
    target = world.target()
    assert sync(target, secrets(NEW="hunter22"), Keeper(target.place, "OLD")).failed == {}
    assert world.held() == {"NEW": "hunter22", "FOREIGN": "$untouched\n"}
    assert world.railway.held("env") == {"FOREIGN": "shared", "OLD": "shared"}


def test_one_request_has_the_writes_before_the_deletes(world: World) -> None:
    world.railway.put("env", {"B": "x", "C": "x"}, service="svc")
    assert apply(world.target(), secrets(A="hunter22"), ("B", "C")) == {"A": "", "B": "", "C": ""}
    (operated,) = world.railway.operations()
    assert operated.fields == ("variableCollectionUpsert", "variableDelete", "variableDelete")
    assert operated.names == ("A", "B", "C")


def test_an_empty_batch_asks_nothing(world: World) -> None:
    assert apply(world.target()) == {}
    assert world.calls() == 0


def test_writing_deploys_nothing(world: World) -> None:
    before = world.railway.deployments("env", "svc")
    apply(world.target(), secrets(A="hunter22"))
    assert world.railway.deployments("env", "svc") == before


def test_shared_variables_are_written_and_deleted_without_touching_a_service(world: World) -> None:
    world.railway.put("env", {"A": "of the service"}, service="svc")
    world.railway.put("env", {"A": "old", "B": "goes"})
    assert apply(world.target(**PLACE), secrets(A="hunter22"), ("B",)) == {"A": "", "B": ""}
    assert world.railway.held("env") == {"A": "hunter22"}
    assert world.held() == {"A": "of the service"}


def test_a_sealed_variable_is_updated_in_place(world: World) -> None:
    world.railway.put("env", {"A": "old"}, service="svc", sealed=True)
    assert apply(world.target(), secrets(A="hunter22")) == {"A": ""}
    assert world.held() == {"A": "hunter22"}
    assert read(world.target())["A"].value is None


def test_what_is_gone_already_counts_as_deleted(world: World) -> None:
    assert apply(world.target(), deletes=("GONE",)) == {"GONE": ""}
    world.railway.put("env", {"B": "x"}, service="svc")
    world.railway.refuse_variable("GONE", "Variable GONE was not found")
    assert apply(world.target(), deletes=("GONE", "B")) == {"GONE": "", "B": ""}
    assert world.held() == {}
    assert apply(world.target(), secrets(A="hunter22"), ("GONE",)) == {"A": "", "GONE": ""}
    assert world.held() == {"A": "hunter22"}


def test_deletes_that_show_late_are_done(world: World) -> None:
    world.railway.put("env", {"A": "x"}, service="svc")
    world.railway.delay_deletes(5)
    target = world.target()
    assert apply(target, deletes=("A",)) == {"A": ""}
    assert apply(target, deletes=("A",)) == {"A": ""}
    world.clock.sleep(5)
    assert target.read() == []


MANY = tuple(f"OLD{index}" for index in range(120))
"""More than go into one request."""


def test_results_come_as_soon_as_their_request_is_done(world: World) -> None:
    world.railway.put("env", dict.fromkeys(MANY, "x"), service="svc")
    results = world.target().apply(batch(secrets(A="hunter22"), MANY))
    assert next(results) == Result(name="A")
    assert world.calls() == 1
    assert world.held() == {"A": "hunter22"} | dict.fromkeys(MANY[100:], "x")
    assert list(results) == [Result(name=name) for name in MANY]
    assert (world.calls(), world.held()) == (2, {"A": "hunter22"})


def test_a_refused_write_keeps_no_other_write_and_no_delete_from_being_done(world: World) -> None:
    world.railway.put("env", {"OLD": "x", "OLD2": "x"}, service="svc")
    world.railway.refuse_variable("B", "The value hunter22-B is not allowed")
    results = apply(world.target(), secrets(A="hunter22-A", B="hunter22-B", C="hunter22-C"), ("OLD", "OLD2"))
    assert [name for name, problem in results.items() if problem] == ["B"]
    assert_no_leak(results["B"], ["hunter22-B", "not allowed"])
    assert world.held() == {"A": "hunter22-A", "C": "hunter22-C"}
    # Together, then A, B with C, B, C, and at last the deletes.
    assert [len(operated.fields) for operated in world.railway.operations()] == [3, 1, 1, 1, 1, 2]


def test_a_single_refused_write_is_not_asked_for_again(world: World) -> None:
    world.railway.put("env", {"OLD": "x"}, service="svc")
    world.railway.refuse_variable("A")
    results = apply(world.target(), secrets(A="hunter22"), ("OLD",))
    assert ("refused" in results["A"], results["OLD"]) == (True, "")
    assert (world.calls(), world.held()) == (2, {})


def test_a_refused_delete_behind_the_writes_leaves_them_and_the_other_deletes_done(world: World) -> None:
    world.railway.put("env", dict.fromkeys("BCD", "x"), service="svc")
    world.railway.refuse_variable("C")
    results = apply(world.target(), secrets(A="hunter22"), ("B", "C", "D"))
    assert [name for name, problem in results.items() if problem] == ["C"]
    assert world.held() == {"A": "hunter22", "C": "x"}
    assert [operated.names for operated in world.railway.operations()] == [("A", "B", "C"), ("D",)]


@pytest.mark.parametrize("path", [None, [], ["d7"], [0], "upsert"])
def test_an_error_that_is_about_no_part_has_each_part_asked_for_by_itself(world: World, path: object) -> None:
    world.railway.put("env", {"OLD": "x"}, service="svc")
    error = json.dumps({"errors": [{"message": "too many aliases", "path": path}], "data": None}).encode()
    world.railway.fail_next(200, body=error)
    assert apply(world.target(), secrets(A="hunter22", B="x"), ("OLD",)) == {"A": "", "B": "", "OLD": ""}
    assert world.held() == {"A": "hunter22", "B": "x"}
    assert world.calls() == 3


def test_a_platform_that_refuses_without_a_word_on_what_is_not_asked_for_ever(world: World) -> None:
    world.railway.refuse_next("Problem processing request", times=100)
    writes = {f"V{index}": Secret("hunter22") for index in range(100)}
    assert all(apply(world.target(), writes, MANY).values())
    assert world.calls() < 30


def test_one_refused_write_is_found_and_the_others_are_done(world: World) -> None:
    world.railway.refuse_variable("V5", "The value hunter-5 is not allowed")
    writes = {f"V{index}": Secret(f"hunter-{index}") for index in range(100)}
    results = apply(world.target(), writes)
    assert [name for name, problem in results.items() if problem] == ["V5"]
    assert "refused" in results["V5"]
    assert_no_leak(results["V5"], ["hunter-5", "not allowed"])
    assert world.held().keys() == writes.keys() - {"V5"}
    assert world.calls() <= 15
    world.railway.accept_variables()
    assert apply(world.target(), {"V5": writes["V5"]}) == {"V5": ""}


def test_a_platform_that_refuses_everything_is_not_asked_for_each_variable(world: World) -> None:
    writes = {f"V{index}": Secret("hunter22") for index in range(100)}
    for name in writes:
        world.railway.refuse_variable(name)
    results = apply(world.target(), writes)
    assert all(results.values())
    assert any("were refused together" in problem for problem in results.values())
    assert world.calls() < 30


def test_a_refused_delete_leaves_the_ones_before_and_after_it_done(world: World) -> None:
    world.railway.put("env", dict.fromkeys("ABC", "x"), service="svc")
    world.railway.refuse_variable("B", "no: hunter22")
    results = apply(world.target(), deletes=("A", "B", "C"))
    assert (results["A"], results["C"]) == ("", "")
    assert "refused" in results["B"]
    assert_no_leak(results["B"], ["hunter22"])
    assert world.held().keys() == {"B"}
    assert world.calls() == 2


def test_deletes_that_are_all_refused_are_not_asked_for_one_by_one(world: World) -> None:
    names = tuple(f"V{index}" for index in range(120))
    for name in names:
        world.railway.refuse_variable(name)
    assert all(apply(world.target(), deletes=names).values())
    assert world.calls() == 16


def test_more_deletes_than_go_into_one_request_are_all_done(world: World) -> None:
    names = tuple(f"V{index}" for index in range(120))
    world.railway.put("env", dict.fromkeys(names, "x"), service="svc")
    assert set(apply(world.target(), deletes=names).values()) == {""}
    assert (world.held(), world.calls()) == ({}, 2)


def test_any_number_of_deletes_may_find_nothing(world: World) -> None:
    names = tuple(f"V{index}" for index in range(30))
    for name in names:
        world.railway.refuse_variable(name, "Variable not found")
    assert set(apply(world.target(), deletes=names).values()) == {""}


def test_deletes_refused_without_a_word_on_which_are_all_a_problem(world: World) -> None:
    world.railway.put("env", {"A": "x", "B": "x"}, service="svc")
    for message in ("Problem processing request", "A variable was not found"):
        world.railway.refuse_next(message)
        assert all(apply(world.target(), deletes=("A", "B")).values())
    assert world.held().keys() == {"A", "B"}


def test_writes_that_are_answered_and_not_done_show_when_read_again(world: World) -> None:
    world.railway.ignore_variable("A")
    target = world.target()
    assert apply(target, secrets(A="hunter22")) == {"A": ""}
    assert target.read() == []


def test_a_rate_limit_delays_and_loses_nothing(world: World) -> None:
    world.railway.limit_next(60)
    world.railway.put("env", {"B": "x"}, service="svc")
    assert apply(world.target(), secrets(A="hunter22"), ("B",)) == {"A": "", "B": ""}
    assert world.held() == {"A": "hunter22"}
    assert sum(world.clock.slept) >= 60


def test_a_rate_limit_that_outlasts_the_deadline_is_an_error(world: World) -> None:
    world.railway.limit_next(3600, times=50)
    with pytest.raises(PlatformError, match="429"):
        apply(world.target(), secrets(A="hunter22"))
    assert world.held() == {}


@pytest.mark.parametrize("fault", ["drop", "cut"])
def test_a_lost_answer_is_asked_for_again_and_the_state_is_right(world: World, fault: str) -> None:
    world.railway.put("env", {"B": "x", "FOREIGN": "y"}, service="svc")
    lose = world.railway.drop_next if fault == "drop" else world.railway.cut_next
    lose()
    assert apply(world.target(), secrets(A="hunter22"), ("B",)) == {"A": "", "B": ""}
    assert world.held() == {"A": "hunter22", "FOREIGN": "y"}
    assert world.calls() == 2


def test_answers_that_stay_lost_are_an_error_and_the_next_run_converges(world: World) -> None:
    world.railway.drop_next()
    world.seconds = 0.01
    with pytest.raises(PlatformError) as caught:
        apply(world.target(), secrets(A="hunter22"))
    assert_no_leak(f"{caught.value} {caught.value.hint}", ["hunter22", world.token])
    world.seconds = 600
    assert apply(world.target(), secrets(A="hunter22")) == {"A": ""}
    assert world.held() == {"A": "hunter22"}


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("Not Authorized", "token is not valid"),
        ("not AUTHORIZED", "token is not valid"),
        ("Project Token not found", "token is not valid"),
        ("Two Factor Authentication Required", "two-factor"),
        ("Rate limit exceeded", "too many requests"),
        ("Environment not found", "is not there"),
        ("ServiceInstance not found", "is not there"),
        ('Cannot query field "variables"', "does not know this request"),
        ("s3cr3t-hunter22 is wrong", "not shown"),
    ],
)
def test_errors_are_told_in_words_of_our_own(world: World, status: int, message: str, words: str) -> None:
    world.railway.refuse_next(message, status=status)
    with pytest.raises(PlatformError) as caught:
        world.target().read()
    assert words in str(caught.value)
    assert caught.value.hint
    assert_no_leak(f"{caught.value!r} {caught.value.hint} {vars(caught.value)}", ["s3cr3t-hunter22", world.token])


@pytest.mark.parametrize(
    ("status", "words"), [(401, "not valid"), (403, "may not"), (404, "answered 404"), (302, "answered 302")]
)
def test_a_refusal_by_status_is_told_as_well(world: World, status: int, words: str) -> None:
    world.railway.fail_next(status, body=b'{"oops": "hunter22"}')
    with pytest.raises(PlatformError, match=words) as caught:
        apply(world.target(), secrets(A="hunter22"))
    assert_no_leak(f"{caught.value!r} {caught.value.hint}", ["hunter22"])


def test_the_usual_error_codes_are_shown_and_others_are_not(world: World) -> None:
    def refused(code: object) -> str:
        error = {"message": "no", "extensions": {"code": code}}
        world.railway.fail_next(400, body=json.dumps({"errors": [error]}).encode())
        return apply(world.target(), secrets(A="hunter22"))["A"]

    assert refused("BAD_USER_INPUT").endswith("(BAD_USER_INPUT)")
    assert "HUNTER" not in refused("HUNTER22")
    assert "(" not in refused(["BAD_USER_INPUT"])


@pytest.mark.parametrize(
    "place",
    [
        {"project": "prj", "environment": "gone"},
        {"project": "gone", "environment": "env"},
        {"project": "prj-2", "environment": "other"},
        {"project": "prj", "environment": "env", "service": "gone"},
    ],
)
def test_another_project_or_none_is_an_error_at_reading_and_at_writing(world: World, place: dict[str, str]) -> None:
    for ask in (lambda target: target.read(), lambda target: apply(target, secrets(A="hunter22"), ("B",))):
        with pytest.raises(PlatformError, match="not there") as caught:
            ask(world.target(**place))
        assert caught.value.hint


def test_a_token_that_dies_between_two_requests_stops_with_what_was_done_known(world: World) -> None:
    world.railway.put("env", dict.fromkeys(MANY, "x"), service="svc")
    results = world.target().apply(batch(secrets(A="hunter22"), MANY))
    assert next(results) == Result(name="A")
    world.railway.revoke_token(world.token)
    assert [next(results).name for _ in range(100)] == list(MANY[:100])
    with pytest.raises(PlatformError, match="token is not valid"):
        next(results)
    assert world.held() == {"A": "hunter22"} | dict.fromkeys(MANY[100:], "x")


@pytest.mark.parametrize("writes", [{}, {"NEW": "hunter22"}])
def test_what_comes_before_a_delete_that_the_token_may_not_do_is_told_as_done(
    world: World, writes: dict[str, str]
) -> None:
    world.railway.put("env", {"A": "x", "B": "x"}, service="svc")
    world.railway.refuse_variable("B", "Not Authorized")
    results = world.target().apply(batch(secrets(**writes), ("A", "B")))
    assert [next(results) for _ in [*writes, "A"]] == [Result(name=name) for name in [*writes, "A"]]
    with pytest.raises(PlatformError, match="token is not valid"):
        next(results)
    assert world.held() == writes | {"B": "x"}


def test_writes_that_the_token_may_not_do_end_it_with_nothing_done(world: World) -> None:
    world.railway.put("env", {"B": "x"}, service="svc")
    world.railway.refuse_variable("A", "Not Authorized")
    with pytest.raises(PlatformError, match="token is not valid"):
        next(world.target().apply(batch(secrets(A="hunter22"), ("B",))))
    assert (world.calls(), world.held()) == (1, {"B": "x"})


def test_a_refusal_of_everything_is_not_asked_for_part_by_part(world: World) -> None:
    world.railway.refuse_next("Too Many Requests", times=10)
    with pytest.raises(PlatformError, match="too many requests"):
        next(world.target().apply(batch(secrets(A="hunter22"), ("B",))))
    assert world.calls() == 1


def answered(world: World, *documents: object) -> Any:
    """A target whose platform gives these answers, the last one for ever."""
    left = [json.dumps(document).encode() for document in documents]

    def respond(_: Request) -> Answer:
        return Answer(status=200, body=left.pop(0) if len(left) > 1 else left[0])

    server = world._stack.enter_context(LoopbackServer(respond))
    return create(WEB | {"api_url": server.url}, world._connect, world.clock.sleep)


def page(variables: object, nodes: list[Any], **info: Any) -> dict[str, Any]:
    edges = [{"node": node} for node in nodes]
    flags = {"edges": edges, "pageInfo": {"hasNextPage": False, "endCursor": None} | info}
    return {"data": {"variables": variables, "environment": {"variables": flags}}}


@pytest.mark.parametrize(
    "document",
    [
        [],
        "hunter22",
        {},
        {"data": None},
        {"data": {}},
        {"data": {"variables": "hunter22", "environment": None}},
        page(["hunter22"], []),
        page({"A": 7}, []),
        page({"A": ["hunter22"]}, []),
        page({}, ["hunter22"]),
        page({}, [{"name": ["hunter22"], "serviceId": "svc"}]),
        page({}, [], hasNextPage=True),
        page({}, [], hasNextPage=True, endCursor="again"),
    ],
)
def test_an_answer_that_is_not_railway_s_is_an_error_that_quotes_nothing(world: World, document: object) -> None:
    with pytest.raises(PlatformError, match="not what its API describes") as caught:
        answered(world, document).read()
    assert caught.value.__cause__ is None
    assert_no_leak(f"{caught.value!r} {caught.value.hint}", ["hunter22"])


def test_a_variable_that_hides_its_value_is_taken_as_sealed_whichever_way_it_is_told(world: World) -> None:
    node = {"id": "v1", "name": "A", "isSealed": True, "serviceId": "svc", "updatedAt": "2026-01-01T00:00:00Z"}
    found = read(answered(world, page({"A": "*****", "B": None}, [node])))
    assert (found["A"].value, found["A"].stamp) == (None, "2026-01-01T00:00:00Z")
    assert (found["B"].value, found["B"].stamp) == (None, "sealed")


def test_half_a_surrogate_pair_on_the_platform_is_a_value_like_any_other(world: World) -> None:
    value = read(answered(world, page({"A": "hunter22\ud800"}, [])))["A"].value
    assert value is not None
    assert value != Secret("hunter22")


@pytest.mark.parametrize("data", [{"upsert": False, "d0": False}, {"upsert": None}, {}, {"upsert": "true", "d0": 1}])
def test_a_platform_that_does_not_answer_true_did_not_do_it(world: World, data: object) -> None:
    target = answered(world, {"data": data})
    assert set(apply(target, secrets(A="hunter22"), ("B",)).values()) == {"the platform answered that it was not done"}


def test_every_request_is_one_that_railway_s_own_schema_allows(world: World) -> None:
    sdl = (specs.folder() / "railway-schema.graphql").read_text(encoding="utf-8")
    schema = graphql.build_schema(sdl, assume_valid=True)
    world.railway.page = 2
    world.railway.put("env", dict.fromkeys("ABCDE", "x"), service="svc")
    for target in (world.target(**WEB), world.target(**PLACE)):
        target.read()
        for writes, deletes in ((secrets(NEW="hunter22"), ("A", "B")), (secrets(NEW="x"), ()), ({}, ("C",))):
            apply(target, writes, deletes)
    list(world.target().redeploy())
    assert len({sent["query"] for sent in world.sent}) == 7
    for sent in world.sent:
        document = graphql.parse(sent["query"])
        assert graphql.validate(schema, document) == []
        (operation,) = document.definitions
        assert isinstance(operation, graphql.OperationDefinitionNode)
        given = graphql.execution.values.get_variable_values(
            schema, operation.variable_definitions or (), sent["variables"]
        )
        assert not isinstance(given, list)


def test_no_message_result_or_representation_shows_a_secret(world: World) -> None:
    world.railway.refuse_variable("A", "hunter22-s3cr3t is not allowed")
    target = world.target()
    results = list(target.apply(batch(secrets(A="hunter22-s3cr3t", B="other-s3cr3t"))))
    shown = f"{results!r} {target!r} {vars(target)!r} {target.read()!r}"
    assert_no_leak(shown, ["hunter22-s3cr3t", "other-s3cr3t", world.token])
