"""The Jenkins library: nothing that Jenkins' interpreter or its Groovy 2.4 refuses, and what the help promises."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import pytest

LIBRARY: Final = Path(__file__).parents[2] / "jenkins"
SOURCES: Final = sorted(LIBRARY.rglob("*.groovy"))
VARS: Final = sorted((LIBRARY / "vars").glob("*.groovy"))
CLASSES: Final = sorted((LIBRARY / "src").rglob("*.groovy"))

_STRING: Final = r"'''.*?'''|'(?:\\.|[^'\\\n])*'"
_TEXT: Final = re.compile(rf"/\*.*?\*/|//[^\n]*|{_STRING}", re.DOTALL)
_CONSTRUCTOR: Final = re.compile(r"^    ([A-Z]\w*)\([^)]*\) \{\n(.*?)^    \}", re.DOTALL | re.MULTILINE)

BANNED: Final = {
    # A step that is called from one of these ends the pipeline or is skipped (CPS method mismatches).
    "a step in a @NonCPS method": (r"@NonCPS\b", "@NonCPS\nvoid f() { steps.echo('x') }"),
    "an overridden method that Java calls": (
        r"\b(?:toString|equals|hashCode|compareTo)\(\w*(?: \w+)?\) \{",
        "String toString() { steps.pwd() }",
    ),
    "a closure that Java calls": (r"\.(?:sort|toSorted|unique|max|min) ?[({]", "names.sort { it.size() }"),
    "a text that is put together": (r'"[^"\n]*\$|/[^/\n]*\$\{', 'steps.sh("echo ${token}")'),
    "an iterator over a step": (r"\.(?:iterator|stream|parallelStream)\(", "names.stream().map { it }"),
    "a map that cannot be serialized": (r"\bJsonSlurper\b", "new JsonSlurper().parseText(text)"),
    "Java's own I/O, which is the controller's": (
        r"\bnew File\b|\.execute\(|\bSystem\.|\bRuntime\.",
        "new File('/tmp/x').text",
    ),
    # Refused by the parser of Groovy 2.4.
    "a Java lambda": (r"\)\s*->", "names.each((x) -> echo(x))"),
    "a method reference": (r"::", "names.collect(String::trim)"),
    "!in": (r"!in\b", "if (x !in y) { }"),
    "!instanceof": (r"!instanceof\b", "if (x !instanceof String) { }"),
    "do": (r"\bdo \{", "do { x++ } while (x < 3)"),
    "try with resources": (r"\btry \(", "try (def x = open()) { }"),
    "?=": (r"\?=", "x ?= 1"),
    "?[": (r"\w\?\[", "x?[0]"),
    "===": (r"[=!]==", "x === y"),
    "an array's initializer": (r"\bnew \w+\[\]\s*\{", "new int[]{1}"),
    "var": (r"\bvar \w+ =", "var x = 1"),
}


def code(text: str) -> str:
    """`text` without comments, and with empty strings."""
    return _TEXT.sub(lambda found: "''" if found[0].startswith("'") else "", text)


def findings(text: str) -> list[str]:
    return [name for name, (pattern, _) in BANNED.items() if re.search(pattern, code(text))]


def constructor_problems(text: str) -> list[str]:
    """Lines of constructors that do more than assign: they are not transformed, so no step may be called there."""
    bodies = (body for _, body in _CONSTRUCTOR.findall(code(text)))
    return [line for body in bodies for line in body.splitlines() if not re.fullmatch(r" +this\.\w+ = [\w +]+", line)]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_nothing_is_used_that_jenkins_cannot_run(source: Path) -> None:
    text = source.read_text(encoding="utf-8")
    assert findings(text) == []
    assert constructor_problems(text) == []
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize("name", BANNED)
def test_each_banned_construct_would_be_found(name: str) -> None:
    assert name in findings(BANNED[name][1])


def test_comments_and_strings_are_not_code() -> None:
    assert findings("// new File\n/* a::b */ x('do { it }', '''===\n!in''')") == []
    assert findings("x('it\\'s') // '\ny::z('')") == ["a method reference"]


def test_a_step_in_a_constructor_would_be_found() -> None:
    text = "class X {\n    X(Object steps) {\n        this.steps = steps\n        steps.echo('x')\n    }\n}\n"
    assert constructor_problems(text) == ["        steps.echo('')"]


def test_there_is_something_to_check() -> None:
    assert {path.stem for path in VARS} == {"ciplug", "ciplugSh", "withCiplug", "withCiplugValues"}
    assert len(CLASSES) == 2
    assert sum(len(_CONSTRUCTOR.findall(path.read_text(encoding="utf-8"))) for path in CLASSES) == 1


@pytest.mark.parametrize("source", CLASSES, ids=lambda path: path.stem)
def test_classes_can_be_written_to_disk_and_lie_where_their_package_is(source: Path) -> None:
    text = source.read_text(encoding="utf-8")
    assert re.findall(r"^class (\w+) implements Serializable \{$", text, re.MULTILINE) == [source.stem]
    package = ".".join(source.parent.relative_to(LIBRARY / "src").parts)
    assert text.startswith(f"package {package}\n")


def test_every_shell_text_begins_untraced_and_without_expansion_by_groovy() -> None:
    texts = re.findall(r"sh\(([^)]*)\)", "".join(code(path.read_text(encoding="utf-8")) for path in SOURCES))
    assert len(texts) == 4
    for arguments in texts:
        assert re.search(r"script: (?:Agent\.)?[A-Z_]+\b|script: command\b", arguments), arguments
    agent = (LIBRARY / "src/org/ciplug/Agent.groovy").read_text(encoding="utf-8")
    assert re.findall(r"static final String (\w+) = '''#!/bin/sh\nset \+x\n", agent) == ["CIPLUG"]
    for name in re.findall(r"(?:script: (?:Agent\.)?|Agent\.)([A-Z_]+)\b", "".join(p.read_text() for p in SOURCES)):
        assert f"static final String {name} = CIPLUG + '" in agent, name


class _Fragment(HTMLParser):
    """Notes elements that are not closed, or closed without having been opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("source", VARS, ids=lambda path: path.stem)
def test_the_help_is_a_whole_fragment_and_names_every_parameter(source: Path) -> None:
    help_text = source.with_suffix(".txt").read_text(encoding="utf-8")
    fragment = _Fragment()
    fragment.feed(help_text)
    fragment.close()
    assert fragment.open == []
    assert source.stem in fragment.text
    named = re.findall(r"'(\w+)'", re.search(r"checked\((.*)\)", source.read_text(encoding="utf-8"))[1])  # type: ignore[index]  # every var has one
    shared = {"environment", "manifest", "credentialsId"} if "OF_A_JOB" in source.read_text(encoding="utf-8") else set()
    for parameter in ({*named} - {source.stem}) | shared:
        assert parameter in fragment.text, parameter


def test_the_help_of_the_opt_in_names_its_price() -> None:
    text = (LIBRARY / "vars/withCiplugValues.txt").read_text(encoding="utf-8")
    for word in ("program.dat", "output.txt", "unencrypted", "Mask Passwords", "only inside the block", "process list"):
        assert word in " ".join(text.split()), word


def test_the_library_stays_thin() -> None:
    lines = "\n".join(code(path.read_text(encoding="utf-8")) for path in SOURCES).splitlines()
    assert sum(bool(line.strip()) for line in lines) <= 155
