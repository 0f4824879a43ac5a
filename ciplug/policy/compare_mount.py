"""How the configuration of an auth mount differs from what the roles there rely on: whose signature counts. No I/O.

A vault trusts whatever keys it finds at the address it was given. That the address is at the issuer's host is not
enough: on a host of repositories, anybody's file is.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit, urlunsplit

from ciplug.policy.difference import Difference
from ciplug.policy.hosts import ALL

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

_PORTS: Final = {"https": 443, "http": 80}
_HOSTS: Final = {host.kind: host for host in ALL}
_AUTHORITIES: Final = ("jwks_ca_pem", "oidc_discovery_ca_pem")


def mount_differences(host: str, issuer: str, config: Mapping[str, Any]) -> Iterator[Difference]:
    """Every difference of a mount for the tokens of `issuer`, a host of the kind `host`.

    `config` is empty where nobody has configured it. It holds, as ``tune``, how the mount is tuned where that is known,
    with the longest ``role_ttl`` that is implied there, in seconds.
    """
    if not config:
        yield Difference(grade="less", text="it is not configured, so nobody can log in")
        return
    yield from _bound_issuer(issuer, config.get("bound_issuer"))
    if config.get(name := "jwt_validation_pubkeys"):
        yield Difference(grade="more", about=name, text=f"its {name} let in whoever has their private keys")
    yield from _discovery(issuer, str(config.get("oidc_discovery_url") or ""))
    known = _own_keys(host, issuer)
    for source in (config, *_pairs(config)):
        yield from _keys(issuer, known, str(source.get("jwks_url") or ""))
        yield from _vouched(issuer, source)
    yield from _tuned(config.get("tune") or {})
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


def _own_keys(host: str, issuer: str) -> frozenset[str]:
    """The URLs at which hosts of the kind `host` serve the keys of `issuer`.

    An enterprise of GitHub's can have an issuer of its own below the public one's, whose keys are the same.
    Source: https://docs.github.com/en/actions/reference/security/oidc
    """
    kind = _HOSTS.get(host)
    if kind is None:
        return frozenset()
    roots = {issuer, kind.issuer} if _origin(issuer) == _origin(kind.issuer) else {issuer}
    return frozenset(_plain(root.rstrip("/") + path) for root in roots for path in kind.keys)


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
    if url and _plain(url) != _plain(issuer):
        name = "oidc_discovery_url"
        text = f"its {name} is {json.dumps(url)}, which is not the issuer {json.dumps(issuer)}"
        yield Difference(grade="more", about=name, text=text)


def _keys(issuer: str, known: Collection[str], url: str) -> Iterator[Difference]:
    """Where keys come from; only at those that are `known` are they the issuer's for sure."""
    name = "jwks_url"
    if url and _origin(url) != _origin(issuer):
        text = f"its {name} is {json.dumps(url)}, which is not at the issuer {json.dumps(issuer)}"
        yield Difference(grade="more", about=name, text=text)
    elif url and _plain(url) not in known:
        text = f"its {name} is {json.dumps(url)}, and whose keys these are cannot be told: set oidc_discovery_url"
        yield Difference(grade="other", about=name, text=text)


def _vouched(issuer: str, config: Mapping[str, Any]) -> Iterator[Difference]:
    for name in _AUTHORITIES:
        if config.get(name) and _is_public(issuer):
            text = f"its {name} lets another authority vouch for {issuer}, which needs none of its own"
            yield Difference(grade="more", about=name, text=text)


def _tuned(tune: Mapping[str, Any]) -> Iterator[Difference]:
    """NOTE: of the mount's types of token ``batch`` alone wins over that of a role, measured on OpenBao 2.7."""
    if tune.get(name := "token_type") == "batch":
        text = f"its {name} is batch, whatever a role says: tokens are batch tokens, which cannot be revoked"
        yield Difference(grade="more", about=name, text=text)
    longest = tune.get(name := "max_lease_ttl") or 0  # for which the vault takes its own
    if 0 < longest < tune.get("role_ttl", 0):
        text = f"its {name} is {longest}, so that no token lives the {tune['role_ttl']} that a role is to give"
        yield Difference(grade="less", about=name, text=text)


def _is_public(issuer: str) -> bool:
    return any(_origin(issuer) == _origin(host.issuer) for host in ALL if host.issuer)


def _plain(url: str) -> str:
    """`url` in one spelling of those that mean the same; what is none stays as it is."""
    scheme, host, port = _origin(url)
    parts = urlsplit(url) if host else None
    if parts is None or "@" in parts.netloc:
        return url
    name = f"[{host}]" if ":" in host else host
    return urlunsplit((scheme, f"{name}:{port}", parts.path.rstrip("/"), parts.query, parts.fragment))


def _origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port of `url`; what is none has no host."""
    try:
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return "", "", None
