"""The schema and the parser give the same verdict, but for what only the parser can know."""

from __future__ import annotations

import copy
import json
import tomllib
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ciplug import manifest
from ciplug.manifest import ManifestProblems

PARSER_ONLY = (
    # names that refer to something
    "is not in [environments]",
    "is not in [secrets]",
    "is not available in environment",
    "must declare one: jobs and targets read from an environment",
    # what two places say together
    "overlaps",
    "only by the case of its letters",
    "must be inside one of vault.shared",
    "must not name the KV mount",
    "keeps none",
    "is missing, and [project] gives no name",
    "is missing, and the default",
    "is no legal name of a role in environment",
    "is handed over as a file",
    # lists of names too long for a pattern
    "is reserved: it would change",
    "must not name one of the vault's own mounts",
    # characters and numbers that patterns and JSON do not know
    "must not hold invisible characters",
    "this is not an IPv6 address",
    "above 65535",
    "not a float",
    "must be a finite number",
    "is nested too deeply",
)

GOOD: dict[str, Any] = {
    "version": 1,
    "vault": {
        "address": ["https://vault.acme.dev:8200", "http://127.0.0.1:8200/"],
        "namespace": "acme/team",
        "auth_mount": {
            "github": "jwt",
            "gitlab": "jwt-gitlab",
            "jenkins": "team/jwt",
            "ci": "jwt-ci",
            "terminal": "oidc",
            "default": "jwt",
        },
        "issuer": {
            "github": "https://github.acme.dev/_services/token",
            "gitlab": "https://gitlab.acme.dev",
            "jenkins": "https://ci.acme.dev/oidc",
        },
        "audience": "https://vault.acme.dev",
        "kv_mount": "secret",
        "kv_version": 2,
        "shared": ["common", "platforms/x"],
        "deadline": 12.5,
    },
    "project": {
        "name": "shop",
        "github": "acme/.github",
        "github_id": 74,
        "gitlab": "acme/web/shop",
        "gitlab_id": 20,
        "jenkins": "https://ci.acme.dev/job/shop/",
    },
    "environments": {
        "dev": {"path": "app/dev"},
        "prod": {"path": "app/prod", "only_if": {"ref": ["refs/heads/main", 1, True], "environment": "production"}},
    },
    "secrets": {
        "URL": {
            "ref": "db@2#/a~1b/c",
            "environments": ["dev", "prod"],
            "owner": "payments",
            "description": "two\nlines",
            "rotate_every": "90d",
            "as": "file",
            "encoding": "base64",
            "optional": False,
        },
        "PG_USER": {"ref": "database:creds/web#username"},
        "NPM_TOKEN": {"ref": "//common/npm#token"},
    },
    "jobs": {
        "test": {"environment": "dev", "secrets": ["URL", "NPM_TOKEN"]},
        "build (3.12)": {"environment": ["dev", "prod"], "role": "shop-build", "secrets": ["URL"]},
        "deploy": {"environment": ["dev", "prod"], "role": "{environment}_x", "ttl": "30m", "secrets": ["URL"]},
    },
    "targets": {
        "web": {
            "platform": "vercel",
            "environment": "prod",
            "role": "sync",
            "ttl": "2h",
            "token": "//platforms/x#token",
            "secrets": ["NPM_TOKEN"],
            "options": {
                "project": "p",
                "n": 1,
                "f": 1.5,
                "on": True,
                "list": ["a", {"b": 1}],
                "deep": {"a": {"b": []}},
            },
        }
    },
}

VALIDATOR = jsonschema.Draft202012Validator(manifest.schema())


def to_toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{to_toml(key)} = {to_toml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(to_toml, value)) + "]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return json.dumps(value).replace("Infinity", "inf")


def document_text(document: dict[str, Any]) -> str:
    return "".join(f"{to_toml(key)} = {to_toml(value)}\n" for key, value in document.items())


def problems_of(document: dict[str, Any]) -> list[str]:
    try:
        manifest.parse(document_text(document), "m")
    except ManifestProblems as err:
        return [problem.message for problem in err.problems]
    return []


def is_parser_only(message: str) -> bool:
    return any(part in message for part in PARSER_ONLY)


def assert_same_verdict(document: dict[str, Any]) -> None:
    problems = problems_of(document)
    if VALIDATOR.is_valid(document):
        assert [message for message in problems if not is_parser_only(message)] == []
    else:
        assert problems != []


def key_paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [found for key, item in items for found in [(*path, key), *key_paths(item, (*path, key))]]


PATHS = key_paths(GOOD)


def changed(path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    document = copy.deepcopy(GOOD)
    place: Any = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return document


def without(path: tuple[str | int, ...]) -> dict[str, Any]:
    document = copy.deepcopy(GOOD)
    place: Any = document
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return document


AWKWARD = [
    *(
        "",
        " ",
        ".",
        "..",
        "a",
        "a\n",
        "\na",
        " a",
        "a ",
        "a b",
        "a\tb",
        "a\x7f",
        "é",
        "-a",
        "a-",
        "_a_",
        "1A",
        "a.b",
        "'",
        'a"b',
        "*",
    ),
    *(
        "a/b",
        "/a",
        "a/",
        "a//b",
        "a/../b",
        "a/.",
        "...",
        ".ciplug",
        ".ciplug/x",
        "a/.ciplug",
        "a/.ciplugs",
        "sys",
        "sys/a",
    ),
    *(
        "auth",
        "auth/x",
        "authx",
        "identity/x",
        "a?",
        "a#",
        "a%",
        "a+",
        "a\\b",
        "{{a}}",
        "a@b",
        "a:b",
        "a/..",
        "a/b/c",
        "a/b\n",
    ),
    *(
        "{environment}",
        "a-{environment}",
        "{environment}.{environment}b",
        "{environment}-",
        "-{environment}",
        "{Environment}",
        "{environment",
        "{environment}\n",
        "{environment}/",
    ),
    *(
        "1m",
        "5m\n",
        "0m",
        "05m",
        "m",
        "30s",
        "1440m",
        "1441m",
        "999m",
        "9999m",
        "24h",
        "25h",
        "100h",
        "10000000h",
        "1d",
    ),
    *(
        "a#b",
        "a#b\n",
        "a#b ",
        "a# b",
        "a#*",
        "a#",
        "a#b#c",
        "a@1#b",
        "a@0#b",
        "a@x#b",
        "a@1234567890#b",
        "a@1@2#b",
        "@1#b",
    ),
    *(
        "a#b@1",
        "a#b@1\n",
        "a#/b@1",
        "a#/b/",
        "a#/b//c",
        "a#/b~1",
        "a#/b~2",
        "a#b~2",
        "a#\x1f",
        "m:a#b",
        "m:a@1#b",
        "m:n:a#b",
    ),
    *(
        "m/n:a/b#c",
        ":a#b",
        "m:#b",
        "m:/a#b",
        "/m:a#b",
        "//m:a#b",
        "//common#b",
        "//common/#b",
        "///common#b",
        "/common#b",
    ),
    *(
        "..#b",
        "a/..#b",
        "../a#b",
        ".ciplug#b",
        "a/.ciplug@1#b",
        "m:.ciplug/a#b",
        ".ciplug:a#b",
        "a b#c",
        "a*#c",
        "a\n#c",
    ),
    *(
        "1h",
        "90d",
        "2w",
        "1d\n",
        "0d",
        "01d",
        "1",
        "d",
        "99999w",
        "100000w",
        "-1d",
        "env",
        "file",
        "file\n",
        "base64",
        "dev",
        "URL",
    ),
    *(
        "https://a",
        "https://a/",
        "https://a\n",
        "https://a//",
        "https://a/b",
        "https://a:1",
        "https://a:0",
        "https://a:123456",
    ),
    *(
        "https://a:",
        "https://",
        "https://a..b",
        "https://-a",
        "https://a-",
        "https://u@a",
        "https://a?b",
        "https://a#b",
        "HTTPS://a",
    ),
    *(
        "https://[::1]:1",
        "https://[::1",
        "https://a/job/b",
        "https:///a",
        "https://a*",
        "https://a b",
        "ftp://a",
        "http://a",
    ),
    *(
        "http://localhost",
        "http://localhosts",
        "http://127.0.0.1:1/",
        "http://127.0.0.256",
        "http://127.0.0.01",
        "http://[::1]",
    ),
    *("x" * 64, "x" * 65, "x" * 255, "x" * 256),
]
SPELLINGS = st.text(st.sampled_from("aB_1.-/:#@~*%+?\\\"'{} \n\t\x7fé"), max_size=12)
STRINGS = st.one_of(
    SPELLINGS,
    st.text(max_size=6),
    st.sampled_from(AWKWARD),
    SPELLINGS.map("https://a".__add__),
    SPELLINGS.map("a/b".__add__),
    SPELLINGS.map("db#".__add__),
)
SCALARS = st.one_of(
    STRINGS, st.booleans(), st.integers(-3, 1000), st.floats(allow_nan=False), st.sampled_from([0.0, 1.0, 600, 600.5])
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(STRINGS, inner, max_size=3),
    max_leaves=6,
)


def test_schema_is_a_valid_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(manifest.schema())
    assert manifest.schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"


def test_full_document_is_good_for_both() -> None:
    assert tomllib.loads(document_text(GOOD)) == GOOD
    VALIDATOR.validate(GOOD)
    assert problems_of(GOOD) == []


def objects_of(node: Any) -> list[dict[str, Any]]:
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    found = [child for item in children for child in objects_of(item)]
    return [node, *found] if isinstance(node, dict) and "properties" in node else found


def test_every_key_of_the_schema_has_its_words_and_no_table_takes_unknown_ones() -> None:
    tables = [table for table in objects_of(manifest.schema()) if isinstance(table["properties"], dict)]
    assert len(tables) == 9
    for table in tables:
        assert table["additionalProperties"] is False
        for key, described in table["properties"].items():
            assert described["title"], key
            assert described["description"], key


def test_the_full_document_has_every_key_of_the_schema() -> None:
    spelled = {part for path in PATHS for part in path}
    keys = {key for table in objects_of(manifest.schema()) for key in table["properties"]}
    assert keys - spelled == set()


@pytest.mark.parametrize(
    ("auth_mount", "good"),
    [
        ("jwt", True),
        ("team/jwt", True),
        ({"default": "jwt"}, True),
        ({"terminal": "oidc"}, True),
        ("auth/jwt", False),
        ({}, False),
        ({"github": "auth/jwt"}, False),
        ({"github": ""}, False),
        ({"github": 1}, False),
        ({"github": {"mount": "jwt"}}, False),
        ({"GitHub": "jwt"}, False),
        ({"default": "jwt", "vercel": "jwt"}, False),
        (["jwt"], False),
        (1, False),
    ],
    ids=str,
)
def test_auth_mount_is_one_or_a_table_by_host_for_both(auth_mount: Any, good: bool) -> None:
    document = changed(("vault", "auth_mount"), auth_mount)
    assert VALIDATOR.is_valid(document) is good
    assert (problems_of(document) == []) is good


@pytest.mark.parametrize("path", PATHS, ids=str)
def test_same_verdict_without_each_key(path: tuple[str | int, ...]) -> None:
    assert_same_verdict(without(path))


@pytest.mark.parametrize(
    "value", ["", "a b", 0, 1, 2, -1, 1.0, 0.5, 601, True, [], [1], [""], ["a", "a"], {}, {"": 1}, {"x": "*"}]
)
def test_same_verdict_with_each_key_changed(value: Any) -> None:
    for path in PATHS:
        assert_same_verdict(changed(path, value))


@pytest.mark.parametrize("path", dict.fromkeys(path[:-1] for path in PATHS if isinstance(path[-1], str)), ids=str)
def test_same_verdict_with_an_unknown_key(path: tuple[str | int, ...]) -> None:
    assert_same_verdict(changed((*path, "unknwn"), 1))


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(PATHS), VALUES)
def test_same_verdict_on_any_value(path: tuple[str | int, ...], value: Any) -> None:
    assert_same_verdict(changed(path, value))


STRING_PATHS = [path for path in PATHS if path[0] != "version" and len(path) > 1]
LEAVES = [
    *(
        ("vault", "address", 0),
        ("vault", "namespace"),
        ("vault", "auth_mount"),
        ("vault", "auth_mount", "gitlab"),
        ("vault", "auth_mount", "default"),
        ("vault", "issuer"),
        ("vault", "issuer", "gitlab"),
        ("vault", "audience"),
        ("vault", "kv_mount"),
    ),
    *(
        ("vault", "shared", 1),
        ("project", "name"),
        ("project", "github"),
        ("project", "gitlab"),
        ("project", "jenkins"),
    ),
    *(("environments", "dev", "path"), ("environments", "prod", "only_if", "ref", 0), ("secrets", "URL", "ref")),
    *(("secrets", "URL", "owner"), ("secrets", "URL", "description"), ("secrets", "URL", "rotate_every")),
    *(
        ("secrets", "URL", "as"),
        ("secrets", "URL", "encoding"),
        ("jobs", "test", "role"),
        ("jobs", "test", "environment"),
        ("jobs", "test", "ttl"),
        ("targets", "web", "ttl"),
    ),
    *(("targets", "web", "platform"), ("targets", "web", "role"), ("targets", "web", "token")),
]
NAMED = {
    "environments": {"path": "other"},
    "secrets": {"ref": "a#b"},
    "jobs": GOOD["jobs"]["build (3.12)"],
    "targets": GOOD["targets"]["web"],
}


@pytest.mark.parametrize("path", LEAVES, ids=str)
def test_same_verdict_on_awkward_strings(path: tuple[str | int, ...]) -> None:
    for value in AWKWARD:
        assert_same_verdict(changed(path, value))


@pytest.mark.parametrize("table", NAMED)
def test_same_verdict_on_awkward_names(table: str) -> None:
    for name in AWKWARD:
        assert_same_verdict(changed((table, name), NAMED[table]))


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(STRING_PATHS), STRINGS)
def test_same_verdict_on_any_string(path: tuple[str | int, ...], value: str) -> None:
    assert_same_verdict(changed(path, value))


@settings(max_examples=50, deadline=None)
@given(st.sampled_from(sorted(NAMED)), STRINGS)
def test_same_verdict_on_any_name(table: str, name: str) -> None:
    assert_same_verdict(changed((table, name), NAMED[table]))


@settings(max_examples=60, deadline=None)
@given(st.text() | st.text(st.sampled_from("[]{}\"'=.,#\n abv1")).map("version = 1\n".__add__))
def test_any_text_is_a_manifest_or_a_list_of_problems(text: str) -> None:
    try:
        found = manifest.parse(text, "m").version
    except ManifestProblems as err:
        lines = {problem.line for problem in err.problems}
        found = len(lines & set(range(1, text.count("\n") + 2)))
    assert found >= 1


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PATHS), VALUES), min_size=2, max_size=5))
def test_any_number_of_changes_is_a_manifest_or_a_list_of_problems(
    changes: list[tuple[tuple[str | int, ...], Any]],
) -> None:
    document = copy.deepcopy(GOOD)
    for path, value in changes:
        place: Any = document
        for key in path[:-1]:
            place = place[key] if isinstance(place, dict | list) and key in place_keys(place) else {}
        if isinstance(place, dict):
            place[str(path[-1])] = value
    for problem in problems_of(document):
        assert "\n" not in problem
        assert len(problem) < 400
    if problems_of(document) == []:
        assert VALIDATOR.is_valid(document)


def place_keys(place: dict[str, Any] | list[Any]) -> set[str | int]:
    return set(place) if isinstance(place, dict) else set(range(len(place)))
