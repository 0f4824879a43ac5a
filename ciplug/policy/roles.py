"""Roles of the JWT auth method: for which tokens of a CI host the vault gives a holder's rights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ciplug.frozen import frozen
from ciplug.policy import hosts
from ciplug.vault.admin_auth import JwtRole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ciplug.manifest import Project
    from ciplug.manifest.model import Claim
    from ciplug.policy.hosts import HostKind
    from ciplug.policy.rights import Holder


@frozen
class Place:
    """Where jobs of `project` on one host log in, and how their tokens are known."""

    host: HostKind
    project: Project
    mount: str
    issuer: str
    audience: str


class UnfitError(ValueError):
    """No token of a host can be in an environment; the message says why, and what to write instead."""


def bind(holder: Holder, place: Place) -> JwtRole:
    """The role of `holder` at `place`; raises ``UnfitError`` where no token of that host could log in to it.

    Always a service token: a batch token cannot be revoked, and would outlive the job that read with it. Its longest
    life is its first one, since nothing renews it.
    """
    claim, value = hosts.identity(place.host, place.project)
    bound: dict[str, tuple[Claim, ...]] = {"iss": (place.issuer,), claim: (value,)}
    if place.host is hosts.GITHUB and "event_name" not in holder.only_if:
        bound["event_name"] = hosts.OWN_EVENTS
    if place.host is hosts.GITLAB and "ref" in holder.only_if and not {"ref_type", "ref_path"} & holder.only_if.keys():
        bound["ref_type"] = ("branch",)  # a tag may have the name of a branch, and other people may push it
    for name in sorted(holder.only_if):
        bound[name] = _narrowed(name, holder.only_if[name], bound.get(name), place)
    return JwtRole(
        name=holder.role,
        bound_audiences=(place.audience,),
        bound_claims={name: _any_of(values) for name, values in bound.items()},
        policies=(holder.role,),
        claim_mappings={name: name for name in place.host.attribution},
        ttl=holder.ttl,
        max_ttl=holder.ttl,
    )


def fork_problem(holder: Holder, place: Place) -> str:
    """Why a role at `place` would let a fork's code in, or an empty string."""
    if place.host is hosts.GITHUB and hosts.FORK_EVENT in holder.only_if.get("event_name", ()):
        return (
            f"{holder.owner}: only_if.event_name allows {hosts.FORK_EVENT}, whose token looks like the base branch's"
            " while a fork's code may run; leave it out, and run what needs secrets on push or merge_group"
        )
    if place.host is not hosts.JENKINS:
        return ""
    if hosts.is_fork_job(url := place.project.jenkins or ""):
        return (
            f"project.jenkins is {url}, the job of a pull request, in which a fork's code may run;"
            " name the project's own, or that of a branch"
        )
    if found := next(filter(hosts.is_fork_job, map(str, holder.only_if.get("sub", ()))), ""):
        return (
            f"{holder.owner}: only_if.sub allows {found}, the job of a pull request, in which a fork's code may run;"
            " leave it out, and run what needs secrets in the jobs of branches"
        )
    return ""


def _narrowed(name: str, wanted: Sequence[Claim], bound: tuple[Claim, ...] | None, place: Place) -> tuple[Claim, ...]:
    """What of `wanted` the host's tokens can have in the claim `name`, within what is `bound` already."""
    _refuse_unknown(name, place.host)
    typed = tuple(value for value in wanted if place.host.takes(name, value))
    if not typed:
        raise UnfitError(_wrong(name, wanted, place.host))
    if bound is None:
        _refuse_contradicting(name, typed, place)
        return typed
    fitting = tuple(value for value in typed if _is_within(name, value, bound, place.host))
    if not fitting:
        raise UnfitError(_outside(name, typed, bound))
    return fitting


def _refuse_contradicting(name: str, wanted: Sequence[Claim], place: Place) -> None:
    """Refuse what the project's own tokens never have: beside its id, a name that is not its name, or its owner's.

    NOTE: names are compared as a vault compares them, capitals too, although GitHub and GitLab do not tell these apart:
    a token has one spelling, so of two in a manifest one is wrong.
    """
    own = hosts.known_claims(place.host, place.project).get(name)
    if own is not None and own not in wanted:
        raise UnfitError(_outside(name, wanted, (own,)))


def _outside(name: str, wanted: Sequence[Claim], own: Sequence[Claim]) -> str:
    listed = " or ".join(map(str, own))
    if {str(value).casefold() for value in wanted}.isdisjoint(str(value).casefold() for value in own):
        return f"only_if.{name} is outside the project's own, {listed}; mend one of the two"
    return f"only_if.{name} has not the capitals of the project's own, {listed}; mend one of the two"


def _refuse_unknown(name: str, host: HostKind) -> None:
    if name.startswith("/"):
        raise UnfitError(f'only_if."{name}" begins with /, which a vault takes for a path in the claims; name a claim')
    if not host.knows(name) and any(other.knows(name) for other in hosts.ALL):
        raise UnfitError(f"its tokens have no claim {name}; use an environment whose only_if they can meet")


def _wrong(name: str, wanted: Sequence[Claim], host: HostKind) -> str:
    if name in host.numbers:
        return f"only_if.{name} must be an integer, as in its tokens"
    if not any(isinstance(value, str) for value in wanted):
        return f'only_if.{name} must be a string, as in its tokens: "{str(wanted[0]).lower()}"'
    return f'only_if.{name} has nothing of the form that its tokens have, as in "{host.shapes[name].example}"'


def _is_within(name: str, value: Claim, bound: tuple[Claim, ...], host: HostKind) -> bool:
    if host is hosts.JENKINS and name == "sub":
        return any(value == url or str(value).startswith(f"{str(url).rstrip('/')}/") for url in bound)
    return value in bound


def _any_of(values: tuple[Claim, ...]) -> object:
    """One value as it is, several as a list, of which a vault takes any."""
    return values[0] if len(values) == 1 else list(values)
