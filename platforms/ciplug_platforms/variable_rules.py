"""What can be no variable on any of the platforms: a published secret, and what no process can be started with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ciplug.values import is_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ciplug.values import Secret

_PUBLIC_PREFIXES: Final = (
    "EXPO_PUBLIC_",
    "GATSBY_",
    "NEXT_PUBLIC_",
    "NUXT_ENV_",
    "NUXT_PUBLIC_",
    "PUBLIC_",
    "REACT_APP_",
    "REDWOOD_ENV_",
    "SANITY_STUDIO_",
    "SNOWPACK_PUBLIC_",
    "STORYBOOK_",
    "VITE_",
    "VUE_APP_",
)
"""With these a build tool writes a variable's value into what browsers are sent."""

_LONGEST_BYTES: Final = 128 * 1024
"""Linux starts no process with a longer variable: https://man7.org/linux/man-pages/man2/execve.2.html."""


def unfit_anywhere(name: str, value: Secret) -> Iterator[str]:
    """Why no platform can have this secret under this name."""
    if prefix := next((each for each in _PUBLIC_PREFIXES if name.startswith(each)), ""):
        yield f"the prefix {prefix} would publish the secret: a build writes such variables into what browsers are sent"
    content = value.reveal()
    if not is_text(content):
        yield "its value is not UTF-8 text"
    if b"\0" in content:
        yield "its value has a NUL, which no variable can have"


def too_long(name: str, value: Secret) -> Iterator[str]:
    """Why no process can be started with it, where the platform has no smaller limit of its own."""
    if (size := process_bytes(name, value)) > _LONGEST_BYTES:
        yield f"{size} bytes with its name, and a process takes {_LONGEST_BYTES} at most"


def process_bytes(name: str, value: Secret | None) -> int:
    """Bytes of ``NAME=value`` and the NUL behind it."""
    return len(name.encode("utf-8", "surrogatepass")) + (0 if value is None else len(value)) + 2
