"""What the doctor asks of a vault beside health and rights, and that it takes every refusal as an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ciplug.errors import CiplugError, SealedError, UnreachableError, VaultError
from ciplug.net.failures import TlsRefused
from ciplug.net.transport import Transport
from ciplug.values import Secret
from ciplug.vault.client import VaultClient
from ciplug.vault.inspect import has_auth_mount, health, look_up, read_auth_config, read_mount, read_role
from tests.fakes.scripted_server import Certificates, ScriptedServer, answer, hang_up, html

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TOKEN = Secret("s.x")


@pytest.fixture
def client() -> Iterator[Callable[[ScriptedServer], VaultClient]]:
    transport = Transport()
    yield lambda server: VaultClient([server.url], transport=transport, deadline=0.5)
    transport.close()


@pytest.mark.parametrize(
    ("script", "there"),
    [
        (answer(400, {"errors": ["missing role"]}), True),
        (answer(403, {"errors": ["permission denied"]}), False),
        (answer(200, {"auth": None}), True),
        (html(400), None),
        (hang_up, None),
        (answer(404, {"errors": ["no handler for route"]}), None),
        (answer(503, {"errors": ["Vault is sealed"]}), None),
    ],
)
def test_an_auth_mount_is_told_from_none(client: Any, script: Any, there: bool | None) -> None:
    with ScriptedServer({"POST /v1/auth/team/jwt/login": script}) as server:
        assert has_auth_mount(client(server), "team/jwt") is there
        assert server.seen[0].json() == {}
        assert "x-vault-token" not in server.seen[0].headers


ROUTES = {
    "GET /v1/auth/jwt/role/shop-test": lambda client: read_role(client, TOKEN, "jwt", "shop-test"),
    "GET /v1/auth/jwt/config": lambda client: read_auth_config(client, TOKEN, "jwt"),
    "GET /v1/sys/internal/ui/mounts/team/kv": lambda client: read_mount(client, TOKEN, "team/kv"),
}


@pytest.mark.parametrize("route", ROUTES)
def test_what_may_be_read_is_read_with_the_token(client: Any, route: str) -> None:
    with ScriptedServer({route: answer(200, {"data": {"type": "x"}})}) as server:
        assert ROUTES[route](client(server)) == {"type": "x"}
        assert server.seen[0].headers["x-vault-token"] == "s.x"


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    "script",
    [
        answer(403, {"errors": ["1 error occurred:\n\t* permission denied\n\n"]}),
        answer(403, {"errors": ["permission denied"]}),
        answer(404, {"errors": []}),
        answer(404, {"errors": ['no handler for route "auth/jwt/role/shop-test"']}),
        answer(405, {"errors": ["1 error occurred:\n\t* unsupported operation\n\n"]}),
    ],
)
def test_what_may_not_be_read_is_unknown(client: Any, route: str, script: Any) -> None:
    with ScriptedServer({route: script}) as server:
        assert ROUTES[route](client(server)) is None


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize(
    ("script", "kind"),
    [
        (answer(503, {"errors": ["Vault is sealed"]}), SealedError),
        (answer(404, {"errors": ["namespace not found"]}), VaultError),
        (html(200), VaultError),
        (html(404), VaultError),
        (hang_up, UnreachableError),
    ],
)
def test_a_vault_that_cannot_be_asked_is_no_refusal(
    client: Any, route: str, script: Any, kind: type[CiplugError]
) -> None:
    with ScriptedServer({route: script}) as server, pytest.raises(kind):
        ROUTES[route](client(server))


def test_data_that_is_none_is_empty(client: Any) -> None:
    with ScriptedServer({"GET /v1/auth/jwt/config": answer(200, {"data": None})}) as server:
        assert read_auth_config(client(server), TOKEN, "jwt") == {}


def test_a_token_is_looked_up_and_a_dead_one_refused(client: Any) -> None:
    route = "GET /v1/auth/token/lookup-self"
    with ScriptedServer({route: answer(200, {"data": {"policies": ["default"]}})}) as server:
        assert look_up(client(server), TOKEN) == {"policies": ["default"]}
    dead = ScriptedServer({route: answer(403, {"errors": ["permission denied"]})})
    with dead as server, pytest.raises(CiplugError, match="wrong, expired or revoked"):
        look_up(client(server), TOKEN)


def test_health_says_what_the_network_made_of_it(client: Any, tmp_path: Path) -> None:
    with ScriptedServer({}, Certificates(tmp_path).server()) as server:
        [found] = health(client(server))
    assert isinstance(found.failure, TlsRefused)
