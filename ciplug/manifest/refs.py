"""Refs: ``[mount:]path[@version]#field``, where one secret's value is in the vault."""

from __future__ import annotations

from ciplug.frozen import frozen
from ciplug.manifest.grammar import character_problem, line_problem, path_problem

_LONGEST_VERSION = 9


class RefError(ValueError):
    """A text that is not a ref; the message says why, without repeating it."""


@frozen
class Ref:
    """One value in the vault. `mount` is another engine's, ``None`` for the KV engine.

    `path` is relative to `mount`, to the KV mount where `from_root`, else to the environment's path. `pointer` holds
    the keys from the record's data down to the value.
    """

    path: str
    pointer: tuple[str, ...]
    mount: str | None = None
    from_root: bool = False
    version: int | None = None

    @classmethod
    def parse(cls, text: str) -> Ref:
        """The ref that `text` spells; raises ``RefError``."""
        if text != text.strip(" "):
            raise RefError("must not begin or end with a blank")
        place, mark, field = text.partition("#")
        if not mark:
            raise RefError('must name a field after #, as in "db#url"')
        pointer = _pointer(field)
        mount, colon, rest = place.partition(":")
        if colon:
            return cls(mount=_checked(mount, "the mount"), path=_engine_path(rest), pointer=pointer)
        path, version = _pinned(place)
        from_root = path.startswith("//")
        if path.startswith("/") and not from_root:
            raise RefError(
                "must not begin with /: a path is relative to its environment; // starts at the mount's root"
            )
        return cls(path=_checked(path[2 * from_root :]), from_root=from_root, version=version, pointer=pointer)

    def __str__(self) -> str:
        mount = f"{self.mount}:" if self.mount is not None else "//" if self.from_root else ""
        version = f"@{self.version}" if self.version is not None else ""
        plain = len(self.pointer) == 1 and not self.pointer[0].startswith("/") and not _ends_in_version(self.pointer[0])
        field = self.pointer[0] if plain else "".join(f"/{_escaped(key)}" for key in self.pointer)
        return f"{mount}{self.path}{version}#{field}"


def _checked(path: str, what: str = "the path") -> str:
    problem = path_problem(path) or character_problem(path, frozenset("@:"))
    if problem:
        raise RefError(f"{what} {problem}")
    return path


def _engine_path(path: str) -> str:
    if "@" in path:
        raise RefError("must not pin a version: only the KV engine has versions")
    return _checked(path)


def _pinned(place: str) -> tuple[str, int | None]:
    path, mark, digits = place.rpartition("@")
    if not mark:
        return place, None
    if not (digits.isascii() and digits.isdigit()) or digits[0] == "0" or len(digits) > _LONGEST_VERSION:
        raise RefError("the version after @ must be a positive whole number")
    return path, int(digits)


def _pointer(field: str) -> tuple[str, ...]:
    problem = line_problem(field)
    if not field or problem:
        raise RefError(f"the field after # {problem}")
    if "*" in field:
        raise RefError("the field after # must not hold *: there are no wildcards")
    if field.startswith("/"):
        return tuple(_unescaped(key) for key in field[1:].split("/"))
    if field.startswith(" "):
        raise RefError("the field after # must not begin with a blank")
    if _ends_in_version(field):
        raise RefError("the version belongs before the #, as in db@3#url; a field of that name is written #/name@3")
    return (field,)


def _ends_in_version(field: str) -> bool:
    _, mark, digits = field.rpartition("@")
    return bool(mark) and digits.isascii() and digits.isdigit()


def _unescaped(key: str) -> str:
    """One key of a JSON pointer (RFC 6901, section 4): ~1 is a slash and ~0 a tilde."""
    if not key:
        raise RefError("the field after # must not hold an empty key")
    if key.count("~") != key.count("~0") + key.count("~1"):
        raise RefError("in a field after #/ a ~ must be written ~0 and a / ~1")
    return key.replace("~1", "/").replace("~0", "~")


def _escaped(key: str) -> str:
    return key.replace("~", "~0").replace("/", "~1")
