"""From a manifest to all the policies and roles that it implies, and to what is in their way."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ciplug.errors import UsageError
from ciplug.frozen import frozen
from ciplug.manifest.problems import quoted
from ciplug.policy import hosts
from ciplug.policy.model import Implied, Policy, Role
from ciplug.policy.rights import holders
from ciplug.policy.roles import Place, UnfitError, bind, fork_problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ciplug.manifest import Manifest, Project
    from ciplug.policy.hosts import HostKind
    from ciplug.policy.rights import Holder


@frozen
class _Bound:
    """The roles of one holder, and what keeps it from having others."""

    roles: tuple[Role, ...] = ()
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def derive(manifest: Manifest) -> Implied:
    """A policy and its roles for each job and target; no role where a problem makes every one of them unsafe."""
    found, problems = holders(manifest)
    ids, aliases = _ids(manifest)
    places, misplaced = _places(manifest)
    bound = [_bind(holder, places) for holder in found]
    problems += [*misplaced, *(problem for each in bound for problem in each.problems)]
    roles = tuple(role for each in bound for role in each.roles)
    notes = [*_notes(manifest.project, places), *_unprotected(found, roles)]
    notes += [note for each in bound for note in each.notes]
    project = manifest.project
    return Implied(
        policies=tuple(
            Policy(
                name=holder.role,
                owner=holder.owner,
                project=_called(project),
                ids=ids,
                aliases=aliases,
                rules=holder.rules,
            )
            for holder in found
        ),
        roles=roles,
        problems=tuple(dict.fromkeys(problems)),
        notes=tuple(dict.fromkeys(notes)),
    )


def _bind(holder: Holder, places: Sequence[Place]) -> _Bound:
    roles: list[Role] = []
    unfit: list[str] = []
    problems: list[str] = []
    for place in places:
        if problem := fork_problem(holder, place):
            problems.append(problem)
            continue
        try:
            role = bind(holder, place)
        except UnfitError as err:
            unfit.append(f"{holder.owner} has no role for {place.host.label}: {err}")
        else:
            roles.append(Role(host=place.host.kind, mount=place.mount, policy=holder.role, jwt=role))
    if not roles:
        return _Bound(problems=(*problems, *unfit))
    return _Bound(roles=tuple(roles), problems=tuple(problems), notes=(*unfit, *_strangers(holder, roles)))


def _strangers(holder: Holder, roles: Sequence[Role]) -> list[str]:
    if not any(role.host == hosts.GITHUB.kind for role in roles):
        return []
    return [
        f"{holder.owner}: only_if.event_name allows {event}, which strangers can set off: its jobs must run nothing of"
        " theirs"
        for event in hosts.STRANGERS_EVENTS
        if event in holder.only_if.get("event_name", ())
    ]


def _places(manifest: Manifest) -> tuple[list[Place], list[str]]:
    named = hosts.named(manifest.project)
    if manifest.project is None or not named:
        return [], [
            "[project] names no CI host, so a role would let any repository in; add github, gitlab or jenkins to it"
        ]
    problems = []
    if manifest.vault.issuer and len(named) > 1:
        problems.append(
            f"vault.issuer is one issuer, and [project] names {len(named)} hosts;"
            f" name them by host: issuer = {{ {named[0].kind} = {quoted(manifest.vault.issuer)} }}"
        )
    places: list[Place] = []
    for host in named:
        try:
            places.append(_place(host, manifest, manifest.project))
        except UsageError as err:
            problems.append(f"{err}; {err.hint}")
    return places, problems + _crowded(places)


def _place(host: HostKind, manifest: Manifest, project: Project) -> Place:
    issuer = hosts.issuer(host, manifest.vault, project)
    if not issuer:
        raise UsageError(
            "project.jenkins has no /job/, so the issuer of its tokens is not known",
            hint='name it: issuer = { jenkins = "https://ci.example.com/oidc" } in [vault]',
        )
    mount = manifest.vault.auth_mount_for(host.kind)
    return Place(host=host, project=project, mount=mount, issuer=issuer, audience=manifest.vault.audience)


def _crowded(places: Sequence[Place]) -> list[str]:
    by_mount: dict[str, list[HostKind]] = {}
    for place in places:
        by_mount.setdefault(place.mount, []).append(place.host)
    return [_crowd(mount, crowd) for mount, crowd in by_mount.items() if len(crowd) > 1]


def _crowd(mount: str, crowd: Sequence[HostKind]) -> str:
    labels = " and ".join(host.label for host in crowd)
    mounts = ", ".join(f'{host.kind} = "jwt-{host.kind}"' for host in crowd)
    return (
        f"{labels} log in at one mount, {quoted(mount)}, and a mount trusts one issuer; give each its own:"
        f" auth_mount = {{ {mounts} }}"
    )


def _notes(project: Project | None, places: Sequence[Place]) -> list[str]:
    kinds = {place.host.kind for place in places}
    if project is None:
        return []
    notes = []
    if "github" in kinds and not project.github_id:
        notes.append("project.github is a name, which somebody else can have one day; add the repository's github_id")
    if "gitlab" in kinds and not project.gitlab_id:
        notes.append("project.gitlab is a name, which somebody else can have one day; add the project's gitlab_id")
    if "jenkins" in kinds and not (project.jenkins or "").endswith("/"):
        notes.append("project.jenkins does not end with /, as the URL in the tokens of Jenkins does; add it")
    return notes


def _unprotected(found: Sequence[Holder], roles: Sequence[Role]) -> list[str]:
    """Whose roles an old GitLab lets a fork use."""
    names = {
        role.policy
        for role in roles
        if role.host == hosts.GITLAB.kind and role.jwt.bound_claims.get("ref_protected") != "true"
    }
    owners = ", ".join(holder.owner for holder in found if holder.role in names)
    note = (
        "GitLab before 18.2.2 gives a fork's merge request pipeline, where a member starts it, the project's own"
        f' claims; there, keep it out of {owners} with only_if = {{ ref_protected = "true" }}'
    )
    return [note] if owners else []


def _called(project: Project | None) -> str:
    """What people call this project."""
    if project is None:
        return ""
    names = (project.github, project.gitlab, project.jenkins, project.name, project.github_id, project.gitlab_id)
    return next((str(name) for name in names if name), "")


def _ids(manifest: Manifest) -> tuple[tuple[str, ...], frozenset[str]]:
    """What tells this project from all others that have roles at the vault, a number where a host gave it one.

    And the ids by which a mark knows it from before its numbers were given.
    """
    project = manifest.project
    if project is None:
        return (), frozenset()
    scopes = {host.kind: hosts.scope(host, manifest.vault, project) for host in hosts.named(project)}
    numbers = (f"{scopes[host.kind]}:{hosts.identity(host, project)[1]}" for host in hosts.named(project))
    names = {"github": project.github, "gitlab": project.gitlab, "jenkins": project.jenkins}
    return tuple(numbers), frozenset(f"{scopes[kind]}:{name}" for kind, name in names.items() if name)
