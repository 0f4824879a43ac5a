"""The vault's side of a sync: a session for each target, its secrets, and its ledger."""

from __future__ import annotations

import secrets
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from ciplug import manifest
from ciplug.cli.wiring import open_tasks, proxies
from ciplug.errors import CiplugError, DeniedError, UsageError
from ciplug.pipeline import identified, logged_in, opened
from ciplug.sync.store import LedgerPaths, LedgerStore, NoLedger
from ciplug.sync.target_sync import TargetSync
from ciplug.vault.admin import Admin
from ciplug.vault.inspect import capabilities

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ciplug.cli.invocation import Invocation
    from ciplug.cli.wiring import Task
    from ciplug.logins import Recorder
    from ciplug.pipeline import Delivery
    from ciplug.redact import Form
    from ciplug.sync.choice import Choice
    from ciplug.sync.ledger import Keeps, Ledger
    from ciplug.values import Secret

_NEEDED: Final = frozenset({"create", "read", "update"})
"""What a ledger's keeper may do on its two records."""


class InSession:
    """A target whose secrets are in hand: its `sync`, who records what it does, and the `forms` no line may show."""

    def __init__(self, sync: TargetSync, found: Delivery) -> None:
        self.sync = sync
        self.record: Recorder = found.login.record
        self.forms: tuple[Form, ...] = found.forms


@contextmanager
def in_sessions(tasks: Sequence[Task], choice: Choice, notify: Callable[[str], None]) -> Iterator[list[InSession]]:
    """Every target logged in and read; all of them, or an error. All sessions are dead when the block ends."""
    with ExitStack() as stack:
        sessions = []
        for task in tasks:
            found = stack.enter_context(opened(task.steps, task.grant))
            _refuse_leased(task, found)
            keeper = stack.enter_context(_open_ledger(task, found.session.token, looks_only=not choice.writes))
            sessions.append(InSession(_sync(task, found, keeper, choice, notify), found))
            stack.callback(sessions[-1].sync.close)
        yield sessions


def note_deployed(invocation: Invocation, ledgers: Mapping[str, Ledger]) -> None:
    """Write to the ledgers of these targets that what they say is deployed, unless another sync has written since.

    In sessions of their own: the sync's have ended long before a deployment has.
    """

    def granted(_config: object, declared: manifest.Manifest, _host: object) -> list[manifest.JobGrant]:
        return [manifest.grant_target(declared, name) for name in ledgers]

    with open_tasks("sync", invocation, granted) as tasks:
        for task in tasks:
            written = ledgers[task.grant.target]
            try:
                with (
                    logged_in(task.steps, task.grant, identified(task.steps, task.grant)) as login,
                    _open_ledger(task, login.session.token) as keeper,
                ):
                    if keeper.read(written.place) == written:
                        keeper.release(replace(written, undeployed=False))
            except CiplugError as err:
                invocation.report.warn(f"{task.grant.target}: the next --redeploy will deploy it once more: {err}")


def _sync(task: Task, found: Delivery, keeper: Keeps, choice: Choice, notify: Callable[[str], None]) -> TargetSync:
    values = {item.grant.name: item.value for item in found.values}
    token = values.pop(manifest.token_name(task.grant.target))
    return TargetSync(
        task.manifest.targets[task.grant.target],
        values,
        token,
        keeper,
        choice,
        proxies=proxies(task.settings),
        life=found.session.ttl_remaining,
        notify=notify,
    )


@contextmanager
def _open_ledger(task: Task, token: Secret, *, looks_only: bool = False) -> Iterator[Keeps]:
    """The target's ledger, with the rights of a session."""
    vault = task.manifest.vault
    paths = LedgerPaths(mount=vault.kv_mount, path=task.grant.environment.path, target=task.grant.target)
    if why := _blind(task, paths, token):
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
        yield LedgerStore(admin.kv, paths, holder=holder, looks_only=looks_only)


def _blind(task: Task, paths: LedgerPaths, token: Secret) -> str:
    """Why the session cannot keep a ledger at `paths`; empty where it can, as far as the vault tells."""
    if task.manifest.vault.kv_version == 1:
        return f"the engine at {paths.mount} is KV v1, which has no check-and-set"
    both = [f"{paths.mount}/data/{path}" for path in (paths.ledger, paths.key)]
    try:
        found = capabilities(task.client, token, both)
    except DeniedError:
        return ""  # what is not allowed shows when it is tried
    lacking = [path for path in both if "root" not in found[path] and _NEEDED - set(found[path])]
    return f"the vault's role does not allow {', '.join(sorted(_NEEDED))} on {' and '.join(lacking)}" if lacking else ""


def _refuse_leased(task: Task, found: Delivery) -> None:
    if found.lease_seconds is None:
        return
    leased = [item.grant.name for item in found.values if item.grant.record.engine == "other"]
    raise UsageError(
        f"target {task.grant.target}: leased secrets stop working when this sync ends: {', '.join(leased)}",
        hint="give the target a secret that stays, from the KV engine",
    )
