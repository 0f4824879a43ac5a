"""Whose keys a mount trusts, beside the issuer whose tokens its roles are for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ciplug.policy.compare_mount import mount_differences, private_authorities

if TYPE_CHECKING:
    from collections.abc import Mapping

GITHUB, GITLAB = "https://token.actions.githubusercontent.com", "https://gitlab.com"
OWN = "https://i"
CA = "-----BEGIN CERTIFICATE-----"


def found(config: Mapping[str, Any], host: str = "github", issuer: str = OWN) -> list[tuple[str, str]]:
    """The grade and field of each difference of a mount that is bound to `issuer`."""
    return [(one.grade, one.about) for one in mount_differences(host, issuer, {"bound_issuer": issuer} | config)]


@pytest.mark.parametrize(
    ("config", "text"),
    [({}, "it is not configured"), ({"bound_issuer": "https://j"}, 'its bound_issuer is "https://j')],
)
def test_a_mount_that_lets_nobody_in_is_named(config: Mapping[str, Any], text: str) -> None:
    [one] = mount_differences("github", OWN, config)
    assert (one.grade, one.text.startswith(text)) == ("less", True)


@pytest.mark.parametrize(
    ("host", "issuer", "url"),
    [
        ("github", GITHUB, f"{GITHUB}/.well-known/jwks"),
        ("github", "https://ghe.acme.dev/_services/token", "https://ghe.acme.dev/_services/token/.well-known/jwks"),
        ("github", "http://127.0.0.1:9", "http://127.0.0.1:9/jwks"),
        ("gitlab", GITLAB, f"{GITLAB}/oauth/discovery/keys"),
        ("github", f"{GITHUB}/acme", f"{GITHUB}/.well-known/jwks"),
        ("github", f"{GITHUB}/acme", f"{GITHUB}/acme/.well-known/jwks"),
        ("github", GITHUB, "HTTPS://Token.Actions.GitHubUserContent.com:443/.well-known/jwks/"),
        ("gitlab", GITLAB, f"{GITLAB}/-/jwks"),
        ("gitlab", "https://git.acme.dev/", "https://git.acme.dev/oauth/discovery/keys"),
        ("gitlab", "https://git.acme.dev:8443", "https://GIT.acme.dev:8443/-/jwks"),
        ("gitlab", "http://[::1]:80", "http://[::1]/-/jwks"),
        ("jenkins", "https://ci.acme.dev/oidc", "https://ci.acme.dev/oidc/jwks"),
    ],
)
def test_the_keys_that_a_host_serves_as_its_own_are_the_issuers(host: str, issuer: str, url: str) -> None:
    assert found({"jwks_url": url}, host, issuer) == []
    assert found({"jwks_pairs": [{"jwks_url": url, "jwks_ca_pem": ""}]}, host, issuer) == []
    assert found({"oidc_discovery_url": issuer}, host, issuer) == []
    assert found({"oidc_discovery_url": f"{issuer.rstrip('/')}/"}, host, issuer) == []


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("github", "https://i/mallory/raw/keys.json"),
        ("github", "https://i/jwks?x=/mallory/raw/keys.json"),
        ("github", "https://i/jwks/../mallory"),
        ("github", "https://i/oauth/discovery/keys"),
        ("github", "https://i/.well-known/JWKS"),
        ("github", "https://mallory@i/jwks"),
        ("github", "https://i/jwks#x"),
        ("gitlab", "https://i/mallory/-/jwks"),
        ("gitlab", "https://i/jwks"),
        ("gitlab", "https://i/.well-known/jwks"),
        ("gitlab", "https://i/mallory/x/-/raw/main/oauth/discovery/keys"),
        ("jenkins", "https://i/job/shop/ws/jwks"),
        ("other", "https://i/jwks"),
    ],
)
def test_other_keys_at_the_issuers_address_may_be_anybodys(host: str, url: str) -> None:
    [one] = mount_differences(host, OWN, {"bound_issuer": OWN, "jwks_url": url})
    assert (one.grade, one.about) == ("other", "jwks_url")
    assert one.text == f'its jwks_url is "{url}", and whose keys these are cannot be told: set oidc_discovery_url'
    assert found({"jwks_pairs": [{"jwks_url": url}]}, host) == [("other", "jwks_url")]


@pytest.mark.parametrize(
    "url",
    [
        "https://j/jwks",
        "https://i:8443/jwks",
        "http://i/jwks",
        "http://i:443/jwks",
        "https://i@j/jwks",
        "https://i:x/jwks",
        "i/jwks",
    ],
)
def test_keys_at_another_address_than_the_issuers_are_somebody_elses(url: str) -> None:
    assert found({"jwks_url": url}) == [("more", "jwks_url")]
    assert found({"jwks_pairs": [{"jwks_url": "https://i/jwks"}, {"jwks_url": url}]}) == [("more", "jwks_url")]
    assert found({"jwks_pairs": [url]}) == [("more", "jwks_url")]


@pytest.mark.parametrize("url", ["https://I", "https://i:443", "https://i:443/"])
def test_a_discovery_url_may_be_written_otherwise(url: str) -> None:
    assert found({"oidc_discovery_url": url}) == []


@pytest.mark.parametrize("url", ["https://i.j", "https://i/mallory", "http://i", "http://i:443", "https://i/jwks", "i"])
def test_a_discovery_url_is_the_issuer_and_nothing_else(url: str) -> None:
    [one] = mount_differences("github", OWN, {"bound_issuer": OWN, "oidc_discovery_url": url})
    assert (one.grade, one.text) == ("more", f'its oidc_discovery_url is "{url}", which is not the issuer "{OWN}"')


@pytest.mark.parametrize(
    ("config", "difference"),
    [
        ({"bound_issuer": ""}, ("more", "bound_issuer")),
        ({"jwt_validation_pubkeys": ["k"]}, ("more", "jwt_validation_pubkeys")),
        ({"override_allowed_server_names": ["evil.example"]}, ("other", "override_allowed_server_names")),
        ({"provider_config": {"provider": "azure"}}, ("other", "provider_config")),
    ],
)
def test_what_else_lets_others_in_is_named(config: Mapping[str, Any], difference: tuple[str, str]) -> None:
    assert found({"jwks_url": "https://i/jwks"} | config) == [difference]


def test_keys_above_an_issuer_that_is_not_githubs_own_are_not_its() -> None:
    assert found({"jwks_url": "https://i/jwks"}, issuer="https://i/acme") == [("other", "jwks_url")]


@pytest.mark.parametrize(
    ("tune", "difference"),
    [
        (
            {"token_type": "batch"},
            ("more", "its token_type is batch, whatever a role says: tokens are batch tokens, which cannot be revoked"),
        ),
        (
            {"max_lease_ttl": 60},
            ("less", "its max_lease_ttl is 60, so that no token lives the 300 that a role is to give"),
        ),
    ],
)
def test_a_mount_tuned_to_give_other_tokens_is_named(tune: Mapping[str, Any], difference: tuple[str, str]) -> None:
    [one] = mount_differences("github", OWN, {"bound_issuer": OWN, "tune": {"role_ttl": 300} | tune})
    assert (one.grade, one.text) == difference


@pytest.mark.parametrize("token_type", ["default-service", "default-batch", "service"])
@pytest.mark.parametrize("longest", [0, 300, 301])
def test_a_mount_tuned_so_that_its_roles_decide_is_in_order(token_type: str, longest: int) -> None:
    assert found({"tune": {"role_ttl": 300, "token_type": token_type, "max_lease_ttl": longest}}) == []


@pytest.mark.parametrize(
    ("host", "issuer"),
    [("github", GITHUB), ("github", f"{GITHUB}/acme"), ("gitlab", GITLAB), ("gitlab", f"{GITLAB}:443")],
)
@pytest.mark.parametrize("field", ["jwks_ca_pem", "oidc_discovery_ca_pem"])
def test_a_public_issuer_needs_no_authority_of_its_own(host: str, issuer: str, field: str) -> None:
    assert found({field: CA}, host, issuer) == [("more", field)]
    assert private_authorities(issuer, {field: CA}) == []


@pytest.mark.parametrize("field", ["jwks_ca_pem", "oidc_discovery_ca_pem"])
def test_an_authority_of_a_private_issuer_is_for_people_to_judge(field: str) -> None:
    assert found({field: CA}) == []
    assert private_authorities(OWN, {field: CA}) == [field]
    assert private_authorities(OWN, {field: ""}) == []


def test_an_authority_of_one_url_of_several_is_seen() -> None:
    config = {"jwks_pairs": [{"jwks_url": "https://i/jwks", "jwks_ca_pem": CA}]}
    assert private_authorities(OWN, config) == ["jwks_ca_pem"]


def test_fields_that_say_nothing_of_keys_are_no_difference() -> None:
    harmless = {"default_role": "x", "jwt_supported_algs": ["RS256"], "namespace_in_state": True, "status": "valid"}
    empty = {"jwks_pairs": None, "jwks_ca_pem": "", "override_allowed_server_names": [], "provider_config": {}}
    assert found({"jwks_url": "https://i/jwks", "oidc_discovery_url": ""} | harmless | empty) == []
