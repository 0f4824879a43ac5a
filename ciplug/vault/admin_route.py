"""What an administrative call through hvac raises, said in ciplug's own errors."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from ciplug.errors import CiplugError, DeniedError, MissingError, SealedError, UnreachableError, VaultError

if TYPE_CHECKING:
    from collections.abc import Iterator

_STATUS: Final = {
    "InvalidRequest": 400,
    "RateLimitExceeded": 429,
    "InternalServerError": 500,
    "BadGateway": 502,
}


@contextmanager
def route(line: str) -> Iterator[None]:
    """A block that makes the one call named by `line` (``POST /v1/sys/seal``), which every message starts with.

    Raises ``DeniedError`` (401, 403), ``MissingError`` (404), ``SealedError`` (501, 503), ``VaultError`` for any other
    answer, and ``UnreachableError`` for none.
    """
    import requests
    from hvac import exceptions

    try:
        yield
    except exceptions.VaultError as err:
        raise _translated(line, err) from None  # hvac's exception carries the text of the response
    except requests.RequestException as err:
        message = f"{line}: no answer from the vault ({type(err).__name__})"
        raise UnreachableError(message) from None  # the cause carries the request, with the token in its headers


def _translated(line: str, err: Any) -> CiplugError:
    match type(err).__name__:
        case "Forbidden" | "Unauthorized":
            return DeniedError(f"{line}: the vault refuses this token", hint="it needs a policy that allows this route")
        case "InvalidPath":
            return MissingError(f"{line}: the vault has nothing there")
        case "VaultDown" | "VaultNotInitialized":
            return SealedError(f"{line}: the vault is sealed or not initialised")
        case kind:
            status = _STATUS.get(kind)
            answer = f"the vault answered {status}" if status else "the vault gave an answer that is not documented"
            hint = "make the same call with `bao` or `vault` to read the reason" if status == 400 else ""
            return VaultError(f"{line}: {answer}", hint=hint)
