"""The child's process group: signals reach all of it, and it is over when nothing of it runs any more."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


class ProcessGroup:
    """The group led by the process `leader`."""

    def __init__(self, leader: int) -> None:
        self.id = leader

    def send(self, signum: int) -> None:
        """Send a signal to every process of the group; those that are gone, or another user's, are passed over."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.id, signum)

    def alive(self) -> bool:
        """Whether any process of the group still runs."""
        try:
            os.killpg(self.id, 0)
        except ProcessLookupError:
            return False
        except PermissionError:  # a set-user-id child
            return True
        return not _only_zombies(self.id)


def _only_zombies(group: int) -> bool:
    """Whether all of `group` have ended and wait for a parent that may never ask, as the first process of a container.

    Where there is no ``/proc`` nobody can tell, and the answer is no.
    """
    states = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            state, _, its_group = stat.read_bytes().rpartition(b")")[2].split()[:3]
            if int(its_group) == group:
                states.append(state)
    return bool(states) and all(state in {b"Z", b"X"} for state in states)
