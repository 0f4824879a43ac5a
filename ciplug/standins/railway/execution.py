"""Carries out an operation: held against the schema as a whole first, then field by field, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from ciplug.standins.railway.inputs import Coercion, substituted, used

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ciplug.standins.railway.document import Field, Operation
    from ciplug.standins.railway.schema import Member, Schema
    from ciplug.standins.railway.tokens import Type

Resolvers: TypeAlias = "Mapping[str, Callable[[Mapping[str, Any]], object]]"
"""What gives the value of each field of the root types, from the arguments."""


class RefusedError(Exception):
    """What a resolver refuses; the message is the vendor's, and the `path` leads to the field in the answer."""

    path: tuple[str, ...] = ()


def problems(schema: Schema, operation: Operation) -> list[str]:
    """Everything that keeps `operation` from being carried out, in the words of GraphQL's reference implementation."""
    check = _Check(schema, operation)
    check.selections(operation.kind.capitalize(), operation.selections)
    return check.problems()


def executed(
    schema: Schema, operation: Operation, variables: Mapping[str, object], resolvers: Resolvers
) -> dict[str, object]:
    """The data of the answer; `RefusedError` from the first field that cannot be had, and none after it is looked at.

    What was done before it stays done. There is no partial data: no field between the root and one that can be
    refused may be null, so that the error takes the whole of it.
    """
    members = schema.objects[operation.kind.capitalize()]
    data: dict[str, object] = {}
    for field in operation.selections:
        member = members[field.name]
        try:
            value = resolvers[field.name](_arguments(schema, member, field, variables))
            data[field.key] = _completed(schema, member.type, value, field, variables)
        except RefusedError as refused:
            refused.path = (field.key, *refused.path)
            raise
    return data


class _Check:
    def __init__(self, schema: Schema, operation: Operation) -> None:
        self._schema = schema
        self._operation = operation
        self._coercion = Coercion(schema, operation.variables)
        self._found: list[str] = []
        self._used: set[str] = set()

    def selections(self, name: str, fields: tuple[Field, ...]) -> None:
        for field in fields:
            member = self._schema.objects[name].get(field.name)
            if member is None:
                self._found.append(f'Cannot query field "{field.name}" on type "{name}".')
                continue
            self._used.update(used(field.arguments))
            self._coercion.members(member.arguments, field.arguments, f'field "{name}.{field.name}"')
            self._below(_named(member.type), field)

    def _below(self, name: str, field: Field) -> None:
        if name not in self._schema.objects:
            if field.selections:
                self._found.append(f'Field "{field.name}" must not have a selection: type "{name}" has no subfields.')
        elif field.selections:
            self.selections(name, field.selections)
        else:
            self._found.append(f'Field "{field.name}" of type "{name}" must have a selection of subfields.')

    def problems(self) -> list[str]:
        return [*self._found, *self._coercion.problems, *self._variables()]

    def _variables(self) -> Iterator[str]:
        declared = self._operation.variables
        for name in sorted(self._used - set(declared)):
            yield f'Variable "${name}" is not defined.'
        for name in declared:
            if name not in self._used:
                yield f'Variable "${name}" is never used.'


def _named(kind: Type) -> str:
    return _named(kind.element) if kind.element else kind.name


def _arguments(schema: Schema, member: Member, field: Field, variables: Mapping[str, object]) -> dict[str, object]:
    given: Any = substituted(dict(field.arguments), variables)
    coercion = Coercion(schema)
    found = coercion.members(member.arguments, given, f'field "{field.name}"')
    if coercion.problems:
        raise RefusedError(coercion.problems[0])
    return found


def _completed(schema: Schema, kind: Type, value: Any, field: Field, variables: Mapping[str, object]) -> object:
    """The part of `value` that is asked for. Of an object, a member may be a function of the field's arguments."""
    if value is None or not field.selections:
        return value
    if kind.element:
        return [_completed(schema, kind.element, one, field, variables) for one in value]
    found: dict[str, object] = {}
    for below in field.selections:
        member = schema.objects[kind.name][below.name]
        try:
            one = value[below.name]
            if callable(one):
                one = one(_arguments(schema, member, below, variables))
            found[below.key] = _completed(schema, member.type, one, below, variables)
        except RefusedError as refused:
            refused.path = (below.key, *refused.path)
            raise
    return found
