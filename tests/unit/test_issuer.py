"""The local issuer: what it mints, what it publishes, and how its GitHub endpoint answers."""

from __future__ import annotations

import json
import socket
import time

import httpx
import jwt
import pytest

from ciplug.standins.claims import github_claims, gitlab_claims, jenkins_claims
from ciplug.standins.issuer import Behaviour, GithubEndpoint, Issuer
from ciplug.standins.loopback import DROP, HANG, Answer, LoopbackServer, Request

AUDIENCE = "https://vault.acme.dev"


@pytest.fixture(scope="module")
def issuer():
    with Issuer() as issuer:
        yield issuer


def ask(endpoint: GithubEndpoint, audience: str | None = AUDIENCE, bearer: str | None = None) -> httpx.Response:
    query = "" if audience is None else f"&audience={audience}"
    authorization = f"bearer {endpoint.request_token}" if bearer is None else bearer
    return httpx.get(endpoint.request_url + query, headers={"Authorization": authorization}, timeout=5)


def payload(token: str) -> dict[str, object]:
    return jwt.decode(token, options={"verify_signature": False})


def test_discovery_and_keys_are_enough_to_verify_a_token(issuer):
    document = httpx.get(f"{issuer.url}/.well-known/openid-configuration").json()
    assert document["issuer"] == issuer.url
    token = issuer.mint({"sub": "me"}, audience=AUDIENCE)
    key = jwt.PyJWKClient(document["jwks_uri"]).get_signing_key_from_jwt(token)
    claims = jwt.decode(token, key, algorithms=["RS256"], audience=AUDIENCE, issuer=issuer.url)
    assert claims["sub"] == "me"


def test_each_issuer_has_a_key_of_its_own(issuer):
    with Issuer() as other:
        key = jwt.PyJWKClient(issuer.jwks_url).get_signing_keys()[0]
        with pytest.raises(jwt.InvalidSignatureError):
            jwt.decode(other.mint({}, audience=AUDIENCE), key, algorithms=["RS256"], audience=AUDIENCE)


def test_a_token_has_what_every_token_has_and_its_life(issuer):
    before = int(time.time())
    claims = payload(issuer.mint({}, audience=AUDIENCE, lifetime=60))
    assert set(claims) == {"iss", "aud", "iat", "nbf", "exp", "jti"}
    assert before <= claims["iat"] <= time.time()
    assert (claims["nbf"] - claims["iat"], claims["exp"] - claims["iat"]) == (-5, 60)
    assert claims["jti"] != payload(issuer.mint({}, audience=AUDIENCE))["jti"]


def test_a_claim_that_is_given_wins_and_one_that_is_none_is_left_out(issuer):
    claims = payload(issuer.mint({"iss": "https://x", "aud": ["a"], "jti": None, "nbf": None}, audience=AUDIENCE))
    assert (claims["iss"], claims["aud"]) == ("https://x", ["a"])
    assert set(claims) == {"iss", "aud", "iat", "exp"}


def test_headers_can_be_replaced(issuer):
    token = issuer.mint({}, audience=AUDIENCE, headers={"kid": "other"})
    assert jwt.get_unverified_header(token) == {"alg": "RS256", "typ": "JWT", "kid": "other"}


@pytest.mark.parametrize("path", ["/", "/idtoken/unknown", "/jwks/"])
def test_any_other_path_is_not_found(issuer, path):
    assert httpx.get(issuer.url + path).status_code == 404


def test_another_method_is_refused(issuer):
    assert httpx.post(issuer.jwks_url).status_code == 405


def test_a_github_endpoint_gives_a_token_for_the_audience_asked_for(issuer):
    endpoint = issuer.github_endpoint(github_claims(run_id="4711"))
    first, second = (payload(ask(endpoint).json()["value"]) for _ in range(2))
    assert (first["aud"], first["run_id"], first["iss"]) == (AUDIENCE, "4711", issuer.url)
    assert first["jti"] != second["jti"]


def test_the_default_audience_is_the_owner(issuer):
    endpoint = issuer.github_endpoint(github_claims("acme/shop"))
    assert payload(ask(endpoint, audience=None).json()["value"])["aud"] == "https://github.com/acme"


@pytest.mark.parametrize("authorization", ["", "bearer", "bearer wrong", "basic {token}", "{token}", "bearer {token}x"])
def test_a_wrong_bearer_is_refused_and_gets_no_token(issuer, authorization):
    endpoint = issuer.github_endpoint(github_claims())
    answer = ask(endpoint, bearer=authorization.format(token=endpoint.request_token))
    assert answer.status_code == 401
    assert "value" not in answer.json()


def test_the_bearer_of_one_endpoint_does_not_open_another(issuer):
    mine, other = issuer.github_endpoint(github_claims()), issuer.github_endpoint(github_claims())
    assert ask(GithubEndpoint(other.request_url, mine.request_token)).status_code == 401


def test_requests_are_recorded_by_endpoint_and_none_means_none(issuer):
    asked, idle = issuer.github_endpoint(github_claims()), issuer.github_endpoint(github_claims())
    assert issuer.requests(asked.request_url) == ()
    ask(asked, bearer="bearer wrong")
    ask(asked)
    seen = issuer.requests(asked.request_url)
    assert [(one.audience, one.status) for one in seen] == [(AUDIENCE, 401), (AUDIENCE, 200)]
    assert issuer.requests(idle.request_url) == ()
    assert issuer.requests()[-2:] == seen


def test_pending_and_unavailable_come_first_and_do_not_count_strangers(issuer):
    endpoint = issuer.github_endpoint(github_claims(), behaviour=Behaviour(pending=2, unavailable=1))
    ask(endpoint, bearer="bearer wrong")
    answers = [ask(endpoint) for _ in range(5)]
    assert [answer.status_code for answer in answers] == [403, 403, 503, 200, 200]
    assert "Can't issue ID_TOKEN for job in 'Pending' state" in answers[0].text


def test_a_missing_value_and_a_page_are_status_200(issuer):
    empty = ask(issuer.github_endpoint(github_claims(), behaviour=Behaviour(then="no-value")))
    assert (empty.status_code, "value" in empty.json()) == (200, False)
    page = ask(issuer.github_endpoint(github_claims(), behaviour=Behaviour(then="html")))
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html")
    assert page.text.startswith("<!doctype html>")


def test_a_hanging_endpoint_says_nothing_until_the_issuer_ends(issuer):
    with Issuer() as own:
        endpoint = own.github_endpoint(github_claims(), behaviour=Behaviour(then="hang"))
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(endpoint.request_url, headers={"Authorization": f"bearer {endpoint.request_token}"}, timeout=0.2)
        assert [seen.status for seen in own.requests(endpoint.request_url)] == [HANG]
        host, port = own.url.removeprefix("http://").split(":")
        waiting = socket.create_connection((host, int(port)), timeout=5)
        target = endpoint.request_url.removeprefix(own.url)
        waiting.sendall(f"GET {target} HTTP/1.1\r\nAuthorization: bearer {endpoint.request_token}\r\n\r\n".encode())
        deadline = time.monotonic() + 5
        while len(own.requests(endpoint.request_url)) < 2:
            assert time.monotonic() < deadline
    with waiting:
        assert waiting.recv(1) == b""


def test_a_client_that_goes_away_is_no_failure_of_the_server(capfd):
    def respond(request: Request) -> Answer:
        if request.target == "/broken":
            raise ConnectionResetError
        return Answer(status=200, body=b"{}")

    with LoopbackServer(respond) as server:
        with pytest.raises(httpx.RemoteProtocolError):
            httpx.get(f"{server.url}/broken")
        assert httpx.get(f"{server.url}/fine").json() == {}
    assert capfd.readouterr() == ("", "")


def test_a_failure_of_the_server_is_shown(capfd):
    def respond(request: Request) -> Answer:
        raise LookupError(request.target)

    with LoopbackServer(respond) as server, pytest.raises(httpx.RemoteProtocolError):
        httpx.get(f"{server.url}/broken")
    assert "LookupError: /broken" in capfd.readouterr().err


SUBJECTS = [
    ({}, "repo:acme/shop:ref:refs/heads/main"),
    ({"ref": "refs/tags/v1"}, "repo:acme/shop:ref:refs/tags/v1"),
    ({"event_name": "pull_request", "ref": "refs/pull/7/merge"}, "repo:acme/shop:pull_request"),
    ({"event_name": "pull_request", "environment": "dev"}, "repo:acme/shop:environment:dev"),
    ({"event_name": "pull_request_target"}, "repo:acme/shop:ref:refs/heads/main"),
    ({"environment": "eu:prod"}, "repo:acme/shop:environment:eu%3Aprod"),
    ({"immutable_sub": True}, "repo:acme@65/shop@74:ref:refs/heads/main"),
    ({"sub": "custom"}, "custom"),
]


@pytest.mark.parametrize(("given", "subject"), SUBJECTS)
def test_a_github_subject_follows_the_first_rule_that_fits(given, subject):
    assert github_claims(**given)["sub"] == subject


def test_github_claims_are_all_strings_but_an_environment_that_is_not_there():
    claims = github_claims()
    assert claims.pop("environment") is None
    assert all(isinstance(value, str) for value in claims.values())
    assert {"iss", "aud", "exp", "iat", "nbf", "jti"}.isdisjoint(claims)
    assert claims["repository_owner"] == "acme"


def test_github_tells_branches_tags_and_pull_requests_apart():
    assert github_claims(ref="refs/tags/v1")["ref_type"] == "tag"
    pull = github_claims(event_name="pull_request", ref="refs/pull/7/merge")
    assert (pull["ref_type"], pull["base_ref"], pull["head_ref"]) == ("branch", "main", "feature")
    assert (github_claims()["base_ref"], github_claims()["head_ref"]) == ("", "")


def test_gitlab_claims_are_strings_but_the_runner_id():
    claims = gitlab_claims(environment="production", protected=False)
    assert claims.pop("runner_id") == 1
    assert all(isinstance(value, str) for value in claims.values())
    assert (claims["ref_protected"], claims["environment_protected"]) == ("false", "false")
    assert claims["sub"] == "project_path:acme/shop:ref_type:branch:ref:main"


def test_gitlab_says_nothing_of_an_environment_that_is_not_there():
    claims = gitlab_claims("acme/web/shop", "v1", ref_type="tag")
    assert not [name for name in claims if "environment" in name and name != "runner_environment"]
    assert (claims["namespace_path"], claims["ref_path"], claims["ref_protected"]) == (
        "acme/web",
        "refs/tags/v1",
        "true",
    )


def test_a_jenkins_token_has_an_integer_and_a_list_and_neither_jti_nor_nbf(issuer):
    claims = payload(issuer.mint(jenkins_claims(audience=AUDIENCE), audience="unused"))
    assert set(claims) == {"iss", "aud", "iat", "exp", "sub", "build_number"}
    assert (claims["build_number"], claims["aud"]) == (42, [AUDIENCE])
    assert claims["sub"] == "https://ci.acme.dev/job/shop/"


def test_a_jenkins_credential_without_an_audience_has_none(issuer):
    assert "aud" not in payload(issuer.mint(jenkins_claims(), audience="unused"))


@pytest.mark.parametrize("build", [github_claims, gitlab_claims, jenkins_claims])
def test_claims_can_be_added_and_replaced_and_calls_share_nothing(build):
    assert build(groups_direct=["a"], sub="other").items() >= {"groups_direct": ["a"], "sub": "other"}.items()
    build()["sub"] = "changed"
    assert build()["sub"] != "changed"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_request_arrives_whole(method):
    def respond(request: Request) -> Answer:
        told = {"method": request.method, "target": request.target, "x": request.headers["x-y"], "n": len(request.body)}
        return Answer(status=200, body=json.dumps(told).encode(), headers={"Retry-After": "3"})

    with LoopbackServer(respond) as server:
        answer = httpx.request(method, f"{server.url}/a?b=c", headers={"X-Y": "z"}, content=b"body")
    assert answer.json() == {"method": method, "target": "/a?b=c", "x": "z", "n": 4}
    assert answer.headers["retry-after"] == "3"


@pytest.mark.parametrize("answer", [Answer(status=DROP), Answer(status=200, body=b"{}", missing=5)])
def test_an_answer_can_be_lost_or_cut_short(answer):
    with LoopbackServer(lambda _request: answer) as server, pytest.raises(httpx.RemoteProtocolError):
        httpx.get(server.url)
