"""What a target's ``options`` say for Vercel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ciplug.frozen import frozen
from ciplug_platforms.options import API_URL, Rule, check, one_needed, one_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_VERCEL: Final = "https://api.vercel.com"
_LONGEST_BRANCH: Final = 250
"""Characters, as the specification has it: https://openapi.vercel.sh/."""

_RULES: Final[Mapping[str, Rule]] = {
    # Ids, because a name may be given to another project; those of old projects are bare hashes.
    "project": Rule(
        words="the project's id, prj_..., as its settings show it", pattern=r"prj_\w+|Qm\w{44}", is_required=True
    ),
    "team": Rule(words="the team's id, team_..., or its slug", pattern=r"[A-Za-z0-9][\w.-]*"),
    "target": one_of("production", "preview", "development"),
    "custom_environment": Rule(words="the custom environment's id, env_...", pattern=r"env_\w+"),
    "git_branch": Rule(
        words=f"a branch of at most {_LONGEST_BRANCH} characters",
        pattern=rf"[^\x00-\x20\x7f]{{1,{_LONGEST_BRANCH}}}",
    ),
    "type": one_of("sensitive", "encrypted", "plain"),
    "api_url": API_URL,
}


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
    example = 'project = "prj_...", target = "production"'
    check("Vercel", options, _RULES, more=_unmatched(options), example=example)
    chosen = {name: options.get(name, "") for name in _RULES}
    chosen["type"] = chosen["type"] or ("encrypted" if chosen["target"] == "development" else "sensitive")
    chosen["api_url"] = chosen["api_url"] or _VERCEL
    return Options(**chosen)


def _unmatched(options: Mapping[str, Any]) -> Iterator[str]:
    """Options that do not go together."""
    yield from one_needed(options, _RULES, "target", "custom_environment")
    if "git_branch" in options and options.get("target") != "preview":
        yield "option git_branch goes only with target preview"
    if options.get("target") == "development" and options.get("type") == "sensitive":
        yield "option type cannot be sensitive with target development: encrypted or plain"
