"""What a request gives to arguments and variables, brought to the type that the schema wants of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ciplug.standins.railway.tokens import Variable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ciplug.standins.railway.document import Declared, Operation
    from ciplug.standins.railway.schema import Parameter, Schema
    from ciplug.standins.railway.tokens import Type

_PYTHON: Final[Mapping[str, type]] = {
    "Boolean": bool,
    "EnvironmentVariables": dict,
    "ID": str,
    "Int": int,
    "String": str,
}


class Coercion:
    """Brings values to types, and collects in `problems` what cannot be; no problem holds a value.

    A use of a variable stays as it is, and is held against its declaration among `declared`.
    """

    def __init__(self, schema: Schema, declared: Mapping[str, Declared] | None = None) -> None:
        self.problems: list[str] = []
        self._schema = schema
        self._declared = declared or {}

    def members(self, wanted: Mapping[str, Parameter], given: Mapping[str, object], of: str) -> dict[str, object]:
        """`given` with defaults; `of` is what has these members, such as ``field "variables"``."""
        self.problems += [f'"{name}" is not defined by {of}.' for name in given if name not in wanted]
        found: dict[str, object] = {}
        for name, parameter in wanted.items():
            if name in given:
                found[name] = self.value(parameter.type, given[name], f'"{name}" of {of}', parameter.has_default)
            elif parameter.has_default:
                found[name] = parameter.default
            elif parameter.type.required:
                self.problems.append(f'"{name}" of {of}, of required type "{parameter.type}", was not provided.')
        return found

    def value(self, kind: Type, given: object, at: str, has_default: bool = False) -> object:  # noqa: FBT001, FBT002  # internal
        """`given` as `kind`; ``None`` with a problem where it cannot be."""
        if isinstance(given, Variable):
            self._use(kind, given, at, has_default=has_default)
            return given
        if given is None:
            if kind.required:
                self.problems.append(f'Expected type "{kind}" at {at}, found null.')
            return None
        if kind.element:
            items = given if isinstance(given, list) else [given]
            return [self.value(kind.element, item, at) for item in items]
        if kind.name in self._schema.inputs and isinstance(given, dict):
            return self.members(self._schema.inputs[kind.name], given, f'type "{kind.name}"')
        if type(given) is not _PYTHON.get(kind.name):
            self.problems.append(f'Expected type "{kind}" at {at}.')
            return None
        return given

    def _use(self, kind: Type, variable: Variable, at: str, *, has_default: bool) -> None:
        declared = self._declared.get(variable.name)
        if declared is None:
            return  # reported once, for the whole document
        never_null = declared.type.required or has_default or (declared.has_default and declared.default is not None)
        if _bare(declared.type) != _bare(kind) or (kind.required and not never_null):
            use = f'Variable "${variable.name}" of type "{declared.type}"'
            self.problems.append(f'{use} used in position expecting type "{kind}" at {at}.')


def variables(schema: Schema, operation: Operation, given: Mapping[str, object]) -> tuple[dict[str, object], list[str]]:
    """The operation's variables as declared, and what is wrong with those `given`. Those not declared are ignored."""
    coercion = Coercion(schema)
    found: dict[str, object] = {}
    for name, declared in operation.variables.items():
        if name in given:
            found[name] = coercion.value(declared.type, given[name], f'variable "${name}"')
        elif declared.has_default:
            found[name] = coercion.value(declared.type, declared.default, f'variable "${name}"')
        elif declared.type.required:
            coercion.problems.append(f'Variable "${name}" of required type "{declared.type}" was not provided.')
    return found, coercion.problems


def used(value: object) -> Iterator[str]:
    """The names of the variables in `value`."""
    if isinstance(value, Variable):
        yield value.name
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from used(one)


def substituted(value: object, known: Mapping[str, object]) -> object:
    """`value` with variables replaced; members whose variable was not given are left out."""
    if isinstance(value, Variable):
        return known.get(value.name)
    if isinstance(value, list):
        return [substituted(one, known) for one in value]
    if isinstance(value, dict):
        present = {name: one for name, one in value.items() if not isinstance(one, Variable) or one.name in known}
        return {name: substituted(one, known) for name, one in present.items()}
    return value


def _bare(kind: Type) -> str:
    return str(kind).removesuffix("!")
