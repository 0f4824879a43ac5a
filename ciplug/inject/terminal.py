"""The terminal's foreground: a child in its own group must own it to read from it, and Ctrl-Z must still work."""

from __future__ import annotations

import os
import signal

_WANTS_TERMINAL = (signal.SIGTTIN, signal.SIGTTOU)
_JOB_CONTROL = (signal.SIGTSTP, *_WANTS_TERMINAL)


class Foreground:
    """Lends the terminal on stdin to the child's process group; does nothing where stdin is not our terminal."""

    def __init__(self, stdin: int = 0, stdout: int = 1) -> None:
        self._stdin = stdin
        self._stdout = stdout
        self._own = os.getpgrp()
        self._group = 0

    def lend(self, group: int) -> None:
        """Make `group` the foreground if ciplug is in it, and wake it in case it was stopped by reading too early.

        Where stdout is not the terminal, a pager may stand behind it that needs the terminal itself; the child then
        gets it when it asks.
        """
        self._group = group
        if os.isatty(self._stdout) and self._hand_over():
            os.killpg(group, signal.SIGCONT)

    def take_back(self) -> None:
        """Make ciplug's own group the foreground again, unless somebody else is in it by now."""
        if self._group and self._front() == self._group:
            self._set(self._own)

    def child_stopped(self, signum: int) -> None:
        """The child was stopped by `signum`: give it the terminal if that is what it wants, else stop with it.

        The whole of ciplug's group stops, as by Ctrl-Z in it, so that the shell sees its job stopped; the child goes on
        when the group does. Without a shell to resume it the kernel does not stop the group, and the child goes on.
        """
        front = self._front()
        if front is None:
            return
        if front == self._own and signum in _WANTS_TERMINAL:
            self._hand_over()
        elif front == self._group or signum in _JOB_CONTROL:
            self.take_back()
            os.killpg(self._own, signal.SIGTSTP)
            self._hand_over()  # after `fg`, not after `bg`
        else:
            return
        os.killpg(self._group, signal.SIGCONT)

    def _hand_over(self) -> bool:
        if self._front() != self._own:
            return False
        self._set(self._group)
        return True

    def _front(self) -> int | None:
        """The terminal's foreground group; ``None`` where stdin is no terminal, or not our session's."""
        try:
            return os.tcgetpgrp(self._stdin)
        except OSError:
            return None

    def _set(self, group: int) -> None:
        # A background process that sets the foreground gets SIGTTOU, which would stop it here.
        before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        try:
            os.tcsetpgrp(self._stdin, group)
        except OSError:  # the group ended, or the terminal hung up: nothing to lend
            pass
        finally:
            signal.signal(signal.SIGTTOU, before)
