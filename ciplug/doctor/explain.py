"""The same explanation for a ``run`` or ``fetch`` that ends: what is known of the cause goes into its error.

Imported only where something has failed, and without the libraries that a full examination needs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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


def explain(error: CiplugError, door: Door, identity: Identity | None) -> None:
    """Complete `error` in place: a new one would leave its notes behind."""
    if isinstance(error, LoginRejectedError) and isinstance(identity, IdToken):
        finding = rejected(error, door, claims_of(identity))
        _complete(error, finding.text, finding.remedy)
    elif isinstance(error, MissingError):
        _complete(error, str(error), "; ".join(absent.remedies(error, door.grant.grants)))
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
    others = [record for record in refused if record not in text]
    also = f"; nor {', '.join(others)}" if others else ""
    lines = "  ".join(rights.line(path) for path in refused.values())
    holder = f"role {door.role}" if isinstance(identity, IdToken) else "your own vault login"
    apply = ", or run `ciplug policy --apply`" if isinstance(identity, IdToken) else ""
    _complete(error, f"{text}{also}", f"add to a policy of {holder}:  {lines}{apply}")


def _complete(error: CiplugError, text: str, hint: str) -> None:
    error.args = (text,)
    error.hint = hint
