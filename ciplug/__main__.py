"""``python -m ciplug`` and the ``ciplug`` script."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit with its status."""
    try:
        from ciplug.cli import run_command_line

        status = run_command_line(sys.argv[1:])
    except KeyboardInterrupt:  # before ciplug's own handlers stand; nothing has been asked of the vault yet
        status = 130
    sys.exit(status)


if __name__ == "__main__":
    main()
