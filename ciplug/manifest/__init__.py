"""The manifest, ``ciplug.toml``: which secrets there are, where they live, and which job may have which."""

from __future__ import annotations

from typing import Any

from ciplug.manifest.address import address_problem
from ciplug.manifest.grant import JobGrant, grant, grant_all, grant_target, token_name
from ciplug.manifest.model import MAX_DEADLINE, Environment, Job, Manifest, Project, SecretSpec, Target, Vault
from ciplug.manifest.names import name_problem
from ciplug.manifest.parse import load, parse
from ciplug.manifest.problems import ManifestProblems, Problem
from ciplug.manifest.refs import Ref, RefError

__all__ = [
    "MAX_DEADLINE",
    "Environment",
    "Job",
    "JobGrant",
    "Manifest",
    "ManifestProblems",
    "Problem",
    "Project",
    "Ref",
    "RefError",
    "SecretSpec",
    "Target",
    "Vault",
    "address_problem",
    "grant",
    "grant_all",
    "grant_target",
    "load",
    "name_problem",
    "parse",
    "schema",
    "token_name",
]


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the manifest, for editors. It knows spellings, not what refers to what."""
    import json
    from importlib.resources import files

    document: dict[str, Any] = json.loads(files(__name__).joinpath("schema.json").read_text(encoding="utf-8"))
    return document
