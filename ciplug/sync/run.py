"""One application of a survey: what is known of each variable while it goes on, and the ledger that follows from it."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from ciplug.errors import CiplugError, PlatformError, UnansweredError
from ciplug.sync.ledger import Entry
from ciplug.sync.plan import WRITES
from ciplug.sync.results import Outcome
from ciplug.values import Batch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ciplug.contracts import Platform
    from ciplug.sync.ledger import Keeps, Ledger
    from ciplug.sync.plan import Change, Target
    from ciplug.sync.results import Survey
    from ciplug.values import Result, Variable


class Run:
    """One application of a survey: what is known of each variable while it goes on."""

    def __init__(self, found: Survey, platform: Platform, work: Mapping[str, Change]) -> None:
        self._found = found
        self._platform = platform
        self._work = work
        self._results: dict[str, Result] = {}
        self._seen: dict[str, Variable] = {}
        self._failed: dict[str, str] = {}
        self._errors: list[CiplugError] = []
        self._never_made: set[str] = set()

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
        """The ledger with everything that is about to be written as owned, should this sync not come to its end."""
        entries = dict(self._found.before.entries)
        for name, change in self._work.items():
            if change.kind in WRITES:
                mark = self._found.target.fingerprint(name, self._found.target.wanted[name])
                pending: Literal["create", "write"] = "create" if change.kind == "create" else "write"
                entries[name] = Entry(fingerprint=mark, pending=pending)
        return replace(self._found.before, entries=entries, undeployed=True)

    def _note(self, result: Result) -> None:
        if result.name not in self._work:
            raise PlatformError(f"its adapter tells of {result.name}, which it was not asked for", hint="report this")
        self._results[result.name] = result
        if result.problem:
            self._failed[result.name] = result.problem
        elif result.seen is not None:
            self._seen[result.name] = result.seen

    def verify(self) -> None:
        """Read back what the platform's answers have not shown, and compare what can be compared."""
        written = {name for name in self._work if self._wrote(name)}
        unseen = {name for name in self._deleted() if not self._results[name].gone}
        if written - self._seen.keys() or unseen:
            there = {each.name: each for each in self._platform.read()}
            self._seen |= there
            self._failed |= {name: "it is still there after it was deleted" for name in unseen if name in there}
        for name in written:
            if problem := self._not_as_written(name):
                self._failed[name] = problem

    def _not_as_written(self, name: str) -> str:
        seen, held = self._seen.get(name), self._found.target.held.get(name)
        if seen is None:
            return "it is not there after it was written"
        if seen.value is not None and seen.value != self._found.target.wanted[name]:
            return "it has another value after it was written"
        if seen.value is None and seen.stamp and held and (seen.id, seen.stamp) == (held.id, held.stamp):
            return "the platform shows no sign that it was written"
        return ""

    def settle(self) -> None:
        """Forget creates that were refused: somebody else may make these variables, and they are not ciplug's then.

        Only where every answer came, so that no request is on its way any more, and where a look finds nothing.
        """
        unknown = {name for name, change in self._work.items() if change.kind == "create" and name not in self._results}
        if unknown and self._errors and not any(isinstance(error, UnansweredError) for error in self._errors):
            with suppress(CiplugError):  # what cannot be looked at stays as it is
                self._never_made = unknown - {each.name for each in self._platform.read()}

    def _deleted(self) -> set[str]:
        return {
            name for name, result in self._results.items() if not result.problem and self._work[name].kind not in WRITES
        }

    def ledger(self) -> Ledger:
        """What is owned now. What may or may not have been written stays owned, and pending."""
        before, entries = self._found.before.entries, dict(self.announced().entries)
        for name in self._never_made:
            del entries[name]
        for name, result in self._results.items():
            if self._wrote(name):
                confirmed = name not in self._failed and name in self._seen
                entries[name] = (
                    entry_of(self._found.target, name, self._seen[name])
                    if confirmed
                    else replace(entries[name], pending="write")  # made by ciplug, whatever it holds now
                )
            elif result.problem and name in before:
                entries[name] = before[name]
            elif result.problem or name not in self._failed:
                entries.pop(name, None)  # never made, or deleted
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


def entry_of(target: Target, name: str, seen: Variable) -> Entry:
    """The ledger's entry for a variable that was found as it is to be."""
    # As text: an adapter may give numbers, which no ledger would be read with again.
    return Entry(id=str(seen.id), fingerprint=target.fingerprint(name, target.wanted[name]), stamp=str(seen.stamp))
