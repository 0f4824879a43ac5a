"""GitHub Actions: the ID token that the runner's endpoint mints on request.

Source of the protocol: the toolkit's ``oidc-utils`` (``GET <url>&audience=…`` with the job's bearer gives
``{"value": jwt}``).
"""

from __future__ import annotations

import json
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

from ciplug.errors import IdentityError
from ciplug.identity.claims import id_token
from ciplug.identity.errors import UnrequestedError
from ciplug.net.failures import Failure
from ciplug.net.origin import split
from ciplug.net.retry import Transient, is_passing, retry, retry_after
from ciplug.values import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ciplug.net.deadline import Deadline
    from ciplug.net.message import Response
    from ciplug.net.transport import Transport
    from ciplug.values import IdToken

URL = "ACTIONS_ID_TOKEN_REQUEST_URL"
BEARER = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
SECONDS = 30.0
"""For all attempts together. The endpoint is known to answer 403 while the job is not yet recorded as running."""

_MAX_EVENT = 32 * 1024 * 1024


class GitHubIdentity:
    """The job's ID token, minted anew for every call."""

    name = "GitHub Actions"

    def __init__(
        self, env: Mapping[str, str], transport: Callable[[], Transport], *, sleep: Callable[[float], None]
    ) -> None:
        self._env = env
        self._transport = transport
        self._sleep = sleep

    def identity(self, audience: str) -> IdToken | None:
        """The token; ``None`` off GitHub Actions; ``IdentityError`` when the job may not have one, or none comes."""
        if self._env.get("GITHUB_ACTIONS") != "true":
            return None
        url, bearer = self._env.get(URL, ""), self._env.get(BEARER, "")
        if not (url and bearer):
            raise self._refused(URL if not url else BEARER)
        transport = self._transport()
        deadline = transport.phase(SECONDS)
        authorization = Secret(f"bearer {bearer}".encode(errors="surrogateescape"))
        headers: dict[str, str | Secret] = {"Accept": "application/json", "Authorization": authorization}
        try:
            text = retry(lambda: _ask(transport, url, audience, headers, deadline), deadline, sleep=self._sleep)
        finally:
            transport.close()
        return id_token(text, self.name)

    def _refused(self, missing: str) -> IdentityError:
        if fork := self._fork():
            return IdentityError(
                f"no identity token: this is a pull request from the fork {fork}, and GitHub gives those no ID token",
                hint="run the jobs that need secrets after the merge, or on a branch of the repository itself",
            )
        return UnrequestedError(
            f"no identity token: GITHUB_ACTIONS is set but {missing} is not",
            hint='add "permissions: id-token: write" to the job (and "contents: read", which it then no longer has)',
        )

    def _fork(self) -> str:
        """The fork's name when this run belongs to a pull request from one, read from the event; else empty."""
        event = self._env.get("GITHUB_EVENT_PATH", "")
        if not (self._env.get("GITHUB_EVENT_NAME", "").startswith("pull_request") and event):
            return ""
        try:
            with Path(event).open("rb") as file:
                request = json.loads(file.read(_MAX_EVENT))["pull_request"]
            head, base = request["head"]["repo"], request["base"]["repo"]["full_name"]
            name = str(head["full_name"]) if head is not None else "(deleted since)"
        except (OSError, ValueError, KeyError, TypeError):
            return ""
        return name if name != base else ""


def _ask(transport: Transport, url: str, audience: str, headers: Mapping[str, str | Secret], deadline: Deadline) -> str:
    """One attempt: ``GET {ACTIONS_ID_TOKEN_REQUEST_URL}&audience={audience}``; the JWT as text."""
    try:
        origin, path = split(url)
    except ValueError as err:
        raise IdentityError(f"{URL} {err}", hint="the runner sets it; do not change it") from err
    query = urlencode([*parse_qsl(urlsplit(url).query, keep_blank_values=True), ("audience", audience)])
    try:
        answer = transport.exchange(origin, "GET", f"{path or '/'}?{query}", deadline=deadline, headers=headers)
    except Failure as err:
        error = IdentityError(
            f"no identity token: GitHub's token endpoint: {err}", hint=err.hint or "run the job again"
        )
        raise Transient(error) if err.retryable else error from err
    if answer.status != HTTPStatus.OK:
        raise _unsuccessful(answer)
    return _value(answer.body)


def _unsuccessful(answer: Response) -> IdentityError | Transient:
    error = UnrequestedError(
        f"no identity token: GitHub's token endpoint answered {answer.status}",
        hint='check "permissions: id-token: write" on the job, and GitHub\'s status page',
    )
    # "Can't issue ID_TOKEN for job in 'Pending' state": the job's record lags behind the job.
    lagging = answer.status == HTTPStatus.FORBIDDEN and any(word in answer.body for word in (b"Pending", b"Delayed"))
    if lagging or is_passing(answer.status):
        return Transient(error, after=retry_after(answer.headers.get("retry-after")))
    return error


def _value(body: bytes) -> str:
    try:
        value = json.loads(body)["value"]
    except (ValueError, KeyError, TypeError):
        value = None
    if not isinstance(value, str) or not value:
        # Without a cause: a JSON error carries the document, and the document a token.
        raise IdentityError(
            "no identity token: GitHub's token endpoint answered without one", hint="run the job again"
        ) from None
    return value
