"""Names with which a build tool writes a variable's value into what browsers are sent: no place for a secret."""

from __future__ import annotations

from typing import Final

_PREFIXES: Final = (
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


def public_prefix(name: str) -> str:
    """The prefix by which `name` would be published; empty where none would publish it."""
    return next((prefix for prefix in _PREFIXES if name.startswith(prefix)), "")
