"""What tells a live policy, role or mount from what is implied."""

from __future__ import annotations

from typing import Final, Literal

from ciplug.frozen import frozen

Grade = Literal["more", "less", "other"]
"""Whether a job is given more, less or something else than it should be."""

GRADES: Final[tuple[Grade, ...]] = ("more", "less", "other")
"""The worst first: what grants too much is a hole, what grants too little is a job that fails."""


@frozen
class Difference:
    """One thing that differs. `about` is a path of a policy or a field of a role or mount, empty for the whole.

    `narrows` are those that only take something away and that no manifest can say: an update leaves them as they are.
    """

    grade: Grade
    about: str = ""
    text: str
    narrows: bool = False
