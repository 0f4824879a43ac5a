"""``ciplug.toml`` to a ``Manifest``: all problems in one error, or none."""

from __future__ import annotations

import tomllib
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from ciplug.errors import ManifestError
from ciplug.manifest.crosscheck import check_references
from ciplug.manifest.model import Manifest
from ciplug.manifest.places import read_environments, read_project, read_vault
from ciplug.manifest.problems import Findings, ManifestProblems, Problem, quoted
from ciplug.manifest.table import Table
from ciplug.manifest.uses import read_jobs, read_secrets, read_targets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from ciplug.manifest.lines import KeyPath

    Check = Callable[[Manifest], Iterable[tuple[KeyPath, str]]]

LARGEST = 1024 * 1024
"""Bytes of a manifest."""

VERSION = 1
"""The version of the grammar that this module reads."""

_KEYS = ("version", "vault", "project", "environments", "secrets", "jobs", "targets")


def load(path: Path, also: Check | None = None) -> Manifest:
    """The manifest in the file `path`; raises ``ManifestError`` where it cannot be read, with every problem in it.

    `also` looks for further problems, once there are no others.
    """
    source = str(path)
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError as err:
        raise ManifestError(
            f"{source}: there is no such file",
            hint="ciplug looks for ciplug.toml here: name another file with --manifest or CIPLUG_MANIFEST",
        ) from err
    except OSError as err:
        raise ManifestError(f"{source}: cannot be read: {err.strerror}", hint="mend the file or its rights") from err
    except ValueError as err:  # a NUL in the path
        raise ManifestError(f"{quoted(source)}: cannot be read: {err}", hint="name a file with --manifest") from err
    if len(content) > LARGEST:
        raise ManifestError(f"{source}: is larger than 1 MiB", hint="this is not a manifest: name one with --manifest")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as err:
        line = content.count(b"\n", 0, err.start) + 1
        problem = Problem(line=line, key="", message="is not UTF-8, as TOML must be")
        raise ManifestProblems(source, [problem]) from None  # the cause keeps the whole content
    return parse(text, source, also)


def parse(text: str, source: str, also: Check | None = None) -> Manifest:
    """The manifest in `text`, named `source` in messages; raises ``ManifestProblems`` with all that is wrong."""
    document = _document(text, source)
    findings = Findings()
    manifest = _manifest(Table(document, (), findings), source)
    if manifest is not None and also is not None and not findings:
        for path, message in also(manifest):
            findings.add(path, message)
    if findings or manifest is None:
        raise ManifestProblems(source, findings.problems(text))
    return manifest


def _document(text: str, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as err:
        # The cause is dropped: in newer Pythons it keeps the whole document.
        problem = Problem(line=_line_of(str(err), text), key="", message=f"is not TOML: {err}")
    except ValueError:
        # Python's limit on the digits of an integer: https://docs.python.org/3/library/stdtypes.html#int-max-str-digits
        problem = Problem(line=1, key="", message="is not TOML that can be read: a number is too long")
    except RecursionError:
        problem = Problem(line=1, key="", message="is not TOML that can be read: values are nested too deeply")
    raise ManifestProblems(source, [problem])


def _line_of(message: str, text: str) -> int:
    """The line in ``tomllib``'s message, which ends in ``(at line 3, column 7)`` or ``(at end of document)``."""
    _, _, place = message.rpartition("(at line ")
    number = place.partition(",")[0]
    return int(number) if number.isdigit() else text.count("\n") + 1


def _manifest(root: Table, source: str) -> Manifest | None:
    if not _is_our_version(root):
        return None
    root.only(*_KEYS)
    vault = read_vault(root)
    project = read_project(root)
    manifest = Manifest(
        version=VERSION,
        vault=vault,
        project=project,
        environments=MappingProxyType(read_environments(root)),
        secrets=MappingProxyType(read_secrets(root)),
        jobs=MappingProxyType(read_jobs(root, project)),
        targets=MappingProxyType(read_targets(root, project)),
        source=source,
    )
    check_references(manifest, root.findings)
    return manifest


def _is_our_version(root: Table) -> bool:
    """Whether the rest may be read: a document of another version is not ours to judge."""
    version = root.take("version", int, required=True)
    if version is not None and version != VERSION:
        root.problem(f"this ciplug reads version {VERSION}", "version")
    return version == VERSION or "version" not in root
