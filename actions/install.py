"""Where the actions enter Python: ``install.py fetch`` or ``install.py setup``.

This file must be valid in every Python 3, so that one that is too old can say so.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036  # whatever Python the runner has, not the one this is written for
    sys.stdout.write(
        "::error title=ciplug::ciplug needs Python 3.11 or newer and this is {}.{}. "
        'Next: put a step "uses: actions/setup-python" before it\n'.format(*sys.version_info[:2])
    )
    sys.exit(1)

from step import main

sys.exit(main(sys.argv[1]))
