"""The same explanation for a ``run`` or ``fetch`` that ends: what is known of the cause goes into its error.

Imported only where something has failed, and without the libraries that a full examination needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ciplug.doctor import absent, rights
from ciplug.doctor.engines import kv_version
from ciplug.doctor.rejection import rejected
from ciplug.errors import CiplugError, DeniedError, LoginRejectedError, MissingError
from ciplug.fields import AbsentError
from ciplug.identity.claims import claims_of, listed
from ciplug.values import IdToken
from ciplug.vault.errors import InvalidTokenError, OtherVersionError
from ciplug.vault.inspect import read_mount

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.doctor.case import Door
    from ciplug.values import Contents, Identity, Record, Secret
    from ciplug.vault.client import VaultClient

_SHOWN: Final = 5
"""Records in one line of a job's log."""


def explain(error: CiplugError, door: Door, identity: Identity | None) -> None:
    """Complete `error` with what is known of its cause, and with the command that shows more."""
    if isinstance(error, LoginRejectedError) and isinstance(identity, IdToken):
        finding = rejected(error, door, claims_of(identity))
        error.reword(finding.text, hint=finding.remedy)
    elif isinstance(error, AbsentError):
        error.reword(absent.told(error), hint="; ".join(absent.remedies(error, door.namespace)))
    error.reword(hint=f"{error.hint}; `{door.asks}` shows every step".removeprefix("; "))


def explain_denial(error: DeniedError, door: Door, client: VaultClient, token: Secret, identity: Identity) -> None:
    """Complete `error` with every record that the login may not read, which takes one request."""
    if isinstance(error, InvalidTokenError):
        return
    try:
        refused = rights.denied(client, token, door.grant.grants)
    except CiplugError:
        # What is known already is what there is to say.
        return
    if not refused:
        return
    text = str(error)
    # The record that the error names comes first, and counts.
    ordered = sorted(refused, key=lambda record: f" {record}: " not in text)
    others = [record for record in ordered if f" {record}: " not in text]
    first, *lines = rights.remedy([refused[record] for record in ordered], door, identity, _SHOWN)
    also = f"; nor {listed(others, at_most=_SHOWN - 1)}" if others else ""
    error.reword(f"{text}{also}", hint=f"{first}:  {'  '.join(lines)}")


def explained_absences(
    found: Mapping[Record, Contents | MissingError], client: VaultClient, token: Secret
) -> Mapping[Record, Contents | MissingError]:
    """`found`, with the engine's version for the cause where that is why a record is not there.

    To write the record would then replace another one, of which the vault keeps no earlier version.
    """
    away = {record for record, seen in found.items() if isinstance(seen, MissingError) and record.engine != "other"}
    versions = {mount: _version(client, token, mount) for mount in {record.mount for record in away}}
    wrong = [one for one in away if versions[one.mount] and one.engine != f"kv{versions[one.mount]}"]
    return {**found, **{record: OtherVersionError(record.mount, versions[record.mount]) for record in wrong}}


def _version(client: VaultClient, token: Secret, mount: str) -> int:
    """Of the mount's KV engine; 0 where that is not known, or it is another engine."""
    try:
        seen = read_mount(client, token, mount)
    except CiplugError:
        return 0
    return kv_version(seen) if seen is not None and seen.get("type") in {"kv", "generic"} else 0
