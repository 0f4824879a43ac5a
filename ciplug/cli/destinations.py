"""The values of ``ciplug fetch --to``: what each can take, and how it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ciplug import formats
from ciplug.cli import filtered
from ciplug.cli.handover import Way, refuse_closed_stdout, refuse_unheard, to_stdout
from ciplug.errors import HandOverError, UsageError
from ciplug.frozen import frozen
from ciplug.inject.environment import refuse_unfit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ciplug.cli.handover import Write
    from ciplug.cli.invocation import Invocation
    from ciplug.cli.wiring import Task
    from ciplug.pipeline import Delivery

AUTO: Final = "auto"
NAMES: Final = (AUTO, "github", "jenkins", "run", filtered.NAME, *formats.FORMATS)
_OTHERWISE: Final = "use `ciplug run -- COMMAND`, or choose another --to"


@frozen
class Destination:
    """One value of ``--to``: what is refused before anyone is asked for anything, and the hand-over itself."""

    refuse: Callable[[Task, Invocation], None]
    hand_over: Callable[[Task, Invocation, Delivery], None]


def choose(name: str, task: Task, *, outputs: bool, unmasked: bool) -> Destination:
    """The destination called `name`, with the options that belong to it; ``UsageError`` for others."""
    if name == AUTO:
        name = _automatic(task)
    if outputs and name != "github":
        raise UsageError("--outputs are step outputs of GitHub Actions", hint="leave it out, or use --to github")
    if unmasked and name not in formats.FORMATS:
        raise UsageError("--unmasked is for text on stdout", hint="leave it out")
    match name:
        case "github":
            return _github(outputs=outputs)
        case "jenkins":
            return Destination(refuse=_refuse_jenkins, hand_over=Way(prepare=_jenkins, brings_masks=True).hand_over)
        case "run":
            return Destination(refuse=_refuse_nothing, hand_over=Way(prepare=_keep, keeps=True).hand_over)
        case filtered.NAME:
            return Destination(refuse=filtered.refuse, hand_over=filtered.hand_over)
    return _text(name, unmasked=unmasked)


def _automatic(task: Task) -> str:
    """The host's own way, where it has one."""
    if task.host.kind != "github":
        raise UsageError(f"{task.host.label} has no way of its own to hand secrets to later steps", hint=_OTHERWISE)
    return "github"


def _text(layout: str, *, unmasked: bool) -> Destination:
    """Text on stdout, for whatever reads it."""

    def refuse(task: Task, invocation: Invocation) -> None:
        refuse_closed_stdout(invocation)
        if task.host.ci and not (task.host.masker or unmasked):
            raise HandOverError(
                f"{task.host.label} cannot be told to mask values for later steps",
                hint="use `ciplug run -- COMMAND`, or accept it with --unmasked",
            )
        refuse_unheard(task)

    def prepare(task: Task, _found: Delivery, values: Mapping[str, bytes]) -> Write:
        text = formats.FORMATS[layout](values)
        return lambda: to_stdout(task, text)

    return Destination(refuse=refuse, hand_over=Way(prepare=prepare, masks=True).hand_over)


def _github(*, outputs: bool) -> Destination:
    """The runner's files: variables of later steps, outputs of this one, and what was fetched on the summary page."""
    from ciplug.hosts import github_files

    names = (github_files.ENV, *((github_files.OUTPUT,) if outputs else ()))

    def refuse(task: Task, _invocation: Invocation) -> None:
        _refuse_elsewhere("github", "GitHub Actions", task)
        for name in (*names, *github_files.summary_page(task.settings.env)):
            github_files.writable(task.settings.env, name)
        refuse_unheard(task)

    def prepare(task: Task, found: Delivery, values: Mapping[str, bytes]) -> Write:
        refuse_unfit(values)
        text = github_files.entries(values)
        about = github_files.summary(task.grant.job or "", task.grant.environment.name, found.values)
        texts = dict.fromkeys(names, text) | dict.fromkeys(github_files.summary_page(task.settings.env), about)
        files = [(github_files.writable(task.settings.env, name), text) for name, text in texts.items()]
        return lambda: github_files.append(files, task.steps.signals.check)

    return Destination(refuse=refuse, hand_over=Way(prepare=prepare, masks=True).hand_over)


def _jenkins(task: Task, found: Delivery, values: Mapping[str, bytes]) -> Write:
    from ciplug.hosts.jenkins import document

    # Jenkins stores both, so the vault token and the ID token are not among the masks; nothing in the block has them.
    text = document(formats.as_json(values), [form.text for form in found.value_forms])
    return lambda: to_stdout(task, text)


def _refuse_jenkins(task: Task, invocation: Invocation) -> None:
    """No other host hides what is printed there."""
    _refuse_elsewhere("jenkins", "Jenkins", task)
    refuse_closed_stdout(invocation)


def _keep(task: Task, _found: Delivery, _values: Mapping[str, bytes]) -> Write:
    return task.steps.signals.check


def _refuse_nothing(_task: Task, _invocation: Invocation) -> None:
    """The note that keeps the secrets is refused where it is written."""


def _refuse_elsewhere(kind: str, label: str, task: Task) -> None:
    if task.host.kind != kind:
        raise UsageError(f"--to {kind} is for {label}, and this is {task.host.label}", hint=_OTHERWISE)
