"""What the author of an adapter brings: the platform, or a stand-in of it, and a view behind its API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence, Sized
    from types import TracebackType

    from ciplug.contracts import Connects, Platform


class StandIn(Protocol):
    """The platform, as far as faults are concerned; ``ciplug.standins.vendor.Vendor`` is one to build upon."""

    def requests(self) -> Sized:
        """Every request so far; the suite looks only at how many there are."""

    def fail_next(self, status: int, *, times: int = 1, body: bytes) -> None:
        """Answer the next `times` requests with that, and do nothing of what they ask for."""

    def drop_next(self, *, times: int = 1) -> None:
        """Carry out the next `times` requests, and close their connections without an answer."""

    def cut_next(self, *, times: int = 1) -> None:
        """Carry out the next `times` requests, and send half of their answers."""


class Bench(Protocol):
    """One target on one stand-in, made anew for every test with the one `Clock` of everyone, for a ``with`` block.

    What it holds at first is foreign to ciplug: the more of it, and the more like ours, the more is tested. Subclasses
    have the last three properties by default.
    """

    def __enter__(self) -> Self:
        """Start the stand-in, with what is foreign to ciplug at the target; the bench itself is returned."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Stop the stand-in."""

    @property
    def standin(self) -> StandIn:
        """The stand-in, running inside the block."""

    @property
    def token(self) -> str:
        """The token that the stand-in accepts."""

    def create(self, connect: Connects, wait: Callable[[float], None]) -> Platform:
        """A new adapter object for the target, as every run of ciplug has one."""

    def put(self, name: str, value: str) -> None:
        """Make or change a variable at the target by hand, behind the API."""

    def stored(self) -> Mapping[str, str]:
        """What is really at the target, values included that no API gives."""

    def elsewhere(self) -> object:
        """All other variables that the stand-in has, in a form that can be compared: other targets, other projects."""

    @property
    def misfits(self) -> Sequence[str]:
        """Names at the target whose values cannot be changed in place."""
        return ()

    @property
    def refused(self) -> Sequence[str]:
        """Names that no variable may have at this platform."""
        return ()

    @property
    def redeploys(self) -> bool:
        """Whether the target has deployments; then there has to be one that can be repeated."""
        return True
