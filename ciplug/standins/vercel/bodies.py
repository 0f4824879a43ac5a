"""The bodies that Vercel takes, held to its published schema; a body that does not fit is refused as a whole."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from ciplug.standins.vercel.refused import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ciplug.standins.loopback import Request

_LONGEST_BRANCH: Final = 250
_LONGEST_COMMENT: Final = 500
_MOST_IDS: Final = 1000
_MOST_META: Final = 100

_HALF_A_CHARACTER: Final = re.compile("[\ud800-\udfff]")
"""A surrogate, which JSON can spell and UTF-8 cannot."""

_TYPES: Final = ("plain", "encrypted", "sensitive", "system")
_TARGETS: Final = ("production", "preview", "development")


def parsed(request: Request) -> Any:
    """The JSON of a body."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise RefusedError("bad_request", "the body has to be application/json")
    try:
        return json.loads(request.body)
    except ValueError:
        # The cause quotes the body.
        raise RefusedError("bad_request", "the body is not JSON") from None


def new_variable(body: object) -> dict[str, Any]:
    """The body of a create, or one item of it. Unknown fields are let through, as the schema does."""
    fields = _object(body)
    for name in ("key", "value", "type"):
        if name not in fields:
            raise RefusedError("bad_request", f"missing required property `{name}`")
    if not fields.keys() & {"target", "customEnvironmentIds"}:
        raise RefusedError("bad_request", "missing required property `target` or `customEnvironmentIds`")
    return _checked(fields, _VARIABLE)


def edited_variable(body: object) -> dict[str, Any]:
    """The body of an edit, which may have nothing but the known fields."""
    return _checked(_closed(body, _VARIABLE), _VARIABLE)


def ids_to_delete(body: object) -> list[str]:
    """The ids of a batch delete."""
    fields = _checked(_closed(body, _IDS), _IDS)
    if "ids" not in fields:
        raise RefusedError("bad_request", "missing required property `ids`")
    return list(fields["ids"])


def new_deployment(body: object) -> dict[str, Any]:
    """The body of a redeploy."""
    fields = _checked(_closed(body, _DEPLOYMENT), _DEPLOYMENT)
    for name in ("name", "deploymentId"):
        if name not in fields:
            raise RefusedError("bad_request", f"missing required property `{name}`")
    return fields


def _object(body: object) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise RefusedError("bad_request", "the body should be an object")
    return body


def _closed(body: object, checks: Mapping[str, Callable[[Any], bool]]) -> dict[str, Any]:
    fields = _object(body)
    unknown = sorted(fields.keys() - checks.keys())
    if unknown:
        raise RefusedError("bad_request", f"should NOT have additional property `{unknown[0]}`")
    return fields


def _checked(fields: dict[str, Any], checks: Mapping[str, Callable[[Any], bool]]) -> dict[str, Any]:
    for name, fits in checks.items():
        if name in fields and not fits(fields[name]):
            raise RefusedError("bad_request", f"`{name}` is not what it should be")
    return {name: fields[name] for name in checks if name in fields}


def _is_text(given: object) -> bool:
    return isinstance(given, str) and _HALF_A_CHARACTER.search(given) is None


def _is_texts(given: object) -> bool:
    return isinstance(given, list) and all(map(_is_text, given))


def _is_meta(given: object) -> bool:
    return isinstance(given, dict) and len(given) <= _MOST_META and _is_texts(list(given.values()))


_VARIABLE: Final[Mapping[str, Callable[[Any], bool]]] = {
    "key": _is_text,
    "value": _is_text,
    "type": lambda given: given in _TYPES,
    "target": lambda given: _is_texts(given) and set(given) <= set(_TARGETS),
    "gitBranch": lambda given: given is None or (_is_text(given) and len(given) <= _LONGEST_BRANCH),
    "comment": lambda given: _is_text(given) and len(given) <= _LONGEST_COMMENT,
    "customEnvironmentIds": _is_texts,
}
_IDS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "ids": lambda given: _is_texts(given) and 1 <= len(given) <= _MOST_IDS,
}
_DEPLOYMENT: Final[Mapping[str, Callable[[Any], bool]]] = {
    "name": _is_text,
    "project": _is_text,
    "deploymentId": _is_text,
    "target": _is_text,
    "customEnvironmentSlugOrId": _is_text,
    "meta": _is_meta,
    "withLatestCommit": lambda given: isinstance(given, bool),
}
