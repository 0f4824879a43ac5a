"""What a live vault grants beside what the manifest implies: more, less or other, each named. No I/O."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, Literal

from ciplug.frozen import frozen
from ciplug.policy.compare_mount import mount_differences
from ciplug.policy.compare_role import differences
from ciplug.policy.hcl import UnreadableError, read, render
from ciplug.policy.live import is_ours, key, marked_for

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ciplug.policy.compare_role import Difference, Grade
    from ciplug.policy.live import Live
    from ciplug.policy.model import Implied, Policy, Role

GRADES: Final[tuple[Grade, ...]] = ("more", "less", "other")
"""The worst first: what grants too much is a hole, what grants too little is a job that fails."""


@frozen
class Finding:
    """One difference. `name` is a policy's, a role's with its mount (``jwt/shop-test``), or a mount's."""

    grade: Grade
    what: Literal["policy", "role", "mount"]
    name: str
    text: str


def compare(implied: Implied, live: Live) -> tuple[Finding, ...]:
    """Every difference, the worst first, otherwise in the order of the manifest."""
    found = [*_beside(live)]
    for policy in implied.policies:
        stored = live.policies.get(policy.name)
        text = stored.text if stored is not None else None
        found += _named("policy", policy.name, policy_differences(policy, text))
        if stored is not None and not is_ours(policy, stored) and (other := marked_for(stored.text)) is not None:
            text = f"ciplug wrote it for another project, {other}"
            found.append(Finding(grade="other", what="policy", name=policy.name, text=text))
    for role in implied.roles:
        found += _named("role", place(role), differences(role.jwt, live.roles.get(key(role))))
    found += [*_mounts(implied.roles, live), *_default(implied.policies, live)]
    return tuple(sorted(found, key=lambda finding: GRADES.index(finding.grade)))


def place(role: Role) -> str:
    """What a role is called in a line: ``jwt/shop-test``."""
    return "/".join(key(role))


def policy_differences(policy: Policy, text: str | None) -> Iterator[Difference]:
    """How a live policy differs; `text` is ``None`` where there is none."""
    if text is None:
        yield "less", "it is not there"
        return
    if text == render(policy):
        return  # and nothing has to be installed that reads the policies of others
    try:
        found = read(text)
    except UnreadableError as err:
        yield "other", str(err)
        return
    yield from _rules(policy, found.rules)
    # What is denied is told with its rule, as less.
    yield from (("other", f"it also says {other}") for other in found.others if not other.endswith(": deny"))


def denials(text: str) -> frozenset[str]:
    """What `policy_differences` says of the rules by which a live policy denies."""
    try:
        rules = read(text).rules
    except UnreadableError:
        return frozenset()
    return frozenset(_denial(path, given) for path, given in rules.items() if "deny" in given)


def _denial(path: str, given: frozenset[str]) -> str:
    return f"{rule(path, given)} denies"


def _rules(policy: Policy, rules: Mapping[str, frozenset[str]]) -> Iterator[Difference]:
    for path in sorted(rules.keys() | policy.rules.keys()):
        wanted, given = policy.rules.get(path, frozenset()), rules.get(path, frozenset())
        if path not in policy.rules and given != {"deny"}:
            yield "more", f"{rule(path, given)} is not implied{_danger(path, given)}"
        elif "deny" in given - wanted:
            yield "less", _denial(path, given)
        elif path not in rules and not _is_covered(path, wanted, rules):
            yield "less", f"{rule(path, wanted)} is missing"
        elif path in rules:
            yield from _capabilities(path, wanted, given)


def rule(path: str, capabilities: Iterable[str]) -> str:
    """A rule in one line, as the vault's own language has it."""
    return f"path {json.dumps(path, ensure_ascii=False)} {{ capabilities = {json.dumps(sorted(capabilities))} }}"


def _capabilities(path: str, wanted: frozenset[str], given: frozenset[str]) -> Iterator[Difference]:
    shown = json.dumps(path, ensure_ascii=False)
    if given - wanted:
        yield "more", f"path {shown} also allows {', '.join(sorted(given - wanted))}{_danger('', given - wanted)}"
    if wanted - given:
        yield "less", f"path {shown} does not allow {', '.join(sorted(wanted - given))}"


def _danger(path: str, capabilities: frozenset[str]) -> str:
    """What is worth a word of its own."""
    words = ["* and + stand for paths of others"] if _is_pattern(path) else []
    words += ["sudo opens what is closed to everyone else"] if "sudo" in capabilities else []
    return f" ({'; '.join(words)})" if words else ""


def _is_pattern(path: str) -> bool:
    return path.endswith("*") or "+" in path.split("/")


def _is_covered(path: str, wanted: frozenset[str], rules: Mapping[str, frozenset[str]]) -> bool:
    """Whether a wildcard allows `wanted` on `path`: that it does is told where it is found, as too much."""
    covering = [given for pattern, given in rules.items() if _is_pattern(pattern) and _matches(pattern, path)]
    return any(wanted <= given for given in covering) and not any("deny" in given for given in covering)


def _matches(pattern: str, path: str) -> bool:
    """Source: https://openbao.org/docs/concepts/policies/#policy-syntax (``*`` only at the end, ``+`` a segment)."""
    begins = pattern.endswith("*")
    parts, found = pattern.removesuffix("*").split("/"), path.split("/")
    if len(found) < len(parts) or (len(found) > len(parts) and not begins):
        return False
    *inner, last = zip(parts, found, strict=False)
    if not all(part in {"+", segment} for part, segment in inner):
        return False
    part, segment = last
    return segment.startswith(part) if begins else part in {"+", segment}


def _beside(live: Live) -> Iterator[Finding]:
    for item in live.left_over:
        yield Finding(
            grade="more", what=item.what, name=item.place, text="it is left over: nothing implies it any more"
        )
    for name, policies in live.strangers.items():
        yield Finding(
            grade="more", what="role", name=name, text=f"it also gives {', '.join(policies)}; nothing implies it"
        )


def _default(policies: Iterable[Policy], live: Live) -> Iterator[Finding]:
    """What the policy that every token has allows of what is to be read by one job or another."""
    paths = sorted({path for policy in policies for path in policy.rules})
    for pattern, given in live.default.items():
        reached = [path for path in paths if path == pattern or (_is_pattern(pattern) and _matches(pattern, path))]
        if reached and given - {"deny"} and "deny" not in given:
            text = f"every token has it, and {rule(pattern, given)} is also for {', '.join(reached)}"
            yield Finding(grade="more", what="policy", name="default", text=text)


def _mounts(roles: Iterable[Role], live: Live) -> Iterator[Finding]:
    """How the auth mounts of `roles` differ, of those whose configuration was read."""
    for mount, role in {role.mount: role for role in roles}.items():
        if mount in live.configs:
            issuer = str(role.jwt.bound_claims.get("iss") or "")
            found = mount_differences(issuer, live.configs[mount] or {})
            yield from (Finding(grade=grade, what="mount", name=mount, text=text) for grade, text in found)


def _named(what: Literal["policy", "role"], name: str, found: Iterable[Difference]) -> Iterator[Finding]:
    return (Finding(grade=grade, what=what, name=name, text=text) for grade, text in found)
