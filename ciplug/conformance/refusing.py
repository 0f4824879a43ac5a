"""Values and names that are not like most: each is there as it is afterwards, or refused before anything is written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from ciplug.conformance.rules import require

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ciplug.conformance.desk import Desk

VALUES: Final[Mapping[str, str | bytes]] = {
    "lines": "first-line-20f1\nsecond-line-7be3\r\nthird-line-c9d0\n",
    "quotes": 'it\'s "quoted-41aa" `here` \\ and \\n is no line',
    "dollars": "$HOME-95c2 ${HOME} $(id) $$ !! #c",
    "percents": "a-percent-68d4 %0A %25 %s %d %%",
    "an expression": "${{ secrets.OF_THE_PLATFORM_3ab7 }}",
    "another template": "{{ template-71e6 }} <%= x %> @x",
    "emoji": "🔑 ключ-5f5e schlüssel 鍵",
    "combined and separate accents": "e\u0301-and-\u00e9-81c3",
    "blanks around": "  blanks-around-b1d8\t ",
    "only blanks": " \t ",
    "JSON": '{"key-3f0b": ["value", 1, null], "other": "\\u0041"}',
    "a number": "012345678901234567890.50",
    "a separator": "a,b;c=d&e=f-57d9|g",
    "20 kB": "0123456789abcdef" * 1280,
    "empty": "",
    "control characters": "bell-\x07-escape-\x1b[0m-8d2e",
    "a byte order mark": "\ufeffwith-a-mark-2c4d",
    "a NUL": "before-9e1a\0after-6b7c",
    "no UTF-8": b"\xff\xfe-no-text-4d3e",
    "half a character": "cut-off-7a9b-🔑".encode()[:-1],
}
NAMES: Final = (
    "lower_case",
    "_",
    "A1",
    "1A",
    "A-B",
    "A.B",
    "A B",
    "A=B",
    "A/B",
    "A%2FB",
    "A?B",
    "A#B",
    "A\nB",
    "A\0B",
    "..",
    "Ä",
    "",
    "N" * 256,
    "N" * 5000,
)
ANY: Final = "any-value-1f0e62c7"


class RefusingRules:
    """The rules for ``problems``."""

    @pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
    def test_a_value_arrives_byte_for_byte_or_is_refused_beforehand(self, desk: Desk, value: str | bytes) -> None:
        """The rule holds for a new variable and for a changed one; bytes that are no text are always refused."""
        problems = _problems(desk, {"CREATED": value})
        if problems:
            require(all("CREATED" in each for each in problems), "a problem does not name its variable")
        else:
            require(isinstance(value, str), "bytes that are no text are taken, though JSON cannot carry them")
            desk.synced({"CHANGED": ANY})
            text = value if isinstance(value, str) else value.decode()
            desk.synced({"CHANGED": text, "CREATED": text})
            require(not desk.sync({"CHANGED": text, "CREATED": text}).done, "it is read as another value than written")

    @pytest.mark.parametrize("name", NAMES, ids=lambda name: repr(name[:20]))
    def test_a_name_arrives_as_it_is_or_is_refused_beforehand(self, desk: Desk, name: str) -> None:
        """No name changes its meaning on the way, in a path say; each problem has the name in it."""
        problems = _problems(desk, {name: ANY})
        require(all(name in each for each in problems), "a problem does not say which name it is about")
        if not problems:
            desk.synced({name: ANY})
            desk.synced({})

    def test_ordinary_names_and_values_are_not_refused(self, desk: Desk) -> None:
        """``problems`` has nothing to say of a name and a value that every platform takes."""
        problems = _problems(desk, {"DATABASE_URL": "postgres://u:p4ss-72f1@db/x?y=z", "A": ANY})
        require(not problems, f"ordinary variables are refused: {'; '.join(problems)}")

    def test_names_that_the_platform_keeps_are_refused(self, desk: Desk) -> None:
        """These are the bench's ``refused``, and the empty name."""
        for name in (*desk.bench.refused, ""):
            require(_problems(desk, {name: ANY}), f"{name!r} is not refused")

    def test_all_problems_come_at_once(self, desk: Desk) -> None:
        """What is a problem alone is one among all the others as well."""
        wanted: dict[str, str | bytes] = {
            name: ANY for name in (*NAMES, *desk.bench.refused) if _problems(desk, {name: ANY})
        }
        wanted |= {f"V{number}": value for number, value in enumerate(VALUES.values())}
        wrong = [name for name, value in wanted.items() if _problems(desk, {name: value})]
        problems = _problems(desk, {**wanted, "RIGHT": ANY})
        require(len(wrong) >= 1, "nothing at all is refused, not even an empty name")
        for name in wrong:
            require(any(each.startswith(name) for each in problems), f"{name[:20]!r} is refused only if it is alone")
        desk.expect({})


def _problems(desk: Desk, values: Mapping[str, str | bytes]) -> list[str]:
    """What ``problems`` says of `values`, after checks that it asks and changes nothing and shows no value."""
    platform = desk.platform()
    held = platform.read()
    before = len(desk.bench.standin.requests())
    problems = list(platform.problems(desk.secrets(values), held))
    desk.shown.text("a problem", "\n".join(problems))
    require(len(desk.bench.standin.requests()) == before, "problems are looked for by asking the platform")
    desk.expect({})
    return problems
