"""What Vercel's list says of one variable, seen from one place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ciplug.frozen import frozen
from ciplug.values import Secret, Variable
from ciplug_platforms.answers import number, stamp
from ciplug_platforms.vercel_api import LIST

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug_platforms.vercel_options import Options

_MARKS: Final = ("configurationId", "edgeConfigId", "contentHint")
"""Set where an integration or a store of Vercel's made the variable."""


@frozen
class Listed:
    """One item of the list. It may be for more places than ours: `targets` and `custom_environments`."""

    variable: Variable
    targets: tuple[str, ...]
    custom_environments: tuple[str, ...]
    created: float

    @property
    def shared(self) -> bool:
        """Whether other places have it too."""
        return len(self.targets) + len(self.custom_environments) > 1

    def without(self, environment: str) -> dict[str, object]:
        """The body of an edit that takes it out of `environment` and leaves it in all others."""
        if environment in self.custom_environments:
            return {"customEnvironmentIds": [each for each in self.custom_environments if each != environment]}
        return {"target": [each for each in self.targets if each != environment]}


def listed(item: Mapping[str, Any], options: Options) -> Listed | None:
    """What the list's `item` is, or ``None`` where our place does not have it."""
    name = LIST.name(item.get("key") or None)
    targets, custom = _ids(item.get("target")), _ids(item.get("customEnvironmentIds"))
    if options.environment not in (*targets, *custom) or (item.get("gitBranch") or "") != options.git_branch:
        return None
    others = [each for each in (*targets, *custom) if each != options.environment]
    kind = "sensitive" if item.get("visibility") == "secret" else item.get("type")
    variable = Variable(
        name=name,
        id=LIST.id(item.get("id")),
        value=value_of(item) if kind == "plain" else None,
        readable=kind in ("plain", "encrypted"),
        stamp=stamp(item.get("updatedAt")),
        reserved=_reserved(item, kind),
        misfit=_misfit(kind, others, options),
    )
    created = number(item.get("createdAt")) or 0.0
    return Listed(variable=variable, targets=targets, custom_environments=custom, created=created)


def value_of(item: Mapping[str, Any]) -> Secret | None:
    """The value of an item that has it in clear."""
    value = item.get("value")
    try:
        return Secret(value) if isinstance(value, str) else None
    except UnicodeEncodeError:
        return None


def _reserved(item: Mapping[str, Any], kind: object) -> str:
    if item.get("system") or kind == "system":
        return "it is one of Vercel's own"
    return "an integration manages it" if any(item.get(name) for name in _MARKS) else ""


def _misfit(kind: object, others: list[str], options: Options) -> str:
    reasons = [f"shared with {', '.join(others)}"] if others else []
    if kind != options.type:
        reasons.append(f"its type is not {options.type}")
    return ", and ".join(reasons)


def _ids(found: object) -> tuple[str, ...]:
    """A list of environments, or the single one that old items have in its place.

    None may be left out: an edit that did not name it would take the variable from it.
    """
    given = found if isinstance(found, list) else [] if found is None else [found]
    return tuple(LIST.id(each) for each in given)
