"""The tables that say where things are: ``[vault]``, ``[project]`` and ``[environments.*]``."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ciplug.manifest.address import address_problem, normal_address
from ciplug.manifest.grammar import (
    audience_problem,
    auth_mount_problem,
    issuer_problem,
    jenkins_problem,
    label_problem,
    mount_problem,
    path_problem,
    project_path_problem,
    repository_problem,
    role_problem,
)
from ciplug.manifest.model import (
    DEFAULT_AUTH_MOUNT,
    DEFAULT_DEADLINE,
    DEFAULT_KV_MOUNT,
    DEFAULT_KV_VERSION,
    MAX_DEADLINE,
    Claim,
    Environment,
    Project,
    Vault,
)
from ciplug.manifest.table import kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.manifest.table import Check, Table

_VAULT_KEYS = (
    "address", "namespace", "auth_mount", "issuer", "audience", "kv_mount", "kv_version", "shared", "deadline",
)  # fmt: skip
_AUTH_MOUNT_KEYS = ("github", "gitlab", "jenkins", "ci", "terminal", "default")
"""Every kind of host that `hosts.detect` knows, and all others."""

_ISSUER_KEYS = ("github", "gitlab", "jenkins")
"""The kinds of host that ``[project]`` can name."""

_PROJECT_KEYS = ("name", "github", "github_id", "gitlab", "gitlab_id", "jenkins")


def read_vault(root: Table) -> Vault:
    """The table ``[vault]``."""
    table = root.table("vault", required=True)
    if "vault" not in root:
        return Vault(audience="")
    table.only(*_VAULT_KEYS)
    auth_mount, auth_mounts = _auth_mounts(table)
    issuer, issuers = _by_host(table, "issuer", issuer_problem, _ISSUER_KEYS, "an issuer")
    return Vault(
        addresses=_addresses(table),
        namespace=table.text("namespace", path_problem),
        auth_mount=auth_mount,
        auth_mounts=auth_mounts,
        issuer=issuer,
        issuers=issuers,
        audience=table.text("audience", audience_problem, required=True) or "",
        kv_mount=table.text("kv_mount", mount_problem) or DEFAULT_KV_MOUNT,
        kv_version=table.number("kv_version", int, low=1, high=2) or DEFAULT_KV_VERSION,
        shared=table.texts("shared", path_problem) or (),
        deadline=_deadline(table),
    )


def read_project(root: Table) -> Project | None:
    """The table ``[project]``, with the name that default role names begin with."""
    table = root.table("project")
    if "project" not in root:
        return None
    table.only(*_PROJECT_KEYS)
    name = table.text("name", role_problem)
    github = table.text("github", repository_problem)
    gitlab = table.text("gitlab", project_path_problem)
    jenkins = table.text("jenkins", jenkins_problem)
    return Project(
        name=name or _last(github) or _last(gitlab) or _last_job(jenkins),
        github=github,
        github_id=table.number("github_id", int, low=1, high=float("inf")),
        gitlab=gitlab,
        gitlab_id=table.number("gitlab_id", int, low=1, high=float("inf")),
        jenkins=jenkins,
    )


def read_environments(root: Table) -> dict[str, Environment]:
    """The tables ``[environments.*]``."""
    environments = {}
    for name, table in root.tables("environments", label_problem):
        table.only("path", "only_if")
        path = table.text("path", path_problem, required=True)
        environments[name] = Environment(name=name, path=path or "", only_if=_only_if(table))
    return environments


def _addresses(table: Table) -> tuple[str, ...]:
    addresses = table.texts("address", address_problem, single=True)
    if addresses == ():
        table.problem("must not be empty", "address")
    return tuple(dict.fromkeys(normal_address(address) for address in addresses or ()))


def _auth_mounts(table: Table) -> tuple[str, Mapping[str, str]]:
    """The mount of hosts that are not named, empty where a table gives none, and the mounts by host kind."""
    mount, mounts = _by_host(table, "auth_mount", auth_mount_problem, _AUTH_MOUNT_KEYS, "a mount")
    if mount or isinstance(table.values.get("auth_mount"), dict):
        return mount, mounts
    return DEFAULT_AUTH_MOUNT, mounts


def _by_host(table: Table, key: str, check: Check, hosts: tuple[str, ...], what: str) -> tuple[str, Mapping[str, str]]:
    """The string at `key`, or what stands there for each of `hosts`; the string of a table is its ``default``."""
    given = table.take(key, str, dict, instead="a string or a table of strings by host")
    if not isinstance(given, dict):
        return (table.text(key, check) or "" if isinstance(given, str) else ""), MappingProxyType({})
    if not given:
        table.problem(f"must name {what}", key)
    named = table.table(key)
    named.only(*hosts)
    found = {host: named.text(host, check) or "" for host in hosts if host in named}
    return found.pop("default", ""), MappingProxyType(found)


def _deadline(table: Table) -> float:
    value = table.take("deadline", float, int, instead="a number of seconds")
    if value is None:
        return DEFAULT_DEADLINE
    if not 0 < value <= MAX_DEADLINE:
        table.problem(f"must be above 0 and at most {MAX_DEADLINE:g} seconds", "deadline")
        return DEFAULT_DEADLINE
    return float(value)


def _only_if(table: Table) -> Mapping[str, tuple[Claim, ...]]:
    if "only_if" not in table:
        return MappingProxyType({})
    claims = table.table("only_if")
    if claims.values == {}:
        table.problem("must name a claim", "only_if")
    return MappingProxyType({name: _claim_values(claims, name) for name in claims.values})


def _claim_values(claims: Table, name: str) -> tuple[Claim, ...]:
    if not name:
        claims.problem("the name of a claim must not be empty", name)
    given = claims.values[name]
    values = given if type(given) is list else [given]
    if not values:
        claims.problem("must not be empty", name)
    for index, value in enumerate(values):
        at = (name, index) if values is given else (name,)
        problem = _claim_problem(value)
        if problem:
            claims.problem(problem, *at)
    return tuple(values)


def _claim_problem(value: Any) -> str | None:
    if type(value) not in (str, int, bool):
        return f"must be a string, an integer or a boolean, not {kind(value)}"
    if type(value) is str and "*" in value:
        return "must not hold *: claims are compared exactly, there are no wildcards"
    return None


def _last(path: str | None) -> str:
    return path.rpartition("/")[2] if path else ""


def _last_job(url: str | None) -> str:
    """The job's own name in a Jenkins URL, whose path is ``/job/FOLDER/job/NAME/``."""
    _, mark, rest = (url or "").rpartition("/job/")
    return rest.split("/")[0] if mark else ""
