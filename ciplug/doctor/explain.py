"""The same explanation for a ``run`` or ``fetch`` that ends: what is known of the cause goes into its error.

Imported only where something has failed, and without the libraries that a full examination needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ciplug.doctor import absent, rights
from ciplug.doctor.case import claims_of
from ciplug.doctor.rejection import rejected
from ciplug.errors import CiplugError, DeniedError, LoginRejectedError, MissingError
from ciplug.values import IdToken
from ciplug.vault.errors import InvalidTokenError

if TYPE_CHECKING:
    from ciplug.doctor.case import Door
    from ciplug.values import Identity, Secret
    from ciplug.vault.client import VaultClient

_SHOWN: Final = 5
"""Records in one line of a job's log."""


def explain(error: CiplugError, door: Door, identity: Identity | None) -> None:
    """Complete `error` in place: a new one would leave its notes behind."""
    if isinstance(error, LoginRejectedError) and isinstance(identity, IdToken):
        finding = rejected(error, door, claims_of(identity))
        _complete(error, finding.text, finding.remedy)
    elif isinstance(error, MissingError):
        _complete(error, str(error), "; ".join(absent.remedies(error, door.grant.grants, door.namespace)))
    if "ciplug doctor" not in error.hint:
        error.hint = f"{error.hint}; `{door.asks}` shows every step".removeprefix("; ")


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
    ordered = sorted(refused, key=lambda record: record not in text)
    shown, more = ordered[:_SHOWN], len(ordered[_SHOWN:])
    others = [record for record in shown if record not in text]
    also = f"; nor {', '.join(others)}" if others else ""
    also += f" and {more} more; `{door.asks}` lists them" if more else ""
    job = isinstance(identity, IdToken)
    hint = f"add to a policy of {f'role {door.role}' if job else 'your own vault login'}:  "
    hint += "  ".join(rights.line(refused[record]) for record in shown)
    if job and more:
        hint = f"run `ciplug policy --apply`, which gives role {door.role} all of them; `{door.asks}` shows every step"
    _complete(error, f"{text}{also}", hint)


def _complete(error: CiplugError, text: str, hint: str) -> None:
    error.args = (text,)
    error.hint = hint
