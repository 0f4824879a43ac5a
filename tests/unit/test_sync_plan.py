"""What a sync would do: the rules one by one, and that following a plan ends where it says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciplug.sync.ledger import Entry, Ledger, fingerprint
from ciplug.sync.plan import WRITES, Target, plan, unsure
from ciplug.values import Secret, Variable

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY = Secret("a-key-of-the-ledger")


def mark(name: str, value: Secret) -> str:
    return fingerprint(KEY, "prj_1", name, value)


def target(wanted: Mapping[str, str], held: Mapping[str, Variable], written: Mapping[str, tuple[str, str]]) -> Target:
    """`written` has what the last sync wrote: value and the platform's stamp, by name."""
    entries = {
        name: Entry(id=f"id-{name}", fingerprint=mark(name, Secret(value)), stamp=stamp)
        for name, (value, stamp) in written.items()
    }
    return Target(
        wanted={name: Secret(value) for name, value in wanted.items()},
        held=held,
        ledger=Ledger(place="prj_1", entries=entries),
        fingerprint=mark,
    )


def readable(value: str, stamp: str = "1", **more: str) -> Variable:
    return Variable(name="A", id="id-A", value=Secret(value), stamp=stamp, **more)


def hidden(stamp: str = "1", **more: object) -> Variable:
    return Variable(name="A", id="id-A", stamp=stamp, **more)  # type: ignore[arg-type]  # the case's own


CASES = {
    "nothing there": (target({"A": "v"}, {}, {}), "create", "not there yet"),
    "removed by hand": (target({"A": "v"}, {}, {"A": ("v", "1")}), "create", "removed on the platform"),
    "as it is to be": (target({"A": "v"}, {"A": readable("v")}, {"A": ("v", "1")}), "keep", "up to date"),
    "changed in the vault": (target({"A": "w"}, {"A": readable("v")}, {"A": ("v", "1")}), "update", "in the vault"),
    "changed by hand": (target({"A": "v"}, {"A": readable("x", "2")}, {"A": ("v", "1")}), "drift", "on the platform"),
    "changed on both sides": (target({"A": "w"}, {"A": readable("x")}, {"A": ("v", "1")}), "update", "in the vault"),
    "write-only, untouched": (target({"A": "v"}, {"A": hidden()}, {"A": ("v", "1")}), "keep", "up to date"),
    "write-only, new value": (target({"A": "w"}, {"A": hidden()}, {"A": ("v", "1")}), "update", "in the vault"),
    "write-only, touched": (target({"A": "v"}, {"A": hidden("2")}, {"A": ("v", "1")}), "drift", "on the platform"),
    "write-only, without a stamp": (target({"A": "v"}, {"A": hidden("")}, {"A": ("v", "")}), "drift", "platform"),
    "somebody else's": (target({"A": "v"}, {"A": readable("v")}, {}), "foreign", "did not make it"),
    "an integration's": (
        target({"A": "v"}, {"A": readable("x", reserved="an integration made it")}, {"A": ("v", "1")}),
        "foreign",
        "an integration made it",
    ),
    "of another type": (
        target({"A": "v"}, {"A": readable("v", misfit="its type is plain")}, {"A": ("v", "1")}),
        "replace",
        "its type is plain",
    ),
}


@pytest.mark.parametrize(("given_target", "kind", "reason"), CASES.values(), ids=CASES)
def test_each_variable_has_one_fate_and_its_reason(given_target: Target, kind: str, reason: str) -> None:
    (change,) = plan(given_target)
    assert change.kind == kind
    assert reason in change.reason
    assert change.applies is (kind in WRITES)
    assert change.differs is (kind != "keep")


def pending(how: str, value: str) -> Ledger:
    """A ledger of a sync that meant to write `value`, and did not come to its end."""
    entry = Entry(fingerprint=mark("A", Secret(value)), pending=how)  # type: ignore[arg-type]  # the case's own
    return Ledger(place="prj_1", entries={"A": entry})


UNFINISHED = {
    "create, nothing there": ("create", None, "create", "not there yet"),
    "create, as it was meant": ("create", readable("v"), "keep", "up to date"),
    "create, another value": ("create", readable("x"), "foreign", "did not make it"),
    "create, write-only": ("create", hidden(), "update", "did not finish"),
    "write, nothing there": ("write", None, "create", "not there yet"),
    "write, as it was meant": ("write", readable("v"), "keep", "up to date"),
    "write, another value": ("write", readable("x"), "update", "did not finish"),
    "write, write-only": ("write", hidden(), "update", "did not finish"),
}


@pytest.mark.parametrize(("how", "held", "kind", "reason"), UNFINISHED.values(), ids=UNFINISHED)
def test_what_an_earlier_sync_left_unfinished_is_finished_unless_it_is_somebody_else_s(
    how: str, held: Variable | None, kind: str, reason: str
) -> None:
    of = replace(target({"A": "v"}, {"A": held} if held else {}, {}), ledger=pending(how, "v"))
    (change,) = plan(of)
    assert change.kind == kind
    assert reason in change.reason


@pytest.mark.parametrize(
    ("held", "kinds"), [(readable("v"), ["delete"]), (readable("x"), []), (hidden(), ["delete"]), (None, [])]
)
def test_an_unfinished_create_that_is_no_longer_wanted_is_deleted_unless_it_is_somebody_else_s(
    held: Variable | None, kinds: list[str]
) -> None:
    of = replace(target({}, {"A": held} if held else {}, {}), ledger=pending("create", "v"))
    assert [change.kind for change in plan(of, prune=True)] == kinds


def test_the_value_of_an_unfinished_create_is_asked_for_where_it_can_be() -> None:
    of = target({}, {"A": hidden(readable=True)}, {})
    assert [each.name for each in unsure(replace(of, ledger=pending("create", "v")))] == ["A"]
    assert unsure(replace(of, ledger=pending("write", "v"))) == []


@pytest.mark.parametrize(
    ("listed", "reason"), [({"A"}, "the vault has no value for it"), (set(), "no longer in the manifest")]
)
def test_what_goes_says_whether_the_vault_or_the_manifest_lacks_it(listed: set[str], reason: str) -> None:
    (change,) = plan(replace(target({}, {"A": readable("v")}, {"A": ("v", "1")}), listed=listed), prune=True)
    assert (change.kind, change.reason) == ("delete", reason)


def test_another_record_of_the_same_name_is_not_the_one_that_was_written() -> None:
    held = Variable(name="A", id="id-other", stamp="1")
    (change,) = plan(target({"A": "v"}, {"A": held}, {"A": ("v", "1")}))
    assert change.kind == "drift"


def test_what_is_not_ours_is_taken_over_by_name_alone() -> None:
    of = target({"A": "v", "B": "v"}, {"A": hidden(), "B": Variable(name="B", value=Secret("x"))}, {})
    assert [(change.name, change.kind, change.needs) for change in plan(of, adopt={"A"})] == [
        ("A", "update", ""),
        ("B", "foreign", "--adopt B"),
    ]


def test_nobody_takes_over_what_an_integration_made() -> None:
    (change,) = plan(target({"A": "v"}, {"A": readable("x", reserved="an integration made it")}, {}), adopt={"A"})
    assert (change.kind, change.needs) == ("foreign", "")


def test_what_is_no_longer_wanted_is_deleted_only_when_that_is_said() -> None:
    of = target(
        {}, {"A": readable("v"), "B": Variable(name="B", value=Secret("x"))}, {"A": ("v", "1"), "GONE": ("v", "1")}
    )
    (kept,) = plan(of)
    (deleted,) = plan(of, prune=True)
    assert (kept.kind, kept.needs, kept.applies, kept.differs) == ("delete", "--prune", False, True)
    assert (deleted.kind, deleted.needs, deleted.applies) == ("delete", "", True)


@pytest.mark.parametrize(
    ("held", "written", "asked"),
    [
        (hidden(readable=True), {"A": ("v", "1")}, []),
        (hidden("2", readable=True), {"A": ("v", "1")}, ["A"]),
        (hidden("2"), {"A": ("v", "1")}, []),
        (hidden(readable=True), {"A": ("w", "1")}, ["A"]),
        (hidden(readable=True), {}, []),
        (readable("v"), {"A": ("v", "1")}, []),
    ],
)
def test_values_are_asked_for_only_where_that_can_tell_something(
    held: Variable, written: Mapping[str, tuple[str, str]], asked: list[str]
) -> None:
    assert [variable.name for variable in unsure(target({"A": "v"}, {"A": held}, written))] == asked


def test_no_plan_shows_a_value() -> None:
    of = target({"A": "s3cr3t"}, {"A": readable("0ther")}, {"A": ("s3cr3t", "1")})
    assert "s3cr3t" not in repr((of, plan(of)))
    assert "0ther" not in repr((of, plan(of)))


names = st.sampled_from("ABCDEF")
values = st.sampled_from(["v", "w", "x"])
stamps = st.sampled_from(["1", "2"])
platforms = st.dictionaries(names, st.tuples(values, stamps, st.booleans(), st.sampled_from(["", "an integration's"])))


@given(
    wanted=st.dictionaries(names, values),
    platform=platforms,
    written=st.dictionaries(names, st.tuples(values, stamps)),
    prune=st.booleans(),
    adopt=st.sets(names),
)
def test_following_a_plan_ends_where_it_says_and_touches_nothing_foreign(
    wanted: dict[str, str],
    platform: dict[str, tuple[str, str, bool, str]],
    written: dict[str, tuple[str, str]],
    prune: bool,
    adopt: set[str],
) -> None:
    held = {
        name: Variable(
            name=name, id=f"id-{name}", value=Secret(value) if shown else None, stamp=stamp, reserved=reserved
        )
        for name, (value, stamp, shown, reserved) in platform.items()
    }
    before = {name: value for name, (value, *_) in platform.items()}
    after, ledger = dict(before), dict(written)
    changes = plan(target(wanted, held, written), prune=prune, adopt=adopt)
    for change in changes:
        if change.applies and change.kind in WRITES:
            after[change.name], ledger[change.name] = wanted[change.name], (wanted[change.name], "9")
        elif change.applies:
            del after[change.name]
            del ledger[change.name]
    ours = {name for name in (*written, *adopt) if not (name in held and held[name].reserved)}
    assert {name: value for name, value in before.items() if name not in ours} == {
        name: after[name] for name in before if name not in ours
    }
    # What is kept because nothing says that it changed may be believed wrongly only where it cannot be read.
    told = {name for name in wanted if name not in held or held[name].value is not None}
    foreign = {change.name for change in changes if change.kind == "foreign"}
    assert all(after[name] == value for name, value in wanted.items() if name in told - foreign)
    again = {
        name: Variable(name=name, id=f"id-{name}", value=Secret(value), stamp="9") for name, value in after.items()
    }
    again |= {name: variable for name, variable in held.items() if variable.reserved}
    assert not [change for change in plan(target(wanted, again, ledger), prune=prune) if change.kind == "create"]
