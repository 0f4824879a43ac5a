"""The same explanation for a ``run`` or ``fetch`` that ends: what is known of the cause goes into its error.

Imported only where something has failed, and without the libraries that a full examination needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ciplug.doctor import absent, rights
from ciplug.doctor.rejection import rejected
from ciplug.errors import CiplugError, DeniedError, LoginRejectedError
from ciplug.fields import AbsentError
from ciplug.identity.claims import claims_of, listed
from ciplug.values import IdToken
from ciplug.vault.errors import InvalidTokenError

if TYPE_CHECKING:
    from ciplug.doctor.case import Door
    from ciplug.values import Identity, Secret
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
