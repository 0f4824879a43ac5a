"""How the configuration of an auth mount differs from what the roles there rely on: whose signature counts. No I/O."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ciplug.policy.compare_role import Difference

_PORTS: Final = {"https": 443, "http": 80}


def mount_differences(issuer: str, config: Mapping[str, Any]) -> Iterator[Difference]:
    """Every difference of a mount for the tokens of `issuer`; `config` is empty where nobody has configured it."""
    if not config:
        yield "less", "it is not configured, so nobody can log in"
        return
    bound = config.get("bound_issuer")
    if not bound:
        yield "more", f"it has no bound_issuer, which should be {json.dumps(issuer)}"
    elif bound != issuer:
        yield "less", f"its bound_issuer is {json.dumps(bound)}, not {json.dumps(issuer)}"
    if config.get("jwt_validation_pubkeys"):
        yield "more", "its jwt_validation_pubkeys let in whoever has their private keys"
    for name in ("jwks_url", "oidc_discovery_url"):
        if (url := config.get(name)) and _origin(str(url)) != _origin(issuer):
            yield "more", f"its {name} is {json.dumps(url)}, which is not at the issuer {json.dumps(issuer)}"


def _origin(url: str) -> tuple[str, int | None]:
    """Host and port of `url`; what is none has no host."""
    try:
        parts = urlsplit(url)
        return parts.hostname or "", parts.port or _PORTS.get(parts.scheme)
    except ValueError:
        return "", None
