"""``Frozen`` gives a dataclass what ``@dataclass`` itself would have given it."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass, field

import pytest

from ciplug.frozen import Frozen


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class Ours(Frozen):
    name: str
    hidden: str = field(default="", repr=False)
    loose: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Theirs:
    name: str
    hidden: str = field(default="", repr=False)
    loose: int = field(default=0, compare=False)


VALUES = [{"name": "a"}, {"name": "b"}, {"name": "a", "hidden": "x"}, {"name": "a", "loose": 5}]


@pytest.mark.parametrize("one", VALUES)
@pytest.mark.parametrize("other", VALUES)
def test_it_compares_and_hashes_as_a_dataclass_does(one: dict[str, object], other: dict[str, object]) -> None:
    assert (Ours(**one) == Ours(**other)) is (Theirs(**one) == Theirs(**other))
    assert (hash(Ours(**one)) == hash(Ours(**other))) is (hash(Theirs(**one)) == hash(Theirs(**other)))


@pytest.mark.parametrize("value", VALUES)
def test_it_is_shown_as_a_dataclass_is(value: dict[str, object]) -> None:
    assert repr(Ours(**value)) == repr(Theirs(**value)).replace("Theirs", "Ours")


def test_another_class_with_the_same_fields_is_another_value() -> None:
    assert Ours(name="a") != Theirs(name="a")


def test_it_is_frozen_and_slotted() -> None:
    value = Ours(name="a")
    with pytest.raises(FrozenInstanceError):
        value.name = "b"
    assert not hasattr(value, "__dict__")
