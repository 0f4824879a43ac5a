import json
import re
import time

import pytest

from ciplug.errors import CiplugError, UnreachableError, VaultError
from ciplug.net.transport import Transport
from ciplug.values import Secret
from ciplug.vault.client import VaultClient
from ciplug.vault.inspect import capabilities, health
from tests.fakes.scripted_server import ScriptedServer, answer, hang, hang_up, html

HEALTH = "GET /v1/sys/health?standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200"
STATE = {"initialized": True, "sealed": False, "standby": True, "version": "2.7.2", "cluster_name": "prod"}
DATE = "Thu, 01 Jan 1970 00:16:45 GMT"


@pytest.fixture
def client():
    transport = Transport()

    def make(*servers, deadline=5, **more):
        return VaultClient([server.url for server in servers], transport=transport, deadline=deadline, **more)

    yield make
    transport.close()


def test_health_is_told_for_each_address_in_order(client):
    sealed = {"initialized": True, "sealed": True, "standby": False, "version": "2.7.2"}
    scripts = (answer(200, STATE, {"Date": DATE}), answer(200, sealed), hang_up)
    one, two, three = (ScriptedServer({HEALTH: script}) for script in scripts)
    with one, two, three:
        found = health(client(one, two, three), wall_clock=lambda: 1000.0)
        assert [state.address for state in found] == [one.url, two.url, three.url]
        assert len(three.seen) == 1
    assert (found[0].version, found[0].standby, found[0].sealed) == ("2.7.2", True, False)
    assert (found[0].initialized, found[0].skew, found[0].problem) == (True, 5.0, None)
    assert (found[1].sealed, found[1].skew) == (True, None)
    assert isinstance(found[2].problem, UnreachableError)


def test_health_is_asked_in_the_root_namespace_without_a_token(client):
    with ScriptedServer({HEALTH: answer(200, STATE)}) as server:
        health(client(server, namespace="acme"))
        assert not {"x-vault-namespace", "x-vault-token"} & server.seen[0].headers.keys()


def test_what_is_no_vault_is_a_problem(client):
    with ScriptedServer({HEALTH: html(200)}) as server:
        (state,) = health(client(server))
    assert isinstance(state.problem, VaultError)


@pytest.mark.parametrize("first", [True, False])
def test_an_address_that_hangs_leaves_time_for_the_others_and_for_what_follows(client, first):
    one, two = ScriptedServer({HEALTH: hang}), ScriptedServer({HEALTH: answer(200, STATE)})
    with one, two:
        vault = client(*((one, two) if first else (two, one)), deadline=1.5)
        found = health(vault)
        left = vault.deadline.remaining()
    assert [isinstance(state.problem, UnreachableError) for state in found] == [first, not first]
    assert left > 0.2


def test_addresses_that_all_hang_do_not_take_all_the_time(client):
    servers = [ScriptedServer({HEALTH: hang}) for _ in range(3)]
    with servers[0], servers[1], servers[2]:
        vault = client(*servers, deadline=1.2)
        found = health(vault)
        assert not vault.deadline.expired
        assert [len(server.seen) for server in servers] == [1, 1, 1]
    for state, server in zip(found, servers, strict=True):
        said = f"vault not reachable at {server.url}: no complete answer within 0.[56] s"
        assert re.fullmatch(said, str(state.problem))


def test_the_only_address_may_take_all_the_time(client):
    def slow(exchange):
        exchange.released.wait(0.8)
        exchange.answer(200, json.dumps(STATE).encode())

    with ScriptedServer({HEALTH: slow}) as server:
        assert health(client(server, deadline=1.5))[0].problem is None


def test_without_any_time_left_every_address_is_a_problem(client):
    with ScriptedServer() as one, ScriptedServer() as two:
        vault = client(one, two, deadline=0.01)
        assert vault.deadline.remaining() < 1
        time.sleep(0.02)
        assert [type(state.problem) for state in health(vault)] == [UnreachableError, UnreachableError]


@pytest.mark.parametrize("date", ["yesterday", "", "Mon, 01 Jan 99999999999999 00:00:00 GMT"])
def test_a_date_that_is_none_gives_no_skew(client, date):
    with ScriptedServer({HEALTH: answer(200, STATE, {"Date": date})}) as server:
        assert health(client(server))[0].skew is None


@pytest.mark.parametrize("nested", [True, False])
def test_capabilities_are_asked_for_in_one_request(client, nested):
    rights = {"secret/data/a": ["read", "list"], "secret/data/b": ["deny"]}
    with ScriptedServer(
        {"POST /v1/sys/capabilities-self": answer(200, {"data": rights} if nested else rights)}
    ) as server:
        found = capabilities(client(server), Secret("s.x"), ["secret/data/a", "secret/data/b", "secret/data/c"])
        (seen,) = server.seen
        assert seen.json() == {"paths": ["secret/data/a", "secret/data/b", "secret/data/c"]}
        assert seen.headers["x-vault-token"] == "s.x"
    assert found == {"secret/data/a": ("read", "list"), "secret/data/b": ("deny",), "secret/data/c": ("deny",)}


def test_rights_are_asked_for_once_where_there_are_seconds_for_it(client):
    told = []
    route = "POST /v1/sys/capabilities-self"
    busy = answer(429, {"errors": ["rate limit quota exceeded"]}, {"Retry-After": "2"})
    for script in (hang, hang_up, busy, answer(503, {"errors": ["no"]})):
        with ScriptedServer({route: script}) as server:
            vault = client(server, notify=told.append)
            started = time.monotonic()
            with pytest.raises(CiplugError):
                capabilities(vault, Secret("s.x"), ["secret/data/a"], seconds=0.3)
            assert time.monotonic() - started < 1.5
            assert server.paths() == [route]
    assert told == []


def test_several_addresses_that_hang_are_asked_at_the_same_time(client):
    servers = [ScriptedServer({HEALTH: hang}) for _ in range(3)]
    with servers[0], servers[1], servers[2], ScriptedServer({HEALTH: answer(200, STATE)}) as sound:
        vault = client(*servers, sound, deadline=2)
        started = time.monotonic()
        found = health(vault)
        assert time.monotonic() - started < 1.6
    assert [state.problem is None for state in found] == [False, False, False, True]
    assert [state.address for state in found] == [server.url for server in (*servers, sound)]
