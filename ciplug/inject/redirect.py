"""The shell text that redirects a job's shell through the filter and only then puts the secrets into it."""

from __future__ import annotations

import os
import pkgutil
import re
from typing import TYPE_CHECKING

from ciplug import formats
from ciplug.errors import HandOverError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

_NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*", re.ASCII)

_REDIRECT = b"""\
unset -v BASH_XTRACEFD || exit
{
    command exec >"$ciplug_directory/out" 2>"$ciplug_directory/err"
} 8<>"$ciplug_directory/out" 9<>"$ciplug_directory/err" || exit
. "$ciplug_directory/env" || exit
"""
# NOTE: a trace that bash writes to a descriptor of its own would pass the filter. `command`, because in bash `exec` may
# be somebody's function. 8 and 9 are open for the redirection only: opening a FIFO to write alone waits for its reader,
# and a filter that is dead already would let the job hang instead of failing at its first line of output.


def code(directory: Path, ending: Sequence[str]) -> bytes:
    """The text for the job's shell to evaluate, without a secret in it.

    It expects the FIFOs and the file ``env`` in `directory`. `ending` is the command that the shell runs when it exits,
    after the user's own EXIT action; its status is not the job's.
    """
    command = b" ".join(_quoted(word) for word in ending)
    return (
        b"ciplug_directory="
        + _quoted(directory)
        + b"\nciplug_ending="
        + _quoted(os.fsdecode(command))
        + b"\n"
        + _REDIRECT
    )


def environment(values: Mapping[str, bytes], dropped: Iterable[str]) -> bytes:
    """What goes into the file ``env``: the EXIT handling, and the shell's variables, `dropped` ones unset first.

    ``HandOverError`` for a value that no shell can hold, and for a name to drop that no shell can unset.
    """
    names = sorted(set(dropped).difference(values))
    if strange := [name for name in names if not _NAME.fullmatch(name)]:
        raise HandOverError(
            f"a shell cannot unset {', '.join(strange)}", hint="give the ID token a variable with a plain name"
        )
    unset = b"".join(b"unset -v " + name.encode() + b" || exit\n" for name in names)
    handling = pkgutil.get_data("ciplug.inject", "filtered.sh")  # importlib.resources takes seven times as long
    if handling is None:
        raise HandOverError("this installation of ciplug lacks filtered.sh", hint="install it again")
    # `. env || exit` takes `set -e` away for all that is in the file, and only the last line's status would count.
    exports = (formats.shell({name: value}).removesuffix(b"\n") + b" || exit\n" for name, value in values.items())
    return handling + unset + b"".join(exports)


def _quoted(word: str | Path) -> bytes:
    return b"'" + os.fsencode(word).replace(b"'", b"'\\''") + b"'"
