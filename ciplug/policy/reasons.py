"""Why something of a vault's is left as it is, or not kept, and how to go on: the words of a plan. No I/O."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from ciplug.policy.live import Live, LiveItem
    from ciplug.policy.model import Role

UNREAD: Final = "what it denies cannot be read, so it is not kept"
"""Of a policy that is written anew."""


def gives(role: Role, given: Sequence[str]) -> str:
    """What a live role gives in place of its one policy, or beside it."""
    others = [name for name in given if name != role.policy.lower()]
    if len(others) < len(given):
        return f"it also gives {', '.join(others)}"
    return f"it gives {', '.join(others) or 'nothing'}, not {role.policy}"


def narrower(texts: Collection[str]) -> str:
    """What stays although nothing implies it, since it only takes away: somebody may have had a reason."""
    return f"narrower than implied: {'; '.join(texts)} (delete it to have it made anew)" if texts else ""


def joined(*reasons: str) -> str:
    """Those of `reasons` that there are, as one."""
    return "; ".join(filter(None, reasons))


def remedy(live: Live, items: Sequence[LiveItem], *, adopt: Iterable[str] = ()) -> str:
    """How to go on where `items` are in the way, and where that does it, ``--adopt`` with the names in `adopt`."""
    commands = " && ".join(item.removal(live.namespace) for item in items)
    deleting = f"delete {'it' if len(items) == 1 else 'them'}: {commands}"
    taking = " ".join(f"--adopt {shlex.quote(name)}" for name in adopt)
    return f"{taking}, or {deleting}" if taking else deleting
