"""Which adapter a platform's name leads to, and which names lead nowhere."""

from __future__ import annotations

from importlib.metadata import Distribution, EntryPoint
from typing import TYPE_CHECKING

import pytest

from ciplug.errors import UsageError
from ciplug.registry import GROUP, find

if TYPE_CHECKING:
    from pathlib import Path


class Package(Distribution):
    """A distribution that is no more than its name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def read_text(self, filename: str) -> str:
        return f"Name: {self._name}\nVersion: 1\n" if filename == "METADATA" else ""

    def locate_file(self, path: object) -> Path:
        raise NotImplementedError


def point(name: str, value: str, package: str) -> EntryPoint:
    made = EntryPoint(name, value, GROUP)
    vars(made)["dist"] = Package(package)
    return made


def test_the_adapter_that_is_installed_is_found() -> None:
    points = [point("fly", "json:dumps", "ciplug-fly"), point("heroku", "json:loads", "ciplug-heroku")]
    assert find("fly", installed=lambda: points).__name__ == "dumps"


@pytest.mark.parametrize("name", ["railway", "render", "vercel"])
def test_ciplug_s_own_are_found_like_anyone_else_s(name: str) -> None:
    assert find(name).__module__ == f"ciplug_platforms.{name}"


def test_one_package_that_is_listed_twice_is_one() -> None:
    points = [point("fly", "json:dumps", "ciplug-fly")] * 2
    assert find("fly", installed=lambda: points).__name__ == "dumps"


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ([], ["no adapter", "'fly'", "none"]),
        ([point("heroku", "json:loads", "ciplug-heroku")], ["no adapter", "heroku"]),
        (
            [point("fly", "json:dumps", "a-thief"), point("fly", "json:dumps", "ciplug-fly")],
            ["two", "a-thief and ciplug-fly"],
        ),
        ([point("fly", "json:nothing", "ciplug-fly")], ["cannot be loaded", "ciplug-fly", "AttributeError"]),
        ([point("fly", "no_such_module_here", "ciplug-fly")], ["cannot be loaded", "ModuleNotFoundError"]),
    ],
)
def test_a_name_that_leads_nowhere_or_to_two_is_refused(points: list[EntryPoint], words: list[str]) -> None:
    with pytest.raises(UsageError) as refused:
        find("fly", installed=lambda: points)
    shown = f"{refused.value} {refused.value.hint}"
    assert not [word for word in words if word not in shown], shown
