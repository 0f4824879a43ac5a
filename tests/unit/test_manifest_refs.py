from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciplug.manifest import Ref, RefError


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("db#url", Ref(path="db", pointer=("url",))),
        ("a/b/c#url", Ref(path="a/b/c", pointer=("url",))),
        ("db@3#url", Ref(path="db", pointer=("url",), version=3)),
        ("//common/npm#token", Ref(path="common/npm", pointer=("token",), from_root=True)),
        ("//common@12#token", Ref(path="common", pointer=("token",), from_root=True, version=12)),
        ("database:creds/web#username", Ref(path="creds/web", pointer=("username",), mount="database")),
        ("team/pg:creds/web#username", Ref(path="creds/web", pointer=("username",), mount="team/pg")),
        ("db#/a/b", Ref(path="db", pointer=("a", "b"))),
        ("db#/a~1b/c~0d/~01", Ref(path="db", pointer=("a/b", "c~d", "~1"))),
        ("db#a/b", Ref(path="db", pointer=("a/b",))),
        ("db#a#b", Ref(path="db", pointer=("a#b",))),
        ("db#a b~c", Ref(path="db", pointer=("a b~c",))),
        ("db#me@acme.dev", Ref(path="db", pointer=("me@acme.dev",))),
        ("db#/url@3", Ref(path="db", pointer=("url@3",))),
        ("bücher#schlüssel", Ref(path="bücher", pointer=("schlüssel",))),
    ],
)
def test_ref_is_read_and_written(text: str, ref: Ref) -> None:
    assert Ref.parse(text) == ref
    assert str(ref) == text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "must name a field after #"),
        ("db", "must name a field after #"),
        ("db#", "the field after # must not be empty"),
        ("#url", "the path must not be empty or hold an empty segment"),
        (" db#url", "must not begin or end with a blank"),
        ("db#url ", "must not begin or end with a blank"),
        ("db# url", "must not begin with a blank"),
        ("db #url", "the path must not hold blanks or control characters"),
        ("db\n#url", "the path must not hold blanks or control characters"),
        ("db\u2003#url", "the path must not hold invisible characters"),
        ("db#u\x00rl", "the field after # must not hold control characters"),
        ("db#url\n", "the field after # must not hold control characters"),
        ("db#u\u202erl", "the field after # must not hold invisible characters"),
        ("db#*", "no wildcards"),
        ("db#url@3", "the version belongs before the #"),
        ("/db#url", "must not begin with /: a path is relative"),
        ("//#url", "the path must not be empty"),
        ("///common#url", "must not begin or end with /"),
        ("db/#url", "must not begin or end with /"),
        ("a//b#url", "empty segment"),
        ("../prod/db#url", "must not hold the segments . or .."),
        ("a/../../prod#url", "must not hold the segments . or .."),
        ("./db#url", "must not hold the segments . or .."),
        ("//common/..#url", "must not hold the segments . or .."),
        (".ciplug/web#x", "must not hold .ciplug"),
        ("a/.ciplug#x", "must not hold .ciplug"),
        ("database:.ciplug/x#x", "must not hold .ciplug"),
        ("a*#x", "must not hold *"),
        ("a+#x", "must not hold +"),
        ("a%2e%2e/b#x", "must not hold %"),
        ("a?b#x", "must not hold ?"),
        ("a\\b#x", "must not hold \\"),
        ('a"b#x', 'must not hold "'),
        ("{{x}}#x", "must not hold {"),
        ("db@0#url", "the version after @ must be a positive whole number"),
        ("db@03#url", "the version after @ must be a positive whole number"),
        ("db@-1#url", "the version after @ must be a positive whole number"),
        ("db@#url", "the version after @ must be a positive whole number"),
        ("db@latest#url", "the version after @ must be a positive whole number"),
        ("db@٣#url", "the version after @ must be a positive whole number"),
        ("db@1234567890#url", "the version after @ must be a positive whole number"),
        ("db@1@2#url", "the path must not hold @"),
        ("@1#url", "the path must not be empty"),
        ("database:creds/web@2#username", "only the KV engine has versions"),
        (":creds#x", "the mount must not be empty"),
        ("/db:creds#x", "the mount must not begin or end with /"),
        ("//db:creds#x", "the mount must not begin or end with /"),
        ("db/:creds#x", "the mount must not begin or end with /"),
        ("../sys:x#y", "the mount must not hold the segments . or .."),
        ("a@b:creds#x", "the mount must not hold @"),
        ("db:#x", "the path must not be empty"),
        ("db:/creds#x", "must not begin or end with /"),
        ("a:b:c#x", "the path must not hold :"),
        ("db#/", "must not hold an empty key"),
        ("db#/a//b", "must not hold an empty key"),
        ("db#/a~", "must be written ~0"),
        ("db#/a~2", "must be written ~0"),
    ],
)
def test_what_is_not_a_ref_is_refused_without_repeating_it(text: str, problem: str) -> None:
    with pytest.raises(RefError) as caught:
        Ref.parse(text)
    assert problem in str(caught.value)


TEXTS = st.text(st.sampled_from("ab./@:#~*%0127 \n\\é"), max_size=20) | st.text(max_size=20)


@given(TEXTS)
def test_any_text_is_a_ref_that_is_written_as_it_was_read_or_is_refused(text: str) -> None:
    try:
        ref = Ref.parse(text)
    except RefError:
        return
    assert Ref.parse(str(ref)) == ref
    assert not {"", ".", ".."} & set(f"{ref.mount or 'm'}/{ref.path}".split("/"))
