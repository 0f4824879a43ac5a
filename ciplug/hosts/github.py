"""GitHub Actions: facts of the run, and the ``add-mask``, ``error`` and ``warning`` commands.

Source: the variables documented under "Default environment variables", and the runner's ActionCommand grammar.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ciplug.errors import HandOverError
from ciplug.hosts.facts import Host
from ciplug.redact import MIN_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


def detect(env: Mapping[str, str]) -> Host | None:
    """The host, or ``None`` when this is not a GitHub Actions job."""
    if env.get("GITHUB_ACTIONS") != "true":
        return None
    attempt = env.get("GITHUB_RUN_ATTEMPT", "")
    return Host(
        kind="github",
        label="GitHub Actions",
        masker=ActionsMasker,
        annotation=annotation,
        job=env.get("GITHUB_JOB", ""),
        run=env.get("GITHUB_RUN_ID", "") + (f"/{attempt}" if attempt else ""),
        actor=env.get("GITHUB_ACTOR", ""),
        repository=env.get("GITHUB_REPOSITORY", ""),
        commit=env.get("GITHUB_SHA", ""),
        ref=env.get("GITHUB_REF", ""),
        temp=env.get("RUNNER_TEMP", ""),
    )


class ActionsMasker:
    """Masks through ``::add-mask::`` lines on a stream the runner reads (stdout and stderr both are).

    NOTE: the lines hold the values themselves; the runner swallows them. They are only written where a hand-over to
    later steps makes the host's own masking necessary, never by ``ciplug run``.
    """

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write

    def mask(self, values: Iterable[bytes]) -> None:
        """Register every value; ``HandOverError`` when the stream cannot be written."""
        lines = b"".join(b"::add-mask::" + escape(value) + b"\n" for value in values if _is_fit(value))
        try:
            self._write(lines)
        except OSError as err:
            raise HandOverError(
                f"GitHub Actions could not be told what to mask: {err.strerror}",
                hint="keep the step's stderr open and unredirected",
            ) from err


def _is_fit(value: bytes) -> bool:
    """Whether the runner can be given `value` whole.

    It masks each line of it as well, however short: a line ``}`` would blank the log and drop unrelated job outputs.
    The longer lines of such a value come as forms of their own.
    """
    lines = [line.strip() for line in value.splitlines() if line.strip()]
    return bool(lines) and all(len(line) >= MIN_LENGTH for line in lines)


def annotation(level: str, title: str, message: str) -> str:
    """The command that puts `message` on the run's page, beside the log."""
    name = escape(title.encode()).replace(b":", b"%3A").replace(b",", b"%2C").decode()
    return f"::{level} title={name}::{escape(message.encode()).decode()}"


def escape(value: bytes) -> bytes:
    """`value` as command data: ``%`` first, then line ends (the runner undoes them in the opposite order)."""
    return value.replace(b"%", b"%25").replace(b"\r", b"%0D").replace(b"\n", b"%0A")
