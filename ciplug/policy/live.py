"""What a vault has where the manifest implies something: read, and never written here."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Any, Literal

from ciplug.errors import DeniedError, MissingError, VaultError
from ciplug.frozen import frozen
from ciplug.policy.commands import bao
from ciplug.policy.compare_mount import private_authorities
from ciplug.vault.errors import NoNamespaceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ciplug.policy.model import Implied, Role
    from ciplug.vault.admin import Admin, StoredPolicy


@frozen
class LiveItem:
    """A policy or role that is there. `mount` is empty for a policy; a program chooses the policies of a CEL role."""

    what: Literal["policy", "role"]
    name: str
    mount: str = ""
    is_cel: bool = False

    @property
    def place(self) -> str:
        """What it is called in a line: ``shop-test``, ``jwt/shop-test`` or ``jwt/cel/shop-test``."""
        return "/".join([*filter(None, [self.mount]), *(["cel"] if self.is_cel else []), self.name])

    def removal(self, namespace: str = "") -> str:
        """The command that deletes it."""
        if self.what == "policy":
            return bao("policy delete", self.name, namespace=namespace)
        kind = "cel/role" if self.is_cel else "role"
        return bao("delete", f"auth/{self.mount}/{kind}/{self.name}", namespace=namespace)


@frozen
class CelRole:
    """A role whose policies a program chooses (OpenBao alone has these); the program names those of the project."""

    item: LiveItem
    named: tuple[str, ...]

    @property
    def text(self) -> str:
        """What is wrong with it."""
        return f"its program names {', '.join(self.named)}; nothing implies it"


@frozen
class Live:
    """The policies and roles of the names that are implied, ``None`` for those that are not there; by `key` for roles.

    `configs` are the auth mounts' own, ``None`` where nobody has said whose tokens to trust, without those that may not
    be read; `ciplug.policy.beside` adds to each how its mount is tuned, as ``tune``. The others down to
    `default_unread` are what `ciplug.policy.beside` finds beside all that: what ciplug once wrote for this project and
    the manifest implies no longer; the other roles that nothing implies, by mount and name, with those policies of the
    project that they give; the CEL roles, of which that cannot be told; the rules of the policy that every token has,
    and what of it could not be read. `not_looked_at` says what of all this could not be seen, and why. `namespace` is
    the vault's, for commands.
    """

    policies: Mapping[str, StoredPolicy | None] = field(default_factory=dict)
    roles: Mapping[tuple[str, str], Mapping[str, Any] | None] = field(default_factory=dict)
    configs: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    left_over: tuple[LiveItem, ...] = ()
    unimplied: Mapping[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)
    cel_roles: tuple[CelRole, ...] = ()
    default: Mapping[str, frozenset[str]] = field(default_factory=dict)
    default_unread: tuple[str, ...] = ()
    not_looked_at: tuple[str, ...] = ()
    namespace: str = ""


def key(role: Role) -> tuple[str, str]:
    """The role's mount and name, by which `Live` has it."""
    return role.mount, role.jwt.name


def issuer_of(role: Role) -> str:
    """The ``iss`` that the role binds, empty where it binds none."""
    issuers = role.jwt.bound_claims.get("iss") or ""
    return str(issuers[0] if isinstance(issuers, list | tuple) else issuers)


def policies_of(role: Mapping[str, Any]) -> tuple[str, ...]:
    """The policies that a live role gives, in lower case as the vault compares them."""
    # `policies` is what older versions say beside `token_policies`.
    return tuple(
        dict.fromkeys(str(name).lower() for of in ("token_policies", "policies") for name in role.get(of) or ())
    )


def read_live(admin: Admin, implied: Implied, namespace: str = "") -> Live:
    """What is there of what is implied, with the rights of `admin`'s token.

    ``VaultError`` where an auth mount or the namespace is not there, ``DeniedError`` where one may not look.
    `namespace` is the vault's, for messages and for the commands in a hint.
    """
    try:
        policies = {policy.name: admin.read_policy(policy.name) for policy in implied.policies}
    except MissingError as err:
        hint = "correct vault.namespace in the manifest, or VAULT_NAMESPACE"
        raise NoNamespaceError(f'the vault has no namespace "{namespace}"', hint=hint) from err
    roles = _roles(admin, implied.roles, namespace)
    unseen: list[str] = []
    configs = _configs(admin, implied.roles, unseen)
    return Live(policies=policies, roles=roles, configs=configs, not_looked_at=tuple(unseen), namespace=namespace)


def _roles(admin: Admin, implied: Iterable[Role], namespace: str) -> Mapping[tuple[str, str], Mapping[str, Any] | None]:
    """The live roles by `key`; every mount that is not there is named at once, with the commands that make it."""
    roles: dict[tuple[str, str], Mapping[str, Any] | None] = {}
    absent: dict[str, Role] = {}
    for role in implied:
        try:
            roles[key(role)] = admin.jwt.read_role(role.jwt.name, role.mount)
        except MissingError:
            absent.setdefault(role.mount, role)
    if absent:
        names = ", ".join(f"auth/{mount}" for mount in absent)
        hint = " && ".join(_enabling(role, namespace) for role in absent.values())
        raise VaultError(f"the vault has no auth method at {names}", hint=hint)
    return roles


def _configs(admin: Admin, implied: Iterable[Role], unseen: list[str]) -> Mapping[str, Mapping[str, Any] | None]:
    """Whose tokens each mount trusts. Who may read roles need not be one who may read this, so that is no error."""
    configs: dict[str, Mapping[str, Any] | None] = {}
    for mount, role in {role.mount: role for role in implied}.items():
        try:
            config = configs[mount] = admin.jwt.read_config(mount)
        except DeniedError as err:
            unseen.append(f"whose tokens auth/{mount} trusts was not looked at: {err}")
            continue
        unseen += [
            f"who has the key of the authority in {name} of auth/{mount} cannot be looked at"
            for name in private_authorities(issuer_of(role), config or {})
        ]
    return configs


def _enabling(role: Role, namespace: str) -> str:
    """The commands that enable the auth method of `role`, and tell it whose tokens to trust."""
    issuer = issuer_of(role) or "ISSUER"
    trust = (f"oidc_discovery_url={issuer}", f"bound_issuer={issuer}")
    enable = bao("auth enable", f"-path={role.mount}", "jwt", namespace=namespace)
    return f"{enable} && {bao('write', f'auth/{role.mount}/config', *trust, namespace=namespace)}"
