"""A policy that both loses and gains while one of its roles changes: in which two steps it is written. No I/O.

Whichever of policy and role were written first, whole, would give somebody what neither the old nor the new manifest
does: old rights under new conditions, or new rights under old ones. What both have in common does not.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ciplug.policy.acl import given_by_patterns
from ciplug.policy.hcl import UnreadableError, read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.policy.model import Policy


def first_half(policy: Policy, text: str) -> Policy | None:
    """What `policy` and the live `text` have in common; ``None`` where `text` allows nothing that `policy` does not.

    Nothing is in common with a text that cannot be read whole, or that says more of a path than its capabilities.
    """
    try:
        found = read(text)
    except UnreadableError:
        return replace(policy, rules={})
    if not found.unread and not any(_lost(policy, path, given) for path, given in found.rules.items()):
        return None
    shared = {} if found.besides else {path: _shared(path, policy.rules[path], found.rules) for path in policy.rules}
    return replace(policy, rules={path: capabilities for path, capabilities in shared.items() if capabilities})


def _lost(policy: Policy, path: str, given: frozenset[str]) -> bool:
    return "deny" not in given and not given <= policy.rules.get(path, frozenset())


def _shared(path: str, wanted: frozenset[str], rules: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """What `rules` allow of what is `wanted` on `path`: by a rule for it alone where there is one, as in the vault."""
    return wanted & (rules[path] if path in rules else given_by_patterns(path, rules))
