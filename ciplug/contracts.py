"""The Protocols between the pipeline and what plugs into it, and what the caller does with each outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ciplug.errors import MissingError
    from ciplug.values import Contents, Identity, Record, Secret


class IdentitySource(Protocol):
    """Where an identity comes from. Three outcomes, never two.

    A token: the pipeline logs in with it. ``None``: this is not that host, the next source is asked. ``IdentityError``:
    it *is* that host and the token cannot be had; nothing else is tried.
    """

    @property
    def name(self) -> str:
        """The host's own name, for messages: ``GitHub Actions``."""

    def identity(self, audience: str) -> Identity | None:
        """A token for `audience`, fresh on every call and never kept on disk."""


class VaultSession(Protocol):
    """A logged-in reader. It can read and end itself, and has no way to write."""

    @property
    def token(self) -> Secret:
        """The session's own token, to be masked like any other secret."""

    @property
    def request_id(self) -> str:
        """The vault's id of the login, under which its own audit log has it; empty for a token that was brought."""

    @property
    def ours(self) -> bool:
        """Whether ``revoke`` still has anything to end: not after it did, and never for a person's own token."""

    def ttl_remaining(self) -> float | None:
        """Seconds until the session ends by itself; ``None`` where that is not known."""

    def read(self, records: Sequence[Record]) -> Mapping[Record, Contents | MissingError]:
        """Every record once, in parallel. What is absent comes back as its error, for the pipeline to raise or to skip
        (an optional secret); anything else that fails is raised, and nothing is returned.
        """

    def revoke(self) -> None:
        """End the session and its leases. Safe twice; raises ``CiplugError`` where the vault does not confirm it."""


class Login(Protocol):
    """Turns an identity into a session; `role` is empty for a person's token, which brings its own rights."""

    def __call__(self, identity: Identity, role: str) -> VaultSession:
        """The session, or the error that says why there is none."""


class Annotation(Protocol):
    """How a CI host is told to show a message beside its log."""

    def __call__(self, level: str, title: str, message: str) -> str:
        """The line to write for a printable one-line `message`; `level` is ``error`` or ``warning``."""


class Masker(Protocol):
    """A CI host that can be told, while the job runs, what to hide in its log."""

    def mask(self, values: Iterable[bytes]) -> None:
        """Register every value with the host; returns when the host has it, raises ``HandOverError`` otherwise."""
