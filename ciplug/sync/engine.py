"""One target, brought to what the manifest and the vault say: survey, apply, verify; the ledger before and after.

Whatever ends it in between, the ledger has named every variable that may have been written by then, so that the next
run knows it as owned and finishes. Nothing here prints, and nothing knows of other targets.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import field, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from ciplug.errors import CiplugError, SyncError
from ciplug.frozen import frozen
from ciplug.sync.ledger import Entry, Ledger, fingerprint
from ciplug.sync.plan import WRITES, Change, Target, plan, unsure
from ciplug.values import Batch, Variable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from ciplug.contracts import Platform
    from ciplug.values import Result, Secret


class Keeps(Protocol):
    """Where the ledger is kept; ``ciplug.sync.store`` has them."""

    @property
    def blind(self) -> str:
        """Why no ledger can be kept; empty where one is."""

    def read(self, place: str) -> Ledger:
        """The ledger as it stands."""

    def hold(self, ledger: Ledger) -> None:
        """Write it, and that this sync is at work."""

    def renew(self) -> None:
        """Say again that it is, once the last time is a while ago."""

    def release(self, ledger: Ledger) -> None:
        """Write it as the end of this sync."""

    def key(self) -> Secret:
        """The key of its fingerprints."""


@frozen
class Survey:
    """What was found at a target, and what would be done: nothing has been written yet."""

    target: Target
    changes: Sequence[Change]
    problems: Sequence[str]
    before: Ledger


@frozen
class Outcome:
    """What became of a survey. `failed` has the reason by name; `done` are changes that the platform confirmed.

    `errors` are what ended it early, and what kept the ledger from being written. `ledger` is the one that it left.
    """

    done: tuple[Change, ...] = ()
    failed: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    errors: tuple[CiplugError, ...] = ()
    ledger: Ledger = Ledger()


def survey(
    platform: Platform,
    wanted: Mapping[str, Secret],
    keeper: Keeps,
    *,
    prune: bool = False,
    adopt: AbstractSet[str] = frozenset(),
) -> Survey:
    """What is at the target against what is `wanted` there."""
    ledger, key = keeper.read(platform.place), keeper.key()
    target = Target(
        wanted=wanted,
        held={variable.name: variable for variable in platform.read()},
        ledger=ledger,
        fingerprint=lambda name, value: fingerprint(key, platform.place, name, value),
        blind=keeper.blind,
    )
    if asked := unsure(target):
        known = {variable.name: replace(variable, value=platform.read_value(variable)) for variable in asked}
        target = replace(target, held={**target.held, **known})
    changes = plan(target, prune=prune, adopt=adopt)
    written = {change.name: wanted[change.name] for change in changes if change.applies and change.kind in WRITES}
    problems = platform.problems(written, tuple(target.held.values())) if written else ()
    kept = {change.name for change in changes if change.kind == "keep"} & (ledger.entries.keys() | adopt)
    return Survey(target=target, changes=changes, problems=problems, before=_confirmed(target, kept))


def carry_out(
    found: Survey, platform: Platform, keeper: Keeps, tell: Callable[[Result], None] = lambda _result: None
) -> Outcome:
    """Do what the survey says; `tell` hears of every variable as it is done.

    Nothing is written, neither there nor to the ledger, where nothing differs. Raises only what keeps it from
    beginning (``SyncError`` for problems, and while another sync is at work); what ends it later is in the outcome.
    """
    if found.problems:
        raise SyncError("; ".join(found.problems), hint="correct these first; nothing was written")
    work = {change.name: change for change in found.changes if change.applies}
    if not work:
        if found.before != found.target.ledger:
            keeper.release(found.before)
        return Outcome(ledger=found.before)
    run = _Run(found, platform, work)
    keeper.hold(run.announced())
    try:
        with run.errors_noted():
            run.apply(tell, keeper)
            run.verify()
    finally:
        with run.errors_noted():
            keeper.release(run.ledger())
    return run.outcome()


class _Run:
    """One application of a survey: what is known of each variable while it goes on."""

    def __init__(self, found: Survey, platform: Platform, work: Mapping[str, Change]) -> None:
        self._found = found
        self._platform = platform
        self._work = work
        self._results: dict[str, Result] = {}
        self._seen: dict[str, Variable] = {}
        self._failed: dict[str, str] = {}
        self._errors: list[CiplugError] = []

    @contextmanager
    def errors_noted(self) -> Iterator[None]:
        """A block of which an error is part of the outcome."""
        try:
            yield
        except CiplugError as err:
            self._errors.append(err)

    def apply(self, tell: Callable[[Result], None], keeper: Keeps) -> None:
        """Carry out the batch."""
        for result in self._platform.apply(self._batch()):
            self._note(result)
            tell(result)
            keeper.renew()

    def _batch(self) -> Batch:
        target = self._found.target
        return Batch(
            held=tuple(target.held.values()),
            writes={name: target.wanted[name] for name, change in self._work.items() if change.kind in WRITES},
            replaced=frozenset(name for name, change in self._work.items() if change.kind == "replace"),
            deletes=tuple(change.held for change in self._work.values() if change.kind == "delete" and change.held),
        )

    def announced(self) -> Ledger:
        """The ledger with everything that is about to be touched as owned, and nothing known of its value."""
        pending = dict.fromkeys(self._work, Entry())
        entries = {**self._found.before.entries, **pending}
        return replace(self._found.before, entries=entries, undeployed=True)

    def _note(self, result: Result) -> None:
        self._results[result.name] = result
        if result.problem:
            self._failed[result.name] = result.problem
        elif result.seen is not None:
            self._seen[result.name] = result.seen

    def verify(self) -> None:
        """Read back what the platform's answers have not shown, and compare what can be compared."""
        written = {name for name in self._work if self._wrote(name)}
        if written - self._seen.keys():
            there = {each.name: each for each in self._platform.read()}
            self._seen |= there
            self._failed |= {
                name: "it is still there after it was deleted" for name in self._deleted() if name in there
            }
        for name in written:
            seen = self._seen.get(name)
            if seen is None:
                self._failed[name] = "it is not there after it was written"
            elif seen.value is not None and seen.value != self._found.target.wanted[name]:
                self._failed[name] = "it has another value after it was written"

    def _deleted(self) -> set[str]:
        return {
            name for name, result in self._results.items() if not result.problem and self._work[name].kind not in WRITES
        }

    def ledger(self) -> Ledger:
        """What is owned now. What may or may not have been written stays owned, without a fingerprint."""
        entries = dict(self.announced().entries)
        for name, result in self._results.items():
            change = self._work[name]
            deleted = change.kind == "delete" and name not in self._failed
            never_made = change.kind == "create" and result.problem and name not in self._found.before.entries
            if deleted or never_made:
                del entries[name]
            elif self._wrote(name) and name not in self._failed and name in self._seen:
                entries[name] = _entry(self._found.target, name, self._seen[name])
        return replace(self._found.before, entries=entries, undeployed=True)

    def outcome(self) -> Outcome:
        """What is known once it has ended, in whatever way."""
        failed = dict(self._failed)
        for name, change in self._work.items():
            if name not in self._results:
                failed[name] = "no answer has said that it was done"
            elif name not in failed and change.kind in WRITES and name not in self._seen:
                failed[name] = "it was written, and not read back"
        return Outcome(
            done=tuple(change for name, change in self._work.items() if name not in failed),
            failed=MappingProxyType(dict(sorted(failed.items()))),
            errors=tuple(self._errors),
            ledger=self.ledger(),
        )

    def _wrote(self, name: str) -> bool:
        result = self._results.get(name)
        return result is not None and not result.problem and self._work[name].kind in WRITES


def _confirmed(target: Target, kept: AbstractSet[str]) -> Ledger:
    """The ledger without what is gone from both sides, and with what was found to be as it is to be."""
    there = {
        name: entry for name, entry in target.ledger.entries.items() if name in target.held or name in target.wanted
    }
    confirmed = {name: _entry(target, name, target.held[name]) for name in kept}
    return replace(target.ledger, entries={**there, **confirmed})


def _entry(target: Target, name: str, seen: Variable) -> Entry:
    return Entry(id=seen.id, fingerprint=target.fingerprint(name, target.wanted[name]), stamp=seen.stamp)
