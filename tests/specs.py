"""Where the official specifications of the deploy platforms are, which this project reads and does not hold."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

# Both are read when the tests are collected: the suite's own cleaning takes them out of the environment later.
_FOLDER: Final = Path(os.environ.get("CIPLUG_SPECS") or Path(__file__).parents[2] / "shared" / "specs")
_IN_CI: Final = bool(os.environ.get("CI"))


def folder() -> Path:
    """The folder of the specifications. Without it the test that asks is skipped, and in CI it fails.

    This is the suite's one exception to the rule that nothing is skipped: the specifications are the vendors' files,
    which whoever runs the suite may not have.
    """
    if not _FOLDER.is_dir():
        advice = "set CIPLUG_SPECS to the folder with the specifications of the deploy platforms"
        if _IN_CI:
            pytest.fail(advice)
        pytest.skip(advice)
    return _FOLDER
