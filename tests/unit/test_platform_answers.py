"""What is taken from a platform's answer, and what is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ciplug.errors import PlatformError
from ciplug_platforms.answers import Shape, address, number, stamp, word
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Callable

SECRET = "s3cret-value-one"
SHAPE = Shape(about="Fly.io: the list of apps")


@pytest.mark.parametrize(
    ("check", "found"),
    [
        (SHAPE.mapping, {"a": 1}),
        (SHAPE.listing, [1]),
        (SHAPE.id, "dpl_1-A"),
        (SHAPE.name, "A b.ü"),
        (SHAPE.name, ""),
    ],
)
def test_what_fits_is_given_back(check: Callable[[object], object], found: object) -> None:
    assert check(found) == found


@pytest.mark.parametrize(
    ("check", "found"),
    [
        (SHAPE.mapping, None),
        (SHAPE.mapping, [SECRET]),
        (SHAPE.listing, {SECRET: 1}),
        (SHAPE.listing, SECRET),
        (SHAPE.id, ""),
        (SHAPE.id, 7),
        (SHAPE.id, ".."),
        (SHAPE.id, f"{SECRET}/x"),
        (SHAPE.id, f"{SECRET}\n"),
        (SHAPE.id, f"{SECRET}é"),
        (SHAPE.id, "x" * 101),
        (SHAPE.name, None),
        (SHAPE.name, [SECRET]),
        (SHAPE.name, f"{SECRET}\x1b[2J"),
        (SHAPE.name, f"{SECRET}\n"),
        (SHAPE.name, f"{SECRET}\u202e"),
        (SHAPE.name, f"{SECRET}\ud800"),
    ],
)
def test_what_does_not_fit_is_an_error_that_says_what_was_asked_and_quotes_nothing(
    check: Callable[[object], object], found: object
) -> None:
    with pytest.raises(
        PlatformError, match=r"Fly\.io: the list of apps: the answer is not what its API describes"
    ) as err:
        check(found)
    assert err.value.hint
    assert_no_leak(f"{err.value!r} {err.value.hint} {err.value.__cause__!r}", [SECRET])


@pytest.mark.parametrize(
    ("found", "shown"),
    [
        ("shop-1.vercel.app", "https://shop-1.vercel.app"),
        ("https://web.up.railway.app/", "https://web.up.railway.app"),
        ("https://dashboard.render.com/web/srv-1", "https://dashboard.render.com/web/srv-1"),
        ("http://a.test", ""),
        ("javascript:alert(1)", ""),
        ("user:token@a.test", ""),
        ("a.test?token=x", ""),
        ("a.test/<b>", ""),
        ("a.test\n", ""),
        ("a" * 300, ""),
        ("", ""),
        (None, ""),
        (["a.test"], ""),
    ],
)
def test_an_address_is_shown_only_if_it_is_one(found: object, shown: str) -> None:
    assert address(found) == shown


@pytest.mark.parametrize(
    ("found", "shown"),
    [("READY", "READY"), ("build_failed", "build_failed"), ("two words", ""), ("A\n", ""), ("x" * 41, ""), (7, "")],
)
def test_a_word_is_shown_only_if_it_is_one(found: object, shown: str) -> None:
    assert word(found) == shown


@pytest.mark.parametrize(
    ("found", "kept"),
    [
        (1_790_000_000_000, "1790000000000"),
        ("2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.000Z"),
        ("some time ago", ""),
        ("", ""),
        (True, ""),
        (None, ""),
        ({}, ""),
    ],
)
def test_a_stamp_is_kept_only_if_it_is_one(found: object, kept: str) -> None:
    assert stamp(found) == kept


@pytest.mark.parametrize(
    ("found", "taken"),
    [(3, 3.0), (0, 0.0), (1.5, 1.5), (True, None), ("3", None), (10**400, None), (float("nan"), None), (None, None)],
)
def test_a_number_is_taken_only_if_it_can_be_reckoned_with(found: object, taken: float | None) -> None:
    assert number(found) == taken
