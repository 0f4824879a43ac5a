"""The statuses of all targets of one sync, and where they are shown: stdout, the step summary, the audit log."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ciplug.cli.report import one_line
from ciplug.errors import CiplugError
from ciplug.sync import show
from ciplug.sync.status import TargetStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ciplug.cli.invocation import Invocation
    from ciplug.cli.report import Report
    from ciplug.hosts import Host
    from ciplug.manifest import Target


class Board:
    """One status for each of `targets`, replaced as the sync goes on."""

    def __init__(self, targets: Iterable[Target]) -> None:
        self._statuses = {
            target.name: TargetStatus(target=target.name, platform=target.platform, environment=target.environment)
            for target in targets
        }

    def __getitem__(self, name: str) -> TargetStatus:
        return self._statuses[name]

    def __setitem__(self, name: str, status: TargetStatus) -> None:
        self._statuses[name] = status

    @property
    def all(self) -> tuple[TargetStatus, ...]:
        """Every status, in the order of the command line."""
        return tuple(self._statuses.values())

    @property
    def writes(self) -> bool:
        """Whether any platform is to be written to."""
        return any(change.applies for status in self.all for change in status.changes)

    @property
    def counted(self) -> str:
        """All plans in one line."""
        return show.counted(self.all)

    def show_plan(self, report: Report) -> None:
        """Every plan, for people."""
        for status in self.all:
            for line in show.text(status, report.clean):
                # A CI host reads commands from lines, and an adapter may put anything in one.
                report.show(one_line(line))
        report.show(self.counted)

    def show_outcome(self, report: Report) -> None:
        """What was done, one line for each target of which anything was to be."""
        for status in self.all:
            if status.done or status.failed:
                names = ", ".join(change.name for change in status.done)
                failed = f"; {len(status.failed)} not" if status.failed else ""
                report.say(f"{status.target}: {len(status.done)} done{f' ({names})' if names else ''}{failed}")

    def events(self, name: str) -> Iterator[dict[str, Any]]:
        """The audit log's entries for what was written at the target, or may have been."""
        status = self[name]
        done = {change.name for change in status.done}
        for change in status.changes:
            if change.name in done or change.name in status.failed:
                yield {
                    "event": "delete" if change.kind == "delete" else "write",
                    "target": name,
                    "platform": status.platform,
                    "place": status.place,
                    "name": change.name,
                    "change": change.kind,
                    "outcome": "ok" if change.name in done else "failed",
                }

    @contextmanager
    def published(self, invocation: Invocation, host: Host, *, mode: str, as_json: bool) -> Iterator[None]:
        """Whatever ends the block, what is known by then is given to programs and to the host's summary page."""
        try:
            yield
        finally:
            if any(status.survey is not None or status.errors for status in self.all):
                if as_json:
                    invocation.report.show_document(show.document(mode, self.all, invocation.report.clean))
                if host.kind == "github":
                    self._summarise(invocation, invocation.report.clean)

    def _summarise(self, invocation: Invocation, clean: Callable[[str], str]) -> None:
        from ciplug.hosts import github_files

        page = github_files.table("ciplug sync", show.HEADER, show.rows(self.all, clean))
        try:
            files = [
                (github_files.writable(invocation.env, name), page)
                for name in github_files.summary_page(invocation.env)
            ]
            github_files.append(files, lambda: None)
        except CiplugError as err:
            invocation.report.warn_of(err)
