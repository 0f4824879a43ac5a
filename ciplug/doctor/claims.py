"""Each claim that somebody wants beside what the token has, compared as the vault compares."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ciplug.doctor.commands import bao, printable
from ciplug.doctor.finding import Finding, failed, note, ok
from ciplug.doctor.trust import trust_remedy
from ciplug.frozen import frozen
from ciplug.identity.claims import claim_problem, show

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ciplug.doctor.case import Door
    from ciplug.manifest.model import Claim, Project

_ANOTHER = {
    "repository": "the job runs in another repository, a fork perhaps, or the repository was renamed",
    "repository_id": "the job runs in another repository, a fork perhaps",
    "project_path": "the job runs in another project, a fork perhaps, or the project was renamed",
    "project_id": "the job runs in another project, a fork perhaps",
    "sub": "the build belongs to another job",
}
_IDS = {"repository": ("github_id", "repository_id", "github"), "project_path": ("gitlab_id", "project_id", "gitlab")}
"""For a name that may change: the key of ``[project]`` with the id, the claim with it, and the key with the name."""

_EVENTS = (
    "roles take the events in which the repository's own code runs; run it on push, or name the event in only_if if "
    "that is meant"
)
"""To bind the event that was refused would let in whoever may cause it."""


@frozen
class Want:
    """What a claim has to be: any of `values`, says `by`. In a `glob` a star stands for any text."""

    claim: str
    values: tuple[Claim, ...]
    by: str
    glob: bool = False

    def problem(self, claims: Mapping[str, Any]) -> str:
        """Why the token's claim is not that, or an empty string."""
        has = value_of(claims, self.claim)
        if self.claim == "aud" and not self.values:
            return "" if has is None else f"claim aud is {show(has)}, and {self.by} admits no audience at all"
        candidates = has if isinstance(has, list) else [has]
        if self.glob and any(_matches(value, one) for value in self.values for one in candidates):
            return ""
        return claim_problem(self.claim, has, self.values, self.by)


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
    wanted: list[tuple[str, str, object]] = []
    if "repository" in claims:
        wanted = [("repository", "github", project.github), ("repository_id", "github_id", project.github_id)]
    elif "project_path" in claims:
        wanted = [("project_path", "gitlab", project.gitlab), ("project_id", "gitlab_id", project.gitlab_id)]
    wants = [
        Want(claim=claim, values=(str(value),), by=f"project.{key}")
        for claim, key, value in wanted
        if value is not None
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


def compared(
    wants: Iterable[Want], claims: Mapping[str, Any], door: Door, *, binding: bool = False
) -> Iterator[Finding]:
    """One finding for each; a mismatch is why the job fails only where what is wanted is `binding`."""
    for want in wants:
        problem = want.problem(claims)
        check = f"claim {want.claim}"
        if not problem:
            yield ok(check, f"{show(value_of(claims, want.claim))}, as {want.by} wants it")
        elif binding:
            yield failed(check, problem, remedy(want, claims, door))
        else:
            yield note(check, problem)


def remedy(want: Want, claims: Mapping[str, Any], door: Door) -> str:
    """What to do about a claim that is not what `want` says."""
    if want.claim == "aud":
        return audience_remedy(door)
    if want.claim == "iss":
        return trust_remedy(door, claims)
    if want.claim == "event_name":
        return _EVENTS
    if "the types differ" in want.problem(claims):
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
    return f"run the job where the claim holds, or bind {door.role} to {_bound(claim, claims)}: `ciplug policy --apply`"


def types_remedy(claim: str, claims: Mapping[str, Any], door: Door) -> str:
    """What to do where a boolean or a number is bound in another JSON type than the token has it in."""
    has = value_of(claims, claim)
    return (
        f"types count: the token has the {_kind(has)} {show(has)}; "
        f"write it so in the manifest and in the role's bound_claims: {_bound(claim, claims)}"
        f" (`ciplug policy --apply` makes {door.role} from the manifest)"
    )


def audience_remedy(door: Door) -> str:
    """What to do where the role does not admit the manifest's audience."""
    return change_role(door, f"bound_audiences={door.manifest.vault.audience}")


def change_role(door: Door, change: str) -> str:
    """The command that changes one field of the role and leaves the others as they are."""
    role = f"auth/{door.mount}/role/{door.role}"
    return bao("write", role, "role_type=jwt", "user_claim=sub", change, namespace=door.namespace)


def _lacks_environment(claim: str, claims: Mapping[str, Any]) -> bool:
    """Whether a job of GitHub's names no environment."""
    return claim == "environment" and "repository" in claims and claims.get(claim) is None


def _renamed(claim: str, claims: Mapping[str, Any], project: Project | None) -> str:
    """What to do where the id is the project's and only the name is another."""
    if project is None or claim not in _IDS:
        return ""
    id_key, id_claim, key = _IDS[claim]
    number = getattr(project, id_key)
    if number is None or str(number) != str(claims.get(id_claim)) or claims.get(claim) == getattr(project, key):
        return ""
    return (
        f"it was renamed (its id is the same): set {key} = {show(claims.get(claim))} in [project], "
        "and run `ciplug policy --apply`"
    )


def _bound(claim: str, claims: Mapping[str, Any]) -> str:
    return f"{{ {show(claim)}: {show(value_of(claims, claim))} }}"


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else "string"


def _values(given: Any) -> tuple[Claim, ...]:
    if given is None:
        return ()
    return tuple(given) if isinstance(given, list) else (given,)


def _matches(pattern: object, value: object) -> bool:
    if not isinstance(pattern, str) or not isinstance(value, str):
        return False
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), value, re.DOTALL) is not None
