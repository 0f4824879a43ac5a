"""Where a job's identity comes from: every source in the order in which it is asked, and the checks before a login."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ciplug.errors import IdentityError
from ciplug.identity.claims import check_audience, check_only_if, evidence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ciplug.contracts import IdentitySource
    from ciplug.values import Identity

__all__ = ["check_audience", "check_only_if", "evidence", "resolve"]


def resolve(sources: Iterable[IdentitySource], audience: str) -> Identity:
    """The first identity that a source gives for `audience`; ``IdentityError`` when one refuses or none has one."""
    asked = []
    for source in sources:
        if identity := source.identity(audience):
            return identity
        asked.append(source.name)
    raise IdentityError(
        f"no identity token: none of {', '.join(asked)} gave one",
        hint="in CI let the job request an ID token (CIPLUG_ID_TOKEN takes one from any issuer); "
        "on your own machine log in to the vault first",
    )
