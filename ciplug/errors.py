"""Every failure ciplug reports, one class per documented exit code.

The tree: ``CiplugError`` is what a user may see; its subclasses differ only where a caller or a script acts
differently. ``str(error)`` says what happened and where, with the real names; ``hint`` says in one sentence what to do
next. No message holds a token, a secret, a response body or a header.
"""

from __future__ import annotations

from typing import ClassVar


class CiplugError(Exception):
    """A failure with a documented exit code. ``cause`` is the word in ``ciplug: error: <cause>: …``."""

    exit_code: ClassVar[int] = 1
    cause: ClassVar[str] = "unforeseen"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint

    def reword(self, message: str | None = None, *, hint: str | None = None) -> None:
        """Say something else from now on: `message`, `hint` or both; what is ``None`` stays.

        In place, because a new error would leave this one's type, notes and traceback behind.
        """
        if message is not None:
            self.args = (message,)
        if hint is not None:
            self.hint = hint


class UsageError(CiplugError):
    """The command line, an environment setting or a job's name is wrong."""

    exit_code = 2
    cause = "usage"


class ManifestError(CiplugError):
    """The manifest cannot be read, or breaks its grammar; the message lists every problem."""

    exit_code = 2
    cause = "manifest"


class IdentityError(CiplugError):
    """No identity, one its host refuses to give, or one outside the environment's ``only_if``."""

    exit_code = 3
    cause = "identity"


class VaultError(CiplugError):
    """The vault answered, and the answer was an error that no other class names."""

    exit_code = 4
    cause = "vault"


class UnreachableError(CiplugError):
    """No address of the vault gave a usable answer before the deadline: connection, TLS or time."""

    exit_code = 5
    cause = "unreachable"


class SealedError(UnreachableError):
    """The vault answers, but is sealed or not initialised."""

    cause = "sealed"


class DeniedError(CiplugError):
    """The vault knows who asks and refuses: no right to read, or a token that is no longer valid."""

    exit_code = 6
    cause = "denied"


class LoginRejectedError(DeniedError):
    """The vault rejected the identity token or its claims; `reason` has its own words, empty where it gave none."""

    cause = "login-rejected"

    def __init__(self, message: str, *, hint: str = "", reason: str = "") -> None:
        super().__init__(message, hint=hint)
        self.reason = reason


class MissingError(CiplugError):
    """A record, a version or a field is not there."""

    exit_code = 7
    cause = "missing"


class HandOverError(CiplugError):
    """The values are in hand but could not be masked, written or passed on."""

    exit_code = 8
    cause = "hand-over"


class CommandError(HandOverError):
    """The command of ``run`` cannot be started; `status` is the shell's: 127 not found, 126 not runnable."""

    cause = "command"

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message, hint="check the command after `--`, its path and its mode")
        self.status = status


class PlatformError(CiplugError):
    """A deploy platform refused, or gave no usable answer."""

    exit_code = 9
    cause = "platform"


class UnansweredError(PlatformError):
    """No usable answer came to a request that may have been carried out."""

    cause = "unanswered"


class SyncError(CiplugError):
    """A sync that is not complete; what was done, and what was not, is named."""

    exit_code = 10
    cause = "sync"


class LedgerError(SyncError):
    """The record of what ciplug owns at a target cannot be used."""

    cause = "ledger"


class PolicyError(CiplugError):
    """The vault is not, or not wholly, what ``policy --apply`` was to make of it; what was done is named."""

    exit_code = 10
    cause = "policy"


class AuditError(CiplugError):
    """A required audit record could not be written."""

    exit_code = 11
    cause = "audit"


class FindingsError(CiplugError):
    """A ``--check`` or ``doctor`` found something to mend."""

    exit_code = 20
    cause = "findings"


class Interrupted(BaseException):
    """A signal asked ciplug to end; not an ``Exception``, so that only cleanup code sees it on its way out."""

    def __init__(self, signum: int) -> None:
        super().__init__(f"signal {signum}")
        self.signum = signum
