"""What is asked of a sync."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from ciplug.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet


@frozen
class Choice:
    """One command line. `targets` is empty for all. `seconds` are for all requests to one platform.

    In the modes ``check`` and ``dry-run`` nothing is written; with ``check`` a difference is a failure. `asks`: a
    person confirms the plan. `redeploys`: within `redeploy_seconds`, a new deployment where values have changed.
    """

    targets: tuple[str, ...] = ()
    mode: Literal["apply", "dry-run", "check"] = "apply"
    prune: bool = False
    adopt: AbstractSet[str] = frozenset()
    asks: bool = True
    redeploys: bool = False
    seconds: float = 300.0
    redeploy_seconds: float = 3600.0

    @property
    def writes(self) -> bool:
        """Whether anything may be written, to a platform or to the ledger."""
        return self.mode == "apply"
