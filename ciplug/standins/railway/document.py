"""One GraphQL operation, as a request's document spells it: no fragments, no directives."""

from __future__ import annotations

from dataclasses import field
from typing import TYPE_CHECKING, Literal

from ciplug.frozen import frozen
from ciplug.standins.railway.tokens import DocumentError, Tokens

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.standins.railway.tokens import Type, Value


@frozen
class Declared:
    """A variable's declaration; `default` counts only where `has_default`."""

    type: Type
    default: Value = field(default=None, repr=False)
    has_default: bool = False


@frozen
class Field:
    """A field that is asked for, answered under `key`, which is its alias if it has one."""

    key: str
    name: str
    arguments: Mapping[str, Value] = field(repr=False)
    selections: tuple[Field, ...]


@frozen
class Operation:
    """What one document asks for."""

    kind: Literal["query", "mutation"]
    name: str
    variables: Mapping[str, Declared]
    selections: tuple[Field, ...]


def parsed(document: str) -> Operation:
    """The one operation of `document`; `DocumentError` where it is none, or more than one."""
    tokens = Tokens(document)
    operation = _operation(tokens)
    if not tokens.at_end():
        raise DocumentError("Syntax Error: this stand-in takes one operation in a document, and no fragments.")
    return operation


def _operation(tokens: Tokens) -> Operation:
    if tokens.at("{"):
        return Operation(kind="query", name="", variables={}, selections=_selections(tokens))
    kind: Literal["query", "mutation"] = "query" if tokens.take("query") else "mutation"
    if kind == "mutation":
        tokens.expect("mutation")
    name = "" if tokens.at("(") or tokens.at("{") else tokens.name()
    return Operation(kind=kind, name=name, variables=_declared(tokens), selections=_selections(tokens))


def _declared(tokens: Tokens) -> dict[str, Declared]:
    found: dict[str, Declared] = {}
    if not tokens.take("("):
        return found
    while not tokens.take(")"):
        tokens.expect("$")
        name = tokens.name()
        tokens.expect(":")
        kind = tokens.type()
        has_default = tokens.take("=")
        if name in found:
            raise DocumentError(f'There can be only one variable named "${name}".')
        default = tokens.value(constant=True) if has_default else None
        found[name] = Declared(type=kind, default=default, has_default=has_default)
    if not found:
        raise _empty("variables")
    return found


def _selections(tokens: Tokens) -> tuple[Field, ...]:
    tokens.expect("{")
    found: dict[str, Field] = {}
    while not tokens.take("}"):
        one = _field(tokens)
        if one.key in found:
            # GraphQL merges such fields if they are the same; nothing that ciplug sends should rest on that.
            raise DocumentError(f'Fields "{one.key}" conflict. Use different aliases on the fields.')
        found[one.key] = one
    if not found:
        raise _empty("a selection")
    return tuple(found.values())


def _field(tokens: Tokens) -> Field:
    key = name = tokens.name()
    if tokens.take(":"):
        name = tokens.name()
    arguments = _arguments(tokens)
    selections = _selections(tokens) if tokens.at("{") else ()
    return Field(key=key, name=name, arguments=arguments, selections=selections)


def _arguments(tokens: Tokens) -> dict[str, Value]:
    found: dict[str, Value] = {}
    if not tokens.take("("):
        return found
    while not tokens.take(")"):
        name = tokens.name()
        tokens.expect(":")
        if name in found:
            raise DocumentError(f'There can be only one argument named "{name}".')
        found[name] = tokens.value()
    if not found:
        raise _empty("arguments")
    return found


def _empty(what: str) -> DocumentError:
    return DocumentError(f"Syntax Error: Expected Name, found the end of {what}.")
