from __future__ import annotations

import re
import sys
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ciplug.errors import CiplugError, UsageError
from ciplug.policy import hcl
from ciplug.policy.hcl import Reading, UnreadableError
from ciplug.policy.model import Policy
from ciplug.policy.plain_hcl import read_plain

READ = frozenset({"read"})


def policy(rules: dict[str, frozenset[str]], *, owner: str = "jobs.test", project: str = "acme/shop") -> Policy:
    return Policy(name="shop-test", owner=owner, project=project, ids=("github:74",), rules=rules)


def rules_of(text: str) -> object:
    """What `text` allows, where that is all it says."""
    found = hcl.read(text)
    assert found.besides == ()
    return found.rules


def test_a_policy_is_its_mark_and_a_sorted_aligned_line_for_each_path() -> None:
    rules = {"secret/data/b": READ, "database/creds/web": READ, "a": frozenset({"update", "create", "read"})}
    assert hcl.render(policy(rules)) == (
        "# Written by `ciplug policy` for jobs.test of acme/shop (github:74)\n"
        'path "a"                  { capabilities = ["create", "read", "update"] }\n'
        'path "database/creds/web" { capabilities = ["read"] }\n'
        'path "secret/data/b"      { capabilities = ["read"] }\n'
    )


def test_a_policy_without_rules_is_its_mark_alone() -> None:
    assert hcl.render(policy({})) == "# Written by `ciplug policy` for jobs.test of acme/shop (github:74)\n"
    assert rules_of(hcl.render(policy({}))) == {}


@pytest.mark.parametrize(
    "path",
    [
        'a" { capabilities = ["sudo"] }',
        "a\\",
        "${a}",
        "{{identity.entity.id}}",
        "a\nb",
        "a\x00",
        "a*",
        "+/a",
        "a\u200b",
        "%{a}",
    ],
)
def test_a_path_that_could_mean_another_is_not_written(path: str) -> None:
    with pytest.raises(UsageError):
        hcl.render(policy({path: READ}))


@pytest.mark.parametrize("hostile", ['a\npath "x" { capabilities = ["sudo"] }', "a\r", "a\x0b", "a\u2028"])
def test_nothing_leaves_the_comment(hostile: str) -> None:
    with pytest.raises(UsageError):
        hcl.render(policy({}, owner=hostile))
    with pytest.raises(UsageError):
        hcl.render(policy({}, project=hostile))


@pytest.mark.parametrize("capabilities", [frozenset(), frozenset({"write"}), frozenset({'read"'})])
def test_only_capabilities_of_a_vault_are_written(capabilities: frozenset[str]) -> None:
    with pytest.raises(UsageError):
        hcl.render(policy({"a": capabilities}))


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.text(st.characters(exclude_characters='"\\{}*+/', exclude_categories=["C", "Z"]), min_size=1),
        st.sets(st.sampled_from(sorted(hcl.CAPABILITIES - {"deny"})), min_size=1).map(frozenset),
    )
)
def test_what_is_written_is_read_back(rules: dict[str, frozenset[str]]) -> None:
    assert rules_of(hcl.render(policy(rules))) == rules


@settings(max_examples=200, deadline=None)
@given(st.text().filter(lambda path: not path.startswith("/")), st.text())
def test_whatever_the_names_are_the_policy_says_the_same_or_is_not_written(path: str, owner: str) -> None:
    try:
        text = hcl.render(policy({path: READ}, owner=owner))
    except UsageError:
        return
    assert rules_of(text) == {path: READ}


@pytest.mark.parametrize(
    ("text", "rules"),
    [
        ("", {}),
        ('path "a" { capabilities = ["read"] }', {"a": {"read"}}),
        ('path "a" {\n  capabilities = [\n    "read", # why\n    "list",\n  ]\n}\n', {"a": {"read", "list"}}),
        ('/* path "z" {} */\n// x\n# y\npath "a" { capabilities = ["read"] }', {"a": {"read"}}),
        (
            'path "a" { capabilities = ["read"] }\r\npath "b*" { capabilities = ["sudo"] }',
            {"a": {"read"}, "b*": {"sudo"}},
        ),
        ('path "a/{{identity.entity.id}}" { capabilities = ["read"] }', {"a/{{identity.entity.id}}": {"read"}}),
        ('path "a"\n{\n  capabilities = ["deny"]\n}\n', {"a": {"deny"}}),
        ('path\n"a"\n\n{ capabilities = ["deny"] }', {"a": {"deny"}}),
        ('path # x\n"a" // y\n{ capabilities = ["deny"] }', {"a": {"deny"}}),
        ('path "a" # y\n\n{ policy = "deny" }', {"a": {"deny"}}),
        ('path "a"\n{ capabilities = ["deny"] }\n/* x */', {"a": {"deny"}}),
        ('path "a" {}', {"a": set()}),
        ('path "a" { capabilities = [] }', {"a": set()}),
        # as in the vault, which unites them (seen on OpenBao 2.7)
        ('path "a" { capabilities = ["read"] }\npath "a" { capabilities = ["list"] }', {"a": {"read", "list"}}),
        ('path "a" { capabilities = ["read"]\n capabilities = ["sudo"] }', {"a": {"read", "sudo"}}),
        ('path "/a/b*" { capabilities = ["read"] }', {"a/b*": {"read"}}),
        ('path "/a" { capabilities = ["read"] }\npath "a" { capabilities = ["list"] }', {"a": {"read", "list"}}),
        ('path "//a" { capabilities = ["read"] }', {"/a": {"read"}}),
        ('path "a" { policy = "read" }', {"a": {"read", "list"}}),
        ('path "a" { policy = "write" }', {"a": {"create", "read", "update", "delete", "list"}}),
        ('path "a" { policy = "sudo" }', {"a": {"create", "read", "update", "delete", "list", "sudo"}}),
        ('path "a" { policy = "deny"\n capabilities = ["read"] }', {"a": {"deny", "read"}}),
    ],
)
def test_paths_and_capabilities_are_read(text: str, rules: dict[str, set[str]]) -> None:
    assert rules_of(text) == rules


@pytest.mark.parametrize(
    ("text", "others"),
    [
        ('path "a" { policy = "all" }', ['path "a": policy']),
        ('path "a" { policy = ["write"] }', ['path "a": policy']),
        (
            'path "a" {\n capabilities = ["read"]\n allowed_parameters = { "x" = [] }\n denied_parameters = {}\n}',
            ['path "a": allowed_parameters', 'path "a": denied_parameters'],
        ),
        ('path "a" { min_wrapping_ttl = "1s" }', ['path "a": min_wrapping_ttl']),
        ('path "a" {\n control_group = { }\n factor "x" { }\n}', ['path "a": control_group', 'path "a": factor']),
        ('path "a" { Capabilities = ["read"] }', ['path "a": Capabilities']),
        ('Path "a" { capabilities = ["read"] }', ['Path "a"']),
        ('path "a" "b" { capabilities = ["read"] }', ['path "a" "b"']),
        ('path "a" "b"\n{ capabilities = ["read"] }', ['path "a" "b"']),
        ('path\n{ capabilities = ["read"] }', ["path"]),
        ('path = { "a" = { capabilities = ["read"] } }', ["path"]),
        ('name = "x"', ["name"]),
    ],
)
def test_what_is_more_than_that_is_named(text: str, others: list[str]) -> None:
    found = hcl.read(text)
    assert list(found.besides) == others
    assert list(found.unread) == [other for other in others if ":" not in other]


def test_what_can_be_read_is_read_beside_what_cannot_be_expressed() -> None:
    text = 'path "a" { capabilities = ["read"]\n max_wrapping_ttl = "1s" }\npath "b" { capabilities = ["deny"] }'
    assert hcl.read(text) == Reading(
        rules={"a": READ, "b": frozenset({"deny"})}, others=('path "a": max_wrapping_ttl',)
    )


@pytest.mark.parametrize(
    "text",
    [
        'path "a" { capabilities = ["read"]',
        "path",
        "}",
        "\x00",
        '{"path": {"a": {"capabilities": ["read"]}}}',
        '"path" "a" { capabilities = ["read"] }',
        'path a { capabilities = ["read"] }',
        'path "a${x}" { capabilities = ["read"] }',
        'path "$${x}" { capabilities = ["read"] }',
        'path "a\\u0062" { capabilities = ["read"] }',
        'path "a\x01b" { capabilities = ["read"] }',
        'path "a\u200bb" { capabilities = ["read"] }',
        'path "a" { capabilities = "read" }',
        'path "a" { capabilities = [read] }',
        'path "a" { capabilities = [["read"]] }',
        'path "a" { capabilities = ["re${"a"}d"] }',
        'path "a" { capabilities = ["read"][0] }',
        'path "a" { capabilities = concat(["read"]) }',
        'path "a" { capabilities = true ? ["read"] : ["sudo"] }',
        'path "a" { capabilities = [for x in ["read"] : x] }',
        'path "a" { capabilities = <<E\nread\nE\n}',
        'path "a" { capabilities = 1 + 2 }',
        'path "a" { capabilities = ' + "[" * 5000 + "]" * 5000 + " }",
        "#" * (hcl.LARGEST + 1),
    ],
    ids=lambda text: text[:60],
)
def test_what_cannot_be_told_is_an_error_and_no_crash(text: str) -> None:
    with pytest.raises(UnreadableError):
        hcl.read(text)


@settings(max_examples=100, deadline=None)
@given(
    st.one_of(
        st.text(max_size=40),
        st.lists(
            st.sampled_from(
                ["path", '"a"', "{", "}", "[", "]", "=", "capabilities", '"read"', "\n", ",", "${", "#", "<<E"]
            )
        ).map(" ".join),
    )
)
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = hcl.read(text)
    except CiplugError:
        return
    assert all(isinstance(path, str) for path in found.rules)


PIECES = st.sampled_from(
    [
        "path ", '"a"', '"/b*"', '"{{c}}"', '"$"', '"%{d"', " {", "}", "capabilities = ", "[", "]", '"read"', ",", "\n",
        " # x\n", "//", "/*", "*/", "\r", "\x0b", "<<E\n", "\\", "policy", 'path "a" { capabilities = ["read"] }\n',
    ]
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(PIECES, max_size=14).map("".join))
def test_what_is_read_without_a_library_is_what_a_library_reads(text: str) -> None:
    plain = read_plain(text)
    on_one_line = re.sub(r'path(?:[ \t\n]|(?:#|//)[^\n]*\n)+"', 'path "', text)  # as the library has it
    with_a_library = f"{on_one_line}\n/* x */\n"
    assert read_plain(with_a_library) is None
    if plain is not None:
        found = hcl.read(with_a_library)
        assert found.besides == ()
        assert found.rules == {path.removeprefix("/"): given for path, given in plain.items()}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# a\n",
        'path "a" {}',
        'path "a" {\n  capabilities = ["read"]\n}\n# the end',
        'path "identity/entity/id/{{identity.entity.id}}" {\n  # own\n  capabilities = [\n    "read",\n  ]\n}',
        'path "a" # x\n\n{\n}\npath\n"b"\n{\n  capabilities = ["deny"]\n}\n',
        'path "a"{capabilities=["create","read"]}// x\npath "a" { capabilities = [] }',
    ],
)
def test_the_simplest_policies_are_read_without_a_library(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hcl2", None)
    assert hcl.read(text).besides == ()


@pytest.mark.parametrize(
    "text",
    [
        'path "a" { policy = "read" }',
        'path "a" { capabilities = ["read"] } /* x */',
        'path "a" { capabilities = ["read"] }\r\n',
        'path "a\\u002fb" {}',
        'path "a${b}" {}',
        '"path" "a" {}',
        'path "a" "b" {}',
        'path "a" { capabilities = ["read" "list"] }',
        'path "a" { capabilities = ["read"] capabilities = ["list"] }',
        '{"path": {"a": {}}}',
        'path "a" { capabilities = ["read"] } x',
        "#\x0b",
    ],
)
def test_any_other_policy_takes_a_library(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hcl2", None)
    with pytest.raises(UnreadableError) as caught:
        hcl.read(text)
    assert "ciplug[policy]" in caught.value.hint


def test_a_large_policy_is_read_in_one_pass() -> None:
    text = 'path "a" { capabilities = ["read"] }\n' * (hcl.LARGEST // 40) + 'path "' + "a" * 1000
    began = time.monotonic()
    assert read_plain(text) is None
    assert time.monotonic() - began < 5
