"""The tokens, types and values of GraphQL documents, as far as requests and the schema of the stand-in have them."""

from __future__ import annotations

import json
import re
from dataclasses import field
from typing import TYPE_CHECKING, Final, TypeAlias

from ciplug.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Iterator

_TOKEN: Final = re.compile(
    r"""(?P<blank>[\s,\ufeff]+|\#[^\n\r]*)|(?P<name>[_A-Za-z]\w*)|(?P<int>-?(?:0|[1-9]\d*)(?![\w.]))"""
    r"""|(?P<string>"(?!"")(?:[^"\\\n\r]|\\.)*")|(?P<mark>[!$():=\[\]{}])""",
    re.ASCII,
)


class DocumentError(ValueError):
    """A document that cannot be read: not GraphQL, or a part of GraphQL that the stand-in does not know."""


@frozen
class Variable:
    """A use of ``$name``."""

    name: str


@frozen
class Enum:
    """A bare name in the place of a value."""

    name: str


Value: TypeAlias = "Variable | Enum | str | int | bool | list[Value] | dict[str, Value] | None"


@frozen
class Type:
    """A named type, or a list of `element`; `required` is the exclamation mark."""

    name: str = ""
    element: Type | None = None
    required: bool = False

    def __str__(self) -> str:
        return (f"[{self.element}]" if self.element else self.name) + "!" * self.required


@frozen
class _Token:
    kind: str
    text: str = field(repr=False)  # may be a secret in quotes


class Tokens:
    """A document's tokens, read from left to right. No message of its errors holds a string of the document."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0

    def at(self, text: str) -> bool:
        """Whether the next token is this name or mark."""
        token = self._tokens[self._at]
        return token.kind in {"name", "mark", "end"} and token.text == text

    def at_end(self) -> bool:
        """Whether nothing is left."""
        return self._tokens[self._at].kind == "end"

    def take(self, text: str) -> bool:
        """Whether the next token is this name or mark, which is then read."""
        found = self.at(text)
        self._at += found
        return found

    def expect(self, text: str) -> None:
        """Read this name or mark."""
        if not self.take(text):
            raise self._unexpected(f'"{text}"')

    def name(self) -> str:
        """Read a name."""
        if self._tokens[self._at].kind != "name":
            raise self._unexpected("Name")
        return self._next().text

    def type(self) -> Type:
        """Read a type such as ``[String!]!``."""
        if self.take("["):
            element = self.type()
            self.expect("]")
            return Type(element=element, required=self.take("!"))
        return Type(name=self.name(), required=self.take("!"))

    def value(self, *, constant: bool = False) -> Value:
        """Read a value; a `constant` one has no variables in it."""
        if not constant and self.take("$"):
            return Variable(name=self.name())
        if self.take("["):
            return list(self._until("]", constant=constant))
        if self.take("{"):
            return self._object(constant=constant)
        token = self._tokens[self._at]
        match token.kind:
            case "int":
                return int(self._next().text)
            case "string":
                return _text(self._next().text)
            case "name":
                return _word(self._next().text)
        raise self._unexpected("a value")

    def _until(self, end: str, *, constant: bool) -> Iterator[Value]:
        while not self.take(end):
            yield self.value(constant=constant)

    def _object(self, *, constant: bool) -> dict[str, Value]:
        found: dict[str, Value] = {}
        while not self.take("}"):
            name = self.name()
            self.expect(":")
            if name in found:
                raise DocumentError(f'There can be only one input field named "{name}".')
            found[name] = self.value(constant=constant)
        return found

    def _next(self) -> _Token:
        self._at += 1
        return self._tokens[self._at - 1]

    def _unexpected(self, wanted: str) -> DocumentError:
        token = self._tokens[self._at]
        found = {"string": "String", "end": "<EOF>"}.get(token.kind, f'"{token.text}"')
        return DocumentError(f"Syntax Error: Expected {wanted}, found {found}.")


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise DocumentError("Syntax Error: Unexpected character.")
        if match.lastgroup != "blank":
            yield _Token(kind=match.lastgroup, text=match[0])
        at = match.end()
    yield _Token(kind="end", text="")


def _text(quoted: str) -> str:
    try:
        text = json.loads(quoted, strict=False)
    except ValueError:
        # `from None`: the cause carries the document, and so the value
        raise DocumentError("Syntax Error: Invalid character escape sequence.") from None
    return str(text)


def _word(name: str) -> Value:
    words: dict[str, Value] = {"true": True, "false": False, "null": None}
    return words.get(name, Enum(name=name))
