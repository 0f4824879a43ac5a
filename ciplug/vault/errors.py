"""What the vault's answers mean: the one place where its statuses and texts become ciplug's errors.

The texts were observed on OpenBao 2.7; Vault shares them except where said.
"""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal

from ciplug.errors import (
    CiplugError,
    DeniedError,
    LoginRejectedError,
    MissingError,
    SealedError,
    UnreachableError,
    UsageError,
    VaultError,
)
from ciplug.frozen import frozen
from ciplug.net.failures import TooLarge, Unsendable
from ciplug.vault.reason import quotable, reason_in, texts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.net.failures import Failure
    from ciplug.values import Secret

_LOGIN_HINTS = (
    ("expired", "the identity token had expired before the login: take a fresh one, and compare the clocks"),
    ("not yet valid", "the vault's clock is behind the identity provider's: compare the clocks"),
    ("issued in the future", "the vault's clock is behind the identity provider's: compare the clocks"),
    ("audience", "make vault.audience in the manifest one of the role's bound_audiences"),
    ("issuer", "make the auth mount's bound_issuer the iss of this CI host"),
    ("could not be found", "create the role in the vault, or correct `role` in the manifest"),
    ("missing role", "set `role` for the job in the manifest"),
    ("could not load configuration", "the auth mount has no configuration yet: set its jwks_url and bound_issuer"),
    ("signature", "the auth mount trusts other keys: compare its jwks_url with the issuer of this CI host"),
    ("claim", "make the role's bound_claims fit the token, or run the job where the claim holds"),
    ("subject", "make the role's bound_subject fit the token's sub"),
)


@frozen
class Purpose:
    """Why a request is made, for messages.

    `doing` reads after "while" (``reading secret/app/db``); `subject` is the record, role or mount it concerns.
    Whatever of `conceal` the vault repeats is left out of messages.
    """

    step: Literal["login", "read", "revoke", "inspect"]
    doing: str
    subject: str
    conceal: tuple[Secret, ...] = field(default=(), repr=False)


@frozen
class Place:
    """Which vault answered: address and namespace, for messages."""

    address: str
    namespace: str = ""


class LostAnswerError(UnreachableError):
    """The request went out and its answer did not come back, and asking again would do it twice."""


class InvalidTokenError(DeniedError):
    """The vault does not know the token: it is wrong, expired or revoked."""


class UnexplainedRejectionError(LoginRejectedError):
    """A login refused without a reason: no auth mount is there, or the role does not admit this machine's address."""


class DeletedError(MissingError):
    """The version that was asked for is deleted or destroyed; the record itself is there."""


class OtherVersionError(MissingError):
    """The mount is the other version of the KV engine: nothing is where the manifest has it looked for."""

    def __init__(self, mount: str, version: int) -> None:
        super().__init__(
            f"{mount} is KV version {version}, and the manifest reads it as version {3 - version}",
            hint=f"set vault.kv_version = {version} in the manifest",
        )


class NoNamespaceError(VaultError):
    """The vault does not have the client's namespace; one that only a path names is a plain ``VaultError``."""


class BadRequestError(VaultError):
    """400: something is there, and it could not use what it was sent."""


class NotThereError(VaultError):
    """404 or 405: nothing is there to be asked. An absent record is a ``MissingError`` instead."""


def error_for(status: int, body: Mapping[str, Any], purpose: Purpose, place: Place) -> CiplugError:
    """The error that an answer with `status` (400 and up) and this JSON `body` stands for."""
    reason = reason_in(body, purpose.conceal)
    if "namespace not found" in reason:
        return _no_namespace(purpose, place)
    if status in {413, 429} or status >= 500:
        return _server_error(status, reason, purpose, place)
    if purpose.step == "login":
        return _login_error(status, reason, purpose)
    if status == 403:
        return _denied(reason, purpose)
    if status == 404:
        return _not_found(reason, body, purpose)
    kind = {400: BadRequestError, 405: NotThereError}.get(status, VaultError)
    return kind(
        f"the vault answered {status} while {purpose.doing}: {reason}",
        hint="the vault's own words are above; its audit log has the request",
    )


def error_from(failure: Failure, place: Place) -> CiplugError:
    """The error that an exchange without an answer stands for."""
    if isinstance(failure, Unsendable):
        return UsageError(str(failure), hint="read the value again; a line break often comes from the file it was in")
    if isinstance(failure, TooLarge):
        return VaultError(f"{failure}: {place.address}", hint="check that the address is a vault's")
    hint = failure.hint or "check vault.address (or VAULT_ADDR), and that this machine may reach it"
    return UnreachableError(f"vault not reachable at {place.address}: {failure}", hint=hint)


def _no_namespace(purpose: Purpose, place: Place) -> VaultError:
    hint = "correct vault.namespace in the manifest, or VAULT_NAMESPACE"
    if place.namespace:
        return NoNamespaceError(f'the vault at {place.address} has no namespace "{place.namespace}"', hint=hint)
    return VaultError(f"the vault at {place.address} has no such namespace as {purpose.subject} is in", hint=hint)


def _server_error(status: int, reason: str, purpose: Purpose, place: Place) -> CiplugError:
    if status == 413:
        return VaultError(
            f"the vault refuses the request as too large while {purpose.doing}", hint="check the size of what is sent"
        )
    if status == 429:
        # A quota; a standby's 429 comes from sys/health alone, which is asked not to.
        return VaultError(
            f"the vault's rate limit is exceeded while {purpose.doing}: {reason}",
            hint="run fewer jobs at once, or raise the rate limit quota of the path",
        )
    return _unavailable(status, reason, place) or VaultError(
        f"the vault answered {status} while {purpose.doing}: {reason}",
        hint="the cause is on the vault's side; its server log has more",
    )


def _unavailable(status: int, reason: str, place: Place) -> UnreachableError | None:
    """The state in which a vault serves nobody; ``None`` where it is in none."""
    if status == 501 or "not initialized" in reason:
        return SealedError(f"the vault at {place.address} is not initialised", hint="initialise and unseal it")
    if "sealed" in reason:
        return SealedError(f"the vault at {place.address} is sealed", hint="unseal it, then run the job again")
    if "active cluster node not found" in reason:
        # 500, for seconds after the loss of a leader.
        return UnreachableError(
            f"the vault cluster at {place.address} has no leader", hint="see `bao operator raft list-peers`"
        )
    if status in {502, 503, 504}:
        # Without one of the texts above: a load balancer that finds no vault behind it.
        return UnreachableError(
            f"the vault at {place.address} is not available (status {status})", hint="check the load balancer before it"
        )
    return None


def _login_error(status: int, reason: str, purpose: Purpose) -> CiplugError:
    if status in {403, 404}:
        # A wrong token or claim is a 400. 403 is the mount that does not exist, or token_bound_cidrs of the role.
        return UnexplainedRejectionError(
            f"the vault refused {purpose.subject} without a reason ({status}): "
            "there is no such auth mount, or the role does not admit this machine's address",
            hint="correct vault.auth_mount in the manifest, or the role's token_bound_cidrs",
        )
    hint = next((hint for word, hint in _LOGIN_HINTS if word in reason), "compare the role with what the token claims")
    return LoginRejectedError(f"the vault rejected {purpose.subject}: {reason}", hint=hint, reason=reason)


def _denied(reason: str, purpose: Purpose) -> DeniedError:
    # A dead token gets the bare words (OpenBao) or "invalid token" (Vault); a refusal by policy is wrapped as
    # "1 error occurred: * permission denied".
    if "error occurred" not in reason or "invalid token" in reason:
        return InvalidTokenError(
            f"the vault does not accept the token while {purpose.doing}: it is wrong, expired or revoked",
            hint="log in again; if this happens within a job, give the role a longer token_ttl",
        )
    if purpose.step != "read":
        return DeniedError(
            f"the token's policies do not allow {purpose.doing}",
            hint="keep the vault's default policy on the role: it allows this",
        )
    return DeniedError(
        f"no right to read {purpose.subject}: the token's policies do not allow it",
        hint="add it to the role's policy, as `ciplug policy` prints it; an unknown mount is refused in the same way",
    )


def _not_found(reason: str, body: Mapping[str, Any], purpose: Purpose) -> CiplugError:
    if "no handler for route" in reason:
        return NotThereError(
            f"nothing is mounted where {purpose.subject} should be", hint="correct vault.kv_mount, or the ref's mount"
        )
    if any("versioned K/V" in warning for warning in texts(body.get("warnings"))):
        return VaultError(
            f"{purpose.subject} is in a KV version 2 engine and was read as version 1",
            hint="set vault.kv_version = 2 in the manifest",
        )
    if purpose.step != "read":
        return NotThereError(f"the vault answered 404 while {purpose.doing}: {reason}", hint="check the address")
    data = body.get("data")
    metadata = data.get("metadata") if isinstance(data, dict) else None
    if isinstance(metadata, dict):
        return _deleted(metadata, purpose.subject)
    return MissingError(
        f"{purpose.subject} does not exist in the vault (or not in this version)",
        hint="write it to the vault, or correct the ref in the manifest",
    )


def _deleted(metadata: Mapping[str, Any], subject: str) -> DeletedError:
    version = metadata.get("version") if isinstance(metadata.get("version"), int) else "?"
    text = f"version {version} of {subject} was"
    if metadata.get("destroyed"):
        return DeletedError(f"{text} destroyed in the vault", hint="write a new version of the secret")
    when = quotable(str(metadata.get("deletion_time") or "an unknown time"), 40)
    return DeletedError(f"{text} deleted in the vault at {when}", hint="undelete that version, or write a new one")
