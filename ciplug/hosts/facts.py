"""What every host says of itself and of the run, in one shape."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One CI run as its host describes it; empty strings where the host does not say.

    `kind` is the word in audit records; `temp` is a directory the host clears when the job ends.
    """

    kind: str
    label: str
    ci: bool = True
    masks: bool = False
    job: str = ""
    run: str = ""
    actor: str = ""
    repository: str = ""
    commit: str = ""
    ref: str = ""
    temp: str = ""
