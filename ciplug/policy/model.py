"""What is implied: policies and roles, as values that can be written out, applied, or compared with a live vault."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING

from ciplug.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.vault.admin_auth import JwtRole


@frozen
class Policy:
    """An ACL policy called `name`: what it allows, by path. `owner` is ``jobs.test`` or ``targets.web``.

    `project` is for people. What tells it from other projects are its `ids`, ``github:74`` or without a number
    ``github:acme/shop``, with the host of an issuer that is not the public one: ``gitlab:git.acme.dev:42``. A policy
    that is marked with one of its `aliases` is its own as well.
    """

    name: str
    owner: str
    project: str
    ids: tuple[str, ...]
    aliases: frozenset[str] = frozenset()
    rules: Mapping[str, frozenset[str]] = field(default_factory=dict)


@frozen
class Role:
    """A role of a JWT auth method at `mount`, for jobs on CI hosts of the kind `host`, with the policy `policy`."""

    host: str
    mount: str
    policy: str
    jwt: JwtRole


@frozen
class Implied:
    """All of it. `problems` are what makes a role impossible to write safely; `notes` what somebody should know."""

    policies: tuple[Policy, ...] = ()
    roles: tuple[Role, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
