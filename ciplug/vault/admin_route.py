"""What an administrative call through hvac raises, said in ciplug's own errors."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ciplug.errors import CiplugError, DeniedError, MissingError, UsageError, VaultError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def route(line: str) -> Iterator[None]:
    """A block that makes the one call named by `line` (``POST /v1/sys/seal``), which every message starts with.

    Raises ``DeniedError`` (401, 403), ``MissingError`` (404), ``SealedError`` where the vault is sealed or not
    initialised, ``VaultError`` for any other answer, ``UnreachableError`` for none, its ``LostAnswerError`` where the
    vault may have done it all the same, and ``UsageError`` for what cannot be sent.
    """
    import requests
    from hvac import exceptions

    try:
        yield
    except CiplugError as err:
        raise type(err)(f"{line}: {err}", hint=err.hint) from err
    except exceptions.VaultError as err:
        raise _translated(line, err) from None  # hvac's exception carries the text of the response
    except requests.RequestException as err:
        message = f"{line}: the request cannot be sent ({type(err).__name__})"
        raise UsageError(message) from None  # the cause carries the request, with its body


def field(line: str, answer: object, *path: str) -> Any:
    """What `answer` to the call named by `line` holds at `path`; ``VaultError`` where it holds nothing there."""
    for name in path:
        if not isinstance(answer, dict) or answer.get(name) is None:
            raise VaultError(f"{line}: the vault's answer has no {'.'.join(path)}")
        answer = answer[name]
    return answer


def _translated(line: str, err: Any) -> CiplugError:
    match type(err).__name__:
        case "Forbidden" | "Unauthorized":
            return DeniedError(f"{line}: the vault refuses this token", hint="it needs a policy that allows this route")
        case "InvalidPath":
            return MissingError(f"{line}: the vault has nothing there")
        case "InvalidRequest":
            hint = "make the same call with `bao` or `vault` to read the reason"
            return VaultError(f"{line}: the vault answered 400", hint=hint)
        case _:
            return VaultError(f"{line}: the vault gave an answer that is not documented")
