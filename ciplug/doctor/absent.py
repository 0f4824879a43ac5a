"""Secrets that are not in the vault: the commands that write them, which take the values from their standard input."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from ciplug.identity.claims import listed
from ciplug.policy.commands import bao
from ciplug.vault.errors import DeletedError, OtherVersionError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ciplug.fields import Absence, AbsentError
    from ciplug.values import Record


_SHOWN: Final = 5
"""Secrets in one line of a job's log."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
"""Fields that can be named on a command line: one with ``=`` in its name would become another one there."""


def remedies(error: AbsentError, namespace: str) -> Sequence[str]:
    """One line for each of the first records that lack something of `error`, or the error's own hint."""
    lacking: dict[Record, list[Absence]] = {}
    for absence in error.absences:
        if _is_writable(absence):
            lacking.setdefault(absence.grant.record, []).append(absence)
    found = [_remedy(record, absences, namespace) for record, absences in lacking.items()]
    more = len(found) - _SHOWN
    return [*found[:_SHOWN], *([f"and {more} more in the same way"] if more > 0 else [])] or [error.hint]


def told(error: AbsentError) -> str:
    """What is missing, of many secrets only the first ones."""
    return listed(error.problems, "; ", _SHOWN)


def _is_writable(absence: Absence) -> bool:
    """Whether one command writes what is missing, and nothing is lost by it."""
    grant, record = absence.grant, absence.grant.record
    if record.version is not None or record.engine == "other" or len(grant.pointer) > 1:
        return False
    if isinstance(absence.record, DeletedError | OtherVersionError):
        return False
    # KV v1 can only write a record anew, which would drop its other fields.
    return absence.record is not None or record.engine == "kv2"


def _remedy(record: Record, absences: Sequence[Absence], namespace: str) -> str:
    """How to write all that is missing of `record` at once, as a second ``put`` would drop what the first has written.

    Of very many fields the first; where they are there, so is the record, and the next ones are added to it.
    """
    shown = absences[:_SHOWN]
    fields = list(dict.fromkeys(absence.grant.pointer[0] for absence in shown))
    plain = len(fields) == 1 and _PLAIN.fullmatch(fields[0])
    verb = "put" if absences[0].record else "patch"
    written = f"{fields[0]}=-" if plain else "-"
    path = ("--", record.path) if record.path.startswith("-") else (record.path,)
    command = bao(f"kv {verb}", f"-mount={record.mount}", *path, written, namespace=namespace)
    it, value = ("it", "value") if len(fields) == 1 else ("them", "values")
    ref = "ref" if len(shown) == 1 else "refs"
    stdin = f"the {value} on stdin" if plain else f"with the {value} in this JSON on stdin, {_template(fields)}"
    owners = listed([owner for owner in dict.fromkeys(absence.grant.owner for absence in shown) if owner])
    names = listed([absence.grant.name for absence in shown], " and ")
    asked = f" (ask {owners})" if owners else ""
    return f"write {it}{asked}, {stdin}: {command}; or correct the {ref} of {names} in the manifest"


def _template(fields: Sequence[str]) -> str:
    return json.dumps(dict.fromkeys(fields, "VALUE"))
