"""The mark that ciplug's policies begin with: by it, a later run knows which of them this project may rewrite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ciplug.errors import UsageError

if TYPE_CHECKING:
    from ciplug.policy.model import Policy

BEGINNING: Final = "# Written by `ciplug policy` for "


def write(policy: Policy) -> str:
    """The first line of `policy`; it holds names and no value. ``UsageError`` where that would be no single line."""
    line = f"{BEGINNING}{policy.owner} of {project_of(policy)}"
    if not line.isprintable():
        raise UsageError("a policy's owner and project must be printable, on one line", hint="mend their names")
    return line


def project_of(policy: Policy) -> str:
    """What its mark calls the project: ``acme/shop (github:74)``."""
    return f"{policy.project} ({', '.join(policy.ids)})"


def read(text: str) -> str | None:
    """The project for which ciplug wrote the policy `text`, as `project_of` has it; ``None`` where it did not."""
    found = _read(text)
    return f"{found[0]} ({found[1]})" if found else None


def is_own(policy: Policy, text: str) -> bool:
    """Whether ciplug wrote `text` for the project of `policy`: its mark has one of the project's ids."""
    found = _read(text)
    return found is not None and not {*policy.ids, *policy.aliases}.isdisjoint(found[1].split(", "))


def _read(text: str) -> tuple[str, str] | None:
    """The project's name in the mark of `text`, and its ids."""
    first = text.partition("\n")[0].rstrip()
    if not (first.startswith(BEGINNING) and first.endswith(")")):
        return None
    before, _, ids = first[:-1].rpartition(" (")
    project = before.rpartition(" of ")[2] if " of " in before else ""
    return (project, ids) if project and ids else None
