"""Where an administrator's request goes, how often, and what is told of it when it fails."""

import socket
import threading
import time
import traceback

import pytest

from ciplug.errors import CiplugError, DeniedError, MissingError, SealedError, UnreachableError, UsageError, VaultError
from ciplug.net.proxy import ProxySettings
from ciplug.net.tls import TlsSettings
from ciplug.net.transport import Transport
from ciplug.values import Secret
from ciplug.vault.admin import Admin
from ciplug.vault.admin_kv import Stored
from ciplug.vault.errors import LostAnswerError
from tests.fakes.scripted_server import (
    ScriptedServer,
    answer,
    cut_short,
    drip,
    flood,
    hang,
    hang_up,
    html,
    raw,
    redirect,
)
from tests.leaks import assert_no_leak

TOKEN = "s.tOkEnTokenTokenTokenTokenTo"
VALUE = "v4lue-of-the-record"
PATH = "/v1/secret/data/app"
READ, WRITE = f"GET {PATH}", f"POST {PATH}"
POLICY = "PUT /v1/sys/policies/acl/p"
MOUNT = "GET /v1/sys/internal/ui/mounts/secret"
RECORD = answer(200, {"data": {"data": {"a": VALUE}, "metadata": {"version": 3}}})
WRITTEN = answer(200, {"data": {"version": 4}})
SEALED = answer(503, {"errors": ["Vault is sealed"]})
NO_LEADER = answer(500, {"errors": ["local node not active but active cluster node not found"]})
CHANGED = answer(400, {"errors": ["check-and-set parameter did not match the current version"]})


@pytest.fixture
def admins():
    """An administrator of these servers or URLs, closed with the test."""
    made = []

    def make(*servers, timeout=2.0, **more):
        addresses = [getattr(server, "url", server) for server in servers]
        made.append(Admin(addresses, Secret(TOKEN), timeout=timeout, **more))
        return made[-1]

    yield make
    for admin in made:
        admin.close()


@pytest.fixture
def dead():
    """The URL of a port on which nothing listens, held so that nobody else gets it."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


def read(admin):
    return admin.kv.read("secret", "app")


def write(admin):
    return admin.kv.write("secret", "app", {"a": VALUE})


def write_if(admin):
    return admin.kv.write_if("secret", "app", {"a": VALUE}, version=3)


def write_policy(admin):
    admin.write_policy("p", f"# {VALUE}")


def told(error):
    """All that a traceback, a message or a representation of `error` and its causes shows."""
    lines = traceback.format_exception(error)
    while error is not None:
        lines += [repr(error), str(error), getattr(error, "hint", "")]
        error = error.__cause__
    return "\n".join(lines)


def test_a_request_carries_token_namespace_and_the_header_against_forgery(admins):
    with ScriptedServer({READ: RECORD}) as server:
        assert read(admins(server, namespace="acme/")) == Stored(data={"a": VALUE}, version=3)
    headers = server.seen[0].headers
    assert (headers["x-vault-token"], headers["x-vault-namespace"]) == (TOKEN, "acme")
    assert headers["x-vault-request"] == "true"
    assert headers["user-agent"].startswith("ciplug/")
    assert headers["accept-encoding"] == "identity"


def test_a_path_before_v1_is_kept(admins):
    with ScriptedServer({f"GET /gate{PATH}": RECORD}) as server:
        assert read(admins(f"{server.url}/gate/")).version == 3


def test_a_token_of_the_environment_is_not_used(admins, monkeypatch):
    monkeypatch.setenv("VAULT_TOKEN", "of-the-environment")
    with ScriptedServer({READ: RECORD}) as server:
        admin = admins(server)
        read(admin)
    assert server.seen[0].headers["x-vault-token"] == TOKEN
    assert admin._client.token == ""


def test_a_shared_transport_stays_open_and_brings_its_own_settings(admins):
    transport = Transport()
    with ScriptedServer({READ: RECORD}) as server:
        for _ in range(2):
            with Admin(server.url, Secret(TOKEN), transport=transport) as admin:
                read(admin)
        assert server.connections == 1
        transport.close()
    for more in ({"tls": TlsSettings()}, {"proxies": ProxySettings()}):
        with pytest.raises(TypeError, match="its own"):
            admins("http://127.0.0.1:1", transport=transport, **more)


def test_a_request_under_way_ends_with_the_shared_transport(admins):
    transport = Transport()
    with ScriptedServer({READ: hang}) as server:
        admin = admins(server, transport=transport, timeout=10)
        timer = threading.Timer(0.2, transport.abort)
        timer.start()
        began = time.monotonic()
        with pytest.raises(UnreachableError, match="ended before it was answered"):
            read(admin)
        assert time.monotonic() - began < 5
        timer.join()
    transport.close()


@pytest.mark.parametrize("call", [read, write, write_if, write_policy])
@pytest.mark.parametrize(
    "first", [SEALED, NO_LEADER, answer(412, {"errors": ["lagging"]}), answer(429, {"errors": []})]
)
def test_a_vault_that_has_done_nothing_passes_the_request_on(admins, call, first):
    good = {READ: RECORD, WRITE: WRITTEN, POLICY: answer(204)}
    with ScriptedServer(dict.fromkeys(good, first)) as one, ScriptedServer(good) as other:
        admin = admins(one, other)
        call(admin)
        call(admin)
    assert (len(one.seen), len(other.seen)) == (1, 2)  # the second call begins where the first was answered


@pytest.mark.parametrize("call", [read, write, write_if, write_policy])
def test_a_dead_address_is_passed_by(admins, dead, call):
    with ScriptedServer({READ: RECORD, WRITE: WRITTEN, POLICY: answer(204)}) as server:
        call(admins(dead, server))
    assert len(server.seen) == 1


LOST = [hang, hang_up, cut_short, drip(b"HTTP/1.1 200 OK\r\n"), answer(500, {"errors": ["x"]}), answer(502), html(503)]


@pytest.mark.parametrize("first", LOST)
def test_a_plain_write_that_may_have_been_done_is_not_repeated(admins, first):
    with (
        ScriptedServer({WRITE: first}) as one,
        ScriptedServer({WRITE: WRITTEN}) as other,
        pytest.raises((UnreachableError, VaultError)) as caught,
    ):
        write(admins(one, other, timeout=0.3, patience=5))
    assert str(caught.value).startswith(f"{WRITE}: ")
    assert (len(one.seen), other.seen) == (1, [])
    assert_no_leak(told(caught.value), [TOKEN, VALUE])


def test_a_write_without_an_answer_says_that_it_may_be_done(admins):
    with ScriptedServer({WRITE: hang}) as server, pytest.raises(LostAnswerError, match="may have done it") as caught:
        write(admins(server, timeout=0.2))
    assert "before doing it again" in caught.value.hint


@pytest.mark.parametrize("call", [read, write_if, write_policy])
@pytest.mark.parametrize("first", LOST)
def test_what_may_happen_twice_is_asked_elsewhere(admins, call, first):
    good = {READ: RECORD, WRITE: WRITTEN, POLICY: answer(204)}
    with ScriptedServer(dict.fromkeys(good, first)) as one, ScriptedServer(good) as other:
        call(admins(one, other, timeout=0.3))
    assert (len(one.seen), len(other.seen)) == (1, 1)


@pytest.mark.parametrize(
    ("route", "call"),
    [
        ("POST /v1/auth/token/lookup", lambda admin: admin.token_is_alive(Secret("x"))),
        ("POST /v1/auth/token/lookup-accessor", lambda admin: admin.look_up_accessor("x")),
        ("LIST /v1/auth/token/accessors", lambda admin: admin.accessors()),
    ],
)
def test_a_question_by_post_is_a_read(admins, route, call):
    good = answer(200, {"data": {"a": ["read"], "keys": ["x"]}})
    with ScriptedServer({route: hang_up}) as one, ScriptedServer({route: good}) as other:
        assert call(admins(one, other))


@pytest.mark.parametrize("call", ["seal", "unseal"])
def test_sealing_is_about_one_node_and_is_not_repeated(admins, call):
    with (
        ScriptedServer({f"PUT /v1/sys/{call}": hang_up}) as one,
        ScriptedServer() as other,
        pytest.raises(LostAnswerError),
    ):
        getattr(admins(one, other), call)(*([Secret("key")] if call == "unseal" else []))
    assert other.seen == []


@pytest.mark.parametrize("call", [read, write])
@pytest.mark.parametrize("status", [400, 403, 404])
def test_a_refusal_is_final(admins, call, status):
    refusal = answer(status, {"errors": ["no"]})
    with (
        ScriptedServer({READ: refusal, WRITE: refusal}) as one,
        ScriptedServer() as other,
        pytest.raises((VaultError, DeniedError, MissingError)),
    ):
        call(admins(one, other, patience=5))
    assert (len(one.seen), other.seen) == (1, [])


def test_without_a_deadline_each_address_is_asked_once(admins, dead):
    with ScriptedServer({READ: SEALED}) as server, pytest.raises(SealedError) as caught:
        read(admins(dead, server))
    assert len(server.seen) == 1
    assert dead in str(caught.value)
    assert server.url in str(caught.value)


@pytest.mark.parametrize("first", [SEALED, NO_LEADER, answer(412), answer(429), hang_up, answer(502)])
def test_with_a_deadline_what_passes_is_asked_again(admins, first):
    with ScriptedServer({READ: [first, RECORD], WRITE: [first, WRITTEN]}) as server:
        admin = admins(server, patience=10)
        assert read(admin).version == 3
        assert write_if(admin) == 4


def test_the_deadline_is_the_end_of_it(admins):
    with ScriptedServer({READ: SEALED}) as server:
        began = time.monotonic()
        with pytest.raises(SealedError):
            read(admins(server, patience=0.5))
        assert time.monotonic() - began < 5
        assert len(server.seen) > 1


def test_who_waits_is_told_once_why(admins):
    said = []
    with ScriptedServer({READ: [SEALED, SEALED, RECORD, SEALED, RECORD]}) as server:
        admin = admins(server, patience=10, notify=said.append)
        assert (read(admin).version, read(admin).version) == (3, 3)
    assert said == [f"the vault at {server.url} is sealed or not initialised; retrying for up to 10 s"]


def test_nobody_is_told_of_a_wait_where_there_is_none(admins):
    said = []
    with ScriptedServer({READ: SEALED}) as server, pytest.raises(SealedError):
        read(admins(server, notify=said.append))
    assert said == []


def test_a_rate_limit_is_waited_for_and_not_walked_around(admins):
    busy = answer(429, {"errors": ["quota"]}, {"Retry-After": "60"})
    with (
        ScriptedServer({READ: busy}) as one,
        ScriptedServer() as other,
        pytest.raises(VaultError, match=r"GET .*: the vault answered 429 \(it asks to wait 60 s"),
    ):
        read(admins(one, other, patience=5))
    assert other.seen == []


def test_an_address_that_hangs_leaves_time_for_the_next(admins):
    with ScriptedServer({READ: hang}) as one, ScriptedServer({READ: RECORD}) as other:
        assert read(admins(one, other, timeout=30, patience=1)).version == 3


def test_an_answer_that_drips_takes_no_longer_than_the_timeout(admins):
    with ScriptedServer({READ: drip(b"HTTP/1.1 200 OK\r\n")}) as server:
        began = time.monotonic()
        with pytest.raises(UnreachableError, match="no complete answer"):
            read(admins(server, timeout=0.3))
        assert time.monotonic() - began < 5


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_the_token_follows_no_redirect_to_an_address_that_is_not_listed(admins, status):
    with ScriptedServer() as other:
        away = redirect(status, f"{other.url}{PATH}?token=abc-of-the-query")
        with ScriptedServer({READ: away, WRITE: away}) as server:
            for call in (read, write):
                with pytest.raises((UnreachableError, VaultError), match=f"127.0.0.1:{other.port}") as caught:
                    call(admins(server))
                assert_no_leak(told(caught.value), [TOKEN, VALUE, "abc-of-the-query"])
    assert other.seen == []


@pytest.mark.parametrize("call", [read, write])
def test_a_standby_s_redirect_leads_to_the_node_that_is_listed(admins, call):
    good = {READ: RECORD, WRITE: WRITTEN}
    with ScriptedServer(good) as leader, ScriptedServer() as third:
        away = redirect(307, f"{leader.url}{PATH}")
        with ScriptedServer({READ: away, WRITE: away}) as standby:
            call(admins(standby, third, leader))
    assert (len(standby.seen), third.seen, len(leader.seen)) == (1, [], 1)


NO_VAULT = {
    "a web page": html(200),
    "a web page with 403": html(403),
    "a web page with 404": html(404),
    "a list": answer(200, []),
    "JSON with 404": answer(404, {"message": VALUE}),
    "cut JSON": answer(200, b'{"data": {"data": {"a": "' + VALUE.encode()),
    "other JSON": answer(200, {"data": {"data": VALUE}}),
    "a flat record": answer(200, {"data": {"a": VALUE}}),
    "nothing": answer(200, b""),
    "40 MB": flood(40, announced=True),
    "another protocol": raw(b"\x00\x01SSH-2.0-OpenSSH\r\n\r\n"),
    "half an answer": cut_short,
}


@pytest.mark.parametrize("case", NO_VAULT)
@pytest.mark.parametrize("call", [read, write, write_if])
def test_what_is_no_answer_of_a_vault_is_an_error_and_no_absent_record(admins, call, case):
    with (
        ScriptedServer({READ: NO_VAULT[case], WRITE: NO_VAULT[case]}) as server,
        pytest.raises((VaultError, UnreachableError)) as caught,
    ):
        call(admins(server))
    assert str(caught.value).startswith(f"{READ if call is read else WRITE}: ")
    assert_no_leak(told(caught.value), [TOKEN, VALUE, "s3cr3t-page"])


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 413, 429, 500, 501, 502, 503])
@pytest.mark.parametrize("call", [read, write, write_policy])
def test_no_error_shows_token_value_or_answer(admins, call, status):
    spoken = answer(status, {"errors": [f"bad token {TOKEN}: {VALUE} sp0ken-words"]})
    with ScriptedServer({READ: spoken, WRITE: spoken, POLICY: spoken}) as server:
        admin = admins(server)
        with pytest.raises(CiplugError) as caught:
            call(admin)
    assert_no_leak(told(caught.value), [TOKEN, VALUE, "sp0ken-words"])
    assert_no_leak(repr(admin) + repr(vars(admin)), [TOKEN])


@pytest.mark.parametrize("kind", ["token", "namespace", "number"])
def test_what_cannot_be_sent_is_refused_without_being_shown(kind):
    odd = f"{VALUE}\r\nX-Evil: 1"
    with ScriptedServer() as server:
        token, namespace = Secret(odd if kind == "token" else TOKEN), odd if kind == "namespace" else None
        with Admin(server.url, token, namespace) as admin, pytest.raises(UsageError) as caught:
            admin.kv.write("secret", "app", {"a": float("nan")} if kind == "number" else {"a": VALUE})
        assert server.connections == 0
    assert_no_leak(told(caught.value), [VALUE, TOKEN])


@pytest.mark.parametrize("addresses", [[], "ftp://vault", ["https://me:pa55word@vault"], "http://vault:x"])
def test_an_address_that_is_none_is_refused_without_being_shown(addresses):
    with pytest.raises(UsageError) as caught:
        Admin(addresses, Secret(TOKEN))
    assert "pa55word" not in str(caught.value) + caught.value.hint


def stored(version, data):
    return answer(200, {"data": {"data": data, "metadata": {"version": version}}})


def test_a_check_that_fails_is_no_error(admins):
    with ScriptedServer({WRITE: CHANGED, READ: stored(4, {"a": "of another"})}) as server:
        assert write_if(admins(server)) is None
    assert server.paths() == [WRITE, READ]


def test_a_check_that_fails_on_a_node_that_lags_behind_is_made_again(admins):
    with ScriptedServer({WRITE: [CHANGED, CHANGED, WRITTEN], READ: [stored(2, {}), stored(3, {})]}) as server:
        assert write_if(admins(server)) == 4
    assert server.paths() == [WRITE, READ, WRITE, READ, WRITE]


def test_a_node_is_not_waited_for_without_end(admins, monkeypatch):
    monkeypatch.setattr("ciplug.vault.admin_kv._LAG_SECONDS", 0.2)
    with ScriptedServer({WRITE: CHANGED, READ: stored(2, {"a": VALUE})}) as server:
        assert write_if(admins(server)) is None


def test_another_400_is_one(admins):
    with (
        ScriptedServer({WRITE: answer(400, {"errors": ["no data provided"]})}) as server,
        pytest.raises(VaultError, match="answered 400"),
    ):
        write_if(admins(server))
    assert server.paths() == [WRITE]


@pytest.mark.parametrize(
    ("version", "data", "result"), [(4, {"a": VALUE}, 4), (4, {"a": "b"}, None), (5, {"a": VALUE}, None)]
)
def test_a_checked_write_whose_answer_was_lost_is_known_by_what_is_there(admins, version, data, result):
    with ScriptedServer({WRITE: [hang_up, CHANGED], READ: stored(version, data)}) as server:
        assert write_if(admins(server, patience=5)) == result
    assert server.paths() == [WRITE, WRITE, READ]


ABSENT = answer(404, {"errors": []})


@pytest.mark.parametrize("seen", [answer(200, {"data": {"options": {"version": "2"}}}), answer(403, {"errors": ["x"]})])
def test_a_record_is_absent_where_nothing_says_otherwise(admins, seen):
    with ScriptedServer({READ: ABSENT, MOUNT: seen}) as server:
        assert read(admins(server)) == Stored(data=None, version=0)


@pytest.mark.parametrize("options", [None, {}, {"version": "1"}])
def test_an_engine_without_versions_has_no_absent_record(admins, options):
    with (
        ScriptedServer({READ: ABSENT, MOUNT: answer(200, {"data": {"options": options, "type": "kv"}})}) as server,
        pytest.raises(VaultError, match="not what a KV version 2 engine answers"),
    ):
        read(admins(server))
