"""How hvac's requests reach the vault: over the read path's own transport, to whichever address answers.

hvac speaks through requests, whose sessions hand every request to an adapter. This one stands in for requests' own, so
that certificates, proxies, redirects and time mean to an administrator exactly what they mean to a job. It also adds
the token, which no request, exception or log of those two libraries therefore holds.
"""

from __future__ import annotations

import json
from functools import partial
from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

import requests
from requests.adapters import BaseAdapter

from ciplug import __version__
from ciplug.errors import CiplugError, SealedError, UnreachableError, VaultError
from ciplug.net.failures import Failure
from ciplug.net.retry import Transient, is_passing, retry, retry_after
from ciplug.vault.addresses import Addresses
from ciplug.vault.answer import redirected
from ciplug.vault.errors import LostAnswerError, Place, error_from

if TYPE_CHECKING:
    from ciplug.net.deadline import Deadline
    from ciplug.net.message import Response
    from ciplug.values import Secret
    from ciplug.vault.addresses import Address
    from ciplug.vault.client import VaultClient

BASE: Final = "http://vault"
"""What hvac takes for the vault's address; the real ones take its place when a request is sent."""

_READS_BY_POST: Final = frozenset({"/v1/auth/token/lookup", "/v1/auth/token/lookup-accessor"})


def open_session(client: VaultClient, token: Secret, *, seconds: float, patience: float | None) -> requests.Session:
    """A session in which everything below ``BASE`` goes to the addresses of `client`, with `token`, and nowhere else.

    `seconds` is the most that one attempt may take. All addresses are asked at most once, or again and again for
    `patience` seconds; the client's own ``say`` is told of the first time. Closing the session leaves the client's
    transport open.
    """
    session = requests.Session()
    session.trust_env = False
    session.headers.clear()
    session.adapters.clear()
    session.mount(BASE, _Carrier(client, token, seconds, patience))
    return session


class _Carrier(BaseAdapter):
    """Sends a request to the address that answered last, and to the next one only if that cannot do it twice.

    It is certain for a request that did not go out whole, and for an answer with which the vault has done nothing: it
    is sealed, it has no leader or it names another node (307), or it wants a pause (412, 429). After every other
    failure that may pass, only what may happen twice is sent again: see `_may_repeat`.
    """

    def __init__(self, client: VaultClient, token: Secret, seconds: float, patience: float | None) -> None:
        super().__init__()
        self._addresses = Addresses([str(address) for address in client.addresses])
        self._transport = client.transport
        self._token = token
        self._seconds = seconds
        self._patience = patience
        self._say = client.say
        self._told = False

    def send(self, request: requests.PreparedRequest, *_: object, **__: object) -> requests.Response:
        """The vault's answer to `request`; a ``CiplugError`` where there is none, or none that is a vault's."""
        if self._patience is not None:
            until = self._transport.phase(self._patience)
            attempt = partial(self._round, request, until)
            return _handed_over(request, retry(attempt, until, on_retry=partial(self._tell, until)))
        once = self._transport.phase(self._seconds * len(self._addresses.all))
        try:
            return _handed_over(request, self._round(request, once))
        except Transient as again:
            raise again.error from again.__cause__

    def close(self) -> None:
        """Nothing: the transport is closed by whoever opened it."""

    def _round(self, request: requests.PreparedRequest, deadline: Deadline) -> Response:
        """The answer of the first address that has one."""

        def ask(address: Address, share: float | None) -> Response:
            return self._ask(address, request, deadline, min(self._seconds, share or deadline.remaining()))

        return self._addresses.first_answer(ask, deadline)

    def _ask(self, address: Address, request: requests.PreparedRequest, deadline: Deadline, seconds: float) -> Response:
        """One attempt. What may be sent again is raised as ``Transient``, everything else as ``CiplugError``."""
        place = Place(address=str(address))
        body = request.body
        try:
            response = self._transport.exchange(
                address.origin,
                request.method or "GET",
                address.base + request.path_url,
                deadline=deadline,
                headers=self._headers(request),
                body=body.encode() if isinstance(body, str) else body,
                seconds=seconds,
            )
        except Failure as err:
            raise _unanswered(err, request, place) from err
        if 300 <= response.status < 400:
            raise redirected(response, place, self._addresses.origins)
        if is_passing(response.status):
            raise _not_now(response, request, place)
        _check_vault(response, place)
        return response

    def _tell(self, until: Deadline, error: CiplugError) -> None:
        if not self._told:
            self._told = True
            self._say(f"{error}; retrying for up to {until.remaining():.0f} s")

    def _headers(self, request: requests.PreparedRequest) -> dict[str, str | Secret]:
        return {**request.headers, "User-Agent": f"ciplug/{__version__}", "X-Vault-Token": self._token}


def _may_repeat(request: requests.PreparedRequest) -> bool:
    """Whether `request` may be carried out twice: it reads, replaces a policy, or carries check-and-set."""
    path = request.path_url.partition("?")[0]
    if request.method in {"GET", "LIST"} or path in _READS_BY_POST:
        return True
    if request.method == "PUT":
        return path.startswith("/v1/sys/policies/acl/")
    match json.loads(request.body or "null"):
        case {"options": {"cas": int()}}:
            return True
    return False


def _unanswered(failure: Failure, request: requests.PreparedRequest, place: Place) -> CiplugError | Transient:
    error = error_from(failure, place)
    if failure.sent and not _may_repeat(request):
        return LostAnswerError(
            f"{error}; the vault may have done it all the same", hint="see whether it has, before doing it again"
        )
    return Transient(error) if failure.retryable else error


def _not_now(response: Response, request: requests.PreparedRequest, place: Place) -> CiplugError | Transient:
    """What an answer means that may be another one a moment later."""
    untouched, error = _passing(response.status, response.body, place.address)
    if untouched or _may_repeat(request):
        return Transient(error, after=retry_after(response.headers.get("retry-after")))
    return error


def _passing(status: int, body: bytes, address: str) -> tuple[bool, CiplugError]:
    """Whether the vault has surely done nothing, and the error. Its own words are read, but never repeated."""
    if status == 501 or b"sealed" in body or b"not initialized" in body:
        hint = "unseal it, then run this again"
        return True, SealedError(f"the vault at {address} is sealed or not initialised", hint=hint)
    if b"active cluster node not found" in body:
        hint = "see `bao operator raft list-peers`"
        return True, UnreachableError(f"the vault cluster at {address} has no leader", hint=hint)
    if status in {502, 503, 504}:
        hint = "check the load balancer before it"
        return False, UnreachableError(f"the vault at {address} is not available (status {status})", hint=hint)
    hint = "raise the rate limit quota of this path" if status == 429 else "the vault's own log may have more"
    return status in {412, 429}, VaultError(f"the vault answered {status}", hint=hint)


def _check_vault(response: Response, place: Place) -> None:
    """Refuse what no vault says: a web page with 404 must not pass for a record that is absent."""
    try:
        body: Any = json.loads(response.body or "{}")
    except (ValueError, RecursionError):
        body = None
    if isinstance(body, dict) and (response.status < 300 or body.keys() & {"errors", "data", "warnings"}):
        return
    raise VaultError(
        f"{place.address} answered {response.status} with something that is not a vault's JSON",
        hint="check that the address, its port and its path are a vault's",
    )


def _handed_over(request: requests.PreparedRequest, response: Response) -> requests.Response:
    """`response` as hvac expects it, which reads errors only where the content type is exactly this one."""
    answer = requests.Response()
    answer.status_code = response.status
    answer.headers["Content-Type"] = "application/json"
    answer.encoding = "utf-8"
    answer.raw = BytesIO(response.body)
    answer.request = request
    return answer
