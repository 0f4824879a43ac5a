"""Who is to have which rights: every job and target of a manifest, with exactly the paths it reads or keeps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ciplug.frozen import frozen
from ciplug.manifest import grant, grant_target
from ciplug.manifest.grammar import ENVIRONMENT, RESERVED_SEGMENT
from ciplug.manifest.problems import quoted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ciplug.manifest import Environment, Job, JobGrant, Manifest, Target
    from ciplug.manifest.model import Claim
    from ciplug.values import Record

    Rules = dict[str, frozenset[str]]

STATIC_TTL: Final = 300
LEASED_TTL: Final = 3600
TARGET_TTL: Final = 900
"""Seconds: the life of a token that is revoked after its reads; whose leases last as long as its job; of a sync."""

READ: Final = frozenset({"read"})
KEEP: Final = frozenset({"create", "read", "update"})
"""What a sync needs of its ledger; it never deletes one."""

VAULT_POLICIES: Final = frozenset({"control-group", "default", "response-wrapping", "root"})
"""Policies that a vault keeps for itself; a role of that name would have one of them replaced."""


@frozen
class Holder:
    """One role to be: of a job, of a job in one environment, or of a target. `role` is also its policy's name.

    It is in lower case, as the vault keeps both. `ttl` is in seconds.
    """

    owner: str
    role: str
    only_if: Mapping[str, tuple[Claim, ...]]
    rules: Mapping[str, frozenset[str]]
    ttl: int


def holders(manifest: Manifest) -> tuple[list[Holder], list[str]]:
    """Every holder of a role, and what is in the way of giving each one exactly its rights, with the remedy."""
    found: list[Holder] = []
    problems: list[str] = []
    for job in manifest.jobs.values():
        problem = _mixed(job, manifest)
        if problem:
            problems.append(problem)
        else:
            found += _of_job(job, manifest)
    found += [_of_target(target, manifest) for target in manifest.targets.values()]
    return found, problems + _shared(found) + _taken(found)


def rule_path(record: Record) -> str:
    """The path that a policy names for reading `record`."""
    return f"{record.mount}/{'data/' if record.engine == 'kv2' else ''}{record.path}"


def _of_job(job: Job, manifest: Manifest) -> list[Holder]:
    owner = f"jobs.{job.name}"
    if ENVIRONMENT not in job.role:
        return [_holder(owner, job, [grant(manifest, job.name, name) for name in job.environments])]
    return [_holder(f"{owner} in {name}", job, [grant(manifest, job.name, name)]) for name in job.environments]


def _holder(owner: str, job: Job, grants: Sequence[JobGrant]) -> Holder:
    leased = any(item.record.engine == "other" for each in grants for item in each.grants)
    rules: Rules = {}
    for each in grants:
        rules |= _reads(each)
    return Holder(
        owner=owner,
        role=(grants[0].role or "").lower(),
        only_if=grants[0].environment.only_if,
        rules=rules,
        ttl=job.ttl or (LEASED_TTL if leased else STATIC_TTL),
    )


def _of_target(target: Target, manifest: Manifest) -> Holder:
    granted = grant_target(manifest, target.name)
    rules = _reads(granted)
    if manifest.vault.kv_version == 2:
        place = f"{manifest.vault.kv_mount}/data/{granted.environment.path}/{RESERVED_SEGMENT}"
        rules |= {f"{place}/{name}": KEEP for name in (target.name, ".key")}
    return Holder(
        owner=f"targets.{target.name}",
        role=target.role.lower(),
        only_if=granted.environment.only_if,
        rules=rules,
        ttl=target.ttl or TARGET_TTL,
    )


def _reads(granted: JobGrant) -> Rules:
    return {rule_path(item.record): READ for item in granted.grants}


def _mixed(job: Job, manifest: Manifest) -> str:
    """Why one role cannot serve all environments of `job`, or an empty string."""
    environments = [manifest.environments[name] for name in job.environments]
    if ENVIRONMENT in job.role or len({_conditions(environment) for environment in environments}) == 1:
        return ""
    names = " and ".join(quoted(environment.name) for environment in environments)
    return (
        f"jobs.{job.name}: its environments {names} have different only_if, so one role would let the jobs of each"
        f' read the others as well; give each a role: role = "{job.role}-{ENVIRONMENT}"'
    )


def _conditions(environment: Environment) -> frozenset[tuple[str, frozenset[tuple[str, Claim]]]]:
    """`only_if` to compare; values with their types, as ``1`` and ``True`` are not the same claim."""
    return frozenset(
        (name, frozenset((type(value).__name__, value) for value in values))
        for name, values in environment.only_if.items()
    )


def _shared(found: Iterable[Holder]) -> list[str]:
    owners: dict[str, list[str]] = {}
    for holder in found:
        owners.setdefault(holder.role, []).append(holder.owner)
    return [
        f"{' and '.join(names)} have the same role {quoted(role)}, so each could read what the others are granted;"
        " give each a role of its own"
        for role, names in owners.items()
        if len(names) > 1
    ]


def _taken(found: Iterable[Holder]) -> list[str]:
    return [
        f"{holder.owner}: a policy called {quoted(holder.role)} is the vault's own; choose another role"
        for holder in found
        if holder.role in VAULT_POLICIES
    ]
