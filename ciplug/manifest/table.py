"""One table of the document, read key by key: what has the wrong type or spelling is noted, and reading goes on.

A reader gives back ``None`` for what is absent or wrong. Inside an array, an item that is wrong leaves an empty string,
so that the places of the others stay true. `parse` never lets such a gap out: one finding is enough for it to raise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ciplug.manifest.problems import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from ciplug.manifest.lines import KeyPath
    from ciplug.manifest.problems import Findings

    Check = Callable[[str], str | None]

_KINDS = {
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a float",
    list: "an array",
    dict: "a table",
}


class Table:
    """A cursor on the table at `path`; every problem goes to `findings`."""

    def __init__(self, values: Mapping[str, Any], path: KeyPath, findings: Findings) -> None:
        self.values = values
        self.path = path
        self.findings = findings

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def problem(self, message: str, *at: str | int, like: str | None = None, among: tuple[str, ...] = ()) -> None:
        """Note `message` at the key path `at` below this table."""
        self.findings.add((*self.path, *at), message, like=like, among=among)

    def only(self, *known: str) -> None:
        """Note every key that is not in `known`."""
        for key in self.values:
            if key not in known:
                self.problem("is not a known key", key, like=key, among=known)

    def text(self, key: str, check: Check, *, required: bool = False) -> str | None:
        """The string at `key`, if `check` finds nothing wrong with it."""
        value = self.take(key, str, required=required)
        if value is None:
            return None
        return self._checked(value, check, key) or None

    def texts(self, key: str, check: Check, *, single: bool = False, required: bool = False) -> tuple[str, ...] | None:
        """The strings of the array at `key`, none of them twice; with `single`, one string may stand for its array."""
        if single and isinstance(self.values.get(key), str):
            return (self._checked(self.values[key], check, key),)
        values = self.take(key, list, required=required, instead="a string or an array of strings" if single else "")
        if values is None:
            return None
        return tuple(self._item(values, index, check, key) for index in range(len(values)))

    def number(self, key: str, *kinds: type, low: float, high: float) -> Any:
        """The number at `key` of one of `kinds`, from `low` to `high`."""
        value = self.take(key, *kinds)
        if value is None or low <= value <= high:
            return value
        self.problem(f"must be at least {low:g}" if high == float("inf") else f"must be {low:g} to {high:g}", key)
        return None

    def flag(self, key: str) -> bool:
        """The boolean at `key`, false where there is none."""
        return self.take(key, bool) is True

    def choice(self, key: str, *words: str) -> str | None:
        """The string at `key`, which must be one of `words`."""
        value = self.take(key, str)
        if value is None or value in words:
            return value  # type: ignore[no-any-return]  # take() has checked that it is a string
        self.problem(f"must be {' or '.join(quoted(word) for word in words)}", key, like=value, among=words)
        return None

    def table(self, key: str, *, required: bool = False) -> Table:
        """The table at `key`, an empty one where there is none."""
        value = self.take(key, dict, required=required)
        return Table(value if value is not None else {}, (*self.path, key), self.findings)

    def tables(self, key: str, check: Check) -> Iterator[tuple[str, Table]]:
        """The tables inside the table at `key`, with their names."""
        parent = self.table(key)
        for name in parent.values:
            problem = check(name)
            if problem:
                parent.problem(problem if problem.startswith("is ") else f"its name {problem}", name)
            yield name, parent.table(name)

    def take(self, key: str, *kinds: type, required: bool = False, instead: str = "") -> Any:
        """The value at `key` if it is of one of `kinds`, exactly: a boolean is no integer here."""
        if key not in self.values:
            if required:
                self.problem("is missing", key)
            return None
        value = self.values[key]
        if type(value) in kinds:
            return value
        self.problem(f"must be {instead or _KINDS[kinds[0]]}, not {kind(value)}", key)
        return None

    def _item(self, values: list[Any], index: int, check: Check, key: str) -> str:
        value = values[index]
        if type(value) is not str:
            self.problem(f"must be a string, not {kind(value)}", key, index)
            return ""
        if value in values[:index]:
            self.problem(f"{quoted(value)} is there twice", key, index)
        return self._checked(value, check, key, index)

    def _checked(self, value: str, check: Check, *at: str | int) -> str:
        problem = check(value)
        if problem:
            self.problem(problem, *at)
        return "" if problem else value


def kind(value: object) -> str:
    """What TOML calls the type of `value`, with its article."""
    return _KINDS.get(type(value), "a date or time")
