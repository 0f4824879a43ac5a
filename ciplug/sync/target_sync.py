"""One target in one sync: what is wanted there, its adapter with clients and deadline, and its ledger."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from ciplug import registry
from ciplug.contracts import Queues, Redeploys
from ciplug.errors import PlatformError, SyncError
from ciplug.sync.engine import carry_out, survey
from ciplug.sync.pace import Pace
from ciplug.values import Deployment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ciplug.contracts import Platform, Requests
    from ciplug.manifest import Target
    from ciplug.net.proxy import ProxySettings
    from ciplug.sync.choice import Choice
    from ciplug.sync.ledger import Keeps
    from ciplug.sync.results import Outcome, Survey
    from ciplug.values import Endpoint, Reply, Secret

FRESH_SECONDS: Final = 5.0
"""A plan that is older is made again before it is carried out: somebody may have made a variable meanwhile."""

_SPARE_SECONDS: Final = 10.0
"""What a session is left of its life after the last request, to write the ledger and to be revoked."""


class TargetSync:
    """`target` is to hold `wanted`; its platform knows `token`. `life` is how long the session still lives, in seconds.

    ``survey``, ``carry_out`` and ``redeploy`` are for one thread at a time; ``interrupt`` may be called by any.
    `at_work`: something may have been written.
    """

    def __init__(
        self,
        target: Target,
        wanted: Mapping[str, Secret],
        token: Secret,
        keeper: Keeps,
        choice: Choice,
        *,
        proxies: ProxySettings,
        life: Callable[[], float | None],
        notify: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = target.name
        self.at_work = False
        self._target = target
        self._wanted = wanted
        self._token = token
        self._keeper = keeper
        self._choice = choice
        self._proxies = proxies
        self._life = life
        self._notify = notify
        self._clock = clock
        self._pace = Pace(choice.seconds)
        self._clients = ExitStack()
        self._interrupted = False
        self._platform: Platform | None = None
        self._looked_at = 0.0

    def survey(self) -> Survey:
        """What is there against what is wanted; each time with an adapter and a deadline of its own."""
        self.close()
        seconds, more = self._patience()
        self._platform = self._adapter(seconds, more)
        self._looked_at = self._clock()
        return survey(
            self._platform,
            self._wanted,
            self._keeper,
            listed=frozenset(self._target.secrets),
            prune=self._choice.prune,
            adopt=self._choice.adopt,
        )

    def carry_out(self, found: Survey, *, again: bool = False) -> tuple[Survey, Outcome]:
        """Do what was found, and what became of it. With `again`, and where it is old, the target is looked at anew.

        ``SyncError`` where there is then a variable to be written that was not to be written before.
        """
        if again or self._clock() - self._looked_at > FRESH_SECONDS:
            agreed = {change.name for change in found.changes if change.applies}
            found = self.survey()
            if strangers := sorted({change.name for change in found.changes if change.applies} - agreed):
                raise SyncError(
                    f"nothing was written: there was a change since the plan was made: {', '.join(strangers)}",
                    hint="run it again",
                )
        if self._platform is None:
            raise TypeError("carried out before it was surveyed")
        self.at_work = True
        return found, carry_out(found, self._platform, self._keeper)

    def redeploy(self, tell: Callable[[Deployment], None]) -> Deployment:
        """Deploy it anew, with time of its own; how that ends. `tell` hears of every step."""
        self.close()
        platform = self._adapter(self._choice.redeploy_seconds, "give it a longer --redeploy-deadline")
        last = Deployment(state="failed", detail="the adapter did not say how it went")
        if isinstance(platform, Redeploys):
            for last in platform.redeploy():
                tell(last)
        self.close()
        return last

    @property
    def redeploys(self) -> bool:
        """Whether the target has deployments of its own."""
        return isinstance(self._platform, Redeploys)

    @property
    def queue(self) -> str:
        """Targets with the same one are written one after another; those of one place always are."""
        platform: object = self._platform  # mypy takes the two Protocols for ones that no class can have together
        return platform.queue if isinstance(platform, Queues) else self.place

    @property
    def place(self) -> str:
        """Where it is, in the platform's own ids; empty until that is known."""
        return self._platform.place if self._platform is not None else ""

    def interrupt(self) -> None:
        """Begin no request any more."""
        self._interrupted = True
        self._pace.end()

    def close(self) -> None:
        """Close the connections to the platform."""
        self._clients.close()

    def _patience(self) -> tuple[float, str]:
        """Seconds for the requests of one survey and its application, and how there could be more."""
        life = self._life()
        if life is None or life - _SPARE_SECONDS > self._choice.seconds:
            return self._choice.seconds, "run it again, or give it a longer --deadline"
        return max(1.0, life - _SPARE_SECONDS), "raise token_ttl on the target's role in the vault"

    def _adapter(self, seconds: float, more: str) -> Platform:
        """A new adapter, whose requests have `seconds` for all of them together."""
        self._pace = Pace(seconds, more=more, beat=self._keeper.renew)
        if self._interrupted:
            self._pace.end()
        return registry.find(self._target.platform)(self._target.options, self._connect, self._pace.wait)

    def _connect(self, endpoint: Endpoint) -> Requests:
        from ciplug.http import Client

        client = Client(
            endpoint,
            self._token,
            deadline=self._pace.deadline,
            proxies=self._proxies,
            sleep=self._pace.sleep,
            notify=lambda message: self._notify(f"{self.name}: {message}"),
        )
        return _Patient(self._clients.enter_context(client), self._pace)


class _Patient:
    """A client whose errors for want of time say how there can be more of it."""

    def __init__(self, client: Requests, pace: Pace) -> None:
        self._client = client
        self._pace = pace

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        document: object = None,
        repeatable: bool = True,
    ) -> Reply:
        try:
            return self._client.request(method, path, query=query, document=document, repeatable=repeatable)
        except PlatformError as err:
            self._pace.explain(err)
            raise
