"""Render's API as the adapter needs it: what has variables, what an answer looks like, and what a refusal means."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import quote

from ciplug.errors import PlatformError
from ciplug.frozen import frozen
from ciplug.values import Secret, Variable
from ciplug_platforms.answers import Shape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.values import Reply

_PROVIDED: Final = re.compile(r"RENDER|RENDER_.*|IS_PULL_REQUEST", re.DOTALL)
_NAME: Final = re.compile(r"(?!\.{1,2}\Z)[-._A-Za-z][-._A-Za-z0-9]*")
"""What Render takes, but for ``.`` and ``..``: in a path these would lead to the whole service."""

_NOT_THERE: Final = (
    "{resource} is not there, or the token cannot see it",
    "check the id in the target's options, and the workspace of the token",
)
_REFUSALS: Final = {
    400: (
        "{doing} was refused",
        "check names and values against Render's rules; a deploy needs a build that succeeded",
    ),
    401: ("the token is not valid", "make a new API key at Render, and put it where the target's token is"),
    403: ("the token may not do this: {doing}", "use an API key of someone who may change {resource}"),
    404: _NOT_THERE,
    409: ("{doing} met another change", "wait until nobody else changes {resource}, and run it again"),
    410: _NOT_THERE,
}


@frozen
class Resource:
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


def granted(reply: Reply, resource: Resource, doing: str) -> Any:
    """The answer's document, or its `refusal` raised."""
    if reply.ok:
        return reply.document
    raise refusal(reply, resource, doing)


def refusal(reply: Reply, resource: Resource, doing: str) -> PlatformError:
    """What an answer that is no success means, in words of our own: Render's may quote what was sent.

    Render's errors have no code besides the status; their ``id`` is not described as one.
    """
    message, hint = _REFUSALS.get(reply.status, ("{doing} failed", "check this target at Render, and run it again"))
    return PlatformError(
        f"Render: {message.format(resource=resource, doing=doing)} (status {reply.status})",
        hint=hint.format(resource=resource),
    )


def shape(doing: str) -> Shape:
    """What the answer to `doing` has to be."""
    return Shape(about=f"Render: {doing}")


def items(document: object, key: str, doing: str) -> list[Mapping[str, Any]]:
    """The entries of a list, each of which has an object as its `key`."""
    expected = shape(doing)
    entries = [expected.mapping(entry) for entry in expected.listing(document)]
    for entry in entries:
        expected.mapping(entry.get(key))
    return entries


def variables(entries: object, doing: str) -> dict[str, Variable]:
    """What a list of keys and values has, by name: a page that shifted while it was read may show one twice."""
    return {found.name: found for found in (_variable(each, doing) for each in shape(doing).listing(entries))}


def shown(document: Any) -> dict[str, Variable] | None:
    """The variables in the answer to a write, by name: all of a service or group, or the one written.

    ``None`` where the answer is not what Render's API describes: the write was carried out all the same.
    """
    doing = "writing"
    try:
        if isinstance(document, list):
            return variables([each["envVar"] for each in items(document, "envVar", doing)], doing)
        return variables(document.get("envVars", [document]) if isinstance(document, dict) else None, doing)
    except PlatformError:
        return None


def _variable(entry: object, doing: str) -> Variable:
    """One that Render shows with its key and its value; all of them are readable."""
    expected = shape(doing)
    found = expected.mapping(entry)
    key, value = expected.name(found.get("key")), found.get("value")
    if not isinstance(value, str):
        raise expected.malformed()
    reserved = "Render provides it" if is_provided(key) else ""
    return Variable(name=key, value=_secret(value), reserved=reserved)


def _secret(value: str) -> Secret | None:
    """`value`, or ``None`` for half a surrogate pair, which JSON can say and no text can be."""
    try:
        return Secret(value)
    except UnicodeEncodeError:
        return None
