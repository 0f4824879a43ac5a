"""What ``ciplug doctor`` asks of a vault: is it there, is it well, and what may this token do."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from ciplug.errors import CiplugError
from ciplug.frozen import frozen
from ciplug.net.retry import Transient
from ciplug.vault.client import Call
from ciplug.vault.errors import Purpose

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ciplug.values import Secret
    from ciplug.vault.answer import Answer
    from ciplug.vault.client import VaultClient

# Every state answers 200, so that a status of its own always means something else in between.
_HEALTH = "/v1/sys/health?standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200"


@frozen
class Health:
    """The state of one address. With a `problem` there was no usable answer, and the rest means nothing.

    `skew` is how many seconds the vault's clock is ahead of this machine's, to about a second; ``None`` if unknown.
    """

    address: str
    problem: CiplugError | None = None
    version: str = ""
    initialized: bool = False
    sealed: bool = False
    standby: bool = False
    skew: float | None = None


def health(client: VaultClient, *, wall_clock: Callable[[], float] = time.time) -> tuple[Health, ...]:
    """``GET /v1/sys/health`` of every address, in their order, each asked once."""
    return tuple(_health_of(client, index, wall_clock) for index in range(len(client.addresses)))


def capabilities(client: VaultClient, token: Secret, paths: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """``POST /v1/sys/capabilities-self``: what `token` may do on each of `paths`, which have no ``/v1/`` before them.

    ``("deny",)`` where it may do nothing.
    """
    doing = "asking for the token's capabilities"
    call = Call(
        method="POST",
        path="/v1/sys/capabilities-self",
        token=token,
        body={"paths": list(paths)},
        purpose=Purpose(step="inspect", doing=doing, subject="sys/capabilities-self", conceal=(token,)),
    )
    body = client.request(call).body
    data = body.get("data")
    found: Mapping[str, Any] = data if isinstance(data, dict) else body
    return {path: _words(found.get(path)) for path in paths}


def _health_of(client: VaultClient, index: int, wall_clock: Callable[[], float]) -> Health:
    address = client.addresses[index]
    purpose = Purpose(step="inspect", doing="asking for its health", subject="sys/health")
    # NOTE: without the namespace. Vault serves sys/health in the root namespace only.
    call = Call(method="GET", path=_HEALTH, purpose=purpose, root=True)
    try:
        answer = client.ask(address, call, client.deadline)
    except Transient as again:
        return Health(address=str(address), problem=again.error)
    except CiplugError as err:
        return Health(address=str(address), problem=err)
    body = answer.body
    return Health(
        address=str(address),
        version=str(body.get("version", "")),
        initialized=body.get("initialized") is True,
        sealed=body.get("sealed") is True,
        standby=body.get("standby") is True,
        skew=_skew(answer, wall_clock()),
    )


def _skew(answer: Answer, now: float) -> float | None:
    try:
        return parsedate_to_datetime(answer.date).timestamp() - now
    except ValueError:
        return None


def _words(value: object) -> tuple[str, ...]:
    return tuple(str(word) for word in value) if isinstance(value, list) else ("deny",)
