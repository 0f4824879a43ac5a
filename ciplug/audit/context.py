"""Who asks and from where, gathered from the token's claims, the CI host and, where both are silent, the checkout."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any

from ciplug.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ciplug.hosts.facts import Checkout, Host

_ACTOR = ("actor", "user_login")
_REPOSITORY = ("repository", "project_path")
_COMMIT = ("sha",)


@frozen
class Context:
    """What every line of one command has in common."""

    command: str
    who: Mapping[str, Any] = field(default_factory=dict)
    where: Mapping[str, Any] = field(default_factory=dict)
    vault: Mapping[str, Any] = field(default_factory=dict)


def describe(
    command: str,
    *,
    claims: Mapping[str, Any],
    identity: str,
    host: Host,
    environment: str,
    job: str,
    vault: Mapping[str, Any],
    checkout: Callable[[], Checkout],
) -> Context:
    """The context of one command; `checkout` is asked only for what neither claims nor host say.

    Claims are unverified when this is written; that a login succeeded with them is what the vault adds.
    """
    repository = _first(claims, _REPOSITORY) or host.repository
    commit = _first(claims, _COMMIT) or host.commit
    ref = _first(claims, ("ref",)) or host.ref
    if not (repository and commit):
        found = checkout()
        repository, commit, ref = repository or found.repository, commit or found.commit, ref or found.ref
    return Context(
        command=command,
        who={
            "issuer": claims.get("iss", ""),
            "subject": claims.get("sub", ""),
            "actor": _first(claims, _ACTOR) or host.actor,
            "identity": identity,
            "run": host.run,
            "job": host.job or job,
        },
        where={
            "host": host.kind,
            "environment": environment,
            "repository": repository,
            "commit": commit,
            "ref": ref,
        },
        vault=vault,
    )


def _first(claims: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return next((str(claims[name]) for name in names if claims.get(name)), "")
