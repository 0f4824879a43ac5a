"""What no table can know alone: whether names exist, and whether environments are kept apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ciplug.manifest.problems import quoted
from ciplug.manifest.scope import is_within, scope_problem

if TYPE_CHECKING:
    from ciplug.manifest.lines import KeyPath
    from ciplug.manifest.model import Manifest
    from ciplug.manifest.problems import Findings
    from ciplug.manifest.refs import Ref


def check_references(manifest: Manifest, findings: Findings) -> None:
    """Note every name that is not declared, and every ref or path that would reach across environments."""
    _check_paths(manifest, findings)
    _check_refs(manifest, findings)
    if not manifest.environments and (manifest.jobs or manifest.targets):
        if not findings.below("environments"):
            findings.add(("environments",), "must declare one: jobs and targets read from an environment")
        return
    for secret in manifest.secrets.values():
        for index, name in enumerate(secret.environments):
            _check_environment(manifest, findings, name, ("secrets", secret.name, "environments", index))
    _check_jobs(manifest, findings)
    _check_targets(manifest, findings)


def _check_paths(manifest: Manifest, findings: Findings) -> None:
    seen: list[tuple[str, str]] = [(f"vault.shared {quoted(path)}", path) for path in manifest.vault.shared if path]
    for environment in manifest.environments.values():
        if not environment.path:
            continue
        for owner, path in seen:
            if is_within(environment.path, path) or is_within(path, environment.path):
                message = f"overlaps {owner}: no environment may read what belongs to another"
                findings.add(("environments", environment.name, "path"), message)
        seen.append((f"the path of environment {quoted(environment.name)}", environment.path))


def _check_refs(manifest: Manifest, findings: Findings) -> None:
    refs: list[tuple[KeyPath, Ref]] = [(("secrets", name, "ref"), spec.ref) for name, spec in manifest.secrets.items()]
    refs += [(("targets", name, "token"), target.token) for name, target in manifest.targets.items()]
    for path, ref in refs:
        problem = scope_problem(ref, manifest.vault) if ref.path else None
        if problem:
            findings.add(path, problem)


def _check_jobs(manifest: Manifest, findings: Findings) -> None:
    for job in manifest.jobs.values():
        at = ("jobs", job.name)
        alone = len(job.environments) == 1
        for index, name in enumerate(job.environments):
            # a single environment may be written without brackets: both spellings are found on the same line
            _check_environment(manifest, findings, name, (*at, "environment") if alone else (*at, "environment", index))
        _check_secrets(manifest, findings, (*at, "secrets"), job.secrets, job.environments)


def _check_targets(manifest: Manifest, findings: Findings) -> None:
    for target in manifest.targets.values():
        at = ("targets", target.name)
        _check_environment(manifest, findings, target.environment, (*at, "environment"))
        _check_secrets(manifest, findings, (*at, "secrets"), target.secrets, (target.environment,))
        for index, name in enumerate(target.secrets):
            if name in manifest.secrets and manifest.secrets[name].as_file:
                message = f"{quoted(name)} is handed over as a file, and a deploy platform has variables only"
                findings.add((*at, "secrets", index), message)


def _check_environment(manifest: Manifest, findings: Findings, name: str, at: KeyPath) -> None:
    if name and name not in manifest.environments:
        message = f"{quoted(name)} is not in [environments]"
        findings.add(at, message, like=name, among=manifest.environments)


def _check_secrets(
    manifest: Manifest, findings: Findings, at: KeyPath, names: tuple[str, ...], environments: tuple[str, ...]
) -> None:
    declared = [name for name in environments if name in manifest.environments]
    for index, name in enumerate(names):
        spec = manifest.secrets.get(name)
        if spec is None and name:
            findings.add((*at, index), f"{quoted(name)} is not in [secrets]", like=name, among=manifest.secrets)
        elif spec is not None and declared and not any(map(spec.is_in, declared)):
            where = " or ".join(quoted(environment) for environment in declared)
            findings.add((*at, index), f"{quoted(name)} is not available in environment {where}")
