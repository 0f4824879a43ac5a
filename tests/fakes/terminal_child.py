"""One `Child` as its own process, for tests that need a terminal or a session of their own: ``COMMAND [ARG]…``."""

from __future__ import annotations

import os
import sys

from ciplug.inject.child import Child
from ciplug.redact import LiteralKernel, StreamFilter

if __name__ == "__main__":
    child = Child(
        sys.argv[1:],
        dict(os.environb),
        stream_filter=lambda: StreamFilter(LiteralKernel(())),
        warn=lambda message: None,
        grace=5.0,
    )
    sys.exit(child.run())
