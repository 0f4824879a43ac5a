from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciplug.manifest.lines import Lines

DOCUMENT = """\
# jobs.fake = 1
version = 1 # [not.a.table]
[ jobs . "test (3.12)" ] # a comment with "quotes" and [brackets]
environment = "dev#x = 1"
secrets = [ # [inner]
  "A",  # first
  "B = 1",

  'C',
]
[jobs.'x"y']
role = \"\"\"
role = "not here"
[nor.here]
\\\"\"\" still inside \"\"\"\"
after = '''
fake = 1''''
last = 1
[vault]
shared = ["a", ["b",
"c"]]
only_if = { ref = ["x",
 "y"], "a\\u002eb" = { deep = 1 }, c.d = 2 }
dotted . "key" = 1
empty = ""
empty2 = ''
escaped = "\\\\"
date = 1979-05-27T07:32:00Z
[[lists]]
x = 1
[[lists]]
y = 2
"""

EXPECTED = [
    (("version",), 2),
    (("jobs",), 3),
    (("jobs", "test (3.12)"), 3),
    (("jobs", "test (3.12)", "environment"), 4),
    (("jobs", "test (3.12)", "secrets"), 5),
    (("jobs", "test (3.12)", "secrets", 0), 6),
    (("jobs", "test (3.12)", "secrets", 1), 7),
    (("jobs", "test (3.12)", "secrets", 2), 9),
    (("jobs", "test (3.12)", "secrets", 9), 5),
    (("jobs", "test (3.12)", "missing"), 3),
    (("jobs", 'x"y'), 11),
    (("jobs", 'x"y', "role"), 12),
    (("jobs", 'x"y', "after"), 16),
    (("jobs", 'x"y', "last"), 18),
    (("jobs", 'x"y', "fake"), 11),
    (("nor", "here"), 1),
    (("vault",), 19),
    (("vault", "shared", 1), 20),
    (("vault", "shared", 1, 1), 21),
    (("vault", "only_if", "ref"), 22),
    (("vault", "only_if", "ref", 1), 23),
    (("vault", "only_if", "a.b"), 23),
    (("vault", "only_if", "a.b", "deep"), 23),
    (("vault", "only_if", "c", "d"), 23),
    (("vault", "dotted"), 24),
    (("vault", "dotted", "key"), 24),
    (("vault", "empty"), 25),
    (("vault", "empty2"), 26),
    (("vault", "escaped"), 27),
    (("vault", "date"), 28),
    (("lists",), 29),
    (("lists", "x"), 30),
    (("lists", "y"), 32),
    ((), 1),
]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(("path", "line"), EXPECTED)
def test_key_is_found_on_its_line(path: tuple[str | int, ...], line: int, end: str) -> None:
    tomllib.loads(DOCUMENT)
    assert Lines(DOCUMENT.replace("\n", end)).line(path) == line


def test_deep_keys_get_the_line_of_their_ancestor() -> None:
    text = "x = 1\na.b.c.d.e.f.g.h.i.j = 1\n"
    assert Lines(text).line(tuple("abcdefghij")) == 2


def test_deep_values_do_not_hide_what_came_before() -> None:
    assert Lines("x = 1\ny = " + "[" * 100_000).line(("y",)) == 2


VALUES = ["1", "[1,\n2]", "'''a\nb = 1'''", "{}"]
KEYS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=5)


@given(st.lists(KEYS, unique=True, max_size=6), st.data())
def test_every_quoted_key_is_found(keys: list[str], data: st.DataObject) -> None:
    text, expected = "", {}
    for key in keys:
        text += data.draw(st.sampled_from(["", "\n", "# x = 1\n", "\n\n"]))
        expected[key] = text.count("\n") + 1
        spelled = key.replace("\\", "\\\\").replace('"', '\\"')
        text += f'"{spelled}" = {data.draw(st.sampled_from(VALUES))}\n'
    assert set(tomllib.loads(text)) == set(keys)
    lines = Lines(text)
    assert {key: lines.line((key,)) for key in keys} == expected


@given(st.text(st.sampled_from("ab.=[]{}\"'\\,# \n\r\t1")) | st.text())
def test_any_text_has_lines(text: str) -> None:
    try:
        lines = Lines(text)
    except tomllib.TOMLDecodeError:
        return
    assert 1 <= lines.line(("a", "b")) <= text.count("\n") + 1
