"""``python -m ciplug`` and the ``ciplug`` script."""

from __future__ import annotations

import contextlib
import gc
import os
import sys

# What is imported lives as long as the process. Looking for garbage in it, every 700 objects, would cost a tenth of the
# start; a long run still gets its collections.
gc.set_threshold(100_000)


def main() -> None:
    """Run the command line and end the process with its status."""
    if os.name == "nt":  # no process groups, no FIFOs, other file rights
        sys.stderr.write("ciplug: error: usage: this is Windows. Next: run the job on Linux or macOS\n")
        sys.exit(2)
    try:
        from ciplug.cli import run_command_line

        status = run_command_line(sys.argv[1:])
    except KeyboardInterrupt:  # before ciplug's own handlers stand; nothing has been asked of the vault yet
        status = 130
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, AttributeError, ValueError):  # nobody is left to be told
            stream.flush()
    # Everything is closed and revoked by now. Taking the interpreter apart costs a sixth of a short command.
    os._exit(status)


if __name__ == "__main__":
    main()
