"""How the configuration of an auth mount differs from what the roles there rely on: whose signature counts. No I/O."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from ciplug.policy.difference import Difference

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_PORTS: Final = {"https": 443, "http": 80}


def mount_differences(issuer: str, config: Mapping[str, Any]) -> Iterator[Difference]:
    """Every difference of a mount for the tokens of `issuer`; `config` is empty where nobody has configured it."""
    if not config:
        yield Difference(grade="less", text="it is not configured, so nobody can log in")
        return
    yield from _bound_issuer(issuer, config.get("bound_issuer"))
    if config.get(name := "jwt_validation_pubkeys"):
        yield Difference(grade="more", about=name, text=f"its {name} let in whoever has their private keys")
    for name in ("jwks_url", "oidc_discovery_url"):
        if (url := config.get(name)) and _origin(str(url)) != _origin(issuer):
            text = f"its {name} is {json.dumps(url)}, which is not at the issuer {json.dumps(issuer)}"
            yield Difference(grade="more", about=name, text=text)


def _bound_issuer(issuer: str, bound: object) -> Iterator[Difference]:
    wanted = json.dumps(issuer)
    if not bound:
        yield Difference(grade="more", about="bound_issuer", text=f"it has no bound_issuer, which should be {wanted}")
    elif bound != issuer:
        yield Difference(
            grade="less", about="bound_issuer", text=f"its bound_issuer is {json.dumps(bound)}, not {wanted}"
        )


def _origin(url: str) -> tuple[str, int | None]:
    """Host and port of `url`; what is none has no host."""
    try:
        parts = urlsplit(url)
        return parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return "", None
