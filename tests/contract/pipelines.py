"""What a CI host's driver is given, and what comes back: one job as its user writes it, run by the real thing."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ciplug.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class Ran(NamedTuple):
    """How a pipeline ended: whether the host calls it a success, and all that anyone can read of it."""

    ok: bool
    log: bytes


@frozen
class Pipeline:
    """One CI job that uses the secrets of the manifest's job `job`.

    `steps` are POSIX sh scripts, run one after another, each a step of its own; they see the secrets. `after` is a
    script that runs last, whatever became of the steps, and has no right to the secrets of a job that failed before
    it had any. `env` is set for the whole job in the CI configuration. The ID token of a `stranger` is
    another repository's; without `token` there is none. Without `manifest` the checkout has none; with `read_only` no
    file or directory of the checkout can be written. Once the file `cancel_at` exists, the job is cancelled as its
    host does it.
    """

    job: str = "test"
    environment: str = ""
    steps: tuple[str, ...] = ()
    after: str = ""
    env: Mapping[str, str] = field(default_factory=dict)
    stranger: bool = False
    token: bool = True
    manifest: bool = True
    read_only: bool = False
    cancel_at: Path | None = None


class Driver(Protocol):
    """Runs pipelines of one project on one host, in one of the ways in which ciplug is used there."""

    name: str
    """For example ``github-fetch``; it names the test."""

    def run(self, pipeline: Pipeline) -> Ran:
        """The pipeline from its start to its end, in a checkout of its own; raises when the emulator itself fails."""
        ...
