"""What a target's ``options`` say for Vercel."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from ciplug.errors import UsageError
from ciplug.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

API_URL: Final = "https://api.vercel.com"
_TARGETS: Final = ("production", "preview", "development")
_TYPES: Final = ("sensitive", "encrypted", "plain")
_LONGEST_BRANCH: Final = 250

_RULES: Final[Mapping[str, tuple[str, str]]] = {
    # Ids, because a name may be given to another project; those of old projects are bare hashes.
    "project": (r"prj_\w+|Qm\w{44}", "the project's id, `prj_...`, as its settings show it"),
    "team": (r"[A-Za-z0-9][\w.-]*", "the team's id, `team_...`, or its slug"),
    "target": ("|".join(_TARGETS), f"one of {', '.join(_TARGETS)}"),
    "custom_environment": (r"env_\w+", "the custom environment's id, `env_...`"),
    "git_branch": (rf"[^\x00-\x20\x7f]{{1,{_LONGEST_BRANCH}}}", f"a branch of at most {_LONGEST_BRANCH} characters"),
    "type": ("|".join(_TYPES), f"one of {', '.join(_TYPES)}"),
    "api_url": (r"\S+", "an address"),
}
"""Every option: the text it has to be, as a pattern and in words."""


@frozen
class Options:
    """One place on Vercel. Either `target` or `custom_environment` is empty."""

    project: str
    team: str
    target: str
    custom_environment: str
    git_branch: str
    type: str
    api_url: str

    @property
    def environment(self) -> str:
        """The one environment: its own word for it, or a custom one's id."""
        return self.target or self.custom_environment

    @property
    def place(self) -> str:
        """Where it is, in ids."""
        branch = f" branch={self.git_branch}" if self.git_branch else ""
        return f"vercel {self.project} {self.environment}{branch}"

    @property
    def scope(self) -> dict[str, str]:
        """The team, as every query has it; a personal account has none."""
        if not self.team:
            return {}
        return {"teamId" if self.team.startswith("team_") else "slug": self.team}

    @property
    def fields(self) -> dict[str, object]:
        """What the body of every variable here has in common."""
        if self.custom_environment:
            return {"type": self.type, "customEnvironmentIds": [self.custom_environment]}
        branch = {"gitBranch": self.git_branch} if self.git_branch else {}
        return {"type": self.type, "target": [self.target], **branch}


def parsed(options: Mapping[str, Any]) -> Options:
    """The options, or ``UsageError`` with all that is wrong with them."""
    problems = [*_unfit(options), *_unmatched(options)]
    if problems:
        raise UsageError(f"Vercel: {'; '.join(problems)}", hint="correct the target's options in the manifest")
    chosen = {name: options.get(name, "") for name in _RULES}
    chosen["type"] = chosen["type"] or ("encrypted" if chosen["target"] == "development" else "sensitive")
    chosen["api_url"] = chosen["api_url"] or API_URL
    return Options(**chosen)


def _unfit(options: Mapping[str, Any]) -> list[str]:
    unknown = [f"option {name} is unknown (there are {', '.join(_RULES)})" for name in options if name not in _RULES]
    # The text itself is not quoted: it may be a token that was put into the wrong place.
    wrong = [
        f"option {name} has to be {words}"
        for name, (pattern, words) in _RULES.items()
        if name in options
        and not (isinstance(options[name], str) and re.fullmatch(pattern, options[name], flags=re.ASCII))
    ]
    return unknown + wrong


def _unmatched(options: Mapping[str, Any]) -> list[str]:
    """What is missing, and options that do not go together."""
    problems = [] if "project" in options else [f"option project is missing: {_RULES['project'][1]}"]
    if "target" in options and "custom_environment" in options:
        problems.append("option target cannot be given with option custom_environment")
    if not options.keys() & {"target", "custom_environment"}:
        problems.append(f"option target is missing: {_RULES['target'][1]}, or give custom_environment")
    if "git_branch" in options and options.get("target") != "preview":
        problems.append("option git_branch goes only with target preview")
    if options.get("target") == "development" and options.get("type") == "sensitive":
        problems.append("option type cannot be sensitive with target development: encrypted or plain")
    return problems
