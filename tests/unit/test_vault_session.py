import signal
import threading
import time

import pytest

from ciplug.errors import (
    DeniedError,
    Interrupted,
    LoginRejectedError,
    MissingError,
    SealedError,
    UnreachableError,
    UsageError,
    VaultError,
)
from ciplug.net.transport import Transport
from ciplug.values import Record, Secret
from ciplug.vault.client import VaultClient
from ciplug.vault.session import Session, login
from tests.fakes.scripted_server import ScriptedServer, answer, cut_short, hang, hang_up
from tests.leaks import assert_no_leak

LOGIN = "POST /v1/auth/jwt/login"
REVOKE = "POST /v1/auth/token/revoke-self"
TOKEN = "s.tOkEnTokenTokenTokenTokenTo"
JWT = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
POLICY = answer(403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]})
DEAD_TOKEN = answer(403, {"errors": ["permission denied"]})


def auth(**changes):
    fields = {"client_token": TOKEN, "lease_duration": 600, "token_type": "service", **changes}
    return answer(200, {"request_id": "login-1", "auth": fields})


def kv(number):
    return Record(mount="secret", path=f"app/{number}", engine="kv2")


def route(number):
    return f"GET /v1/secret/data/app/{number}"


def value(number):
    return answer(200, {"request_id": f"r{number}", "data": {"data": {"v": number}, "metadata": {"version": number}}})


@pytest.fixture
def client():
    made = []

    def make(server, *, deadline=5.0):
        transport = Transport()
        made.append(transport)
        return VaultClient([server.url], transport=transport, deadline=deadline)

    yield make
    for transport in made:
        transport.close()


def enter(client, **more):
    return login(client, "jwt", "shop-test", Secret(JWT), **more)


def test_a_login_sends_role_and_token_and_gives_a_session(client):
    now = [100.0]
    with ScriptedServer({LOGIN: auth()}) as server:
        session = enter(client(server), clock=lambda: now[0])
        assert server.seen[0].json() == {"role": "shop-test", "jwt": JWT}
        assert "x-vault-token" not in server.seen[0].headers
    assert session.token.reveal() == TOKEN.encode()
    assert (session.request_id, session.batch, session.ttl_remaining()) == ("login-1", False, 600)
    now[0] = 250.0
    assert session.ttl_remaining() == 450
    now[0] = 900.0
    assert session.ttl_remaining() == 0
    assert TOKEN not in repr(session)


@pytest.mark.parametrize(("mount", "path"), [("/jwt/", "jwt"), ("team/jwt gh", "team/jwt%20gh")])
def test_the_auth_mount_becomes_the_route(client, mount, path):
    with ScriptedServer({f"POST /v1/auth/{path}/login": auth()}) as server:
        assert login(client(server), mount, "r", Secret(JWT)).token


@pytest.mark.parametrize("mount", ["", "..", "jwt/../x"])
def test_an_auth_mount_that_leaves_its_place_is_refused(client, mount):
    with ScriptedServer() as server, pytest.raises(UsageError):
        login(client(server), mount, "r", Secret(JWT))


def test_a_token_without_an_end_has_no_ttl(client):
    with ScriptedServer({LOGIN: auth(lease_duration=0)}) as server:
        assert enter(client(server)).ttl_remaining() is None


def test_a_rejected_login_is_not_tried_again_and_never_shows_the_token(client):
    rejected = answer(400, {"errors": [f"error validating token: {JWT} invalid audience (aud) claim"]})
    with ScriptedServer({LOGIN: rejected}) as server:
        with pytest.raises(LoginRejectedError, match=r'role "shop-test" at auth/jwt: .*invalid audience') as caught:
            enter(client(server))
        assert len(server.seen) == 1
    assert JWT not in f"{caught.value} {caught.value.__cause__!r}"


def test_a_login_waits_for_a_vault_that_is_being_unsealed(client):
    naps = []
    with ScriptedServer({LOGIN: [answer(503, {"errors": ["Vault is sealed"]}), auth()]}) as server:
        assert enter(client(server), sleep=naps.append)
    assert len(naps) == 1


@pytest.mark.parametrize(
    "body", [{}, {"auth": None}, {"auth": {"client_token": ""}}, {"auth": {"client_token": 5}}, {"auth": "s3cr3t"}]
)
def test_a_login_without_a_token_is_an_error(client, body):
    with (
        ScriptedServer({LOGIN: answer(200, body)}) as server,
        pytest.raises(VaultError, match="without a token") as caught,
    ):
        enter(client(server))
    assert "s3cr3t" not in str(caught.value)


def test_a_login_that_wants_a_second_factor_says_so(client):
    server = ScriptedServer({LOGIN: auth(client_token="", mfa_requirement={"x": 1})})
    with server, pytest.raises(VaultError, match="second factor"):
        enter(client(server))


def session_of(client, **more):
    return Session(client, Secret(TOKEN), ours=True, ttl=600, **more)


def test_each_record_is_read_once_however_often_it_is_asked_for(client):
    with ScriptedServer({route(n): value(n) for n in (1, 2)}) as server:
        found = session_of(client(server)).read([kv(1), kv(2), kv(1), kv(1)])
        assert sorted(server.paths()) == [route(1), route(2)]
    assert {str(record): content.data["v"] for record, content in found.items()} == {
        "secret/app/1": 1,
        "secret/app/2": 2,
    }
    assert list(found) == [kv(1), kv(2)]


def test_one_record_needs_no_thread(client):
    before = threading.active_count()
    counts = []
    with ScriptedServer({route(1): value(1)}) as server:
        session = session_of(client(server))
        server.script(route(1), lambda exchange: (counts.append(threading.active_count()), value(1)(exchange)))
        assert session.read([kv(1)])[kv(1)].version == 1
    # The server's own two threads: it listens, and it answers.
    assert counts == [before + 2]


def test_no_records_need_no_request(client):
    with ScriptedServer() as server:
        assert session_of(client(server)).read([]) == {}


def test_ten_records_are_read_at_the_same_time(client):
    together = threading.Barrier(10, timeout=10)

    def script(number):
        def play(exchange):
            together.wait()
            value(number)(exchange)

        return play

    with ScriptedServer({route(n): script(n) for n in range(10)}) as server:
        found = session_of(client(server)).read([kv(n) for n in range(10)])
        assert [content.data["v"] for content in found.values()] == list(range(10))
        assert len(server.seen) == 10


def test_more_than_ten_records_share_ten_connections(client):
    with ScriptedServer({route(n): value(n) for n in range(40)}) as server:
        assert len(session_of(client(server)).read([kv(n) for n in range(40)])) == 40
        assert server.connections <= 10


def test_what_is_absent_comes_back_beside_what_is_there(client):
    with ScriptedServer({route(1): value(1), route(2): answer(404, {"errors": []})}) as server:
        session = session_of(client(server))
        found = session.read([kv(1), kv(2)])
        assert found[kv(1)].data == {"v": 1}
        assert isinstance(found[kv(2)], MissingError)
        assert isinstance(session.read([kv(2)])[kv(2)], MissingError)


def test_the_first_error_in_the_order_of_the_records_is_raised(client):
    first = threading.Event()

    def late(exchange):
        first.wait(10)
        # Later than the other by enough for the client to have noticed that one.
        exchange.released.wait(0.05)
        POLICY(exchange)

    def early(exchange):
        answer(400, {"errors": ["bad"]})(exchange)
        first.set()

    server = ScriptedServer({route(1): late, route(2): early, route(3): value(3)})
    with server, pytest.raises(DeniedError, match="secret/app/1"):
        session_of(client(server)).read([kv(1), kv(2), kv(3)])


def test_an_error_does_not_wait_for_what_hangs(client):
    before = threading.active_count()
    scripts = {route(n): hang for n in range(1, 6)}
    with ScriptedServer({route(0): POLICY, **scripts}) as server:
        vault = client(server, deadline=60)
        started = time.monotonic()
        with pytest.raises(DeniedError):
            session_of(vault).read([kv(n) for n in (5, 4, 3, 2, 1, 0)])
        assert time.monotonic() - started < 3
        server.script(route(1), value(1))
        assert session_of(vault).read([kv(1)])[kv(1)].version == 1
    assert threading.active_count() == before


def test_an_error_ends_waits_between_attempts_as_well(client):
    sealed = answer(503, {"errors": ["Vault is sealed"]}, {"Retry-After": "50"})
    with ScriptedServer({route(1): sealed, route(0): POLICY}) as server:
        started = time.monotonic()
        with pytest.raises(DeniedError):
            session_of(client(server, deadline=60)).read([kv(1), kv(0)])
        assert time.monotonic() - started < 3


def test_a_signal_ends_parallel_reads_at_once(client):
    def interrupt(exchange):
        signal.pthread_kill(main, signal.SIGUSR1)
        hang(exchange)

    def raise_it(signum, frame):
        raise Interrupted(signum)

    main = threading.main_thread().ident
    before = signal.signal(signal.SIGUSR1, raise_it)
    threads = threading.active_count()
    try:
        with ScriptedServer({route(0): interrupt, route(1): hang}) as server:
            started = time.monotonic()
            with pytest.raises(Interrupted):
                session_of(client(server, deadline=60)).read([kv(0), kv(1)])
            assert time.monotonic() - started < 3
        assert threading.active_count() == threads
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_dynamic_lease_is_bounded_by_the_token(client):
    record = Record(mount="database", path="creds/web", engine="other")
    lease = {"data": {"u": "x"}, "lease_id": "l", "lease_duration": 3600, "renewable": True}
    with ScriptedServer({"GET /v1/database/creds/web": answer(200, lease)}) as server:
        found = session_of(client(server), clock=lambda: 0.0).read([record])[record]
    assert found.lease.seconds == 600


def test_the_deadline_covers_the_reads(client):
    with ScriptedServer({route(1): hang, route(2): hang}) as server:
        started = time.monotonic()
        with pytest.raises(UnreachableError, match="no complete answer in time"):
            session_of(client(server, deadline=0.2)).read([kv(1), kv(2)])
        assert time.monotonic() - started < 3


def test_a_revocation_is_done_once(client):
    with ScriptedServer({REVOKE: answer(204)}) as server:
        session = session_of(client(server))
        assert session.ours
        session.revoke()
        assert not session.ours
        session.revoke()
        assert server.paths() == [REVOKE]
        assert server.seen[0].headers["x-vault-token"] == TOKEN


def test_a_revocation_has_time_of_its_own(client):
    with ScriptedServer({REVOKE: answer(204)}) as server:
        vault = client(server)
        vault.deadline.cancel()
        vault.transport.abort()
        session_of(vault).revoke()
        assert server.paths() == [REVOKE]


def test_a_token_that_is_dead_already_counts_as_revoked(client):
    with ScriptedServer({REVOKE: DEAD_TOKEN}) as server:
        session = session_of(client(server))
        session.revoke()
        session.revoke()
        assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("script", "kind"),
    [(POLICY, DeniedError), (answer(503, {"errors": ["Vault is sealed"]}), SealedError), (hang, UnreachableError)],
)
def test_a_failed_revocation_names_what_is_left_and_can_be_tried_again(client, script, kind):
    with ScriptedServer({REVOKE: script}) as server:
        session = session_of(client(server), clock=lambda: 0.0)
        with pytest.raises(kind, match=r"could not be revoked and stays valid for up to 600 s: ") as caught:
            session.revoke(0.2)
        assert caught.value.hint
        server.script(REVOKE, answer(204))
        session.revoke()
        assert server.paths()[-1] == REVOKE


def test_a_batch_token_is_said_to_stay_valid_and_no_request_is_made(client):
    with ScriptedServer({LOGIN: auth(token_type="batch")}) as server:
        session = enter(client(server), clock=lambda: 0.0)
        assert session.batch
        with pytest.raises(VaultError, match=r"batch token .* stays valid for up to 600 s") as caught:
            session.revoke()
        assert "service" in caught.value.hint
        session.revoke()
        assert server.paths() == [LOGIN]


def test_a_person_s_token_is_used_and_left_alone(client):
    with ScriptedServer({route(1): value(1)}) as server:
        session = Session.from_token(client(server), Secret("hvs.person"))
        session.read([kv(1)])
        session.revoke()
        assert server.seen[0].headers["x-vault-token"] == "hvs.person"
        assert len(server.seen) == 1
        assert session.ttl_remaining() is None


def test_a_token_of_unknown_life_is_said_to_keep_its_whole_ttl(client):
    with ScriptedServer({REVOKE: POLICY}) as server, pytest.raises(DeniedError, match="stays valid for its whole TTL"):
        Session(client(server), Secret(TOKEN), ours=True).revoke()


def test_a_login_whose_answer_is_lost_is_tried_a_few_times_and_said_once(client):
    said, slept = [], []
    with ScriptedServer({LOGIN: cut_short}) as server:
        vault = client(server, deadline=30.0)
        vault.warn = said.append
        with pytest.raises(UnreachableError, match="may have issued a token, which lives for the role's token_ttl"):
            enter(vault, sleep=slept.append)
        assert len(server.seen) == 4
    assert len(slept) == 3
    assert len(said) == 1
    assert "may have issued a token" in said[0]
    assert_no_leak("".join(said), [JWT])


def test_a_leader_that_is_lost_for_a_moment_is_waited_for(client):
    with ScriptedServer({LOGIN: [hang_up, auth()]}) as server:
        assert enter(client(server)).token.reveal() == TOKEN.encode()
        assert len(server.seen) == 2


def test_a_lost_answer_at_the_deadline_is_not_waited_for(client):
    slept = []
    with ScriptedServer({LOGIN: cut_short}) as server, pytest.raises(UnreachableError, match="may have issued"):
        enter(client(server, deadline=0.4), sleep=slept.append)
    assert slept == []


def test_a_lost_answer_is_asked_for_at_the_other_address(client):
    with ScriptedServer({LOGIN: cut_short}) as broken, ScriptedServer({LOGIN: auth()}) as sound:
        transport = Transport()
        vault = VaultClient([broken.url, sound.url], transport=transport, deadline=10.0)
        assert enter(vault).token.reveal() == TOKEN.encode()
        transport.close()
        assert (len(broken.seen), len(sound.seen)) == (1, 1)


def test_a_hanging_address_leaves_time_for_the_next_one(client):
    """Within the five seconds of a revocation too, or a token outlives its job although a node could end it."""
    with ScriptedServer({REVOKE: hang}) as hanging, ScriptedServer({REVOKE: answer(204)}) as sound:
        transport = Transport()
        vault = VaultClient([hanging.url, sound.url], transport=transport)
        Session(vault, Secret(TOKEN), ours=True, ttl=60).revoke(2.0)
        transport.close()
        assert len(sound.seen) == 1


@pytest.mark.parametrize("seconds", [10**400, 2**63])
def test_a_life_of_any_length_is_taken(client, seconds):
    with ScriptedServer({LOGIN: auth(lease_duration=seconds)}) as server:
        left = enter(client(server)).ttl_remaining()
    assert left is not None
    assert left > 86400


def test_a_token_that_no_header_carries_is_no_token(client):
    with ScriptedServer({LOGIN: auth(client_token="s.\ud800")}) as server, pytest.raises(VaultError):
        enter(client(server))
