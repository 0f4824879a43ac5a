"""The token's signature beside its issuer's own keys: verified, wrong, or not to be had."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any

import jwt
import pytest

from ciplug.doctor.signature import verify
from ciplug.identity.claims import id_token
from ciplug.net.tls import TlsSettings
from ciplug.net.transport import Transport
from ciplug.standins.issuer import Issuer
from tests.fakes.scripted_server import Certificates, ScriptedServer, answer, hang, html
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ciplug.doctor.finding import Finding

DISCOVERY = "GET /.well-known/openid-configuration"


@pytest.fixture
def transport() -> Iterator[Transport]:
    transport = Transport()
    yield transport
    transport.close()


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with Issuer() as issuer:
        yield issuer


def found(token: str, *transports: Transport, seconds: float = 5) -> Finding:
    finding = verify(id_token(token, "a test"), transports, seconds)
    assert_no_leak(f"{finding.text} {finding.remedy}", [token])
    return finding


def test_a_token_of_the_issuers_is_verified(issuer: Issuer, transport: Transport) -> None:
    finding = found(issuer.mint({"sub": 7}, audience="x", lifetime=-5000), transport)
    assert (finding.state, finding.check) == ("ok", "signature")
    assert issuer.url in finding.text


def forged(issuer: Issuer) -> str:
    head, payload, signature = issuer.mint({}, audience="x").split(".")
    claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
    changed = base64.urlsafe_b64encode(json.dumps(claims | {"sub": "root"}).encode()).decode().rstrip("=")
    return f"{head}.{changed}.{signature}"


def other_key(issuer: Issuer) -> str:
    with Issuer() as other:
        kid = jwt.get_unverified_header(issuer.mint({}, audience="x"))["kid"]
        return other.mint({"iss": issuer.url}, audience="x", headers={"kid": kid})


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (forged, "is not by the key"),
        (other_key, "is not by the key"),
        (lambda issuer: issuer.mint({}, audience="x", headers={"kid": "another"}), "none of its issuer's 1"),
        (
            lambda issuer: jwt.encode({"iss": issuer.url}, "k" * 40, algorithm="HS256"),
            'signed by "HS256", which the vault does not take',
        ),
        (lambda issuer: jwt.encode({"iss": issuer.url}, "", algorithm="none"), 'signed by "none"'),
        (lambda issuer: "e30." + issuer.mint({}, audience="x").split(".")[1] + ".", "signed by null"),
        (lambda issuer: "a." + issuer.mint({}, audience="x").split(".")[1] + ".b", "no header"),
    ],
)
def test_a_token_that_the_issuer_did_not_sign_is_a_failure(
    make: Any, says: str, issuer: Issuer, transport: Transport
) -> None:
    finding = found(make(issuer), transport)
    assert finding.state == "failed"
    assert says in finding.text
    assert finding.remedy


def test_a_token_without_a_key_id_is_tried_with_every_key(issuer: Issuer, transport: Transport) -> None:
    token = jwt.encode({"iss": issuer.url}, issuer._key, algorithm="RS256")
    assert found(token, transport).state == "ok"


def by(server: ScriptedServer, issuer: Issuer) -> str:
    return issuer.mint({"iss": server.url}, audience="x")


@pytest.mark.parametrize(
    ("discovery", "says"),
    [
        (answer(404, {}), "answered 404"),
        (html(200), "something else than JSON"),
        (answer(200, []), "something else than JSON"),
        (answer(200, {}), "names no keys"),
        (answer(200, {"jwks_uri": 7}), "names no keys"),
        (answer(200, {"jwks_uri": "ftp://x"}), "begins with neither"),
        (answer(200, {"jwks_uri": "http://keys.acme.dev/"}), "not https://"),
        (answer(302, b"", {"Location": "http://127.0.0.1:1/"}), "answered 302"),
        (hang, "no complete answer"),
    ],
)
def test_keys_that_cannot_be_had_are_a_note(discovery: Any, says: str, issuer: Issuer, transport: Transport) -> None:
    with ScriptedServer({DISCOVERY: discovery}) as server:
        finding = found(by(server, issuer), transport, seconds=0.4)
        assert not [seen for seen in server.seen if "authorization" in seen.headers]
    assert finding.state == "note"
    assert says in finding.text


def test_keys_are_not_waited_for_as_long_as_the_vault(issuer: Issuer, transport: Transport) -> None:
    began = time.monotonic()
    with ScriptedServer({DISCOVERY: hang}) as server:
        assert found(by(server, issuer), transport, seconds=30).state == "note"
    assert time.monotonic() - began < 6


@pytest.mark.parametrize("keys", [{}, {"keys": []}, {"keys": [{"kty": "odd"}]}, {"keys": 3}, {"keys": ["x"]}])
def test_keys_in_an_odd_form_are_a_note(keys: Any, issuer: Issuer, transport: Transport) -> None:
    with ScriptedServer() as server:
        server.script(DISCOVERY, answer(200, {"jwks_uri": f"{server.url}/keys"}))
        server.script("GET /keys", answer(200, keys))
        finding = found(by(server, issuer), transport)
    assert finding.state == "note"
    assert "in no form that is known" in finding.text


@pytest.mark.parametrize(
    ("claimed", "says"),
    [
        (None, "names no issuer"),
        ("", "begins with neither"),
        ("http://issuer.acme.dev", "not https://"),
        ("https://user:pass@issuer.acme.dev", "user name or password"),
        ("http://127.0.0.1:1", "refused"),
    ],
)
def test_an_issuer_that_cannot_be_asked_is_a_note(
    claimed: object, says: str, issuer: Issuer, transport: Transport
) -> None:
    finding = found(issuer.mint({"iss": claimed}, audience="x"), transport)
    assert finding.state == "note"
    assert says in finding.text
    assert "user:pass" not in finding.text


def test_an_issuer_that_is_no_text_is_a_note(transport: Transport) -> None:
    head, payload = (base64.urlsafe_b64encode(part).decode() for part in (b'{"alg": "RS256"}', b'{"iss": ["x"]}'))
    finding = found(f"{head}.{payload}.c2ln".replace("=", ""), transport)
    assert (finding.state, finding.text) == ("note", "not verified: the token names no issuer")


def test_an_issuer_may_have_a_certificate_of_the_vaults_authority(
    issuer: Issuer, transport: Transport, tmp_path: Path
) -> None:
    authority = Certificates(tmp_path)
    trusting = Transport(tls=TlsSettings(ca_file=str(authority.ca_file)))
    with ScriptedServer({DISCOVERY: answer(404, {})}, authority.server()) as server:
        token = by(server, issuer)
        assert "certificate comes from an unknown issuer" in found(token, transport).text
        assert "answered 404" in found(token, transport, trusting).text
    trusting.close()
