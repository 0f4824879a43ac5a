"""One sync with a ledger in memory, for the tests of an adapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ciplug.conformance import MemoryLedger  # noqa: TC001  # the tests of two adapters import it from here
from ciplug.sync.engine import carry_out, survey
from ciplug.values import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.contracts import Platform
    from ciplug.sync.results import Outcome


def synced(platform: Platform, keeper: MemoryLedger, wanted: Mapping[str, str], *, prune: bool = False) -> Outcome:
    """One sync, as a run of ciplug does it: nothing is written where there are problems."""
    found = survey(platform, {name: Secret(value) for name, value in wanted.items()}, keeper, prune=prune)
    assert list(found.problems) == []
    return carry_out(found, platform, keeper, lambda _result: None)
