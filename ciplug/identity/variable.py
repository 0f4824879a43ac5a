"""The names of variables into which hosts put a ready token."""

from __future__ import annotations

DEFAULT = "VAULT_ID_TOKEN"
"""The name that both hosts' own documentation uses for a token meant for the vault."""


def fallback_name(audience: str) -> str:
    """The name generic OIDC libraries look for: the audience in capitals, all else an underscore, ``_ID_TOKEN``."""
    return "".join(c if c.isascii() and c.isalnum() else "_" for c in audience.upper()) + "_ID_TOKEN"


def names(chosen: str, audience: str) -> tuple[str, ...]:
    """The variables that may hold the token, in order: the chosen one or the default, then the common fallback."""
    return (chosen or DEFAULT, fallback_name(audience))


def absent(candidates: tuple[str, ...]) -> str:
    """`candidates` as the subject of a message that none of them is set."""
    return f"{' and '.join(candidates)} are not"
