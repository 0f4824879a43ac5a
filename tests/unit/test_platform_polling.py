"""Following a deployment: what is told, and when it ends."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from ciplug.errors import PlatformError
from ciplug.values import Deployment
from ciplug_platforms.polling import followed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ciplug.values import DeploymentState


def looks(*states: DeploymentState) -> Iterator[Deployment]:
    return (Deployment(state=state) for state in states)


@pytest.mark.parametrize("end", ["ready", "failed"])
def test_every_change_is_told_once_until_the_end_and_nothing_is_asked_after_it(end: DeploymentState) -> None:
    left = looks("waiting", "waiting", "building", "building", "waiting", end, "building")
    pauses: list[float] = []
    told = [each.state for each in followed(lambda: next(left), pauses.append, 5.0)]
    assert told == ["waiting", "building", "waiting", end]
    assert pauses == [5.0] * 5
    assert next(left).state == "building"


def test_a_change_of_word_or_address_is_a_change() -> None:
    steps = [
        Deployment(state="building", detail="BUILDING"),
        Deployment(state="building", detail="DEPLOYING"),
        Deployment(state="building", detail="DEPLOYING", address="https://a.test"),
        Deployment(state="ready"),
    ]
    left = iter(steps)
    assert list(followed(lambda: next(left), lambda _: None, 1.0)) == steps


def test_what_is_ready_at_once_is_not_waited_for() -> None:
    left = looks("ready")
    pauses: list[float] = []
    assert len(list(followed(lambda: next(left), pauses.append, 1.0))) == 1
    assert pauses == []


def test_only_the_wait_ends_what_never_ends() -> None:
    pauses: list[float] = []

    def wait(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 10_000:
            raise PlatformError("it did not end in time")

    left = itertools.repeat(Deployment(state="building"))
    with pytest.raises(PlatformError, match="in time"):
        list(followed(lambda: next(left), wait, 1.0))
    assert len(pauses) == 10_000
