"""What cannot be a variable on Vercel, said before anything is written."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from ciplug_platforms.variable_rules import unfit_anywhere

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ciplug.values import Secret, Variable

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_LONGEST_NAME: Final = 256
"""Characters. Vercel has an error for names that are too long (KEY_INVALID_LENGTH) and documents no number: a guess."""

_MOST_BYTES: Final = 64 * 1024
"""Of all names and values of a deployment: https://vercel.com/docs/environment-variables."""

_RESERVED: Final = frozenset(
    {
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_SECRET_KEY",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
        "NOW_REGION",
        "TZ",
    }
)
"""https://vercel.com/docs/environment-variables/reserved-environment-variables"""


def problems(wanted: Mapping[str, Secret], held: Sequence[Variable]) -> list[str]:
    """All of them, as ``NAME: why``; the sum of sizes is at least what it says, for some values cannot be read."""
    found = [f"{name}: {why}" for name, value in wanted.items() for why in _unfit(name, value)]
    staying = {each.name: len(each.value or b"") for each in held}
    sizes = staying | {name: len(value) for name, value in wanted.items()}
    total = sum(len(name.encode("utf-8", "surrogatepass")) + size for name, size in sizes.items())
    if total > _MOST_BYTES:
        largest = max(wanted, key=lambda name: len(wanted[name]), default="")
        found.append(
            f"{largest}: with it and all others the environment has {total} bytes of names and values; "
            f"Vercel takes {_MOST_BYTES}"
        )
    return found


def _unfit(name: str, value: Secret) -> Iterator[str]:
    if not _NAME.fullmatch(name):
        yield "a name on Vercel has letters, digits and _, and begins with no digit"
    if len(name) > _LONGEST_NAME:
        yield f"a name on Vercel has at most {_LONGEST_NAME} characters"
    if name in _RESERVED:
        yield "Vercel reserves this name"
    if len(name.encode("utf-8", "surrogatepass")) + len(value) > _MOST_BYTES:
        yield f"name and value have more than {_MOST_BYTES} bytes"
    yield from unfit_anywhere(name, value)
