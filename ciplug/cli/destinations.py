"""Where ``ciplug fetch`` hands the secrets to: what each place can take, and how it is given."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ciplug import formats
from ciplug.errors import HandOverError, UsageError
from ciplug.frozen import frozen
from ciplug.inject.environment import refuse_unfit
from ciplug.process import write_all

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ciplug.cli.invocation import Invocation
    from ciplug.cli.wiring import Task
    from ciplug.pipeline import Delivery

    Write = Callable[[], None]


@frozen
class Destination:
    """One value of ``--to``.

    `refuse` raises for what is known to fail before anyone is asked for anything. `prepare` renders the secrets as they
    are placed, refuses what cannot be carried exactly, and gives the function that writes them. With `masks` the host
    is told to mask before that; with `brings_masks` the reader is, by what it reads. With `keeps` the secrets are kept
    for ``ciplug run --fetched``.
    """

    refuse: Callable[[Task, Invocation], None]
    prepare: Callable[[Task, Delivery, Mapping[str, bytes]], Write]
    masks: bool = False
    brings_masks: bool = False
    keeps: bool = False


def choose(name: str, *, outputs: bool, unmasked: bool) -> Destination:
    """The destination called `name`, with the options that belong to it."""
    if name == "github":
        return _github(outputs=outputs)
    if outputs:
        raise UsageError("--outputs are step outputs of GitHub Actions", hint="leave it out, or use --to github")
    if name == "jenkins":
        return Destination(refuse=_refuse_other_than_jenkins, prepare=_jenkins, brings_masks=True)
    if name == "run":
        return Destination(
            refuse=lambda _task, _invocation: None, prepare=lambda task, *_: task.steps.signals.check, keeps=True
        )
    return _text(name, unmasked=unmasked)


def _text(layout: str, *, unmasked: bool) -> Destination:
    """Text on stdout, for whatever reads it."""

    def refuse(task: Task, invocation: Invocation) -> None:
        _refuse_stdout(task, invocation)
        if task.host.ci and not (task.host.masker or unmasked):
            raise HandOverError(
                f"{task.host.label} cannot be told to mask values for later steps",
                hint="use `ciplug run -- COMMAND`, or accept it with --unmasked",
            )

    def prepare(task: Task, _found: Delivery, values: Mapping[str, bytes]) -> Write:
        text = formats.FORMATS[layout](values)
        return lambda: _to_stdout(task, text)

    return Destination(refuse=refuse, prepare=prepare, masks=True)


def _github(*, outputs: bool) -> Destination:
    """The runner's files: variables of later steps, outputs of this one, and what was fetched on the summary page."""
    from ciplug.hosts import github_files

    names = (github_files.ENV, *((github_files.OUTPUT,) if outputs else ()))

    def refuse(task: Task, _invocation: Invocation) -> None:
        if task.host.kind != "github":
            raise UsageError(f"--to github is for GitHub Actions, and this is {task.host.label}", hint=_OTHERWISE)
        for name in (*names, *_summary_file(task)):
            github_files.writable(task.settings.env, name)

    def prepare(task: Task, found: Delivery, values: Mapping[str, bytes]) -> Write:
        refuse_unfit(values)
        text = github_files.entries(values)
        files = [(github_files.writable(task.settings.env, name), text) for name in names]
        files += [
            (github_files.writable(task.settings.env, name), _summary(task, found)) for name in _summary_file(task)
        ]
        return lambda: github_files.append(files, task.steps.signals.check)

    return Destination(refuse=refuse, prepare=prepare, masks=True)


_OTHERWISE = "use `ciplug run -- COMMAND`, or choose another --to"


def automatic(task: Task) -> str:
    """The host's own way, where it has one."""
    if task.host.kind != "github":
        raise UsageError(f"{task.host.label} has no way of its own to hand secrets to later steps", hint=_OTHERWISE)
    return "github"


def _summary_file(task: Task) -> tuple[str, ...]:
    """The variable of the summary page, where the runner has one."""
    from ciplug.hosts.github_files import SUMMARY

    return (SUMMARY,) if task.settings.env.get(SUMMARY) else ()


def _summary(task: Task, found: Delivery) -> bytes:
    from ciplug.hosts.github_files import table

    rows = [
        (
            item.grant.name,
            str(item.grant.record),
            "" if item.version is None else str(item.version),
            item.grant.owner,
            "file" if item.grant.as_file else "variable",
        )
        for item in found.values
    ]
    title = f"ciplug: secrets of job {task.grant.job} in environment {task.grant.environment.name}"
    return table(title, ("name", "record", "version", "owner", "as"), rows)


def _jenkins(task: Task, found: Delivery, values: Mapping[str, bytes]) -> Write:
    """What the shared library's own block needs: the values, and every form that the block has to mask.

    Jenkins stores both, so the vault token and the ID token are not among the masks; nothing in the block has them.
    """
    texts = json.loads(formats.as_json(values))
    spelt = sorted({form.text for form in found.value_forms}, key=len, reverse=True)
    masks = [text.decode() for text in spelt if text.isascii() or _decodes(text)]
    document = json.dumps({"values": texts, "masks": masks}).encode() + b"\n"
    return lambda: _to_stdout(task, document)


def _decodes(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _refuse_other_than_jenkins(task: Task, invocation: Invocation) -> None:
    """No other host hides what is printed there."""
    if task.host.kind != "jenkins":
        raise UsageError(f"--to jenkins is for Jenkins, and this is {task.host.label}", hint=_OTHERWISE)
    _refuse_stdout(task, invocation)


def _refuse_stdout(_task: Task, invocation: Invocation) -> None:
    if 1 in invocation.missing:
        raise HandOverError("stdout is closed, and the values go there", hint="keep stdout open for the reader")


def _to_stdout(task: Task, text: bytes) -> None:
    """A signal may end the writing: a reader that does not read would otherwise hold the session open for ever."""
    try:
        with task.steps.signals.interruptible():
            write_all(1, text)
    except OSError as err:
        raise HandOverError(
            f"the values could not be written to stdout: {err.strerror}", hint="keep stdout open for the reader"
        ) from err
