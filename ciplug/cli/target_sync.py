"""One target in one run of ``ciplug sync``: its session, its adapter with clients and deadline, and its ledger."""

from __future__ import annotations

import secrets
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final

from ciplug import registry
from ciplug.cli.wiring import proxies
from ciplug.contracts import Queues, Redeploys
from ciplug.errors import DeniedError, UsageError
from ciplug.frozen import frozen
from ciplug.pipeline import opened
from ciplug.sync.engine import carry_out, survey
from ciplug.sync.pace import Pace
from ciplug.sync.store import LedgerStore, NoLedger, Records
from ciplug.values import Deployment
from ciplug.vault.admin import Admin
from ciplug.vault.inspect import capabilities

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from ciplug.cli.invocation import Invocation
    from ciplug.cli.wiring import Task
    from ciplug.contracts import Platform, Requests
    from ciplug.pipeline import Delivery
    from ciplug.sync.engine import Keeps, Outcome, Survey
    from ciplug.values import Endpoint, Secret

REDEPLOY_SECONDS: Final = 3900.0
"""A little more than any adapter of ours waits for a deployment."""

_NEEDED: Final = frozenset({"create", "read", "update"})


@frozen
class Wish:
    """What the command line asks of every target. `seconds` are for the requests of one phase."""

    seconds: float
    prune: bool = False
    adopt: AbstractSet[str] = frozenset()
    looks_only: bool = False


class TargetSync:
    """A target whose secrets and platform token are in hand, while the session they came with is alive.

    ``survey`` and ``carry_out`` are for one thread at a time; ``interrupt`` may be called by any.
    """

    def __init__(self, task: Task, found: Delivery, keeper: Keeps, wish: Wish, notify: Callable[[str], None]) -> None:
        token, *values = found.values
        self.name = task.grant.target
        self.declared = task.manifest.targets[self.name]
        self.delivery = found
        self._task = task
        self._token = token.value
        self._wanted = {item.grant.name: item.value for item in values}
        self._wish = wish
        self._notify = notify
        self._pace = Pace(wish.seconds)
        self._clients = ExitStack()
        self._interrupted = False
        self._platform: Platform | None = None
        self._keeper = keeper

    def survey(self) -> Survey:
        """What is there against what is wanted; each time with an adapter and a deadline of its own."""
        self.close()
        self._platform = self._adapter(self._wish.seconds)
        return survey(self._platform, self._wanted, self._keeper, prune=self._wish.prune, adopt=self._wish.adopt)

    def carry_out(self, found: Survey) -> Outcome:
        """Do what the last survey says."""
        if self._platform is None:
            raise TypeError("carried out before it was surveyed")
        return carry_out(found, self._platform, self._keeper, lambda _result: None)

    def redeploy(self, tell: Callable[[Deployment], None]) -> Deployment:
        """Deploy it anew, with time of its own; how that ends. `tell` hears of every step."""
        platform = self._adapter(REDEPLOY_SECONDS)
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
        """Targets with the same one are written one after another."""
        platform: object = self._platform
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

    def _adapter(self, seconds: float) -> Platform:
        """A new adapter, whose requests have `seconds` for all of them together."""
        self._pace = Pace(seconds, beat=self._keeper.renew)
        if self._interrupted:
            self._pace.end()
        create = registry.find(self.declared.platform)
        return create(self.declared.options, self._connect, self._pace.wait)

    def _connect(self, endpoint: Endpoint) -> Requests:
        from ciplug.http import Client

        client = Client(
            endpoint,
            self._token,
            deadline=self._pace.deadline,
            proxies=proxies(self._task.settings),
            sleep=self._pace.sleep,
            notify=lambda message: self._notify(f"{self.name}: {message}"),
        )
        return self._clients.enter_context(client)


@contextmanager
def in_sessions(tasks: Sequence[Task], wish: Wish, invocation: Invocation) -> Iterator[list[TargetSync]]:
    """Every target logged in and read; all of them, or an error. All sessions are dead when the block ends."""
    with ExitStack() as stack:
        syncs = []
        for task in tasks:
            found = stack.enter_context(opened(task.steps, task.grant))
            _refuse_leased(task, found)
            keeper = stack.enter_context(open_ledger(task, found.session.token, looks_only=wish.looks_only))
            syncs.append(TargetSync(task, found, keeper, wish, invocation.report.say))
            stack.callback(syncs[-1].close)
        invocation.report.hide([form for sync in syncs for form in sync.delivery.forms])
        yield syncs


@contextmanager
def open_ledger(task: Task, token: Secret, *, looks_only: bool = False) -> Iterator[Keeps]:
    """The target's ledger, with the rights of a session."""
    vault = task.manifest.vault
    records = Records(mount=vault.kv_mount, path=task.grant.environment.path, target=task.grant.target)
    if why := _blind(task, records, token):
        yield NoLedger(why)
        return
    holder = f"{task.host.label} {task.host.run}".strip() + f", {secrets.token_hex(4)}"
    with Admin(
        [str(address) for address in task.client.addresses],
        token,
        task.client.namespace or None,
        transport=task.client.transport,
        patience=task.settings.deadline or vault.deadline,
    ) as admin:
        yield LedgerStore(admin.kv, records, holder=holder, looks_only=looks_only)


def _refuse_leased(task: Task, found: Delivery) -> None:
    if found.lease_seconds is None:
        return
    leased = [item.grant.name for item in found.values if item.grant.record.engine == "other"]
    raise UsageError(
        f"target {task.grant.target}: leased secrets stop working when this sync ends: {', '.join(leased)}",
        hint="give the target a secret that stays, from the KV engine",
    )


def _blind(task: Task, records: Records, token: Secret) -> str:
    """Why the session cannot keep a ledger at `records`; empty where it can, as far as the vault tells."""
    if task.manifest.vault.kv_version == 1:
        return f"the engine at {records.mount} is KV v1, which has no check-and-set"
    paths = [f"{records.mount}/data/{path}" for path in (records.ledger, records.key)]
    try:
        found = capabilities(task.client, token, paths)
    except DeniedError:
        return ""  # what is not allowed shows when it is tried
    lacking = [path for path in paths if "root" not in found[path] and _NEEDED - set(found[path])]
    return f"the vault's role does not allow {', '.join(sorted(_NEEDED))} on {' and '.join(lacking)}" if lacking else ""
