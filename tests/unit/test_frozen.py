"""``@frozen`` gives a class what ``@dataclass`` itself would have given it."""

from __future__ import annotations

import dataclasses
from dataclasses import FrozenInstanceError, dataclass, field

import pytest

from ciplug.frozen import frozen


@frozen
class Ours:
    name: str
    hidden: str = field(default="", repr=False)
    loose: int = field(default=0, compare=False)
    many: list[int] = field(default_factory=list, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Theirs:
    name: str
    hidden: str = field(default="", repr=False)
    loose: int = field(default=0, compare=False)
    many: list[int] = field(default_factory=list, compare=False)


@frozen
class Named:
    name: str

    def __repr__(self) -> str:
        return "its own"


VALUES = [{"name": "a"}, {"name": "b"}, {"name": "a", "hidden": "x"}, {"name": "a", "loose": 5}]


@pytest.mark.parametrize("one", VALUES)
@pytest.mark.parametrize("other", VALUES)
def test_it_compares_and_hashes_as_a_dataclass_does(one: dict[str, object], other: dict[str, object]) -> None:
    assert (Ours(**one) == Ours(**other)) is (Theirs(**one) == Theirs(**other))
    assert (hash(Ours(**one)) == hash(Ours(**other))) is (hash(Theirs(**one)) == hash(Theirs(**other)))


@pytest.mark.parametrize("value", VALUES)
def test_it_is_shown_as_a_dataclass_is(value: dict[str, object]) -> None:
    assert repr(Ours(**value)) == repr(Theirs(**value)).replace("Theirs", "Ours")


@pytest.mark.parametrize("given", [{}, {"name": "a", "hidden": "s3cr3t", "other": "s3cr3t"}, {"hidden": "s3cr3t"}])
def test_it_refuses_what_a_dataclass_refuses_and_shows_no_value(given: dict[str, object]) -> None:
    for cls in (Ours, Theirs):
        with pytest.raises(TypeError, match=r"name|other") as refused:
            cls(**given)
        assert "s3cr3t" not in str(refused.value)
    with pytest.raises(TypeError):
        Ours("a")  # type: ignore[misc]


def test_each_value_has_a_default_of_its_own() -> None:
    one, other = Ours(name="a"), Ours(name="a")
    one.many.append(1)
    assert other.many == []


def test_it_is_a_dataclass_to_those_who_ask() -> None:
    value = Ours(name="a", hidden="x")
    assert dataclasses.replace(value, name="b") == Ours(name="b", hidden="x")
    assert dataclasses.asdict(value) == dataclasses.asdict(Theirs(name="a", hidden="x"))


def test_a_method_of_the_class_stays() -> None:
    assert repr(Named(name="a")) == "its own"


def test_another_class_with_the_same_fields_is_another_value() -> None:
    assert Ours(name="a") != Theirs(name="a")


def test_it_is_frozen_and_slotted() -> None:
    value = Ours(name="a")
    for change in ("name", "new"):
        with pytest.raises(FrozenInstanceError):
            setattr(value, change, "b")
    with pytest.raises(FrozenInstanceError):
        del value.name
    assert not hasattr(value, "__dict__")
