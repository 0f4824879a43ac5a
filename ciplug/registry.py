"""The adapters of deploy platforms, by name: ciplug's own and other packages', found through entry points alike.

An adapter is handed a platform's token and the secrets of a target, so two that claim one name are refused.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Protocol

from ciplug.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from importlib.metadata import EntryPoint

    from ciplug.contracts import Connects, Platform

GROUP = "ciplug.platforms"


class Creates(Protocol):
    """What an entry point names."""

    def __call__(self, options: Mapping[str, Any], connect: Connects, wait: Callable[[float], None]) -> Platform:
        """The target that `options` describe; ``UsageError`` for options that do not. `wait` sleeps, in seconds."""


def find(name: str, *, installed: Callable[[], Iterable[EntryPoint]] = lambda: entry_points(group=GROUP)) -> Creates:
    """The adapter called `name`; ``UsageError`` where there is none, two, or one that cannot be loaded."""
    points = list(installed())
    found = {_distribution(point): point for point in points if point.name == name}
    if not found:
        known = ", ".join(sorted({point.name for point in points})) or "none"
        raise UsageError(f"no adapter for the platform {name!r} is installed", hint=f"there are: {known}")
    if len(found) > 1:
        raise UsageError(
            f"two packages have an adapter for {name!r}: {' and '.join(sorted(found))}", hint="remove one of them"
        )
    [(distribution, point)] = found.items()
    try:
        create: Creates = point.load()
    except (ImportError, AttributeError) as err:
        raise UsageError(
            f"the adapter for {name!r} in {distribution} cannot be loaded: {type(err).__name__}",
            hint="install a version of it that fits this ciplug",
        ) from err
    return create


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else point.value
