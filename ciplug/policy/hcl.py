"""Policies as HCL: written in one way, and read as far as paths and capabilities go."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from ciplug.errors import UsageError
from ciplug.frozen import frozen
from ciplug.policy import mark
from ciplug.policy.plain_hcl import read_plain

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from ciplug.policy.model import Policy

CAPABILITIES: Final = frozenset(
    {"create", "delete", "deny", "list", "patch", "read", "recover", "scan", "subscribe", "sudo", "update"}
)
"""Of Vault and of OpenBao."""

_NEVER_IN_A_PATH: Final = frozenset('"\\{}*+')
"""What would end the string, begin a template, or make a path mean others as well."""

LEGACY: Final = {
    "deny": frozenset({"deny"}),
    "read": frozenset({"list", "read"}),
    "write": frozenset({"create", "delete", "list", "read", "update"}),
    "sudo": frozenset({"create", "delete", "list", "read", "sudo", "update"}),
}
"""What a vault still takes ``policy = "write"`` for. Source: https://github.com/openbao/openbao, vault/policy.go"""

_BLANK: Final = "new_line_or_comment"

LARGEST: Final = 1024 * 1024
"""Characters of a policy's text that is read."""


class UnreadableError(UsageError):
    """A policy that says more than paths and capabilities, or says it in another way."""


@frozen
class Reading:
    """What a text allows, by path, and by name what it says besides of a path: ``path "a": allowed_parameters``.

    `unread` is what may allow anything: ``path "a" "b"``, which is no block of one path.
    """

    rules: Mapping[str, frozenset[str]]
    others: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def besides(self) -> tuple[str, ...]:
        """All that is not paths and capabilities."""
        return (*self.others, *self.unread)


def render(policy: Policy, denied: Collection[str] = ()) -> str:
    """The text of `policy`: its mark, then one line for each path, sorted and aligned, and one for each in `denied`.

    ``UsageError`` for a name or path that could mean anything but itself; a manifest has none. What is `denied` comes
    from a live policy, and may be a pattern.
    """
    paths = sorted(policy.rules.keys() - set(denied))
    width = max((len(path) for path in paths), default=0) + 2
    lines = [mark.write(policy)]
    lines += [rule(_plain(path), _known(policy.rules[path]), width) for path in paths]
    lines += [rule(path, ["deny"]) for path in sorted(denied)]
    return "\n".join(lines) + "\n"


def rule(path: str, capabilities: Iterable[str], width: int = 0) -> str:
    """A rule in one line, its path filled up to `width`."""
    shown = json.dumps(path, ensure_ascii=False)
    return f"path {shown:<{width}} {{ capabilities = {json.dumps(sorted(capabilities))} }}"


def read(text: str) -> Reading:
    """What the policy `text` allows, with what it says besides; ``UnreadableError`` where that cannot be told.

    Paths and capabilities that are there twice are united, as the vault does, and one ``/`` before a path is dropped.
    """
    if len(text) > LARGEST:
        raise UnreadableError("the policy is longer than 1 MiB")
    rules: dict[str, frozenset[str]] = {}
    if (plain := read_plain(text)) is not None:
        for path, capabilities in plain.items():
            _unite(rules, path, capabilities)
        return Reading(rules=rules)
    others: list[str] = []
    unread: list[str] = []
    for item in _items(_tree(text)):
        named = _path(item)
        if named is None:
            unread.append(_called(item))
        else:
            _read_block(item, named, rules, others)
    return Reading(rules=rules, others=tuple(dict.fromkeys(others)), unread=tuple(dict.fromkeys(unread)))


def reads_whole(text: str) -> bool:
    """Whether every rule of the policy `text` is known, so that all that it denies is."""
    try:
        return not read(text).unread
    except UnreadableError:
        return False


def _read_block(block: Any, path: str, rules: dict[str, frozenset[str]], others: list[str]) -> None:
    _unite(rules, path, frozenset())
    for attribute in _items(block.children[-2]):
        allowed = _allowed(attribute, path)
        if allowed is None:
            others.append(f'path "{path}": {_name(attribute)}')
        else:
            _unite(rules, path, allowed)


def _unite(rules: dict[str, frozenset[str]], path: str, capabilities: frozenset[str]) -> None:
    plain = path.removeprefix("/")
    rules[plain] = rules.get(plain, frozenset()) | capabilities


def _plain(path: str) -> str:
    if not path.isprintable() or not _NEVER_IN_A_PATH.isdisjoint(path):
        raise UsageError("a policy's path may not hold quotes, braces, wildcards or control characters")
    return path


def _known(capabilities: frozenset[str]) -> frozenset[str]:
    if not capabilities or not capabilities <= CAPABILITIES:
        raise UsageError("a policy may only give capabilities that a vault has, and at least one")
    return capabilities


def _tree(text: str) -> Any:
    """The body of the document, as python-hcl2's grammar has it.

    Its plain dictionaries would not do: of an attribute that is there twice they keep the last, and a vault unites
    both.
    """
    try:
        import hcl2
        from lark.exceptions import LarkError
    except ImportError as err:
        raise UnreadableError(
            "the policy is written in another way than ciplug's, and nothing is installed that reads others",
            hint="pip install 'ciplug[policy]'",
        ) from err
    try:
        return hcl2.parses_to_tree(text).children[0]
    except LarkError as err:
        line = getattr(err, "line", None)
        where = f" in line {line}" if isinstance(line, int) and line > 0 else ""
        raise UnreadableError(f"the policy is not HCL as ciplug reads it{where}") from err
    except RecursionError as err:
        raise UnreadableError("the policy is nested too deeply") from err


def _items(body: Any) -> Iterator[Any]:
    """The attributes and blocks of a body, without the blank lines and comments between them."""
    return (item for item in body.children if _kind(item) in ("attribute", "block"))


def _name(item: Any) -> str:
    return "".join(str(token) for token in item.children[0].children)


def _path(item: Any) -> str | None:
    """The path of a block ``path "…" { }``, ``None`` for anything else."""
    labels = _labels(item)
    if item.data != "block" or _name(item) != "path" or len(labels) != 1:
        return None
    path = _text(labels[0])
    if path is None:
        raise UnreadableError("a path of the policy is no plain string")
    return path


def _called(item: Any) -> str:
    """An attribute or block in words, a block with its labels: ``path "a" "b"``."""
    return " ".join([_name(item), *(f'"{_text(label) or "…"}"' for label in _labels(item))])


def _labels(item: Any) -> list[Any]:
    """What stands between the name of a block and its brace, which may be on another line."""
    return [part for part in item.children[1:-3] if _kind(part) != _BLANK] if item.data == "block" else []


def _allowed(attribute: Any, path: str) -> frozenset[str] | None:
    """What one line of a path's block allows, ``None`` where it says something else."""
    if attribute.data != "attribute":
        return None
    if _name(attribute) == "capabilities":
        return _capabilities(attribute, path)
    if _name(attribute) == "policy":
        return LEGACY.get(_text(_inside(attribute.children[-1], "string")) or "")
    return None


def _capabilities(attribute: Any, path: str) -> frozenset[str]:
    """The words in ``capabilities = ["…"]``."""
    listed = _inside(attribute.children[-1], "tuple")
    terms = [] if listed is None else [item for item in listed.children if _kind(item) not in ("", _BLANK)]
    words = [_text(_inside(term, "string")) for term in terms]
    if listed is None or None in words:
        raise UnreadableError(f'the capabilities of path "{path}" are no list of plain strings')
    return frozenset(word for word in words if word is not None)


def _inside(term: Any, kind: str) -> Any:
    """The one thing of `kind` that the expression `term` is, or ``None``."""
    parts = [part for part in term.children if _kind(part) != _BLANK] if _kind(term) == "expr_term" else []
    return parts[0] if len(parts) == 1 and _kind(parts[0]) == kind else None


def _kind(item: Any) -> str:
    """What the grammar calls `item`; empty for a token, such as a comma."""
    return getattr(item, "data", "")


def _text(string: Any) -> str | None:
    """The characters of a quoted string without escapes and templates."""
    if _kind(string) != "string":
        return None
    parts = string.children[1:-1]
    if any(_kind(part) != "string_part" or len(part.children) != 1 for part in parts):
        return None
    text = "".join(str(part.children[0]) for part in parts)
    return None if "\\" in text or "${" in text or "%{" in text or not text.isprintable() else text
