"""What is known of every target of one sync, and where it is shown: stdout, the step summary, the audit log."""

from __future__ import annotations

import json as json_format
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ciplug.cli.report import one_line
from ciplug.errors import CiplugError
from ciplug.sync import show

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ciplug.cli.invocation import Invocation
    from ciplug.cli.report import Report
    from ciplug.hosts import Host
    from ciplug.manifest import Target
    from ciplug.redact import Form


class Board:
    """One entry for each of `targets`, filled as the sync goes on."""

    def __init__(self, targets: Iterable[Target]) -> None:
        self._shown = {
            target.name: show.Shown(target=target.name, platform=target.platform, environment=target.environment)
            for target in targets
        }
        self._forms: tuple[Form, ...] = ()

    def hide(self, forms: Iterable[Form]) -> None:
        """Mask `forms` on the summary page, as the report does in what it says: an adapter may quote anything."""
        self._forms = tuple(forms)

    def __getitem__(self, name: str) -> show.Shown:
        return self._shown[name]

    @property
    def all(self) -> tuple[show.Shown, ...]:
        """Every entry, in the order of the command line."""
        return tuple(self._shown.values())

    @property
    def writes(self) -> bool:
        """Whether any platform is to be written to."""
        return any(change.applies for shown in self.all for change in shown.changes)

    @property
    def counted(self) -> str:
        """All plans in one line."""
        return show.counted(self.all)

    @property
    def _is_planned(self) -> bool:
        return any(shown.survey is not None or shown.errors for shown in self.all)

    def note(self, name: str, **known: Any) -> None:
        """Add what is known of the target now: fields of ``Shown``."""
        self._shown[name] = replace(self._shown[name], **known)

    def show_plan(self, report: Report, *, json: bool) -> None:
        """For people; programs get one document at the end."""
        if json:
            return
        for shown in self.all:
            for line in show.text(shown):
                # A CI host reads commands from lines, and an adapter may put anything in one.
                report.show(one_line(line))
        report.show(self.counted)

    def show_outcome(self, report: Report) -> None:
        """What was done, one line for each target of which anything was to be."""
        for shown in self.all:
            if shown.outcome is not None and (shown.outcome.done or shown.outcome.failed):
                failed = f", {len(shown.outcome.failed)} not" if shown.outcome.failed else ""
                report.say(f"{shown.target}: {len(shown.outcome.done)} done{failed}")

    def events(self, name: str) -> Iterator[dict[str, Any]]:
        """The audit log's entries for what was written at the target, or may have been."""
        shown = self[name]
        if shown.outcome is None:
            return
        for change in shown.changes:
            if change.applies:
                yield {
                    "event": "delete" if change.kind == "delete" else "write",
                    "target": name,
                    "platform": shown.platform,
                    "place": shown.place,
                    "name": change.name,
                    "change": change.kind,
                    "outcome": "failed" if change.name in shown.outcome.failed else "ok",
                }

    @contextmanager
    def published(self, invocation: Invocation, host: Host, *, json: bool) -> Iterator[None]:
        """Whatever ends the block, what is known by then is given to programs and to the host's summary page."""
        try:
            yield
        finally:
            if json and self._is_planned:
                documents = [show.document(shown) for shown in self.all]
                invocation.report.show(json_format.dumps({"targets": documents}, indent=2))
            if host.kind == "github" and self._is_planned:
                self._summarise(invocation)

    def _summarise(self, invocation: Invocation) -> None:
        from ciplug.hosts import github_files
        from ciplug.redact import LiteralKernel, redact

        kernel = LiteralKernel(self._forms)
        rows = (
            [redact(text.encode("utf-8", "replace"), kernel).decode("utf-8", "replace") for text in row]
            for row in show.rows(self.all)
        )
        page = github_files.table("ciplug sync", show.HEADER, rows)
        try:
            files = [
                (github_files.writable(invocation.env, name), page)
                for name in github_files.summary_page(invocation.env)
            ]
            github_files.append(files, lambda: None)
        except CiplugError as err:
            invocation.report.warn_of(err)
