"""What ``ciplug doctor`` asks of a vault: is it there and well, what may this token do, and what is set up for it."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

from ciplug.errors import CiplugError, DeniedError
from ciplug.frozen import frozen
from ciplug.net.failures import Failure
from ciplug.net.retry import Transient
from ciplug.vault.client import Call
from ciplug.vault.errors import BadRequestError, NotThereError, Purpose
from ciplug.vault.parallel import in_parallel
from ciplug.vault.reading import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ciplug.net.deadline import Deadline
    from ciplug.values import Secret
    from ciplug.vault.addresses import Address
    from ciplug.vault.answer import Answer
    from ciplug.vault.client import VaultClient

LOOK_SECONDS: Final = 2.0
"""What a look may take at anything that a job does not need itself: setup, rights, the mounts."""

_HEALTH_SECONDS: Final = 5.0
"""What one of several addresses may take to tell its state."""

# Every state answers 200, so that a status of its own always means something else in between.
_HEALTH = "/v1/sys/health?standbyok=true&perfstandbyok=true&sealedcode=200&uninitcode=200"


@frozen
class Health:
    """The state of one address. With a `problem` there was no usable answer, and the rest means nothing.

    `failure` is what the network made of the request, where that is the problem. `skew` is how many seconds the vault's
    clock is ahead of this machine's, to about a second; ``None`` if unknown.
    """

    address: str
    problem: CiplugError | None = None
    failure: Failure | None = None
    version: str = ""
    initialized: bool = False
    sealed: bool = False
    standby: bool = False
    skew: float | None = None


def health(client: VaultClient, *, wall_clock: Callable[[], float] = time.time) -> tuple[Health, ...]:
    """``GET /v1/sys/health`` of every address, in their order, each asked once, and all at the same time.

    Of several that hang at least half of the time is left for other requests of `client`.
    """
    addresses, left = client.addresses, client.deadline.remaining()
    if len(addresses) == 1:
        return (_health_of(client, addresses[0], client.deadline, None, wall_clock),)
    # Rounded for messages.
    share = round(min(left / 2, _HEALTH_SECONDS), 1)
    phase = client.transport.phase(left)
    found = in_parallel(
        addresses,
        lambda address: _health_of(client, address, phase, share, wall_clock),
        workers=len(addresses),
        end=lambda: client.transport.abort(phase),
    )
    return tuple(found[address] for address in addresses)


def capabilities(
    client: VaultClient, token: Secret, paths: Sequence[str], *, seconds: float | None = None
) -> Mapping[str, tuple[str, ...]]:
    """``POST /v1/sys/capabilities-self``: what `token` may do on each of `paths`, which have no ``/v1/`` before them.

    ``("deny",)`` where it may do nothing. It is asked once and for at most `seconds`, where these are given.
    """
    doing = "asking for the token's capabilities"
    call = Call(
        method="POST",
        path="/v1/sys/capabilities-self",
        token=token,
        body={"paths": list(paths)},
        purpose=Purpose(step="inspect", doing=doing, subject="sys/capabilities-self", conceal=(token,)),
    )
    body = (client.request(call) if seconds is None else client.look(call, seconds)).body
    data = body.get("data")
    found: Mapping[str, Any] = data if isinstance(data, dict) else body
    return {path: _words(found.get(path)) for path in paths}


def has_auth_mount(client: VaultClient, mount: str) -> bool | None:
    """Whether a JWT auth method answers at `mount`; ``None`` where that cannot be told.

    ``POST /v1/auth/{mount}/login`` without role and token: a method that is there says what is missing (400), and what
    is not there is refused (403). The token is not sent for this.
    """
    purpose = Purpose(step="inspect", doing=f"looking for auth/{mount}", subject=f"auth/{mount}")
    call = Call(method="POST", path=f"/v1/auth/{quoted(mount)}/login", body={}, purpose=purpose)
    try:
        client.look(call, LOOK_SECONDS)
    except DeniedError:
        return False
    except BadRequestError:
        return True
    except CiplugError:
        return None
    return True


def read_role(client: VaultClient, token: Secret, mount: str, role: str) -> Mapping[str, Any] | None:
    """``GET /v1/auth/{mount}/role/{role}``: what the role wants and gives; ``None`` where `token` may not read it."""
    return _read(client, token, f"auth/{quoted(mount)}/role/{quoted(role)}")


def read_auth_config(client: VaultClient, token: Secret, mount: str) -> Mapping[str, Any] | None:
    """``GET /v1/auth/{mount}/config``: which issuer and keys are trusted; ``None`` where `token` may not read it."""
    return _read(client, token, f"auth/{quoted(mount)}/config")


def read_mount(client: VaultClient, token: Secret, mount: str) -> Mapping[str, Any] | None:
    """``GET /v1/sys/internal/ui/mounts/{mount}``: ``type`` and ``options`` of a secrets engine.

    ``None`` where `token` may do nothing below it, and where there is no such mount.
    """
    return _read(client, token, f"sys/internal/ui/mounts/{quoted(mount)}")


def look_up(client: VaultClient, token: Secret) -> Mapping[str, Any]:
    """``GET /v1/auth/token/lookup-self``: ``policies`` and ``ttl`` of `token`. It counts as one use of the token."""
    return _data(client, token, "auth/token/lookup-self")


def _read(client: VaultClient, token: Secret, path: str) -> Mapping[str, Any] | None:
    try:
        return _data(client, token, path)
    except (DeniedError, NotThereError):
        return None


def _data(client: VaultClient, token: Secret, path: str) -> Mapping[str, Any]:
    purpose = Purpose(step="inspect", doing=f"looking at {path}", subject=path, conceal=(token,))
    call = Call(method="GET", path=f"/v1/{path}", token=token, purpose=purpose)
    data = client.look(call, LOOK_SECONDS).body.get("data")
    return data if isinstance(data, dict) else {}


def _failure(error: BaseException) -> Failure | None:
    return error.__cause__ if isinstance(error.__cause__, Failure) else None


def _health_of(
    client: VaultClient, address: Address, deadline: Deadline, seconds: float | None, wall_clock: Callable[[], float]
) -> Health:
    purpose = Purpose(step="inspect", doing="asking for its health", subject="sys/health")
    # NOTE: without the namespace. Vault serves sys/health in the root namespace only.
    call = Call(method="GET", path=_HEALTH, purpose=purpose, root=True)
    try:
        answer = client.ask(address, call, deadline, seconds)
    except Transient as again:
        return Health(address=str(address), problem=again.error, failure=_failure(again))
    except CiplugError as err:
        return Health(address=str(address), problem=err, failure=_failure(err))
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
    except (ValueError, OverflowError):  # the latter for a year of many digits
        return None


def _words(value: object) -> tuple[str, ...]:
    return tuple(str(word) for word in value) if isinstance(value, list) else ("deny",)
