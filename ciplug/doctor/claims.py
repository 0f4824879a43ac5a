"""Each claim that somebody wants beside what the token has, and what to do where that is something else."""

from __future__ import annotations

import json
import re
from shlex import quote
from typing import TYPE_CHECKING, Any, Final

from ciplug.doctor.finding import Finding, failed, note, ok
from ciplug.doctor.trust import trust_remedy
from ciplug.doctor.wants import NAMES, of_project, value_of
from ciplug.identity.claims import show
from ciplug.policy.commands import bao, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ciplug.doctor.case import Door
    from ciplug.doctor.wants import Want
    from ciplug.manifest.model import Project

_ANOTHER = {
    "repository": "the job runs in another repository, a fork perhaps, or the repository was renamed",
    "repository_id": "the job runs in another repository, a fork perhaps",
    "project_path": "the job runs in another project, a fork perhaps, or the project was renamed",
    "project_id": "the job runs in another project, a fork perhaps",
    "sub": "the build belongs to another job",
}

_PLAIN: Final = re.compile(r"[A-Za-z0-9][\w:/.+-]*", re.ASCII)
"""Values that a command line can say; ``a,b`` would become two, ``@a`` a file's contents, ``[…]`` a list."""

_EVENTS = (
    "roles take the events in which the repository's own code runs; run it on push, or name the event in only_if if "
    "that is meant"
)
"""To bind the event that was refused would let in whoever may cause it."""


def compared(wants: Iterable[Want], claims: Mapping[str, Any]) -> Iterator[Finding]:
    """One finding for each; a mismatch is worth a word."""
    for want in wants:
        problem = want.problem(claims)
        yield note(_check(want), problem) if problem else _fits(want, claims)


def required(wants: Iterable[Want], claims: Mapping[str, Any], door: Door) -> Iterator[Finding]:
    """The same where the vault keeps to it: a mismatch is why the job fails."""
    for want in wants:
        problem = want.problem(claims)
        yield failed(_check(want), problem, remedy(want, claims, door)) if problem else _fits(want, claims)


def _check(want: Want) -> str:
    return f"claim {want.claim}"


def _fits(want: Want, claims: Mapping[str, Any]) -> Finding:
    return ok(_check(want), f"{show(value_of(claims, want.claim))}, as {want.by} wants it")


def remedy(want: Want, claims: Mapping[str, Any], door: Door) -> str:
    """What to do about a claim that is not what `want` says."""
    if want.claim == "aud":
        return audience_remedy(door)
    if want.claim == "iss":
        return trust_remedy(door, claims)
    if want.claim == "event_name":
        return _EVENTS
    if want.types_differ(claims):
        return types_remedy(want.claim, claims, door)
    if want.by.endswith("only_if") and not _lacks_environment(want.claim, claims):
        return f"run the job where the claim holds, or change {want.by}"
    return claim_remedy(want.claim, claims, door)


def claim_remedy(claim: str, claims: Mapping[str, Any], door: Door) -> str:
    """What to do where the role wants something else of `claim`, whether or not it is known what."""
    if claim == "event_name":
        return _EVENTS
    if renamed := _renamed(claim, claims, door.manifest.project):
        return renamed
    if _lacks_environment(claim, claims):
        wants = door.grant.environment.only_if.get(claim) or ("production",)
        return f"name the deployment environment in the job of the workflow: `environment: {printable(str(wants[0]))}`"
    if claim in _ANOTHER and any(want.claim == claim for want in of_project(door.manifest.project, claims)):
        return f"{_ANOTHER[claim]}: run it where [project] says, or correct [project] and run `ciplug policy --apply`"
    has = value_of(claims, claim)
    if isinstance(has, str | bool | int) and str(has).lower() in {"true", "false"}:
        return types_remedy(claim, claims, door)
    binding = f"bind {door.role} to {_bound(claim, claims)}"
    how = ": `ciplug policy --apply`" if door.implied else " (the role's bound_claims)"
    return f"run the job where the claim holds, or {binding}{how}"


def types_remedy(claim: str, claims: Mapping[str, Any], door: Door) -> str:
    """What to do where a boolean or a number is bound in another JSON type than the token has it in."""
    has = value_of(claims, claim)
    made = f" (`ciplug policy --apply` makes {door.role} from the manifest)" if door.implied else ""
    return (
        f"types count: the token has the {_kind(has)} {show(has)}; "
        f"write it so in the manifest and in the role's bound_claims: {_bound(claim, claims)}{made}"
    )


def audience_remedy(door: Door) -> str:
    """What to do where the role does not admit the manifest's audience."""
    return change_role(door, "bound_audiences", [door.manifest.vault.audience])


def change_role(door: Door, field: str, value: str | list[str]) -> str:
    """What gives the role another `value` of `field`: the manifest, or where that does not say whose jobs, a command.

    NOTE: a write leaves what it does not name as it is, but for ``bound_claims_type`` (measured on OpenBao 2.7).
    """
    if door.implied:
        return f"run `ciplug policy --apply`, which makes role {door.role} from the manifest"
    kept = (f"bound_claims_type={door.matching}",) if door.matching else ()
    role = f"auth/{door.mount}/role/{door.role}"
    values = [value] if isinstance(value, str) else value
    plain = all(_PLAIN.fullmatch(one) for one in values)
    given, piped = (f"{field}={','.join(values)}", "") if plain else ("-", _piped({field: value}))
    command = piped + bao("write", role, "role_type=jwt", *kept, given, namespace=door.namespace)
    return command if kept else f"add bound_claims_type=glob if the role has it, as this sets it back: {command}"


def matching(role: Mapping[str, Any]) -> str:
    """How a role as the vault gives it compares its claims; empty where it says neither of the two ways there are."""
    found = role.get("bound_claims_type")
    return found if found in ("glob", "string") else ""


def _piped(body: Mapping[str, Any]) -> str:
    return f"printf %s {quote(json.dumps(body))} | "


def _lacks_environment(claim: str, claims: Mapping[str, Any]) -> bool:
    """Whether a job of GitHub's names no environment."""
    return claim == "environment" and "repository" in claims and claims.get(claim) is None


def _renamed(claim: str, claims: Mapping[str, Any], project: Project | None) -> str:
    """What to do where the id is the project's and only the name is another."""
    for host, (name, number) in NAMES.items():
        known, called = getattr(project, f"{host}_id", None), getattr(project, host, None)
        if claim == name and known is not None and str(known) == str(claims.get(number)) and claims.get(name) != called:
            return (
                f"it was renamed (its id is the same): set {host} = {show(claims.get(name))} in [project], "
                "and run `ciplug policy --apply`"
            )
    return ""


def _bound(claim: str, claims: Mapping[str, Any]) -> str:
    return f"{{ {show(claim)}: {show(value_of(claims, claim))} }}"


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else "string"
