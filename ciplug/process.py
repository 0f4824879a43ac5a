"""What the ciplug process does to itself before it handles a secret, and how it writes one."""

from __future__ import annotations

import contextlib
import os

SHELL_STDOUT = 3
"""Where a shell that reads our stdout has put its own."""


def prepare() -> frozenset[int]:
    """Open what is missing of stdin, stdout and stderr, and leave no core dump; gives back what was missing.

    Descriptor 3, which a shell may hand over beside them, is only looked for: later the number may be one of our own.

    A closed standard stream would give its number to the next file or socket that is opened, and output meant for the
    one would end up in the other. A core dump would hold every secret; the child inherits the soft limit of zero and
    may raise it again.
    """
    missing = set() if _is_open(SHELL_STDOUT) else {SHELL_STDOUT}
    for descriptor in (0, 1, 2):
        if not _is_open(descriptor):
            missing.add(descriptor)
            # Takes the lowest free number: this one. Python opens everything for itself alone; the child needs it too.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # noqa: FBT003  # positional-only
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    return frozenset(missing)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def write_all(descriptor: int, data: bytes) -> None:
    """Write `data` without a buffer of ours in which a copy would stay; ``OSError`` when the reader is gone."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]
