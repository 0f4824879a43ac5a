"""How ``ciplug fetch`` gives secrets away: placed, masked, noted, and only then written; all of it or nothing."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from ciplug.cli.keeping import keep_open
from ciplug.cli.undoing import undoing
from ciplug.errors import HandOverError
from ciplug.frozen import frozen
from ciplug.inject.files import needs_files, place
from ciplug.private import PrivateDirectory
from ciplug.process import write_all

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ciplug.cli.invocation import Invocation
    from ciplug.cli.wiring import Task
    from ciplug.pipeline import Delivery

    Write = Callable[[], None]


@frozen
class Way:
    """What one way of giving them away adds to the common order.

    `prepare` renders the secrets as they are placed, refuses what cannot be carried exactly, and gives the function
    that writes them. With `masks` the host is told to mask before that; with `brings_masks` the reader is, by what it
    reads. With `keeps` the secrets are kept for ``ciplug run --fetched``.
    """

    prepare: Callable[[Task, Delivery, Mapping[str, bytes]], Write]
    masks: bool = False
    brings_masks: bool = False
    keeps: bool = False

    def hand_over(self, task: Task, invocation: Invocation, found: Delivery) -> None:
        """Files, masks, the note of what stays open, and last the values; on any failure nothing of these stays."""
        with undoing() as undo:
            directory = PrivateDirectory.create([task.store.private_root()]) if self._places_files(found) else None
            if directory is not None:
                undo.append(directory.remove)
            write = self.prepare(task, found, place(found.values, directory))
            self._tell_what_to_mask(task, invocation, found)
            note = keep_open(task, found, directory, values=self.keeps)
            if note:
                undo.append(lambda: task.store.forget(note))
            write()
        if note:
            invocation.report.say(f"{self._kept(found)} stay until `ciplug revoke`")

    def _tell_what_to_mask(self, task: Task, invocation: Invocation, found: Delivery) -> None:
        masker = task.host.masker if self.masks else None
        if masker or self.brings_masks:
            invocation.report.warn_unmasked(found.too_short)
        if masker:
            with task.steps.signals.interruptible():
                masker(lambda data: write_all(2, data)).mask(form.text for form in found.forms)

    def _places_files(self, found: Delivery) -> bool:
        """Whether later steps find secret files; each ``ciplug run --fetched`` makes its own."""
        return needs_files(found.values) and not self.keeps

    def _kept(self, found: Delivery) -> str:
        kinds = {
            "leases": found.leased,
            "secret files": self._places_files(found),
            "the secrets, for `ciplug run --fetched`,": self.keeps,
        }
        return " and ".join(kind for kind, is_kept in kinds.items() if is_kept)


def refuse_unheard(task: Task) -> None:
    """A closed stderr is ``/dev/null`` by now; a file would hold every value in clear, and nothing would be masked."""
    kind = os.fstat(2).st_mode
    if task.host.masker and (stat.S_ISREG(kind) or (stat.S_ISCHR(kind) and not os.isatty(2))):
        raise HandOverError(
            f"stderr does not lead to {task.host.label}, which would read there what to mask",
            hint="keep the step's stderr open and unredirected",
        )


def refuse_closed_stdout(invocation: Invocation) -> None:
    """Where the values, or the way to them, would go."""
    if 1 in invocation.missing:
        raise HandOverError("stdout is closed, and the values go there", hint="keep stdout open for the reader")


def to_stdout(task: Task, text: bytes) -> None:
    """A signal may end the writing: a reader that does not read would otherwise hold the session open for ever."""
    try:
        with task.steps.signals.interruptible():
            write_all(1, text)
    except OSError as err:
        raise HandOverError(
            f"the values could not be written to stdout: {err.strerror}", hint="keep stdout open for the reader"
        ) from err
