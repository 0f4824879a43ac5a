"""Render's API as the adapter needs it: who owns variables, what an answer looks like, and what a refusal means."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote

from ciplug.errors import PlatformError
from ciplug.frozen import frozen
from ciplug.values import Secret, Variable

if TYPE_CHECKING:
    from ciplug.values import Reply

_PROVIDED: Final = re.compile(r"RENDER|RENDER_.*|IS_PULL_REQUEST", re.DOTALL)
_NAME: Final = re.compile(r"(?!\.{1,2}\Z)[-._A-Za-z][-._A-Za-z0-9]*")
"""What Render takes, but for ``.`` and ``..``: in a path these would lead to the whole service."""

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")

_NOT_THERE: Final = (
    "{owner} is not there, or the token cannot see it",
    "check the id in the target's options, and the workspace of the token",
)
_REFUSALS: Final = {
    400: (
        "{doing} was refused",
        "check names and values against Render's rules; a deploy needs a build that succeeded",
    ),
    401: ("the token is not valid", "make a new API key at Render, and put it where the target's token is"),
    403: ("the token may not do this: {doing}", "use an API key of someone who may change {owner}"),
    404: _NOT_THERE,
    409: ("{doing} met another change", "wait until nobody else changes {owner}, and run it again"),
    410: _NOT_THERE,
}


@frozen
class Owner:
    """A service or an environment group, by Render's own id."""

    kind: Literal["service", "env_group"]
    id: str

    def __str__(self) -> str:
        return f"{self.kind.replace('_', ' ')} {self.id}"

    @property
    def route(self) -> str:
        """Where it is: ``/v1/services/{id}`` or ``/v1/env-groups/{id}``."""
        return f"/v1/{'services' if self.kind == 'service' else 'env-groups'}/{self.id}"

    def variable(self, name: str) -> str:
        """Where one of its variables is: ``{route}/env-vars/{key}``."""
        return f"{self.route}/env-vars/{quote(name, safe='')}"


def is_provided(name: str) -> bool:
    """Whether Render sets that variable itself. https://render.com/docs/environment-variables"""
    return bool(_PROVIDED.fullmatch(name))


def is_name(name: str) -> bool:
    """Whether a variable may have that name."""
    return bool(_NAME.fullmatch(name))


def granted(reply: Reply, owner: Owner, doing: str) -> Any:
    """The answer's document, or its `refusal` raised."""
    if reply.ok:
        return reply.document
    raise refusal(reply, owner, doing)


def refusal(reply: Reply, owner: Owner, doing: str) -> PlatformError:
    """What an answer that is no success means, in words of our own: Render's may quote what was sent.

    Render's errors have no code besides the status; their ``id`` is not described as one.
    """
    message, hint = _REFUSALS.get(reply.status, ("{doing} failed", "check this target at Render, and run it again"))
    return PlatformError(
        f"Render: {message.format(owner=owner, doing=doing)} (status {reply.status})", hint=hint.format(owner=owner)
    )


def malformed(doing: str) -> PlatformError:
    """The error for an answer that is not what Render's API describes."""
    return PlatformError(f"Render: {doing}: the answer is not what its API describes", hint="check api_url")


def items(document: Any, key: str, doing: str) -> list[dict[str, Any]]:
    """The entries of a list, each of which has an object as its `key`."""
    if not isinstance(document, list):
        raise malformed(doing)
    for entry in document:
        if not (isinstance(entry, dict) and isinstance(entry.get(key), dict)):
            raise malformed(doing)
    return document


def identifier(entry: Any, doing: str) -> str:
    """The ``id`` of what Render shows, fit for a path and for a message."""
    found = entry.get("id") if isinstance(entry, dict) else None
    if not (isinstance(found, str) and _ID.fullmatch(found)):
        raise malformed(doing)
    return found


def variables(entries: Any, doing: str) -> dict[str, Variable]:
    """What a list of keys and values has, by name: a page that shifted while it was read may show one twice."""
    if not isinstance(entries, list):
        raise malformed(doing)
    return {found.name: found for found in (_variable(each, doing) for each in entries)}


def shown(document: Any) -> dict[str, Variable]:
    """The variables in the answer to a write, by name: all of a service or group, or the one written.

    Empty where the answer is not what Render's API describes: the write was carried out all the same.
    """
    doing = "writing"
    try:
        if isinstance(document, list):
            return variables([each["envVar"] for each in items(document, "envVar", doing)], doing)
        return variables(document.get("envVars", [document]) if isinstance(document, dict) else None, doing)
    except PlatformError:
        return {}


def _variable(entry: Any, doing: str) -> Variable:
    """One that Render shows with its key and its value; all of them are readable."""
    key, value = (entry.get("key"), entry.get("value")) if isinstance(entry, dict) else (None, None)
    if not (isinstance(key, str) and isinstance(value, str)):
        raise malformed(doing)
    reserved = "Render provides it" if is_provided(key) else ""
    return Variable(name=key, value=_secret(value), reserved=reserved)


def _secret(value: str) -> Secret | None:
    """`value`, or ``None`` for half a surrogate pair, which JSON can say and no text can be."""
    try:
        return Secret(value)
    except UnicodeEncodeError:
        return None
