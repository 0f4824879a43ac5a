"""``ciplug policy --check`` and ``--apply``: what the manifest implies beside what a vault has."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from ciplug.cli.asking import agreed, can_ask
from ciplug.cli.report import one_line
from ciplug.cli.wiring import open_tasks
from ciplug.errors import CiplugError, FindingsError, PolicyError, UsageError
from ciplug.frozen import frozen
from ciplug.identity import check_audience, resolve
from ciplug.manifest import Environment, JobGrant
from ciplug.pipeline import InHand, logged_in
from ciplug.policy import show_live
from ciplug.policy.applying import carry_out
from ciplug.policy.beside import look_beside
from ciplug.policy.compare import compare
from ciplug.policy.live import read_live
from ciplug.policy.model import Role
from ciplug.policy.plan import plan
from ciplug.values import IdToken
from ciplug.vault.admin import Admin

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from collections.abc import Set as AbstractSet

    from ciplug.cli.invocation import Invocation
    from ciplug.cli.wiring import Task
    from ciplug.logins import Recorder
    from ciplug.policy.live import Live
    from ciplug.policy.model import Implied
    from ciplug.policy.plan import Change
    from ciplug.values import Identity


def check(invocation: Invocation, implied: Implied, *, role: str = "", as_json: bool = False) -> None:
    """Show how a live vault differs from `implied`; ``FindingsError`` where it does.

    `role` is the vault role with which an ID token logs in; a person's own vault token needs none.
    """
    with _opened(invocation, implied, role) as seat:
        findings = compare(implied, seat.live)
        planned = plan(implied, seat.live)
        if as_json:
            document = show_live.findings_document(findings, implied, seat.live, planned)
            invocation.report.show_document(document)
        else:
            _show(invocation, show_live.findings_text(findings))
        _note(invocation, [*seat.live.not_looked_at, *show_live.left_alone_text(planned)])
    if findings:
        raise FindingsError(
            f"the vault does not grant what {seat.source} implies: {show_live.findings_counted(findings)}",
            hint="see the lines above; `ciplug policy --apply` mends what ciplug wrote, and keeps what only narrows",
        )
    unseen = len(seat.live.not_looked_at)
    rest = f"; {unseen} thing{'s were' if unseen > 1 else ' was'} not looked at, see the notes" if unseen else ""
    invocation.report.say(f"the roles and policies of {seat.source} are as implied{rest}")


def apply(
    invocation: Invocation,
    implied: Implied,
    *,
    adopt: AbstractSet[str] = frozenset(),
    yes: bool,
    role: str = "",
    as_json: bool = False,
) -> None:
    """Bring a live vault to `implied`, once a person or `yes` has agreed to the plan.

    The policies in `adopt` and their roles are taken over. ``PolicyError`` where something is not as implied
    afterwards: not ciplug's to change, changed meanwhile, or failed.
    """
    with _opened(invocation, implied, role) as seat:
        changes = plan(implied, seat.live, adopt=adopt)
        done: list[Change] = []
        _note(invocation, seat.live.not_looked_at)
        if not as_json:
            _show(invocation, show_live.plan_text(changes, seat.live))
            invocation.report.show(show_live.plan_counted(changes))
        try:
            if not yes and any(change.writes for change in changes):
                _confirm(invocation, changes, possible=can_ask() and not seat.task.host.ci and not as_json)
            _carry_out(invocation, seat, changes, done)
        finally:
            if as_json:
                document = show_live.plan_document(changes, implied, seat.live, done)
                invocation.report.show_document(document)
    _refuse_foreign(changes)


@frozen
class _Seat:
    """Where an administrator sits: logged in, with the vault as it was found."""

    task: Task
    admin: Admin
    record: Recorder
    live: Live

    @property
    def source(self) -> str:
        """What the manifest is called in a message."""
        return self.task.manifest.source


@contextmanager
def _opened(invocation: Invocation, implied: Implied, role: str) -> Iterator[_Seat]:
    nothing = JobGrant(job=None, environment=Environment(name="", path=""), role=role or None, grants=())
    with open_tasks("policy", invocation, lambda *_: [nothing]) as [task]:
        identity = _identity(task, role)
        with (
            logged_in(task.steps, task.grant, identity) as login,
            Admin(
                [str(address) for address in task.client.addresses],
                login.session.token,
                task.client.namespace or None,
                transport=task.client.transport,
                patience=task.settings.deadline or task.manifest.vault.deadline,
                notify=invocation.report.say,
            ) as admin,
        ):
            invocation.report.hide(InHand(values=(), credentials=(login.session.token, identity.token)).forms)
            with invocation.signals.interruptible():
                live = look_beside(admin, implied, read_live(admin, implied, task.client.namespace))
            yield _Seat(task=task, admin=admin, record=login.record, live=live)


def _identity(task: Task, role: str) -> Identity:
    identity = resolve(task.steps.sources, task.steps.audience)
    if isinstance(identity, IdToken):
        if not role:
            raise UsageError(
                "an ID token logs in to a vault role, and none was named",
                hint="name one whose policy lets it read policies and roles with --role",
            )
        check_audience(identity, task.steps.audience)
    return identity


def _confirm(invocation: Invocation, changes: Sequence[Change], *, possible: bool) -> None:
    """Return once a person has agreed. What they were shown is what is replaced, or nothing is."""
    if not possible:
        raise UsageError(
            "nothing was written: changes want --yes where nobody can be asked", hint="add --yes, or look with --check"
        )
    with invocation.signals.interruptible():
        is_agreed = agreed(f"{show_live.plan_counted(changes)} - do it? [y/N]: ")
    if not is_agreed:
        raise PolicyError("nothing was written: the answer was no", hint="run it again to be asked again")


def _carry_out(invocation: Invocation, seat: _Seat, changes: Sequence[Change], done: list[Change]) -> None:
    """Do it, and record what was done; a failure after that names how far it came."""
    total = sum(change.writes for change in changes)
    begun: list[str] = []
    try:
        invocation.signals.check()
        for change in carry_out(seat.admin, changes):
            if change.is_half:
                begun.append(change.name)
            else:
                done.append(change)
            seat.record({"event": "write", **_written(change), "change": change.kind, "outcome": "ok"})
            invocation.report.say(_told(change))
            invocation.signals.check()
    except CiplugError as err:
        if not done and not begun:
            raise
        half = sorted(set(begun) - {change.name for change in done})
        only = f" (of policy {', '.join(half)} only what it loses)" if half else ""
        text = f"{len(done)} of {total} changes were made{only}, then: {err}"
        raise PolicyError(text, hint=err.hint or "run it again") from err


def _told(change: Change) -> str:
    if change.is_half:
        return f"policy {change.name}: what it loses is taken away, the rest follows its roles"
    return f"{change.kind}d {change.what} {change.name}"


def _written(change: Change) -> dict[str, str]:
    """What was written, as the audit log names it: a role as a login does."""
    if isinstance(change.item, Role):
        return {"role": change.item.jwt.name, "mount": change.item.mount}
    return {"policy": change.item.name}


def _refuse_foreign(changes: Iterable[Change]) -> None:
    foreign = [f"{change.what} {change.name}" for change in changes if change.kind == "foreign"]
    if foreign:
        raise PolicyError(
            f"not ciplug's to change, so left alone: {', '.join(foreign)}",
            hint="see the plan above, which says for each how to go on",
        )


def _note(invocation: Invocation, notes: Iterable[str]) -> None:
    for note in notes:
        invocation.report.say(f"note: {note}")


def _show(invocation: Invocation, lines: Iterable[str]) -> None:
    """Lines on stdout. A CI host reads commands from lines, and anybody may have put anything in a vault's role."""
    for line in lines:
        invocation.report.show(one_line(invocation.report.clean(line)))
