"""The tables that say what is used by whom: ``[secrets.*]``, ``[jobs.*]`` and ``[targets.*]``."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ciplug.manifest.grammar import (
    ENVIRONMENT,
    job_problem,
    label_problem,
    line_problem,
    period_problem,
    period_seconds,
    prose_problem,
    role_problem,
    role_template_problem,
    ttl_problem,
)
from ciplug.manifest.model import Job, Project, SecretSpec, Target
from ciplug.manifest.names import name_problem
from ciplug.manifest.problems import quoted
from ciplug.manifest.refs import Ref, RefError
from ciplug.manifest.table import kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.manifest.table import Table

DEEPEST_OPTION = 8
"""Levels of tables and arrays in a target's options."""

NO_REF = Ref(path="", pointer=())
"""Stands where a ref is missing or wrong, until all problems are found."""

_SECRET_KEYS = (
    "ref", "environments", "owner", "description", "rotate_every", "as", "encoding", "optional",
)  # fmt: skip
_TARGET_KEYS = ("platform", "environment", "role", "token", "secrets", "options", "ttl")


def read_secrets(root: Table) -> dict[str, SecretSpec]:
    """The catalogue, ``[secrets.*]``."""
    secrets: dict[str, SecretSpec] = {}
    spelled: dict[str, str] = {}
    for name, table in root.tables("secrets", name_problem):
        first = spelled.setdefault(name.upper(), name)
        if first != name:
            table.problem(f"differs from {quoted(first)} only by the case of its letters")
        secrets[name] = _secret(name, table)
    return secrets


def read_jobs(root: Table, project: Project | None) -> dict[str, Job]:
    """The tables ``[jobs.*]``; a role that is not given is ``<project>-<job>``."""
    jobs = {}
    for name, table in root.tables("jobs", job_problem):
        table.only("environment", "role", "secrets", "ttl")
        environments = table.texts("environment", _reference, single=True, required=True)
        if environments == ():
            table.problem("must not be empty", "environment")
        jobs[name] = Job(
            name=name,
            environments=environments or (),
            role=_job_role(table, name, project, environments or ()),
            secrets=_listed(table),
            ttl=_ttl(table),
        )
    return jobs


def read_targets(root: Table, project: Project | None) -> dict[str, Target]:
    """The tables ``[targets.*]``; a role that is not given is ``<project>-<target>``."""
    targets = {}
    for name, table in root.tables("targets", label_problem):
        table.only(*_TARGET_KEYS)
        targets[name] = Target(
            name=name,
            platform=table.text("platform", label_problem, required=True) or "",
            environment=table.text("environment", _reference, required=True) or "",
            role=_role(table, name, project),
            token=_ref(table, "token"),
            secrets=_listed(table),
            ttl=_ttl(table),
            options=_options(table),
        )
    return targets


def _secret(name: str, table: Table) -> SecretSpec:
    table.only(*_SECRET_KEYS)
    environments = table.texts("environments", _reference)
    if environments == ():
        table.problem("must not be empty: leave it out to have the secret in all environments", "environments")
    period = table.text("rotate_every", period_problem)
    return SecretSpec(
        name=name,
        ref=_ref(table, "ref"),
        environments=environments or (),
        owner=table.text("owner", line_problem) or "",
        description=table.text("description", prose_problem) or "",
        rotate_every=period_seconds(period) if period else None,
        as_file=table.choice("as", "env", "file") == "file",
        base64=table.choice("encoding", "base64") == "base64",
        optional=table.flag("optional"),
    )


def _ref(table: Table, key: str) -> Ref:
    text = table.take(key, str, required=True)
    if text is None:
        return NO_REF
    try:
        return Ref.parse(text)
    except RefError as err:
        table.problem(str(err), key)
        return NO_REF


def _reference(text: str) -> str | None:
    """A name of something declared elsewhere in the document: whether it exists is checked once all is read."""
    return None if text else "must not be empty"


def _listed(table: Table) -> tuple[str, ...]:
    secrets = table.texts("secrets", _reference, required=True)
    if secrets == ():
        table.problem("lists no secret", "secrets")
    return secrets or ()


def _ttl(table: Table) -> int | None:
    text = table.text("ttl", ttl_problem)
    return period_seconds(text) if text else None


def _job_role(table: Table, name: str, project: Project | None, environments: tuple[str, ...]) -> str:
    """The role as it stands, once it is legal in each of `environments`."""
    given = table.values.get("role")
    if not isinstance(given, str) or ENVIRONMENT not in given:
        return _role(table, name, project)
    role = table.text("role", role_template_problem)
    for environment in environments if role else ():
        if role_problem(given.replace(ENVIRONMENT, environment)):
            table.problem(f"is no legal name of a role in environment {quoted(environment)}", "role")
    return role or ""


def _role(table: Table, name: str, project: Project | None) -> str:
    if "role" in table:
        return table.text("role", role_problem) or ""
    if project is None or not project.name:
        if not table.findings.below("project"):
            table.problem("is missing, and [project] gives no name to make the default <project>-<name> of", "role")
        return ""
    role = f"{project.name}-{name}"
    if role_problem(role):
        table.problem(f"is missing, and the default {quoted(role)} is no legal name of a role", "role")
    return role


def _options(table: Table) -> Mapping[str, Any]:
    options = table.table("options")
    _check_options(options.values, options, (), DEEPEST_OPTION)
    return MappingProxyType(dict(options.values))


def _check_options(value: Any, table: Table, at: tuple[str | int, ...], levels: int) -> None:
    """Note what JSON, and so no platform, could hold: dates; and what is nested too deeply to be meant."""
    if type(value) in (dict, list):
        if not levels:
            table.problem("is nested too deeply", *at)
            return
        for key, item in value.items() if type(value) is dict else enumerate(value):
            _check_options(item, table, (*at, key), levels - 1)
    elif type(value) not in (str, bool, int, float):
        table.problem(f"must not be {kind(value)}", *at)
    elif value != value or value in (float("inf"), float("-inf")):
        table.problem("must be a finite number", *at)
