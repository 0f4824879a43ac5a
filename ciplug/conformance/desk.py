"""One bench at work: runs of ciplug against it, and what has to be there afterwards."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

from ciplug.conformance.clock import Clock
from ciplug.conformance.faults import Line
from ciplug.conformance.ledger import MemoryLedger
from ciplug.conformance.rules import require
from ciplug.conformance.shown import Shown
from ciplug.errors import CiplugError, PlatformError
from ciplug.sync.engine import carry_out, survey
from ciplug.values import Batch, Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from collections.abc import Set as AbstractSet
    from types import TracebackType

    from ciplug.conformance.bench import Bench
    from ciplug.contracts import Platform
    from ciplug.sync.results import Outcome
    from ciplug.values import Result, Variable

_TELLING = 8
"""Characters of a value that stands in no message by chance."""

BODY_SECRET = "the-platforms-own-text-5d02c1f7"  # noqa: S105  # what no message may repeat of an answer


class Desk:
    """A target with what is there by hand, and the ledger of what ciplug has made there since."""

    def __init__(self, make: Callable[[Clock], Bench]) -> None:
        self.clock = Clock()
        self.bench = make(self.clock)
        self.keeper = MemoryLedger()
        self.shown = Shown(BODY_SECRET)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self.bench)
        self.shown.hide(self.bench.token)
        self.line = Line(self.bench.standin, self.clock, self.shown)
        self._stack.callback(self.line.close)
        self.foreign = dict(self.bench.stored())
        self.shown.hide(*(value for value in self.foreign.values() if len(value) >= _TELLING))
        self._elsewhere = self.bench.elsewhere()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def platform(self, token: str = "") -> Platform:
        """A new adapter for the target, with the bench's token unless another one is given."""
        made = self.bench.create(self.line.connects(token or self.bench.token), self.line.wait)
        self.shown.objects("the adapter", [made])
        return made

    def put(self, name: str, value: str, *, ours: bool = False) -> None:
        """Make or change a variable by hand; with `ours` it is one that ciplug made, and does not become foreign."""
        self.clock.tick()
        self.shown.hide(value)
        self.bench.put(name, value)
        if not ours:
            self.foreign[name] = value

    def secrets(self, values: Mapping[str, str | bytes]) -> dict[str, Secret]:
        """The values as ciplug holds them; from now on none of them may be shown."""
        self.shown.hide(*values.values())
        return {name: Secret(value) for name, value in values.items()}

    def sync(
        self,
        values: Mapping[str, str],
        *,
        adopt: Iterable[str] = (),
        meanwhile: Callable[[], None] = lambda: None,
        tell: Callable[[Result], None] = lambda _result: None,
    ) -> Outcome:
        """One run of ciplug with ``--prune``, and its outcome; `meanwhile` happens once it knows what it will do."""
        platform, wanted = self.platform(), self.secrets(values)
        found = survey(platform, wanted, self.keeper, prune=True, adopt=frozenset(adopt))
        self.shown.text("a problem", "\n".join(found.problems))
        require(not found.problems, f"values that everybody has are refused: {'; '.join(found.problems)}")
        meanwhile()
        told = Told(self, wanted, {change.name for change in found.changes if change.applies})

        def hear(result: Result) -> None:
            told.hear(result)
            tell(result)

        outcome = carry_out(found, platform, self.keeper, hear)
        for error in outcome.errors:
            self.shown.error(error)
        self.shown.objects("a survey and an outcome", [found, outcome])
        return outcome

    def synced(self, values: Mapping[str, str], *, adopt: Iterable[str] = ()) -> Outcome:
        """The outcome of a run that has to succeed and to leave `values` at the target."""
        outcome = self.sync(values, adopt=adopt)
        for error in outcome.errors:
            raise error
        require(not outcome.failed, f"a run without any fault fails: {dict(outcome.failed)}")
        self.expect(values)
        return outcome

    def attempt(self, values: Mapping[str, str], *, adopt: Iterable[str] = ()) -> bool:
        """Whether a run says that it has succeeded; its errors have to be ones that an adapter may raise."""
        errors: tuple[CiplugError, ...]
        try:
            outcome = self.sync(values, adopt=adopt)
            errors, failed = outcome.errors, outcome.failed
        except CiplugError as err:
            errors, failed = (err,), {}
        for error in errors:
            self.refusal(error)
        return not errors and not failed

    def refusal(self, error: CiplugError) -> None:
        """Check that `error` is one that an adapter may raise: a ``PlatformError`` with a hint and no value."""
        require(isinstance(error, PlatformError), f"a {type(error).__name__} is raised instead of a PlatformError")
        require(error.hint, f"an error has no hint: {type(error).__name__}")
        self.shown.error(error)

    def apply(
        self,
        platform: Platform,
        held: Iterable[Variable],
        writes: Mapping[str, str],
        *,
        replaced: AbstractSet[str] = frozenset(),
        deletes: AbstractSet[str] = frozenset(),
    ) -> None:
        """Apply one batch to `held`, which has to succeed; `deletes` are names."""
        there = tuple(held)
        gone = tuple(each for each in there if each.name in deletes)
        batch = Batch(held=there, writes=self.secrets(writes), replaced=frozenset(replaced), deletes=gone)
        told = Told(self, batch.writes, {*writes, *deletes})
        for result in platform.apply(batch):
            require(not result.problem, f"{result.name} is not done without any fault: {result.problem}")
            told.hear(result)
        require(not told.left, f"no result for {_names(told.left)}")

    def expect(self, ours: Mapping[str, str]) -> None:
        """Check that `ours` and what is foreign are there, and nothing else, and that nothing has changed elsewhere."""
        there, wanted = self.bench.stored(), {**self.foreign, **ours}
        require(not wanted.keys() - there.keys(), f"not there: {_names(wanted.keys() - there.keys())}")
        require(not there.keys() - wanted.keys(), f"there, but should not be: {_names(there.keys() - wanted.keys())}")
        other = {name for name, value in wanted.items() if Secret(there[name]) != Secret(value)}
        require(not other, f"not the value that should be there: {_names(other)}")
        self.expect_others_untouched(ours)

    def expect_others_untouched(self, ours: Iterable[str] = ()) -> None:
        """Check that nothing foreign has changed, here or elsewhere; `ours` are names that were taken over."""
        there = self.bench.stored()
        kept = self.foreign.keys() - set(ours)
        changed = {name for name in kept if name not in there or Secret(there[name]) != Secret(self.foreign[name])}
        require(not changed, f"foreign variables were changed or removed: {_names(changed)}")
        require(self.bench.elsewhere() == self._elsewhere, "variables of another place were changed")


class Told:
    """Checks the results of one batch while they come: each name once, and done only if that is so.

    `left` are the names without a result so far.
    """

    def __init__(self, desk: Desk, writes: Mapping[str, Secret], names: AbstractSet[str]) -> None:
        self._desk = desk
        self._writes = writes
        self.left = set(names)

    def hear(self, result: Result) -> None:
        """Check one result against what is really at the target."""
        self._desk.shown.objects("a result", [result])
        self._desk.shown.text("the problem of a result", result.problem)
        require(result.name in self.left, f"a second result, or one that was not asked for: {result.name!r}")
        self.left.discard(result.name)
        require(
            result.seen is None or result.seen.name == result.name, f"what is seen of {result.name} has another name"
        )
        if not result.problem:
            wanted, there = self._writes.get(result.name), self._desk.bench.stored().get(result.name)
            is_so = there is None if wanted is None else there is not None and Secret(there) == wanted
            require(is_so, f"{result.name} is said to be done, and is not")


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
