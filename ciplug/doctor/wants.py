"""What the manifest and the vault want of a token's claims, and whether a token has it, as the vault compares."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ciplug.frozen import frozen
from ciplug.identity.claims import mismatch, show, types_differ

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ciplug.doctor.case import Door
    from ciplug.manifest.model import Claim, Project

NAMES: Final = {"github": ("repository", "repository_id"), "gitlab": ("project_path", "project_id")}
"""By a key of ``[project]`` with a name: the claim that has this name, and the one that has what ``<key>_id`` says."""


@frozen
class Want:
    """What a claim has to be: any of `values`, says `by`. In a `glob` a star stands for any text."""

    claim: str
    values: tuple[Claim, ...]
    by: str
    glob: bool = False

    def problem(self, claims: Mapping[str, Any]) -> str:
        """What the token's claim is instead, or an empty string."""
        has = value_of(claims, self.claim)
        if self.claim == "aud" and not self.values:
            return "" if has is None else f"{show(has)}, and {self.by} admits no audience at all"
        candidates = has if isinstance(has, list) else [has]
        if self.glob and any(_matches(value, one) for value in self.values for one in candidates):
            return ""
        return mismatch(has, self.values, self.by)

    def types_differ(self, claims: Mapping[str, Any]) -> bool:
        """Whether the token's claim is that but for its JSON type."""
        return types_differ(value_of(claims, self.claim), self.values)


def plain(claim: str) -> str:
    """The claim's own name where a role names it by a JSON pointer of one step; a longer pointer as it is."""
    return claim.removeprefix("/") if "/" not in claim[1:] and "~" not in claim else claim


def value_of(claims: Mapping[str, Any], claim: str) -> Any:
    """The value of the claim, which may be a JSON pointer (RFC 6901) into the payload; ``None`` where there is none."""
    if not claim.startswith("/"):
        return claims.get(claim)
    found: Any = dict(claims)
    for step in claim[1:].split("/"):
        if isinstance(found, list):
            found = {str(index): value for index, value in enumerate(found)}
        if not isinstance(found, dict):
            return None
        found = found.get(step.replace("~1", "/").replace("~0", "~"))
    return found


def of_only_if(door: Door) -> Sequence[Want]:
    """What the environment wants; ciplug itself keeps to it."""
    environment = door.grant.environment
    by = f"environments.{environment.name}.only_if"
    return [Want(claim=name, values=tuple(values), by=by) for name, values in environment.only_if.items()]


def of_project(project: Project | None, claims: Mapping[str, Any]) -> Sequence[Want]:
    """What ``[project]`` says of jobs on the host that issues tokens with such `claims`; roles are made from it."""
    if project is None:
        return []
    wants = []
    for host, (name, number) in NAMES.items():
        given = {(name, host): getattr(project, host), (number, f"{host}_id"): getattr(project, f"{host}_id")}
        wants += [
            Want(claim=claim, values=(str(value),), by=f"project.{key}")
            for (claim, key), value in given.items()
            if name in claims and value is not None
        ]
    if "build_number" in claims and project.jenkins:
        # A multibranch job's builds have the URL of their branch.
        below = f"{project.jenkins.rstrip('/')}/*"
        wants.append(Want(claim="sub", values=(project.jenkins, below), by="project.jenkins", glob=True))
    return wants


def of_role(name: str, role: Mapping[str, Any], config: Mapping[str, Any] | None) -> Sequence[Want]:
    """What a role as the vault gives it binds, and the issuer that its auth method does."""
    by, glob = f"role {name}", role.get("bound_claims_type") == "glob"
    wants = [Want(claim="aud", values=_values(role.get("bound_audiences")), by=by)]
    if config and (issuer := config.get("bound_issuer")):
        wants.append(Want(claim="iss", values=(str(issuer),), by="bound_issuer of the auth method"))
    if subject := role.get("bound_subject"):
        wants.append(Want(claim="sub", values=(str(subject),), by=by))
    bound = role.get("bound_claims")
    for claim, values in (bound if isinstance(bound, dict) else {}).items():
        wants.append(Want(claim=plain(claim), values=_values(values), by=by, glob=glob))
    return wants


def _values(given: Any) -> tuple[Claim, ...]:
    if given is None:
        return ()
    return tuple(given) if isinstance(given, list) else (given,)


def _matches(pattern: object, value: object) -> bool:
    if not isinstance(pattern, str) or not isinstance(value, str):
        return False
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), value, re.DOTALL) is not None
