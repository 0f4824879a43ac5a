"""From an HTTP answer to a JSON object, or to the error it stands for and whether that may pass."""

from __future__ import annotations

import json
from dataclasses import field
from typing import TYPE_CHECKING, Any

from ciplug.errors import UnreachableError, VaultError
from ciplug.frozen import frozen
from ciplug.net.origin import split
from ciplug.net.retry import Transient, is_passing, retry_after
from ciplug.vault.errors import error_for

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ciplug.errors import CiplugError
    from ciplug.net.message import Response
    from ciplug.net.origin import Origin
    from ciplug.vault.errors import Place, Purpose


@frozen
class Answer:
    """A success: its JSON object, empty for 204, the address that gave it, and its ``Date`` header."""

    body: Mapping[str, Any] = field(repr=False)
    address: str
    date: str = ""

    @property
    def request_id(self) -> str:
        """The id under which the vault's audit log has the request; empty where the vault gave none."""
        request_id = self.body.get("request_id")
        return request_id if isinstance(request_id, str) else ""


class Moved(Transient):
    """A 307: a node that does not lead names the one that does, or did; ``None`` where it names no usable one."""

    def __init__(self, error: CiplugError, to: Origin | None) -> None:
        super().__init__(error)
        self.to = to


def redirected(response: Response, place: Place, listed: Collection[Origin]) -> Moved | VaultError:
    """What a redirect means. None is followed to an origin that is not `listed`: the token would go with it.

    Only scheme, host and port of the target are named; its path and query may hold anything.
    """
    try:
        target: Origin | None = split(response.headers.get("location", ""))[0]
    except ValueError:
        target = None
    words = f"the vault at {place.address} redirects ({response.status}) to {target or 'no usable address'}"
    if response.status != 307:
        return VaultError(
            words, hint="redirects are not followed: set vault.address (or VAULT_ADDR) to the vault itself"
        )
    # 307 is how a standby answers what only the leader may do; for seconds after the leader's loss it still names it.
    if target is None or target in listed:
        hint = "the cluster may be without a leader: see `bao operator raft list-peers`"
    else:
        hint = f"if {target} is a node of this vault, add it to vault.address"
    return Moved(UnreachableError(words, hint=hint), target)


def read_body(response: Response, purpose: Purpose, place: Place) -> dict[str, Any]:
    """The JSON object of a success; an error status or anything else is raised."""
    status = response.status
    body = _parse(response.body)
    if status < 300 and body is not None:
        return body
    if is_passing(status):
        error = error_for(status, body or {}, purpose, place)
        raise Transient(error, after=retry_after(response.headers.get("retry-after")))
    # A 404 of something that is not a vault must not pass for a secret that is absent.
    if body is None or not body.keys() & {"errors", "data", "warnings"}:
        raise _not_a_vault(response, place)
    raise error_for(status, body, purpose, place)


def _parse(body: bytes) -> dict[str, Any] | None:
    """The JSON object in `body`, empty for no body; ``None`` for anything else."""
    if not body:
        return {}
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def _not_a_vault(response: Response, place: Place) -> VaultError:
    kind = response.headers.get("content-type", "none").partition(";")[0]
    kind = "".join(char for char in kind if char.isprintable())[:60]
    hint = "check the address, its port and its path"
    if place.address.startswith("http://"):
        hint += "; a vault that speaks TLS needs https://"
    return VaultError(
        f"{place.address} answered {response.status} with something that is not a vault's JSON "
        f"(content type {kind}); is this address a vault?",
        hint=hint,
    )
