"""A login's life: from the identity token to a vault token, reads in parallel, and the token's end."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from ciplug.errors import CiplugError, MissingError, UnreachableError, VaultError
from ciplug.values import Secret
from ciplug.vault.client import Call
from ciplug.vault.errors import InvalidTokenError, LostAnswerError, Purpose
from ciplug.vault.parallel import in_parallel
from ciplug.vault.reading import contents, quoted, route

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ciplug.net.deadline import Deadline
    from ciplug.values import Contents, Record
    from ciplug.vault.answer import Answer
    from ciplug.vault.client import VaultClient

MAX_PARALLEL = 10
_LONGEST_LIFE = 10 * 365 * 86400
"""Seconds. What a vault says beyond that is as good as for ever."""

_LOGIN_PAUSES = (0.5, 2.0, 4.0)
"""Seconds before a login whose answer was lost is tried again: four logins at most."""

REVOKE_SECONDS = 5.0
"""A revocation has time of its own: it must be tried even where the reads have used up theirs."""


class Session:
    """A vault token in use; see ``contracts.VaultSession``. Made by `login` or ``Session.from_token``.

    `ttl` is the token's life in seconds from now, ``None`` where it is unknown; `ours` says whether to revoke it.
    """

    def __init__(
        self,
        client: VaultClient,
        token: Secret,
        *,
        ours: bool,
        ttl: float | None = None,
        batch: bool = False,
        request_id: str = "",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._token = token
        self._ours = ours
        self._clock = clock
        self._end = None if ttl is None else clock() + ttl
        self.batch = batch
        self.request_id = request_id

    @classmethod
    def from_token(cls, client: VaultClient, token: Secret) -> Session:
        """A session on a token that a person holds already. It is theirs, so `revoke` leaves it alone."""
        return cls(client, token, ours=False)

    @property
    def token(self) -> Secret:
        """The token itself."""
        return self._token

    @property
    def ours(self) -> bool:
        """Whether `revoke` still has anything to end."""
        return self._ours

    def ttl_remaining(self) -> float | None:
        """Seconds the token has left by this machine's clock; ``None`` where its life is not known."""
        return None if self._end is None else max(0.0, self._end - self._clock())

    def read(self, records: Sequence[Record]) -> Mapping[Record, Contents | MissingError]:
        """Every record once, up to ten at a time. What is absent is returned as its error, every other error raised.

        If several fail, the error of the first of them in the order of `records` is raised.
        """
        wanted = tuple(dict.fromkeys(records))
        if len(wanted) < 2:
            return {record: self._read(record, self._client.deadline) for record in wanted}
        return self._read_all(wanted)

    def revoke(self, seconds: float = REVOKE_SECONDS) -> None:
        """``POST /v1/auth/token/revoke-self``, tried for at most `seconds`; a second call does nothing.

        A ``CiplugError`` names how long the token stays valid: always for a batch token, which cannot be revoked.
        """
        if not self._ours:
            return
        if self.batch:
            self._ours = False
            raise VaultError(
                f"the vault token is a batch token and cannot be revoked: it stays valid for {self._left()}",
                hint='set token_type to "service" on the role',
            )
        purpose = Purpose(step="revoke", doing="revoking the token", subject="the token")
        call = Call(method="POST", path="/v1/auth/token/revoke-self", token=self._token, purpose=purpose)
        try:
            self._client.request(call, deadline=self._client.transport.phase(seconds))
        except InvalidTokenError:
            # Dead already, by its TTL or its number of uses: that is what was wanted.
            pass
        except CiplugError as err:
            message = f"the vault token could not be revoked and stays valid for {self._left()}: {err}"
            raise type(err)(message, hint=err.hint) from err
        self._ours = False

    def _left(self) -> str:
        ttl = self.ttl_remaining()
        return "its whole TTL" if ttl is None else f"up to {ttl:.0f} s"

    def _read(self, record: Record, deadline: Deadline) -> Contents | MissingError:
        """``GET`` on the record's route."""
        purpose = Purpose(step="read", doing=f"reading {record}", subject=str(record), conceal=(self._token,))
        call = Call(method="GET", path=route(record), token=self._token, purpose=purpose)
        try:
            answer = self._client.request(call, deadline=deadline)
        except MissingError as err:
            return err
        return contents(record, answer, self.ttl_remaining())

    def _read_all(self, records: Sequence[Record]) -> Mapping[Record, Contents | MissingError]:
        transport = self._client.transport
        # A phase of its own, so that ending it leaves the client's other requests alone.
        phase = transport.phase(self._client.deadline.remaining())
        return in_parallel(
            records,
            lambda record: self._read(record, phase),
            workers=MAX_PARALLEL,
            end=lambda: transport.abort(phase),
        )


def login(
    client: VaultClient,
    auth_mount: str,
    role: str,
    id_token: Secret,
    *,
    sleep: Callable[[float], None] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Session:
    """``POST /v1/auth/{mount}/login``: a session of `role`. ``LoginRejectedError`` has the vault's own reason.

    `sleep` replaces the wait between attempts.
    """
    mount = auth_mount.strip("/")
    subject = f'the login as role "{role}" at auth/{mount}'
    call = Call(
        method="POST",
        path=f"/v1/auth/{quoted(mount)}/login",
        body={"role": role, "jwt": id_token.reveal().decode("utf-8", "replace")},
        purpose=Purpose(step="login", doing=subject, subject=subject, conceal=(id_token,)),
        repeatable=False,
    )
    return _session_of(client, _ask(client, call, sleep), subject, clock)


def _ask(client: VaultClient, call: Call, sleep: Callable[[float], None] | None) -> Answer:
    """The answer to a login, which is not repeated for as long as there is time.

    One whose answer was lost may have made a token that nobody can end. That is said, and it is tried again a few times
    only, with pauses in which a leader that was lost is replaced.
    """
    pauses, said = iter(_LOGIN_PAUSES), False
    while True:
        try:
            return client.request(call, sleep=sleep)
        except LostAnswerError as err:
            pause = next(pauses, math.inf)
            if client.deadline.remaining() <= pause:
                raise _lost(err) from err
            if not said:
                client.warn(str(_lost(err)))
                said = True
        (sleep or client.deadline.sleep)(pause)


def _lost(error: LostAnswerError) -> UnreachableError:
    message = f"{error}: the vault may have issued a token, which lives for the role's token_ttl"
    return UnreachableError(message, hint=error.hint)


def _session_of(client: VaultClient, answer: Answer, subject: str, clock: Callable[[], float]) -> Session:
    """The session that a login was answered with; ``VaultError`` where the answer holds none."""
    auth = answer.body.get("auth")
    token = auth.get("client_token") if isinstance(auth, dict) else None
    if not isinstance(auth, dict) or not isinstance(token, str) or not token.isascii() or not token:
        wants = " and wants a second factor" if isinstance(auth, dict) and auth.get("mfa_requirement") else ""
        raise VaultError(
            f"the vault answered {subject} without a token{wants}", hint="check the role and its auth mount"
        )
    seconds = auth.get("lease_duration")
    return Session(
        client,
        Secret(token),
        ours=True,
        # 0 = a token that does not expire.
        ttl=min(seconds, _LONGEST_LIFE) if isinstance(seconds, int) and seconds > 0 else None,
        batch=auth.get("token_type") == "batch",
        request_id=answer.request_id,
        clock=clock,
    )
