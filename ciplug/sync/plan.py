"""What has to be done at a target, as a list of changes with reasons; names only, never values. No I/O."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Final, Literal

from ciplug.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from ciplug.sync.ledger import Entry, Ledger
    from ciplug.values import Secret, Variable

Kind = Literal["create", "update", "replace", "delete", "keep", "foreign", "drift"]

WRITES: Final[frozenset[Kind]] = frozenset({"create", "update", "replace", "drift"})
"""Kinds that write the value; ``replace`` has to delete first, ``drift`` repairs what was changed on the platform."""


@frozen
class Change:
    """What is to become of one variable, and why. With `needs`, an option that has to be given before it is done."""

    kind: Kind
    name: str
    reason: str
    needs: str = ""
    held: Variable | None = field(default=None, repr=False)

    @property
    def applies(self) -> bool:
        """Whether anything is done."""
        return not self.needs and self.kind not in {"keep", "foreign"}

    @property
    def differs(self) -> bool:
        """Whether the platform is not as the manifest and the vault have it."""
        return self.kind != "keep"


@frozen
class Target:
    """What a plan is made from. `held` and `ledger` are of the same place; `fingerprint` is of a name and its value.

    `listed` are the names that the manifest lists, of which some may have no value. `blind` says why there is no
    ledger, where there can be none: then nobody knows what ciplug made.
    """

    wanted: Mapping[str, Secret]
    held: Mapping[str, Variable]
    ledger: Ledger
    fingerprint: Callable[[str, Secret], str]
    listed: AbstractSet[str] = frozenset()
    blind: str = ""


def unsure(target: Target) -> list[Variable]:
    """Owned variables that only their value, asked for one by one, can tell to be as wanted, or to be ours at all."""
    return [
        held
        for name, entry in target.ledger.entries.items()
        if (held := target.held.get(name)) is not None
        and held.value is None
        and held.readable
        and _depends_on_its_value(target, held, entry)
    ]


def plan(target: Target, *, prune: bool = False, adopt: AbstractSet[str] = frozenset()) -> Sequence[Change]:
    """Every wanted and every owned variable with what becomes of it, by name.

    Only owned names are touched: those in the ledger, and those in `adopt`. `prune` deletes owned ones that are no
    longer wanted.
    """
    changes = [_wanted(target, name, value, adopt) for name, value in target.wanted.items()]
    left = (name for name in target.ledger.entries.keys() - target.wanted.keys() if owns(target, name))
    changes += [_unwanted(target, target.held[name], prune=prune) for name in left if name in target.held]
    return sorted(changes, key=lambda change: change.name)


def owns(target: Target, name: str) -> bool:
    """Whether ciplug made the variable, or is to make it again.

    Where a create of unknown outcome may be somebody else's variable by now, its value decides; one that cannot be read
    is taken for ciplug's own, because nobody else is likely to have made it in that moment.
    """
    entry, held = target.ledger.entries.get(name), target.held.get(name)
    if entry is None or entry.pending != "create" or held is None or held.value is None:
        return entry is not None
    return target.fingerprint(name, held.value) == entry.fingerprint


def _depends_on_its_value(target: Target, held: Variable, entry: Entry) -> bool:
    wanted = target.wanted.get(held.name)
    return entry.pending == "create" or (wanted is not None and not _is_as_written(target, held, entry, wanted))


def _unwanted(target: Target, held: Variable, *, prune: bool) -> Change:
    if held.reserved:
        return Change(kind="foreign", name=held.name, reason=held.reserved, held=held)
    reason = "the vault has no value for it" if held.name in target.listed else "no longer in the manifest"
    return Change(kind="delete", name=held.name, reason=reason, needs="" if prune else "--prune", held=held)


def _wanted(target: Target, name: str, value: Secret, adopt: AbstractSet[str]) -> Change:
    held = target.held.get(name)
    entry = target.ledger.entries[name] if owns(target, name) else None
    if held is None:
        gone = entry is not None and not entry.pending
        return Change(kind="create", name=name, reason="it was removed on the platform" if gone else "not there yet")
    if held.reserved:
        return Change(kind="foreign", name=name, reason=held.reserved, held=held)
    if entry is None and name not in adopt:
        if target.blind and held.value == value and not held.misfit:
            return Change(kind="keep", name=name, reason=_SAME, held=held)
        reason = f"it exists, and ciplug {'cannot know whether it made it' if target.blind else 'did not make it'}"
        return Change(kind="foreign", name=name, reason=reason, needs=f"--adopt {name}", held=held)
    if held.misfit:
        return Change(kind="replace", name=name, reason=held.misfit, held=held)
    kind, reason = _compared(target, held, entry, value)
    return Change(kind=kind, name=name, reason=reason, held=held)


def _compared(target: Target, held: Variable, entry: Entry | None, value: Secret) -> tuple[Kind, str]:
    if held.value is not None:
        if held.value == value:
            return "keep", _SAME
        if entry is None:
            return "update", "taken over, and it has another value"
        return _changed_in_the_vault(target, held, entry, value) or ("drift", _DRIFTED)
    if entry is None:
        return "update", "taken over, and its value cannot be read"
    if changed := _changed_in_the_vault(target, held, entry, value):
        return changed
    if _is_as_written(target, held, entry, value):
        return "keep", _SAME
    return "drift", _DRIFTED


def _changed_in_the_vault(target: Target, held: Variable, entry: Entry, value: Secret) -> tuple[Kind, str] | None:
    """``None`` where the last sync wrote this very value."""
    if entry.pending:
        return "update", "an earlier sync did not finish"
    if entry.fingerprint != target.fingerprint(held.name, value):
        return "update", "its value has changed in the vault"
    return None


_SAME: Final = "up to date"
_DRIFTED: Final = "it was changed on the platform"


def _is_as_written(target: Target, held: Variable, entry: Entry, value: Secret) -> bool:
    """Whether neither side has changed since ciplug wrote it, as far as can be told without reading the value."""
    # As text: an adapter may give numbers, of which the ledger has the text.
    untouched = bool(held.stamp) and (str(held.id), str(held.stamp)) == (entry.id, entry.stamp)
    return untouched and not entry.pending and entry.fingerprint == target.fingerprint(held.name, value)
