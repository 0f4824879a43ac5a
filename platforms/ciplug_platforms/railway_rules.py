"""What a target on Railway may say, and which variables cannot be there."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ciplug.errors import UsageError
from ciplug.frozen import frozen
from ciplug.values import is_text
from ciplug_platforms.public import public_prefix

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ciplug.values import Secret

API_URL: Final = "https://backboard.railway.com"
OWN_PREFIX: Final = "RAILWAY_"
"""Names that the platform gives or takes as settings: a variable of such a name is stored, and may never count."""

_TOKEN_KINDS: Final = ("workspace", "account", "project")
_OPTIONS: Final = ("project", "environment", "service", "token_kind", "references", "api_url")
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_ID: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_LONGEST: Final = 128 * 1024 - 1
"""Bytes of ``NAME=value``: Linux starts no process with a longer one. Railway documents no limit of its own."""


@frozen
class Options:
    """The options of one target; `service` is empty for the variables that all services share."""

    project: str
    environment: str
    service: str = ""
    token_kind: str = "workspace"  # noqa: S105  # the kind, not a token
    references: bool = False
    api_url: str = API_URL

    @property
    def where(self) -> dict[str, str]:
        """How the inputs of the API say it. Without a service the key is left out, not null."""
        service = {"serviceId": self.service} if self.service else {}
        return {"projectId": self.project, "environmentId": self.environment, **service}


def parsed(options: Mapping[str, Any]) -> Options:
    """`options`, if they are right; ``UsageError`` with everything that is wrong with them."""
    problems = list(_wrong(options))
    if problems:
        raise UsageError(
            f"railway: {'; '.join(problems)}",
            hint='give the ids, as in options = { project = "…", environment = "…", service = "…" }',
        )
    return Options(**options)


def _wrong(options: Mapping[str, Any]) -> Iterator[str]:
    allowed = ", ".join(_OPTIONS)
    yield from (f"option {name} is unknown; allowed are {allowed}" for name in options if name not in _OPTIONS)
    yield from (f"option {name} is missing" for name in ("project", "environment") if name not in options)
    for name in ("project", "environment", "service"):
        if name in options and not (isinstance(options[name], str) and _ID.fullmatch(options[name])):
            yield f"option {name} has to be an id: letters, digits, - and _"
    if options.get("token_kind", "workspace") not in _TOKEN_KINDS:
        yield f"option token_kind has to be one of {', '.join(_TOKEN_KINDS)}"
    if not isinstance(options.get("references", False), bool):
        yield "option references has to be true or false"
    if not (isinstance(options.get("api_url", API_URL), str) and options.get("api_url", API_URL)):
        yield "option api_url has to be an address such as https://host"


def why_not(name: str, value: Secret, *, references: bool) -> Iterator[str]:
    """Why this variable cannot be there, if it cannot."""
    if not _NAME.fullmatch(name):
        yield "a name is letters, digits and _, and starts with no digit"
    if name.startswith(OWN_PREFIX):
        yield f"names with {OWN_PREFIX} are the platform's own"
    if prefix := public_prefix(name):
        yield f"what begins with {prefix} is built into pages that anyone can read, and this is a secret"
    content = value.reveal()
    if not is_text(content):
        yield "its value is not UTF-8 text"
    if b"\0" in content:
        yield "its value has a NUL byte in it"
    if len(name.encode()) + 1 + len(content) > _LONGEST:
        yield f"name and value are longer than {_LONGEST} bytes together, with which no process can be started"
    if b"${{" in content and not references:
        yield "its value has ${{ in it, which Railway replaces; set the option references = true if that is meant"
