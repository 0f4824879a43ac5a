"""The Protocols between the pipeline and what plugs into it, and what the caller does with each outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ciplug.errors import MissingError
    from ciplug.values import Batch, Contents, Deployment, Endpoint, Identity, Record, Reply, Result, Secret, Variable


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


class Requests(Protocol):
    """What an adapter speaks to its platform through: ``ciplug.http.Client``."""

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        document: object = None,
        repeatable: bool = True,
    ) -> Reply:
        """The answer, once it is no passing failure any more; ``PlatformError`` where none comes in time.

        `document` is sent as JSON. A request that is not `repeatable` is repeated only where it was certainly not
        carried out.
        """


class Connects(Protocol):
    """Gives an adapter its HTTP client: with the target's token, the proxies and the deadline of this sync."""

    def __call__(self, endpoint: Endpoint) -> Requests:
        """A client for `endpoint`; ``UsageError`` for an address that no token may be sent to."""


class Platform(Protocol):
    """One target on a deploy platform, made by the adapter's ``create(options, connect, wait)``.

    Every method may raise ``PlatformError``. Idempotent: what is gone already is deleted.
    """

    @property
    def place(self) -> str:
        """Where this is, in the platform's own ids, the same as long as it is the same place; kept in the ledger."""

    def read(self) -> Sequence[Variable]:
        """Every variable at the target, whoever made it."""

    def read_value(self, variable: Variable) -> Secret | None:
        """The value of one that is ``readable`` and came without it; ``None`` where the platform does not tell."""

    def problems(self, wanted: Mapping[str, Secret], held: Sequence[Variable]) -> Sequence[str]:
        """Why these values cannot all be there, by name: illegal or reserved names, sizes, totals. Before any write."""

    def apply(self, batch: Batch) -> Iterator[Result]:
        """Carry out `batch` in as few calls as the platform allows; every name in it comes back once, as it is done.

        A result with a problem says that the variable is as it was. Where that is not known, raise: what may have been
        written stays owned, and the next sync finishes it.
        """


@runtime_checkable
class Redeploys(Protocol):
    """A target whose new values arrive with a new deployment; one without deployments of its own has no such method."""

    def redeploy(self) -> Iterator[Deployment]:
        """Start one from what was deployed last, and how it goes whenever that changes, until it is ready or failed."""


@runtime_checkable
class Queues(Protocol):
    """A target on whose platform two writers at once are in each other's way."""

    @property
    def queue(self) -> str:
        """What they share, in the platform's own ids: targets with the same one are written one after another."""


class Annotation(Protocol):
    """How a CI host is told to show a message beside its log."""

    def __call__(self, level: str, title: str, message: str) -> str:
        """The line to write for a printable one-line `message`; `level` is ``error`` or ``warning``."""


class Masker(Protocol):
    """A CI host that can be told, while the job runs, what to hide in its log."""

    def mask(self, values: Iterable[bytes]) -> None:
        """Register every value with the host; returns when the host has it, raises ``HandOverError`` otherwise."""
