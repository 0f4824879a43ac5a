"""Requests to a vault of one or several addresses, retried while that may help."""

from __future__ import annotations

import json
import threading
from dataclasses import field
from functools import partial
from typing import TYPE_CHECKING, Any

from ciplug import __version__
from ciplug.frozen import frozen
from ciplug.net.failures import Failure
from ciplug.net.retry import Transient, retry
from ciplug.vault.addresses import Addresses
from ciplug.vault.answer import Answer, read_body, redirected
from ciplug.vault.errors import LostAnswerError, Place, error_from

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ciplug.errors import CiplugError
    from ciplug.net.deadline import Deadline
    from ciplug.net.transport import Transport
    from ciplug.values import Secret
    from ciplug.vault.addresses import Address
    from ciplug.vault.errors import Purpose

DEADLINE = 30.0
"""Seconds for all vault traffic of one command, where nothing else is set."""


@frozen
class Call:
    """One request to whichever address answers; `path` begins with ``/v1/``. `root` leaves the namespace out.

    What is not `repeatable` is not sent again once it went out whole and its answer was lost.
    """

    method: str
    path: str
    purpose: Purpose
    token: Secret | None = None
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    root: bool = False
    repeatable: bool = True


class VaultClient:
    """Speaks to the addresses of one vault, beginning with the one that answered last.

    `deadline` is in seconds, for all requests together, from the first one on. `notify` is given one line when a first
    attempt fails, `warn` what may have been lost. Safe for use from several threads.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        *,
        transport: Transport,
        namespace: str = "",
        deadline: float = DEADLINE,
        notify: Callable[[str], None] | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self._addresses = Addresses(addresses)
        self.transport = transport
        self.namespace = namespace.strip("/")
        self._seconds = deadline
        self._deadline: Deadline | None = None
        self.say = notify or _nobody
        self.warn = warn or self.say
        self._told = False
        self._lock = threading.RLock()

    @property
    def addresses(self) -> tuple[Address, ...]:
        """All of them, in the order in which they were given."""
        return self._addresses.all

    def prefer(self, address: Address) -> None:
        """Begin with `address`, one of ``addresses``, from now on."""
        self._addresses.prefer(address)

    @property
    def deadline(self) -> Deadline:
        """The deadline of this client's requests; it begins to run when it is first asked for."""
        with self._lock:
            if self._deadline is None:
                self._deadline = self.transport.phase(self._seconds)
            return self._deadline

    def request(
        self, call: Call, *, deadline: Deadline | None = None, sleep: Callable[[float], None] | None = None
    ) -> Answer:
        """The vault's answer to `call`; a ``CiplugError`` says why there is none.

        All addresses are tried before the first wait. `sleep` replaces the wait between two rounds.
        """
        limit = deadline or self.deadline
        return retry(partial(self._round, call, limit), limit, sleep=sleep, on_retry=partial(self._tell, limit))

    def look(self, call: Call, seconds: float) -> Answer:
        """The answer to `call` where one comes within `seconds`, for what its caller can do without.

        Each address is asked at most once, nothing is waited for, and nobody is told of a failure but the caller.
        """
        limit = self.transport.phase(min(seconds, self.deadline.remaining()))
        try:
            return self._round(call, limit)
        except Transient as again:
            raise again.error from again.__cause__

    def ask(self, address: Address, call: Call, deadline: Deadline, seconds: float | None = None) -> Answer:
        """One attempt at one address, of at most `seconds`.

        What may pass is raised as ``Transient``, everything else as ``CiplugError``.
        """
        place = Place(address=str(address), namespace=self.namespace)
        body = None if call.body is None else json.dumps(call.body).encode()
        try:
            response = self.transport.exchange(
                address.origin,
                call.method,
                address.base + call.path,
                deadline=deadline,
                headers=self._headers(call),
                body=body,
                seconds=seconds,
            )
        except Failure as err:
            raise _unanswered(err, call, place) from err
        if 300 <= response.status < 400:
            raise redirected(response, place, self._addresses.origins)
        date = response.headers.get("date", "")
        return Answer(body=read_body(response, call.purpose, place), address=place.address, date=date)

    def _round(self, call: Call, deadline: Deadline) -> Answer:
        """The answer of the first address that has one."""
        return self._addresses.first_answer(lambda address, share: self.ask(address, call, deadline, share), deadline)

    def _headers(self, call: Call) -> dict[str, str | Secret]:
        # X-Vault-Request is what keeps a vault behind an agent or a proxy from answering a forged cross-site request.
        headers: dict[str, str | Secret] = {"X-Vault-Request": "true", "User-Agent": f"ciplug/{__version__}"}
        if call.token is not None:
            headers["X-Vault-Token"] = call.token
        if self.namespace and not call.root:
            headers["X-Vault-Namespace"] = self.namespace
        if call.body is not None:
            headers["Content-Type"] = "application/json"
        return headers

    def _tell(self, deadline: Deadline, error: CiplugError) -> None:
        with self._lock:
            told, self._told = self._told, True
        if not told:
            self.say(f"{error}; retrying for up to {deadline.remaining():.0f} s")


def _unanswered(failure: Failure, call: Call, place: Place) -> CiplugError | Transient:
    """What is raised for a `call` that came to this `failure`."""
    error = error_from(failure, place)
    if failure.sent and not call.repeatable:
        return LostAnswerError(str(error), hint=error.hint)
    return Transient(error) if failure.retryable else error


def _nobody(_message: str) -> None:
    """Nobody asked to be told."""
