"""GitHub Actions: the files through which a step hands values to later steps, and its summary page.

Source: the runner's ``FileCommandManager``. An entry is ``NAME<<DELIMITER``, the value's lines and ``DELIMITER``; the
line end before the delimiter is not part of the value.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from ciplug.errors import HandOverError
from ciplug.values import is_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ciplug.values import Delivered

ENV = "GITHUB_ENV"
OUTPUT = "GITHUB_OUTPUT"
SUMMARY = "GITHUB_STEP_SUMMARY"
_MARKUP = frozenset("\\`*_[]<>&|#@~!")


def writable(env: Mapping[str, str], name: str) -> Path:
    """The file that `name` points to; ``HandOverError`` where the runner has not given one, or it cannot be written."""
    path = env.get(name, "")
    if not path:
        raise HandOverError(f"{name} is not set", hint="run this in a step of a GitHub Actions job")
    file = Path(path)
    # A pipe would show the values to whoever reads it, and could not take back what was written.
    if not os.access(file, os.R_OK | os.W_OK) or not (file.is_file() or file.is_char_device()):
        raise HandOverError(f"the file of {name} cannot be written", hint="leave the runner's own files as they are")
    return file


def entries(values: Mapping[str, bytes]) -> bytes:
    """`values` in the file's grammar; ``HandOverError`` naming every value that is not UTF-8 text.

    The delimiter is random: a value that could guess it would set variables of its own.
    """
    binary = [name for name, value in values.items() if not is_text(value)]
    if binary:
        raise HandOverError(
            f"a step's files carry UTF-8 text only: {', '.join(binary)}",
            hint='hand it over as a file: as = "file" in the manifest',
        )
    delimiter = f"ciplug_{secrets.token_hex(16)}".encode()
    return b"".join(
        name.encode() + b"<<" + delimiter + b"\n" + value + b"\n" + delimiter + b"\n" for name, value in values.items()
    )


def summary_page(env: Mapping[str, str]) -> tuple[str, ...]:
    """The variable of the step's summary page, where the runner has one."""
    return (SUMMARY,) if env.get(SUMMARY) else ()


def summary(job: str, environment: str, values: Iterable[Delivered]) -> bytes:
    """What was fetched, as Markdown: names, records, versions and owners, and no value."""
    title = f"ciplug: secrets of job {job} in environment {environment}"
    return table(title, ("name", "record", "version", "owner", "as"), map(_about, values))


def table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """A heading with a table below it, as Markdown; no text of it is taken for markup."""
    lines = [
        f"### {_cell(title)}",
        "",
        _row(header),
        _row(["---"] * len(header)),
        *(_row(map(_cell, row)) for row in rows),
    ]
    return "\n".join((*lines, "", "")).encode()


def append(files: Sequence[tuple[Path, bytes]], check: Callable[[], None]) -> None:
    """Add to every file, or to none: the runner reads them even after a step that failed.

    `check` has the last word once all is written: what it raises takes everything back.
    """
    before: list[tuple[Path, int]] = []
    try:
        for path, text in files:
            size = path.stat().st_size
            before.append((path, size))
            _add(path, text, size)
        check()
    except OSError as err:
        failure = HandOverError(
            f"a file of this step could not be written: {err.strerror}", hint="make room on the runner's disk"
        )
        _take_back(before, failure)
        raise failure from err
    except BaseException as err:
        _take_back(before, err)
        raise


def _add(path: Path, text: bytes, size: int) -> None:
    """`text` behind the first `size` bytes, on a line of its own even where another program left its last one open."""
    with path.open("a+b", buffering=0) as file:
        if size:
            file.seek(size - 1)
            text = text if file.read(1) == b"\n" else b"\n" + text
        view = memoryview(text)
        while view:  # a disk that is nearly full takes a part
            view = view[os.write(file.fileno(), view) :]


def _take_back(before: Sequence[tuple[Path, int]], failure: BaseException) -> None:
    """Cut every file back to its size; `failure` gets a note of each that stays as it is."""
    for path, size in before:
        try:
            if path.stat().st_size != size:
                os.truncate(path, size)
        except OSError as err:
            failure.add_note(f"what was written to {path.name} could not be taken back: {err.strerror}")


def _about(item: Delivered) -> tuple[str, ...]:
    version = "" if item.version is None else str(item.version)
    kind = "file" if item.grant.as_file else "variable"
    return (item.grant.name, str(item.grant.record), version, item.grant.owner, kind)


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    """`text` as it is, whatever Markdown or HTML it looks like."""
    flat = "".join(char if char.isprintable() else " " for char in text)
    return "".join(f"&#{ord(char)};" if char in _MARKUP else char for char in flat)
