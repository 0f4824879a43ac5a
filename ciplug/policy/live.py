"""What a vault has where the manifest implies something: read, and never written here."""

from __future__ import annotations

import shlex
from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal

from ciplug.errors import DeniedError, MissingError
from ciplug.frozen import frozen
from ciplug.policy.model import MARK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.policy.model import Implied, Policy, Role
    from ciplug.vault.admin import Admin, StoredPolicy


@frozen
class LeftOver:
    """What ciplug once wrote for this project and the manifest implies no longer. `mount` is empty for a policy."""

    what: Literal["policy", "role"]
    name: str
    mount: str = ""

    @property
    def place(self) -> str:
        """What it is called in a line: ``shop-test`` or ``jwt/shop-test``."""
        return f"{self.mount}/{self.name}" if self.mount else self.name

    def removal(self, namespace: str = "") -> str:
        """The command that deletes it."""
        chosen = f" -namespace={shlex.quote(namespace)}" if namespace else ""
        if self.what == "policy":
            return f"bao policy delete{chosen} {shlex.quote(self.name)}"
        return f"bao delete{chosen} {shlex.quote(f'auth/{self.mount}/role/{self.name}')}"


@frozen
class Live:
    """The policies and roles of the names that are implied, ``None`` for those that are not there; by `key` for roles.

    `configs` are the auth mounts' own, ``None`` where nobody has said whose tokens to trust, without those that may not
    be read. `left_over`, `strangers` and `default` are what `ciplug.policy.beside` finds beside all that: `strangers`
    are roles that nothing implies, with those policies of the project that they give, `default` are the rules of the
    policy that every token has. `notes` are what was not looked at.
    """

    policies: Mapping[str, StoredPolicy | None] = field(default_factory=dict)
    roles: Mapping[tuple[str, str], Mapping[str, Any] | None] = field(default_factory=dict)
    configs: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    left_over: tuple[LeftOver, ...] = ()
    strangers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    default: Mapping[str, frozenset[str]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def key(role: Role) -> tuple[str, str]:
    """The role's mount and name, by which `Live` has it."""
    return role.mount, role.jwt.name


def marked_for(text: str) -> str | None:
    """The project for which ciplug wrote this policy, ``acme/shop (github:74)``; ``None`` where somebody else did."""
    first = text.partition("\n")[0].rstrip()
    if not first.startswith(f"{MARK} for "):
        return None
    return first.rpartition(" of ")[2]


def is_ours(policy: Policy, stored: StoredPolicy | None) -> bool:
    """Whether the policy is there, and ciplug wrote it for this project: its mark has one of the project's ids."""
    project = marked_for(stored.text) if stored is not None else None
    if project is None:
        return False
    _, begins, ids = project.removesuffix(")").rpartition(" (")
    if begins and project.endswith(")"):
        return not set(ids.split(", ")).isdisjoint({*policy.ids, *policy.aliases})
    # Marks once had no ids, but the repository's name.
    return project in policy.aliases or (not policy.ids and project == policy.project)


def policies_of(role: Mapping[str, Any]) -> tuple[str, ...]:
    """The policies that a live role gives, in lower case as the vault compares them."""
    # `policies` is what older versions say beside `token_policies`.
    return tuple(
        dict.fromkeys(str(name).lower() for of in ("token_policies", "policies") for name in role.get(of) or ())
    )


def read_live(admin: Admin, implied: Implied, namespace: str = "") -> Live:
    """What is there of what is implied, with the rights of `admin`'s token.

    ``MissingError`` where an auth mount or the namespace is not there, ``DeniedError`` where one may not look.
    `namespace` is the vault's, for the commands in a hint.
    """
    try:
        policies = {policy.name: admin.read_policy(policy.name) for policy in implied.policies}
    except MissingError as err:
        raise MissingError(str(err), hint="check vault.namespace: the vault has no namespace of that name") from err
    roles: dict[tuple[str, str], Mapping[str, Any] | None] = {}
    configs: dict[str, Mapping[str, Any] | None] = {}
    notes: list[str] = []
    absent: dict[str, Role] = {}
    for role in implied.roles:
        try:
            roles[key(role)] = admin.jwt.read_role(role.jwt.name, role.mount)
            if role.mount not in configs:
                configs[role.mount] = admin.jwt.read_config(role.mount)
        except DeniedError as err:
            if key(role) not in roles:
                raise
            # Who may read roles need not be one who may read this.
            notes.append(f"whose tokens auth/{role.mount} trusts was not looked at: {err}")
        except MissingError:
            absent.setdefault(role.mount, role)
    if absent:
        names = ", ".join(f"auth/{mount}" for mount in absent)
        hint = " && ".join(_enabling(role, namespace) for role in absent.values())
        raise MissingError(f"the vault has no auth method at {names}", hint=hint)
    return Live(policies=policies, roles=roles, configs=configs, notes=tuple(dict.fromkeys(notes)))


def _enabling(role: Role, namespace: str = "") -> str:
    """The commands that enable the auth method of `role`, and tell it whose tokens to trust."""
    issuers = role.jwt.bound_claims.get("iss") or "ISSUER"
    issuer = shlex.quote(str(issuers[0] if isinstance(issuers, list | tuple) else issuers))
    config = shlex.quote(f"auth/{role.mount}/config")
    chosen = f" -namespace={shlex.quote(namespace)}" if namespace else ""
    return (
        f"bao auth enable{chosen} -path={shlex.quote(role.mount)} jwt"
        f" && bao write{chosen} {config} oidc_discovery_url={issuer} bound_issuer={issuer}"
    )
