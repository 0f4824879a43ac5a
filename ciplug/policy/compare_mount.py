"""How the configuration of an auth mount differs from what the roles there rely on: whose signature counts. No I/O.

A vault trusts whatever keys it finds at the address it was given. That the address is at the issuer's host is not
enough: on a host of repositories, anybody's file is.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from ciplug.policy.difference import Difference
from ciplug.policy.hosts import ALL

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

_PORTS: Final = {"https": 443, "http": 80}
_PUBLIC: Final = frozenset(host.issuer for host in ALL if host.issuer)
_KEYS: Final = {host.kind: host.keys for host in ALL}
_AUTHORITIES: Final = ("jwks_ca_pem", "oidc_discovery_ca_pem")


def mount_differences(host: str, issuer: str, config: Mapping[str, Any]) -> Iterator[Difference]:
    """Every difference of a mount for the tokens of `issuer`, a host of the kind `host`.

    `config` is empty where nobody has configured it.
    """
    if not config:
        yield Difference(grade="less", text="it is not configured, so nobody can log in")
        return
    yield from _bound_issuer(issuer, config.get("bound_issuer"))
    if config.get(name := "jwt_validation_pubkeys"):
        yield Difference(grade="more", about=name, text=f"its {name} let in whoever has their private keys")
    yield from _discovery(issuer, str(config.get("oidc_discovery_url") or ""))
    known = {issuer.rstrip("/") + path for path in _KEYS.get(host, ())}
    for source in (config, *_pairs(config)):
        yield from _keys(issuer, known, str(source.get("jwks_url") or ""))
        yield from _vouched(issuer, source)
    for name in ("override_allowed_server_names", "provider_config"):
        if config.get(name):
            text = f"its {name} is set, with which the keys may be another's than the issuer's"
            yield Difference(grade="other", about=name, text=text)


def private_authorities(issuer: str, config: Mapping[str, Any]) -> list[str]:
    """The fields with a certificate authority of somebody's own, where the `issuer` is no public one and may need it.

    Whoever has its key can answer in the issuer's place, which only people can judge.
    """
    given = (config, *_pairs(config))
    return [name for name in _AUTHORITIES if any(each.get(name) for each in given) and not _is_public(issuer)]


def _pairs(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The several URLs that HashiCorp's Vault takes, each with its certificate authority."""
    return [pair if isinstance(pair, dict) else {"jwks_url": pair} for pair in config.get("jwks_pairs") or ()]


def _bound_issuer(issuer: str, bound: object) -> Iterator[Difference]:
    wanted = json.dumps(issuer)
    if not bound:
        yield Difference(grade="more", about="bound_issuer", text=f"it has no bound_issuer, which should be {wanted}")
    elif bound != issuer:
        yield Difference(
            grade="less", about="bound_issuer", text=f"its bound_issuer is {json.dumps(bound)}, not {wanted}"
        )


def _discovery(issuer: str, url: str) -> Iterator[Difference]:
    """The vault compares the document's own issuer with this URL, so there is one right value."""
    if url and url.rstrip("/") != issuer.rstrip("/"):
        name = "oidc_discovery_url"
        text = f"its {name} is {json.dumps(url)}, which is not the issuer {json.dumps(issuer)}"
        yield Difference(grade="more", about=name, text=text)


def _keys(issuer: str, known: Collection[str], url: str) -> Iterator[Difference]:
    """Where keys come from; only at those that are `known` are they the issuer's for sure."""
    name = "jwks_url"
    if url and _origin(url) != _origin(issuer):
        text = f"its {name} is {json.dumps(url)}, which is not at the issuer {json.dumps(issuer)}"
        yield Difference(grade="more", about=name, text=text)
    elif url and url not in known:
        text = f"its {name} is {json.dumps(url)}, and whose keys these are cannot be told: set oidc_discovery_url"
        yield Difference(grade="other", about=name, text=text)


def _vouched(issuer: str, config: Mapping[str, Any]) -> Iterator[Difference]:
    for name in _AUTHORITIES:
        if config.get(name) and _is_public(issuer):
            text = f"its {name} lets another authority vouch for {issuer}, which needs none of its own"
            yield Difference(grade="more", about=name, text=text)


def _is_public(issuer: str) -> bool:
    return issuer.rstrip("/") in _PUBLIC


def _origin(url: str) -> tuple[str, int | None]:
    """Host and port of `url`; what is none has no host."""
    try:
        parts = urlsplit(url)
        return parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return "", None
