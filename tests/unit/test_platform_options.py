"""The tables of options of the three platforms: one wording for what is wrong, and no text of theirs in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ciplug.errors import UsageError
from ciplug_platforms import railway, render, vercel
from ciplug_platforms.options import Rule, check, one_of
from tests.leaks import assert_no_leak

if TYPE_CHECKING:
    from collections.abc import Callable

TOKEN = "vcp_s3cret-token"
CREATE: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "Vercel": (vercel.create, {"project": "prj_1", "target": "production"}),
    "Railway": (railway.create, {"project": "prj", "environment": "env"}),
    "Render": (render.create, {"service": "srv-1"}),
}


def message(label: str, changed: dict[str, Any], *, without: str = "") -> str:
    create, options = CREATE[label]
    whole = {name: value for name, value in (options | changed).items() if name != without}

    def connect(_endpoint: object) -> Any:
        raise AssertionError("nothing is connected to for options that are wrong")

    with pytest.raises(UsageError) as err:
        create(whole, connect, lambda _seconds: None)
    assert err.value.hint.startswith("for example options = { ")
    assert_no_leak(f"{err.value} {err.value.hint} {err.value!r}", [TOKEN])
    return str(err.value)


@pytest.mark.parametrize("label", CREATE)
def test_an_unknown_option_is_said_in_one_way_with_the_nearest_one_that_there_is(label: str) -> None:
    said = message(label, {"api_ulr": TOKEN})
    assert said.startswith(f"{label}: option api_ulr is unknown; there are ")
    assert said.endswith("(did you mean api_url?)")


@pytest.mark.parametrize("label", CREATE)
def test_what_is_like_no_option_has_no_suggestion(label: str) -> None:
    assert "did you mean" not in message(label, {"colour": "red"})


@pytest.mark.parametrize(
    ("label", "name"), [("Vercel", "project"), ("Vercel", "target"), ("Railway", "environment"), ("Render", "service")]
)
def test_a_missing_option_is_said_in_one_way(label: str, name: str) -> None:
    assert message(label, {}, without=name).startswith(f"{label}: option {name} is missing: ")


@pytest.mark.parametrize("wrong", [f"{TOKEN}\n", f" {TOKEN}", {TOKEN: TOKEN}, [TOKEN], 7, "", None])
@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Vercel", "project"),
        ("Vercel", "team"),
        ("Vercel", "target"),
        ("Vercel", "type"),
        ("Vercel", "api_url"),
        ("Railway", "project"),
        ("Railway", "service"),
        ("Railway", "token_kind"),
        ("Railway", "references"),
        ("Railway", "api_url"),
        ("Render", "service"),
        ("Render", "api_url"),
    ],
)
def test_what_does_not_fit_is_said_in_one_way_and_not_quoted(label: str, name: str, wrong: object) -> None:
    assert f"option {name} has to be " in message(label, {name: wrong})


@pytest.mark.parametrize(
    ("rule", "given", "is_taken"),
    [
        (Rule(words="an id", pattern=r"\w+"), "a1", True),
        (Rule(words="an id", pattern=r"\w+"), "é", False),
        (Rule(words="an id", pattern=r"\w+"), "a1\n", False),
        (Rule(words="an id", pattern=r"\w+"), True, False),
        (Rule(words="true or false"), False, True),
        (Rule(words="true or false"), 0, False),
        (Rule(words="true or false"), "true", False),
        (one_of("a.b", "c"), "a.b", True),
        (one_of("a.b", "c"), "axb", False),
    ],
)
def test_a_rule_takes_what_it_says(rule: Rule, given: object, is_taken: bool) -> None:
    assert rule.takes(given) is is_taken


def test_nothing_is_raised_for_what_is_right() -> None:
    check("Fly.io", {"app": "web"}, {"app": Rule(words="a name", pattern=r"\w+", is_required=True)}, example="")
