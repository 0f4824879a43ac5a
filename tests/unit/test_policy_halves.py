"""In which steps a policy is written that both loses and gains while one of its roles changes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciplug.policy.halves import first_half
from ciplug.policy.hcl import render
from ciplug.policy.plan import Change, plan
from ciplug.policy.show_live import plan_counted, plan_text
from tests.fakes.live_policies import EARLIER, IMPLIED, LONG, MARKED, POLICY, WIDE, live, role

if TYPE_CHECKING:
    from ciplug.policy.live import Live

READ, BOTH = frozenset({"read"}), frozenset({"read", "update"})
NEW = replace(POLICY, rules={"secret/data/db": READ, "secret/data/key": BOTH})


def text(rules: str) -> str:
    return "".join(
        f'path "{path}" {{ capabilities = ["{words}"] }}\n' for path, words in map(str.split, rules.split(";"))
    )


@pytest.mark.parametrize(
    ("stored", "shared"),
    [
        ("secret/data/old read", {}),
        ("secret/data/db read;secret/data/old read", {"secret/data/db": READ}),
        ("secret/data/key update;secret/data/old read", {"secret/data/key": {"update"}}),
        ("secret/data/key delete;secret/data/key read", {"secret/data/key": READ}),
        ("/secret/data/db read;secret/data/old read", {"secret/data/db": READ}),
        ("secret/data/* read", {"secret/data/db": READ, "secret/data/key": READ}),
        ("secret/* read;secret/data/* list", {}),
        ("secret/* read;secret/data/key update", {"secret/data/db": READ, "secret/data/key": {"update"}}),
        ("secret/data/* read;secret/data/db deny", {"secret/data/key": READ}),
        ("secret/* read;secret/data/k* deny", {"secret/data/db": READ}),
        ("secret/* read;secret/data/k* deny;secret/data/k* read", {"secret/data/db": READ}),
        ("secret/* read;secret/data/{{x}} list", {}),
        ("secret/data/{{x}}* read", {}),
    ],
)
def test_the_first_half_is_what_old_and_new_have_in_common(stored: str, shared: dict[str, frozenset[str]]) -> None:
    half = first_half(NEW, text(stored))
    assert half is not None
    assert (half.name, half.rules) == ("shop-test", shared)


@pytest.mark.parametrize(
    "stored", ["secret/data/db read", "secret/data/db read;secret/data/key update", "secret/data/x deny"]
)
def test_what_loses_nothing_has_no_first_half(stored: str) -> None:
    assert first_half(NEW, text(stored)) is None


@pytest.mark.parametrize(
    "more",
    ["path {", 'path "secret/data/db" "x" {}\n', 'path "x" {\n capabilities = ["read"]\n max_wrapping_ttl = "1h"\n}\n'],
)
def test_nothing_is_in_common_with_what_cannot_be_told(more: str) -> None:
    half = first_half(NEW, text("secret/data/db read") + more)
    assert half is not None
    assert half.rules == {}


RULES = st.dictionaries(st.sampled_from("abc"), st.frozensets(st.sampled_from(["read", "list"]), min_size=1))


@given(old=RULES, new=RULES)
def test_the_first_half_gives_nothing_that_only_one_of_both_does(
    old: dict[str, frozenset[str]], new: dict[str, frozenset[str]]
) -> None:
    half = first_half(replace(POLICY, rules=new), render(replace(POLICY, rules=old)))
    before, after = ({(path, word) for path, words in rules.items() for word in words} for rules in (old, new))
    assert (half is None) == (before <= after)
    if half is not None:
        assert {(path, word) for path, words in half.rules.items() for word in words} == before & after


def halves(found: Live) -> list[Change]:
    return [change for change in plan(IMPLIED, found) if change.half is not None]


@pytest.mark.parametrize(
    "found",
    [
        live(EARLIER, role(), role()),
        live(EARLIER, role(), None),
        live(WIDE, LONG, role()),
        live(MARKED.replace('["read"]', '["deny"]'), LONG, role()),
        live(None, None, None),
        live(MARKED, LONG, LONG),
    ],
    ids=["no role changes", "a role comes", "only loses", "only denied", "new", "only a role changes"],
)
def test_only_what_needs_it_is_written_in_two_steps(found: Live) -> None:
    assert halves(found) == []


def test_what_is_written_in_two_steps_is_one_change_of_the_plan() -> None:
    found = live(EARLIER, LONG, role())
    [change] = halves(found)
    assert (change.kind, change.what, change.is_half) == ("update", "policy", False)
    changes = plan(IMPLIED, found)
    assert plan_counted(changes) == "2 to update"
    assert [line[0] for line in plan_text(changes, found) if not line.startswith(" ")] == ["~", "~", "="]
