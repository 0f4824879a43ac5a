"""What a job is granted in an environment: the manifest's refs, resolved to records of the vault."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ciplug.errors import UsageError
from ciplug.frozen import frozen
from ciplug.manifest.problems import quoted, suggest
from ciplug.manifest.scope import resolve
from ciplug.values import Grant

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ciplug.manifest.model import Environment, Manifest, SecretSpec


@frozen
class JobGrant:
    """Who reads what, where. `job` and `role` are ``None`` for a person, who reads as themselves.

    For a target of a sync `target` is its name, `job` is ``None``, and the platform's token is granted under the name
    that ``token_name`` gives.
    """

    job: str | None
    environment: Environment
    role: str | None
    grants: tuple[Grant, ...]
    target: str = ""


def grant(manifest: Manifest, job: str, environment: str | None = None) -> JobGrant:
    """What the job named `job` is granted in `environment`, which may be left out where the job has only one.

    A secret that does not exist in the environment is left out. Raises ``UsageError`` for a name that is not there.
    """
    found = manifest.jobs.get(job)
    if found is None:
        raise _unknown("job", job, manifest.jobs, manifest.source)
    chosen = _chosen(environment, found.environments, f"job {quoted(job)} has")
    return JobGrant(
        job=job,
        environment=manifest.environments[chosen],
        role=found.role_in(chosen),
        grants=_grants(manifest, chosen, found.secrets),
    )


def grant_all(manifest: Manifest, environment: str | None = None) -> JobGrant:
    """The whole catalogue of `environment`, which may be left out where the manifest has only one."""
    chosen = _chosen(environment, tuple(manifest.environments), f"{manifest.source} has")
    return JobGrant(
        job=None,
        environment=manifest.environments[chosen],
        role=None,
        grants=_grants(manifest, chosen, manifest.secrets),
    )


def grant_target(manifest: Manifest, name: str) -> JobGrant:
    """What a sync of the target called `name` reads: the platform's token and the target's secrets."""
    found = manifest.targets.get(name)
    if found is None:
        raise _unknown("target", name, manifest.targets, manifest.source)
    environment = manifest.environments[found.environment]
    token = Grant(
        name=token_name(name),
        record=resolve(found.token, manifest.vault, environment),
        pointer=found.token.pointer,
    )
    return JobGrant(
        job=None,
        environment=environment,
        role=found.role,
        grants=(token, *_grants(manifest, found.environment, found.secrets)),
        target=name,
    )


def token_name(target: str) -> str:
    """The name under which a target's platform token is granted, which no variable can have."""
    return f"targets.{target}.token"


def _grants(manifest: Manifest, environment: str, names: Iterable[str]) -> tuple[Grant, ...]:
    """The secrets `names` as they are in `environment`, without those that do not exist there."""
    place = manifest.environments[environment]
    specs = (manifest.secrets[name] for name in names)
    return tuple(_grant(spec, manifest, place) for spec in specs if spec.is_in(environment))


def _grant(spec: SecretSpec, manifest: Manifest, environment: Environment) -> Grant:
    return Grant(
        name=spec.name,
        record=resolve(spec.ref, manifest.vault, environment),
        pointer=spec.ref.pointer,
        as_file=spec.as_file,
        base64=spec.base64,
        optional=spec.optional,
        owner=spec.owner,
    )


def _chosen(environment: str | None, among: tuple[str, ...], who: str) -> str:
    if environment is None and len(among) == 1:
        return among[0]
    if environment is None:
        raise UsageError(f"{who} {_counted(among)}", hint="choose one with --env")
    if environment not in among:
        raise UsageError(
            f"{who} no environment {quoted(environment)}{_guess(environment, among)}",
            hint=f"choose with --env: {', '.join(among)}" if among else "declare it in [environments]",
        )
    return environment


def _counted(names: tuple[str, ...]) -> str:
    return f"{len(names)} environments: {', '.join(names)}" if names else "no environment"


def _unknown(what: str, name: str, known: Iterable[str], source: str) -> UsageError:
    names = list(known)
    listed = f"{what}s: {', '.join(names)}" if names else f"it has no {what}s"
    return UsageError(f"{source} has no {what} {quoted(name)}{_guess(name, names)}", hint=listed)


def _guess(name: str, known: Iterable[str]) -> str:
    guess = suggest(name, known)
    return f" (did you mean {quoted(guess)}?)" if guess is not None else ""
