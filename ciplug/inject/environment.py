"""The environment a child gets: what it is granted, without what would let it fetch more."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ciplug.errors import HandOverError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SECRET_ZERO = frozenset(
    {
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        "ACTIONS_ID_TOKEN_REQUEST_URL",
        "BAO_TOKEN",
        "CIPLUG_ID_TOKEN",
        "CIPLUG_ID_TOKEN_FILE",
        "VAULT_ID_TOKEN",
        "VAULT_ID_TOKEN_FILE",
        "VAULT_TOKEN",
        "VERCEL_OIDC_TOKEN",
    }
)
"""Variables from which a job's identity can be had; the host's own token variables and their ``…_FILE`` join them."""

_NO_TOKENS = frozenset({"ACTIONS_ID_TOKEN_REQUEST_URL", "CIPLUG_ID_TOKEN_FILE", "VAULT_ID_TOKEN_FILE"})
"""Those that lead to a token and hold none: an address, paths."""

MAX_ENTRY = 128 * 1024
"""Bytes of ``NAME=value`` with its final NUL: Linux starts no program with a longer string (MAX_ARG_STRLEN)."""


def child_environment(
    env: Mapping[str, str], granted: Mapping[str, bytes], *, known: Iterable[str], secret_zero: Iterable[str]
) -> dict[bytes, bytes]:
    """`env` without secret-zero and without names the manifest knows, plus what is granted.

    ``HandOverError`` for a value that no environment can carry.
    """
    refuse_unfit(granted)
    dropped = withheld(known, secret_zero)
    kept = {os.fsencode(name): os.fsencode(value) for name, value in env.items() if name not in dropped}
    return kept | {name.encode(): value for name, value in granted.items()}


def refuse_unfit(granted: Mapping[str, bytes]) -> None:
    """``HandOverError`` naming every value that no environment can carry."""
    problems = [f"{name} {problem}" for name, value in granted.items() if (problem := _problem(name, value))]
    if problems:
        raise HandOverError(
            "the environment cannot carry " + "; ".join(problems),
            hint='hand it over as a file: as = "file" in the manifest',
        )


def withheld(known: Iterable[str], secret_zero: Iterable[str]) -> frozenset[str]:
    """The names of variables that no command gets as they are: ways to an identity, and what the manifest grants."""
    tokens = tuple(secret_zero)
    return SECRET_ZERO.union(known, tokens, (f"{name}_FILE" for name in tokens))


def token_values(env: Mapping[str, str], secret_zero: Iterable[str]) -> list[bytes]:
    """The tokens in `env` that the child does not get, to be hidden in its output all the same.

    It may find them in the environment of ciplug itself, which is a process of the same user.
    """
    names = SECRET_ZERO.union(secret_zero) - _NO_TOKENS
    return [os.fsencode(value) for name in sorted(names) if (value := env.get(name))]


def _problem(name: str, value: bytes) -> str:
    if b"\0" in value:
        return "(it holds a NUL byte)"
    if len(name) + len(value) + 2 > MAX_ENTRY:
        return f"({len(value)} bytes; {MAX_ENTRY} at most)"
    return ""
