"""A question to the person at the terminal."""

from __future__ import annotations

import select
import sys
from typing import Final

import click

_ANSWERS: Final = {"y": True, "yes": True, "n": False, "no": False, "": False}
_LOOK_SECONDS: Final = 0.1


def can_ask() -> bool:
    """Whether there is a person to be asked."""
    return sys.stdin is not None and sys.stdin.isatty()


def agreed(question: str) -> bool:
    """Whether the person at the terminal says yes; the end of their input is a no.

    NOTE: not ``input``, which swallows what a signal raises while it prepares to read. It is looked whether there is an
    answer, because a signal between the question and a read that blocks would be heard only once that has ended.
    """
    while True:
        click.echo(question, nl=False, err=True)
        while not select.select([sys.stdin], [], [], _LOOK_SECONDS)[0]:
            pass
        answer = sys.stdin.readline()
        if not answer.endswith("\n"):
            click.echo(err=True)
        if (word := answer.strip().lower()) in _ANSWERS:
            return _ANSWERS[word]
