"""The terminal's foreground: a child in its own group must own it to read from it, and Ctrl-Z must still work."""

from __future__ import annotations

import os
import signal


class Foreground:
    """Lends the terminal on stdin to the child's process group; does nothing where stdin is not our terminal."""

    def __init__(self, stdin: int = 0) -> None:
        self._stdin = stdin
        self._own = os.getpgrp()
        try:
            self.ours = os.tcgetpgrp(stdin) == self._own
        except OSError:  # not a terminal, or not our session's
            self.ours = False

    def lend(self, group: int) -> None:
        """Make `group` the foreground, and wake it in case it was stopped while reading too early."""
        if self.ours:
            self._set(group)
            os.killpg(group, signal.SIGCONT)

    def take_back(self) -> None:
        """Make ciplug's own group the foreground again."""
        if self.ours:
            self._set(self._own)

    def stop_with(self, group: int) -> None:
        """The child was stopped (Ctrl-Z): stop too, so that the shell sees it, and resume the child when resumed."""
        self.take_back()
        os.kill(os.getpid(), signal.SIGSTOP)
        self.lend(group)
        os.killpg(group, signal.SIGCONT)

    def _set(self, group: int) -> None:
        # A background process that sets the foreground gets SIGTTOU, which would stop it here.
        before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        try:
            os.tcsetpgrp(self._stdin, group)
        except OSError:  # the group ended, or the terminal hung up: nothing to lend
            pass
        finally:
            signal.signal(signal.SIGTTOU, before)
